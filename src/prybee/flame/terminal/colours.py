"""Colours of frames in a terminal: those of pictures, as near as a terminal has them."""

from __future__ import annotations

from prybee.flame import palettes
from prybee.flame.profile import ANNOTATIONS, INLINED, JIT, KERNEL, PYTHON, WAKER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.palettes import Colour

# Palettes of frames that are no function of a program.
_BY_KIND = {
    KERNEL: "orange", JIT: "green", INLINED: "aqua", WAKER: "purple", PYTHON: "blue",
}  # fmt: skip
_BY_END = {end: _BY_KIND[kind] for kind, end in ANNOTATIONS.items()}
# The first colour of a cube of 6 times 6 times 6, behind those that users choose.
_CUBE = 16
BLACK = _CUBE


def split(name: str) -> tuple[str, str]:
    """A frame's name without its annotation, and the palette that this tells."""
    palette = _BY_END.get(name[-4:])
    return (name[:-4], palette) if palette else (name, "hot")


def colour(name: str) -> Colour:
    """The colour of a frame, by its name with its annotation."""
    plain, palette = split(name)
    return palettes.colour(palette, plain, palettes.of_name(plain))


def cube(shade: Colour) -> int:
    """The nearest of the terminal's 256 colours."""
    red, green, blue = (round(channel / 255 * 5) for channel in shade)
    return _CUBE + 36 * red + 6 * green + blue
