"""Register allocation: copies coalesced, then a linear scan over live ranges with holes.

r0–r5 do not outlive a call, r6–r9 do.  What finds no register lives in the frame: it is stored
where it is made and loaded where it is used, and the scan begins anew.  Constants, addresses and
maps are made again instead.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from prybee.compiler.ir import CompilerError
from prybee.compiler.liveness import Ranges, crosses, merge, overlap
from prybee.compiler.machine import (
    FIRST_VIRTUAL,
    FP,
    LDDW,
    LDX,
    LEA,
    MOV64_K,
    MOV64_X,
    ST,
    STX,
    FrameObject,
    Op,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.liveness import Segments
    from prybee.compiler.machine import MBlock
    from prybee.diagnostics import Span

_PRESERVED = (6, 7, 8, 9)
# Argument registers last: a range that wants one for a call shall find it free.
_ANY = (0, 5, 4, 3, 2, 1, 6, 7, 8, 9)
_REMADE = frozenset((MOV64_K, LDDW, LEA))


class _Interval:
    __slots__ = ("end", "length", "reg", "segments", "start", "vreg", "weight")

    def __init__(self, vreg: int, segments: Segments, weight: float) -> None:
        self.vreg = vreg
        self.segments = segments
        self.start = segments[0][0]
        self.end = segments[-1][1]
        self.weight = weight
        self.reg = -1


def _take(busy: Segments, more: Segments) -> None:
    """Add ranges to a sorted list of others."""
    if not busy or busy[-1] < more[0]:
        busy.extend(more)
    else:
        for segment in more:
            insort(busy, segment)


class Allocator:
    """Allocates one function: ``blocks`` over ``registers`` virtual and own registers."""

    __slots__ = ("blocks", "function", "parent", "pinned", "registers", "spilled")

    def __init__(self, function: str, blocks: list[MBlock], registers: int) -> None:
        self.function = function
        self.blocks = blocks
        self.registers = registers
        self.parent: list[int] = []
        # registers that exist to load or store a spilled one: spilling them would not end
        self.pinned: set[int] = set()
        self.spilled = 0

    def run(self) -> None:
        """Replace all virtual registers in the operations.

        Raises:
            CompilerError: no allocation was found (an operation needs more registers than exist).
        """
        for _ in range(40):
            ranges = Ranges(self.blocks, self.registers)
            classes = self._coalesce(ranges)
            assignment, spills = self._scan(ranges, classes)
            if not spills:
                self._rename(assignment)
                return
            self._spill(spills)
        raise CompilerError(f"{self.function}: register allocation does not come to an end")

    # -- coalescing -----------------------------------------------------------------------------

    def _find(self, reg: int) -> int:
        parent = self.parent
        while parent[reg] != reg:
            parent[reg] = reg = parent[parent[reg]]
        return reg

    def _coalesce(self, ranges: Ranges) -> list[int]:
        """Give one register to both sides of a move wherever their ranges allow; returns the
        virtual registers that stand for their classes."""
        self.parent = parent = list(range(self.registers))
        segments = ranges.segments
        weights = ranges.weights
        hints = ranges.hints
        pinned = self.pinned
        find = self._find
        ranges.copies.sort()
        for _, _, d, s in ranges.copies:
            d, s = find(d), find(s)
            if d == s or d in pinned or s in pinned or overlap(segments[d], segments[s]):
                continue
            parent[s] = d
            segments[d] = merge(segments[d], segments[s])
            segments[s] = []
            weights[d] += weights[s]
            if s in hints:
                wish = hints.setdefault(d, {})
                for reg, weight in hints.pop(s).items():
                    wish[reg] = wish.get(reg, 0) + weight
        return [r for r in range(FIRST_VIRTUAL, self.registers) if segments[r]]

    # -- the scan -------------------------------------------------------------------------------

    def _scan(self, ranges: Ranges, classes: list[int]) -> tuple[list[int], list[int]]:
        """(register per virtual register, classes to spill)."""
        segments = ranges.segments
        weights = ranges.weights
        calls = ranges.calls
        hints = ranges.hints
        pinned = self.pinned
        fixed = segments[:FP]
        # Per register, all ranges that it is taken in: those of its intervals can be many, and far
        # apart (rare blocks stand at the end), so one sorted list is asked, not each of them.
        taken = [list(each) for each in fixed]
        assigned: list[list[_Interval]] = [[] for _ in range(FP)]
        assignment = [-1] * self.registers
        spills: list[int] = []
        intervals = []
        for reg in classes:
            found = segments[reg]
            length = sum([end - start for start, end in found])
            weight = 1e18 if reg in pinned else weights[reg] / (length + 4)
            intervals.append(_Interval(reg, found, weight))
        intervals.sort(key=_start)
        for current in intervals:
            mine = current.segments
            if crosses(mine, calls):
                candidates: tuple[int, ...] = _PRESERVED
            else:
                candidates = _ANY
            wish = hints.get(current.vreg)
            if wish is not None:
                best = sorted([(-weight, r) for r, weight in wish.items() if r in candidates])
                candidates = (*[r for _, r in best], *candidates)
            for reg in candidates:
                busy = taken[reg]
                if not overlap(mine, busy):
                    _take(busy, mine)
                    assigned[reg].append(current)
                    current.reg = reg
                    break
            else:
                self._evict(current, candidates, fixed, taken, assigned, spills)
        for current in intervals:
            assignment[current.vreg] = current.reg
        return assignment, spills

    def _evict(
        self,
        current: _Interval,
        candidates: tuple[int, ...],
        fixed: list[Segments],
        taken: list[Segments],
        assigned: list[list[_Interval]],
        spills: list[int],
    ) -> None:
        """Spill whatever costs least: this range, or those in the way of it in one register."""
        best = -1
        least = current.weight
        start = current.start
        for reg in dict.fromkeys(candidates):
            if overlap(current.segments, fixed[reg]):
                continue
            assigned[reg] = others = [o for o in assigned[reg] if o.end > start]
            cost = sum([o.weight for o in others if overlap(current.segments, o.segments)])
            if cost < least:
                best, least = reg, cost
        if best < 0:
            if current.vreg in self.pinned:
                raise CompilerError(f"{self.function}: an operation needs too many registers")
            spills.append(current.vreg)
            return
        keep = []
        busy = taken[best]
        for other in assigned[best]:
            if overlap(current.segments, other.segments):
                spills.append(other.vreg)
                other.reg = -1
                for segment in other.segments:
                    del busy[bisect_left(busy, segment)]
            else:
                keep.append(other)
        _take(busy, current.segments)
        keep.append(current)
        assigned[best] = keep
        current.reg = best

    def _rename(self, assignment: list[int]) -> None:
        place = [
            r if r < FIRST_VIRTUAL else assignment[self._find(r)] for r in range(self.registers)
        ]
        for block in self.blocks:
            for op in block.ops:
                op.dst = place[op.dst]
                op.src = place[op.src]

    # -- spilling -------------------------------------------------------------------------------

    def _spill(self, spills: list[int]) -> None:
        """Rewrite the operations so that the given classes live in the frame."""
        homes: dict[int, FrameObject | Op] = {}
        made = self._single_definitions(set(spills))
        for reg in spills:
            remade = made.get(reg)
            if remade is not None and remade.code in _REMADE:
                homes[reg] = remade
            else:
                homes[reg] = FrameObject(8, 8, f"spill{self.spilled}")
                self.spilled += 1
        find = self._find
        for block in self.blocks:
            out: list[Op] = []
            for op in block.ops:
                op.dst = find(op.dst) if op.dst >= FIRST_VIRTUAL else op.dst
                op.src = find(op.src) if op.src >= FIRST_VIRTUAL else op.src
                if op.uses:
                    op.uses = tuple([find(u) for u in op.uses])
                if op.defn >= FIRST_VIRTUAL:
                    op.defn = find(op.defn)
                if op.defn in homes or any(u in homes for u in op.uses):
                    self._rewrite(op, homes, out)
                elif not (op.code == MOV64_X and op.dst == op.src):
                    out.append(op)
            block.ops = out

    def _single_definitions(self, regs: set[int]) -> dict[int, Op]:
        """The one operation that defines each class, for those that have but one."""
        found: dict[int, Op] = {}
        several: set[int] = set()
        for block in self.blocks:
            for op in block.ops:
                if op.defn >= FIRST_VIRTUAL:
                    reg = self._find(op.defn)
                    if reg in regs and not (op.code == MOV64_X and self._find(op.src) == reg):
                        if reg in found:
                            several.add(reg)
                        found[reg] = op
        return {reg: op for reg, op in found.items() if reg not in several}

    def _rewrite(self, op: Op, homes: dict[int, FrameObject | Op], out: list[Op]) -> None:
        code = op.code
        d, s = op.dst, op.src
        if code == MOV64_X and d != s:
            to, source = homes.get(d), homes.get(s)
            if source is not None and to is None:
                if isinstance(source, Op):
                    out.append(_again(source, d, op.uses[1:], op.span))
                else:
                    load = Op(LDX[64], d, FP, 0, 0, op.uses[1:], d, op.span)
                    load.frame = source
                    out.append(load)
                return
            if source is None and isinstance(to, FrameObject):
                store = Op(STX[64], FP, s, 0, 0, (s,), -1, op.span)
                store.frame = to
                out.append(store)
                return
        elif code == MOV64_X:
            return
        if code == MOV64_K:
            to = homes[d]
            if isinstance(to, FrameObject):
                store = Op(ST[64], FP, 0, 0, op.imm, (), -1, op.span)
                store.frame = to
                out.append(store)
            return
        if op.defn in homes and homes[op.defn] is op:
            return  # made again at its uses
        fresh: dict[int, int] = {}
        for u in op.uses:
            home = homes.get(u)
            if home is None or u in fresh:
                continue
            t = fresh[u] = self._pinned()
            if isinstance(home, Op):
                out.append(_again(home, t, (), op.span))
            else:
                load = Op(LDX[64], t, FP, 0, 0, (), t, op.span)
                load.frame = home
                out.append(load)
        defined = op.defn
        if defined in homes and defined not in fresh:
            fresh[defined] = self._pinned()
        op.dst = fresh.get(d, d)
        op.src = fresh.get(s, s)
        op.uses = tuple([fresh.get(u, u) for u in op.uses])
        op.defn = fresh.get(defined, defined)
        out.append(op)
        if defined in homes:
            home = homes[defined]
            assert isinstance(home, FrameObject)
            t = fresh[defined]
            store = Op(STX[64], FP, t, 0, 0, (t,), -1, op.span)
            store.frame = home
            out.append(store)

    def _pinned(self) -> int:
        reg = self.registers
        self.registers = reg + 1
        self.pinned.add(reg)
        return reg


def _start(interval: _Interval) -> tuple[int, int]:
    return interval.start, interval.vreg


def _again(made: Op, reg: int, uses: tuple[int, ...], span: Span | None) -> Op:
    """``made`` once more, into ``reg``."""
    op = Op(made.code, reg, made.src, made.off, made.imm, uses, reg, span)
    op.frame = made.frame
    op.symbol = made.symbol
    return op
