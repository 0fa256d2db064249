"""Writes a summary in Markdown: what a profile says, in a page that fits into a ticket.

It is for whoever has no viewer at hand: the functions with the most time of their own and with all
that they call, the hottest path, and what is missing.
"""

from __future__ import annotations

from prybee.flame.missing import sentences
from prybee.flame.summary import functions, path
from prybee.flame.writers.folded import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prybee.flame.profile import Frame, Profile, Quality
    from prybee.flame.summary import Function

# So many functions are in each table.
ROWS = 15
# The path ends where a frame has less of the total.
LEAST = 0.01


def write(profile: Profile, title: str = "") -> Iterator[str]:
    """The whole text, in parts.

    Args:
        profile: what is summed up.
        title: of the page.
    """
    total = profile.total
    found = functions(profile)
    yield f"# {plain(title or 'Profile')}\n\n"
    yield (
        f"{_count(total)} {profile.unit or 'samples'} in {len(profile.weights):,} stacks "
        f"of {len(found):,} functions.\n"
    )
    yield from _missing(profile.quality)
    if not total:
        return
    yield "\n## Functions by their own weight\n\n"
    own = [each for each in found if each.own]
    yield from _table(sorted(own, key=lambda each: (-each.own, each.name)), total)
    yield "\n## Functions with all that they call\n\n"
    yield from _table(sorted(found, key=lambda each: (-each.all, each.name)), total)
    yield "\n## The hottest path\n\n"
    yield "From the root, at each step where most of the weight is:\n\n"
    for depth, (frame, weight) in enumerate(path(profile, total * LEAST)):
        yield f"{'  ' * depth}- {_share(weight, total)} {code(frame.name)}{_where(frame)}\n"


def _missing(quality: Quality) -> Iterator[str]:
    """What the profile lacks, or that it lacks nothing that is known."""
    lines = [f"- {plain(each)}\n" for each in sentences(quality)]
    yield "\n**What is missing:**\n\n" if lines else "\nNothing is known to be missing.\n"
    yield from lines
    for place, text in quality.examples:
        yield f"  - line {place}: {code(text[:100])}\n"


def _table(rows: Sequence[Function], total: float) -> Iterator[str]:
    yield "| own | own % | all | all % | function |\n|--:|--:|--:|--:|---|\n"
    for each in rows[:ROWS]:
        # Where a bar ends a cell, in code as well.
        name = code(each.name).replace("|", "\\|")
        yield (
            f"| {_count(each.own)} | {_share(each.own, total)} | {_count(each.all)} "
            f"| {_share(each.all, total)} | {name} |\n"
        )
    if len(rows) > ROWS:
        yield f"\n… and {len(rows) - ROWS:,} more.\n"


def _where(frame: Frame) -> str:
    parts = [frame.kind, frame.module.rpartition("/")[2]]
    told = ", ".join(part for part in parts if part)
    return f" ({plain(told)})" if told else ""


def _count(weight: float) -> str:
    return f"{weight:,.0f}" if weight == int(weight) else number(weight)


def _share(weight: float, total: float) -> str:
    return f"{100 * weight / total:.1f}%"


def code(text: str) -> str:
    """Text as Markdown's code, on one line."""
    text = " ".join(text.split()) or " "
    marks = "`"
    while marks in text:
        marks += "`"
    blank = " " if "`" in (text[0], text[-1]) else ""
    return f"{marks}{blank}{text}{blank}{marks}"


def plain(text: str) -> str:
    """Text whose characters mean nothing in Markdown, on one line."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!" else c for c in " ".join(text.split()))
