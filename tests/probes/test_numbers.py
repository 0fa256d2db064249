"""Numbers in attach points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.probes.numbers import NumberError, parse


@pytest.mark.parametrize(
    ("text", "value", "duration"),
    [
        ("0", 0, False),
        ("42", 42, False),
        ("1_000", 1000, False),
        ("0x1F", 31, False),
        ("0b101", 5, False),
        ("010", 8, False),
        ("1e6", 10**6, False),
        ("7u", 7, False),
        ("7ull", 7, False),
        ("-3", -3, False),
        ("5ns", 5, True),
        ("10us", 10**4, True),
        ("3ms", 3 * 10**6, True),
        ("2s", 2 * 10**9, True),
        ("1m", 60 * 10**9, True),
        ("1h", 3600 * 10**9, True),
        ("1d", 86400 * 10**9, True),
        ("18446744073709551615", 2**64 - 1, False),
    ],
)
def test_values(text: str, value: int, duration: bool) -> None:
    assert parse(text) == (value, duration)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid integer: "),
        ("x", "invalid integer: x"),
        ("-", "invalid integer: -"),
        ("1x", "invalid trailing bytes: 1x"),
        ("1s1", "invalid trailing bytes: 1s1"),
        ("1.5", "invalid trailing bytes: 1.5"),
        (
            "99999999999999999999",
            "overflow error, maximum value is 18446744073709551615: 99999999999999999999",
        ),
        ("9e99", "overflow error, maximum value is 18446744073709551615: 9e99"),
        (
            "1e999999999",
            "overflow error, maximum value is 18446744073709551615: 1e999999999",
        ),
    ],
)
def test_what_is_no_number(text: str, message: str) -> None:
    with pytest.raises(NumberError) as caught:
        parse(text)
    assert str(caught.value) == message


@given(st.integers(0, 2**64 - 1))
def test_every_way_to_write_an_integer(value: int) -> None:
    assert parse(str(value)) == (value, False)
    assert parse(hex(value)) == (value, False)
    assert parse(bin(value)) == (value, False)


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        value, _duration = parse(text)
    except NumberError:
        return
    assert -(2**64) < value < 2**64
