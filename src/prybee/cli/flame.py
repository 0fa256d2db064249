"""``prybee flame``: from stacks to flame graphs."""

from __future__ import annotations

import argparse
import gc
import sys
from contextlib import ExitStack
from importlib import import_module

from prybee.cli import flame_files, flame_reading
from prybee.cli.options import UsageError
from prybee.flame.profile import INLINED, JIT, KERNEL, WAKER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

# Commands in modules of their own; what is not asked for is not loaded.
_COMMANDS = {"draw": "flame_draw", "diff": "flame_diff", "view": "flame_view"}
_PROFILES = "flame_profile"
# Those that read files and end: what they make has no cycles, and looking for some in a million
# stacks takes as long as reading them.
_SHORT = ("collapse", "draw", "diff", "guess")


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
    chosen = words[0] if words else ""
    given = _parser(chosen).parse_args(list(words))
    run: Callable[[argparse.Namespace, ExitStack], int] = given.run
    with ExitStack() as opened:
        if chosen in _SHORT and gc.isenabled():
            gc.disable()
            # Whoever calls this in a process of their own goes on there.
            opened.callback(gc.enable)
        return run(given, opened)


def _parser(chosen: str) -> argparse.ArgumentParser:
    """The parser; if it is asked for one command only, the others are left out.

    Args:
        chosen: the first word.
    """
    parser = _Parser(
        prog="prybee flame",
        description="From any tracer's stacks to a picture that answers the question.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    if chosen in _COMMANDS:
        modules = [_COMMANDS[chosen]]
    else:
        _collapse_options(commands)
        _guess_options(commands)
        modules = [] if chosen in ("collapse", "guess") else [*_COMMANDS.values(), _PROFILES]
    for module in modules:
        import_module(f"prybee.cli.{module}").options(commands)
    return parser


def _guess_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("guess", help="say the format of files")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.set_defaults(run=_guess)


def _collapse_options(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "collapse", help="stacks of any format, folded: a line for each", epilog="Annotations "
        "tell what a frame is: _[k] of the kernel, _[j] compiled at run time, _[i] inlined, "
        "_[w] a waker's; the last two are always there, and so is what the input has.",
    )  # fmt: skip
    flame_files.input_options(parser)
    flame_reading.options(parser)
    group = parser.add_argument_group("of the output")
    group.add_argument("--kernel", action="store_true", help="annotate the kernel's functions")
    group.add_argument("--jit", action="store_true", help="annotate functions made at run time")
    group.add_argument("--all", action="store_true", help="annotate both")
    parser.set_defaults(run=_collapse)


def _guess(given: argparse.Namespace, opened: ExitStack) -> int:
    from prybee.flame.formats import HEAD, FormatError, guess

    status = 0
    for name in given.files:
        head = flame_files.open_file(name, opened).peek(HEAD)
        try:
            found = guess(head)
            print(f"{name}: {found.name}: {found.what}")
        except FormatError as error:
            print(f"{name}: {str(error).splitlines()[0]}", file=sys.stderr)
            status = 1
    return status


def _collapse(given: argparse.Namespace, opened: ExitStack) -> int:
    from prybee.flame.writers import folded

    profile = flame_files.read(given, opened)
    kinds = {INLINED, WAKER, *profile.annotated}
    kinds |= {kind for kind, wanted in _KINDS.items() if given.all or getattr(given, wanted)}
    flame_files.write(None, (line + "\n" for line in folded.lines(profile, kinds)))
    return flame_files.report(profile.quality, given.strict)


_KINDS = {KERNEL: "kernel", JIT: "jit"}
