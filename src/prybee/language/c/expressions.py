"""Integer constant expressions of C, with C's types."""

from __future__ import annotations

from prybee.language.c.lexer import CError, Token, character, number
from prybee.language.types import BoolType, EnumType, IntType, PointerType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prybee.language.types import Type

# A value, its width in bits (32 or 64), and whether it is signed.
Value = tuple[int, int, bool]

_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", "<=", ">", ">="),
    ("<<", ">>"), ("+", "-"), ("*", "/", "%"),
)  # fmt: skip

_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
_COMPARISON: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_SIZE_WORDS = ("sizeof", "_Alignof", "__alignof__", "__alignof", "alignof")
_OFFSET_WORDS = ("offsetof", "__builtin_offsetof")
_DEEPEST = 60


def wrapped(value: int, width: int, signed: bool) -> int:
    """``value`` as an integer of ``width`` bits holds it."""
    value &= (1 << width) - 1
    return value - (1 << width) if signed and value >> (width - 1) else value


class Evaluator:
    """Evaluates integer constant expressions.

    Args:
        lookup: the value of a name; None where it has none.
        type_at: reads a type's name at an index: the type and the index behind it; None where
            none stands there.
        layout: (size, alignment) of a type.
        wide: what is too large for an ``int`` is not cut off, as in ``#if`` and in scripts.
    """

    def __init__(
        self,
        lookup: Callable[[str], int | None],
        type_at: Callable[[Sequence[Token], int], tuple[Type, int] | None] | None = None,
        layout: Callable[[Type], tuple[int, int]] | None = None,
        wide: bool = False,
    ) -> None:
        self.lookup = lookup
        self._type_at = type_at
        self._layout = layout
        self._wide = wide
        self._tokens: Sequence[Token] = ()
        self._at = 0
        self._depth = 0

    def evaluate(self, parts: Sequence[Token]) -> int:
        """The value of an expression that takes all of ``parts``.

        Raises:
            CError: it is no constant expression.
        """
        value, at = self.prefix(parts, 0)
        if at < len(parts):
            raise CError(f"unexpected '{parts[at][1]}'", parts[at][2])
        return value

    def prefix(self, parts: Sequence[Token], at: int) -> tuple[int, int]:
        """The value of the expression at ``at``, and the index behind it."""
        self._tokens, self._at, self._depth = parts, at, 0
        value = self._ternary()
        return value[0], self._at

    # -- tokens --

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at][1] if at < len(self._tokens) else ""

    def _place(self) -> int:
        if self._at < len(self._tokens):
            return self._tokens[self._at][2]
        return self._tokens[-1][2] if self._tokens else -1

    def _need(self, text: str) -> None:
        if self._peek() != text:
            raise CError(f"expected '{text}'", self._place())
        self._at += 1

    # -- values --

    def _made(self, value: int, width: int, signed: bool) -> Value:
        if not signed or width == 64:
            return wrapped(value, width, signed), width, signed
        if self._wide and not -(1 << 31) <= value < 1 << 31:
            width = 64
        return wrapped(value, width, True), width, True

    def _literal(self, text: str) -> Value:
        value, suffix = number(text)
        signed = "u" not in suffix
        plain = text[0] != "0" or text == "0"
        for width, kind in ((32, True), (32, False), (64, True), (64, False)):
            if (width == 32 and "l" in suffix) or (kind and not signed):
                continue
            if not kind and signed and plain and width == 32:
                continue
            if value < 1 << (width - kind):
                return value, width, kind
        return wrapped(value, 64, False), 64, False

    def _ternary(self) -> Value:
        condition = self._level(0)
        if self._peek() != "?":
            return condition
        self._at += 1
        then = condition if self._peek() == ":" else self._ternary()
        self._need(":")
        otherwise = self._ternary()
        width, signed = _common(then, otherwise)
        return self._made((then if condition[0] else otherwise)[0], width, signed)

    def _level(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._unary()
        value = self._level(level + 1)
        while self._peek() in _LEVELS[level]:
            op = self._peek()
            place = self._place()
            self._at += 1
            right = self._level(level + 1)
            value = self._apply(op, value, right, place)
        return value

    def _apply(self, op: str, a: Value, b: Value, place: int) -> Value:
        if op == "&&":
            return int(bool(a[0]) and bool(b[0])), 32, True
        if op == "||":
            return int(bool(a[0]) or bool(b[0])), 32, True
        if op in ("<<", ">>"):
            if not 0 <= b[0] < 64:
                raise CError(f"a shift by {b[0]} bits", place)
            value = a[0] << b[0] if op == "<<" else a[0] >> b[0]
            return self._made(value, a[1], a[2])
        width, signed = _common(a, b)
        left, right = wrapped(a[0], width, signed), wrapped(b[0], width, signed)
        if op in _COMPARISON:
            return int(_COMPARISON[op](left, right)), 32, True
        if op in ("/", "%"):
            if right == 0:
                raise CError("division by zero", place)
            quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
            return self._made(quotient if op == "/" else left - quotient * right, width, signed)
        return self._made(_ARITHMETIC[op](left, right), width, signed)

    def _unary(self) -> Value:
        if self._at >= len(self._tokens):
            raise CError("expected an expression", self._place())
        self._depth += 1
        if self._depth > _DEEPEST:
            raise CError("an expression this deep is not understood", self._place())
        try:
            return self._operand()
        finally:
            self._depth -= 1

    def _operand(self) -> Value:
        kind, text, place = self._tokens[self._at]
        self._at += 1
        if text in ("-", "+", "~", "!"):
            value, width, signed = self._unary()
            if text == "!":
                return int(not value), 32, True
            result = {"-": -value, "+": value, "~": ~value}[text]
            return self._made(result, width, signed)
        if text == "(":
            cast = self._cast()
            if cast is not None:
                return cast
            inner = self._ternary()
            self._need(")")
            return inner
        if kind == "number":
            return self._literal(text)
        if kind == "char":
            return character(text), 32, True
        if text in _SIZE_WORDS and self._layout is not None:
            return self._sized(text)
        if text in _OFFSET_WORDS and self._layout is not None:
            return self._offset()
        if text == "__extension__":
            return self._unary()
        if text == "__builtin_constant_p":
            self._need("(")
            self._ternary()
            self._need(")")
            return 1, 32, True
        if kind in ("word", "painted"):
            known = self.lookup(text)
            if known is not None:
                small = -(1 << 31) <= known < 1 << 31
                return known, 32 if small else 64, known < 1 << 63
        raise CError(f"'{text}' is no constant", place)

    def _type(self) -> Type | None:
        """The type in parentheses, behind the first; None where an expression stands there."""
        if self._type_at is None:
            return None
        found = self._type_at(self._tokens, self._at)
        if found is None or found[1] >= len(self._tokens) or self._tokens[found[1]][1] != ")":
            return None
        self._at = found[1] + 1
        return found[0]

    def _cast(self) -> Value | None:
        """``(unsigned long)1`` behind its parenthesis; None where this is no cast."""
        start = self._at
        type_ = self._type()
        if type_ is None:
            return None
        if isinstance(type_, BoolType):
            return int(bool(self._unary()[0])), 32, True
        if isinstance(type_, IntType | EnumType):
            width, signed = type_.width * 8, type_.signed
        elif isinstance(type_, PointerType):
            width, signed = 64, False
        else:
            raise CError(f"a cast to '{type_}' is no constant", self._tokens[start][2])
        value = wrapped(self._unary()[0], width, signed)
        return value, max(width, 32), signed or width < 32

    def _sized(self, word: str) -> Value:
        assert self._layout is not None
        place = self._place()
        self._need("(")
        type_ = self._type()
        if type_ is None:
            raise CError(f"{word} of something that is no type", place)
        size, align = self._layout(type_)
        return size if word == "sizeof" else align, 64, False

    def _offset(self) -> Value:
        place = self._place()
        self._need("(")
        assert self._type_at is not None
        found = self._type_at(self._tokens, self._at)
        if found is None:
            raise CError("offsetof wants a type", place)
        type_, self._at = found
        self._need(",")
        offset = 0
        while True:
            name = self._peek()
            self._at += 1
            member = getattr(type_, "members", {}).get(name)
            if member is None:
                raise CError(f"'{type_}' has no member '{name}'", place)
            offset += member.offset
            type_ = member.type
            if self._peek() != ".":
                break
            self._at += 1
        self._need(")")
        return offset, 64, False


def _common(a: Value, b: Value) -> tuple[int, bool]:
    """Width and sign of what both become (C11 6.3.1.8)."""
    width = max(a[1], b[1])
    signed = all(value[2] or value[1] < width for value in (a, b))
    return width, signed
