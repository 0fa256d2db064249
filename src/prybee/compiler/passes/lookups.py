"""Asking a map for the same key once, as in ``/@start[tid]/ { @ns = hist(nsecs - @start[tid]) }``.

First, keys: two frame objects that are filled with the same values, and are only read afterwards,
become one.  Then, lookups: one of a map that was asked for the same key before, on every way and
with nothing in between that may change which entries the map has, takes the earlier result.

What the entry holds is read anew each time, so a change by another CPU is seen as before.
"""

from __future__ import annotations

from prybee.compiler.helpers import ACT
from prybee.compiler.passes.order import lowest_common

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Block, Function, Value

    Known = dict[tuple[str, Value], Value]

_LOOKUP = "map_lookup_elem"
# What changes one map, its first argument.
_CHANGES = frozenset(("map_update_elem", "map_delete_elem", "map_push_elem", "map_pop_elem"))
# What has effects, but none on which entries a map has.
_HARMLESS_NAMES = """
ringbuf_output ringbuf_reserve ringbuf_submit ringbuf_discard perf_event_output skb_output
get_stackid trace_printk trace_vprintk seq_printf seq_write send_signal send_signal_thread
override_return probe_write_user
"""
_HARMLESS = frozenset(_HARMLESS_NAMES.split())
# Letters of helper arguments (helpers.py) that memory is only read through.
_READ = "krvz"


def share_lookups(function: Function) -> bool:
    """Do both.  True when something was dropped: the function must then be simplified anew."""
    count = 0
    for block in function.blocks:
        for v in block.code:
            if v.op == "call" and v.aux.name == _LOOKUP:
                count += 1
    if count < 2:
        return False
    return _share_results(function, _share_keys(function))


class _Key:
    """A frame object's history: ``writes`` in order, or unusable where it may change otherwise."""

    __slots__ = ("block", "last", "reads", "usable", "value", "writes")

    def __init__(self, value: Value) -> None:
        self.value = value
        self.usable = True
        self.block: Block | None = None
        self.last = -1  # position of the last write in its block
        self.writes: list[Value] = []
        self.reads: list[tuple[Block, int]] = []

    def write(self, v: Value, block: Block, position: int) -> None:
        if self.block is not block and self.block is not None:
            self.usable = False
        self.block = block
        self.last = position
        self.writes.append(v)

    def content(self) -> tuple[object, ...]:
        """What was written: equal contents are equal tuples."""
        slot = self.value.aux
        return (
            slot.size,
            *[
                (w.op, w.off, w.imm, w.operand, w.args[1] if w.op == "store" else None)
                for w in self.writes
            ],
        )

    def settled(self) -> bool:
        """Whether all reads come after all writes."""
        block = self.block
        if block is None or not self.usable:
            return False
        for where, position in self.reads:
            if where is block:
                if position <= self.last:
                    return False
            elif not block.enter <= where.enter <= block.leave:
                return False
        return True


def _share_keys(function: Function) -> set[Value]:
    """Make equal keys one; returns those that do not change once they are filled."""
    keys: dict[Value, _Key] = {}
    for block in function.blocks:
        for v in block.code:
            if v.op == "slot":
                keys[v] = _Key(v)
    for block in function.blocks:
        for phi in block.phis:
            for a in phi.args:
                if a in keys:
                    keys[a].usable = False
        for position, v in enumerate(block.code):
            _note(v, block, position, keys)
    seen: dict[tuple[object, ...], list[_Key]] = {}
    replaced: dict[Value, Value] = {}
    dropped: set[Value] = set()
    fixed: set[Value] = set()
    for key in keys.values():
        if not key.settled():
            continue
        fixed.add(key.value)
        earlier = seen.setdefault(key.content(), [])
        twin = next((other for other in earlier if _before(other, key)), None)
        if twin is None:
            earlier.append(key)
        else:
            replaced[key.value] = twin.value
            dropped.update(key.writes)
    if not replaced:
        return fixed
    for block in function.blocks:
        block.code = [v for v in block.code if v not in dropped]
        for v in block.code:
            v.args = [replaced.get(a, a) for a in v.args]
    return fixed


def _note(v: Value, block: Block, position: int, keys: dict[Value, _Key]) -> None:
    """Add what one operation does to frame objects."""
    op = v.op
    for index, a in enumerate(v.args):
        key = keys.get(a)
        if key is None:
            continue
        if index == 0 and (op == "store" or op == "zero"):
            key.write(v, block, position)
        elif op == "load" or (op == "copy" and index == 1) or (
            op == "call" and v.aux.args[index : index + 1] in _READ and index < len(v.aux.args)
        ):  # fmt: skip
            key.reads.append((block, position))
        else:
            key.usable = False


def _before(a: _Key, b: _Key) -> bool:
    """Whether ``a`` is filled wherever ``b`` is."""
    first, second = a.block, b.block
    assert first is not None
    assert second is not None
    if first is second:
        return a.last < b.last
    return lowest_common(first, second) is first


def _share_results(function: Function, keys: set[Value]) -> bool:
    """Lookups known on every way into a block, by one walk in topological order.

    At the head of a loop nothing is known: what the loop does has not been seen yet.
    """
    after: dict[Block, Known] = {}
    changed = False
    for block in sorted(function.blocks, key=_order):
        known = _known_before(block, after)
        code: list[Value] = []
        for v in block.code:
            if v.op == "call":
                name = v.aux.name
                if name == _LOOKUP and v.args[1] in keys and v.args[0].op == "map_ref":
                    what = (v.args[0].aux, v.args[1])
                    found = known.get(what)
                    if found is not None:
                        v.forward = found
                        changed = True
                        continue
                    known[what] = v
                elif name in _CHANGES and v.args[0].op == "map_ref":
                    changed_map = v.args[0].aux
                    known = {what: r for what, r in known.items() if what[0] != changed_map}
                elif v.aux.kind == ACT and name not in _HARMLESS:
                    known = {}
            elif v.op == "kfunc" or v.op == "call_function":
                known = {}
            code.append(v)
        block.code = code
        after[block] = known
    return changed


def _order(block: Block) -> int:
    return block.order


def _known_before(block: Block, after: dict[Block, Known]) -> Known:
    preds = block.preds
    if not preds or any(pred not in after for pred in preds):
        return {}
    first = after[preds[0]]
    if len(preds) == 1:
        return dict(first)
    return {
        what: result
        for what, result in first.items()
        if all(after[pred].get(what) is result for pred in preds[1:])
    }
