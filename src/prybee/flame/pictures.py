"""From stacks to a picture: in which order they stand, and what their names become before."""

from __future__ import annotations

import os
import re

from prybee.flame.layout import BETWEEN, Stacks
from prybee.flame.profile import FormatError
from prybee.flame.writers import svg
from prybee.flame.writers.folded import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from prybee.flame.palettes import Colour

# Where colours of functions are kept from picture to picture (`--cp`).
PALETTE_FILE = "palette.map"
_PALETTE_LINE = re.compile(r"(.*)->rgb\((\d+), ?(\d+), ?(\d+)\)$")
# Behind it are the stacks of who woke whom up.
_WAKERS = b";--;"


def draw(
    stacks: Sequence[bytes],
    weights: Sequence[float],
    before: Sequence[float] = (),
    *,
    reverse: bool = False,
    ready: bool = False,
    **look: Any,
) -> Iterator[str]:
    """A picture, in parts.

    Args:
        stacks: names of frames, the root first, with ``;`` between them.
        weights: of each.
        before: of each, in what it is compared with; none without a comparison.
        reverse: the leaves are at the root.
        ready: it is ``BETWEEN`` that is between the names, as :func:`as_they_are` allows.
        **look: options of the picture.

    Raises:
        FormatError: options that make no sense.
    """
    options = svg.Options(**look)
    svg.check(options)
    if reverse:
        stacks = [b";".join(reversed(stack.split(b";"))) for stack in stacks]
    if options.compat_bugs and not options.flamechart:
        # It sorts whole lines, and frames are one where they follow one another.
        columns = (before, weights) if before else (weights,)
        lines = [
            b" ".join([stack, *(number(each).encode() for each in own)])
            for stack, *own in zip(stacks, *columns, strict=True)
        ]
        order = sorted(range(len(lines)), key=lines.__getitem__)
        stacks = [stacks[place] for place in order]
        weights = [weights[place] for place in order]
        before = [before[place] for place in order] if before else ()
    if options.colors == "chain":
        stacks = [_wakers(stack, options.compat_bugs) for stack in stacks]
    deltas = [new - old for new, old in zip(weights, before, strict=True)] if before else []
    keys = stacks if ready else [stack.replace(b";", BETWEEN) for stack in stacks]
    kept = options.flamechart or options.compat_bugs
    return svg.write(Stacks(keys, weights, deltas, kept=kept), options)


def as_they_are(*, reverse: bool, **look: Any) -> bool:
    """Whether stacks are drawn without a look into them, in whatever order they come.

    Args:
        reverse, **look: as for :func:`draw`.
    """
    options = svg.Options(**look)
    return not (reverse or options.flamechart or options.compat_bugs or options.colors == "chain")


def _wakers(stack: bytes, always: bool) -> bytes:
    """Functions of threads that woke others up are annotated.

    Args:
        stack: of who slept, and behind a mark of who ended that.
        always: one without a mark has one at its end.
    """
    sleeper, mark, wakers = stack.partition(_WAKERS)
    if not mark:
        return stack + b";--" if always else stack
    names = [
        name if name == b"--" or name.endswith(b"_[w]") else name + b"_[w]"
        for name in wakers.split(b";")
    ]
    return sleeper + mark + b";".join(names)


def attributes(lines: Iterable[str]) -> dict[str, dict[str, str]]:
    """The file of ``--nameattr``: a function, then ``name=value`` with tabs between.

    Raises:
        FormatError: a line without a value.
    """
    found: dict[str, dict[str, str]] = {}
    for place, line in enumerate(lines, 1):
        function, *given = line.rstrip("\n").split("\t")
        if not given or not all("=" in each for each in given):
            raise FormatError(f"line {place} of --nameattr is no FUNCTION<tab>NAME=VALUE…")
        found[function] = {name: value for name, _, value in (e.partition("=") for e in given)}
    return found


def palette(name: str = PALETTE_FILE) -> dict[str, Colour]:
    """The colours of functions in a file; none if there is no such file yet.

    Args:
        name: of the file, with lines ``function->rgb(r,g,b)``.

    Raises:
        FormatError: a line that is none.
    """
    found: dict[str, Colour] = {}
    if not os.path.exists(name):
        return found
    with open(name, encoding="utf-8", errors="surrogateescape") as file:
        for place, line in enumerate(file, 1):
            match = _PALETTE_LINE.match(line.rstrip("\n"))
            if match is None:
                raise FormatError(
                    f"{name}:{place}: {line.rstrip()!r} is no FUNCTION->rgb(RED,GREEN,BLUE)\n"
                    "HINT: the file is from another picture with --cp; without it, it is made anew"
                )
            function, *channels = match.groups()
            red, green, blue = map(int, channels)
            found[function] = red, green, blue
    return found


def palette_lines(colours: Mapping[str, Colour]) -> Iterator[str]:
    """The lines of such a file, by name."""
    for function in sorted(colours):
        yield "{}->rgb({},{},{})\n".format(function, *colours[function])
