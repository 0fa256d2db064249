"""What an expression becomes: a register, a place in memory, or a literal text."""

from __future__ import annotations

from prybee.language.types import BPF, CONTEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.types import Type


class Scalar:
    """A value in a register: sign- or zero-extended to 64 bits as its type says."""

    __slots__ = ("type", "value")

    def __init__(self, value: Value, type_: Type) -> None:
        self.value = value
        self.type = type_


class Place:
    """A value in memory at ``pointer + offset``.

    ``space`` says who can read there: ``bpf`` (our own memory) and ``context`` take direct loads,
    ``kernel`` and ``user`` are read by helpers; ``trusted`` marks kernel memory whose type the
    verifier knows, so that direct loads are allowed too.  ``bits`` is (first bit, count) for a
    bitfield.  Behind the end of a ``loose`` text there may be anything.
    """

    __slots__ = ("bits", "loose", "offset", "pointer", "space", "trusted", "type")

    def __init__(
        self,
        pointer: Value,
        offset: int,
        type_: Type,
        space: str,
        trusted: bool = False,
        bits: tuple[int, int] | None = None,
        loose: bool = False,
    ) -> None:
        self.pointer = pointer
        self.offset = offset
        self.type = type_
        self.space = space
        self.trusted = trusted
        self.bits = bits
        self.loose = loose

    @property
    def direct(self) -> bool:
        """Whether plain loads may read there."""
        return self.space == BPF or self.space == CONTEXT or self.trusted


class Text:
    """A literal string; it has no memory until someone needs it there."""

    __slots__ = ("data", "type")

    def __init__(self, data: bytes, type_: Type) -> None:
        self.data = data
        self.type = type_


if TYPE_CHECKING:
    Operand = Scalar | Place | Text
