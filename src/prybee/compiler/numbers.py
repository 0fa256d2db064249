"""Arithmetic as BPF's machine does it, on Python's numbers (RFC 9669)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def signed(n: int, bits: int) -> int:
    """The two's complement reading of an unsigned ``n``."""
    return n - (1 << bits) if n >> (bits - 1) & 1 else n


def _sdiv(a: int, b: int, bits: int) -> int:
    x, y = signed(a, bits), signed(b, bits)
    if y == 0:
        return 0
    quotient = abs(x) // abs(y)
    return -quotient if (x < 0) != (y < 0) else quotient


def _smod(a: int, b: int, bits: int) -> int:
    x, y = signed(a, bits), signed(b, bits)
    if y == 0:
        return x
    rest = abs(x) % abs(y)
    return -rest if x < 0 else rest


# op -> result of two unsigned numbers of `bits` bits, not yet wrapped
EVALUATE: dict[str, Callable[[int, int, int], int]] = {
    "add": lambda a, b, bits: a + b,
    "sub": lambda a, b, bits: a - b,
    "mul": lambda a, b, bits: a * b,
    "udiv": lambda a, b, bits: a // b if b else 0,
    "umod": lambda a, b, bits: a % b if b else a,
    "sdiv": _sdiv,
    "smod": _smod,
    "and": lambda a, b, bits: a & b,
    "or": lambda a, b, bits: a | b,
    "xor": lambda a, b, bits: a ^ b,
    "shl": lambda a, b, bits: a << (b % bits),
    "lshr": lambda a, b, bits: a >> (b % bits),
    "ashr": lambda a, b, bits: signed(a, bits) >> (b % bits),
}

COMPARE: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def compare(pred: str, a: int, b: int, bits: int) -> bool:
    """Whether the comparison of two unsigned numbers of ``bits`` bits holds."""
    if pred[0] == "s":
        return COMPARE[pred[1:]](signed(a, bits), signed(b, bits))
    return COMPARE[pred if pred in ("eq", "ne") else pred[1:]](a, b)
