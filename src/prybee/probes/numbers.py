"""Numbers in attach points, as the language writes its integer literals."""

from __future__ import annotations

import re

_INTEGER = re.compile(r"0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*(?:e[0-9]+)?")
# The suffixes that make a number a duration, in nanoseconds.
DURATIONS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
_SUFFIXES = frozenset(("", "u", "l", "ul", "ll", "ull"))
_MAXIMUM = 2**64 - 1


class NumberError(ValueError):
    """A text that is no number; ``str()`` says in which way, in bpftrace's words."""


def parse(text: str) -> tuple[int, bool]:
    """The value of an integer or duration, and whether it was a duration (then in nanoseconds).

    A leading ``-`` is taken, so that the caller can say what is wrong with it.

    Raises:
        NumberError: not a number, more than a number, or beyond 64 bits.
    """
    digits = text[1:] if text.startswith("-") else text
    found = _INTEGER.match(digits)
    if found is None:
        raise NumberError(f"invalid integer: {text}")
    suffix = digits[found.end() :]
    if suffix not in _SUFFIXES and suffix not in DURATIONS:
        raise NumberError(f"invalid trailing bytes: {text}")
    value = _value(found[0].replace("_", ""))
    scale = DURATIONS.get(suffix)
    value *= scale or 1
    if value > _MAXIMUM:
        raise NumberError(f"overflow error, maximum value is {_MAXIMUM}: {text}")
    return (-value if digits is not text else value), scale is not None


def _value(digits: str) -> int:
    prefix = digits[:2].lower()
    if prefix == "0x":
        return int(digits[2:] or "0", 16)
    if prefix == "0b":
        return int(digits[2:] or "0", 2)
    coefficient, _e, exponent = digits.partition("e")
    if exponent:
        if len(exponent) > 2:
            return _MAXIMUM + 1
        return int(coefficient + "0" * int(exponent))
    if len(digits) > 1 and digits.startswith("0") and all(c in "01234567" for c in digits):
        return int(digits, 8)
    return int(digits)
