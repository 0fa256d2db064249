"""Declarations of C: struct, union and enum definitions, typedefs, and names of types."""

from __future__ import annotations

from prybee.language.c.attributes import NOTHING, Attributes, attributes
from prybee.language.c.expressions import Evaluator
from prybee.language.c.layout import Shape, sized
from prybee.language.c.lexer import CError
from prybee.language.c.words import (
    ASSERTIONS,
    ATTRIBUTES,
    BASE_WORDS,
    OTHER,
    QUALIFIERS,
    SAME,
    TYPEOF,
)
from prybee.language.c_names import BASE, TYPEDEFS
from prybee.language.types import (
    INT8,
    INT64,
    UINT8,
    VOID,
    ArrayType,
    EnumType,
    IntType,
    PointerType,
    StringType,
    StructType,
    Type,
    VoidType,
    int_type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prybee.language.c.lexer import Token


class Types:
    """Types and enumerators by name, as declarations make them.

    Args:
        constant: gives the value of a name that is no enumerator; None where it has none.
        outer: gives types that are not declared here; None where there is no such type.

    Attributes:
        types: ``struct x``, ``enum y``, ``typedef_t`` → type.
        enumerators: name → value and enum.
    """

    def __init__(
        self,
        constant: Callable[[str], int | None],
        outer: Callable[[str, str], Type | None],
    ) -> None:
        self.types: dict[str, Type] = {}
        self.enumerators: dict[str, tuple[int, EnumType]] = {}
        self._constant = constant
        self._outer = outer

    def find(self, tag: str, name: str) -> Type | None:
        """The type ``name``, or with ``tag`` the struct, union or enum of that name."""
        found = self.types.get(f"{tag} {name}" if tag else name)
        if found is None and not tag:
            found = TYPEDEFS.get(name)
        return found if found is not None else self._outer(tag, name)

    def referred(self, kind: str, name: str) -> Type:
        """A struct or union that is only named here: it need not have a size (yet)."""
        found = self.types.get(f"{kind} {name}") or self._outer(kind, name)
        return found or StructType(kind, name, 0)

    def named_enum(self, name: str) -> Type | None:
        """An enum that is only named here; None where there is none."""
        return self.find("enum", name)

    def complete(self, type_: Type) -> None:
        """Make sure that the size of ``type_`` is known, where it can be known."""

    def layout(self, type_: Type) -> tuple[int, int]:
        """Size and alignment of a type, in bytes.

        Raises:
            CError: it has none.
        """
        self.complete(type_)
        if type_.size == 0 and _incomplete(type_) and type_ != VOID:
            raise CError(f"'{type_}' is incomplete: it has no size")
        return sized(type_)

    def value(self, name: str) -> int | None:
        """The value of an enumerator or another constant; None where there is none."""
        found = self.enumerators.get(name)
        return found[0] if found is not None else self._constant(name)

    def parse(self, parts: Sequence[Token], pack: int = 0) -> None:
        """Take in one declaration, a typedef or a definition. ``pack`` is that of ``#pragma``.

        Raises:
            CError: it is wrong, or beyond this parser.
        """
        Declaration(parts, self, pack).run()

    def define(self, kind: str, name: str) -> StructType:
        """A struct or union whose members are about to be read."""
        made = StructType(kind, name, 0)
        if f"{kind} {name}" in self.types:
            raise CError(f"redefinition of '{name}'")
        if name:
            # Members may point to what is being defined.
            self.types[f"{kind} {name}"] = made
        return made

    def evaluator(self) -> Evaluator:
        """For constant expressions in declarations."""
        return Evaluator(self.value, self.type_at, self.layout)

    def type_at(self, parts: Sequence[Token], at: int) -> tuple[Type, int] | None:
        """The type whose name is at an index, and the index behind it."""
        kind, text, _place = parts[at] if at < len(parts) else ("", "", 0)
        if kind not in ("word", "painted") or not (
            text in BASE_WORDS
            or text in QUALIFIERS
            or text in ("struct", "union", "enum")
            or text in TYPEOF
            or self.find("", text) is not None
        ):
            return None
        declaration = Declaration(parts, self, 0, at)
        return declaration.type_name(), declaration.at


class Declaration:
    """Parses one declaration. Use :meth:`Types.parse`."""

    def __init__(self, parts: Sequence[Token], types: Types, pack: int = 0, at: int = 0) -> None:
        self.parts = parts
        self.types = types
        self.pack = pack
        self.at = at
        # Those in front of the name that is declared.
        self._leading = NOTHING

    def run(self) -> None:
        """Parse all of it, and note what it names."""
        while self._peek() == "__extension__":
            self.at += 1
        typedef = self._peek() == "typedef"
        self.at += typedef
        base = self._specifier()
        if self._peek() == "typedef":
            typedef = True
            self.at += 1
        if not typedef:
            return
        while self._peek() not in ("", ";"):
            name, type_ = self._declarator(base)
            type_ = self._changed(type_, self._leading.joined(self._attributes()))
            if name:
                self.types.types[name] = type_
            if self._peek() != ",":
                break
            self.at += 1

    def _changed(self, type_: Type, asked: Attributes) -> Type:
        """What the attributes of a typedef make of its type."""
        if asked.mode and isinstance(type_, IntType):
            type_ = int_type(asked.mode, type_.signed)
        if asked.vector:
            type_ = ArrayType(UINT8, asked.vector)
            type_.__dict__["_alignment"] = asked.align or asked.vector
        if asked.align and isinstance(type_, StructType):
            self.types.complete(type_)
            struct = type_
            type_ = StructType.lazy(
                struct.kind, struct.name, struct.size, lambda: tuple(struct.members.values())
            )
            type_.__dict__["_alignment"] = max(asked.align, sized(struct)[1])
        return type_

    def type_name(self) -> Type:
        """The type that stands here without a name being declared: ``const char *[4]``."""
        return self._declarator(self._specifier())[1]

    # -- tokens --

    def _peek(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.parts[at][1] if at < len(self.parts) else ""

    def _fail(self, message: str) -> CError:
        if self.at < len(self.parts):
            return CError(message, self.parts[self.at][2])
        return CError(message, self.parts[-1][2] if self.parts else -1)

    def _need(self, text: str) -> None:
        if self._peek() != text:
            raise self._fail(f"expected '{text}', found '{self._peek() or 'the end'}'")
        self.at += 1

    def _word(self, what: str) -> str:
        if self.at >= len(self.parts) or self.parts[self.at][0] not in ("word", "painted"):
            raise self._fail(f"expected {what}")
        self.at += 1
        return self.parts[self.at - 1][1]

    def _attributes(self) -> Attributes:
        """The attributes that stand here, if any."""
        found = NOTHING
        while True:
            word = self._peek()
            if word in ("__asm__", "asm", "__asm"):
                self.at += 1
                self._balanced()
            elif word in ATTRIBUTES:
                self.at += 1
                inner = self._balanced() if word != "__packed" else []
                found = found.joined(attributes(word, inner, self.types))
            else:
                return found

    def _balanced(self) -> list[Token]:
        """What stands in the parentheses that begin here."""
        if self._peek() != "(":
            raise self._fail(f"expected '(', found '{self._peek() or 'the end'}'")
        inner = _enclosed(self.parts, self.at)
        self.at += len(inner) + 1
        if self._peek() != ")":
            raise self._fail("expected ')'")
        self.at += 1
        return inner

    # -- types --

    def _specifier(self) -> Type:
        """The type that a declaration begins with."""
        words: list[str] = []
        found: Type | None = None
        while True:
            word = self._peek()
            if word in QUALIFIERS:
                self.at += 1
            elif word in ATTRIBUTES:
                self._leading = self._leading.joined(self._attributes())
            elif word in BASE_WORDS and found is None:
                words.append(SAME.get(word, word))
                self.at += 1
            elif words or found is not None:
                break
            elif word in ("struct", "union"):
                found = self._struct(word)
            elif word == "enum":
                found = self._enum()
            elif word in TYPEOF:
                self.at += 1
                inner = self._balanced()
                known = self.types.type_at(inner, 0)
                if known is None:
                    # Of a number: one that holds it.
                    self.types.evaluator().evaluate(inner)
                found = known[0] if known is not None else INT64
            else:
                name = self._word("a type")
                found = self.types.find("", name)
                if found is None:
                    self.at -= 1
                    raise self._fail(f"unknown type name '{name}'")
        if found is None:
            text = " ".join(sorted(words))
            found = BASE.get(text) or OTHER.get(text)
            if found is None:
                raise self._fail(f"'{' '.join(words)}' is no type")
        return found

    def _struct(self, kind: str) -> Type:
        self.at += 1
        asked = self._attributes()
        name = self._word("a name") if self._peek() != "{" else ""
        if self._peek() != "{":
            return self.types.referred(kind, name)
        body = _enclosed(self.parts, self.at)
        after = self.at + len(body) + 2
        if after > len(self.parts):
            self.at = len(self.parts)
            raise self._fail("expected '}'")
        start = self.at + 1
        self.at = after
        asked = asked.joined(self._attributes())
        after = self.at
        self.at = start
        shape = Shape(kind == "union", asked.packed, self.pack)
        try:
            type_ = self.types.define(kind, name)
        except CError as failure:
            raise CError(str(failure), self.parts[start - 2][2]) from None
        while self._peek() != "}":
            self._members(shape)
        self.at = after
        # Only now its size is known. Nobody has compared or hashed it yet.
        type_.__dict__["_load"] = lambda: tuple(shape.members)
        type_.__dict__["bytes"] = shape.size(asked.align)
        type_.__dict__["_alignment"] = shape.align
        return type_

    def _members(self, shape: Shape) -> None:
        """One declaration of members: ``int a, *b, c[4], d : 3;``."""
        if self._peek() == ";":
            self.at += 1
            return
        if self._peek() in ASSERTIONS:
            self.at += 1
            self._balanced()
            return
        before = self._attributes()
        base = self._specifier()
        if self._peek() in (";", "}"):
            self.at += self._peek() == ";"
            self.types.complete(base)
            if isinstance(base, StructType):
                shape.add("", base, align=before.align, packed=before.packed)
            return
        while True:
            named = self.at
            name, type_ = self._declarator(base)
            if shape.has(name):
                self.at = named
                raise self._fail(f"duplicate member '{name}'")
            self.types.complete(type_)
            bits: int | None = None
            if self._peek() == ":":
                self.at += 1
                bits, self.at = self.types.evaluator().prefix(self.parts, self.at)
                if not 0 <= bits <= type_.size * 8 or isinstance(type_, StructType | ArrayType):
                    raise self._fail(f"a bitfield of {bits} bits in '{type_}'")
            asked = before.joined(self._attributes())
            if bits is None and _incomplete(type_):
                raise self._fail(f"'{name}' has the incomplete type '{type_}'")
            shape.add(name, type_, bits, asked.align, asked.packed)
            if self._peek() == ",":
                self.at += 1
                continue
            # Compilers do without the last semicolon, with a warning.
            if self._peek() != "}":
                self._need(";")
            return

    def _declarator(self, type_: Type) -> tuple[str, Type]:
        """A name, which may be missing, and its type."""
        while self._peek() == "*" or self._peek() in QUALIFIERS or self._peek() in ATTRIBUTES:
            if self._peek() in ATTRIBUTES:
                self._leading = self._leading.joined(self._attributes())
                continue
            if self._peek() == "*":
                type_ = PointerType(type_)
            self.at += 1
        inner: list[Token] = []
        name = ""
        if self._peek() == "(" and (self._peek(1) in ("*", "^", "(") or self._named_in()):
            inner = self._balanced()
        elif self.at < len(self.parts) and self.parts[self.at][0] in ("word", "painted"):
            name = self._word("a name")
        counts: list[int] = []
        while self._peek() == "[":
            bounds = _enclosed(self.parts, self.at)
            self.at += len(bounds) + 1
            bounds = [part for part in bounds if part[1] not in QUALIFIERS]
            counts.append(self.types.evaluator().evaluate(bounds) if bounds else 0)
            self._need("]")
        if self._peek() == "(":
            self._balanced()
            type_ = VOID
        for position, count in enumerate(reversed(counts)):
            if count < 0:
                raise self._fail(f"'{name}' has {count} elements")
            if position == 0 and type_ == INT8:
                type_ = StringType.array(count)
            else:
                type_ = ArrayType(type_, count)
        if inner:
            nested = Declaration(inner, self.types)
            name, type_ = nested._declarator(type_)
        return name, type_

    def _named_in(self) -> bool:
        """Whether a declared name stands in the parentheses here, and no function's parameters."""
        word = self._peek(1)
        return self._peek(2) == ")" and self.types.find("", word) is None and word not in BASE_WORDS

    def _enum(self) -> Type:
        self.at += 1
        asked = self._attributes()
        name = self._word("a name") if self._peek() not in ("{", ":") else ""
        if self._peek() != "{":
            found = self.types.named_enum(name)
            if found is None:
                raise self._fail(f"unknown type 'enum {name}'")
            return found
        self.at += 1
        values: list[tuple[int, str]] = []
        following = 0
        pending: dict[str, int] = {}
        outer = self.types
        evaluator = Evaluator(
            lambda n: pending[n] if n in pending else outer.value(n), outer.type_at, outer.layout
        )
        while self._peek() != "}":
            word = self._word("an enumerator")
            self._attributes()
            if self._peek() == "=":
                self.at += 1
                following, self.at = evaluator.prefix(self.parts, self.at)
            values.append((following, word))
            pending[word] = following
            following += 1
            if self._peek() == ",":
                self.at += 1
            elif self._peek() != "}":
                raise self._fail("expected ',' or '}'")
        self.at += 1
        type_ = _enum_type(name, values, asked.joined(self._attributes()).packed)
        if name:
            if f"enum {name}" in outer.types:
                raise self._fail(f"redefinition of '{name}'")
            outer.types[f"enum {name}"] = type_
        for value, word in values:
            outer.enumerators[word] = (value, type_)
        return type_


def _enclosed(parts: Sequence[Token], at: int) -> list[Token]:
    """What stands between the bracket at ``at`` and the one that closes it, or the end."""
    depth = 0
    for index in range(at, len(parts)):
        text = parts[index][1]
        if text in ("(", "[", "{"):
            depth += 1
        elif text in (")", "]", "}"):
            depth -= 1
            if depth == 0:
                return list(parts[at + 1 : index])
    return list(parts[at + 1 :])


def _incomplete(type_: Type) -> bool:
    """Whether there are no values of a type: void, and what is only named."""
    if isinstance(type_, ArrayType):
        return _incomplete(type_.element)
    if isinstance(type_, StructType):
        return type_.size == 0 and type_._load is None
    return isinstance(type_, VoidType)


def _enum_type(name: str, values: list[tuple[int, str]], packed: bool) -> EnumType:
    signed = any(value < 0 for value, _word in values)
    for width in (1, 2, 4, 8) if packed else (4, 8):
        top = 1 << (width * 8 - signed)
        if all(-top <= value < top for value, _word in values):
            break
    return EnumType(name, width, signed, tuple(values))
