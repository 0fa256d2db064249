"""Where the script's maps are kept, and how handlers read and write them.

=================  ==========================================================================
:class:`Global`    a scalar map of up to 8 bytes: global data, no helper call
:class:`PerCpu`    a scalar aggregation: global data, one slot per CPU, no helper call
:class:`Hash`      everything else: a hash map, or for aggregations a per-CPU hash map
=================  ==========================================================================

Where the kernel cannot read other CPUs' values (``bpf_map_lookup_percpu_elem``, 5.19), an
aggregation that handlers read by key is kept in a hash map for all CPUs, and added to atomically.
That a map is read so is found out on the way: :class:`ReadByKey` asks for a new start.
So does :class:`Counted`, where ``len()`` cannot walk over the map (before 5.13): then new elements
are told from known ones as they are stored, and counted in global data.

Where the kernel takes no long keys, maps that have them are by digests (:mod:`.digests`).
"""

from __future__ import annotations

from prybee.compiler.ir import I8, I64, MAP_VALUE, Ptr
from prybee.language import tree
from prybee.language.lower.handler import WIDTHS
from prybee.language.lower.operands import Place, Scalar
from prybee.language.types import (
    BPF,
    INT64,
    UINT64,
    AggregationType,
    HistType,
    LhistType,
    MinMaxType,
    PointerType,
    StatsType,
    TseriesType,
    Type,
    aggregation_value,
    is_castable_aggregation,
    is_scalar,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.compiler.ir import Value
    from prybee.language.lower.globals import Slot
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


BPF_NOEXIST = 1

# The longest key that the maps of every kernel take (MAX_BPF_STACK), in bytes.
SHORT_KEY = 512

# Values that are kept in buckets, whose numbers are in the key.
BUCKETED = (HistType, LhistType, TseriesType)


def key_size(type_: Type, buckets: bool) -> int:
    """Bytes of a map's key; a histogram's has a bucket number behind it."""
    return (type_.size + 7) // 8 * 8 + 8 if buckets else type_.size


def key_of(h: Handler, target: tree.Map | tree.MapAccess) -> Value | None:
    """A pointer to the key of a map access in our memory; None for a map without keys."""
    if isinstance(target, tree.MapAccess):
        return h.script.storage(target).key(h, target.key)
    return h.script.storage(target).scalar_key(h)


def read(h: Handler, node: tree.Map | tree.MapAccess) -> Operand:
    """The value of a map access; of an aggregation its integer."""
    key = key_of(h, node)
    h.at(node)
    return h.script.storage(node).read(h, key)


def scalar_address(h: Handler, node: tree.Map) -> Value:
    """The address of a scalar map's value."""
    return h.script.storage(node).address(h)


class ReadByKey(Exception):
    """A keyed aggregation is read by the script, and is not kept in a way that allows it."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} must be kept for all CPUs together")


class Counted(ReadByKey):
    """The script asks for the length of a map, and nothing counts its elements."""


class Storage:
    """Base: how one map of the script is kept."""

    def __init__(self, name: str, key_type: Type | None, value_type: Type) -> None:
        self.name = name
        self.key_type = key_type
        self.value_type = value_type
        self.spec = ""

    # -- keys --

    def key(self, h: Handler, node: tree.Expression) -> Value:
        """Evaluate a key into memory, and give its address."""
        type_ = self.key_type
        assert type_ is not None
        return key_pointer(h, node, type_)

    def scalar_key(self, h: Handler) -> Value | None:
        """The key of a map that has none in the script."""
        return None

    # -- values --

    def read(self, h: Handler, key: Value | None) -> Operand:
        """The value at ``key``; zero where there is none."""
        raise NotImplementedError

    def assign(self, h: Handler, key: Value | None, node: tree.Expression) -> None:
        """Evaluate ``node`` and store it."""
        place = h.b.span
        if is_scalar(self.value_type):
            operand = h.lower(node)
            h.b.span = place
            self.assign_operand(h, key, operand)
            return
        buffer = h.slot(self.value_type)
        h.lower_into(node, self.value_type, buffer, 0)
        h.b.span = place
        self.assign_operand(h, key, Place(buffer, 0, self.value_type, BPF))

    def assign_operand(self, h: Handler, key: Value | None, operand: Operand) -> None:
        """Store a value."""
        raise NotImplementedError

    def add(self, h: Handler, key: Value | None, amount: Value) -> None:
        """Add to an integer value, atomically where it exists already."""
        raise NotImplementedError

    def aggregate(self, h: Handler, key: Value | None, update: Callable[[Value], None]) -> None:
        """Apply ``update(pointer)`` to this CPU's value, which begins as zeros."""
        raise NotImplementedError

    def delete(self, h: Handler, key: Value | None) -> Value:
        """Remove a value; an I1 tells whether there was one."""
        raise NotImplementedError

    def contains(self, h: Handler, key: Value | None) -> Value:
        """An I1: whether there is a value."""
        raise NotImplementedError

    def address(self, h: Handler) -> Value:
        """The address of a scalar map's value."""
        raise NotImplementedError

    def entry_value(self, h: Handler, key: Value, content: Value, type_: Type) -> Place | Scalar:
        """The value that a loop over the map sees."""
        raise NotImplementedError


def key_pointer(h: Handler, node: tree.Expression, type_: Type) -> Value:
    """A value of ``type_`` in our memory, where it is if it is there already."""
    if isinstance(node, tree.Scratch | tree.TupleAccess) and node.type == type_:
        operand = h.lower(node)
        if isinstance(operand, Place) and operand.space == BPF and operand.offset % 8 == 0:
            pointer = operand.pointer
            return h.b.ptr_add(pointer, operand.offset) if operand.offset else pointer
        buffer = h.slot(type_, "key")
        h.store(operand, type_, buffer, 0)
        return buffer
    buffer = h.slot(type_, "key")
    h.lower_into(node, type_, buffer, 0)
    return buffer


class Global(Storage):
    """A scalar in global data, with a flag beside it that tells whether it was ever set."""

    def __init__(self, name: str, value_type: Type, slot: Slot) -> None:
        super().__init__(name, None, value_type)
        self.slot = slot

    def address(self, h: Handler) -> Value:
        return h.global_pointer(self.slot.offset)

    def read(self, h: Handler, key: Value | None) -> Operand:
        return h.load(Place(self.address(h), 0, self.value_type, BPF))

    def _mark(self, h: Handler, pointer: Value) -> None:
        h.b.store(pointer, 8, h.b.const(1, I8), I8)

    def assign_operand(self, h: Handler, key: Value | None, operand: Operand) -> None:
        pointer = self.address(h)
        h.store(operand, self.value_type, pointer, 0)
        self._mark(h, pointer)

    def add(self, h: Handler, key: Value | None, amount: Value) -> None:
        pointer = self.address(h)
        width = WIDTHS[self.value_type.size]
        if self.value_type.size >= 4:
            h.b.atomic_add(pointer, 0, h.b.trunc(amount, width), width)
        else:
            old = h.b.load(width, pointer, 0)
            h.b.store(pointer, 0, h.b.add(old, h.b.trunc(amount, width)), width)
        self._mark(h, pointer)

    def delete(self, h: Handler, key: Value | None) -> Value:
        pointer = self.address(h)
        had = h.b.icmp("ne", h.b.load(I8, pointer, 8), h.b.const(0, I8))
        h.b.store(pointer, 0, h.const(0), I64)
        h.b.store(pointer, 8, h.b.const(0, I8), I8)
        return had

    def contains(self, h: Handler, key: Value | None) -> Value:
        return h.b.icmp("ne", h.b.load(I8, self.address(h), 8), h.b.const(0, I8))


class PerCpu(Storage):
    """A scalar aggregation in per-CPU slots of global data; a flag byte lies at ``flag``."""

    def __init__(self, name: str, value_type: Type, slot: Slot, flag: int) -> None:
        super().__init__(name, None, value_type)
        self.slot = slot
        self.flag = flag

    def aggregate(self, h: Handler, key: Value | None, update: Callable[[Value], None]) -> None:
        pointer = h.this_cpu(self.slot)
        update(pointer)
        if self.flag >= 0:
            h.b.store(pointer, self.flag, h.b.const(1, I8), I8)

    def read(self, h: Handler, key: Value | None) -> Operand:
        base = h.global_pointer(self.slot.offset)
        merged = Merge(h, self.value_type)
        for cpu in range(h.script.possible_cpus):
            merged.add(h.b.ptr_add(base, cpu * self.slot.stride))
        return merged.result()

    def delete(self, h: Handler, key: Value | None) -> Value:
        base = h.global_pointer(self.slot.offset)
        had = h.const(0)
        for cpu in range(h.script.possible_cpus):
            start = cpu * self.slot.stride
            for at in range(0, self.slot.size, 8):
                had = h.b.or_(had, h.b.load(I64, base, start + at))
            h.b.zero(base, start, self.slot.size)
        return h.b.icmp("ne", had, 0)

    def contains(self, h: Handler, key: Value | None) -> Value:
        return h.b.icmp("ne", h.number(self.read(h, key)), 0)


class Hash(Storage):
    """A hash map of its own.

    Attributes:
        per_cpu: it holds an aggregation, of each CPU.
        shared: it holds an aggregation, of all CPUs together.
    """

    def __init__(
        self,
        name: str,
        spec: str,
        key_type: Type | None,
        value_type: Type,
        shared: bool = False,
    ) -> None:
        super().__init__(name, key_type, value_type)
        self.spec = spec
        self.per_cpu = isinstance(value_type, AggregationType) and not shared
        self.shared = shared
        # Where in the global data elements are counted; -1: they are not.
        self.counter = -1
        self.buckets = isinstance(value_type, BUCKETED)

    @property
    def value_size(self) -> int:
        """Bytes of one value (of one CPU)."""
        return (self.value_type.size + 7) // 8 * 8

    @property
    def stored_size(self) -> int:
        """Bytes that the kernel keeps for one value (of one CPU)."""
        return self.value_size

    def key(self, h: Handler, node: tree.Expression) -> Value:
        if not self.buckets:
            return super().key(h, node)
        type_ = self.key_type
        assert type_ is not None
        size = key_size(type_, True)
        buffer = h.b.slot(size, 8, "key")
        h.lower_into(node, type_, buffer, 0)
        if type_.size < size - 8:
            h.b.zero(buffer, type_.size, size - 8 - type_.size)
        return buffer

    def scalar_key(self, h: Handler) -> Value | None:
        buffer = h.b.slot(16 if self.buckets else 8, 8, "key")
        h.b.store(buffer, 0, h.const(0), I64)
        return buffer

    def bucket_offset(self) -> int:
        """Where in the key a histogram's bucket number is."""
        return key_size(self.key_type or UINT64, True) - 8

    def kernel_key(self, h: Handler, key: Value) -> Value:
        """What the kernel is given for a key, as a pointer."""
        return key

    def kernel_value(self, h: Handler, key: Value, value: Value) -> Value:
        """What the kernel is given for a value, as a pointer."""
        return value

    def lookup(self, h: Handler, key: Value | None) -> Value:
        """The value's address, or NULL."""
        assert key is not None
        return h.b.call("map_lookup_elem", [h.b.map_ref(self.spec), self.kernel_key(h, key)])

    def update(self, h: Handler, key: Value | None, value: Value) -> None:
        """Store the value at a pointer; a full map is counted."""
        assert key is not None
        counter = h.script.counters.update(self.name, h.b.span)
        put = self._putting(h, key, value)

        def store() -> None:
            result = put(0)
            h.when(h.b.icmp("slt", result, 0), lambda: h.count(counter, result), likely=False)

        if self.counter < 0:
            store()
            return
        h.choose(h.b.icmp("eq", put(BPF_NOEXIST), 0), lambda: self._count(h, 1), store)

    def _putting(self, h: Handler, key: Value, value: Value) -> Callable[[int], Value]:
        """What stores the value at a pointer, given flags; its result is the kernel's."""
        place, content = self.kernel_key(h, key), self.kernel_value(h, key, value)
        return lambda flags: h.b.call(
            "map_update_elem", [h.b.map_ref(self.spec), place, content, flags]
        )

    def _count(self, h: Handler, number: int) -> None:
        if self.counter >= 0:
            h.b.atomic_add(h.global_pointer(self.counter), 0, h.const(number))

    def length(self, h: Handler) -> Value:
        """How many elements there are, where they are counted."""
        if self.counter < 0:
            raise Counted(self.name)
        return h.b.load(I64, h.global_pointer(self.counter), 0)

    def read(self, h: Handler, key: Value | None) -> Operand:
        if self.per_cpu:
            return self._read_cpus(h, key)
        if self.shared:
            return self._read_shared(h, self.lookup(h, key))
        type_ = self.value_type
        pointer = self.lookup(h, key)
        if is_scalar(type_):
            result = h.b.variable(I64, "value")
            plain = type_.replace(trusted=False) if isinstance(type_, PointerType) else type_

            def hit() -> None:
                h.b.write(result, h.plain(h.load(Place(pointer, 0, plain, BPF)).value))

            def nothing() -> None:
                h.b.write(result, 0)
                self._missed(h)

            h.choose(h.b.icmp("ne", pointer, 0), hit, nothing)
            return Scalar(h.b.read(result), plain)
        # Where there is no value, look at zeros instead: no copy on either path.
        found = h.b.variable(Ptr(MAP_VALUE), "value")

        def miss() -> None:
            h.b.write(found, h.global_pointer(h.script.globals.zeros(type_.size)))
            self._missed(h)

        h.choose(h.b.icmp("ne", pointer, 0), lambda: h.b.write(found, pointer), miss)
        return Place(h.b.read(found), 0, type_, BPF)

    def _missed(self, h: Handler) -> None:
        """Count a read of nothing, where its user wants to know."""
        if h.script.misses:
            h.count(h.script.counters.lookup(self.name, h.b.span))

    def _read_shared(self, h: Handler, pointer: Value) -> Scalar:
        merged = Merge(h, self.value_type)
        h.when(h.b.icmp("ne", pointer, 0), lambda: merged.add(pointer))
        return merged.result()

    def _read_cpus(self, h: Handler, key: Value | None) -> Operand:
        assert key is not None
        if not h.script.can("helper:map_lookup_percpu_elem"):
            raise ReadByKey(self.name)
        key = self.kernel_key(h, key)
        merged = Merge(h, self.value_type)

        def add(cpu: Value) -> None:
            pointer = h.b.call("map_lookup_percpu_elem", [h.b.map_ref(self.spec), key, cpu])
            h.when(h.b.icmp("ne", pointer, 0), lambda: merged.add(pointer))

        h.count_up("cpu", h.script.possible_cpus, add)
        return merged.result()

    def assign(self, h: Handler, key: Value | None, node: tree.Expression) -> None:
        if is_scalar(self.value_type):
            super().assign(h, key, node)
            return
        place = h.b.span
        pointer = key_pointer(h, node, self.value_type)
        h.b.span = place
        self.update(h, key, pointer)

    def assign_operand(self, h: Handler, key: Value | None, operand: Operand) -> None:
        place = h.in_memory(operand, self.value_type)
        pointer = h.b.ptr_add(place.pointer, place.offset) if place.offset else place.pointer
        self.update(h, key, pointer)

    def add(self, h: Handler, key: Value | None, amount: Value) -> None:
        width = WIDTHS[self.value_type.size]
        pointer = self.lookup(h, key)

        def hit() -> None:
            if self.value_type.size >= 4:
                h.b.atomic_add(pointer, 0, h.b.trunc(amount, width), width)
            else:
                old = h.b.load(width, pointer, 0)
                h.b.store(pointer, 0, h.b.add(old, h.b.trunc(amount, width)), width)

        def miss() -> None:
            buffer = h.b.slot(8, 8, "initial")
            h.b.store(buffer, 0, amount, I64)
            self.update(h, key, buffer)

        h.choose(h.b.icmp("ne", pointer, 0), hit, miss)

    def aggregate(self, h: Handler, key: Value | None, update: Callable[[Value], None]) -> None:
        pointer = self.lookup(h, key)

        def miss() -> None:
            buffer = h.b.slot(self.value_size, 8, "initial")
            h.b.zero(buffer, 0, self.value_size)
            if self.shared:
                self._aggregate_new(h, key, buffer, update)
                return
            update(buffer)
            self.update(h, key, buffer)

        h.choose(h.b.icmp("ne", pointer, 0), lambda: update(pointer), miss)

    def _aggregate_new(
        self, h: Handler, key: Value | None, zeros: Value, update: Callable[[Value], None]
    ) -> None:
        """Make a value of zeros, which another CPU may do at the same time, and take it in."""
        assert key is not None
        result = self._putting(h, key, zeros)(BPF_NOEXIST)
        if self.counter >= 0:
            h.when(h.b.icmp("eq", result, 0), lambda: self._count(h, 1))
        counter = h.script.counters.update(self.name, h.b.span)
        pointer = self.lookup(h, key)
        h.choose(
            h.b.icmp("ne", pointer, 0), lambda: update(pointer), lambda: h.count(counter, result)
        )

    def key_id(self, h: Handler, key: Value | None) -> Value:
        """A number that stands for a key: the address of its value, which is made if there is none,
        and holds that number. Two CPUs that make it at once agree on it; 0 where there is no room.
        """
        assert key is not None
        b = h.b
        result = b.variable(I64, "id")
        b.write(result, 0)

        def take(pointer: Value) -> None:
            new = b.icmp("eq", b.load(I64, pointer, 0), 0)
            h.when(new, lambda: b.store(pointer, 0, pointer, I64), likely=False)
            # By way of the memory it is a number for the verifier, no address any more.
            b.write(result, b.load(I64, pointer, 0))

        def make() -> None:
            buffer = b.slot(self.value_size, 8, "initial")
            b.zero(buffer, 0, self.value_size)
            self._aggregate_new(h, key, buffer, take)

        pointer = self.lookup(h, key)
        h.choose(b.icmp("ne", pointer, 0), lambda: take(pointer), make)
        return b.read(result)

    def delete(self, h: Handler, key: Value | None) -> Value:
        assert key is not None
        place = self.kernel_key(h, key)
        result = h.b.call("map_delete_elem", [h.b.map_ref(self.spec), place])
        done = h.b.icmp("eq", result, 0)
        if self.counter >= 0:
            h.when(done, lambda: self._count(h, -1))
        return done

    def contains(self, h: Handler, key: Value | None) -> Value:
        return h.b.icmp("ne", self.lookup(h, key), 0)

    def address(self, h: Handler) -> Value:
        return self.lookup(h, self.scalar_key(h))

    def entry_value(self, h: Handler, key: Value, content: Value, type_: Type) -> Place | Scalar:
        if self.per_cpu:
            operand = self._read_cpus(h, key)
            assert isinstance(operand, Scalar)
            return operand
        if self.shared:
            return self._read_shared(h, content)
        return Place(content, 0, type_, BPF)


class Merge:
    """Merges the CPUs' values of an aggregation into one integer."""

    def __init__(self, h: Handler, type_: Type) -> None:
        assert is_castable_aggregation(type_), f"{type_} has no single value"
        self.h = h
        self.type = type_
        self.total = h.b.variable(I64, "total")
        self.count = h.b.variable(I64, "count")
        h.b.write(self.total, 0)
        h.b.write(self.count, 0)

    def add(self, pointer: Value) -> None:
        """Take in the value of one CPU."""
        h, b = self.h, self.h.b
        value = b.load(I64, pointer, 0)
        if isinstance(self.type, MinMaxType):
            seen = b.load(I64, pointer, 8)
            sign = "s" if self.type.signed else "u"
            best = b.read(self.total)
            better = b.icmp(f"{sign}{'gt' if self.type.is_max else 'lt'}", value, best)
            first = b.icmp("eq", b.read(self.count), 0)
            take = b.and_(
                b.zext(b.icmp("ne", seen, 0), I64), b.or_(b.zext(first, I64), b.zext(better, I64))
            )
            b.write(self.total, b.select(b.icmp("ne", take, 0), value, best))
            b.write(self.count, b.or_(b.read(self.count), seen))
            return
        b.write(self.total, b.add(b.read(self.total), value))
        if isinstance(self.type, StatsType):
            b.write(self.count, b.add(b.read(self.count), h.b.load(I64, pointer, 8)))

    def result(self) -> Scalar:
        """The merged value."""
        b = self.h.b
        value = b.read(self.total)
        type_ = aggregation_value(self.type)
        if isinstance(self.type, StatsType):
            count = b.read(self.count)
            value = b.sdiv(value, count) if type_ == INT64 else b.udiv(value, count)
        return Scalar(value, type_)
