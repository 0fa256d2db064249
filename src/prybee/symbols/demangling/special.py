"""Names of what is no function: tables, thunks, guards."""

from __future__ import annotations

from prybee.symbols.demangling import tables
from prybee.symbols.demangling.nodes import Failure, Group, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.symbols.demangling.itanium import Parser


def special_name(parser: Parser) -> Node:
    """What begins with T or G."""
    code = parser.peek(2)
    if code in tables.SPECIAL_NAMES:
        parser.at += 2
        return Group(tables.SPECIAL_NAMES[code], parser.type())
    if code in tables.SPECIAL_OBJECTS:
        parser.at += 2
        return Group(tables.SPECIAL_OBJECTS[code], parser.a_name().node)
    if code == "TC":
        parser.at += 2
        derived = parser.type()
        parser.number()
        parser.expect("_")
        base = parser.type()
        return Group("construction vtable for ", base, "-in-", derived)
    if code == "GR":
        parser.at += 2
        node = parser.a_name().node
        number = parser.small_number() if not parser._at_end() else 0
        return Group(f"reference temporary #{number} for ", node)
    if code == "GT":
        parser.at += 2
        clone = parser.take("n")
        if not clone:
            parser.expect("t")
        kind = "non-transaction" if clone else "transaction"
        return Group(f"{kind} clone for ", parser.encoding())
    if code == "GA":
        parser.at += 2
        return Group("hidden alias for ", parser.encoding())
    if code in ("Th", "Tv"):
        parser.at += 1
        kind = "virtual" if code == "Tv" else "non-virtual"
        _call_offset(parser)
        return Group(f"{kind} thunk to ", parser.encoding())
    if code == "Tc":
        parser.at += 2
        _call_offset(parser)
        _call_offset(parser)
        return Group("covariant return thunk to ", parser.encoding())
    raise Failure("unknown special name")


def _call_offset(parser: Parser) -> None:
    if parser.take("h"):
        parser.number()
    else:
        parser.expect("v")
        parser.number()
        parser.expect("_")
        parser.number()
    parser.expect("_")
