"""Parser of names mangled by the Itanium C++ ABI, which GCC and Clang follow on Linux.

The grammar is that of the ABI's chapter 5.1; texts are spelled as ``c++filt`` and the C++ runtime
(``__cxa_demangle``) spell them, so that what is shown can be searched for.
"""

from __future__ import annotations

import re

from prybee.symbols.demangling import tables
from prybee.symbols.demangling.nodes import (
    Encoding,
    Failure,
    Forward,
    Group,
    Node,
    Pack,
    Parameter,
    Scoped,
    Sequence_,
    Special,
    Template,
    Text,
    Writer,
)
from prybee.symbols.demangling.reader import Reader

_CLONE = re.compile(r"\.(?:[A-Za-z_]+(?:\.\d+)*|\d+(?:\.\d+)*)")
_DEEPEST = 200


def demangle_itanium(name: str) -> str | None:
    """The readable form of a name that starts with ``_Z``; None where it does not parse."""
    if name.startswith("_GLOBAL_") and name[8:9] and name[8] in "_.$" and name[9:10] in ("I", "D"):
        # A file's static initialisers: _GLOBAL__sub_I_… has its own form below.
        kind = "constructors" if name[9] == "I" else "destructors"
        if name[10:11] == "_":
            inner = name[11:]
            return f"global {kind} keyed to {demangle_itanium(inner) or inner}"
        return None
    start = 3 if name.startswith("__Z") else 2
    if not name.startswith(("_Z", "__Z")):
        return None
    parser = Parser(name, start)
    try:
        node = parser.encoding(top=True)
        clones = ""
        while parser.at < len(name):
            match = _CLONE.match(name, parser.at)
            if match is None:
                return None
            clones += f" [clone {match[0]}]"
            parser.at = match.end()
        return node.text(Writer()) + clones
    except (Failure, RecursionError, IndexError):
        return None


class _Name:
    """A parsed name, and what decides how the rest of its encoding is read."""

    __slots__ = ("is_special", "is_template", "node", "qualifiers")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.qualifiers = ""
        self.is_template = False  # its last part has template arguments: a return type follows
        self.is_special = False  # a constructor, destructor, conversion: none does


class Parser(Reader):
    """Recursive descent over one name."""

    def __init__(self, name: str, at: int) -> None:
        super().__init__(name, at)
        self.substitutions: list[Node] = []
        self.parameters: list[Node] = []
        self.forwards: list[Forward] = []
        self.allow_forward = False
        self.lambda_depth = 0
        self.depth = 0
        self.plain_parameter = False
        self.last_name = ""

    # ------------------------------------------------------------------ encodings

    def encoding(self, top: bool = False) -> Node:
        """A function with its types, an object, or a special name."""
        self._deeper()
        saved = self.parameters, self.forwards
        self.parameters, self.forwards = list(self.parameters), []
        try:
            return self._encoding(top)
        finally:
            self.parameters, self.forwards = saved
            self.depth -= 1

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Failure("too deep")

    def _encoding(self, top: bool) -> Node:
        if self.peek() in ("T", "G"):
            from prybee.symbols.demangling.special import special_name

            return special_name(self)
        name = self.a_name(tag=True)
        for forward in self.forwards:
            if forward.index >= len(self.parameters):
                raise Failure("template parameter without an argument")
            forward.target = self.parameters[forward.index]
            if forward.target is forward:
                raise Failure("template parameter of itself")
        if self._at_end():
            return name.node
        result = None
        if name.is_template and not name.is_special:
            result = self.type()
        return Encoding(name.node, self._parameter_types(), result, name.qualifiers)

    def _at_end(self) -> bool:
        return self.at >= len(self.name) or self.name[self.at] in "E."

    def _parameter_types(self) -> list[Node]:
        if self.take("v"):
            if not self._at_end():
                raise Failure("void among parameters")
            return []
        parameters = []
        while not self._at_end():
            parameters.append(self.type())
        if not parameters:
            raise Failure("no parameters")
        return parameters

    # ------------------------------------------------------------------ names

    def a_name(self, tag: bool = False) -> _Name:
        """A name; ``tag``: its template arguments are what ``T_`` stands for from now on."""
        self._deeper()
        following = self.peek()
        if following == "N":
            name = self._nested_name(tag)
        elif following == "Z":
            name = self._local_name(tag)
        elif following == "S" and self.peek(2) != "St":
            name = _Name(self._substitution())
            if self.peek() != "I":
                raise Failure("template arguments expected")
            name.node = Template(name.node, self.template_arguments(tag))
            name.is_template = True
        else:
            standard = self.take("St")
            name = _Name(Text("std"))
            part = self._unqualified_name(None, name)
            name.node = Scoped(name.node, part) if standard else part
            if self.peek() == "I":
                self.substitutions.append(name.node)
                name.node = Template(name.node, self.template_arguments(tag))
                name.is_template = True
        self.depth -= 1
        return name

    def _nested_name(self, tag: bool) -> _Name:
        self.expect("N")
        name = _Name(Text(""))
        name.qualifiers = self._qualifiers()
        if self.take("R"):
            name.qualifiers += " &"
        elif self.take("O"):
            name.qualifiers += " &&"
        so_far: Node | None = None
        pushed = False
        while not self.take("E"):
            following = self.peek()
            pushed = True
            if following == "I":
                if so_far is None:
                    raise Failure("template arguments of nothing")
                so_far = Template(so_far, self.template_arguments(tag))
                name.is_template = True
                self.substitutions.append(so_far)
                continue
            name.is_template = False
            if following == "T":
                index = self._parameter_index()
                so_far = self._parameter_number(index)
                self.substitutions.append(Parameter(index))
                continue
            if following == "D" and self.peek(2) in ("Dt", "DT"):
                from prybee.symbols.demangling.types import decltype

                so_far = decltype(self)
            elif following == "S" and so_far is None and self.peek(2) != "St":
                so_far = self._substitution()
                pushed = False
                continue
            elif following == "S" and so_far is None:
                self.at += 2
                so_far = Text("std")
                pushed = False
                continue
            elif following == "M" and so_far is not None:
                self.at += 1  # a closure in a data member's initialiser
                continue
            else:
                part = self._unqualified_name(so_far, name)
                so_far = Scoped(so_far, part) if so_far is not None else part
            self.substitutions.append(so_far)
        if so_far is None:
            raise Failure("empty name")
        if pushed:
            # The whole is a candidate only where it is a type; type() adds it there.
            self.substitutions.pop()
        name.node = so_far
        return name

    def _local_name(self, tag: bool) -> _Name:
        self.expect("Z")
        outer = self.encoding()
        if isinstance(outer, Encoding):
            outer.show_result = False
        self.expect("E")
        if self.take("s"):
            self._discriminator()
            return _Name(Scoped(outer, Text("string literal")))
        if self.take("d"):
            number = self.small_number() + 1
            inner = self.a_name(tag)
            outer = Scoped(outer, Text(f"{{default arg#{number}}}"))
        else:
            inner = self.a_name(tag)
            self._discriminator()
        inner.node = Scoped(outer, inner.node)
        return inner

    def _discriminator(self) -> None:
        if self.take("__"):
            self.number()
            self.expect("_")
        elif self.peek() == "_" and self.peek(2)[1:].isdigit():
            self.at += 2

    def _qualifiers(self) -> str:
        text = ""
        for code, word in (("r", " restrict"), ("V", " volatile"), ("K", " const")):
            if self.take(code):
                text = text + word
        # c++filt writes the innermost last: const volatile restrict.
        return "".join(f" {word}" for word in reversed(text.split()))

    def _unqualified_name(self, owner: Node | None, name: _Name) -> Node:
        following = self.peek()
        node: Node
        if following.isdigit():
            node = self._source_name()
        elif following == "L" and self.peek(2)[1:].isdigit():
            self.at += 1
            node = self._source_name()
        elif following == "U":
            node = self._unnamed()
        elif self.peek(2) == "DC":
            self.at += 2
            items = []
            while not self.take("E"):
                items.append(self._source_name())
            node = Group("[", Sequence_(items), "]")
        elif following in ("C", "D"):
            node = self._constructor(owner)
            name.is_special = True
        else:
            node = self._operator_name(name)
        if following not in ("C", "D"):
            name.is_special = isinstance(node, Special)
        while self.take("B"):
            tag = self._source_name()
            base = node.value if isinstance(node, Text) else ""
            node = (
                Text(f"{base}[abi:{tag.value}]", node.base_name())
                if isinstance(node, Text)
                else Group(node, f"[abi:{tag.value}]")
            )
        return node

    def _source_name(self) -> Text:
        length = self.number()
        text = self.name[self.at : self.at + length]
        if length <= 0 or len(text) != length:
            raise Failure("name too short")
        self.at += length
        if text.startswith("_GLOBAL_") and text[8:9] in ("_", ".", "$") and text[9:10] == "N":
            return Text("(anonymous namespace)")
        self.last_name = text
        return Text(text)

    def _constructor(self, owner: Node | None) -> Node:
        code = self.peek(2)
        if code == "CI":
            self.at += 3
            self.type()
            return Special("C", owner)
        if not re.fullmatch("C[1-5]|D[0-5]", code):
            raise Failure("unknown constructor")
        self.at += 2
        return Special(code[0], owner)

    def _unnamed(self) -> Node:
        if self.take("Ut"):
            return Text(f"{{unnamed type#{self.small_number() + 1}}}", self.last_name)
        if self.take("Ul"):
            self.lambda_depth += 1
            parameters: list[Node] = []
            if self.take("v"):
                pass
            else:
                while self.peek() not in ("E", ""):
                    parameters.append(self.type())
            self.expect("E")
            self.lambda_depth -= 1
            number = self.small_number() + 1
            base = self.last_name  # c++filt's idea of a nameless class's constructor
            return Group("{lambda(", Sequence_(parameters), f")#{number}}}", base=base)
        raise Failure("unknown unnamed name")

    def _operator_name(self, name: _Name) -> Node:
        code = self.peek(2)
        if code == "cv":
            self.at += 2
            allow, self.allow_forward = self.allow_forward, True
            plain, self.plain_parameter = self.plain_parameter, True
            type_ = self.type()
            self.allow_forward, self.plain_parameter = allow, plain
            return Special("cv", None, type_)
        if code == "li":
            self.at += 2
            return Text(f'operator"" {self._source_name().value}')
        if len(code) == 2 and code[0] == "v" and code[1].isdigit():
            self.at += 2
            return Text(f"operator {self._source_name().value}")
        if code not in tables.OPERATORS:
            raise Failure("unknown operator")
        self.at += 2
        text = tables.OPERATORS[code][0].rstrip()
        return Text(f"operator {text}" if text[0].isalpha() else f"operator{text}")

    # ------------------------------------------------------------------ substitutions, templates

    def _substitution(self) -> Node:
        self.expect("S")
        following = self.peek()
        if following in tables.STANDARD_SUBSTITUTIONS:
            short, full, base = tables.STANDARD_SUBSTITUTIONS[following]
            self.at += 1
            node: Node = Text(full if self.peek() in ("C", "D") else short, base)
            if self.peek() == "B":
                while self.take("B"):
                    node = Group(node, f"[abi:{self._source_name().value}]")
                self.substitutions.append(node)
            return node
        index = self.sequence_number()
        if index >= len(self.substitutions):
            raise Failure("substitution of nothing")
        node = self.substitutions[index]
        return self._parameter_number(node.index) if isinstance(node, Parameter) else node

    def _parameter(self) -> Node:
        return self._parameter_number(self._parameter_index())

    def _parameter_index(self) -> int:
        self.expect("T")
        if self.peek() == "L":
            raise Failure("template parameter of an outer level")
        return self.small_number()

    def _parameter_number(self, index: int) -> Node:
        if self.lambda_depth:
            return Text(f"auto:{index + 1}")
        if self.allow_forward:
            forward = Forward(index)
            self.forwards.append(forward)
            return forward
        if index >= len(self.parameters):
            raise Failure("template parameter without an argument")
        return self.parameters[index]

    def template_arguments(self, tag: bool = False) -> list[Node]:
        """``I … E``."""
        self.expect("I")
        saved = self.lambda_depth, self.plain_parameter
        self.plain_parameter = False
        arguments = []
        while not self.take("E"):
            arguments.append(self._template_argument())
        self.lambda_depth, self.plain_parameter = saved
        if tag:
            self.parameters = arguments
        return arguments

    def _template_argument(self) -> Node:
        self._deeper()
        following = self.peek()
        if following == "X":
            self.at += 1
            node = self.expression()
            self.expect("E")
        elif following == "L":
            node = self._literal()
        elif following in ("J", "I"):
            self.at += 1
            items = []
            while not self.take("E"):
                items.append(self._template_argument())
            node = Pack(items)
        elif following == "":
            raise Failure("template arguments without an end")
        else:
            node = self.type()
        self.depth -= 1
        return node

    # ------------------------------------------------------------------ types

    def type(self) -> Node:
        """A type; all but builtin ones become candidates for substitution."""
        self._deeper()
        from prybee.symbols.demangling.types import any_type

        node, candidate = any_type(self)
        if candidate:
            self.substitutions.append(node)
        self.depth -= 1
        return node

    # ------------------------------------------------------------------ expressions

    def expression(self) -> Node:
        """An expression of ``decltype``, an array's size, or a template argument."""
        from prybee.symbols.demangling.expressions import expression

        self._deeper()
        node = expression(self)
        self.depth -= 1
        return node

    def _literal(self) -> Node:
        from prybee.symbols.demangling.expressions import literal

        return literal(self)
