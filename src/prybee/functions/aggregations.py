"""Aggregations: what is summed up in the kernel, per CPU, and merged when it is read.

They update this CPU's value in place, without a lock and without an atomic instruction:
scalar ones in slots of the global data (no helper call), keyed ones where a look-up finds them.
(Where an older kernel has a map keep them for all CPUs together, additions are atomic.)
"""

from __future__ import annotations

from prybee.compiler.ir import I32, I64
from prybee.functions.arguments import argument_type, expression, kind, known, literal_number
from prybee.language import tree
from prybee.language.lower.maps import Hash, PerCpu, key_of
from prybee.language.registry import Function
from prybee.language.types import (
    NONE,
    AggregationType,
    CountType,
    EnumType,
    HistType,
    IntType,
    LhistType,
    MinMaxType,
    StatsType,
    SumType,
    Type,
    as_integer,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.maps import Storage

# bpftrace's limits.
MOST_BITS = 5
MOST_BUCKETS = 1000


class Aggregation(Function):
    """Base: what may stand right of ``@x =`` and nowhere else."""

    def check(self, call: tree.Call, checker: Checker) -> Type:
        if checker.assigned_to_map is not call:
            checker.error(call, f"{self.name}() must be assigned directly to a map")
        return self.result(call, checker)

    def result(self, call: tree.Call, checker: Checker) -> Type:
        """The type of the aggregation, its arguments checked."""
        raise NotImplementedError

    def lower_aggregate(
        self, call: tree.Call, handler: Handler, target: tree.Map | tree.MapAccess
    ) -> None:
        storage = handler.script.storage(target)
        amount = self.amount(call, handler)
        key = key_of(handler, target)
        handler.at(call)
        storage.aggregate(handler, key, lambda p: self.update(handler, storage, p, amount))

    def amount(self, call: tree.Call, h: Handler) -> Value:
        """The number that is taken in."""
        return h.plain(h.lower_integer(expression(call, 0)))

    def update(self, h: Handler, storage: Storage, pointer: Value, amount: Value) -> None:
        """Take ``amount`` into the value at ``pointer``."""
        raise NotImplementedError


def _add(h: Handler, storage: Storage, pointer: Value, offset: int, amount: Value | int) -> None:
    if isinstance(storage, Hash) and storage.shared:
        h.b.atomic_add(pointer, offset, amount)
        return
    h.b.store(pointer, offset, h.b.add(h.b.load(I64, pointer, offset), amount), I64)


class Count(Aggregation):
    name = "count"
    signature = "count()"
    summary = "count how often this is reached"
    arguments = (0, 0)

    def result(self, call: tree.Call, checker: Checker) -> Type:
        return CountType()

    def amount(self, call: tree.Call, h: Handler) -> Value:
        return h.const(1)

    def update(self, h: Handler, storage: Storage, pointer: Value, amount: Value) -> None:
        _add(h, storage, pointer, 0, amount)


class Numeric(Aggregation):
    """Base of those that take in an integer as it is."""

    arguments = (1, 1)

    def __init__(self, name: str, summary: str) -> None:
        self.name = name
        self.signature = f"{name}(number)"
        self.summary = summary

    def result(self, call: tree.Call, checker: Checker) -> Type:
        type_ = argument_type(call, 0)
        if isinstance(type_, IntType | EnumType):
            return self.of(as_integer(type_).signed)
        if known(type_):
            checker.error(call, f"{self.name}() only supports integer arguments ({type_} provided)")
        return NONE

    def of(self, signed: bool) -> AggregationType:
        """The type, for numbers of this sign."""
        raise NotImplementedError


class Sum(Numeric):
    def of(self, signed: bool) -> AggregationType:
        return SumType(signed)

    def update(self, h: Handler, storage: Storage, pointer: Value, amount: Value) -> None:
        _add(h, storage, pointer, 0, amount)


class Extreme(Numeric):
    """``min()`` and ``max()``."""

    def of(self, signed: bool) -> AggregationType:
        return MinMaxType(signed, self.name == "max")

    def update(self, h: Handler, storage: Storage, pointer: Value, amount: Value) -> None:
        b = h.b
        type_ = storage.value_type
        assert isinstance(type_, MinMaxType)
        old = b.load(I64, pointer, 0)
        seen = b.zext(b.load(I32, pointer, 8), I64)
        sign = "s" if type_.signed else "u"
        take, after = h.block("take"), h.block("after")
        compare = h.block("compare")
        b.branch(b.icmp("eq", seen, 0), take, compare, likely=False)
        h.start(compare)
        better = b.icmp(f"{sign}{'gt' if type_.is_max else 'lt'}", amount, old)
        b.branch(better, take, after, likely=False)
        h.start(take)
        b.store(pointer, 0, amount, I64)
        b.store(pointer, 8, 1, I64)
        b.jump(after)
        h.start(after)


class Average(Numeric):
    """``avg()`` and ``stats()``: total and count."""

    def of(self, signed: bool) -> AggregationType:
        return StatsType(signed, self.name == "avg")

    def update(self, h: Handler, storage: Storage, pointer: Value, amount: Value) -> None:
        _add(h, storage, pointer, 0, amount)
        _add(h, storage, pointer, 8, 1)


class Histogram(Aggregation):
    """Base of ``hist()`` and ``lhist()``: count in the bucket that a number falls into."""

    def lower_aggregate(
        self, call: tree.Call, handler: Handler, target: tree.Map | tree.MapAccess
    ) -> None:
        h = handler
        storage = h.script.storage(target)
        index = self.bucket(h, storage.value_type, self.amount(call, h))
        key = key_of(h, target)
        h.at(call)
        if isinstance(storage, PerCpu):
            # The number of slots is a power of two: the mask tells the verifier the bound.
            mask = storage.slot.size // 8 - 1
            place = h.b.mul(h.b.and_(index, mask), 8)
            storage.aggregate(h, key, lambda p: _add(h, storage, h.b.ptr_add(p, place), 0, 1))
            return
        assert isinstance(storage, Hash)
        assert key is not None
        h.b.store(key, storage.bucket_offset(), index, I64)
        storage.aggregate(h, key, lambda p: _add(h, storage, p, 0, 1))

    def bucket(self, h: Handler, type_: Type, value: Value) -> Value:
        """The number of the bucket."""
        raise NotImplementedError

    def want_number(self, call: tree.Call, checker: Checker) -> None:
        """Complain unless the first argument is an integer."""
        type_ = argument_type(call, 0)
        if known(type_) and not isinstance(type_, IntType | EnumType):
            checker.error(
                call, f"{self.name}() only supports int arguments ({kind(type_)} provided)"
            )


class Hist(Histogram):
    name = "hist"
    signature = "hist(number[, bits = 0])"
    summary = "histogram by powers of two, each cut into 2^bits parts"
    arguments = (1, 2)

    def result(self, call: tree.Call, checker: Checker) -> Type:
        self.want_number(call, checker)
        bits = 0
        if len(call.args) > 1:
            given = literal_number(call, 1)
            if given is None:
                checker.error(call, "hist: invalid bits value, need integer literal")
            elif not 0 <= given <= MOST_BITS:
                checker.error(call, f"hist: bits {given} must be 0..{MOST_BITS}")
            else:
                bits = given
        return HistType(bits)

    def bucket(self, h: Handler, type_: Type, value: Value) -> Value:
        """0 for negatives, else ``(shift << bits) + (value >> shift) + 1``, where ``shift`` is by
        how much the value is longer than bits + 1: no branch, 40 instructions."""
        assert isinstance(type_, HistType)
        b, bits = h.b, type_.bits
        length = log2(h, b.or_(value, 1))
        shift = length
        if bits:
            shift = b.sub(length, bits)
            shift = b.and_(shift, b.not_(b.ashr(shift, 63)))
        index = b.add(b.add(b.shl(shift, bits) if bits else shift, b.lshr(value, shift)), 1)
        return b.and_(index, b.not_(b.ashr(value, 63)))


def log2(h: Handler, value: Value) -> Value:
    """The number of the highest bit set in a value that is not zero, by halving: no branch.

    ``(0 - x) >> 63`` is 1 for 0 < x < 2^63, and ``(2^n - 1 - x) >> 63`` is 1 for x ≥ 2^n.
    """
    b = h.b
    upper = b.lshr(value, 32)
    result = b.shl(b.lshr(b.neg(upper), 63), 5)
    rest = b.lshr(value, result)
    for step in (4, 3, 2, 1):
        bit = b.lshr(b.sub(h.const((1 << (1 << step)) - 1), rest), 63)
        distance = b.shl(bit, step)
        result = b.or_(result, distance)
        rest = b.lshr(rest, distance)
    return b.or_(result, b.lshr(rest, 1))


class Lhist(Histogram):
    name = "lhist"
    signature = "lhist(number, min, max, step)"
    summary = "histogram of equal steps"
    arguments = (4, 4)

    def result(self, call: tree.Call, checker: Checker) -> Type:
        self.want_number(call, checker)
        given = []
        for index, word in enumerate(("min", "max", "step"), 1):
            number = literal_number(call, index)
            if number is None or number < 0:
                what = (
                    "step value"
                    if word == "step"
                    else f"{word} value (must be non-negative literal)"
                )
                checker.error(call, f"lhist: invalid {what}")
                return NONE
            given.append(number)
        least, most, step = given
        if step < 1:
            checker.error(call, f"lhist() step must be >= 1 ({step} provided)")
        elif least >= most:
            checker.error(
                call,
                f"lhist() min must be less than max (provided min {least} and max {most})",
            )
        elif (most - least) // step > MOST_BUCKETS:
            checker.error(
                call,
                f"lhist() too many buckets, must be <= {MOST_BUCKETS} (would need "
                f"{(most - least) // step})",
            )
        else:
            return LhistType(least, most, step)
        return NONE

    def bucket(self, h: Handler, type_: Type, value: Value) -> Value:
        """0 below min, then one for each step; the last one from the last whole step on."""
        assert isinstance(type_, LhistType)
        b = h.b
        last = (type_.max - type_.min) // type_.step + 1
        index = b.variable(I64, "bucket")
        b.write(index, 0)
        inside, after = h.block("bucket"), h.block("after")
        b.branch(b.icmp("sge", value, type_.min), inside, after, likely=True)
        h.start(inside)
        distance = b.sub(value, type_.min) if type_.min else value
        number = b.add(b.udiv(distance, type_.step) if type_.step > 1 else distance, 1)
        b.write(index, b.select(b.icmp("ult", number, last), number, h.const(last)))
        b.jump(after)
        h.start(after)
        return b.read(index)


FUNCTIONS = (
    Count(),
    Sum("sum", "sum of numbers"),
    Extreme("min", "least of numbers"),
    Extreme("max", "greatest of numbers"),
    Average("avg", "average of numbers"),
    Average("stats", "count, average and total of numbers"),
    Hist(),
    Lhist(),
)
