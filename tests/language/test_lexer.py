"""Tokens: what a text becomes, literals, and texts that are no script."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prybee.diagnostics import ScriptError
from prybee.language import lexer


def kinds(text: str) -> list[str]:
    return lexer.tokenize(text, 0, whole=True).kinds[:-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["name", "name"]),
        ("$x @y @ $1 $#", ["scratch", "map", "map", "positional", "count"]),
        ("if else while for", ["if", "else", "while", "for"]),
        ("a<<=b>>c->d..e", ["name", "<<=", "name", ">>", "name", "->", "name", "..", "name"]),
        ("0..10", ["integer", "..", "integer"]),
        ("$x.0.1", ["scratch", ".", "integer", ".", "integer"]),
        ("a // b\nc", ["name", "name"]),
        ("a /* b\n * c */ d", ["name", "name"]),
        ("a /* never closed", ["name"]),
        ('"a\\"b" x', ["string", "name"]),
        ('"never closed', ["error"]),
        ('"ends at the line\nx', ["error", "name"]),
        ("a ? b ?: c", ["name", "?", "name", "?:", "name"]),
        ("&&&", ["&&", "&"]),
        ("`", ["error"]),
        ("", []),
    ],
)
def test_kinds(text: str, expected: list[str]) -> None:
    assert kinds(text) == expected


def test_pieces_end_where_their_braces_close() -> None:
    text = "/ a / { { b } } c { d }"
    tokens = lexer.tokenize(text, 0)
    assert tokens.kinds[-2:] == ["}", "end"]
    assert text[: tokens.ends[-2]] == "/ a / { { b } }"
    assert lexer.tokenize("let @x = hash(1); b", 0).kinds[-2:] == [";", "end"]


@pytest.mark.parametrize(
    ("text", "value", "suffix"),
    [
        ("0", 0, ""),
        ("42", 42, ""),
        ("1_000_000", 1000000, ""),
        ("0x1F", 31, ""),
        ("0xffff_ffff", 0xFFFFFFFF, ""),
        ("0b101", 5, ""),
        ("017", 15, ""),
        ("1e6", 1000000, ""),
        ("9e18", 9 * 10**18, ""),
        ("5u", 5, "u"),
        ("5ULL", 5, "ull"),
        ("5s", 5 * 10**9, "s"),
        ("3ms", 3 * 10**6, "ms"),
        ("7us", 7000, "us"),
        ("7ns", 7, "ns"),
        ("2m", 120 * 10**9, "m"),
        ("1h", 3600 * 10**9, "h"),
        ("1d", 86400 * 10**9, "d"),
        ("18446744073709551615", (1 << 64) - 1, ""),
    ],
)
def test_integers(text: str, value: int, suffix: str) -> None:
    assert lexer.integer(text) == (value, suffix)


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ("123abc", "invalid integer suffix 'abc'", 3),
        ("5S", "invalid integer suffix 'S'", 1),
        ("08", "invalid trailing bytes: 08", 0),
        ("0x", "invalid integer: ", 0),
        ("1_0_", "trailing underscore in integer literal", 3),
        ("10e6", "coefficient part of scientific literal must be 1-9: 10e6", 0),
        ("0e5", "coefficient part of scientific literal must be 1-9: 0e5", 0),
        ("1e20", "overflow error, maximum value is 18446744073709551615: 1e20", 0),
        (
            "18446744073709551616",
            "overflow error, maximum value is 18446744073709551615: 18446744073709551616",
            0,
        ),
        ("1e99999999", "overflow error, maximum value is 18446744073709551615: 1e99999999", 0),
    ],
)
def test_wrong_integers(text: str, message: str, at: int) -> None:
    assert lexer.integer(text) == (message, at)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("plain", b"plain"),
        (r"\n\t\r\"\\", b'\n\t\r"\\'),
        (r"\x41\101", b"AA"),
        (r"\xff\377", b"\xff\xff"),
        (r"\0", b"\0"),
        ("é", "é".encode()),
    ],
)
def test_escapes(text: str, data: bytes) -> None:
    value, mistakes = lexer.unescape(text)
    assert value.encode("utf-8", "surrogateescape") == data
    assert mistakes == []


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (r"a\q", [(2, r"invalid escape character '\q'")]),
        (r"\x", [(2, "invalid hex escape sequence")]),
        (r"\400", [(0, r"octal escape sequence out of range '\400'")]),
    ],
)
def test_wrong_escapes(text: str, mistakes: list[tuple[int, str]]) -> None:
    assert lexer.unescape(text)[1] == mistakes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pid", True),
        ("args", True),
        ("arg0", True),
        ("arg12", True),
        ("argv", False),
        ("arg", False),
        ("__builtin_cpu", True),
        ("comm", False),
    ],
)
def test_builtins(name: str, expected: bool) -> None:
    assert lexer.is_builtin(name) is expected


# -- files ---------------------------------------------------------------------------------------


def test_read_source() -> None:
    source = lexer.read_source(b'\xef\xbb\xbfbegin { print("\xc3\xa9") }', "x.bt")
    assert source.text == 'begin { print("é") }'
    assert source.name == "x.bt"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"begin { }\n\xff", "x.bt: The script is not UTF-8: byte 0xff in line 2"),
        (b"\x7fELF\0", "x.bt: The script holds a NUL byte in line 1: this is no text"),
        (b" " * (10 << 20), "x.bt: The script is too large: 10485760 bytes, of 1048576 at most"),
    ],
)
def test_texts_that_are_no_script(data: bytes, message: str) -> None:
    with pytest.raises(ScriptError) as failure:
        lexer.read_source(data, "x.bt")
    assert failure.value.diagnostics[0].message == message
    assert len(str(failure.value).splitlines()) <= 4


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from('ab1$@#"\\/* \n{}()[];.,<>=!&|^%-+?:x_`'), max_size=60))
def test_every_character_is_in_a_token_or_blank(text: str) -> None:
    tokens = lexer.tokenize(text, 0, whole=True)
    at = 0
    for kind, start, end in zip(tokens.kinds, tokens.starts, tokens.ends, strict=True):
        assert lexer.skip_blanks(text, at) == start
        assert end > start or kind == "end"
        at = end
    assert at == len(text)
