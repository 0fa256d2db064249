"""Expressions in C++ names: values of template arguments, ``decltype``, array sizes."""

from __future__ import annotations

from prybee.symbols.demangling import tables
from prybee.symbols.demangling.nodes import (
    Encoding,
    Expansion,
    Failure,
    Group,
    Node,
    Operation,
    Pack,
    Scoped,
    Sequence_,
    Template,
    Text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.symbols.demangling.itanium import Parser

_CASTS = {
    "dc": "dynamic_cast",
    "sc": "static_cast",
    "rc": "reinterpret_cast",
    "cc": "const_cast",
}
_OF_TYPE = {"st": "sizeof (", "at": "alignof (", "ti": "typeid ("}
_OF_EXPRESSION = {"sz": "sizeof (", "az": "alignof (", "te": "typeid (", "nx": "noexcept ("}


def literal(parser: Parser) -> Node:
    """``L type value E`` or ``L_Z encoding E``."""
    parser.expect("L")
    if parser.take("_Z") or parser.take("Z"):
        node = parser.encoding()
        parser.expect("E")
        return node
    type_ = parser.type()
    end = parser.name.find("E", parser.at)
    if end < 0:
        raise Failure("literal without an end")
    value = parser.name[parser.at : end]
    parser.at = end + 1
    name = type_.value if isinstance(type_, Text) else ""
    if name == "bool" and value in ("0", "1"):
        return Group("true" if value == "1" else "false")
    negative = value.startswith("n")
    digits = value[1:] if negative else value
    if name in ("float", "double", "long double", "__float128"):
        return Group("(", type_, f")[{value}]")
    if value and not digits.isdigit():
        raise Failure("unknown literal")
    shown = f"-{digits}" if negative else digits
    if name in tables.LITERAL_SUFFIXES:
        return Group(shown + tables.LITERAL_SUFFIXES[name])
    return Group("(", type_, f"){shown}")


def expression(parser: Parser) -> Node:
    """Any expression."""
    following = parser.peek()
    code = parser.peek(2)
    if following == "L":
        return literal(parser)
    if following == "T":
        return parser._parameter()
    if following.isdigit():
        return _unresolved(parser)
    if code in ("fp", "fL"):
        return _function_parameter(parser)
    parser.at += 2
    if code in _OF_TYPE:
        return Group(_OF_TYPE[code], parser.type(), ")")
    if code in _OF_EXPRESSION:
        return Group(_OF_EXPRESSION[code], parser.expression(), ")")
    if code in _CASTS:
        type_ = parser.type()
        return Group(_CASTS[code] + "<", type_, ">(", parser.expression(), ")")
    if code == "cv":
        return _conversion(parser)
    if code in ("tl", "il"):
        type_ = parser.type() if code == "tl" else Text("")
        return Group(type_, "{", Sequence_(_until_end(parser)), "}")
    if code in ("cl", "cp"):
        callee = parser.expression()
        arguments = Sequence_(_until_end(parser))
        if callee.simple:
            return Group(callee, "(", arguments, ")")
        return Group("(", callee, ")(", arguments, ")")
    if code == "sZ":
        node = parser.expression()
        packs = node.packs()
        return Text(str(len(packs[0].items))) if packs else Group("sizeof...(", node, ")")
    if code == "sP":
        return Text(str(sum(_count(argument) for argument in _until_end(parser, True))))
    if code == "sp":
        return Expansion(parser.expression())
    if code == "tw":
        return Group("throw ", parser.expression())
    if code == "tr":
        return Text("throw")
    if code == "gs":
        return Group("::", parser.expression())
    if code in ("sr", "on", "dn"):
        parser.at -= 2
        return _unresolved(parser)
    if code in ("dt", "pt"):
        operand = parser.expression()
        return Operation("." if code == "dt" else "->", (operand, _unresolved(parser)))
    if code in ("pp", "mm"):
        if parser.take("_"):
            return Operation(tables.OPERATORS[code][0], (parser.expression(),))
        return Group("(", parser.expression(), ")", tables.OPERATORS[code][0])
    if code in ("fl", "fr", "fL", "fR"):
        return _fold(parser, code)
    if code in tables.OPERATORS and tables.OPERATORS[code][1]:
        text, count = tables.OPERATORS[code]
        operands = [parser.expression() for _ in range(count)]
        if code == "ad" and isinstance(operands[0], Encoding):
            # The address of a member function is written without its parameters.
            name = operands[0].name
            operands = [name] if isinstance(name, Scoped) and name.simple else operands
        return Operation(text, operands)
    raise Failure("unknown expression")


def _until_end(parser: Parser, types: bool = False) -> list[Node]:
    nodes = []
    while not parser.take("E"):
        nodes.append(parser._template_argument() if types else parser.expression())
    return nodes


def _count(argument: Node) -> int:
    return len(argument.items) if isinstance(argument, Pack) else 1


def _conversion(parser: Parser) -> Node:
    type_ = parser.type()
    if parser.take("_"):
        return Group("(", type_, ")(", Sequence_(_until_end(parser)), ")")
    operand = parser.expression()
    if operand.simple:
        return Group("(", type_, ")", operand)
    return Group("(", type_, ")(", operand, ")")


def _function_parameter(parser: Parser) -> Node:
    if parser.take("fpT"):
        return Text("this")
    if parser.take("fL"):
        parser.number()
        parser.expect("p")
    else:
        parser.expect("fp")
    parser._qualifiers()
    return Text(f"{{parm#{parser.small_number() + 1}}}")


def _fold(parser: Parser, code: str) -> Node:
    operator = parser.peek(2)
    parser.at += 2
    if operator not in tables.OPERATORS:
        raise Failure("unknown operator")
    text = tables.OPERATORS[operator][0]
    first = parser.expression()
    if code == "fl":
        return Group("(...", text, "(", first, "))")
    if code == "fr":
        return Group("((", first, ")", text, "...)")
    second = parser.expression()
    return Group("((", first, ")", text, "...", text, "(", second, "))")


def _unresolved(parser: Parser) -> Node:
    """A name that depends on template parameters: ``sr type name``, ``on plus``, ``dn name``."""
    scope: Node | None = None
    if parser.take("srN"):
        scope = parser.type()
        while not parser.take("E"):
            scope = Scoped(scope, _with_arguments(parser, parser._source_name()))
    elif parser.take("sr"):
        if parser.peek().isdigit():
            while not parser.take("E"):
                level = _with_arguments(parser, parser._source_name())
                scope = Scoped(scope, level) if scope is not None else level
        else:
            scope = parser.type()
    node: Node
    if parser.take("on"):
        from prybee.symbols.demangling.itanium import _Name

        node = parser._operator_name(_Name(Text("")))
    elif parser.take("dn"):
        inner = parser._source_name() if parser.peek().isdigit() else parser.type()
        node = Group("~", inner)
    else:
        name = parser._source_name().value
        while parser.take("B"):
            name += f"[abi:{parser._source_name().value}]"
        node = Text(name)
    node = _with_arguments(parser, node)
    return Scoped(scope, node) if scope is not None else node


def _with_arguments(parser: Parser, node: Node) -> Node:
    return Template(node, parser.template_arguments()) if parser.peek() == "I" else node
