"""What the commands of ``prybee flame`` share: options of the input, files, what is missing."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from io import FileIO

from prybee.cli.flame_reading import given as reading
from prybee.flame import outputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import BufferedReader

    from prybee.flame.profile import Profile, Quality


def input_options(parser: argparse.ArgumentParser) -> None:
    """Adds the files, their format, and what to do when something is not understood."""
    from prybee.flame.formats import FORMATS

    parser.add_argument("files", nargs="*", metavar="FILE", help="- or none: standard input")
    parser.add_argument(
        "--format",
        choices=[each.name for each in FORMATS],
        metavar="FORMAT",
        help="of the input; it is found by itself otherwise: "
        + ", ".join(each.name for each in FORMATS),
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit status 1 if anything was not understood"
    )


def write(output: str | None, parts: Iterable[str | bytes]) -> None:
    """Writes a file, or standard output.

    Args:
        output: the file's name; None or ``-`` for standard output.
        parts: of the content. Text becomes UTF-8.
    """
    if output is None or output == "-":
        sys.stdout.flush()
        for part in parts:
            # Bytes of names that are no text go out as they came in.
            data = part.encode(errors="surrogateescape") if isinstance(part, str) else part
            sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    outputs.save(output, parts)


def read(given: argparse.Namespace, opened: ExitStack, *, samples: bool = False) -> Profile:
    """The profile in the files that were given.

    Args:
        given: of :func:`input_options` and :mod:`prybee.cli.flame_reading`.
        opened: closes the files.
        samples: keep them one by one, where they are known.
    """
    from prybee.flame import drawing

    return drawing.read(input_files(given, opened), given.format, reading(given), samples=samples)


def input_files(given: argparse.Namespace, opened: ExitStack) -> list[BufferedReader]:
    """The files that were given, or standard input."""
    return [open_file(name, opened) for name in given.files or ["-"]]


def open_file(name: str, opened: ExitStack) -> BufferedReader:
    """A file, or standard input for ``-``, unpacked; it is closed when ``opened`` is."""
    from prybee.flame import inputs
    from prybee.flame.formats import HEAD

    if name == "-":
        # It is buffered, which its type does not tell.
        return inputs.opened(sys.stdin.buffer, HEAD, owned=False)  # type: ignore[arg-type]
    return opened.enter_context(inputs.opened(FileIO(name), HEAD, owned=True))


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
    for note in quality.notes:
        print(note, file=sys.stderr)
    return 1 if strict and not quality.whole else 0
