"""Memory as it is: buffers, address spaces, byte order, comparing, enclosing structs, paths."""

from __future__ import annotations

from prybee.compiler.ir import I32
from prybee.functions.arguments import (
    aliased,
    argument_type,
    expression,
    is_address,
    kind,
    known,
    literal_number,
    want_integer,
)
from prybee.functions.byte_order import compare
from prybee.functions.in_memory import InMemory
from prybee.functions.text_memory import address_of, warn_unknown_space
from prybee.language import tree
from prybee.language.checker import offset_in
from prybee.language.lower.operands import Place, Scalar
from prybee.language.registry import Function
from prybee.language.types import (
    BPF,
    INT32,
    KERNEL,
    NONE,
    UINT8,
    USER,
    ArrayType,
    BufferType,
    EnumType,
    IntType,
    PointerType,
    StringType,
    StructType,
    Type,
    as_integer,
    int_type,
    is_integer,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

# The u32 in front of a buffer's bytes (plan/layouts.py, BufferLayout).
_USED = 4


class Buffer(InMemory):
    """``buf()``: bytes at an address, printed with escapes."""

    name = "buf"
    signature = "buf(address or array[, length])"
    summary = "bytes of memory"
    arguments = (1, 2)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        type_ = argument_type(call, 0)
        want_integer(call, 1, checker)
        array = isinstance(type_, ArrayType)
        if known(type_) and not (
            array or isinstance(type_, StringType | PointerType) or is_integer(type_)
        ):
            checker.error(
                call, f"buf() expects an integer, string, or array argument but saw {kind(type_)}"
            )
        if len(call.args) == 1 and known(type_) and not array:
            checker.error(call, f"buf() expects a length argument for non-array type {kind(type_)}")
        warn_unknown_space(call, 0, checker)
        length = literal_number(call, 1)
        if length is not None and length < 0:
            checker.error(call, f"buf() cannot use negative length ({length})")
        most: int = checker.config.max_strlen - _USED
        if length is None and isinstance(type_, ArrayType):
            length = type_.size
        if length is None:
            return BufferType(most)
        return BufferType(min(max(0, length), most))

    def write(self, call: tree.Call, h: Handler, type_: Type, pointer: Value, offset: int) -> None:
        own = call.type
        assert isinstance(own, BufferType)
        assert isinstance(type_, BufferType)
        b = h.b
        operand = h.lower(expression(call, 0))
        room = own.capacity
        length: int | Value = room
        if len(call.args) == 2 and literal_number(call, 1) is None:
            wanted = h.lower_integer(expression(call, 1))
            length = b.select(b.icmp("ule", wanted, room), wanted, h.const(room))
        start = offset + _USED
        if not isinstance(length, int):
            b.zero(pointer, start, type_.capacity)
        elif length < type_.capacity:
            b.zero(pointer, start + length, type_.capacity - length)
        used = h.const(length) if isinstance(length, int) else length
        b.store(pointer, offset, used, I32)
        if isinstance(length, int) and not length:
            return
        if isinstance(length, int) and isinstance(operand, Place) and operand.direct:
            own_bytes = min(length, operand.type.size)
            b.copy(pointer, start, operand.pointer, operand.offset, own_bytes)
            if own_bytes < length:
                b.zero(pointer, start + own_bytes, length - own_bytes)
            return
        address, space = address_of(h, operand)
        helper = "probe_read_user" if space == USER else "probe_read_kernel"
        result = b.call(helper, [b.ptr_add(pointer, start), length, address])
        h.note_failure(helper, result)


class AddressSpace(Function):
    """``kptr()`` and ``uptr()``: say which memory an address is of."""

    arguments = (1, 1)

    def __init__(self, name: str, summary: str, space: str) -> None:
        self.name = name
        self.signature = f"{name}(pointer)"
        self.summary = summary
        self.space = space

    def check(self, call: tree.Call, checker: Checker) -> Type:
        type_ = argument_type(call, 0)
        if isinstance(type_, PointerType):
            trusted = type_.trusted and self.space == KERNEL
            return PointerType(type_.target, self.space, trusted)
        if isinstance(type_, IntType | EnumType):
            integer = as_integer(type_)
            return IntType(integer.width, integer.signed, self.space)
        if known(type_):
            checker.error(
                call,
                f"{self.name}() only supports integer or pointer arguments "
                f"({kind(type_)} provided)",
            )
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        scalar = handler.scalar(handler.lower(expression(call, 0)))
        value = scalar.value
        if not (isinstance(call.type, PointerType) and call.type.trusted):
            value = handler.plain(value)
        return Scalar(value, call.type)


class SwapBytes(Function):
    """``bswap()``: the bytes of an integer in the other order."""

    name = "bswap"
    signature = "bswap(integer)"
    summary = "an integer with its bytes reversed"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        type_ = argument_type(call, 0)
        if isinstance(type_, IntType | EnumType):
            return int_type(type_.size, False)
        if known(type_):
            checker.error(call, f"bswap() only supports integer arguments ({kind(type_)} provided)")
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        type_ = call.type
        assert isinstance(type_, IntType)
        value = handler.lower_integer(expression(call, 0))
        if type_.width == 1:
            return Scalar(handler.b.and_(value, 0xFF), type_)
        return Scalar(handler.b.bswap(value, type_.width * 8), type_)


class CompareMemory(Function):
    """``memcmp()``: how the first bytes of two pieces of memory are ordered."""

    name = "memcmp"
    signature = "memcmp(a, b, length)"
    summary = "-1, 0 or 1: how bytes are ordered"
    arguments = (3, 3)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        for index in (0, 1):
            type_ = argument_type(call, index)
            if known(type_) and not (
                is_address(type_) or isinstance(type_, StringType | ArrayType | StructType)
            ):
                checker.error(
                    call,
                    "memcmp() expects strings, arrays, records or pointers "
                    f"({kind(type_)} provided)",
                )
        length = literal_number(call, 2)
        if length is None or length < 0:
            checker.error(call, "memcmp() requires a non-negative literal length")
        return INT32

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        length = literal_number(call, 2) or 0
        a = self._bytes(handler, expression(call, 0), length)
        b = self._bytes(handler, expression(call, 1), length)
        return Scalar(compare(handler, a, b, length), INT32)

    @staticmethod
    def _bytes(h: Handler, node: tree.Expression, length: int) -> Place:
        """``length`` bytes in our memory; what a value is too short for is zeros."""
        operand = h.lower(node)
        type_ = ArrayType(UINT8, max(1, length))
        buffer = h.slot(type_, "memcmp")
        if is_address(operand.type):
            address, space = address_of(h, operand)
            h.read_memory(buffer, 0, type_.size, Place(address, 0, type_, space))
            return Place(buffer, 0, type_, BPF)
        place = h.in_memory(operand)
        if place.type.size >= length:
            return place
        size = place.type.size
        h.b.copy(buffer, 0, place.pointer, place.offset, size)
        h.b.zero(buffer, size, type_.size - size)
        return Place(buffer, 0, type_, BPF)


class ContainerOf(Function):
    """``container_of()``: the struct that a member, found by its address, lies in."""

    name = "container_of"
    signature = "container_of(pointer, type, member)"
    summary = "the struct around a member"
    arguments = (3, 3)
    raw_arguments = True
    names_from = 2

    def check(self, call: tree.Call, checker: Checker) -> Type:
        pointer, wanted, member = call.args
        assert isinstance(pointer, tree.Expression)
        type_ = checker.expression(pointer)
        struct = self._struct(wanted, checker)
        path = _member_path(member)
        if path is None:
            checker.error(call, "container_of() expects the name of a member")
        if struct is None:
            checker.error(call, "container_of() expects a type as its second argument")
            return NONE
        if known(type_) and not is_address(type_):
            checker.error(call, "container_of() expects an integer or pointer argument")
        if path is not None:
            offset_in(checker, _offset_of(call, wanted, path), struct)
        space = type_.space if isinstance(type_, PointerType) else checker.context.space
        return PointerType(struct, space)

    @staticmethod
    def _struct(wanted: tree.Expression | tree.TypeExpression, checker: Checker) -> Type | None:
        if isinstance(wanted, tree.TypeExpression):
            found = checker.type_expression(wanted)
        elif isinstance(wanted, tree.Identifier) and checker.types.known(wanted.name):
            name = tree.TypeName(wanted.name, "", wanted.start, wanted.end)
            found = checker.type_expression(name)
        else:
            return None
        return found.target if isinstance(found, PointerType) else found

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        type_ = call.type
        assert isinstance(type_, PointerType)
        path = _member_path(call.args[2])
        assert path is not None
        where = _offset_of(call, call.args[1], path)
        distance = offset_in(handler.script.checker, where, type_.target)
        address = handler.lower_integer(expression(call, 0))
        return Scalar(handler.b.sub(address, distance), type_)


def _member_path(node: tree.Expression | tree.TypeExpression) -> list[str] | None:
    """The names of ``a`` or ``a.b.c``."""
    names: list[str] = []
    while isinstance(node, tree.FieldAccess):
        names.insert(0, node.field)
        node = node.subject
    if isinstance(node, tree.Identifier):
        return [node.name, *names]
    if isinstance(node, tree.Call) and not node.args:
        # A member that is called like a builtin.
        return [node.name, *names]
    return None


def _offset_of(
    call: tree.Call, subject: tree.Expression | tree.TypeExpression, path: list[str]
) -> tree.Offsetof:
    return tree.Offsetof(subject, path, call.start, call.start, call.end)


# Where the kernel lets programs ask for paths (bpf_d_path_allowed), and the programs behind them.
_WITH_PATHS = ("fentry", "fexit", "lsm", "fmod_ret", "iter")
_TYPED_PROGRAMS = ("tracing", "lsm")


class KernelPath(Function):
    """``path()``: the full name of a file that a ``struct path`` stands for."""

    name = "path"
    signature = "path(struct path *[, length])"
    summary = "the full path of a struct path"
    arguments = (1, 2)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        limit: int = checker.config.max_strlen
        length = literal_number(call, 1)
        if checker.context.provider not in _WITH_PATHS:
            *most, last = [f"'{name}'" for name in _WITH_PATHS]
            checker.error(
                call,
                f"The path function can only be used with {', '.join(most)} and {last} probes",
            )
        elif checker.context.program_type not in _TYPED_PROGRAMS:
            checker.error(
                call,
                "path() needs pointers that the kernel vouches for, and "
                f"{checker.context.provider} probes run as kprobes here",
                "str(args.file.f_path.dentry.d_name.name) is the last part of a file's name",
            )
        else:
            type_ = argument_type(call, 0)
            struct = type_.target if isinstance(type_, PointerType) else type_
            if known(type_) and not (isinstance(struct, StructType) and struct.name == "path"):
                checker.error(
                    call, f"path() only supports struct path arguments ({type_} provided)"
                )
            if len(call.args) > 1 and (length is None or length < 1):
                checker.error(call, "path() requires a positive literal length")
        return StringType(min(limit, length) if length else limit)

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        from prybee.language.lower.expressions import subject_place

        type_ = call.type
        place = subject_place(handler, expression(call, 0))
        buffer = handler.slot(type_, "path")
        handler.b.zero(buffer, 0, type_.size)
        handler.at(call)
        pointer = handler.b.ptr_add(place.pointer, place.offset)
        result = handler.b.call("d_path", [pointer, buffer, type_.size])
        handler.note_failure("d_path", result)
        return Place(buffer, 0, type_, BPF)


FUNCTIONS = aliased(
    Buffer(),
    AddressSpace("kptr", "a pointer into kernel memory", KERNEL),
    AddressSpace("uptr", "a pointer into the process's memory", USER),
    SwapBytes(),
    CompareMemory(),
    ContainerOf(),
    KernelPath(),
)
