"""Where a program's function that returns began.

Programs ask the kernel by ``bpf_get_func_ip``, which knows uprobes since Linux 6.6 only: before, it
gives 0 there.  But what it looks at then was there before (``uprobe_dispatch_data``,
kernel/trace/trace_uprobe.c), and is read instead where the kernel's types tell where it is.
"""

from __future__ import annotations

from prybee.language.lower.operands import Place
from prybee.language.registry import ProbeSyntaxError
from prybee.language.types import KERNEL, UINT64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.btf import Btf
    from prybee.compiler.ir import Value
    from prybee.language.lower.handler import Handler
    from prybee.plan.target import Target

_ASKS = "helper:get_func_ip"
# Where the kernel notes for that helper that a program runs for a uprobe.
_KNOWS = ("bpf_trace_run_ctx", "is_uprobe")
# From the running task to the address of the breakpoint.
_WAY = (("task_struct", "utask"), ("uprobe_task", "vaddr"), ("uprobe_dispatch_data", "bp_addr"))


def check(target: Target) -> None:
    """Whether it is told in the programs of single uretprobes.

    Raises:
        ProbeSyntaxError: it is not.
    """
    if not _asks(target) and _offsets(target.btf) is None:
        raise ProbeSyntaxError(
            "this kernel does not tell where a function began that returns (bpf_get_func_ip of "
            "uprobes, Linux 6.6), and without the kernel's types it cannot be read",
            "use probe, which has the function's name, or supply types (--btf FILE)",
        )


def address(handler: Handler) -> Value | None:
    """The address, in the program of a single uretprobe; None where it is to be asked for."""
    target = handler.script.target
    if _asks(target):
        return None
    offsets = _offsets(target.btf)
    assert offsets is not None, "the checker looks for it"
    value = handler.b.call("get_current_task")
    for offset in offsets:
        value = handler.load(Place(value, offset, UINT64, KERNEL)).value
    return value


def _asks(target: Target) -> bool:
    return target.has(_ASKS) and target.btf is not None and _offset(target.btf, *_KNOWS) is not None


def _offsets(btf: Btf | None) -> list[int] | None:
    found = [_offset(btf, *step) for step in _WAY] if btf is not None else [None]
    known = [each for each in found if each is not None]
    return known if len(known) == len(_WAY) else None


def _offset(btf: Btf, struct: str, member: str) -> int | None:
    """Bytes from a struct's start to a member; None where one of both is missing."""
    id_ = btf.find(struct, "struct")
    found = btf.member(id_, member) if id_ else None
    return found.bit_offset // 8 if found is not None else None
