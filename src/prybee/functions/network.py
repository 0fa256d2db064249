"""Addresses of networks: ``ntop``, ``pton``, ``macaddr``."""

from __future__ import annotations

from prybee.compiler.ir import I32
from prybee.functions.arguments import (
    aliased,
    argument_type,
    expression,
    kind,
    known,
    want_integer,
)
from prybee.functions.in_memory import InMemory
from prybee.functions.text_memory import address_of, warn_unknown_space
from prybee.language import tree
from prybee.language.lower.handler import WIDTHS
from prybee.language.lower.operands import Place
from prybee.language.registry import Function
from prybee.language.types import (
    BPF,
    UINT8,
    ArrayType,
    InetType,
    MacType,
    PointerType,
    StringType,
    Type,
    is_integer,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

# include/linux/socket.h
AF_INET = 2
AF_INET6 = 10

# The u32 family in front of the address (plan/layouts.py, InetLayout).
_ADDRESS = 4
_V4, _V6 = 4, 16
_MAC = 6


class NetworkAddress(InMemory):
    """``ntop()``: an IP address, printed as one."""

    name = "ntop"
    signature = "ntop([family, ]address)"
    summary = "an IP address"
    arguments = (1, 2)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        if len(call.args) == 2:
            want_integer(call, 0, checker)
        type_ = argument_type(call, len(call.args) - 1)
        if isinstance(type_, ArrayType | StringType):
            if type_.size not in (_V4, _V6):
                checker.error(call, "ntop() argument must be 4 or 16 bytes in size")
        elif known(type_) and not is_integer(type_):
            checker.error(call, f"ntop() expects an integer or array argument, got {kind(type_)}")
        return InetType()

    def write(self, call: tree.Call, h: Handler, type_: Type, pointer: Value, offset: int) -> None:
        node = expression(call, len(call.args) - 1)
        operand = h.lower(node)
        long = operand.type.size == _V6
        if len(call.args) == 2:
            family = h.lower_integer(expression(call, 0))
        else:
            family = h.const(AF_INET6 if long else AF_INET)
        b = h.b
        b.store(pointer, offset, family, I32)
        start = offset + _ADDRESS
        if is_integer(operand.type):
            b.store(pointer, start, h.number(operand), I32)
        else:
            h.store(operand, ArrayType(UINT8, operand.type.size), pointer, start)
        if not long:
            b.zero(pointer, start + _V4, _V6 - _V4)


class ParsedAddress(Function):
    """``pton()``: the bytes of a written address."""

    name = "pton"
    signature = "pton(address)"
    summary = "the bytes of an IP address"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        node = expression(call, 0)
        if not isinstance(node, tree.String):
            checker.error(call, "pton() expects an string literal at the first argument")
            return ArrayType(UINT8, _V4)
        data = _parse(node.value)
        if data is None:
            checker.error(
                call,
                f"pton() expects an string argument of an IPv4/IPv6 address, got {node.value}",
            )
            return ArrayType(UINT8, _V4)
        return ArrayType(UINT8, len(data))

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        node = expression(call, 0)
        assert isinstance(node, tree.String)
        data = _parse(node.value) or b""
        buffer = handler.slot(call.type, "pton")
        for at in range(0, len(data), 4):
            word = int.from_bytes(data[at : at + 4], "little")
            handler.b.store(buffer, at, handler.const(word), WIDTHS[4])
        return Place(buffer, 0, call.type, BPF)


def _parse(text: str) -> bytes | None:
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, text)
        except OSError:
            continue
    return None


class HardwareAddress(InMemory):
    """``macaddr()``: six bytes, printed as a MAC address."""

    name = "macaddr"
    signature = "macaddr(address or char[6])"
    summary = "a MAC address"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        node = expression(call, 0)
        type_ = node.type
        if isinstance(node, tree.String):
            checker.error(call, "macaddr() does not support literal string arguments")
        elif isinstance(type_, ArrayType | StringType):
            if type_.size < _MAC:
                checker.error(call, "macaddr() argument must be at least 6 bytes in size")
        elif known(type_) and not (is_integer(type_) or isinstance(type_, PointerType)):
            checker.error(
                call,
                f"macaddr() only supports array or pointer arguments ({kind(type_)} provided)",
            )
        else:
            warn_unknown_space(call, 0, checker)
        return MacType()

    def write(self, call: tree.Call, h: Handler, type_: Type, pointer: Value, offset: int) -> None:
        operand = h.lower(expression(call, 0))
        bytes_ = ArrayType(UINT8, _MAC)
        h.b.zero(pointer, offset + _MAC, type_.size - _MAC)
        if isinstance(operand, Place):
            place = Place(operand.pointer, operand.offset, bytes_, operand.space, operand.trusted)
        else:
            address, space = address_of(h, operand)
            place = Place(address, 0, bytes_, space)
        if place.direct:
            h.b.copy(pointer, offset, place.pointer, place.offset, _MAC)
        else:
            h.read_memory(pointer, offset, _MAC, place)


FUNCTIONS = aliased(NetworkAddress(), ParsedAddress(), HardwareAddress())
