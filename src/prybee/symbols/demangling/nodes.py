"""The parts of a C++ name, and how they are written.

A type is written around what it declares (``void (*name)(int)``), so each node has a text that
comes before and one that comes after.  Argument packs make writing depend on where a node stands:
within an expansion a pack is one of its elements, outside it is all of them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Failure(Exception):
    """The name does not follow the grammar, or expands beyond all measure."""


class Writer:
    """State while a name is written: which element of the packs, and how much is still allowed."""

    def __init__(self) -> None:
        self.element: int | None = None
        # Substitutions refer to each other: a short name can stand for an exponentially long one.
        self.budget = 20_000

    def spend(self) -> None:
        """Counts one node."""
        self.budget -= 1
        if self.budget < 0:
            raise Failure("too long")


class Node:
    """A part of a name: by itself a piece of text."""

    # What pointers to it and the spelling of expressions depend on.
    is_function = False
    is_array = False
    simple = False  # needs no parentheses as an operand

    def before(self, w: Writer) -> str:
        """Text before the declared thing."""
        raise NotImplementedError

    def after(self, w: Writer) -> str:
        """Text after the declared thing."""
        return ""

    def text(self, w: Writer) -> str:
        """The whole text."""
        w.spend()
        return self.before(w) + self.after(w)

    def packs(self) -> list[Pack]:
        """The argument packs in it that an expansion around it would walk."""
        return []

    def base_name(self) -> str:
        """The name that a constructor of it has."""
        raise Failure("no class name")


class Text(Node):
    """Fixed text; ``base`` is the constructor's name where it is another."""

    simple = True

    def __init__(self, value: str, base: str = "") -> None:
        self.value = value
        self.base = base

    def before(self, w: Writer) -> str:
        return self.value

    def base_name(self) -> str:
        return self.base or self.value.partition("[abi:")[0]


class Group(Node):
    """Nodes written one after the other, with text between: everything without a shape."""

    def __init__(self, *parts: Node | str, base: str = "") -> None:
        self.parts = parts
        self.base = base

    def before(self, w: Writer) -> str:
        return "".join(part if isinstance(part, str) else part.text(w) for part in self.parts)

    def packs(self) -> list[Pack]:
        return [p for part in self.parts if not isinstance(part, str) for p in part.packs()]

    def base_name(self) -> str:
        return self.base or super().base_name()


class Sequence_(Node):  # noqa: N801 - the ABC has the plain name
    """Nodes with commas between; empty expansions leave no comma behind."""

    def __init__(self, items: Sequence[Node]) -> None:
        self.items = items

    def before(self, w: Writer) -> str:
        w.spend()
        return ", ".join(
            text
            for item in self.items
            if (text := item.text(w)) or not isinstance(item, (Pack, Expansion))
        )

    def packs(self) -> list[Pack]:
        return [p for item in self.items for p in item.packs()]


class Pack(Node):
    """The arguments that a parameter pack stands for."""

    def __init__(self, items: Sequence[Node]) -> None:
        self.items = items

    def _current(self, w: Writer) -> Node | None:
        if w.element is None:
            return None
        if w.element >= len(self.items):
            raise Failure("packs of different lengths")
        return self.items[w.element]

    @property
    def is_function(self) -> bool:  # type: ignore[override]
        return any(item.is_function for item in self.items)

    @property
    def is_array(self) -> bool:  # type: ignore[override]
        return any(item.is_array for item in self.items)

    def before(self, w: Writer) -> str:
        item = self._current(w)
        if item is None:
            return Sequence_(self.items).before(w)
        element, w.element = w.element, None
        w.spend()
        text = item.before(w)
        w.element = element
        return text

    def after(self, w: Writer) -> str:
        item = self._current(w)
        if item is None:
            return ""
        element, w.element = w.element, None
        w.spend()
        text = item.after(w)
        w.element = element
        return text

    def packs(self) -> list[Pack]:
        return [self]


class Expansion(Node):
    """``pattern...``: the pattern once for each element of the packs in it."""

    def __init__(self, pattern: Node) -> None:
        self.pattern = pattern

    def before(self, w: Writer) -> str:
        packs = self.pattern.packs()
        if not packs:
            return f"{self.pattern.text(w)}..."
        outer = w.element
        texts = []
        for w.element in range(len(packs[0].items)):
            texts.append(self.pattern.text(w))
        w.element = outer
        return ", ".join(texts)


class Forward(Node):
    """A template parameter used before its arguments (in a conversion operator's type)."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.target: Node | None = None

    def _known(self) -> Node:
        if self.target is None:
            raise Failure("template parameter without an argument")
        return self.target

    @property
    def is_function(self) -> bool:  # type: ignore[override]
        return self.target is not None and self.target.is_function

    @property
    def is_array(self) -> bool:  # type: ignore[override]
        return self.target is not None and self.target.is_array

    def before(self, w: Writer) -> str:
        w.spend()
        return self._known().before(w)

    def after(self, w: Writer) -> str:
        return self._known().after(w)

    def packs(self) -> list[Pack]:
        return self.target.packs() if self.target is not None else []


class Qualified(Node):
    """``type const``; on a function type the qualifiers are those of the member function."""

    def __init__(self, inner: Node, qualifiers: str) -> None:
        self.inner = inner
        self.qualifiers = qualifiers
        self.is_function = inner.is_function
        self.is_array = inner.is_array

    def before(self, w: Writer) -> str:
        w.spend()
        text = self.inner.before(w)
        # ``const`` of a template argument that is const already is written once.
        return (
            text if self.is_function or text.endswith(self.qualifiers) else text + self.qualifiers
        )

    def after(self, w: Writer) -> str:
        text = self.inner.after(w)
        return text + self.qualifiers if self.is_function else text

    def packs(self) -> list[Pack]:
        return self.inner.packs()


class Pointer(Node):
    """A pointer or reference; ``mark`` is ``*``, ``&`` or ``&&``."""

    inner: Node
    mark: str

    def __init__(self, inner: Node, mark: str) -> None:
        if mark != "*" and isinstance(inner, Pointer) and inner.mark != "*":
            # References to references collapse: only && of && stays &&.
            mark = "&&" if mark == inner.mark == "&&" else "&"
            inner = inner.inner
        self.inner = inner
        self.mark = mark

    def _target(self, w: Writer) -> tuple[Node, str, int | None]:
        """What it points to where it stands, the mark, and the element to write it with.

        An element of a pack may be a reference itself, which collapses with this one.
        """
        inner: Node = self.inner
        element = w.element
        while True:
            if isinstance(inner, Forward) and inner.target is not None:
                inner = inner.target
            elif isinstance(inner, Pack) and element is not None:
                if element >= len(inner.items):
                    raise Failure("packs of different lengths")
                inner, element = inner.items[element], None
            else:
                break
        if self.mark != "*" and isinstance(inner, Pointer) and inner.mark != "*":
            return inner.inner, "&&" if self.mark == inner.mark == "&&" else "&", element
        return inner, self.mark, element

    def before(self, w: Writer) -> str:
        w.spend()
        outer = w.element
        inner, mark, w.element = self._target(w)
        text = inner.before(w)
        w.element = outer
        if inner.is_array:
            return f"{text} ({mark}"
        return f"{text}({mark}" if inner.is_function else text + mark

    def after(self, w: Writer) -> str:
        outer = w.element
        inner, _, w.element = self._target(w)
        text = inner.after(w)
        w.element = outer
        return f"){text}" if inner.is_function or inner.is_array else text

    def packs(self) -> list[Pack]:
        return self.inner.packs()


class MemberPointer(Node):
    """``type class::*``."""

    def __init__(self, owner: Node, inner: Node) -> None:
        self.owner = owner
        self.inner = inner

    def before(self, w: Writer) -> str:
        w.spend()
        text, owner = self.inner.before(w), self.owner.text(w)
        if self.inner.is_function:
            return f"{text}({owner}::*"
        return f"{text} ({owner}::*" if self.inner.is_array else f"{text} {owner}::*"

    def after(self, w: Writer) -> str:
        text = self.inner.after(w)
        return f"){text}" if self.inner.is_function or self.inner.is_array else text

    def packs(self) -> list[Pack]:
        return self.owner.packs() + self.inner.packs()


class Function(Node):
    """A function type."""

    is_function = True

    def __init__(self, result: Node, parameters: Sequence[Node], suffix: str = "") -> None:
        self.result = result
        self.parameters = parameters
        self.suffix = suffix

    def before(self, w: Writer) -> str:
        w.spend()
        return self.result.before(w) + " "

    def after(self, w: Writer) -> str:
        return f"({Sequence_(self.parameters).text(w)}){self.suffix}{self.result.after(w)}"

    def packs(self) -> list[Pack]:
        return self.result.packs() + Sequence_(self.parameters).packs()


class Array(Node):
    """``element [size]``."""

    is_array = True

    def __init__(self, element: Node, size: Node | str) -> None:
        self.element = element
        self.size = size

    def before(self, w: Writer) -> str:
        w.spend()
        return self.element.before(w)

    def after(self, w: Writer) -> str:
        size = self.size if isinstance(self.size, str) else self.size.text(w)
        rest = self.element.after(w)
        return f" [{size}]" + (rest.removeprefix(" ") if self.element.is_array else rest)

    def packs(self) -> list[Pack]:
        return self.element.packs() + ([] if isinstance(self.size, str) else self.size.packs())


class Scoped(Node):
    """``scope::name``."""

    def __init__(self, scope: Node, name: Node) -> None:
        self.scope = scope
        self.name = name
        self.simple = not isinstance(name, Template)

    def before(self, w: Writer) -> str:
        w.spend()
        return f"{self.scope.text(w)}::{self.name.text(w)}"

    def packs(self) -> list[Pack]:
        return self.scope.packs() + self.name.packs()

    def base_name(self) -> str:
        return self.name.base_name()


class Template(Node):
    """``name<arguments>``."""

    def __init__(self, name: Node, arguments: Sequence[Node]) -> None:
        self.name = name
        self.arguments = arguments

    def before(self, w: Writer) -> str:
        w.spend()
        name = self.name.text(w)
        inside = Sequence_(self.arguments).text(w)
        if name.endswith("<"):
            name += " "  # operator< <…>
        return f"{name}<{inside}{' ' if inside.endswith('>') else ''}>"

    def packs(self) -> list[Pack]:
        return self.name.packs() + Sequence_(self.arguments).packs()

    def base_name(self) -> str:
        return self.name.base_name()


class Special(Node):
    """A constructor, destructor or conversion: a name that has no return type of its own."""

    def __init__(self, kind: str, owner: Node | None = None, type_: Node | None = None) -> None:
        self.kind = kind
        self.owner = owner
        self.type = type_

    def before(self, w: Writer) -> str:
        w.spend()
        if self.type is not None:
            return f"operator {self.type.text(w)}"
        if self.owner is None:
            raise Failure("a constructor of nothing")
        return ("~" if self.kind == "D" else "") + self.owner.base_name()

    def packs(self) -> list[Pack]:
        return self.type.packs() if self.type is not None else []


class Encoding(Node):
    """A function with its parameters, or whatever else a mangled name names."""

    def __init__(
        self,
        name: Node,
        parameters: Sequence[Node],
        result: Node | None = None,
        qualifiers: str = "",
    ) -> None:
        self.name = name
        self.parameters = parameters
        self.result = result
        self.qualifiers = qualifiers
        # Within a local name the return type is not written.
        self.show_result = True

    def before(self, w: Writer) -> str:
        w.spend()
        head = f"{self.name.text(w)}({Sequence_(self.parameters).text(w)}){self.qualifiers}"
        if self.result is None or not self.show_result:
            return head
        before, after = self.result.before(w), self.result.after(w)
        space = "" if before.endswith(("(*", "(&", " ")) or after.startswith(")") else " "
        return f"{before}{space}{head}{after}"


class Operation(Node):
    """An expression with operands, spelled as the C++ runtime's demangler does."""

    def __init__(self, operator: str, operands: Sequence[Node]) -> None:
        self.operator = operator
        self.operands = operands

    def before(self, w: Writer) -> str:
        w.spend()
        texts = [_operand(node, w) for node in self.operands]
        operator = self.operator
        if len(texts) == 1:
            return operator + texts[0]
        if len(texts) == 3:
            return f"{texts[0]}?{texts[1]} : {texts[2]}"
        if operator == "[]":
            return f"{texts[0]}[{self.operands[1].text(w)}]"
        if operator in (".", "->"):
            return f"{texts[0]}{operator}{self.operands[1].text(w)}"
        text = f"{texts[0]}{operator}{texts[1]}"
        return f"({text})" if operator == ">" else text

    def packs(self) -> list[Pack]:
        return Sequence_(self.operands).packs()


def _operand(node: Node, w: Writer) -> str:
    text = node.text(w)
    return text if node.simple else f"({text})"


class Parameter(Text):
    """Stands among the substitutions for ``T_``, which means what it does where it is used."""

    def __init__(self, index: int) -> None:
        super().__init__("")
        self.index = index
