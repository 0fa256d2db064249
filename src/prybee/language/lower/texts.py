"""Texts of the kernel and of programs in our memory: what lies behind their end is cut off.

An array of characters may hold anything behind the NUL, such as the end of a longer text that was
there before.  Keys and comparisons go by whole words, so there the rest must be zeros.
"""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.language.lower.handler import WIDTHS
from prybee.language.types import USER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Place

# Names of threads: of tasks, and as events copy them whole.  The kernel keeps them with zeros
# behind (__set_task_comm, fs/exec.c) since 5.17, which also brought bpf_loop.
_THREADS = frozenset(("comm", "prev_comm", "next_comm", "parent_comm", "child_comm"))
_THREAD_SIZE = 16
_PADDED = "helper:loop"
# Longer ones are read by a helper that stops at the end.
_MOST = 32


def padded(h: Handler, name: str, size: int) -> bool:
    """Whether the field ``name`` of a struct of the kernel has zeros behind its text."""
    return name in _THREADS and size == _THREAD_SIZE and h.script.can(_PADDED)


def copy(h: Handler, place: Place, pointer: Value, offset: int, size: int) -> None:
    """Copy ``size`` bytes of the text at ``place``, with zeros behind its end."""
    if size <= _MOST:
        h.copy_bytes(place, pointer, offset, size)
        _end(h, pointer, offset, size)
        return
    b = h.b
    b.zero(pointer, offset, size)
    helper = "probe_read_user_str" if place.space == USER else "probe_read_kernel_str"
    target = b.ptr_add(pointer, offset) if offset else pointer
    found = b.call(helper, [target, h.const(size), h.address(place)])
    h.note_failure(helper, found)
    # A text that fills its place has no NUL; the helper puts one there.
    h.when(b.icmp("eq", found, size), lambda: h.copy_bytes(place, pointer, offset, size), False)


def _end(h: Handler, pointer: Value, offset: int, size: int) -> None:
    b = h.b
    keep: Value | None = None
    at = 0
    while at < size:
        unit = next(n for n in (8, 4, 2, 1) if at + n <= size and (offset + at) % n == 0)
        word = b.load(WIDTHS[unit], pointer, offset + at)
        if unit < 8:
            word = b.zext(word, I64)
        ones = int.from_bytes(b"\1" * unit, "little")
        # The lowest bit of these is the highest one of the first byte that is zero.
        ends = b.and_(b.and_(b.sub(word, ones), b.not_(word)), ones << 7)
        kept = b.and_(word, b.sub(b.and_(ends, b.neg(ends)), 1))
        if keep is not None:
            kept = b.and_(kept, keep)
        b.store(pointer, offset + at, kept, WIDTHS[unit])
        at += unit
        if at < size:
            # All ones as long as there was no end.
            same = h.const(-1) if keep is None else keep
            keep = b.select(b.icmp("eq", ends, 0), same, h.const(0))
