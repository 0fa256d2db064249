"""What the commands of ``prybee flame`` share: options of the input, files, what is missing."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from io import BufferedReader, FileIO

from prybee.flame import outputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from prybee.flame.profile import Profile, Quality


def input_options(parser: argparse.ArgumentParser) -> None:
    """Adds the files, their format, and what to do when something is not understood."""
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


def perf_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the reader for the text of ``perf script``."""
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


def write(output: str | None, parts: Iterable[str | bytes]) -> None:
    """Writes a file, or standard output.

    Args:
        output: the file's name; None or ``-`` for standard output.
        parts: of the content. Text becomes UTF-8.
    """
    if output is None or output == "-":
        for part in parts:
            if isinstance(part, str):
                sys.stdout.write(part)
            else:
                sys.stdout.flush()
                sys.stdout.buffer.write(part)
        return
    outputs.save(output, parts)


def reading(given: argparse.Namespace) -> dict[str, object]:
    """What was given of :func:`perf_options`."""
    return {
        "pid": given.pid,
        "tid": given.tid,
        "addrs": given.addrs,
        "event_filter": given.event_filter,
        "skip_after": tuple(given.skip_after),
        "compat": given.compat,
    }


def read(given: argparse.Namespace, opened: ExitStack) -> Profile:
    """The profile in the files that were given."""
    from prybee.flame import drawing

    return drawing.read(inputs(given, opened), given.format, reading(given))


def inputs(given: argparse.Namespace, opened: ExitStack) -> list[BufferedReader]:
    """The files that were given, or standard input."""
    return [open_file(name, opened) for name in given.files or ["-"]]


def open_file(name: str, opened: ExitStack) -> BufferedReader:
    """A file, or standard input for ``-``; it is closed when ``opened`` is."""
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
    if quality.lost:
        print(f"WARNING: {quality.lost:,} samples were lost by the tracer", file=sys.stderr)
    if quality.stackless:
        print(f"{quality.stackless} samples have no stack", file=sys.stderr)
    return 1 if strict and not quality.whole else 0
