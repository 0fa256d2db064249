"""Records for user space: what ``printf``, ``print`` and their kind send through the ring buffer.

A record is a u32 with the number of its kind, then its fields at natural alignment.  It is built
in the buffer itself: reserve, fill in, submit.  The submit wakes the reader only when the reader
has said that it sleeps (:data:`~prybee.language.lower.globals.WAKE`).

Kernels before 5.8 have no such buffer.  There a record is built in the program's memory, and
``perf_event_output`` copies it to the running CPU's part of a perf buffer.
"""

from __future__ import annotations

from prybee.compiler.ir import I32, I64
from prybee.language import tree
from prybee.language.lower import globals as global_data
from prybee.language.lower import loops
from prybee.language.lower.operands import Scalar
from prybee.language.types import is_scalar, layout_of
from prybee.plan.plan import RecordSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.language.types import Type

    Field = tuple[tree.Expression | Operand, Type]

RINGBUF = "ringbuf"
PERFBUF = "perfbuf"
BPF_RB_NO_WAKEUP = 1
BPF_RB_AVAIL_DATA, BPF_RB_RING_SIZE = 0, 1
BPF_F_CURRENT_CPU = 0xFFFFFFFF


def send(
    h: Handler,
    action: str,
    fields: list[Field],
    detail: tuple[object, ...],
    node: tree.Node,
) -> None:
    """Emit a record with ``fields``; see :meth:`Handler.record`."""
    offsets, size = _layout([type_ for _value, type_ in fields])
    kind = h.script.record(
        RecordSpec(
            id=0,
            action=action,
            size=size,
            fields=tuple(
                (offset, layout_of(type_))
                for offset, (_value, type_) in zip(offsets, fields, strict=True)
            ),
            detail=detail,
            span=node.span(h.script.source),
            probe=h.context.name,
        )
    )
    # Between reserve and submit there is no way out of the program, so whatever may end it, and
    # every scalar (they stay in registers), is evaluated before.
    prepared = [_prepare(h, value, type_) for value, type_ in fields]
    h.at(node)
    if not h.script.ring:
        _output(h, kind, size, prepared, offsets, node)
        return
    record = h.b.call("ringbuf_reserve", [h.b.map_ref(RINGBUF), size, 0])
    missed, built, after = h.block("lost"), h.block("record"), h.block("sent")
    h.b.branch(h.b.icmp("ne", record, 0), built, missed, likely=True)
    h.start(missed)
    _lose(h)
    h.b.jump(after)
    h.start(built)
    _fill(h, record, kind, prepared, offsets, pad=False)
    h.at(node)
    if h.script.patient and action == "print_value":
        _submit_patiently(h, record)
    else:
        _submit(h, record)
    h.b.jump(after)
    h.start(after)


def _output(
    h: Handler, kind: int, size: int, prepared: list[Field], offsets: list[int], node: tree.Node
) -> None:
    """Build a record in our own memory, and have it copied to the perf buffer."""
    record = h.b.slot(size, 8, "record")
    # Holes between fields, too: older verifiers let a helper read only what was written.
    at = 4
    for offset, (_value, type_) in zip(offsets, prepared, strict=True):
        h.b.zero(record, at, offset - at)
        at = offset + type_.size
    h.b.zero(record, at, size - at)
    _fill(h, record, kind, prepared, offsets, pad=True)
    h.at(node)
    buffer = h.b.map_ref(PERFBUF)
    result = h.b.call(
        "perf_event_output", [loops.context(h), buffer, BPF_F_CURRENT_CPU, record, size]
    )
    h.when(h.b.icmp("slt", result, 0), lambda: _lose(h), likely=False)


def _fill(
    h: Handler, record: Value, kind: int, fields: list[Field], offsets: list[int], pad: bool
) -> None:
    """Write a record's kind and fields."""
    h.b.store(record, 0, h.b.const(kind, I32), I32)
    for (value, type_), offset in zip(fields, offsets, strict=True):
        if isinstance(value, tree.Expression):
            h.lower_into(value, type_, record, offset, pad)
        else:
            h.store(value, type_, record, offset, pad)


def _lose(h: Handler) -> None:
    """Count a record for which there is no room."""
    lost = h.global_pointer(h.script.globals.lost(h.block_index))
    h.b.atomic_add(lost, 0, h.const(1))


def _layout(types: list[Type]) -> tuple[list[int], int]:
    """Offsets of fields behind the u32 kind, and the size of it all, a multiple of 8."""
    at = 4
    offsets = []
    for type_ in types:
        align = type_.align
        at = (at + align - 1) // align * align
        offsets.append(at)
        at += type_.size
    return offsets, (at + 7) // 8 * 8


def _prepare(
    h: Handler, value: tree.Expression | Operand, type_: Type
) -> tuple[tree.Expression | Operand, Type]:
    if not isinstance(value, tree.Expression):
        return value, type_
    if is_scalar(type_):
        operand = h.lower(value)
        return Scalar(h.convert(operand, type_), type_), type_
    if _may_branch_out(h, value):
        return h.lower(value), type_
    return value, type_


def _may_branch_out(h: Handler, node: tree.Node) -> bool:
    """Whether evaluating may run statements, which may return or send records themselves."""
    own = h.script.checker.subprograms
    return any(
        isinstance(each, tree.Block) or (isinstance(each, tree.Call) and each.name in own)
        for each in tree.walk(node)
    )


def _submit(h: Handler, record: Value) -> None:
    wake = h.global_pointer(global_data.WAKE)
    flags = h.b.load(I32, wake, 0)
    h.when(
        h.b.icmp("ne", flags, h.b.const(BPF_RB_NO_WAKEUP, I32)),
        lambda: h.b.store(wake, 0, h.b.const(BPF_RB_NO_WAKEUP, I32), I32),
        likely=False,
    )
    h.b.call("ringbuf_submit", [record, h.b.zext(flags, I64)])


def _submit_patiently(h: Handler, record: Value) -> None:
    """Submit a record that may wait, unless a quarter of the buffer is full."""
    b = h.b
    buffer = b.map_ref(RINGBUF)
    filled = b.call("ringbuf_query", [buffer, BPF_RB_AVAIL_DATA])
    quarter = b.lshr(b.call("ringbuf_query", [buffer, BPF_RB_RING_SIZE]), 2)

    def quietly() -> None:
        b.call("ringbuf_submit", [record, BPF_RB_NO_WAKEUP])

    h.choose(b.icmp("ugt", filled, quarter), lambda: _submit(h, record), quietly)
