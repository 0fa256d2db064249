"""``prybee flame view``: a profile in the terminal, to walk around in or printed once."""

from __future__ import annotations

import os
import sys

from prybee.cli import flame_files, flame_reading
from prybee.cli.options import UsageError
from prybee.diagnostics import PrybeeError
from prybee.flame.missing import sentences

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from contextlib import ExitStack
    from typing import Any

    from prybee.flame.layout import Stacks
    from prybee.flame.profile import Profile
    from prybee.flame.terminal.printed import Look

_WIDTH, _NARROWEST = 80, 20


def options(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "view", help="a profile in the terminal",
        description="Shows a profile in the terminal: to walk around in (? shows the keys), or, "
        "where the output is no terminal, printed once.",
    )  # fmt: skip
    flame_files.input_options(parser)
    flame_reading.options(parser)
    group = parser.add_argument_group("printed once")
    group.add_argument("--print", action="store_true", help="also to a terminal")
    group.add_argument("--tree", action="store_true", help="print the tree of calls")
    group.add_argument("--width", type=int, help="columns (those of the terminal, or 80)")
    group.add_argument("--depth", type=int, default=40, help="rows (40)")
    group.add_argument("--top", type=int, default=10, help="functions that are listed (10)")
    group.add_argument(
        "--least", type=float, default=1, metavar="PERCENT", help="of a branch of the tree (1)"
    )
    group.add_argument("--color", choices=("auto", "always", "never"), default="auto")
    group.add_argument("--ascii", action="store_true", help="nothing but ASCII")
    group.add_argument("--reverse", action="store_true", help="merge from the leaves")
    parser.set_defaults(run=_view)


def _view(given: argparse.Namespace, opened: ExitStack) -> int:
    if given.width is not None and given.width < _NARROWEST:
        raise UsageError(f"prybee flame view: --width {given.width}: at least {_NARROWEST}")
    if given.depth < 1:
        raise UsageError(f"prybee flame view: --depth {given.depth}: at least 1")
    profile = flame_files.read(given, opened)
    if given.print or given.tree or not sys.stdout.isatty():
        flame_files.write(None, (line + "\n" for line in printed(given, profile)))
    else:
        names = [os.path.basename(name) for name in given.files if name != "-"]
        _walk(profile, ", ".join(names) or "standard input", "-" in (given.files or ["-"]))
    return flame_files.report(profile.quality, given.strict)


def _stacks(profile: Profile, reverse: bool = False) -> Stacks:
    from prybee.flame import drawing
    from prybee.flame.layout import BETWEEN, Stacks
    from prybee.flame.terminal.stacks import reversed_

    names, weights = drawing.folded(profile)
    found = Stacks([name.replace(b";", BETWEEN) for name in names], weights)
    return reversed_(found) if reverse else found


def printed(given: argparse.Namespace, profile: Profile) -> Iterator[str]:
    """The lines of a profile that is printed once, by the options of the command."""
    from prybee.flame.terminal import printed

    look = _look(given)
    if not profile.total:
        yield "there are no stacks"
        return
    if given.tree:
        yield from printed.tree(profile, look)
    else:
        yield from printed.graph(_stacks(profile, given.reverse), look)
    if look.top:
        yield ""
        yield from printed.table(profile, look)


def _look(given: argparse.Namespace) -> Look:
    from prybee.flame.terminal.printed import COLOURS_256, NO_COLOUR, TRUE_COLOUR, Look

    terminal = sys.stdout.isatty()
    # (https://no-color.org)
    wanted = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if given.color != "auto":
        wanted = given.color == "always"
    true = os.environ.get("COLORTERM") in ("truecolor", "24bit")
    width = given.width
    if width is None:
        width = os.get_terminal_size(sys.stdout.fileno()).columns if terminal else _WIDTH
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Look(
        width=max(width, _NARROWEST),
        depth=given.depth,
        colour=NO_COLOUR if not wanted else TRUE_COLOUR if true else COLOURS_256,
        ascii=given.ascii or encoding != "utf8",
        top=given.top,
        least=given.least / 100,
    )


def _walk(profile: Profile, title: str, piped: bool) -> None:
    """Shows a profile until the user has seen enough.

    Raises:
        PrybeeError: there is no terminal that can do that.
    """
    try:
        import curses

        from prybee.flame.terminal import screen
    except ImportError:
        raise PrybeeError(
            "this Python has no curses, which shows profiles in a terminal\n"
            "HINT: --print prints it once"
        ) from None
    from prybee.flame.terminal.viewer import Viewer

    viewer = Viewer(_stacks(profile), profile, title, sentences(profile.quality))
    try:
        if piped:
            screen.from_terminal()
        screen.run(viewer)
    except (curses.error, OSError) as error:
        raise PrybeeError(
            f"the terminal cannot show this: {error}\nHINT: --print prints it once"
        ) from None
