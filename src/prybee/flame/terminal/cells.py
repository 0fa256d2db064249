"""Text in columns of a terminal: how wide it is, and as much of it as there is room for."""

from __future__ import annotations

import unicodedata

# What is shown of characters that move the cursor or nothing.
_UNKNOWN = "\ufffd"


def plain(text: str) -> str:
    """Text without characters that a terminal would obey, or that it has no width for."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == " " else _UNKNOWN
        for character in text
    )  # fmt: skip


def width(text: str) -> int:
    """How many columns a text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def fit(text: str, room: int, fill: str = " ") -> str:
    """A text in exactly so many columns: filled up, or cut with two dots at its end.

    Args:
        text: any text.
        room: columns.
        fill: a character of one column.
    """
    text = plain(text)
    wide = width(text)
    if wide > room:
        text = _cut(text, room - 2) + ".." if room > 3 else _cut(text, room)
        wide = width(text)
    return text + fill * (room - wide)


def _cut(text: str, room: int) -> str:
    """As many characters as there is room for."""
    taken = 0
    for place, character in enumerate(text):
        taken += _columns(character)
        if taken > room:
            return text[:place]
    return text


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
