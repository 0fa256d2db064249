"""Lowering of one handler: the state that expressions, statements and functions share.

A :class:`Handler` turns the body of a probe block, typed by the checker, into SSA.  The work on
nodes lies in the modules beside this one; here are the operations they are made of: reading and
writing memory of every address space, records for user space, counters of what went wrong.

Invariants of values in our own memory: a string is zero-padded to its capacity (so that keys and
comparisons work on whole words); an integer in a register is extended to 64 bits as its type says.
"""

from __future__ import annotations

from prybee.compiler.ir import BTF, I1, I8, I16, I32, I64, Ptr
from prybee.language.lower import globals as global_data
from prybee.language.lower.operands import Place, Scalar, Text
from prybee.language.types import (
    BPF,
    CONTEXT,
    INT64,
    USER,
    ArrayType,
    BoolType,
    BufferType,
    EnumType,
    IntType,
    PointerType,
    StringType,
    StructType,
    TupleType,
    Type,
    as_integer,
    is_integer,
    is_scalar,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.compiler.builder import Builder, Variable
    from prybee.compiler.ir import Block, Function, Module, Value
    from prybee.language import tree
    from prybee.language.lower.loops import Environment
    from prybee.language.lower.operands import Operand
    from prybee.language.lower.script import ScriptLowering
    from prybee.language.lower.walks import Walk
    from prybee.language.script import VariableSymbol, Variant

WIDTHS = {1: I8, 2: I16, 4: I32, 8: I64}


class Frame:
    """One function being built: the handler's own, or a callback of a loop."""

    __slots__ = (
        "break_to",
        "builder",
        "continue_to",
        "ctx",
        "depth",
        "environment",
        "leave",
        "storage",
    )

    def __init__(self, builder: Builder, ctx: Value | None, depth: int) -> None:
        self.builder = builder
        # The BPF context; None in a callback that did not have to fetch it.
        self.ctx = ctx
        # How many callbacks this is inside of.
        self.depth = depth
        # Pointer to the frame of captured variables (loops.py).
        self.environment: Value | None = None
        # Where each variable of this function lives: an SSA variable, or a place in memory.
        self.storage: dict[VariableSymbol, object] = {}
        # Targets of break and continue, innermost last.
        self.break_to: list[Callable[[], None]] = []
        self.continue_to: list[Callable[[], None]] = []
        # What `return` does here.
        self.leave: Callable[[Value], None] | None = None


class Handler:
    """Builds the program of one variant."""

    def __init__(self, script: ScriptLowering, variant: Variant, module: Module) -> None:
        from prybee.compiler.builder import Builder
        from prybee.compiler.ir import CTX

        self.script = script
        self.variant = variant
        self.context = variant.context
        self.module = module
        main = module.function(module.name, [Ptr(CTX)], I64)
        self.frame = Frame(Builder(main), main.params[0], 0)
        self.b = self.frame.builder
        # Variables whose pointers the verifier knows, beside their plain numbers.
        self.trusted_variables: dict[VariableSymbol, Variable] = {}
        # Functions of the script that were built for this program (subprograms.py).
        self.own_functions: dict[str, Function] = {}
        # Variables shared with loop bodies (loops.py).
        self.environment: Environment | None = None
        # Loops over maps that prybee walks over (walks.py).
        self.walks: dict[tree.For, Walk] = {}
        # How many constructs this is inside of whose state is in registers, and lost in a walk.
        self.pending = 0
        # Number of the probe block, for its loss counter.
        self.block_index = variant.index

    # -- places in the script ------------------------------------------------------------------

    def at(self, node: tree.Node) -> None:
        """Stamp what is emitted next with the place of ``node``."""
        self.b.span = node.span(self.script.source)

    # -- expressions and statements ------------------------------------------------------------

    def lower(self, node: tree.Expression) -> Operand:
        """The value of an expression."""
        from prybee.language.lower.expressions import lower_expression

        return lower_expression(self, node)

    def lower_integer(self, node: tree.Expression) -> Value:
        """The value of an integer, pointer or boolean expression as a plain 64-bit number."""
        return self.number(self.lower(node))

    def lower_into(
        self, node: tree.Expression, type_: Type, pointer: Value, offset: int, pad: bool = True
    ) -> None:
        """Evaluate an expression straight into our own memory, as a value of ``type_``.

        With ``pad`` false the bytes behind a string's end may stay as they are.
        """
        from prybee.language.lower.expressions import lower_expression_into

        lower_expression_into(self, node, type_, pointer, offset, pad)

    def lower_block(self, block: tree.Block) -> None:
        """The statements of a block."""
        from prybee.language.lower.statements import lower_block

        lower_block(self, block)

    # -- registers -----------------------------------------------------------------------------

    def const(self, number: int) -> Value:
        """A 64-bit constant."""
        return self.b.const(number)

    def scalar(self, operand: Operand) -> Scalar:
        """An operand in a register, read from memory where needed."""
        if isinstance(operand, Scalar):
            return operand
        assert isinstance(operand, Place), "a text has no register form"
        return self.load(operand)

    def number(self, operand: Operand) -> Value:
        """A scalar operand as a plain integer; pointers lose what the verifier knows of them."""
        return self.plain(self.scalar(operand).value)

    def plain(self, value: Value) -> Value:
        """A register as a plain 64-bit number."""
        if value.type.space:
            return self.b.ptr_to_int(value)
        return self.b.zext(value, I64) if value.type is I1 else value

    def truth(self, operand: Operand) -> Value:
        """An I1 that tells whether a scalar is not zero."""
        scalar = self.scalar(operand)
        if scalar.value.type.bits == 1:
            return scalar.value
        return self.b.icmp("ne", scalar.value, 0)

    def extend(self, value: Value, type_: Type) -> Value:
        """``value`` cut to the width of integer ``type_`` and extended back to 64 bits."""
        if value.type.bits == 1:
            return self.b.zext(value, I64)
        if isinstance(type_, BoolType):
            return self.b.zext(self.b.icmp("ne", value, 0), I64)
        integer = as_integer(type_)
        if integer.width == 8:
            return value
        narrow = self.b.trunc(value, WIDTHS[integer.width])
        return self.b.sext(narrow, I64) if integer.signed else self.b.zext(narrow, I64)

    def convert(self, operand: Operand, type_: Type) -> Value:
        """A scalar operand as a 64-bit register holding a value of scalar ``type_``."""
        scalar = self.scalar(operand)
        if isinstance(type_, PointerType):
            return scalar.value
        value = self.number(scalar)
        if value.type.bits == 1:
            value = self.b.zext(value, I64)
        if not is_integer(type_) or scalar.type == type_:
            return value
        if is_integer(scalar.type) and not isinstance(type_, BoolType):
            have, want = as_integer(scalar.type), as_integer(type_)
            if want.width > have.width or (want.width == have.width == 8):
                if want.signed or not have.signed or want.width == 8:
                    return value
            elif want == have:
                return value
        return self.extend(value, type_)

    # -- memory --------------------------------------------------------------------------------

    def slot(self, type_: Type, name: str = "") -> Value:
        """Room for a value of ``type_`` in our own memory, not initialised."""
        # The empty tuple has an address, too.
        return self.b.slot(max((type_.size + 7) // 8 * 8, 8), 8, name)

    def address(self, place: Place) -> Value:
        """The address of a place as a plain number."""
        pointer = place.pointer
        if pointer.type.space:
            if place.offset:
                pointer = self.b.ptr_add(pointer, place.offset)
            return self.b.ptr_to_int(pointer)
        return self.b.add(pointer, place.offset) if place.offset else pointer

    def load(self, place: Place) -> Scalar:
        """Read a scalar from any place."""
        type_ = place.type
        member = place.bits
        if member is not None:
            return self._load_bits(place, member)
        signed = isinstance(type_, IntType | EnumType) and type_.signed
        width = WIDTHS[type_.size]
        if place.direct and not _only_by_helper(place):
            pointer = place.pointer
            if isinstance(type_, PointerType) and type_.trusted and place.trusted:
                return Scalar(self.b.load(Ptr(BTF), pointer, place.offset), type_)
            value = self.b.load(width, pointer, place.offset, signed=signed and width is not I64)
        else:
            buffer = self.b.slot(8, 8)
            self.read_memory(buffer, 0, type_.size, place)
            value = self.b.load(width, buffer, 0, signed=signed and width is not I64)
        if value.type.bits < 64:
            value = self.b.zext(value, I64)
        return Scalar(value, type_)

    def _load_bits(self, place: Place, bits: tuple[int, int]) -> Scalar:
        """Read a bitfield: ``bits`` is (first bit from the place's byte, number of bits)."""
        first, count = bits
        size = next((n for n in (1, 2, 4, 8) if first + count <= n * 8), 8)
        if place.direct:
            # Context and typed kernel memory want aligned reads: widen to an aligned word.
            start = place.offset // size * size
            shift = (place.offset - start) * 8 + first
            while shift + count > size * 8 and size < 8:
                size *= 2
                start = place.offset // size * size
                shift = (place.offset - start) * 8 + first
            word = self.b.load(WIDTHS[size], place.pointer, start)
        else:
            buffer = self.b.slot(8, 8)
            self.read_memory(buffer, 0, size, place)
            word = self.b.load(WIDTHS[size], buffer, 0)
            shift = first
        value = word if word.type is I64 else self.b.zext(word, I64)
        left = 64 - shift - count
        value = self.b.shl(value, left) if left else value
        signed = isinstance(place.type, IntType | EnumType) and place.type.signed
        if 64 - count:
            value = self.b.ashr(value, 64 - count) if signed else self.b.lshr(value, 64 - count)
        return Scalar(value, place.type)

    def read_memory(self, pointer: Value, offset: int, size: int, place: Place) -> None:
        """Copy ``size`` bytes at a place of another address space into our memory.

        A failed read leaves zeros and is counted.
        """
        helper = "probe_read_user" if place.space == USER else "probe_read_kernel"
        target = self.b.ptr_add(pointer, offset) if offset else pointer
        result = self.b.call(helper, [target, self.const(size), self.address(place)])
        self.note_failure(helper, result)

    def in_memory(self, operand: Operand, type_: Type | None = None) -> Place:
        """An operand in our own memory, copied there where it is not."""
        wanted = type_ or operand.type
        if (
            isinstance(operand, Place)
            and operand.space == BPF
            and operand.type == wanted
            and not operand.loose
        ):
            return operand
        buffer = self.slot(wanted)
        self.store(operand, wanted, buffer, 0)
        return Place(buffer, 0, wanted, BPF)

    def store(
        self, operand: Operand, type_: Type, pointer: Value, offset: int, pad: bool = True
    ) -> None:
        """Write an operand into our memory as a value of ``type_``."""
        if isinstance(operand, Text):
            self._store_text(operand.data, type_, pointer, offset, pad)
        elif is_scalar(type_) and is_scalar(operand.type):
            value = self.convert(operand, type_)
            if value.type.space:
                value = self.b.ptr_to_int(value)
            self.b.store(pointer, offset, value, WIDTHS[type_.size])
        else:
            assert isinstance(operand, Place), f"cannot store {operand.type} as {type_}"
            self._copy(operand, type_, pointer, offset, pad)

    def _store_text(self, data: bytes, type_: Type, pointer: Value, offset: int, pad: bool) -> None:
        room = type_.size
        text = data[:room]
        wanted = room if pad else min(room, len(text) + 1)
        text = text.ljust(min(room, (len(text) // 8 + 1) * 8), b"\0")[: max(wanted, len(text))]
        at = 0
        while at < len(text):
            size = next(n for n in (8, 4, 2, 1) if at + n <= len(text) and (offset + at) % n == 0)
            number = int.from_bytes(text[at : at + size], "little")
            self.b.store(pointer, offset + at, self.const(number), WIDTHS[size])
            at += size
        if at < wanted:
            self.b.zero(pointer, offset + at, wanted - at)

    def _copy(self, place: Place, type_: Type, pointer: Value, offset: int, pad: bool) -> None:
        source = place.type
        if isinstance(type_, TupleType) and isinstance(source, TupleType) and type_ != source:
            self._copy_tuple(place, source, type_, pointer, offset)
            return
        size = min(type_.size, source.size)
        if place.loose and pad:
            from prybee.language.lower import texts

            texts.copy(self, place, pointer, offset, size)
        else:
            self.copy_bytes(place, pointer, offset, size)
        if size < type_.size:
            self.b.zero(pointer, offset + size, type_.size - size)
        elif size < source.size and isinstance(type_, BufferType):
            self._clamp_buffer(type_, pointer, offset)

    def copy_bytes(self, place: Place, pointer: Value, offset: int, size: int) -> None:
        """Copy the first ``size`` bytes of a place into our memory as they are."""
        if place.direct and not _only_by_helper(place):
            self.b.copy(pointer, offset, place.pointer, place.offset, size)
        else:
            self.read_memory(pointer, offset, size, place)

    def _clamp_buffer(self, type_: BufferType, pointer: Value, offset: int) -> None:
        used = self.b.zext(self.b.load(I32, pointer, offset), I64)
        fits = self.b.icmp("ule", used, type_.capacity)
        self.b.store(pointer, offset, self.b.select(fits, used, self.const(type_.capacity)), I32)

    def _copy_tuple(
        self, place: Place, source: TupleType, type_: TupleType, pointer: Value, offset: int
    ) -> None:
        order = (
            [source.names.index(name) for name in type_.names]
            if type_.names and source.names
            else range(len(type_.elements))
        )
        self.zero_padding(type_, pointer, offset)
        for (at, element), index in zip(
            zip(type_.offsets, type_.elements, strict=True), order, strict=True
        ):
            part = Place(
                place.pointer,
                place.offset + source.offsets[index],
                source.elements[index],
                place.space,
            )
            self.store(part, element, pointer, offset + at)

    def zero_padding(self, type_: TupleType, pointer: Value, offset: int) -> None:
        """Clear the holes between the elements of a tuple, so that equal keys are equal bytes."""
        at = 0
        for start, element in zip(type_.offsets, type_.elements, strict=True):
            if start > at:
                self.b.zero(pointer, offset + at, start - at)
            at = start + element.size
        if type_.size > at:
            self.b.zero(pointer, offset + at, type_.size - at)

    # -- global data ---------------------------------------------------------------------------

    def global_pointer(self, offset: int) -> Value:
        """A pointer into the global data map."""
        return self.b.map_value(global_data.MAP_NAME, offset)

    def this_cpu(self, slot: global_data.Slot) -> Value:
        """A pointer to the running CPU's slot of per-CPU global data."""
        base = self.global_pointer(slot.offset)
        cpu = self.b.call("get_smp_processor_id", [])
        mask = self.script.globals.cpu_slots - 1
        if mask == 0:
            return base
        return self.b.ptr_add(base, self.b.mul(self.b.and_(cpu, mask), slot.stride))

    # -- what went wrong -----------------------------------------------------------------------

    def note_failure(self, helper: str, result: Value) -> None:
        """Count a helper's failure (a negative result), at this place of the script."""
        counter = self.script.counters.helper(helper, self.b.span)
        self.when(self.b.icmp("slt", result, 0), lambda: self.count(counter, result), likely=False)

    def count(self, counter: int, code: Value | None = None) -> None:
        """Add one to a counter of global data, and keep ``code`` beside it."""
        pointer = self.global_pointer(counter)
        self.b.atomic_add(pointer, 0, self.const(1))
        if code is not None:
            self.b.store(pointer, 8, self.b.sext(code, I64), I64)

    # -- control flow --------------------------------------------------------------------------

    def leave(self, value: Value) -> None:
        """``return``: end the handler with ``value``, also from inside a loop's body."""
        if self.frame.leave is not None:
            self.frame.leave(value)
        else:
            self.b.ret(self.context.return_value if self.context.returns_nothing else value)

    def start_unreachable(self) -> None:
        """Go on in a block that nothing leads to, behind a jump."""
        self.start(self.block("unreachable"))

    def block(self, name: str) -> Block:
        """A new block of the function being built."""
        return self.b.block(name)

    def start(self, block: Block) -> None:
        """Go on in ``block``, of which all predecessors exist by now."""
        self.b.position_at(block)
        self.b.seal(block)

    def when(self, condition: Value, then: Callable[[], None], likely: bool | None = None) -> None:
        """``if (condition) then()``."""
        inside, after = self.block("then"), self.block("after")
        self.b.branch(condition, inside, after, likely)
        self.start(inside)
        then()
        if not self.b.terminated:
            self.b.jump(after)
        self.start(after)

    def count_up(self, name: str, limit: int, each: Callable[[Value], None], step: int = 1) -> None:
        """``for (n = 0; n < limit; n += step) each(n)``; the verifier goes through every round."""
        index = self.b.variable(I64, name)
        head, inside, after = self.block(f"{name}s"), self.block(name), self.block("after")
        self.b.write(index, 0)
        self.b.jump(head)
        self.b.position_at(head)
        number = self.b.read(index)
        self.b.branch(self.b.icmp("ult", number, limit), inside, after)
        self.start(inside)
        each(number)
        self.b.write(index, self.b.add(number, step))
        self.b.jump(head)
        self.b.seal(head)
        self.start(after)

    def choose(
        self, condition: Value, then: Callable[[], None], otherwise: Callable[[], None]
    ) -> None:
        """``if (condition) then() else otherwise()``."""
        yes, no, after = self.block("then"), self.block("else"), self.block("after")
        self.b.branch(condition, yes, no)
        self.start(yes)
        then()
        if not self.b.terminated:
            self.b.jump(after)
        self.start(no)
        otherwise()
        if not self.b.terminated:
            self.b.jump(after)
        self.start(after)

    # -- records for user space ----------------------------------------------------------------

    def record(
        self,
        action: str,
        fields: list[tuple[tree.Expression | Operand, Type]],
        detail: tuple[object, ...],
        node: tree.Node,
    ) -> None:
        """Send a record: evaluate ``fields`` and put them into the ring buffer.

        The kind of record (action, layouts, constant ``detail``) becomes part of the plan.
        """
        from prybee.language.lower.records import send

        send(self, action, fields, detail, node)

    def element(self, place: Place, index: Value | int, element: Type) -> Place:
        """The place of ``place[index]`` where ``place`` is an array of ``element``."""
        pointer, offset, trusted = place.pointer, place.offset, False
        if isinstance(index, int):
            offset += index * element.size
            trusted = place.trusted
        else:
            scaled = self.b.mul(index, element.size) if element.size != 1 else index
            if place.space in (BPF, CONTEXT):
                pointer = self.b.ptr_add(pointer, scaled)
            else:
                pointer, offset = self.b.add(self.address(place), scaled), 0
        loose = isinstance(element, StringType)
        return Place(pointer, offset, element, place.space, trusted, loose=loose)


def _only_by_helper(place: Place) -> bool:
    """Whether kernel memory of known type must be read by a helper for all that.

    A load may not reach over the end of a member, so structs are not copied word by word; and of
    a pointer that may be NULL the verifier would want a test, so it is fetched as a number.
    """
    if not place.trusted or place.space in (BPF, CONTEXT):
        return False
    type_ = place.type
    while isinstance(type_, ArrayType):
        type_ = type_.element
    if isinstance(type_, PointerType):
        return isinstance(type_.target, StructType) and not type_.trusted
    return isinstance(type_, StructType)


__all__ = ["INT64", "ArrayType", "Frame", "Handler", "StringType", "StructType"]
