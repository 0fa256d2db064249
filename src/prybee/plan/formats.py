"""Formats of ``printf`` and its kin: the text split into literals and conversions.

The grammar is bpftrace's (release 0.27), not C's: flags come in the fixed order ``-``, ``+``,
blank, ``#``, ``0``; a ``*`` is taken and ignored, and so is a precision; what is no conversion is
literal text, a lone ``%`` included.  Checking (``functions``) and formatting (``output``) both read
the tables here.
"""

from __future__ import annotations

import re

from prybee.data import Data

# Length modifier → bytes of the integer that is printed; without one, 4 (a trap of the language:
# `%d` of a 64-bit value shows its low half).
LENGTHS = {"": 4, "hh": 1, "h": 2, "l": 8, "ll": 8, "j": 8, "z": 8, "t": 8, "L": 8}

# What each conversion takes.
SIGNED = frozenset("di")
INTEGER = frozenset(("d", "i", "u", "o", "x", "X", "c", "p"))
BUFFER = frozenset(("r", "rx", "rh"))
FLAGS = frozenset(("gr",))
ANY = frozenset("s")
# What each prints, for the manual.
SUMMARIES = {
    "d": "a signed number",
    "i": "the same",
    "u": "an unsigned number",
    "o": "an unsigned number, octal",
    "x": "an unsigned number, hexadecimal",
    "X": "the same, with capital letters",
    "c": "one character, by its code",
    "p": "an address: `0x` and hexadecimal digits, always 64 bits",
    "s": "any value, as `print()` shows it",
    "r": "a buffer: printable characters as they are, others as `\\xNN`",
    "rx": "a buffer: every byte as `\\xNN`",
    "rh": "a buffer: two hexadecimal digits for each byte, with blanks between",
    "gr": "a number: the kernel's flags of memory allocation (`GFP_KERNEL|__GFP_ZERO`)",
}
SUPPORTED = INTEGER | BUFFER | FLAGS | ANY

_CONVERSION = re.compile(
    r"%(?:%|(?P<left>-?)(?P<plus>\+?) ?(?P<alternate>#?)(?P<zero>0?)\*?(?P<width>\d*)(?:\.\d+)?"
    r"(?P<length>hh|h|ll|l|L|j|z|t)?(?P<kind>gr|rx|rh|[aAcdeEfFgGinoprsuxX]))"
)


class Conversion(Data):
    """One conversion: ``kind`` is the letter or ``rx``, ``rh``, ``gr``; ``width`` in columns."""

    kind: str
    width: int = 0
    length: str = ""
    left: bool = False
    plus: bool = False
    alternate: bool = False
    zero: bool = False

    @property
    def supported(self) -> bool:
        """Whether the language has it (``%f`` parses, and is refused)."""
        return self.kind in SUPPORTED

    @property
    def bytes(self) -> int:
        """Size of the integer that an integer conversion prints."""
        if self.kind in ("p", "gr"):
            return 8
        return 1 if self.kind == "c" else LENGTHS[self.length]


def parse(text: str) -> tuple[str | Conversion, ...]:
    """Split a format into literal texts (``%%`` already ``%``) and conversions, in order."""
    pieces: list[str | Conversion] = []
    literal = ""
    at = 0
    for match in _CONVERSION.finditer(text):
        literal += text[at : match.start()]
        at = match.end()
        kind = match["kind"]
        if kind is None:
            literal += "%"
            continue
        if literal:
            pieces.append(literal)
            literal = ""
        pieces.append(
            Conversion(
                kind,
                int(match["width"] or 0),
                match["length"] or "",
                bool(match["left"]),
                bool(match["plus"]),
                bool(match["alternate"]),
                bool(match["zero"]),
            )
        )
    literal += text[at:]
    if literal:
        pieces.append(literal)
    return tuple(pieces)


def conversions(text: str) -> tuple[Conversion, ...]:
    """The conversions of a format alone."""
    return tuple(piece for piece in parse(text) if isinstance(piece, Conversion))
