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

    from prybee.flame.gate import Rule
    from prybee.flame.profile import Profile

    # Names of files, and what is in them: before, after.
    _Names = tuple[list[str], list[str]]
    _Runs = tuple[list[Profile], list[Profile]]

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
    end = given.output.rpartition(".")[2] if given.output else ""
    kind = end if end in _REPORTS else ""
    if not (kind or given.fail_on or given.functions):
        return _show(given, names, opened)
    rules = _rules(given)
    runs = _runs(given, names, opened)
    status = _report(given, rules, runs, kind)
    if kind or not given.output:
        return status
    return max(status, _show(given, names, opened, runs))


def _sides(given: argparse.Namespace) -> _Names:
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


def _runs(given: argparse.Namespace, names: _Names, opened: ExitStack) -> _Runs:
    """Reads the profiles of both sides, and says what they lack.

    What is read here is not read again: it may come from a pipe.
    """
    from prybee.flame import drawing

    before, after = (
        [
            drawing.read([flame_files.open_file(name, opened)], given.format, {}, samples=True)
            for name in side
        ]
        for side in names
    )
    for profile in (*before, *after):
        flame_files.report(profile.quality, strict=False)
    return before, after


def _show(
    given: argparse.Namespace, names: _Names, opened: ExitStack, runs: _Runs | None = None
) -> int:
    """Writes both profiles in one.

    Args:
        given: the options.
        names: of the files.
        opened: closes them.
        runs: what is in them, if that has been read.
    """
    from prybee.flame import difference, drawing, pictures

    output = flame_draw.of(given.output, outputs.FOLDED)
    if output is not outputs.SVG:
        flame_draw.tell_unused(given, output)
    if output not in (outputs.SVG, outputs.HTML, outputs.FOLDED):
        ends = ".svg, .html, .folded, .md or .txt"
        raise UsageError(f"prybee flame diff: {given.output}: two profiles are shown as {ends}")
    if output is outputs.HTML:
        return _page(given, runs or _runs(given, names, opened))
    look = flame_draw.look(given)
    equal = given.normalize_by or (difference.TOTAL if given.normalize else difference.NOTHING)
    if runs is None and equal in (difference.SAMPLES, difference.TIME):
        runs = _runs(given, names, opened)
    scale = _scale(equal, names, runs)
    sides, missing = [], []
    for place, side in enumerate(names):
        if runs is None:
            files = [flame_files.open_file(name, opened) for name in side]
            stacks, weights, _, quality = drawing.stacks(files, given.format, {})
            flame_files.report(quality, strict=False)
        else:
            whole = _joined(runs[place])
            stacks, weights = drawing.folded(whole)
            quality = whole.quality
        sides.append((stacks, weights))
        missing += [each for each in sentences(quality) if each not in missing]
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
    return 0


def _scale(equal: str, names: _Names, runs: _Runs | None) -> float | None:
    """What weights before are multiplied by; None for what makes the totals equal."""
    from prybee.flame import difference

    if equal == difference.TOTAL:
        return None
    if equal == difference.NOTHING:
        # A run weighs as much as another.
        return len(names[1]) / len(names[0])
    assert runs is not None
    measures = [
        sum(difference.measure(each, equal, which) for each in side)
        for side, which in zip(runs, ("first", "second"), strict=True)
    ]
    return measures[1] / measures[0]


def _joined(runs: Sequence[Profile]) -> Profile:
    """All runs of a side as one, which is the first of them from then on."""
    whole, *others = runs
    for each in others:
        whole.join(each)
    return whole


def _page(given: argparse.Namespace, runs: _Runs) -> int:
    from prybee.flame import difference
    from prybee.flame.writers import html

    before, after = map(_joined, runs)
    if given.strip_hex:
        before, after = difference.without_addresses(before), difference.without_addresses(after)
    flame_files.write(
        given.output,
        [html.write(after, given.title, before, equal=given.normalize_by or difference.TOTAL)],
    )
    return 0


def _rules(given: argparse.Namespace) -> list[Rule]:
    """What must not change.

    Raises:
        UsageError: the confidence is none.
        FormatError: a rule that is none.
    """
    from prybee.flame import gate

    if not 0.5 <= given.confidence / 100 < 1:
        raise UsageError(f"prybee flame diff: --confidence {given.confidence:g}: from 50 to 99.99")
    return [gate.parse(text) for text in given.fail_on]


def _report(given: argparse.Namespace, rules: Sequence[Rule], runs: _Runs, kind: str) -> int:
    """Says what changed, on standard output or in a file of a kind; 1 if a rule is broken."""
    from prybee.flame import comparison_report, difference, gate
    from prybee.flame.comparison import SELF, TOTAL, Comparison

    confidence, least = given.confidence / 100, given.least / 100
    before, after = runs
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
