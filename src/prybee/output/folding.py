"""Keys of maps as chains of frames: what flame graphs are made of."""

from __future__ import annotations

from prybee.output.coder import Coder
from prybee.plan import layouts
from prybee.plan.questions import parts as all_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prybee.output.base import Output

    # Where a part of a key is, what it is, and a function: its bytes → frames, outermost first.
    Part = tuple[int, layouts.Layout, Callable[[bytes], list[bytes]]]

# How functions of the kernel begin that are on a stack because a program looks at it.
_OURS = (b"bpf_prog_", b"bpf_trace_run", b"__bpf_trace_", b"__traceiter_", b"bpf_get_stack")


def parts(key: layouts.Layout | None, output: Output) -> list[Part]:
    """The parts of a key in the order of a chain: names, the user's frames, the kernel's.

    Args:
        key: of the map; only tuples have parts. Tuples in it that have stacks are taken apart, too.
        output: shows what the parts hold.
    """
    if not isinstance(key, layouts.TupleLayout):
        return []
    order = sorted(_flat(key, 0), key=lambda part: _rank(part[1]))
    return [(offset, layout, _shown(layout, output)) for offset, layout in order]


def _flat(layout: layouts.TupleLayout, start: int) -> Iterator[tuple[int, layouts.Layout]]:
    for field in layout.fields:
        inner = field.layout
        if isinstance(inner, layouts.TupleLayout) and any(
            isinstance(part, layouts.StackLayout) for part in all_parts(inner)
        ):
            yield from _flat(inner, start + field.offset)
        else:
            yield start + field.offset, inner


def _rank(layout: layouts.Layout) -> int:
    if not isinstance(layout, layouts.StackLayout):
        return 0
    if layout.user:
        return 2 if layout.mode == "python" else 1
    return 3


def _shown(layout: layouts.Layout, output: Output) -> Callable[[bytes], list[bytes]]:
    if isinstance(layout, layouts.StackLayout):
        stack = output.names.stack(layout)
        if layout.mode == "python":
            return lambda data: [
                line.strip().rpartition(b" (")[0] or line.strip()
                for line in reversed(stack(data).splitlines()[1:])
            ]
        return lambda data: frames(stack(data))
    coder = Coder()
    run: Callable[[bytes], list[bytes]] = coder.run(
        output.text.piece(coder, layout, 0), layout.size
    )
    return lambda data: run(data)[:1]


def frames(stack: bytes) -> list[bytes]:
    """The frames of a stack as it is shown, outermost first, without those of the probe itself."""
    found = [_frame(line.strip()) for line in stack.splitlines()[1:]]
    while found and found[0].startswith(_OURS):
        del found[0]
    return found[::-1]


def _frame(line: bytes) -> bytes:
    """A frame without its offset."""
    return line.rpartition(b"+")[0] or line
