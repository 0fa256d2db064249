"""``prybee flame diff``: what changed from one profile to another, or between runs of both."""

from __future__ import annotations

import sys

from prybee.cli import flame_draw, flame_files
from prybee.cli.options import UsageError
from prybee.flame import outputs
from prybee.flame.missing import sentences

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from contextlib import ExitStack
    from typing import Any

    from prybee.flame.profile import Profile

# What a report may be written as, beside what shows both profiles.
_REPORTS = ("md", "txt")


def options(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    import argparse as parsing

    from prybee.flame.difference import NOTHING, SAMPLES, TIME, TOTAL
    from prybee.flame.formats import FORMATS
    from prybee.flame.gate import GRAMMAR

    parser = commands.add_parser(
        "diff", help="what changed from one profile to another",
        usage="prybee flame diff [OPTION…] BEFORE AFTER\n"
        "       prybee flame diff [OPTION…] --before FILE… --after FILE…",
        description="Folded lines with two weights, which `prybee flame draw` colours; a picture,\n"
        "a page or a report with -o; exit status 1 if a rule of --fail-on is broken.",
        epilog=f"a RULE: {GRAMMAR}",
        formatter_class=parsing.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("profiles", metavar="PROFILE", nargs="*", help="one before, one after")
    parser.add_argument("--before", metavar="FILE", nargs="+", default=[], help="runs before")
    parser.add_argument("--after", metavar="FILE", nargs="+", default=[], help="runs after")
    parser.add_argument(
        "--format", choices=[each.name for each in FORMATS],
        help="of the profiles; it is found by itself otherwise",
    )  # fmt: skip
    parser.add_argument("-n", "--normalize", action="store_true", help="to the same total")
    parser.add_argument(
        "--normalize-by", choices=(TOTAL, SAMPLES, TIME, NOTHING),
        help="what is made equal (none, or total for rules and functions)",
    )  # fmt: skip
    parser.add_argument("-s", "--strip-hex", action="store_true", help="numbers of the form 0x…")
    parser.add_argument(
        "-o", "--output", metavar="FILE",
        help="its end says what: .svg, .html, .folded, or a report: .md, .txt",
    )  # fmt: skip
    parser.add_argument("--title", default="")
    gate = parser.add_argument_group("what must not change")
    gate.add_argument(
        "--fail-on", metavar="RULE", action="append", default=[],
        help="exit status 1 if a function changed so; may be given again",
    )  # fmt: skip
    gate.add_argument(
        "--confidence", type=float, default=95, metavar="PERCENT", help="that it is no noise (95)"
    )
    gate.add_argument(
        "--least", type=float, default=0.1, metavar="PERCENT",
        help="of everything; functions below are left out (0.1)",
    )  # fmt: skip
    gate.add_argument("--functions", action="store_true", help="list what is new, gone, grown …")
    flame_draw.look_options(parser)
    parser.set_defaults(run=_diff)


def _diff(given: argparse.Namespace, opened: ExitStack) -> int:
    names = _sides(given)
    reported = bool(given.fail_on or given.functions)
    kind = given.output.rpartition(".")[2] if given.output else ""
    if kind in _REPORTS or (reported and not given.output):
        return _report(given, names, opened, kind)
    if reported:
        status = _report(given, names, opened, "")
        # The files are read again.
        return max(status, _show(given, names, opened))
    return _show(given, names, opened)


def _sides(given: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The files before and after.

    Raises:
        UsageError: they are not told from each other.
    """
    if given.before or given.after:
        if given.profiles or not (given.before and given.after):
            raise UsageError("prybee flame diff: --before FILE… and --after FILE… have all files")
        return given.before, given.after
    if len(given.profiles) != 2:
        raise UsageError(
            f"prybee flame diff: two profiles, not {len(given.profiles)}: BEFORE AFTER\n"
            "HINT: several runs of each: --before FILE… --after FILE…"
        )
    before, after = given.profiles
    return [before], [after]


def _show(given: argparse.Namespace, names: tuple[list[str], list[str]], opened: ExitStack) -> int:
    """Writes both profiles in one."""
    output = flame_draw.of(given.output, outputs.FOLDED)
    if output is not outputs.SVG:
        flame_draw.tell_unused(given, output)
    if output is outputs.HTML:
        return _page(given, names, opened)
    if output not in (outputs.SVG, outputs.FOLDED):
        ends = ".svg, .html, .folded, .md or .txt"
        raise UsageError(f"prybee flame diff: {given.output}: two profiles are shown as {ends}")
    from prybee.flame import difference, drawing, pictures

    look = flame_draw.look(given)
    sides, status, missing = [], 0, []
    for side in names:
        files = [flame_files.open_file(name, opened) for name in side]
        stacks, weights, _, quality = drawing.stacks(files, given.format, {})
        sides.append((stacks, weights))
        missing += [each for each in sentences(quality) if each not in missing]
        status = max(status, flame_files.report(quality, strict=False))
    scale = _scale(given, names, opened)
    stacks, before, after = difference.merged(
        sides[0], sides[1], scale=scale, exact=output is outputs.SVG, strip_hex=given.strip_hex
    )
    parts: Iterable[str | bytes]
    if output is outputs.FOLDED:
        parts = difference.lines(stacks, before, after)
    else:
        parts = pictures.draw(stacks, after, before, missing=missing, **look)
    flame_files.write(given.output, parts)
    flame_draw.keep_colours(given, look)
    return status


def _scale(
    given: argparse.Namespace, names: tuple[list[str], list[str]], opened: ExitStack
) -> float | None:
    """What weights before are multiplied by; None for what makes the totals equal."""
    from prybee.flame import difference

    equal = given.normalize_by or (difference.TOTAL if given.normalize else difference.NOTHING)
    if equal == difference.TOTAL:
        return None
    if equal == difference.NOTHING:
        # A run weighs as much as another.
        return len(names[1]) / len(names[0])
    before, after = (_profiles(given, side, opened) for side in names)
    measures = [
        sum(difference.measure(each, equal, which) for each in side)
        for side, which in ((before, "first"), (after, "second"))
    ]
    return measures[1] / measures[0]


def _page(given: argparse.Namespace, names: tuple[list[str], list[str]], opened: ExitStack) -> int:
    from prybee.flame import difference, drawing
    from prybee.flame.writers import html

    before, after = (
        drawing.read(
            [flame_files.open_file(name, opened) for name in side], given.format, {}, samples=True
        )
        for side in names
    )
    if given.strip_hex:
        before, after = difference.without_addresses(before), difference.without_addresses(after)
    flame_files.write(
        given.output,
        [html.write(after, given.title, before, equal=given.normalize_by or difference.TOTAL)],
    )
    return max(
        flame_files.report(before.quality, strict=False),
        flame_files.report(after.quality, strict=False),
    )


def _report(
    given: argparse.Namespace, names: tuple[list[str], list[str]], opened: ExitStack, kind: str
) -> int:
    """Says what changed, on standard output or in a file of a kind; 1 if a rule is broken."""
    from prybee.flame import comparison_report, difference, gate
    from prybee.flame.comparison import SELF, TOTAL, Comparison

    confidence, least = given.confidence / 100, given.least / 100
    if not 0.5 <= confidence < 1:
        raise UsageError(f"prybee flame diff: --confidence {given.confidence:g}: from 50 to 99.99")
    rules = [gate.parse(text) for text in given.fail_on]
    before, after = (_profiles(given, side, opened) for side in names)
    for profile in (*before, *after):
        flame_files.report(profile.quality, strict=False)
    if given.strip_hex:
        before, after = (
            [difference.without_addresses(each) for each in side] for side in (before, after)
        )
    comparison = Comparison(before, after, given.normalize_by or "total")
    verdicts = [gate.judge(comparison, rule, confidence, least) for rule in rules]
    sections = comparison_report.report(comparison, verdicts, confidence, least)
    if given.functions or kind:
        for metric in (SELF, TOTAL):
            sections += comparison_report.functions(comparison, metric, least)
    if kind == "md":
        flame_files.write(given.output, comparison_report.markdown(sections, given.title))
    else:
        output = given.output if kind else None
        flame_files.write(output, comparison_report.text(sections))
    if kind:
        for verdict in verdicts:
            for finding in verdict.offenders:
                print(f"FAILED: {verdict.rule.text}: {finding.change.name}", file=sys.stderr)
    return int(any(verdict.offenders for verdict in verdicts))


def _profiles(given: argparse.Namespace, names: Sequence[str], opened: ExitStack) -> list[Profile]:
    from prybee.flame import drawing

    return [
        drawing.read([flame_files.open_file(name, opened)], given.format, {}, samples=True)
        for name in names
    ]
