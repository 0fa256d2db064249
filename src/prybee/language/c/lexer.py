"""Tokens of C, and its text without comments and continuation lines."""

from __future__ import annotations

import re

# Kind ("word", "number", "char", "string", "op"), text, and place: an offset of the source.
Token = tuple[str, str, int]

# What a word is that must not be expanded any more: its own macro has produced it.
PAINTED = "painted"

_TOKEN = re.compile(
    r"""[^\S\n]+|\n|//[^\n]*|/\*.*?(?:\*/|\Z)
    |(?P<char>[LuU]?'(?:[^'\\\n]|\\.)+')
    |(?P<string>(?:[LuU]|u8)?"(?:[^"\\\n]|\\.)*")
    |(?P<word>[A-Za-z_$][\w$]*)
    |(?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
    |(?P<op>\.\.\.|<<=|>>=|\#\#|<<|>>|<=|>=|==|!=|&&|\|\||->|\+\+|--|[-+*/%&|^]=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
# Comments and continuation lines; strings, so that there are none in them.
_NOISE = re.compile(
    r"""//(?:[^\\\n]|\\\r?\n|\\)*|/\*.*?(?:\*/|\Z)|\\[ \t]*\r?\n"""
    r"""|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""",
    re.DOTALL,
)
_NUMBER = re.compile(
    r"(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|(?P<oct>0[0-7]*)|(?P<dec>[1-9][0-9]*))"
    r"(?P<suffix>[uUlL]*)\Z"
)
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}


class CError(Exception):
    """C that is not understood; the text says what, ``place`` where (-1: not known)."""

    def __init__(self, message: str, place: int = -1) -> None:
        self.place = place
        super().__init__(message)


class Unclosed(CError):
    """The arguments of a macro go on behind the text."""


def tokens(text: str, base: int = 0) -> list[Token]:
    """The tokens of ``text``, whose first character is at place ``base``."""
    found = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind is not None:
            found.append((kind, match[0], base + match.start()))
    return found


def cleaned(text: str) -> str:
    """``text`` with blanks for comments, and continuation lines joined; places stay the same.

    A line break that does not count becomes a vertical tab.
    """
    return _NOISE.sub(_blank, text)


def _blank(match: re.Match[str]) -> str:
    text = match[0]
    if text[0] in "\"'":
        return text
    if "\n" not in text:
        return " " * len(text)
    return "".join("\v" if character == "\n" else " " for character in text)


def joined(parts: list[Token]) -> str:
    """Text that has these tokens, with blanks only where they would run together."""
    found: list[str] = []
    before = ""
    for _kind, text, _place in parts:
        if before and _touch(before[-1], text[0]):
            found.append(" ")
        found.append(text)
        before = text
    return "".join(found)


def _touch(last: str, first: str) -> bool:
    word = (last.isalnum() or last in "_$") and (first.isalnum() or first in "_$")
    return word or (last in "+-<>=&|" and first in "+-<>=&|") or last == ","


def number(text: str) -> tuple[int, str]:
    """The value of an integer literal, and its suffix in lower case.

    Raises:
        CError: it is none.
    """
    match = _NUMBER.match(text)
    if match is None:
        raise CError(f"'{text}' is no integer")
    kind = next(kind for kind in _BASES if match[kind] is not None)
    return int(match[kind], _BASES[kind]), match["suffix"].lower()


_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]+|[0-7]{1,3}|.)", re.DOTALL)
_SIMPLE = {"n": 10, "t": 9, "r": 13, "0": 0, "a": 7, "b": 8, "f": 12, "v": 11, "e": 27}


def character(text: str) -> int:
    """The value of a character constant.

    Raises:
        CError: it is not one character.
    """
    body = text[text.index("'") + 1 : -1]
    match = _ESCAPE.fullmatch(body)
    if match is None:
        data = body.encode("utf-8", "surrogateescape")
        if len(data) != 1:
            raise CError(f"{text} is no character")
        return data[0] - 256 if data[0] > 127 else data[0]
    word = match[1]
    if word[0] == "x":
        value = int(word[1:], 16) & 0xFF
    elif word[0] in "01234567":
        value = int(word, 8) & 0xFF
    else:
        return _SIMPLE.get(word, ord(word))
    # A char is signed.
    return value - 256 if value > 127 else value
