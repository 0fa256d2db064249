"""The stack frame: objects that are never needed at the same time share their bytes."""

from __future__ import annotations

from prybee.compiler.liveness import overlap
from prybee.compiler.machine import CALL, LEA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.liveness import Segments
    from prybee.compiler.machine import FrameObject, MBlock

# Frames that need no more than this are laid out one object after the other: sharing bytes costs
# compile time and saves nothing, as the kernel rounds up and nobody else needs the rest.
_EASY = 256


def lay_out(blocks: list[MBlock]) -> tuple[int, list[FrameObject]]:
    """Set the offsets of all frame objects the operations refer to.

    Returns:
        Bytes of the frame, a multiple of 8; and the objects.
    """
    seen: dict[FrameObject, None] = {}
    for block in blocks:
        for op in block.ops:
            if op.frame is not None:
                seen[op.frame] = None
    objects = list(seen)
    if not objects:
        return 0, objects
    # Widest alignment first leaves no gaps; sorting is stable, so the order is deterministic.
    objects.sort(key=_by_alignment)
    total = 0
    for found in objects:
        total = -(-(total + found.size) // found.align) * found.align
        found.offset = -total
    if total > _EASY:
        total = _share(blocks, objects)
    return (total + 7) & -8, objects


def _by_alignment(found: FrameObject) -> int:
    return -found.align


def _share(blocks: list[MBlock], objects: list[FrameObject]) -> int:
    """First fit, the largest objects first."""
    segments = live_segments(blocks, objects)
    placed: list[tuple[int, int, Segments]] = []
    total = 0
    for index in sorted(range(len(objects)), key=lambda i: (-objects[i].size, i)):
        found = objects[index]
        mine = segments[index]
        taken = sorted([(top, size) for top, size, theirs in placed if overlap(mine, theirs)])
        depth = 0  # bytes below r10 where the object begins, counted downwards
        for top, size in taken:
            if _rounded(depth + found.size, found.align) <= top:
                break
            depth = max(depth, top + size)
        bottom = _rounded(depth + found.size, found.align)
        found.offset = -bottom
        placed.append((bottom - found.size, found.size, mine))
        total = max(total, bottom)
    return total


def _rounded(n: int, align: int) -> int:
    return -(-n // align) * align


def live_segments(blocks: list[MBlock], objects: list[FrameObject]) -> list[Segments]:
    """Where each object holds something: between a reference and a later one, on any path.

    An object starts undefined, so before its first reference and after its last its bytes are
    free.  One whose address escapes is taken to be needed everywhere.
    """
    number = {found: i for i, found in enumerate(objects)}
    first: list[dict[int, int]] = []
    last: list[dict[int, int]] = []
    count = 0
    for block in blocks:
        begin: dict[int, int] = {}
        finish: dict[int, int] = {}
        pending: list[int] = []
        block.start = count
        for i, op in enumerate(block.ops, count):
            if op.frame is not None:
                n = number[op.frame]
                begin.setdefault(n, i)
                finish[n] = i
                if op.code == LEA:
                    pending.append(n)
            elif op.code == CALL and pending:
                for n in pending:
                    finish[n] = i
                pending.clear()
        count += len(block.ops)
        first.append(begin)
        last.append(finish)
    everywhere = sum([1 << number[found] for found in objects if found.escapes])
    mentioned = [sum([1 << n for n in begin]) for begin in first]
    before = _reach(blocks, mentioned, forward=True)
    after = _reach(blocks, mentioned, forward=False)
    result: list[Segments] = [[] for _ in objects]
    for block in blocks:
        i = block.index
        start, end = block.start, block.start + len(block.ops)
        through = before[i] & after[i]
        bits = through | mentioned[i] | everywhere
        while bits:
            low = bits & -bits
            bits ^= low
            n = low.bit_length() - 1
            if everywhere & low or (through & low and n not in first[i]):
                lower, upper = start, end
            else:
                lower = start if before[i] & low else first[i][n]
                upper = end if after[i] & low else last[i][n] + 1
            found = result[n]
            if found and found[-1][1] == lower:
                found[-1] = (found[-1][0], upper)
            else:
                found.append((lower, upper))
    return result


def _reach(blocks: list[MBlock], mentioned: list[int], forward: bool) -> list[int]:
    """Per block, the objects mentioned in blocks before it (or after it), as a bit set."""
    state = [0] * len(blocks)
    order = blocks if forward else blocks[::-1]
    changed = True
    while changed:
        changed = False
        for block in order:
            bits = state[block.index]
            for other in block.preds if forward else block.succs:
                bits |= state[other] | mentioned[other]
            if bits != state[block.index]:
                state[block.index] = bits
                changed = True
    return state
