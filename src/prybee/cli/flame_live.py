"""``prybee flame KIND --live``: the profile as it grows, in the terminal or in a file."""

from __future__ import annotations

import argparse
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.flame.outputs import Output
    from prybee.flame.profile import Profile

# Begin of the screen; what is behind the last line of it. (ECMA-48: CUP, ED, EL.)
_HOME, _REST, _LINE_END = "\x1b[H", "\x1b[J", "\x1b[K"
_LISTED = 5


def shower(
    given: argparse.Namespace, profile: Profile, output: Output, title: str
) -> Callable[[], None]:
    """A function that shows what a profile has now.

    Args:
        given: the options of the command.
        profile: as it will be when the function is called.
        output: the format of the file, if there is one.
        title: of pages and pictures.
    """
    if given.output:
        return lambda: _save(given.output, profile, output, title)
    return lambda: _draw(profile)


def _save(name: str, profile: Profile, output: Output, title: str) -> None:
    """Writes a file anew; whoever reads it meanwhile has the old one, whole."""
    from prybee.cli import flame_draw

    head, tail = os.path.split(name)
    other = os.path.join(head, f".{tail}.new")
    flame_draw.save(profile, output, other, title)
    os.replace(other, name)


def _draw(profile: Profile) -> None:
    from prybee.cli import flame_view

    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    columns, rows = columns or 80, rows or 24  # some terminals do not know
    # Below the graph are an empty line, a head and the list; above it is what all have in common.
    look = argparse.Namespace(
        width=columns, depth=max(1, rows - _LISTED - 6), color="auto", ascii=False, top=_LISTED,
        least=1.0, tree=False, reverse=False,
    )  # fmt: skip
    lines = list(flame_view.printed(look, profile))[: rows - 1]
    text = "".join(f"{line}{_LINE_END}\n" for line in lines)
    sys.stdout.write(f"{_HOME}{text}{_REST}")
    sys.stdout.flush()
