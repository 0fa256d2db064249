"""Colours of frames: the palettes of flamegraph.pl, value for value (flamegraph.md 1.2)."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Colour = tuple[int, int, int]
# How bright each channel is, 0 to 1.
Values = tuple[float, float, float]

SEPARATOR: Colour = (160, 160, 160)  # A frame named "--" parts stacks that are joined.
FRAME_SEPARATOR: Colour = (200, 200, 200)  # "-"

# Colours at the top and at the bottom.
BACKGROUNDS = {
    "yellow": ("#eeeeee", "#eeeeb0"),
    "blue": ("#eeeeee", "#e0e0ff"),
    "green": ("#eef2ee", "#e0ffe0"),
    "grey": ("#f8f8f8", "#e8e8e8"),
}


def of_name(name: str) -> Values:
    """Values that only depend on the name: the first number of Perl's ``rand`` after ``srand``.

    The generator is drand48(3); the seed is the sum of the code points.
    """
    seed = sum(map(ord, name)) & 0xFFFFFFFF
    state = ((seed << 16) + 0x330E) * 0x5DEECE66D + 0xB & (1 << 48) - 1
    value = state / (1 << 48)
    return value, value, value


def of_hash(name: str) -> Values:
    """Values from the first letters of the name, so that relatives look alike (``--hash``)."""
    one = _letters(name)
    other = _letters(name[::-1])
    return one, other, other


def _letters(name: str) -> float:
    """0 to 1, from the first three characters behind a module's name, the first weighing most."""
    vector = 0.0
    weight = 1.0
    most = 1.0
    modulus = 10
    name = re.sub(r".(.*?)`", "", name, count=1)
    for character in name[:3]:
        vector += ord(character) % modulus / (modulus - 1) * weight
        modulus += 1
        most += weight
        weight *= 0.70
    return 1 - vector / most


# Channel by channel: base, span, which of the values.
_CHANNELS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "hot": ((205, 50, 2), (0, 230, 0), (0, 55, 1)),
    "mem": ((0, 0, 0), (190, 50, 1), (0, 210, 0)),
    "io": ((80, 60, 0), (80, 60, 0), (190, 55, 1)),
    "red": ((200, 55, 0), (50, 80, 0), (50, 80, 0)),
    "green": ((50, 60, 0), (200, 55, 0), (50, 60, 0)),
    "blue": ((80, 60, 0), (80, 60, 0), (205, 50, 0)),
    "yellow": ((175, 55, 0), (175, 55, 0), (50, 20, 0)),
    "purple": ((190, 65, 0), (80, 60, 0), (190, 65, 0)),
    "aqua": ((50, 60, 0), (165, 55, 0), (165, 55, 0)),
    "orange": ((190, 65, 0), (90, 65, 0), (0, 0, 0)),
}


def _java(name: str) -> str:
    if name.endswith("_[j]"):
        return "green"
    if name.endswith("_[i]"):
        return "aqua"
    if re.match(r"L?(java|javax|jdk|net|org|com|io|sun)/", name) or ":::" in name:
        return "green"
    if "::" in name:
        return "yellow"
    return "orange" if name.endswith("_[k]") else "red"


def _perl(name: str) -> str:
    if "::" in name:
        return "yellow"
    if "Perl" in name or ".pl" in name:
        return "green"
    return "orange" if name.endswith("_[k]") else "red"


def _js(name: str) -> str:
    if name.endswith("_[j]"):
        return "green" if "/" in name else "aqua"
    if "::" in name:
        return "yellow"
    if re.search(r"/.*\.js", name):
        return "green"
    if ":" in name:
        return "aqua"
    if name == " ":
        return "green"
    return "orange" if name.endswith("_[k]") else "red"


# Palettes that pick another by what the name tells.
_BY_NAME: dict[str, Callable[[str], str]] = {
    "java": _java,
    "perl": _perl,
    "js": _js,
    "wakeup": lambda name: "aqua",
    "chain": lambda name: "aqua" if name.endswith("_[w]") else "blue",
}
# By palette; all others have the yellow one.
_BACKGROUND_OF = {
    "mem": "green",
    **dict.fromkeys(("io", "wakeup", "chain"), "blue"),
    **dict.fromkeys(("red", "green", "blue", "aqua", "yellow", "purple", "orange"), "grey"),
}
NAMES = (*_CHANNELS, *_BY_NAME)


def colour(palette: str, name: str, values: Values) -> Colour:
    """The colour of a frame.

    Args:
        palette: one of ``NAMES``.
        name: of the frame, with its annotation.
        values: by :func:`of_name`, :func:`of_hash`, or of chance.
    """
    choose = _BY_NAME.get(palette)
    channels = _CHANNELS[choose(name) if choose is not None else palette]
    red, green, blue = (int(base + span * values[which]) for base, span, which in channels)
    return red, green, blue


def difference(delta: float, most: float) -> Colour:
    """White where nothing changed, to red for growth and to blue for shrinking.

    Args:
        delta: of the frame.
        most: the largest there is, without its sign.
    """
    if not delta:
        return 255, 255, 255
    other = int(210 * (most - abs(delta)) / most)
    return (255, other, other) if delta > 0 else (other, other, 255)


def background(palette: str) -> tuple[str, str]:
    """The colours at the top and at the bottom of the picture behind a palette's frames."""
    return BACKGROUNDS[_BACKGROUND_OF.get(palette, "yellow")]
