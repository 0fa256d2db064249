"""Stacks of Python programs: ``pystack``.

The program walks the interpreter's frames in the process's memory, as ``symbols.python`` has it
written down.  The walks over threads and over frames are loops of the kernel (``bpf_loop``), where
there are any, so that the verifier sees each body once; the state of a walk is an object of the
handler's frame, of which each round gets the address.
"""

from __future__ import annotations

from prybee.compiler.ir import FRAME, I8, I16, I32, I64, MAP_VALUE, MEM, Ptr
from prybee.functions import rounds
from prybee.functions.arguments import aliased
from prybee.functions.in_memory import InMemory
from prybee.functions.process import process_id
from prybee.language import tree
from prybee.language.lower.operands import Scalar
from prybee.language.types import UINT64, StackType, Type
from prybee.plan.plan import MapSpec
from prybee.symbols.python import layouts, records
from prybee.symbols.python.layouts import ABSENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler

    # Builds one round of a loop, given the address of the loop's state.
    Round = Callable[[Handler, Value], None]

MODE = "python"
DEFAULT_LIMIT = 127
MAX_LIMIT = 1024

# Threads that are looked at for the one that runs; where the verifier walks every round, and so
# the frames of the loop itself count as well, fewer.
_MOST_THREADS = 4096
_MOST_THREADS_HERE = 64
_MOST_FRAMES_HERE = 64

# What rounds of a loop get: two entries of maps, and where frames are written.
_PROCESS, _SCRATCH, _OUT = 0, 8, 16
_STATE_SIZE = 24

# Memory for what was read: a frame, a code object, a string's header, and an entry to be made …
_FRAME_AT, _CODE_AT, _TEXT_AT, _ENTRY_AT = 0, 128, 384, 448
# … and the numbers of a walk: the object that is looked at, how many frames there are so far, the
# interpreter, the thread's id, its state. On the stack the verifier would keep account of them, and
# have to see every round.
_AT, _COUNT, _INTERPRETER, _WANTED, _FOUND = range(896, 936, 8)
_SCRATCH_SIZE = 1024
# Offsets are taken from a map: so the verifier has to see that they lie within these parts.
_WITHIN_FRAME, _WITHIN_CODE = 127, 255

# Mixing the numbers that a function is known by: odd, and no pattern in their bits.
_MIX = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
_KEY_BITS = 64 - records.KEY_SHIFT
# Texts of more characters are none.
_MOST_CHARACTERS = 1 << 16

_NOEXIST = 1

_HEADER, _COUNT_AT, _PID_AT, _PROBE_AT = 16, 0, 4, 8


class PythonStack(InMemory):
    """``pystack``."""

    name = "pystack"
    signature = "pystack[([limit])]"
    summary = "Python functions of the thread (CPython 3.11 to 3.15)"
    arguments = (0, 1)
    variable = True
    raw_arguments = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        limit = DEFAULT_LIMIT
        if call.args:
            number = call.args[0]
            if isinstance(number, tree.Expression):
                checker.expression(number)
            if not isinstance(number, tree.Integer) or not 0 < number.value <= MAX_LIMIT:
                checker.error(
                    call, f"pystack([int limit]): the limit is a number from 1 to {MAX_LIMIT}"
                )
            else:
                limit = number.value
        return StackType(True, MODE, limit)

    def write(self, call: tree.Call, h: Handler, type_: Type, pointer: Value, offset: int) -> None:
        asked = call.type
        assert isinstance(asked, StackType)
        b = h.b
        if pointer.type.space == MEM:
            # What a ring buffer lends is not for other functions to write to.
            own = h.slot(asked, "pystack")
            self.write(call, h, asked, own, 0)
            b.copy(pointer, offset, own, 0, asked.size)
            if asked.size < type_.size:
                b.zero(pointer, offset + asked.size, type_.size - asked.size)
            return
        b.zero(pointer, offset, type_.size)
        pid = process_id(h)
        b.store(pointer, offset + _PID_AT, pid, I32)
        b.store(pointer, offset + _PROBE_AT, h.const(h.block_index), I64)
        _maps(h)
        key = b.slot(8, 8, "pid")
        b.store(key, 0, pid, I32)
        process = b.call("map_lookup_elem", [b.map_ref(records.PROCESSES), key])
        h.choose(
            b.icmp("ne", process, 0),
            lambda: _walk(h, process, asked.limit, pointer, offset),
            lambda: _want(h, call, pid, key),
        )


def _maps(h: Handler) -> None:
    """The maps become part of the plan."""
    if any(spec.name == records.PROCESSES for spec in h.script.maps):
        return
    h.script.maps += [
        MapSpec(records.PROCESSES, "hash", 4, records.PROCESS_SIZE, records.MOST_PROCESSES),
        MapSpec(records.THREADS, "lru_hash", 4, 8, records.MOST_THREADS),
        MapSpec(records.CODES, "hash", 8, records.CODE_ENTRY_SIZE, records.MOST_CODES),
        MapSpec(records.SCRATCH, "percpu_array", 4, _SCRATCH_SIZE, 1),
        MapSpec(records.WANTED, "lru_hash", 4, 8, records.MOST_WANTED),
    ]


def _want(h: Handler, call: tree.Call, pid: Value, key: Value) -> None:
    """Asks, once, whether a process has an interpreter."""
    b = h.b
    value = b.slot(8, 8, "once")
    b.store(value, 0, h.const(1), I64)
    new = b.call("map_update_elem", [b.map_ref(records.WANTED), key, value, _NOEXIST])
    fields = [(Scalar(pid, UINT64), UINT64), (Scalar(h.const(0), UINT64), UINT64)]
    h.when(
        b.icmp("eq", new, 0),
        lambda: h.record(records.ACTION, fields, (), call),  # type: ignore[arg-type]
        likely=False,
    )


def _walk(h: Handler, process: Value, limit: int, pointer: Value, offset: int) -> None:
    """The frames of a process that has an interpreter."""
    b = h.b
    zero = b.slot(8, 8, "zero")
    b.store(zero, 0, h.const(0), I32)
    scratch = b.call("map_lookup_elem", [b.map_ref(records.SCRATCH), zero])

    def frames() -> None:
        state = b.slot(_STATE_SIZE, 8, "python")
        # bpf_loop() takes a pointer to the stack only.
        state.aux.pinned = True
        b.store(state, _PROCESS, process, I64)
        b.store(state, _SCRATCH, scratch, I64)
        b.store(state, _OUT, b.ptr_add(pointer, offset), I64)
        b.store(scratch, _COUNT, h.const(0), I64)
        thread = _thread(h, process, scratch, state)
        holder = b.variable(I64, "holder")
        b.write(holder, thread)
        cframe = _offset(h, process, "cframe")
        h.when(
            b.icmp("ne", cframe, ABSENT),
            lambda: b.write(holder, _read(h, b.add(thread, cframe))),
        )
        current = _read(h, b.add(b.read(holder), _offset(h, process, "current")))
        b.store(scratch, _AT, b.select(b.icmp("eq", thread, 0), h.const(0), current), I64)
        most = 2 * limit if h.script.can("helper:loop") else min(2 * limit, _MOST_FRAMES_HERE)
        _repeat(h, f"pyframe{limit}", most, state, lambda h, state: _frame(h, state, limit))
        b.store(pointer, offset + _COUNT_AT, b.load(I64, scratch, _COUNT), I32)

    h.when(b.icmp("ne", scratch, 0), frames)


# -- reading ------------------------------------------------------------------------------------


def _offset(h: Handler, process: Value, name: str) -> Value:
    """An offset of the process's interpreter."""
    return h.b.zext(h.b.load(I16, process, records.OFFSET[name]), I64)


def _read(h: Handler, address: Value) -> Value:
    """The 64 bits at an address of the process; 0 where there is nothing."""
    buffer = h.b.slot(8, 8, "word")
    h.b.call("probe_read_user", [buffer, h.const(8), address])
    return h.b.load(I64, buffer, 0)


def _field(h: Handler, process: Value, part: Value, name: str, within: int) -> Value:
    """64 bits of an object that was read before, at the offset that a field has."""
    at = h.b.and_(_offset(h, process, name), within & ~7)
    return h.b.load(I64, h.b.ptr_add(part, at), 0)


def _byte(h: Handler, process: Value, part: Value, name: str) -> Value:
    at = h.b.and_(_offset(h, process, name), _WITHIN_FRAME)
    return h.b.zext(h.b.load(I8, h.b.ptr_add(part, at), 0), I64)


def _repeat(h: Handler, name: str, most: int, state: Value, body: Round) -> None:
    """Run ``body`` until it returns something else than 0, or ``most`` times."""
    function = rounds.function(h, name, lambda _round, state: body(h, state))
    b = h.b
    if h.script.can("helper:loop"):
        b.call("loop", [h.const(most), b.function_address(function), state, 0])
        return
    count = b.variable(I64, "round")
    b.write(count, 0)
    head, inside, following, after = (
        h.block(word) for word in ("walk", "round", "following", "walked")
    )
    b.jump(head)
    b.position_at(head)
    b.branch(b.icmp("ult", b.read(count), most), inside, after)
    h.start(inside)
    done = b.call_function(function, [b.trunc(b.read(count), I32), state])
    b.branch(b.icmp("eq", done, 0), following, after)
    h.start(following)
    b.write(count, b.add(b.read(count), 1))
    b.jump(head)
    b.seal(head)
    h.start(after)


# -- the thread ---------------------------------------------------------------------------------


def _thread(h: Handler, process: Value, scratch: Value, state: Value) -> Value:
    """The address of the running thread's state; 0 for a thread that runs no Python."""
    b = h.b
    wanted = b.variable(I64, "tid")
    b.write(wanted, process_id(h, thread=True))
    device, inode = b.load(I64, process, records.DEVICE), b.load(I64, process, records.INODE)

    def inside() -> None:
        # struct bpf_pidns_info: u32 pid (the thread's), u32 tgid.
        info = b.slot(8, 8, "pidns")
        b.call("get_ns_current_pid_tgid", [device, inode, info, h.const(8)])
        b.write(wanted, b.zext(b.load(I32, info, 0), I64))

    h.when(b.icmp("ne", inode, 0), inside, likely=False)
    b.store(scratch, _WANTED, b.read(wanted), I64)
    native = _offset(h, process, "native_id")
    key = b.slot(8, 8, "tid")
    b.store(key, 0, b.call("get_current_pid_tgid"), I32)
    known = b.call("map_lookup_elem", [b.map_ref(records.THREADS), key])
    found = b.variable(I64, "thread")
    b.write(found, 0)

    def remembered() -> None:
        # It may be a thread of long ago, whose number came round.
        thread = b.load(I64, known, 0)
        same = b.icmp("eq", _read(h, b.add(thread, native)), b.read(wanted))
        b.write(found, b.select(same, thread, h.const(0)))

    h.when(b.icmp("ne", known, 0), remembered)

    def search() -> None:
        interpreter = _read(h, b.load(I64, process, records.RUNTIME))
        b.store(scratch, _INTERPRETER, interpreter, I64)
        b.store(scratch, _AT, _read(h, b.add(interpreter, _offset(h, process, "threads"))), I64)
        b.store(scratch, _FOUND, h.const(0), I64)
        most = _MOST_THREADS if h.script.can("helper:loop") else _MOST_THREADS_HERE
        _repeat(h, "pythread", most, state, _next_thread)
        thread = b.load(I64, scratch, _FOUND)
        b.write(found, thread)
        value = b.slot(8, 8, "thread")
        b.store(value, 0, thread, I64)
        h.when(
            b.icmp("ne", thread, 0),
            lambda: _ignore(b.call("map_update_elem", [b.map_ref(records.THREADS), key, value, 0])),
        )

    h.when(b.icmp("eq", b.read(found), 0), search, likely=False)
    return b.read(found)


def _ignore(_result: Value) -> None:
    """A thread that is not remembered is looked for again."""


def _next_thread(h: Handler, state: Value) -> None:
    """Looks at one thread; at the end of an interpreter's, goes to the next interpreter."""
    b = h.b
    process = b.load(Ptr(MAP_VALUE), state, _PROCESS)
    scratch = b.load(Ptr(MAP_VALUE), state, _SCRATCH)
    thread = b.load(I64, scratch, _AT)

    def another() -> None:
        interpreter = _read(
            h, b.add(b.load(I64, scratch, _INTERPRETER), _offset(h, process, "next_interpreter"))
        )
        h.when(b.icmp("eq", interpreter, 0), lambda: b.ret(1))
        b.store(scratch, _INTERPRETER, interpreter, I64)
        b.store(scratch, _AT, _read(h, b.add(interpreter, _offset(h, process, "threads"))), I64)
        b.ret(0)

    h.when(b.icmp("eq", thread, 0), another, likely=False)

    def this() -> None:
        b.store(scratch, _FOUND, thread, I64)
        b.ret(1)

    native = _read(h, b.add(thread, _offset(h, process, "native_id")))
    h.when(b.icmp("eq", native, b.load(I64, scratch, _WANTED)), this, likely=False)
    b.store(scratch, _AT, _read(h, b.add(thread, _offset(h, process, "next_thread"))), I64)
    b.ret(0)


# -- frames -------------------------------------------------------------------------------------


def _frame(h: Handler, state: Value, limit: int) -> None:
    """Looks at one frame, and goes to the one that called it."""
    b = h.b
    process = b.load(Ptr(MAP_VALUE), state, _PROCESS)
    scratch = b.load(Ptr(MAP_VALUE), state, _SCRATCH)
    out = b.load(Ptr(FRAME), state, _OUT)
    frame = b.load(I64, scratch, _AT)
    h.when(b.icmp("eq", frame, 0), lambda: b.ret(1), likely=False)
    # Bounded where it is used, in one register: older verifiers forget what they know of a number
    # that was put aside. So what follows reads it again.
    index = b.load(I64, scratch, _COUNT)
    h.when(b.icmp("uge", index, limit), lambda: b.ret(1), likely=False)
    place = b.ptr_add(out, b.shl(index, 3))

    def one_more() -> None:
        b.store(scratch, _COUNT, b.add(b.load(I64, scratch, _COUNT), 1), I64)

    def lost() -> None:
        one_more()
        b.ret(1)

    part = b.ptr_add(scratch, _FRAME_AT) if _FRAME_AT else scratch
    failed = b.call("probe_read_user", [part, h.const(layouts.FRAME_SIZE), frame])
    # The word is 0 then: a frame that is not resolved, and the last one.
    h.when(b.icmp("ne", failed, 0), lost, likely=False)
    previous = _field(h, process, part, "previous", _WITHIN_FRAME)
    b.store(scratch, _AT, previous, I64)
    marked = b.icmp("ne", _offset(h, process, "entry"), ABSENT)

    def shim() -> None:
        """A frame of the loop itself: the one before is the first that this call of it has."""

        def mark() -> None:
            last = b.ptr_add(out, b.shl(before, 3))
            word = b.load(I64, last, _HEADER)
            b.store(last, _HEADER, b.or_(word, records.ENTRY), I64)

        before = b.sub(b.load(I64, scratch, _COUNT), 1)
        h.when(b.icmp("ult", before, limit), mark)
        b.ret(0)

    def unmarked() -> None:
        owner = _byte(h, process, part, "owner")
        h.when(b.icmp("uge", owner, layouts.FIRST_SHIM), shim, likely=False)

    entry = b.variable(I64, "entry")
    b.write(entry, b.select(b.icmp("eq", previous, 0), h.const(records.ENTRY), h.const(0)))

    def has_mark() -> None:
        first = b.icmp("ne", _byte(h, process, part, "entry"), 0)
        b.write(entry, b.select(first, h.const(records.ENTRY), b.read(entry)))

    h.choose(marked, has_mark, unmarked)
    word = _code(h, process, scratch)
    b.store(place, _HEADER, b.or_(word, b.read(entry)), I64)
    one_more()
    b.ret(0)


def _code(h: Handler, process: Value, scratch: Value) -> Value:
    """The word of the frame that was read, without the mark; 0 where its code is none."""
    b = h.b
    frame = b.ptr_add(scratch, _FRAME_AT) if _FRAME_AT else scratch
    part = b.ptr_add(scratch, _CODE_AT)
    code = b.and_(_field(h, process, frame, "code", _WITHIN_FRAME), h.const(~7 & (1 << 64) - 1))
    word = b.variable(I64, "word")
    b.write(word, 0)
    failed = b.call("probe_read_user", [part, h.const(layouts.CODE_SIZE), code])

    def known_type() -> None:
        expected = b.load(I64, process, records.CODE_TYPE)
        type_ = b.load(I64, part, layouts.TYPE)
        h.choose(
            b.icmp("eq", expected, 0),
            identify,
            lambda: h.when(b.icmp("eq", type_, expected), identify),
        )

    def identify() -> None:
        name = _field(h, process, part, "name", _WITHIN_CODE)
        at = b.and_(_offset(h, process, "first_line"), _WITHIN_CODE & ~3)
        line = b.zext(b.load(I32, b.ptr_add(part, at), 0), I64)
        pid = process_id(h)
        key = _key(h, code, name, pid, line)
        slot = b.slot(8, 8, "key")
        b.store(slot, 0, key, I64)
        entry = b.call("map_lookup_elem", [b.map_ref(records.CODES), slot])

        def is_it() -> None:
            """Another function may have the same key."""
            differs = b.or_(
                b.or_(
                    b.xor(b.load(I64, entry, records.CODE), code),
                    b.xor(b.load(I64, entry, records.NAME_AT), name),
                ),
                b.or_(
                    b.xor(b.zext(b.load(I32, entry, records.PID), I64), pid),
                    b.xor(b.zext(b.load(I32, entry, records.LINE), I64), line),
                ),
            )
            h.when(b.icmp("eq", differs, 0), lambda: b.write(word, key), likely=True)

        def is_new() -> None:
            made = _new_code(h, process, scratch, code, name, pid, line)
            result = b.call("map_update_elem", [b.map_ref(records.CODES), slot, made, 0])
            h.when(b.icmp("eq", result, 0), lambda: b.write(word, key))

        h.choose(b.icmp("ne", entry, 0), is_it, is_new)

    h.when(b.icmp("eq", failed, 0), known_type, likely=True)
    start = b.add(code, _offset(h, process, "bytecode"))
    instruction = _field(h, process, frame, "instruction", _WITHIN_FRAME)
    number = b.add(b.lshr(b.sub(instruction, start), 1), 1)
    number = b.select(b.icmp("ult", number, records.ENTRY), number, h.const(0))
    key = b.read(word)
    return b.select(b.icmp("ne", key, 0), b.or_(b.shl(key, records.KEY_SHIFT), number), h.const(0))


def _key(h: Handler, code: Value, name: Value, pid: Value, line: Value) -> Value:
    """A number that hardly two functions share, and never 0."""
    b = h.b
    first, second, third = (h.const(number) for number in _MIX)
    mixed = b.xor(b.mul(code, first), b.mul(name, second))
    mixed = b.add(mixed, b.mul(b.or_(b.shl(pid, 32), line), third))
    mixed = b.mul(b.xor(mixed, b.lshr(mixed, 29)), first)
    return b.or_(b.lshr(mixed, 64 - _KEY_BITS), 1)


# -- names --------------------------------------------------------------------------------------


def _new_code(
    h: Handler, process: Value, scratch: Value, code: Value, name: Value, pid: Value, line: Value
) -> Value:
    """An entry for a function that is seen for the first time, in scratch memory."""
    b = h.b
    part = b.ptr_add(scratch, _CODE_AT)
    entry = b.ptr_add(scratch, _ENTRY_AT)
    b.zero(entry, 0, records.CODE_ENTRY_SIZE)
    b.store(entry, records.CODE, code, I64)
    b.store(entry, records.NAME_AT, name, I64)
    b.store(entry, records.PID, pid, I32)
    b.store(entry, records.LINE, line, I32)
    b.store(entry, records.LINES_AT, _field(h, process, part, "lines", _WITHIN_CODE), I64)
    file = _field(h, process, part, "file", _WITHIN_CODE)
    for address, length, text, room in (
        (name, records.NAME_LENGTH, records.NAME, records.NAME_ROOM),
        (file, records.FILE_LENGTH, records.FILE, records.FILE_ROOM),
    ):
        _text(h, process, scratch, address, length, text, room)
    return entry


def _text(
    h: Handler, process: Value, scratch: Value, address: Value, length_at: int, at: int, room: int
) -> None:
    """Copies a Python string into the entry: as much as there is room for, of a path the end."""
    b = h.b
    head = b.ptr_add(scratch, _TEXT_AT)
    entry = b.ptr_add(scratch, _ENTRY_AT)
    failed = b.call("probe_read_user", [head, h.const(layouts.STRING_STATE + 4), address])
    length = b.load(I64, head, layouts.STRING_LENGTH)
    state = b.zext(b.load(I32, head, layouts.STRING_STATE), I64)
    kind = b.and_(b.lshr(state, layouts.STATE_KIND), 7)
    # A string of another shape has its characters elsewhere; no compiler makes such names.
    good = b.icmp("ne", b.and_(state, 1 << layouts.STATE_COMPACT), 0)

    def copy() -> None:
        size = b.mul(length, kind)
        shown = b.select(b.icmp("ult", size, room), size, h.const(room))
        ascii_ = b.icmp("ne", b.and_(state, 1 << layouts.STATE_ASCII), 0)
        start = b.add(
            address,
            b.select(ascii_, _offset(h, process, "ascii"), _offset(h, process, "compact")),
        )
        if at == records.FILE:
            start = b.add(start, b.sub(size, shown))
        unread = b.call("probe_read_user", [b.ptr_add(entry, at), shown, start])
        b.store(entry, length_at, length, I32)
        b.store(entry, length_at + 4, b.select(b.icmp("eq", unread, 0), kind, h.const(0)), I32)

    good = b.and_(good, b.icmp("eq", failed, 0))
    good = b.and_(good, b.icmp("ult", length, _MOST_CHARACTERS))
    h.when(good, copy)


FUNCTIONS = aliased(PythonStack())
