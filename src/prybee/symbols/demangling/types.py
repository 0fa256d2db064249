"""Types in C++ names."""

from __future__ import annotations

from prybee.symbols.demangling import tables
from prybee.symbols.demangling.nodes import (
    Array,
    Expansion,
    Failure,
    Function,
    Group,
    MemberPointer,
    Node,
    Parameter,
    Pointer,
    Qualified,
    Sequence_,
    Template,
    Text,
    Writer,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.symbols.demangling.itanium import Parser


def any_type(parser: Parser) -> tuple[Node, bool]:
    """A type, and whether it is a candidate for substitution."""
    following = parser.peek()
    if following in tables.BUILTIN_TYPES:
        parser.at += 1
        return Text(tables.BUILTIN_TYPES[following]), False
    if following in ("r", "V", "K"):
        qualifiers = parser._qualifiers()
        if parser.peek() == "F" or parser.peek(2) in ("Do", "DO", "Dx"):
            # Qualifiers of a member function belong to the type they stand before.
            return Qualified(_function(parser), qualifiers), True
        return Qualified(parser.type(), qualifiers), True
    if following in ("P", "R", "O"):
        parser.at += 1
        return Pointer(parser.type(), {"P": "*", "R": "&", "O": "&&"}[following]), True
    if following in ("C", "G"):
        parser.at += 1
        word = " _Complex" if following == "C" else " _Imaginary"
        return Group(parser.type(), word), True
    if following == "F":
        return _function(parser), True
    if following == "A":
        return _array(parser), True
    if following == "M":
        parser.at += 1
        owner = parser.type()
        return MemberPointer(owner, parser.type()), True
    if following == "T":
        return _parameter_type(parser)
    if following == "S" and parser.peek(2) != "St":
        node = parser._substitution()
        if parser.peek() == "I" and not parser.plain_parameter:
            return Template(node, parser.template_arguments()), True
        return node, False
    if following == "D":
        return _d_type(parser)
    if following == "u":
        parser.at += 1
        node = parser._source_name()
        if parser.peek() == "I":
            return Template(node, parser.template_arguments()), True
        return node, True
    if following == "U" and parser.peek(2)[1:].isdigit():
        parser.at += 1
        qualifier: Node = parser._source_name()
        if parser.peek() == "I":
            qualifier = Template(qualifier, parser.template_arguments())
        return Group(parser.type(), " ", qualifier), True
    if following in ("N", "Z", "S", "U") or following.isdigit():
        plain, parser.plain_parameter = parser.plain_parameter, False
        node = parser.a_name().node
        parser.plain_parameter = plain
        return node, True
    raise Failure("unknown type")


def _parameter_type(parser: Parser) -> tuple[Node, bool]:
    if parser.peek(2) in ("Ts", "Tu", "Te"):
        parser.at += 2
        return parser.a_name().node, True
    index = parser._parameter_index()
    node = parser._parameter_number(index)
    parser.substitutions.append(Parameter(index))
    if parser.peek() == "I" and not parser.plain_parameter:
        return Template(node, parser.template_arguments()), True
    return node, False


def _d_type(parser: Parser) -> tuple[Node, bool]:
    following = parser.peek(2)[1:]
    if following in tables.BUILTIN_D_TYPES:
        parser.at += 2
        return Text(tables.BUILTIN_D_TYPES[following]), following == "n"
    if following == "p":
        parser.at += 2
        return Expansion(parser.type()), True
    if following in ("t", "T"):
        return decltype(parser), True
    if following == "v":
        parser.at += 2
        size: Node | str
        if parser.take("_"):
            size = parser.expression()
        elif parser.peek().isdigit():
            size = str(parser.number())
        else:
            raise Failure("vector without a size")
        parser.expect("_")
        return Group(parser.type(), " __vector(", size, ")"), True
    if following == "F":
        parser.at += 2
        bits = parser.number()
        if parser.take("b"):
            return Text("std::bfloat16_t"), False
        suffix = "x" if parser.take("x") else ""
        if not suffix:
            parser.expect("_")
        return Text(f"_Float{bits}{suffix}"), False
    if following in ("B", "U"):
        parser.at += 2
        size = str(parser.number()) if parser.peek().isdigit() else parser.expression()
        parser.expect("_")
        word = "unsigned _BitInt(" if following == "U" else "signed _BitInt("
        return Group(word, size, ")"), False
    if following in ("o", "O", "w", "x"):
        return _function(parser), True
    raise Failure("unknown type")


def decltype(parser: Parser) -> Node:
    """``Dt expression E``."""
    parser.at += 2
    node = parser.expression()
    parser.expect("E")
    return Group("decltype (", node, ")")


def _function(parser: Parser) -> Node:
    """``[exception specification] [Dx] F [Y] result parameters [R|O] E``."""
    exceptions: list[Node | str] = []
    if parser.take("Do"):
        exceptions = [" noexcept"]
    elif parser.take("DO"):
        exceptions = [" noexcept(", parser.expression(), ")"]
        parser.expect("E")
    elif parser.take("Dw"):
        types = []
        while not parser.take("E"):
            types.append(parser.type())
        exceptions = [" throw(", Sequence_(types), ")"]
    if parser.take("Dx"):
        exceptions.insert(0, " transaction_safe")
    parser.expect("F")
    parser.take("Y")
    result = parser.type()
    parameters: list[Node] = []
    suffix = ""
    while True:
        if parser.take("E"):
            break
        if parser.take("RE"):
            suffix = " &"
            break
        if parser.take("OE"):
            suffix = " &&"
            break
        if parser.take("v"):
            if parser.peek() not in ("E", "R", "O"):
                raise Failure("void among parameters")
            continue
        parameters.append(parser.type())
    if exceptions:
        text = "".join(p if isinstance(p, str) else p.text(Writer()) for p in exceptions)
        suffix += text
    return Function(result, parameters, suffix)


def _array(parser: Parser) -> Node:
    parser.expect("A")
    size: Node | str = ""
    if parser.peek().isdigit():
        size = str(parser.number())
    elif parser.peek() != "_":
        size = parser.expression()
    parser.expect("_")
    return Array(parser.type(), size)
