"""Fields of protocol buffers (its encoding guide, "Message Structure")."""

from __future__ import annotations

from prybee.flame.writers.varint import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_VARINT, _BYTES = 0, 2
_WORD = (1 << 64) - 1


def number(field: int, value: int) -> bytes:
    """A number; negative ones are of 64 bits."""
    return encode(field << 3 | _VARINT) + encode(value & _WORD)


def message(field: int, data: bytes) -> bytes:
    """A message, or bytes."""
    return encode(field << 3 | _BYTES) + encode(len(data)) + data


def text(field: int, value: str) -> bytes:
    """A text; what UTF-8 has no way to say is a question mark."""
    return message(field, value.encode(errors="replace"))


def packed(field: int, values: Iterable[int]) -> bytes:
    """Numbers in one field."""
    return message(field, b"".join(encode(value & _WORD) for value in values))
