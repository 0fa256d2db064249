"""What attributes of gcc mean for layouts: packed, aligned, modes and vectors."""

from __future__ import annotations

from prybee.data import Data
from prybee.language.c.lexer import CError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.language.c.declarations import Types
    from prybee.language.c.lexer import Token

# Widths that gcc's attribute `mode` names, in bytes.
_MODES = {"QI": 1, "byte": 1, "HI": 2, "SI": 4, "DI": 8, "word": 8, "pointer": 8}
# What `aligned` without a number means, in bytes.
_MOST = 16
_LARGEST = 1 << 28


class Attributes(Data):
    """What attributes ask for.

    Attributes:
        packed: there is no padding.
        align: at least so many bytes; 0 for what is natural.
        mode: so many bytes for an integer; 0 for what its words say.
        vector: bytes of a vector of numbers; 0 for none.
    """

    packed: bool = False
    align: int = 0
    mode: int = 0
    vector: int = 0

    def joined(self, other: Attributes) -> Attributes:
        """These and others."""
        return Attributes(
            self.packed or other.packed,
            max(self.align, other.align),
            other.mode or self.mode,
            other.vector or self.vector,
        )


NOTHING = Attributes()


def attributes(word: str, inner: Sequence[Token], types: Types) -> Attributes:
    """What one attribute asks for; those that do not matter for layouts ask for nothing.

    Args:
        word: ``__attribute__``, or a macro of the kernel that is one.
        inner: what stands in its parentheses.
        types: for types and constants in there.

    Raises:
        CError: an argument is wrong.
    """
    if word == "__packed":
        return Attributes(packed=True)
    if word in ("__aligned", "_Alignas"):
        return Attributes(align=_aligned(inner, types))
    found = NOTHING
    for index, (_kind, text, _place) in enumerate(inner):
        name = text.strip("_")
        argument = _argument(inner, index + 1)
        if name == "packed":
            found = found.replace(packed=True)
        elif name == "mode":
            words = [part[1].strip("_") for part in argument]
            found = found.replace(mode=next((_MODES[w] for w in words if w in _MODES), 0))
        elif name == "vector_size":
            found = found.replace(vector=types.evaluator().evaluate(argument))
        elif name == "aligned":
            found = found.replace(align=max(found.align, _aligned(argument, types)))
    return found


def _argument(inner: Sequence[Token], at: int) -> Sequence[Token]:
    """What stands in the parentheses at an index, without further ones around it."""
    if at >= len(inner) or inner[at][1] != "(":
        return ()
    depth = 0
    for end in range(at, len(inner)):
        depth += (inner[end][1] == "(") - (inner[end][1] == ")")
        if depth == 0:
            return inner[at + 1 : end]
    return inner[at + 1 :]


def _aligned(argument: Sequence[Token], types: Types) -> int:
    if not argument:
        return _MOST
    found = types.type_at(argument, 0)
    if found is not None:
        return types.layout(found[0])[1]
    value = types.evaluator().evaluate(argument)
    if value < 0 or value & (value - 1) or value > _LARGEST:
        raise CError(f"an alignment of {value} bytes", argument[0][2])
    return value
