"""Types of headers: an index of their declarations, each parsed when it is asked for."""

from __future__ import annotations

from bisect import bisect_right

from prybee.language.c.declarations import Types
from prybee.language.c.lexer import CError
from prybee.language.c_names import TYPEDEFS
from prybee.language.types import ArrayType, EnumType, StructType, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.language.c.expansion import Table
    from prybee.language.c.lexer import Token
    from prybee.language.c.preprocessor import Headers

_TAGS = frozenset(("struct", "union", "enum"))
_ATTRIBUTES = frozenset(("__attribute__", "__attribute", "_Alignas", "__aligned"))
_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")


class HeaderTypes(Types):
    """Types and enumerators of headers.

    Where the kernel's own types have one that the kernel's headers declare as well, it is taken
    from there.

    Args:
        headers: what was read; more may be read later, see :meth:`extend`.
        outer: gives the kernel's own types; None where there is no such type.
    """

    def __init__(self, headers: Headers, outer: Callable[[str, str], Type | None]) -> None:
        super().__init__(lambda _name: None, outer)
        self._headers = headers
        # "struct x", "name" → first and last token of the declaration that has it.
        self._declared: dict[str, tuple[int, int]] = {}
        self._enumerated: dict[str, tuple[int, int]] = {}
        self._indexed = 0
        self._parsed: set[int] = set()
        # Named, but not yet defined: key → the type whose members are to come.
        self._open: dict[str, StructType] = {}
        self._depth = 0
        # What could not be parsed: key → why.
        self.failures: dict[str, CError] = {}

    @property
    def macros(self) -> Table:
        """The macros behind the last header."""
        return self._headers.macros

    # -- the index -----------------------------------------------------------------------------

    def extend(self) -> None:
        """Index what was read since the last time."""
        parts = self._headers.tokens
        start = at = self._indexed
        depth = 0
        braces = False
        for at in range(start, len(parts)):
            text = parts[at][1]
            if text == ";" and depth == 0:
                self._declaration(parts, start, at, braces)
                start, braces = at + 1, False
            elif text in _OPENING:
                depth += 1
                braces = braces or text == "{"
            elif text in _CLOSING:
                depth = max(depth - 1, 0)
                if depth == 0 and text == "}" and self._is_function(parts, start, at):
                    start, braces = at + 1, False
        self._indexed = start if depth == 0 else len(parts)

    def _is_function(self, parts: list[Token], start: int, end: int) -> bool:
        """Whether what begins at ``start`` and has its last brace at ``end`` is a function."""
        at = start
        while at < end:
            text = parts[at][1]
            if text == "{":
                before = parts[at - 1][1] if at > start else ""
                if before == ")":
                    return True
                return before == ""
            if text in _TAGS:
                # A name, attributes, and then the members: a definition.
                following = _behind_tag(parts, at, end)[1]
                if following < end and parts[following][1] == "{":
                    return False
            elif text == "=":
                return False
            at += 1
        return False

    def _declaration(self, parts: list[Token], start: int, end: int, braces: bool) -> None:
        while start < end and parts[start][1] == "__extension__":
            start += 1
        if start >= end:
            return
        where = (start, end)
        if braces:
            self._definitions(parts, start, end)
        if parts[start][1] == "typedef":
            for name in _typedef_names(parts, start, end):
                self._declared.setdefault(name, where)

    def _definitions(self, parts: list[Token], start: int, end: int) -> None:
        """Note the structs, unions and enums that a declaration defines."""
        for at in range(start, end):
            text = parts[at][1]
            if text not in _TAGS:
                continue
            name, following = _behind_tag(parts, at, end)
            if following >= end or parts[following][1] != "{":
                continue
            if name:
                self._declared.setdefault(f"{text} {name}", (start, end))
            if text == "enum":
                for word in _enumerators(parts, following, end):
                    self._enumerated.setdefault(word, (start, end))

    # -- types by name -------------------------------------------------------------------------

    def find(self, tag: str, name: str) -> Type | None:
        key = f"{tag} {name}" if tag else name
        if not tag and name in TYPEDEFS and key not in self._declared:
            return TYPEDEFS[name]
        if key not in self.types:
            where = self._declared.get(key)
            if where is None or self.is_kernel(key):
                found = self._outer(tag, name)
                if found is not None or where is None:
                    return found
            self._parse(key, where)
        found = self.types.get(key)
        if isinstance(found, StructType) and key in self._open:
            self.complete(found)
        return found

    def declares(self, tag: str, name: str) -> bool:
        """Whether the headers have a type of that name."""
        return (f"{tag} {name}" if tag else name) in self._declared

    def declared_in(self, places: range) -> list[str]:
        """The names that are declared within some places."""
        parts = self._headers.tokens
        return [key for key, (start, _end) in self._declared.items() if parts[start][2] in places]

    def is_kernel(self, key: str) -> bool:
        """Whether the declaration of ``key`` is one of the kernel's headers."""
        where = self._declared.get(key) or self._enumerated.get(key)
        if where is None:
            return False
        marks = self._headers.kernel
        at = bisect_right(marks, (where[0], True)) - 1
        return marks[at][1] if at >= 0 else False

    def value(self, name: str) -> int | None:
        found = self.enumerator(name)
        return found[0] if found is not None else None

    def enumerator(self, name: str) -> tuple[int, EnumType] | None:
        """An enumerator's value and its enum."""
        if name not in self.enumerators and name in self._enumerated:
            self._parse(name, self._enumerated[name])
        return self.enumerators.get(name)

    def referred(self, kind: str, name: str) -> Type:
        key = f"{kind} {name}"
        found = self.types.get(key)
        if found is None and key in self._declared and not self.is_kernel(key):
            return self._promise(kind, name)
        if found is None:
            found = self._outer(kind, name)
        if found is None and key in self._declared:
            return self._promise(kind, name)
        return found or StructType(kind, name, 0)

    def named_enum(self, name: str) -> Type | None:
        # Headers name enums before they define them, or without doing so.
        return self.find("enum", name) or EnumType(name, 4, False, ())

    def _promise(self, kind: str, name: str) -> Type:
        """A struct whose members are read once its size is asked for."""
        made = StructType(kind, name, 0)
        self.types[f"{kind} {name}"] = self._open[f"{kind} {name}"] = made
        return made

    def define(self, kind: str, name: str) -> StructType:
        key = f"{kind} {name}"
        made = self._open.pop(key, None)
        return made if made is not None else super().define(kind, name)

    def complete(self, type_: Type) -> None:
        while isinstance(type_, ArrayType):
            type_ = type_.element
        if not isinstance(type_, StructType) or type_.size:
            return
        key = f"{type_.kind} {type_.name}"
        if self._open.get(key) is type_:
            self._parse(key, self._declared[key])
            self._open.pop(key, None)

    def _parse(self, key: str, where: tuple[int, int]) -> None:
        if where[0] in self._parsed:
            return
        self._parsed.add(where[0])
        packs = self._headers.packs
        pack = packs[bisect_right(packs, (where[0], 1 << 30)) - 1][1]
        self._depth += 1
        try:
            self.parse(self._headers.tokens[where[0] : where[1]], pack)
        except CError as failure:
            self.failures[key] = failure
        except RecursionError:
            self.failures[key] = CError("it is too deep", self._headers.tokens[where[0]][2])
        finally:
            self._depth -= 1
        if key in self.failures:
            found = self.types.get(key)
            if isinstance(found, StructType) and found._load is None:
                del self.types[key]
        if self._depth == 0:
            # What pointers point to.
            while self._open:
                _key, promised = next(iter(self._open.items()))
                self.complete(promised)


def _behind_tag(parts: list[Token], at: int, end: int) -> tuple[str, int]:
    """The name behind ``struct`` at an index, and the index behind it and its attributes."""
    at += 1
    name = ""
    while at < end:
        kind, text, _place = parts[at]
        if text in _ATTRIBUTES:
            at = _behind_parentheses(parts, at + 1, end)
        elif kind in ("word", "painted") and not name:
            name = text
            at += 1
        else:
            break
    return name, at


def _behind_parentheses(parts: list[Token], at: int, end: int) -> int:
    depth = 0
    while at < end:
        depth += (parts[at][1] == "(") - (parts[at][1] == ")")
        at += 1
        if depth == 0:
            break
    return at


def _enumerators(parts: list[Token], at: int, end: int) -> list[str]:
    found = []
    depth = 0
    expected = False
    while at < end:
        kind, text, _place = parts[at]
        if text in _OPENING:
            depth += 1
            expected = depth == 1
        elif text in _CLOSING:
            depth -= 1
            if depth == 0:
                break
        elif text == "," and depth == 1:
            expected = True
        elif expected and kind in ("word", "painted"):
            found.append(text)
            expected = False
        at += 1
    return found


def _typedef_names(parts: list[Token], start: int, end: int) -> list[str]:
    """The names that a typedef declares."""
    found: list[str] = []
    name = ""
    at = start + 1
    while at < end:
        kind, text, _place = parts[at]
        if text in _ATTRIBUTES or text in ("__asm__", "typeof", "__typeof__", "__typeof"):
            at = _behind_parentheses(parts, at + 1, end)
            continue
        if text == "(":
            inner = [part for part in parts[at + 1 : _behind_parentheses(parts, at, end)]
                     if part[0] in ("word", "painted")]  # fmt: skip
            opens = parts[at + 1][1] if at + 1 < end else ""
            # A pointer's name is in parentheses; a function's stands before them, or in its own.
            behind = _behind_parentheses(parts, at, end)
            if inner and (opens in ("*", "(", "^") or _is_open(parts, behind, end)):
                found.append(inner[0][1])
                name = ""
                at = _behind_parentheses(parts, at, end)
                at = _behind_parentheses(parts, at, end) if _is_open(parts, at, end) else at
                continue
            if name:
                found.append(name)
                name = ""
            at = _behind_parentheses(parts, at, end)
            continue
        if text == "{":
            depth = 0
            while at < end:
                depth += (parts[at][1] == "{") - (parts[at][1] == "}")
                at += 1
                if depth == 0:
                    break
            continue
        if text in (",", "["):
            if name:
                found.append(name)
                name = ""
            if text == "[":
                while at < end and parts[at][1] != "]":
                    at += 1
        elif kind in ("word", "painted"):
            name = text
        at += 1
    if name:
        found.append(name)
    return found


def _is_open(parts: list[Token], at: int, end: int) -> bool:
    return at < end and parts[at][1] == "("
