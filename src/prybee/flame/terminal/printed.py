"""A flame graph that is printed once, anywhere: in any width, with or without colours and Unicode.

The root is at the top, since what comes last is what is seen of a long output; below are the
functions with the most weight, and what is missing.
"""

from __future__ import annotations

from prybee.data import Data
from prybee.flame.summary import functions
from prybee.flame.terminal import colours
from prybee.flame.terminal.cells import fit, plain
from prybee.flame.terminal.graph import rows
from prybee.flame.writers.folded import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.flame.layout import Stacks
    from prybee.flame.profile import Frame, Profile
    from prybee.flame.terminal.graph import Bar

NO_COLOUR, COLOURS_256, TRUE_COLOUR = 0, 1, 2


class Look(Data):
    """How it is printed.

    Attributes:
        width: columns.
        depth: rows of the graph, or levels of the tree, behind the root.
        colour: ``NO_COLOUR``, ``COLOURS_256`` or ``TRUE_COLOUR``.
        ascii: nothing but ASCII.
        top: functions that are listed.
        least: part of everything below which branches of the tree are left out.
    """

    width: int = 80
    depth: int = 40
    colour: int = NO_COLOUR
    ascii: bool = False
    top: int = 10
    least: float = 0.01


def graph(stacks: Stacks, look: Look) -> Iterator[str]:
    """The graph, a line for each row.

    Args:
        stacks: what is shown; annotations of names tell their colours.
        look: how.
    """
    found = rows(stacks, look.width, look.depth + 1)
    for row in found[: look.depth + 1]:
        yield _row(row, look)
    if len(found) > look.depth + 1:
        yield "..." if look.ascii else "…"


def _row(row: list[Bar], look: Look) -> str:
    edge, fill = ("|", "-") if look.ascii else ("│", "─")
    parts: list[str] = []
    at = 0
    for bar in row:
        # The end of the frame to the left, if nothing stands right beside it.
        if bar.column > at:
            parts.append((edge if parts and not look.colour else " ").ljust(bar.column - at))
        name = bar.box.name
        shown, _ = colours.split(name)
        if not bar.box.depth:
            shown = f"all {number(bar.box.end)}"
        if look.ascii:
            shown = shown.encode("ascii", "replace").decode()
        if look.colour:
            parts.append(_painted(fit(shown, bar.columns), name, look))
        else:
            parts.append(edge + fit(shown, bar.columns - 1, fill))
        at = bar.column + bar.columns
    if not look.colour and at < look.width:
        parts.append(edge)
    return "".join(parts).rstrip()


def _painted(text: str, name: str, look: Look) -> str:
    shade = colours.colour(name)
    if look.colour == TRUE_COLOUR:
        paint = "48;2;{};{};{}".format(*shade)
    else:
        paint = f"48;5;{colours.cube(shade)}"
    return f"\x1b[{paint};38;5;{colours.BLACK}m{text}\x1b[0m"


def tree(profile: Profile, look: Look) -> Iterator[str]:
    """The tree of calls, a line for each branch, the heavier before the lighter."""
    total = profile.total
    branch, last, bar, blank = "├─ ", "└─ ", "│  ", "   "
    if look.ascii:
        branch, last, bar = "|- ", "`- ", "|  "
    if total <= 0:
        return
    # Stacks below a node with the depth from which on they are looked at: (line's begin, stacks).
    waiting: list[
        tuple[str, str, Frame | None, float, list[tuple[tuple[int, ...], float]], int]
    ] = [("", "", None, total, list(profile.weights.items()), 0)]
    while waiting:
        lead, mark, frame, weight, stacks, depth = waiting.pop()
        if frame is not None:
            shown = f"{lead}{mark}{100 * weight / total:5.1f}% {_named(frame, look.ascii)}"
            yield fit(shown, look.width).rstrip()
            lead += "" if not mark else blank if mark == last else bar
        if depth > look.depth:
            continue
        below: dict[int, tuple[float, list[tuple[tuple[int, ...], float]]]] = {}
        for stack, own in stacks:
            if len(stack) > depth:
                before, members = below.get(stack[depth], (0, []))
                members.append((stack, own))
                below[stack[depth]] = before + own, members
        kept = [each for each in below.items() if each[1][0] >= look.least * total]
        kept.sort(key=lambda each: (each[1][0], profile.frames[each[0]].name))
        for place, (number_, (sum_, members)) in enumerate(kept):
            own_mark = "" if depth == 0 else last if not place else branch
            waiting.append((lead, own_mark, profile.frames[number_], sum_, members, depth + 1))


def _named(frame: Frame, ascii_: bool) -> str:
    shown = plain(frame.name) + (f" [{frame.kind}]" if frame.kind else "")
    return shown.encode("ascii", "replace").decode() if ascii_ else shown


def table(profile: Profile, look: Look) -> Iterator[str]:
    """The functions with the most weight of their own."""
    total = profile.total
    if total <= 0 or not look.top:
        return
    found = sorted(functions(profile), key=lambda each: (-each.own, -each.all, each.name))
    yield "   own     all  function"
    for each in found[: look.top]:
        name = each.name.encode("ascii", "replace").decode() if look.ascii else each.name
        line = f"{100 * each.own / total:5.1f}%  {100 * each.all / total:5.1f}%  {plain(name)}"
        yield fit(line, look.width).rstrip()
    if len(found) > look.top:
        yield f"{'...' if look.ascii else '…'} and {len(found) - look.top:,} more"
