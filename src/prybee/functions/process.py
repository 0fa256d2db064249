"""Who is running: process and thread ids, names, owners, parents."""

from __future__ import annotations

from prybee.compiler.ir import BTF, I32, I64, Ptr
from prybee.functions import tasks
from prybee.functions.arguments import aliased, argument_type, expression, known
from prybee.language import tree
from prybee.language.lower import texts
from prybee.language.lower.operands import Place, Scalar, Text
from prybee.language.registry import Function
from prybee.language.types import (
    BOOL,
    BPF,
    INT32,
    KERNEL,
    UINT32,
    UINT64,
    PointerType,
    StringType,
    StructType,
    Type,
    UsernameType,
    is_integer,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

COMM = StringType(tasks.COMM_SIZE)
_MODES = ("curr_ns", "init")
_LOW = 0xFFFFFFFF
# The kernel's own search for a process, since 6.2.
_TASK_OF = "bpf_task_from_pid"


def process_id(h: Handler, thread: bool = False, initial: bool = False) -> Value:
    """The running process's (or thread's) id, as prybee's own pid namespace numbers it.

    A task outside of that namespace has no number there: the initial namespace's one is given.
    """
    both = h.b.call("get_current_pid_tgid")
    plain = h.b.and_(both, _LOW) if thread else h.b.lshr(both, 32)
    namespace = h.script.target.pid_namespace
    if initial or namespace is None:
        return plain
    # struct bpf_pidns_info: u32 pid, u32 tgid; zeros where the helper fails.
    device, inode = namespace
    info = h.b.slot(8, 8, "pidns")
    h.b.call("get_ns_current_pid_tgid", [h.const(device), h.const(inode), info, h.const(8)])
    inside = h.b.zext(h.b.load(I32, info, 0 if thread else 4), I64)
    return h.b.select(h.b.icmp("ne", inside, 0), inside, plain)


class ProcessId(Function):
    """``pid`` and ``tid``."""

    arguments = (0, 1)
    variable = True
    raw_arguments = True

    def __init__(self, name: str, summary: str, thread: bool) -> None:
        self.name = name
        self.signature = f"{name}[([curr_ns|init])]"
        self.summary = summary
        self.thread = thread

    def check(self, call: tree.Call, checker: Checker) -> Type:
        if call.args:
            mode = call.args[0]
            if not isinstance(mode, tree.Identifier):
                checker.error(call, f"{self.name}() only supports curr_ns and init as the argument")
            elif mode.name not in _MODES:
                checker.error(
                    call,
                    f"Invalid PID namespace mode: {mode.name} (expects: {' or '.join(_MODES)})",
                )
        return UINT32

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        mode = call.args[0] if call.args else None
        initial = isinstance(mode, tree.Identifier) and mode.name == "init"
        return Scalar(process_id(handler, self.thread, initial), UINT32)


class Owner(Function):
    """``uid`` and ``gid``."""

    variable = True

    def __init__(self, name: str, summary: str, shift: int) -> None:
        self.name = self.signature = name
        self.summary = summary
        self.shift = shift

    def check(self, call: tree.Call, checker: Checker) -> Type:
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        both = handler.b.call("get_current_uid_gid")
        half = handler.b.lshr(both, 32) if self.shift else handler.b.and_(both, _LOW)
        return Scalar(half, UINT64)


class Username(Function):
    """``username``: the uid, which becomes a name when it is printed."""

    name = signature = "username"
    summary = "name of the user that the process runs as"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        return UsernameType()

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        both = handler.b.call("get_current_uid_gid")
        return Scalar(handler.b.and_(both, _LOW), UsernameType())


class Comm(Function):
    """``comm``: the running thread's name, or with a pid that of another process."""

    name = "comm"
    signature = "comm[([pid])]"
    summary = "name of the thread, or of the process with an id"
    arguments = (0, 1)
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        if call.args:
            type_ = argument_type(call, 0)
            if known(type_) and not is_integer(type_):
                checker.error(call, "Only integer supported for comm()'s pid")
            context = checker.context
            # kfuncs of tasks: bpf_prog_type_to_kfunc_hook(), kernel/bpf/btf.c.
            if context.program_type not in ("tracing", "tracepoint", "perf_event"):
                checker.error(
                    call,
                    "Syntax comm(PID) is not supported in this probe type yet. "
                    f"Type: {context.provider}",
                )
            elif tasks.offset(checker.target.btf, "comm") is None:
                _no_types(call, checker)
            elif (own := checker.target.own_btf) is None or not own.function(_TASK_OF):
                checker.error(
                    call,
                    "comm(PID) cannot be asked of this kernel",
                    f"kernels that have {_TASK_OF}() (6.2) know the process of any id; comm, "
                    "pcomm and leader_comm name those that are at hand on all kernels",
                )
        return COMM

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        if call.args:
            return _comm_of(handler, handler.lower_integer(expression(call, 0)))
        field = _field(handler)
        if field is not None:
            return field
        buffer = handler.b.slot(COMM.size, 8, "comm")
        _ask(handler, buffer, 0, COMM.size)
        return Place(buffer, 0, COMM, BPF)

    def lower_into(
        self,
        call: tree.Call,
        handler: Handler,
        type_: Type,
        pointer: Value,
        offset: int,
        pad: bool,
    ) -> bool:
        if call.args or not isinstance(type_, StringType) or type_.capacity < COMM.size:
            return False
        b = handler.b
        field = _field(handler)
        if field is not None:
            b.copy(pointer, offset, field.pointer, field.offset, COMM.size)
            if pad and type_.capacity > COMM.size:
                b.zero(pointer, offset + COMM.size, type_.capacity - COMM.size)
            return True
        _ask(handler, pointer, offset, type_.capacity if pad else COMM.size)
        return True


def _ask(h: Handler, pointer: Value, offset: int, size: int) -> None:
    """The helper clears what is behind the name, but not in all kernels (Linux 5.19 to 6.1)."""
    h.b.zero(pointer, offset, size)
    h.b.call("get_current_comm", [h.b.ptr_add(pointer, offset), size])


def _field(h: Handler) -> Place | None:
    """``current->comm``: two loads, where the helper is a call and a copy of strings.

    None where the verifier does not know the task, or there may be anything behind the name.
    """
    target = h.script.target
    if not tasks.typed(target) or tasks.offset(target.btf, "comm") is None:
        return None
    if not texts.padded(h, "comm", COMM.size):
        return None
    return tasks.at(h, tasks.current(h), "comm", COMM)


def _comm_of(h: Handler, pid: Value) -> Place:
    """The name of the process with a number; ``N/A`` where there is none."""
    buffer = h.b.slot(COMM.size, 8, "comm")
    task = h.b.kfunc(_TASK_OF, [pid], Ptr(BTF))

    def copy() -> None:
        place = tasks.at(h, Place(task, 0, COMM, KERNEL, trusted=True), "comm", COMM)
        h.b.copy(buffer, 0, place.pointer, place.offset, COMM.size)
        h.b.kfunc("bpf_task_release", [task], None)

    h.choose(h.b.icmp("ne", task, 0), copy, lambda: h.store(Text(b"N/A", COMM), COMM, buffer, 0))
    return Place(buffer, 0, COMM, BPF)


class Relative(Function):
    """``ppid``, ``pcomm``, ``leader_tid``, ``leader_comm``: a field of a task's relative."""

    arguments = (0, 1)
    variable = True

    def __init__(self, name: str, summary: str, link: str, field: str, type_: Type) -> None:
        self.name = name
        self.signature = f"{name}[([task])]"
        self.summary = summary
        self.link = link
        self.field = field
        self.type = type_

    def check(self, call: tree.Call, checker: Checker) -> Type:
        if tasks.offset(checker.target.btf, self.field) is None:
            _no_types(call, checker)
        elif call.args:
            type_ = argument_type(call, 0)
            if known(type_) and not _is_task(type_):
                checker.error(
                    call,
                    f"Can not access field '{self.link}' on expression of type '{type_}'",
                    "give it a struct task_struct *, such as curtask",
                )
        return self.type

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        node = expression(call, 0) if call.args else None
        relative = tasks.follow(handler, tasks.given(handler, node), self.link)
        place = tasks.at(handler, relative, self.field, self.type)
        return place if isinstance(self.type, StringType) else handler.load(place)


def _is_task(type_: Type) -> bool:
    return (
        isinstance(type_, PointerType)
        and isinstance(type_.target, StructType)
        and type_.target.name == tasks.TASK
    )


def _no_types(call: tree.Call, checker: Checker) -> None:
    checker.error(
        call,
        f"{call.name} needs the kernel's types, which this target does not have",
        "a kernel built with CONFIG_DEBUG_INFO_BTF=y has them, or a file (--btf FILE)",
    )


class CurrentTask(Function):
    """``curtask``: the kernel's own record of the running thread."""

    name = signature = "curtask"
    summary = "struct task_struct * of the running thread"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        struct = tasks.struct_type(checker)
        trusted = tasks.typed(checker.target)
        return PointerType(struct, KERNEL, trusted) if struct is not None else UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        if isinstance(call.type, PointerType) and call.type.trusted:
            return Scalar(handler.b.call("get_current_task_btf"), call.type)
        return Scalar(handler.b.call("get_current_task"), call.type or UINT64)


class Child(Function):
    """``cpid``: the process that ``-c`` started."""

    name = signature = "cpid"
    summary = "process id of the child that -c started"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        if checker.child is None:
            checker.warn(call, "No child command (`-c`); cpid is zero")
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.const(handler.script.checker.child or 0), UINT64)


class HasChild(Function):
    """``has_cpid``: whether there is a child."""

    name = signature = "has_cpid"
    summary = "whether -c started a child"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        return BOOL

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.const(int(handler.script.checker.child is not None)), BOOL)


FUNCTIONS = aliased(
    ProcessId("pid", "process id (thread group id)", thread=False),
    ProcessId("tid", "thread id", thread=True),
    Owner("uid", "user id of the process", 0),
    Owner("gid", "group id of the process", 32),
    Username(),
    Comm(),
    # A thread may have started the process: the kernel then names the thread.  getppid(2) gives
    # the thread group, and so does this.
    Relative("ppid", "process id of the parent", "real_parent", "tgid", INT32),
    Relative("pcomm", "name of the parent", "real_parent", "comm", COMM),
    Relative("leader_tid", "thread id of the process's leader", "group_leader", "pid", INT32),
    Relative("leader_comm", "name of the process's leader", "group_leader", "comm", COMM),
    CurrentTask(),
    Child(),
    HasChild(),
)
