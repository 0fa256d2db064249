"""The C part of a script: struct, union and enum definitions, ``#define`` and conditionals.

A small declaration parser, not a C compiler: what a script defines for itself, laid out by the
rules of the System V ABI, which Linux uses on every 64-bit machine.
"""

from __future__ import annotations

import re

from prybee.language.c_names import BASE, TYPEDEFS
from prybee.language.types import (
    INT8,
    VOID,
    ArrayType,
    EnumType,
    IntType,
    Member,
    PointerType,
    StringType,
    StructType,
    Type,
    VoidType,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_WORDS = frozenset("void _Bool bool char short int long signed unsigned".split(" "))  # noqa: SIM905
_QUALIFIERS = frozenset(
    ("const", "volatile", "restrict", "__restrict", "__user", "__kernel", "__rcu", "__percpu",
     "static", "inline", "register", "extern")
)  # fmt: skip

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/
    |(?P<word>[A-Za-z_]\w*)
    |(?P<number>(?:0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)[uUlL]*)
    |(?P<char>'(?:[^'\\]|\\.)+')
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<op><<|>>|<=|>=|==|!=|&&|\|\||.)
    """,
    re.VERBOSE | re.DOTALL,
)


class CError(Exception):
    """C that this parser does not take; the text says what, ``offset`` where in the text."""

    def __init__(self, message: str, offset: int = 0) -> None:
        self.offset = offset
        super().__init__(message)


def tokens(text: str) -> list[tuple[str, str, int]]:
    """(kind, text, offset) of each token of C."""
    found = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind is not None:
            found.append((kind, match[0], match.start()))
    return found


# -- constant expressions ------------------------------------------------------------------------

_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", "<=", ">", ">="),
    ("<<", ">>"), ("+", "-"), ("*", "/", "%"),
)  # fmt: skip


class Evaluator:
    """Evaluates integer constant expressions of C."""

    def __init__(self, lookup: Callable[[str], int | None]) -> None:
        # Gives the value of a name; None where it has none.
        self.lookup = lookup
        self._tokens: list[tuple[str, str, int]] = []
        self._at = 0

    def evaluate(self, text: str) -> int:
        """The value of an expression.

        Raises:
            CError: it is no constant expression.
        """
        self._tokens = tokens(text)
        self._at = 0
        value = self._ternary()
        if self._at < len(self._tokens):
            raise CError(f"unexpected '{self._tokens[self._at][1]}'", self._tokens[self._at][2])
        return value

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _ternary(self) -> int:
        condition = self._level(0)
        if self._peek() != "?":
            return condition
        self._at += 1
        then = self._ternary()
        self._need(":")
        otherwise = self._ternary()
        return then if condition else otherwise

    def _need(self, text: str) -> None:
        if self._peek() != text:
            raise CError(f"expected '{text}'", self._place())
        self._at += 1

    def _place(self) -> int:
        return self._tokens[self._at][2] if self._at < len(self._tokens) else 0

    def _level(self, level: int) -> int:
        if level == len(_LEVELS):
            return self._unary()
        value = self._level(level + 1)
        while self._peek() in _LEVELS[level]:
            op = self._peek()
            self._at += 1
            value = self._apply(op, value, self._level(level + 1))
        return value

    def _apply(self, op: str, a: int, b: int) -> int:
        if op in ("/", "%"):
            if b == 0:
                raise CError("division by zero")
            quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
            return quotient if op == "/" else a - quotient * b
        if op in ("<<", ">>") and not 0 <= b < 64:
            raise CError(f"a shift by {b} bits")
        return _OPERATORS[op](a, b)

    def _unary(self) -> int:
        if self._at >= len(self._tokens):
            raise CError("expected an expression")
        kind, text, offset = self._tokens[self._at]
        self._at += 1
        if text in ("-", "+", "~", "!"):
            value = self._unary()
            return {"-": -value, "+": value, "~": ~value, "!": int(not value)}[text]
        if text == "(":
            cast = self._cast()
            if cast is not None:
                return cast
            value = self._ternary()
            self._need(")")
            return value
        if kind == "number":
            return number(text)
        if kind == "char":
            return _character(text)
        if kind == "word":
            if text == "defined":
                return self._defined()
            known = self.lookup(text)
            if known is not None:
                return known
        raise CError(f"'{text}' is no constant", offset)

    def _cast(self) -> int | None:
        """``(unsigned long)1`` behind its parenthesis; None where this is no cast."""
        at = self._at
        words = []
        while at < len(self._tokens) and self._tokens[at][0] == "word":
            words.append(self._tokens[at][1])
            at += 1
        if not words or at >= len(self._tokens) or self._tokens[at][1] != ")":
            return None
        type_ = TYPEDEFS.get(words[0]) or BASE.get(" ".join(sorted(words)))
        if not isinstance(type_, IntType):
            return None
        self._at = at + 1
        value = self._unary() & ((1 << type_.width * 8) - 1)
        return (
            value - (1 << type_.width * 8)
            if type_.signed and value >> (type_.width * 8 - 1)
            else value
        )

    def _defined(self) -> int:
        parenthesis = self._peek() == "("
        self._at += parenthesis
        name = self._peek()
        self._at += 1
        if parenthesis:
            self._need(")")
        return int(self.lookup(name) is not None)


_OPERATORS: dict[str, Callable[[int, int], int]] = {
    "||": lambda a, b: int(bool(a or b)),
    "&&": lambda a, b: int(bool(a and b)),
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}


def number(text: str) -> int:
    """The value of a C integer literal."""
    plain = text.rstrip("uUlL")
    if len(plain) > 1 and plain[0] == "0" and plain.isdecimal():
        if set(plain) & set("89"):
            raise CError(f"'{text}' is no octal number")
        return int(plain, 8)
    return int(plain, 0)


def _character(text: str) -> int:
    from prybee.language.lexer import unescape

    value, _mistakes = unescape(text[1:-1].replace("\\'", "'").replace("\\0", "\\x00"))
    if len(value) != 1:
        raise CError(f"{text} is no character")
    return value.encode("utf-8", "surrogateescape")[0]


# -- definitions -----------------------------------------------------------------------------------


def alignment(type_: Type) -> int:
    """What the C ABI aligns a value of ``type_`` to."""
    if isinstance(type_, StructType):
        known = type_.__dict__.get("_alignment")
        if known is None:
            known = max((alignment(m.type) for m in type_.members.values()), default=1)
            type_.__dict__["_alignment"] = known
        assert isinstance(known, int)
        return known
    if isinstance(type_, ArrayType):
        return alignment(type_.element)
    if isinstance(type_, StringType | VoidType):
        return 1
    return type_.align


class _Shape:
    """A struct or union while its members are laid out."""

    def __init__(self, union: bool, packed: bool) -> None:
        self.union = union
        self.packed = packed
        self.members: list[Member] = []
        self.bits = 0  # where the next member may begin
        self.end = 0  # bytes in use
        self.align = 1

    def add(self, name: str, type_: Type, bit_size: int | None, align: int = 0) -> None:
        """Place a member; ``bit_size`` for bitfields, ``align`` where an attribute gives one."""
        natural = 1 if self.packed else alignment(type_)
        wanted = max(natural, align)
        if self.union:
            self.bits = 0
        if bit_size is not None:
            self._bitfield(name, type_, bit_size, wanted)
        else:
            at = -(-self.bits // (wanted * 8)) * wanted
            self.bits = (at + type_.size) * 8
            if name:
                self.members.append(Member(name, at, type_))
            elif isinstance(type_, StructType):
                # Members of an anonymous member are the outer one's own.
                for inner in type_.members.values():
                    self.members.append(inner.replace(offset=inner.offset + at))
            self.align = max(self.align, wanted)
        self.end = max(self.end, -(-self.bits // 8))

    def _bitfield(self, name: str, type_: Type, size: int, align: int) -> None:
        unit = type_.size * 8
        if size == 0:
            self.bits = -(-self.bits // unit) * unit
            return
        if not self.packed and self.bits // unit != (self.bits + size - 1) // unit:
            self.bits = -(-self.bits // unit) * unit
        if name:
            self.members.append(Member(name, self.bits // 8, type_, self.bits % 8, size))
            self.align = max(self.align, align)
        self.bits += size

    def size(self, align: int) -> int:
        """Bytes of the whole, where an attribute asks for ``align``."""
        self.align = max(self.align, align)
        return -(-self.end // self.align) * self.align


class Definitions:
    """Parses definitions; what it finds goes to ``types`` and ``enumerators``.

    Args:
        constant: gives the value of a ``#define`` name or outer enumerator; None without one.
        outer: gives types that the script does not define; None where there is no such type.
    """

    def __init__(
        self,
        constant: Callable[[str], int | None],
        outer: Callable[[str, str], Type | None],
    ) -> None:
        # "struct x", "enum y" → type.
        self.types: dict[str, Type] = {}
        self.enumerators: dict[str, tuple[int, EnumType]] = {}
        self._constant_of = constant
        self._outer = outer
        self._tokens: list[tuple[str, str, int]] = []
        self._at = 0

    def parse(self, text: str) -> None:
        """Take in one definition.

        Raises:
            CError: it is wrong, or beyond this parser.
        """
        self._tokens = tokens(text)
        self._at = 0
        if self._peek() == "typedef":
            self._at += 1
            self._typedef()
        else:
            self._specifier()

    def _typedef(self) -> None:
        base = self._specifier()
        while True:
            name, type_ = self._declarator(base)
            self.types[name] = type_
            if self._peek() != ",":
                return
            self._at += 1

    # -- tokens --

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at][1] if at < len(self._tokens) else ""

    def _fail(self, message: str) -> CError:
        if self._at < len(self._tokens):
            return CError(message, self._tokens[self._at][2])
        last = self._tokens[-1] if self._tokens else ("", "", 0)
        return CError(message, last[2])

    def _need(self, text: str) -> None:
        if self._peek() != text:
            raise self._fail(f"expected '{text}', found '{self._peek() or 'the end'}'")
        self._at += 1

    def _word(self, what: str) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at][0] != "word":
            raise self._fail(f"expected {what}")
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _attributes(self) -> tuple[bool, int]:
        """(packed, alignment or 0) of the attributes that stand here."""
        packed, align = False, 0
        while self._peek() in ("__attribute__", "__attribute", "__packed", "__aligned"):
            word = self._peek()
            self._at += 1
            if word == "__packed":
                packed = True
                continue
            text = self._balanced()
            if "packed" in text:
                packed = True
            if word == "__aligned" or "aligned" in text:
                inner = text.partition("aligned")[2] if "aligned" in text else text
                digits = re.search(r"\d+", inner)
                align = max(align, int(digits[0]) if digits is not None else 16)
        return packed, align

    def _balanced(self) -> str:
        """The text in parentheses that begin here."""
        self._need("(")
        depth = 1
        words = []
        while depth:
            if self._at >= len(self._tokens):
                raise self._fail("expected ')'")
            text = self._peek()
            depth += (text == "(") - (text == ")")
            words.append(text)
            self._at += 1
        return " ".join(words)

    # -- types --

    def _specifier(self) -> Type:
        """The type that a declaration begins with."""
        words: list[str] = []
        while True:
            word = self._peek()
            if word in _QUALIFIERS:
                self._at += 1
            elif word in ("struct", "union"):
                return self._struct(word)
            elif word == "enum":
                return self._enum()
            elif word in _WORDS:
                words.append(word)
                self._at += 1
            elif words:
                type_ = BASE.get(" ".join(sorted(words)))
                if type_ is None:
                    raise self._fail(f"'{' '.join(words)}' is no type")
                return type_
            elif word in ("__attribute__", "__extension__"):
                self._at += 1
                if word == "__attribute__":
                    self._balanced()
            else:
                name = self._word("a type")
                found = self.types.get(name) or TYPEDEFS.get(name) or self._outer("", name)
                if found is None:
                    self._at -= 1
                    raise self._fail(f"unknown type name '{name}'")
                while self._peek() in _QUALIFIERS:
                    self._at += 1
                return found

    def _struct(self, kind: str) -> Type:
        self._at += 1
        packed, align = self._attributes()
        name = self._word("a name") if self._peek() != "{" else ""
        if self._peek() != "{":
            found = self.types.get(f"{kind} {name}") or self._outer(kind, name)
            # Only pointers to it may follow: an unknown struct has no size.
            return found or StructType(kind, name, 0)
        self._at += 1
        body = self._at
        self._skip_body()
        more_packed, more_align = self._attributes()
        after = self._at
        self._at = body
        shape = _Shape(kind == "union", packed or more_packed)
        type_ = StructType.lazy(kind, name, 0, lambda: tuple(shape.members))
        if name:
            # Members may point to what is being defined.
            self.types[f"{kind} {name}"] = type_
        while self._peek() != "}":
            self._members(shape)
        self._at = after
        # Only now its size is known. Nobody has compared or hashed it yet.
        type_.__dict__["bytes"] = shape.size(max(align, more_align))
        type_.__dict__["_alignment"] = shape.align
        return type_

    def _skip_body(self) -> None:
        depth = 1
        while depth:
            if self._at >= len(self._tokens):
                raise self._fail("expected '}'")
            text = self._peek()
            depth += (text == "{") - (text == "}")
            self._at += 1

    def _members(self, shape: _Shape) -> None:
        """One declaration of members: ``int a, *b, c[4], d : 3;``."""
        base = self._specifier()
        if self._peek() in (";", "}"):
            self._at += self._peek() == ";"
            if isinstance(base, StructType):
                shape.add("", base, None)
            return
        while True:
            name, type_ = self._declarator(base)
            bits: int | None = None
            if self._peek() == ":":
                self._at += 1
                bits = self._constant((",", ";", "}", "__attribute__"))
                if not 0 <= bits <= type_.size * 8:
                    raise self._fail(f"a bitfield of {bits} bits in '{type_}'")
            packed, align = self._attributes()
            if bits is None and type_.size == 0 and not isinstance(type_, ArrayType | StringType):
                raise self._fail(f"'{name}' has the incomplete type '{type_}'")
            outer, shape.packed = shape.packed, shape.packed or packed
            shape.add(name, type_, bits, align)
            shape.packed = outer
            if self._peek() == ",":
                self._at += 1
                continue
            # Compilers do without the last semicolon, with a warning.
            if self._peek() != "}":
                self._need(";")
            return

    def _declarator(self, type_: Type) -> tuple[str, Type]:
        while self._peek() == "*" or self._peek() in _QUALIFIERS:
            if self._peek() == "*":
                type_ = PointerType(type_)
            self._at += 1
        if self._peek() == ":":
            return "", type_
        if self._peek() == "(" and self._peek(1) == "*":
            return self._function_pointer()
        name = self._word("a member's name")
        counts: list[int] = []
        while self._peek() == "[":
            self._at += 1
            counts.append(self._constant(("]",)) if self._peek() != "]" else 0)
            self._need("]")
        for position, count in enumerate(reversed(counts)):
            if count < 0:
                raise self._fail(f"'{name}' has {count} elements")
            if position == 0 and type_ == INT8:
                type_ = StringType(count)
            else:
                type_ = ArrayType(type_, count)
        return name, type_

    def _function_pointer(self) -> tuple[str, Type]:
        self._at += 2
        while self._peek() in _QUALIFIERS:
            self._at += 1
        name = self._word("a member's name")
        count = None
        if self._peek() == "[":
            self._at += 1
            count = self._constant(("]",))
            self._need("]")
        self._need(")")
        self._balanced()
        pointer = PointerType(VOID)
        return name, pointer if count is None else ArrayType(pointer, count)

    def _constant(self, stop: tuple[str, ...]) -> int:
        depth = 0
        start = self._at
        while self._at < len(self._tokens):
            text = self._peek()
            if depth == 0 and text in stop:
                break
            depth += (text == "(") - (text == ")")
            self._at += 1
        text = " ".join(t for _kind, t, _offset in self._tokens[start : self._at])
        return Evaluator(self._value).evaluate(text)

    def _value(self, name: str) -> int | None:
        found = self.enumerators.get(name)
        if found is not None:
            return found[0]
        return self._constant_of(name)

    def _enum(self) -> Type:
        self._at += 1
        self._attributes()
        name = self._word("a name") if self._peek() != "{" else ""
        if self._peek() != "{":
            found = self.types.get(f"enum {name}") or self._outer("enum", name)
            if found is None:
                raise self._fail(f"unknown type 'enum {name}'")
            return found
        self._at += 1
        values: list[tuple[int, str]] = []
        following = 0
        pending: dict[str, int] = {}
        while self._peek() != "}":
            word = self._word("an enumerator")
            if self._peek() == "=":
                self._at += 1
                before = Evaluator(lambda n: pending.get(n, self._value(n)))
                following = before.evaluate(self._until_comma())
            values.append((following, word))
            pending[word] = following
            following += 1
            if self._peek() == ",":
                self._at += 1
            elif self._peek() != "}":
                raise self._fail("expected ',' or '}'")
        self._at += 1
        packed, _align = self._attributes()
        type_ = _enum_type(name, values, packed)
        if name:
            self.types[f"enum {name}"] = type_
        for value, word in values:
            self.enumerators[word] = (value, type_)
        return type_

    def _until_comma(self) -> str:
        depth = 0
        words = []
        while self._at < len(self._tokens):
            text = self._peek()
            if depth == 0 and text in (",", "}"):
                break
            depth += (text == "(") - (text == ")")
            words.append(text)
            self._at += 1
        return " ".join(words)


def _enum_type(name: str, values: list[tuple[int, str]], packed: bool) -> EnumType:
    signed = any(value < 0 for value, _word in values)
    widths = (1, 2, 4, 8) if packed else (4, 8)
    for width in widths:
        top = 1 << (width * 8 - signed)
        if all(-top <= value < top for value, _word in values):
            break
    return EnumType(name, width, signed, tuple(values))
