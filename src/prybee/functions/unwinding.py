"""Walking a process's stack by unwind rows, in the kernel.

What ``bpf_get_stack`` finds of user space is what frame pointers lead to.  Here the walk is our
own: for each frame the row is looked up that says where its caller is (rows come from
``.eh_frame``; :mod:`prybee.symbols.unwinder` brings them here).  Code of which nothing is known is
taken to have frame pointers, and its rows are asked for by a record.

The searches have no branches: each step is arithmetic on the sign of two differences.  A branch
would double the paths that the verifier follows.
"""

from __future__ import annotations

from prybee.compiler.ir import FRAME, I16, I32, I64, MAP_VALUE, Ptr
from prybee.functions import rounds, tasks
from prybee.functions.process import process_id
from prybee.language.lower.loops import context
from prybee.language.lower.operands import Scalar
from prybee.language.types import UINT64
from prybee.plan.plan import MapSpec
from prybee.symbols import unwind_layout as layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.compiler.ir import Block, Function, Value
    from prybee.language import tree
    from prybee.language.lower.handler import Handler
    from prybee.plan.target import Target

ACTION = "unwind"

# The state of a walk, words in the frame of the program: registers, whether the instruction is
# behind a call, the process, its ranges, where frames are written, how many there are, and the row
# of code of which nothing is known.
_IP, _SP, _FP, _BACK, _PID, _SLICE, _RANGES, _FRAMES, _COUNT, _UNKNOWN = range(0, 80, 8)
_STATE = 80

_F_NO_PREALLOC = 1
_F_MMAPABLE = 1 << 10
_NOEXIST = 1
_F_USER_STACK = 1 << 8

# Where a signal frame has the registers, from the stack pointer at the handler's return:
# struct rt_sigframe without its first word (arch/x86/include/asm/sigframe.h).
_SIGNAL_FP, _SIGNAL_SP, _SIGNAL_IP = 120, 160, 168


def why_not(target: Target) -> str:
    """Why stacks cannot be walked by unwind rows there; empty where they can."""
    if target.arch != "x86_64":
        return f"there are no unwind rows for {target.arch}"
    if not all(target.has(each) for each in ("helper:loop", "helper:task_pt_regs", "ringbuf")):
        return "the kernel lacks bpf_loop (Linux 5.17)"
    if not tasks.typed(target):
        return "the kernel shows no types (BTF)"
    return ""


def walk(
    h: Handler,
    call: tree.Call,
    limit: int,
    pointer: Value,
    offset: int,
    otherwise: Callable[[], Value],
    *,
    at_entry: bool = False,
) -> Value:
    """Writes at most ``limit`` addresses at ``pointer + offset``; how many, or a negative number.

    Args:
        at_entry: it begins at the first instruction of a function.
        otherwise: builds the walk of a process of which nothing is known yet.
    """
    _add_maps(h)
    b = h.b
    state = b.slot(_STATE, 8, "walk")
    state.aux.pinned = True
    pid = process_id(h)
    key = b.slot(8, 8, "process")
    b.store(key, 0, pid, I32)
    count = b.variable(I64, "frames")
    found = b.call("map_lookup_elem", [b.map_ref(layout.PROCESSES_MAP), key])
    known, ready, unknown, done = (h.block(name) for name in ("known", "walk", "unknown", "walked"))
    b.branch(b.icmp("ne", found, 0), known, unknown, likely=True)

    h.start(known)
    ranges = b.load(I64, found)
    page = _page(h, ranges, unknown)
    b.jump(ready)
    h.start(ready)
    b.zero(pointer, offset, 8 * limit)
    frames = b.ptr_add(pointer, offset) if offset else pointer
    registers = b.call("task_pt_regs", [b.call("get_current_task_btf")])
    places = _places(h)
    first = layout.AT_ENTRY if at_entry else layout.BY_FRAME_POINTER
    for word, name in ((_IP, "ip"), (_SP, "sp"), (_FP, "bp")):
        b.store(state, word, b.load(I64, registers, places[name]))
    for word, value in (
        (_BACK, h.const(0)), (_PID, pid), (_SLICE, ranges), (_RANGES, page), (_FRAMES, frames),
        (_COUNT, h.const(0)), (_UNKNOWN, h.const(first)),
    ):  # fmt: skip
        b.store(state, word, value, I64)
    step = _step(h, call, limit)
    b.call("loop", [h.const(limit), b.function_address(step), state, 0])
    b.write(count, b.load(I64, state, _COUNT))
    b.jump(done)

    h.start(unknown)
    by_kernel = otherwise()
    b.write(count, by_kernel)
    # Threads of the kernel have no code in user space.
    h.when(b.icmp("sgt", by_kernel, 0), lambda: _want(h, call, pid, h.const(0)))
    b.jump(done)

    h.start(done)
    return b.read(count)


def from_entry(h: Handler, limit: int, pointer: Value, offset: int) -> Value:
    """A walk by frame pointers from the first instruction of a function.

    There the function has no frame of its own yet, so the kernel misses its caller (but where it
    sees that the instruction makes the frame, since Linux 6.11): the return address is taken from
    the stack.
    """
    b = h.b
    size = 8 * limit
    frames = b.ptr_add(pointer, offset)
    count = b.variable(I64, "frames")
    whole = b.call("get_stack", [context(h), frames, size, _F_USER_STACK])
    b.write(count, b.select(b.icmp("slt", whole, 0), whole, b.lshr(whole, 3)))
    registers = h.context.register("sp"), h.context.register("ip")
    sp, ip = (b.load(I64, context(h), place or 0) for place in registers)
    buffer = b.slot(8, 8, "return")
    failed = b.call("probe_read_user", [buffer, h.const(8), sp])
    address = b.select(b.icmp("eq", failed, 0), b.load(I64, buffer), h.const(0))

    def with_caller() -> None:
        more = h.const(0)
        if limit > 2:
            behind = b.ptr_add(frames, 16)
            found = b.call("get_stack", [context(h), behind, size - 16, _F_USER_STACK | 1])
            more = b.select(b.icmp("slt", found, 0), more, b.lshr(found, 3))
        b.store(frames, 0, ip)
        b.store(frames, 8, address)
        b.write(count, b.add(more, 2))

    missed = b.icmp("ne", address, b.load(I64, frames, 8))
    # At a program's very first instruction that word is a number: no code is in the first page.
    known = b.and_(b.zext(b.icmp("ugt", address, 4095), I64), b.zext(missed, I64))
    h.when(b.icmp("ne", known, 0), with_caller)
    return b.read(count)


def _add_maps(h: Handler) -> None:
    if all(spec.name != layout.PAGES_MAP for spec in h.script.maps):
        h.script.maps += (
            MapSpec(
                layout.PAGES_MAP, "array_of_maps", 4, 4, layout.MOST_PAGES,
                inner=MapSpec("unwind_page", "array", 4, layout.PAGE_BYTES, 1, _F_MMAPABLE),
            ),
            MapSpec(
                layout.PROCESSES_MAP, "hash", 4, 8, layout.MOST_PROCESSES, _F_NO_PREALLOC
            ),
            MapSpec(layout.WANTED_MAP, "lru_hash", 8, 8, layout.MOST_WANTED),
        )  # fmt: skip


def _places(h: Handler) -> dict[str, int]:
    """Where registers are in what the kernel keeps of a process that entered it."""
    from prybee.machines import machine

    found = machine(h.script.target.arch)
    assert found is not None
    assert found.registers is not None
    return {name: found.registers.offsets[name] for name in ("ip", "sp", "bp")}


def _page(h: Handler, slice_: Value, missing: Block) -> Value:
    """The page that a slice lies in; goes to ``missing`` where there is none."""
    b = h.b
    number = b.slot(8, 8, "page")
    b.store(number, 0, b.lshr(slice_, layout.PAGE_SHIFT), I32)
    inner = b.call("map_lookup_elem", [b.map_ref(layout.PAGES_MAP), number])
    there, whole = h.block("map"), h.block("page")
    b.branch(b.icmp("ne", inner, 0), there, missing, likely=True)
    h.start(there)
    zero = b.slot(8, 8, "zero")
    b.store(zero, 0, h.const(0), I32)
    page = b.call("map_lookup_elem", [inner, zero])
    b.branch(b.icmp("ne", page, 0), whole, missing, likely=True)
    h.start(whole)
    return page


def _fields(h: Handler, slice_: Value) -> tuple[Value, Value]:
    """The first record of a slice, and how many there are."""
    first = h.b.and_(h.b.lshr(slice_, layout.FIRST_SHIFT), layout.FIELD_MASK)
    return first, h.b.and_(slice_, layout.FIELD_MASK)


def _search(
    h: Handler, most: int, count: Value, wanted: Value, value_at: Callable[[Value], Value]
) -> Value:
    """The number of the last of ``count`` ascending values that is not above ``wanted``.

    It is 0 where all are; numbers are below ``most``, a power of two.
    """
    b = h.b
    beyond = b.add(wanted, 1)
    at = h.const(0)
    for power in reversed(range(most.bit_length() - 1)):
        candidate = b.add(at, 1 << power)
        # Both differences are negative where the candidate is there, and not too high.
        both = b.and_(b.sub(candidate, count), b.sub(value_at(candidate), beyond))
        # Not `(both >> 63) & step`: there verifiers follow both ways (maybe_fork_scalars).
        at = b.add(at, b.shl(b.lshr(both, 63), power))
    return at


def _want(h: Handler, call: tree.Call, pid: Value, pc: Value) -> None:
    """Asks for the rows of the code around an address, once."""
    b = h.b
    key, value = b.slot(8, 8, "wanted"), b.slot(8, 8, "once")
    block = b.and_(b.lshr(pc, layout.BLOCK_SHIFT), 0xFFFFFFFF)
    b.store(key, 0, b.or_(b.shl(pid, 32), block))
    b.store(value, 0, h.const(1), I64)
    new = b.call("map_update_elem", [b.map_ref(layout.WANTED_MAP), key, value, _NOEXIST])

    def send() -> None:
        h.record(ACTION, [(Scalar(pid, UINT64), UINT64), (Scalar(pc, UINT64), UINT64)], (), call)

    h.when(b.icmp("eq", new, 0), send, likely=False)


def _step(h: Handler, call: tree.Call, limit: int) -> Function:
    """The function that writes one frame and goes on to its caller."""
    return rounds.function(
        h,
        f"unwind{limit}",
        lambda index, state: _Step(h, call, limit, index, state).build(),
    )


class _Step:
    """Builds one step of a walk."""

    def __init__(self, h: Handler, call: tree.Call, limit: int, index: Value, state: Value) -> None:
        self.h = h
        self.call = call
        self.limit = limit
        self.index = index
        self.state = state
        self.end = h.block("end")

    def build(self) -> None:
        """Emits the function."""
        h, b, state = self.h, self.h.b, self.state
        index = b.zext(self.index, I64)
        inside = h.block("inside")
        b.branch(b.icmp("ult", index, self.limit), inside, self.end, likely=True)
        h.start(inside)
        ip = b.load(I64, state, _IP)
        frames = b.load(Ptr(FRAME), state, _FRAMES)
        b.store(b.ptr_add(frames, b.shl(index, 3)), 0, ip)
        b.store(state, _COUNT, b.add(index, 1))
        # A call may be the last instruction of a function.
        row = self._find_row(b.sub(ip, b.load(I64, state, _BACK)))
        self._apply(row, ip)
        h.start(self.end)
        b.ret(1)

    def _find_row(self, pc: Value) -> Value:
        h, b, state = self.h, self.h.b, self.state
        row = b.variable(I64, "row")
        missing, found, none = h.block("missing"), h.block("found"), h.block("none")
        ranges = b.load(Ptr(MAP_VALUE), state, _RANGES)
        first, count = _fields(h, b.load(I64, state, _SLICE))

        def record(number: Value) -> Value:
            return b.ptr_add(ranges, b.shl(b.and_(b.add(first, number), mask), 5))

        mask = layout.PAGE_WORDS // layout.RANGE_WORDS - 1
        number = _search(
            h, layout.MOST_RANGES, count, pc, lambda n: b.load(I64, record(n), layout.RANGE_START)
        )
        mapping = record(number)
        begin = b.load(I64, mapping, layout.RANGE_START)
        length = b.sub(b.load(I64, mapping, layout.RANGE_END), begin)
        inside, blocks = h.block("range"), h.block("blocks")
        b.branch(b.icmp("ult", b.sub(pc, begin), length), inside, missing, likely=True)
        h.start(inside)
        distance = b.sub(pc, b.load(I64, mapping, layout.RANGE_BASE))
        directory = b.load(I64, mapping, layout.RANGE_DIRECTORY)
        first_block, block_count = _fields(h, directory)
        block = b.lshr(distance, layout.BLOCK_SHIFT)
        b.branch(b.icmp("ult", block, block_count), blocks, none, likely=True)
        h.start(blocks)
        words = _page(h, directory, none)
        at = b.and_(b.add(first_block, block), layout.PAGE_WORDS - 1)
        rows = b.load(I64, b.ptr_add(words, b.shl(at, 3)))
        loaded = h.block("loaded")
        b.branch(b.icmp("ne", rows, 0), loaded, missing, likely=True)
        h.start(loaded)
        page = _page(h, rows, none)
        first_row, row_count = _fields(h, rows)

        def place(number: Value) -> Value:
            at = b.and_(b.add(first_row, number), layout.PAGE_WORDS - 1)
            return b.ptr_add(page, b.shl(at, 3))

        wanted = b.and_(distance, layout.BLOCK_BYTES - 1)
        number = _search(
            h, layout.MOST_ROWS, row_count, wanted,
            lambda n: b.zext(b.load(I16, place(n)), I64),
        )  # fmt: skip
        b.write(row, b.load(I64, place(number)))
        kind = _field(h, b.read(row), layout.ROW_KIND)
        b.branch(b.icmp("ne", kind, layout.NONE), found, none, likely=True)

        h.start(missing)
        _want(h, self.call, b.load(I64, state, _PID), pc)
        b.jump(none)
        h.start(none)
        b.write(row, b.load(I64, state, _UNKNOWN))
        b.jump(found)
        h.start(found)
        return b.read(row)

    def _apply(self, row: Value, ip: Value) -> None:
        """Finds the caller's registers, and goes on."""
        h, b, state = self.h, self.h.b, self.state
        sp, fp = b.load(I64, state, _SP), b.load(I64, state, _FP)
        kind = _field(h, row, layout.ROW_KIND)
        saved = b.shl(_field(h, row, layout.ROW_FP, signed=True), 3)
        special, plain = h.block("special"), h.block("plain")
        b.branch(b.icmp("uge", kind, layout.SIGNAL), special, plain, likely=False)
        h.start(special)
        signal = h.block("signal")
        b.branch(b.icmp("eq", kind, layout.SIGNAL), signal, self.end)
        h.start(signal)
        self._signal(sp)

        h.start(plain)
        base = b.select(b.icmp("eq", b.and_(kind, layout.FP), 0), sp, fp)
        cfa = b.variable(I64, "cfa")
        b.write(cfa, b.add(base, b.shl(_field(h, row, layout.ROW_CFA, signed=True), 3)))
        # Where the caller's frame pointer is; 0: it has not changed.
        place = b.variable(I64, "place")
        simple, other, caller = h.block("simple"), h.block("other"), h.block("caller")
        b.branch(b.icmp("ule", kind, layout.FP), simple, other, likely=True)
        h.start(simple)
        moved = b.icmp("ne", saved, 0)
        b.write(place, b.select(moved, b.add(b.read(cfa), saved), h.const(0)))
        b.jump(caller)
        h.start(other)
        stub, indirect = h.block("stub"), h.block("indirect")
        b.branch(b.icmp("eq", kind, layout.PLT), stub, indirect)
        h.start(stub)
        past = b.lshr(b.sub(b.sub(b.ashr(saved, 3), b.and_(ip, 15)), 1), 63)
        b.write(cfa, b.add(b.read(cfa), b.shl(past, 3)))
        b.write(place, 0)
        b.jump(caller)
        h.start(indirect)
        b.write(cfa, self._read(b.read(cfa)))
        b.write(place, b.add(fp, saved))
        b.jump(caller)

        h.start(caller)
        # Stacks grow downwards: whoever called is above.
        self._unless(b.icmp("ule", b.read(cfa), sp))
        address = self._read(b.sub(b.read(cfa), 8))
        self._unless(b.icmp("eq", address, 0))
        b.store(state, _IP, address)
        b.store(state, _SP, b.read(cfa))
        b.store(state, _BACK, h.const(1), I64)
        b.store(state, _UNKNOWN, h.const(layout.BY_FRAME_POINTER), I64)

        def follow() -> None:
            b.store(state, _FP, self._read(b.read(place)))

        h.when(b.icmp("ne", b.read(place), 0), follow)
        b.ret(0)

    def _signal(self, sp: Value) -> None:
        """The code that a signal interrupted: its registers are on the stack."""
        b, state = self.h.b, self.state
        fp = self._read(b.add(sp, _SIGNAL_FP))
        address = self._read(b.add(sp, _SIGNAL_IP))
        before = self._read(b.add(sp, _SIGNAL_SP))
        b.store(state, _IP, address)
        b.store(state, _SP, before)
        b.store(state, _FP, fp)
        b.store(state, _BACK, self.h.const(0), I64)
        b.store(state, _UNKNOWN, self.h.const(layout.BY_FRAME_POINTER), I64)
        b.ret(0)

    def _read(self, address: Value) -> Value:
        """A word of the process's memory; where it cannot be read the walk ends."""
        b = self.h.b
        buffer = b.slot(8, 8, "word")
        failed = b.call("probe_read_user", [buffer, self.h.const(8), address])
        self._unless(b.icmp("ne", failed, 0))
        return b.load(I64, buffer)

    def _unless(self, condition: Value) -> None:
        """Ends the walk where a condition holds."""
        following = self.h.block("on")
        self.h.b.branch(condition, self.end, following, likely=False)
        self.h.start(following)


def _field(h: Handler, row: Value, where: tuple[int, int], signed: bool = False) -> Value:
    """A field of a row."""
    first, bits = where
    up = h.b.shl(row, 64 - first - bits)
    return h.b.ashr(up, 64 - bits) if signed else h.b.lshr(up, 64 - bits)
