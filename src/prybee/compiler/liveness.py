"""Where registers are live, as sorted lists of half-open position ranges.

Operation number ``i`` reads at position ``2 i`` and writes at ``2 i + 1``.
"""

from __future__ import annotations

from bisect import bisect_left

from prybee.compiler.machine import CALL, FIRST_VIRTUAL, MOV64_X, MOVSX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.machine import MBlock

    Segments = list[tuple[int, int]]


def live_out(blocks: list[MBlock]) -> list[set[int]]:
    """Per block, the registers that later blocks may read."""
    out: list[set[int]] = [set() for _ in blocks]
    if len(blocks) == 1:
        return out
    into: list[set[int]] = []
    defined: list[set[int]] = []
    for block in blocks:
        exposed: set[int] = set()
        written: set[int] = set()
        for op in reversed(block.ops):
            if op.defn >= 0:
                written.add(op.defn)
                exposed.discard(op.defn)
            exposed.update(op.uses)
        into.append(exposed)
        defined.append(written)
    # Each exposed use is followed upwards to its definitions; the work is the size of the result.
    for block in blocks:
        todo = [(block, reg) for reg in into[block.index]]
        while todo:
            here, reg = todo.pop()
            for index in here.preds:
                after = out[index]
                if reg in after:
                    continue
                after.add(reg)
                if reg not in defined[index] and reg not in into[index]:
                    into[index].add(reg)
                    todo.append((blocks[index], reg))
    return out


_MOVES = frozenset((MOV64_X, MOVSX))


class Ranges:
    """Live ranges of all registers of a function, with what allocation needs to know of them.

    Attributes:
        segments: per register, its ranges in ascending order.
        weights: per register, its reads and writes, those in loops counting more.
        calls: positions at which r0–r5 are clobbered.
        copies: moves between virtual registers: (-loop depth, position, dst, src).
        hints: per register, own registers it is moved to or from: {register: weight}.
    """

    __slots__ = ("calls", "copies", "hints", "segments", "weights")

    def __init__(self, blocks: list[MBlock], registers: int) -> None:
        segments: list[Segments] = [[] for _ in range(registers)]
        weights = [0] * registers
        calls: list[int] = []
        copies: list[tuple[int, int, int, int]] = []
        hints: dict[int, dict[int, int]] = {}
        out = live_out(blocks)
        count = 0
        for block in blocks:
            block.start = count
            count += len(block.ops)
        for block in reversed(blocks):
            ops = block.ops
            first = 2 * block.start
            position = first + 2 * len(ops)
            weight = 8 ** min(block.loop, 6)
            live = dict.fromkeys(out[block.index], position)
            for op in reversed(ops):
                position -= 2
                d = op.defn
                uses = op.uses
                if d >= 0:
                    weights[d] += weight
                    if d not in uses:
                        end = live.pop(d, position + 2)
                        found = segments[d]
                        if found and found[-1][0] == end:
                            found[-1] = (position + 1, found[-1][1])
                        else:
                            found.append((position + 1, end))
                    elif d not in live:
                        live[d] = position + 2
                for u in uses:
                    weights[u] += weight
                    if u not in live:
                        live[u] = position + 1
                code = op.code
                if code in _MOVES:
                    s = op.src
                    if d >= FIRST_VIRTUAL:
                        if s >= FIRST_VIRTUAL:
                            copies.append((-block.loop, position, d, s))
                        elif s < 10:
                            wish = hints.setdefault(d, {})
                            wish[s] = wish.get(s, 0) + weight
                    elif s >= FIRST_VIRTUAL:
                        wish = hints.setdefault(s, {})
                        wish[d] = wish.get(d, 0) + weight
                elif code == CALL:
                    calls.append(position + 1)
            for reg, end in live.items():
                found = segments[reg]
                if found and found[-1][0] == end:
                    found[-1] = (first, found[-1][1])
                else:
                    found.append((first, end))
        for found in segments:
            found.reverse()
        calls.reverse()
        self.segments = segments
        self.weights = weights
        self.calls = calls
        self.copies = copies
        self.hints = hints


def overlap(a: Segments, b: Segments) -> bool:
    """Whether two lists of ranges have a position in common."""
    if not a or not b or a[-1][1] <= b[0][0] or b[-1][1] <= a[0][0]:
        return False
    if len(a) > len(b):
        a, b = b, a
    if len(b) > 8 * len(a):
        for start, end in a:
            index = bisect_left(b, (start, start))
            if index < len(b) and b[index][0] < end:
                return True
            if index and b[index - 1][1] > start:
                return True
        return False
    i = j = 0
    while i < len(a) and j < len(b):
        if a[i][1] <= b[j][0]:
            i += 1
        elif b[j][1] <= a[i][0]:
            j += 1
        else:
            return True
    return False


def merge(a: Segments, b: Segments) -> Segments:
    """The union of two lists of ranges that do not overlap; may reuse ``a``."""
    if len(a) < len(b):
        a, b = b, a
    if len(a) > 8 * len(b):
        from bisect import insort

        for segment in b:
            insort(a, segment)
        return a
    result: Segments = []
    for segment in sorted(a + b):
        if result and result[-1][1] == segment[0]:
            result[-1] = (result[-1][0], segment[1])
        else:
            result.append(segment)
    return result


def crosses(segments: Segments, points: list[int]) -> bool:
    """Whether any of the sorted points lies within the ranges."""
    if not points or not segments:
        return False
    for start, end in segments:
        index = bisect_left(points, start)
        if index == len(points):
            return False
        if points[index] < end:
            return True
    return False
