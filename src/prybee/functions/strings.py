"""Texts: reading them, measuring them, comparing their beginnings."""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.functions.arguments import (
    aliased,
    argument_type,
    expression,
    known,
    literal_number,
    want_integer,
    want_string,
)
from prybee.functions.byte_order import compare_loop
from prybee.functions.text_memory import (
    address_of,
    is_bytes,
    read_text,
    warn_unknown_space,
)
from prybee.language import tree
from prybee.language.lower.handler import WIDTHS
from prybee.language.lower.operands import Place, Scalar, Text
from prybee.language.registry import Function
from prybee.language.types import (
    BPF,
    UINT64,
    USER,
    ArrayType,
    IntType,
    PointerType,
    StringType,
    Type,
    int_type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

# Comparisons of more bytes than this loop.
_UNROLLED = 128


class String(Function):
    """``str()``: the text that a pointer points to.

    With a length, that many bytes are read, the NUL among them; the value has room for one more,
    so that it does not look cut.
    """

    name = "str"
    signature = "str(pointer[, length])"
    summary = "the text at an address"
    arguments = (1, 2)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        type_ = argument_type(call, 0)
        want_integer(call, 1, checker)
        number = literal_number(call, 0)
        if number is not None:
            return StringType(len(str(number)) + 1)
        if known(type_) and not (
            isinstance(type_, StringType | IntType | PointerType) or is_bytes(type_)
        ):
            checker.error(
                call,
                "str() expects a string, integer or a pointer type as first argument "
                f"({type_} provided)",
            )
        warn_unknown_space(call, 0, checker)
        limit: int = checker.config.max_strlen
        length = literal_number(call, 1)
        if length is not None:
            if length < 0:
                checker.error(call, f"str() cannot use negative length ({length})")
            limit = min(limit, max(0, length) + 1)
        if isinstance(type_, StringType):
            return StringType(min(limit, type_.capacity) if type_.capacity else limit)
        if isinstance(type_, ArrayType):
            return StringType(min(limit, type_.size + 1))
        return StringType(limit)

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        type_ = call.type
        assert isinstance(type_, StringType)
        number = literal_number(call, 0)
        if number is not None:
            return Text(str(number).encode(), type_)
        operand = handler.lower(expression(call, 0))
        length = literal_number(call, 1)
        if isinstance(operand, Text) and (length is not None or len(call.args) == 1):
            return Text(operand.data[:length], type_)
        if operand.type == type_ and len(call.args) == 1:
            return operand
        buffer = handler.slot(type_, "str")
        self._read(call, handler, operand, buffer, 0, type_.capacity, type_.capacity)
        return Place(buffer, 0, type_, BPF)

    def lower_into(
        self,
        call: tree.Call,
        handler: Handler,
        type_: Type,
        pointer: Value,
        offset: int,
        pad: bool,
    ) -> bool:
        if not isinstance(type_, StringType) or isinstance(
            call.args[0], tree.Integer | tree.String
        ):
            return False
        if isinstance(argument_type(call, 0), StringType) and len(call.args) == 1:
            handler.lower_into(expression(call, 0), type_, pointer, offset, pad)
            return True
        own = call.type
        assert isinstance(own, StringType)
        operand = handler.lower(expression(call, 0))
        capacity = min(own.capacity, type_.capacity)
        cleared = type_.capacity if pad else 0
        self._read(call, handler, operand, pointer, offset, capacity, cleared)
        return True

    def _read(
        self,
        call: tree.Call,
        h: Handler,
        operand: Operand,
        pointer: Value,
        offset: int,
        capacity: int,
        cleared: int,
    ) -> None:
        """Read the text into ``capacity`` bytes, of which ``cleared`` are to be zeros behind it."""
        size = self._size(call, h, capacity)
        address, space = address_of(h, operand)
        if cleared:
            h.b.zero(pointer, offset, cleared)
        elif not isinstance(size, int) or size == 0:
            # A length of zero reads nothing, not even a NUL.
            h.b.store(pointer, offset, h.const(0), WIDTHS[1])
        if isinstance(size, int) and size < capacity:
            if size:
                read_text(h, pointer, offset, size, address, space)
            return
        length = read_text(h, pointer, offset, size, address, space)
        h.when(
            h.b.icmp("eq", length, capacity),
            lambda: self._mark_cut(h, pointer, offset + capacity - 1, address, space, capacity),
            likely=False,
        )

    @staticmethod
    def _mark_cut(
        h: Handler, pointer: Value, last: int, address: Value, space: str, capacity: int
    ) -> None:
        """Put back the byte that the NUL of a full text took: text without a NUL shows as cut."""
        target = h.b.ptr_add(pointer, last)
        helper = "probe_read_user" if space == USER else "probe_read_kernel"
        h.b.call(helper, [target, 1, h.b.add(address, capacity - 1)])

    @staticmethod
    def _size(call: tree.Call, h: Handler, capacity: int) -> int | Value:
        """Bytes to read: the length given, within the room there is."""
        if len(call.args) == 1:
            return capacity
        number = literal_number(call, 1)
        if number is not None:
            return min(number, capacity)
        length = h.lower_integer(expression(call, 1))
        return h.b.select(h.b.icmp("ule", length, capacity), length, h.const(capacity))


class Length(Function):
    """``strlen()``: bytes of a text in front of its NUL."""

    name = "strlen"
    signature = "strlen(text)"
    summary = "length of a text"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        want_text(call, 0, checker)
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        argument = expression(call, 0)
        operand = handler.lower(argument)
        if isinstance(operand, Text):
            return Scalar(handler.const(len(operand.data.split(b"\0")[0])), UINT64)
        capacity = _capacity(operand.type, handler.script.config.max_strlen)
        address, space = address_of(handler, operand)
        buffer = handler.b.slot((capacity + 7) // 8 * 8, 8, "strlen")
        # With a byte more than the text has room for, a full one is measured whole.
        with_nul = read_text(handler, buffer, 0, capacity, address, space)
        positive = handler.b.icmp("sgt", with_nul, 0)
        value = handler.b.select(positive, handler.b.sub(with_nul, 1), handler.const(0))
        return Scalar(value, UINT64)


def _capacity(type_: Type, limit: int) -> int:
    if isinstance(type_, StringType):
        return type_.capacity + 1
    if isinstance(type_, ArrayType):
        return type_.size + 1
    return limit


class Capacity(Function):
    """``strcap()``: bytes that a text has room for."""

    name = "strcap"
    signature = "strcap(text)"
    summary = "how many bytes a text has room for"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        want_text(call, 0, checker)
        value = self._value(call, checker.config.max_strlen)
        return next(int_type(n, False) for n in (1, 2, 4, 8) if value < 1 << 8 * n)

    @staticmethod
    def _value(call: tree.Call, limit: int) -> int:
        type_ = argument_type(call, 0)
        return type_.size if isinstance(type_, StringType | ArrayType) else limit

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        value = self._value(call, handler.script.config.max_strlen)
        return Scalar(handler.const(value), call.type)


class DefaultLength(Function):
    """``default_str_length``: what a text has room for where nothing says otherwise."""

    name = signature = "default_str_length"
    summary = "how many bytes a text has room for where nothing says otherwise: max_strlen"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        return UINT64

    def constant(self, call: tree.Call, checker: Checker) -> int:
        return checker.config.max_strlen

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.const(handler.script.config.max_strlen), UINT64)


def want_text(call: tree.Call, index: int, checker: Checker) -> None:
    """Complain unless argument ``index`` is a text or points to one."""
    type_ = argument_type(call, index)
    if known(type_) and not (isinstance(type_, StringType | PointerType) or is_bytes(type_)):
        checker.error(call, "string-like values must be either strings, arrays or pointers")


class ComparePrefix(Function):
    """``strncmp()``: 0 where the first bytes of two texts are the same, else 1."""

    name = "strncmp"
    signature = "strncmp(a, b, length)"
    summary = "0 if the first bytes of two texts are equal"
    arguments = (3, 3)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        want_string(call, 0, checker)
        want_string(call, 1, checker)
        length = literal_number(call, 2)
        if length is None or length < 0:
            checker.error(call, "Builtin strncmp requires a non-negative literal")
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        length = literal_number(call, 2)
        assert length is not None
        a, b = handler.lower(expression(call, 0)), handler.lower(expression(call, 1))
        if isinstance(a, Text) and isinstance(b, Text):
            same = _cut(a.data, length) == _cut(b.data, length)
            return Scalar(handler.const(0 if same else 1), UINT64)
        if isinstance(a, Text):
            a, b = b, a
        place = handler.in_memory(a)
        if isinstance(b, Text):
            return Scalar(_differs_from(handler, place, _cut(b.data, length), length), UINT64)
        return Scalar(_differ(handler, place, handler.in_memory(b), length), UINT64)


def _cut(text: bytes, length: int) -> bytes:
    return text.split(b"\0")[0][:length]


def _words(size: int, *offsets: int) -> list[tuple[int, int]]:
    """Cut ``size`` bytes into words aligned at all ``offsets``: (bytes done before, bytes)."""
    found = []
    done = 0
    while done < size:
        word = next(
            n
            for n in (8, 4, 2, 1)
            if done + n <= size and not any((at + done) % n for at in offsets)
        )
        found.append((done, word))
        done += word
    return found


def _differs_from(h: Handler, place: Place, text: bytes, length: int) -> Value:
    """1 where the text at ``place`` does not begin with ``text`` (or is not ``text``), else 0."""
    capacity = place.type.size
    # Where the literal ends within the length, its NUL counts.
    wanted = text + b"\0" if len(text) < length else text
    if len(text) > capacity:
        return h.const(1)
    wanted = wanted[:capacity]
    difference = h.const(0)
    for at, size in _words(len(wanted), place.offset):
        word = h.b.load(WIDTHS[size], place.pointer, place.offset + at)
        expected = int.from_bytes(wanted[at : at + size], "little")
        wide = h.b.zext(word, I64)
        difference = h.b.or_(difference, h.b.xor(wide, h.const(expected)))
    return h.b.zext(h.b.icmp("ne", difference, 0), I64)


def _differ(h: Handler, a: Place, b: Place, length: int) -> Value:
    """1 where the first ``length`` bytes of two texts differ; texts have zeros behind their end."""
    common = min(length, a.type.size, b.type.size)
    if common > _UNROLLED:
        return h.b.zext(h.b.icmp("ne", compare_loop(h, a, b, common, text=True), 0), I64)
    difference = h.const(0)
    for at, size in _words(common, a.offset, b.offset):
        x = h.b.zext(h.b.load(WIDTHS[size], a.pointer, a.offset + at), I64)
        y = h.b.zext(h.b.load(WIDTHS[size], b.pointer, b.offset + at), I64)
        difference = h.b.or_(difference, h.b.xor(x, y))
    longer = a if a.type.size > common else b
    if longer.type.size > common and length > common:
        # The other one is full: this one must end here too.
        following = h.b.load(WIDTHS[1], longer.pointer, longer.offset + common)
        difference = h.b.or_(difference, h.b.zext(following, I64))
    return h.b.zext(h.b.icmp("ne", difference, 0), I64)


FUNCTIONS = aliased(String(), Length(), Capacity(), DefaultLength(), ComparePrefix())
