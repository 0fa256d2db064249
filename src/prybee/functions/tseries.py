"""``tseries()``: numbers by the interval of time that they came in.

Each interval has a number, the *epoch*: time since 1970 divided by the interval's length.  A map's
entry holds one epoch, and the key ends in ``epoch % buckets``, so the latest ``buckets`` intervals
are there; what is older is overwritten in place, by each CPU for itself.

=======  ===========  =====================================================================
offset   words        meaning
=======  ===========  =====================================================================
0        value        total (``sum``, ``avg``), extreme, or the last number
8        meta         how many numbers; of a last number the time it came, in ns
16       epoch        which interval the two are about
=======  ===========  =====================================================================
"""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.diagnostics import ERROR, WARNING, Diagnostic, ScriptError
from prybee.functions.aggregations import Aggregation
from prybee.functions.arguments import argument_type, expression, kind, known, literal_number
from prybee.functions.clocks import now
from prybee.language import tree
from prybee.language.lower.maps import Global, Hash, key_of
from prybee.language.types import (
    NONE,
    EnumType,
    IntType,
    TseriesType,
    Type,
    as_integer,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler

# bpftrace's limit.
MOST_INTERVALS = 1_000_000
AGGREGATIONS = ("avg", "max", "min", "sum")
# Time since 1970 by the boot clock, which every kernel that can run us has.
CLOCK = "sw_tai"
_FEATURE = "tseries"
# bpftrace's words for the two arguments that are literals.
_LITERALS = ("interval_ns", "num_intervals")


class Tseries(Aggregation):
    name = "tseries"
    signature = "tseries(number, interval, count[, aggregation])"
    summary = (
        "the last number of each of the last `count` intervals of `interval` ns, or its "
        '`"avg"`, `"max"`, `"min"` or `"sum"`'
    )
    arguments = (3, 4)

    def result(self, call: tree.Call, checker: Checker) -> Type:
        _ask_for_feature(call, checker)
        type_ = argument_type(call, 0)
        if not known(type_):
            return NONE
        if not isinstance(type_, IntType | EnumType):
            checker.error(call, f"tseries() only supports int arguments ({kind(type_)} provided)")
            return NONE
        given = []
        for index, word in enumerate(_LITERALS, 1):
            number = literal_number(call, index)
            if number is None or number < 0:
                checker.error(call, f"tseries: invalid {word} value (must be non-negative literal)")
                return NONE
            if number < 1:
                checker.error(call, f"tseries() {word} must be >= 1 (0 provided)")
                return NONE
            given.append(number)
        interval, buckets = given
        if buckets >= MOST_INTERVALS:
            checker.error(
                call,
                f"tseries() num_intervals must be < {MOST_INTERVALS} ({buckets} provided)",
            )
            return NONE
        aggregation = self._aggregation(call, checker)
        if aggregation is None:
            return NONE
        return TseriesType(interval, buckets, aggregation, as_integer(type_).signed)

    @staticmethod
    def _aggregation(call: tree.Call, checker: Checker) -> str | None:
        """The name of the aggregation, empty for the last number; None after a complaint."""
        if len(call.args) < 4:
            return ""
        argument = call.args[3]
        if isinstance(argument, tree.String) and argument.value in AGGREGATIONS:
            return argument.value
        given = f'"{argument.value}"' if isinstance(argument, tree.String) else "no string literal"
        checker.error(
            call,
            "tseries() expects one of the following aggregation functions: "
            f"{', '.join(AGGREGATIONS)} ({given} provided)",
        )
        return None

    def lower_aggregate(
        self, call: tree.Call, handler: Handler, target: tree.Map | tree.MapAccess
    ) -> None:
        h = handler
        b = h.b
        storage = h.script.storage(target)
        assert isinstance(storage, Hash)
        type_ = storage.value_type
        assert isinstance(type_, TseriesType)
        amount = h.plain(h.lower_integer(expression(call, 0)))
        time = _time(call, h)
        key = key_of(h, target)
        assert key is not None
        h.at(call)
        epoch = b.udiv(time, type_.interval) if type_.interval > 1 else time
        bucket = b.umod(epoch, type_.buckets) if type_.buckets > 1 else h.const(0)
        b.store(key, storage.bucket_offset(), bucket, I64)
        storage.aggregate(h, key, lambda p: _update(h, type_, p, amount, time, epoch))


def _ask_for_feature(call: tree.Call, checker: Checker) -> None:
    """Warn of an unstable feature, or refuse it, as the settings say."""
    allowed = checker.config.unstable_tseries
    if allowed == "error":
        checker.error(
            call,
            f"{_FEATURE} feature is not enabled by default. To enable this unstable feature, set "
            f"the config flag to enable. unstable_{_FEATURE}=enable",
        )
    elif allowed == "warn":
        message = (
            f"Script is using an unstable feature: {_FEATURE}. To prevent this warning you must "
            f"explicitly enable it in the config e.g. unstable_{_FEATURE}=enable"
        )
        checker.warnings[message, 0, 0] = Diagnostic(WARNING, message)


def _time(call: tree.Call, h: Handler) -> Value:
    """Nanoseconds since 1970; for tests those in a map of the script."""
    name = h.script.config.dummy_ts_map
    if not name:
        return now(h, CLOCK)
    storage = h.script.storages.get(name)
    if not isinstance(storage, Global) or not isinstance(storage.value_type, IntType):
        message = f"BPFTRACE_DUMMY_TS_MAP: there is no scalar map {name} of integers"
        raise ScriptError([Diagnostic(ERROR, message, call.span(h.script.source))])
    return h.number(storage.read(h, None))


def _update(
    h: Handler, type_: TseriesType, pointer: Value, amount: Value, time: Value, epoch: Value
) -> None:
    """Take ``amount`` into this CPU's entry at ``pointer``, which may be of an older interval."""
    b = h.b

    def begin() -> None:
        b.store(pointer, 0, h.const(0), I64)
        b.store(pointer, 8, h.const(0), I64)
        b.store(pointer, 16, epoch, I64)

    h.when(b.icmp("ne", b.load(I64, pointer, 16), epoch), begin, likely=False)
    if not type_.aggregation:
        b.store(pointer, 0, amount, I64)
        b.store(pointer, 8, time, I64)
        return
    seen = b.load(I64, pointer, 8)
    if type_.aggregation in ("sum", "avg"):
        b.store(pointer, 0, b.add(b.load(I64, pointer, 0), amount), I64)
    else:
        order = ("s" if type_.signed else "u") + ("gt" if type_.aggregation == "max" else "lt")
        old = b.load(I64, pointer, 0)
        better = b.select(b.icmp(order, amount, old), amount, old)
        b.store(pointer, 0, b.select(b.icmp("eq", seen, 0), amount, better), I64)
    b.store(pointer, 8, b.add(seen, 1), I64)


FUNCTIONS = (Tseries(),)
