"""Walking from the running task: fields of ``struct task_struct``, read without a helper.

``bpf_get_current_task_btf`` gives a pointer whose type the verifier knows, so fields are plain
loads; so are those of ``real_parent`` and ``group_leader``, which the verifier trusts as long as
the program runs (``BTF_TYPE_SAFE_RCU(struct task_struct)``, kernel/bpf/verifier.c since 6.3).
Kernels without that helper (below 5.11) give a plain address, from which fields are read as from
any other.
"""

from __future__ import annotations

from prybee.language import tree
from prybee.language.lower import texts
from prybee.language.lower.expressions import pointee
from prybee.language.lower.operands import Place, Scalar
from prybee.language.types import KERNEL, VOID, PointerType, StringType, StructType, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.btf import Btf
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.plan.target import Target

TASK = "task_struct"
# TASK_COMM_LEN, include/linux/sched.h.
COMM_SIZE = 16

_TYPED = "bpf_get_current_task_btf"


def offset(btf: Btf | None, field: str) -> int | None:
    """Byte offset of a field of ``struct task_struct``; None where the target has no such types."""
    if btf is None:
        return None
    struct = btf.find(TASK, "struct")
    member = btf.member(struct, field) if struct else None
    return member.bit_offset // 8 if member is not None else None


def struct_type(checker: Checker) -> StructType | None:
    """``struct task_struct`` as the language sees it; None without the kernel's types."""
    if checker.target.btf is None:
        return None
    type_ = checker.types.find("struct", TASK)
    return type_ if isinstance(type_, StructType) else None


def typed(target: Target) -> bool:
    """Whether the verifier knows what the running task is: the helper is among the functions.

    Offsets must be those that the verifier knows, not from a file with types.
    """
    btf = target.own_btf
    return btf is not None and btf is target.btf and btf.function(_TYPED) != 0


def current(h: Handler) -> Place:
    """The running task."""
    if typed(h.script.target):
        return Place(h.b.call("get_current_task_btf"), 0, VOID, KERNEL, trusted=True)
    return pointee(h, Scalar(h.b.call("get_current_task"), PointerType(VOID, KERNEL)))


def given(h: Handler, node: tree.Expression | None) -> Place:
    """The task that an optional argument points to; without one, the running task."""
    return current(h) if node is None else pointee(h, h.lower(node))


def at(h: Handler, task: Place, field: str, type_: Type) -> Place:
    """Where a field of a task lies."""
    found = offset(h.script.target.btf, field)
    assert found is not None, f"task_struct without {field}: the checker looks for it"
    loose = isinstance(type_, StringType) and not texts.padded(h, field, type_.size)
    return Place(task.pointer, task.offset + found, type_, task.space, task.trusted, loose=loose)


def follow(h: Handler, task: Place, field: str) -> Place:
    """The task that a field of another points to."""
    scalar: Scalar = h.load(at(h, task, field, PointerType(VOID, KERNEL, task.trusted)))
    return pointee(h, scalar)
