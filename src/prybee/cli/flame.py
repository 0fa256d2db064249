"""``prybee flame``: from stacks to flame graphs."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from functools import partial
from io import BufferedReader, FileIO

from prybee.cli import flame_profile
from prybee.cli.options import UsageError
from prybee.flame.profile import ANNOTATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import NoReturn

    from prybee.flame.profile import Profile, Quality


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are told as all others of the command."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}\n{self.format_usage().rstrip()}")


def main(words: Sequence[str]) -> int:
    """Collapse, draw or compare stacks.

    Raises:
        UsageError: options that there are not.
        FormatError: a file of a format that is not known.
    """
    given = _parser().parse_args(list(words))
    run: Callable[[argparse.Namespace, ExitStack], int] = given.run
    with ExitStack() as opened:
        return run(given, opened)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="prybee flame",
        description="From any tracer's stacks to a picture that answers the question.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _collapse_options(commands)
    _draw_options(commands)
    _diff_options(commands)
    flame_profile.options(commands)
    guess = commands.add_parser("guess", help="say the format of files")
    guess.add_argument("files", nargs="+", metavar="FILE")
    guess.set_defaults(run=_guess)
    return parser


def _input_options(parser: argparse.ArgumentParser) -> None:
    from prybee.flame.formats import FORMATS

    parser.add_argument("files", nargs="*", metavar="FILE", help="- or none: standard input")
    parser.add_argument(
        "--format",
        choices=[each.name for each in FORMATS],
        help="of the input; it is found by itself otherwise",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit status 1 if anything was not understood"
    )


def _perf_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of perf script's text")
    group.add_argument("--pid", action="store_true", help="the process's frame has its id")
    group.add_argument("--tid", action="store_true", help="and the thread's: name-PID/TID")
    group.add_argument("--addrs", action="store_true", help="addresses of unknown functions")
    group.add_argument("--event-filter", metavar="EVENT", default="", help="default: the first")
    group.add_argument(
        "--skip-after", metavar="FUNCTION", action="append", default=[],
        help="leave out what is called before it; may be given again",
    )  # fmt: skip
    group.add_argument(
        "--compat", choices=["perl"], default="",
        help="also the mistakes of stackcollapse-perf.pl",
    )  # fmt: skip


def _collapse_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "collapse", help="stacks of any format, folded: a line for each", epilog="Annotations "
        "tell what a frame is: _[k] of the kernel, _[j] compiled at run time, _[i] inlined.",
    )  # fmt: skip
    _input_options(parser)
    _perf_options(parser)
    group = parser.add_argument_group("of the output")
    group.add_argument("--kernel", action="store_true", help="annotate the kernel's functions")
    group.add_argument("--jit", action="store_true", help="annotate functions made at run time")
    group.add_argument("--inline", action="store_true", help="annotate inlined functions")
    group.add_argument("--all", action="store_true", help="annotate all of them")
    parser.set_defaults(run=_collapse)


def _draw_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    from prybee.flame.palettes import NAMES

    parser = commands.add_parser("draw", help="a flame graph, or a file for another viewer")
    _input_options(parser)
    _perf_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the end of its name says the format: "
        ".svg, .html, .folded, .speedscope.json, .pb.gz; default: SVG on standard output",
    )
    parser.add_argument("--title", default="")
    # What is not given is not there: the picture knows what is usual.
    group = parser.add_argument_group("how it looks")
    look = partial(group.add_argument, default=argparse.SUPPRESS)
    look("--subtitle")
    look("--notes", help="a comment in the file")
    look("--width", type=int, help="pixels (1200)")
    look("--height", type=int, help="of a row, pixels (16)")
    look("--minwidth", help="of a frame: pixels, or N%% (0.1)")
    look("--fonttype")
    look("--fontsize", type=float)
    look("--fontwidth", type=float, help="as a part of the size")
    look("--encoding")
    look("--countname", help="what is counted (samples)")
    look("--nametype")
    look("--colors", choices=NAMES)
    look("--bgcolors", help="yellow, blue, green, grey or #rrggbb")
    look("--hash", action="store_true", help="colours by the names' letters")
    look("--random", action="store_true", help="colours of chance")
    look("--inverted", action="store_true", help="the root at the top: an icicle")
    group.add_argument("--reverse", action="store_true", help="merge from the leaves")
    look("--negate", action="store_true", help="growth is blue")
    look("--total", type=float, help="what is 100%%")
    look("--factor", type=float, help="multiply shown counts")
    look("--nameattr", metavar="FILE", help="attributes of functions")
    parser.set_defaults(run=_draw)


def _diff_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "diff", help="two profiles in one: each stack with both weights",
        description="Folded lines with two weights, which `prybee flame draw` colours.",
    )  # fmt: skip
    parser.add_argument("before", metavar="BEFORE")
    parser.add_argument("after", metavar="AFTER")
    parser.add_argument("-n", "--normalize", action="store_true", help="to the same total")
    parser.add_argument("-s", "--strip-hex", action="store_true", help="numbers of the form 0x…")
    parser.add_argument("-o", "--output", metavar="FILE.html", help="the page of both")
    parser.add_argument("--title", default="")
    parser.set_defaults(run=_diff)


def _guess(given: argparse.Namespace, opened: ExitStack) -> int:
    from prybee.flame.formats import HEAD, FormatError, guess

    status = 0
    for name in given.files:
        head = _open(name, opened).peek(HEAD)
        try:
            found = guess(head)
            print(f"{name}: {found.name}: {found.what}")
        except FormatError as error:
            print(f"{name}: {str(error).splitlines()[0]}", file=sys.stderr)
            status = 1
    return status


def _collapse(given: argparse.Namespace, opened: ExitStack) -> int:
    from prybee.flame.writers import folded

    profile = _read(given, opened)
    kinds = [kind for kind, wanted in _KINDS.items() if given.all or getattr(given, wanted)]
    _write(None, (line + "\n" for line in folded.lines(profile, kinds)))
    return report(profile.quality, given.strict)


# By the end of a file's name; `.gz` may be behind it.
WRITTEN = ("svg", "html", "folded", "speedscope.json", "pb", "pprof")
_KINDS = {"kernel": "kernel", "jit": "jit", "inlined": "inline"}


def _draw(given: argparse.Namespace, opened: ExitStack) -> int:
    from prybee.flame import drawing

    kind = suffix(given.output)
    if kind != "svg":
        profile = _read(given, opened)
        save(profile, kind, given.output, given.title)
        return report(profile.quality, given.strict)
    from prybee.flame.writers.svg import Options

    look = {name: value for name, value in vars(given).items() if name in Options._fields}
    if "nameattr" in look:
        with open(look["nameattr"], encoding="utf-8") as file:
            look["nameattr"] = drawing.attributes(file)
    picture, quality = drawing.draw(
        _inputs(given, opened),
        given.format,
        reverse=given.reverse,
        reading=_reading(given),
        **look,
    )
    status = report(quality, given.strict)
    _write(given.output, picture)
    return status


def suffix(output: str | None, usual: str = "svg") -> str:
    """The format that a file's name tells.

    Args:
        output: the name; None for standard output.
        usual: the format there.

    Raises:
        UsageError: it tells none that is known.
    """
    if output is None or output == "-":
        return usual
    name = output.removesuffix(".gz")
    for each in WRITTEN:
        if name.endswith(f".{each}"):
            return each
    known = ", ".join(f".{each}" for each in WRITTEN)
    raise UsageError(f"prybee flame: {output}: which format? The end of the name says: {known}")


def save(profile: Profile, suffix: str, output: str | None, title: str) -> None:
    """Writes a profile.

    Args:
        profile: what is written.
        suffix: the format.
        output: the file's name; None for standard output.
        title: of pages and pictures.
    """
    if suffix in ("pb", "pprof"):
        from prybee.flame.writers import pprof

        with open(output or "/dev/stdout", "wb") as binary:
            binary.write(pprof.write(profile))
        return
    from prybee.flame import drawing
    from prybee.flame.writers import folded, html, speedscope

    parts: Iterable[str]
    if suffix == "folded":
        parts = (line + "\n" for line in folded.lines(profile, ANNOTATIONS))
    elif suffix == "html":
        parts = [html.write(profile, title)]
    elif suffix == "svg":
        parts = drawing.picture(profile, title=title, countname=profile.unit)
    else:
        parts = [speedscope.write(profile, title)]
    _write(output, parts)


def _write(output: str | None, parts: Iterable[str]) -> None:
    """Writes text to a file, or to standard output."""
    if output is None or output == "-":
        sys.stdout.writelines(parts)
        return
    with open(output, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(parts)


def _diff(given: argparse.Namespace, opened: ExitStack) -> int:
    from prybee.flame import difference, drawing

    if given.output:
        if suffix(given.output) != "html":
            raise UsageError(f"prybee flame diff: {given.output}: the page of both is .html")
        from prybee.flame.writers import html

        before, after = (
            drawing.read([_open(name, opened)], None, {}) for name in (given.before, given.after)
        )
        _write(given.output, [html.write(after, given.title, before)])
        return max(report(before.quality, False), report(after.quality, False))
    lines, quality = difference.folded(
        _open(given.before, opened), _open(given.after, opened),
        normalize=given.normalize, strip_hex=given.strip_hex,
    )  # fmt: skip
    _write(None, (line + "\n" for line in lines))
    return report(quality, strict=False)


def _reading(given: argparse.Namespace) -> dict[str, object]:
    return {
        "pid": given.pid,
        "tid": given.tid,
        "addrs": given.addrs,
        "event_filter": given.event_filter,
        "skip_after": tuple(given.skip_after),
        "compat": given.compat,
    }


def _read(given: argparse.Namespace, opened: ExitStack) -> Profile:
    from prybee.flame import drawing

    return drawing.read(_inputs(given, opened), given.format, _reading(given))


def _inputs(given: argparse.Namespace, opened: ExitStack) -> list[BufferedReader]:
    return [_open(name, opened) for name in given.files or ["-"]]


def _open(name: str, opened: ExitStack) -> BufferedReader:
    from prybee.flame.formats import HEAD

    if name == "-":
        # It is one, which its type does not tell.
        return sys.stdin.buffer  # type: ignore[return-value]
    return opened.enter_context(BufferedReader(FileIO(name), HEAD))


def report(quality: Quality, strict: bool) -> int:
    """Says what a profile lacks.

    Args:
        quality: what is known of that.
        strict: it is a failure.

    Returns:
        The exit status.
    """
    if quality.rejected:
        print(f"WARNING: {quality.rejected} lines were not understood:", file=sys.stderr)
        for number, line in quality.examples:
            print(f"  line {number}: {line[:100]}", file=sys.stderr)
    if quality.stackless:
        print(f"{quality.stackless} samples have no stack", file=sys.stderr)
    return 1 if strict and not quality.whole else 0
