"""The plan: what an engine realises.

A plan is made by the compiler's front half from a script and a target description, and refers to
nothing in a kernel: maps and programs go by name, BTF types by name, files by path and offset.
"""

from __future__ import annotations

from prybee.data import Data
from prybee.plan.layouts import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.compile import Relocation
    from prybee.diagnostics import Span


class MapSpec(Data):
    """A map to create.

    ``type`` is the UAPI name in lower case (``percpu_hash``, ``ringbuf``).  ``initial`` is the
    content of a one-element array (global data), zero-padded.  ``share`` is what each CPU's part
    of a perf buffer takes, in bytes.  ``inner`` is what the maps of a map of maps are like.
    """

    name: str
    type: str
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    initial: bytes = b""
    # Counted as a user's map: failures name it as the script does.
    script_name: str = ""
    share: int = 0
    inner: MapSpec | None = None


class ScriptMap(Data):
    """A map of the script (``@x``) and how its bytes read.

    ``storage`` says where values are: ``map`` (a map of its own, ``spec``), or ``global`` (at
    ``offset`` of the global data map ``spec``, one value, or per CPU ``stride`` bytes apart).
    ``key`` is None for a scalar map.
    """

    name: str
    key: Layout | None
    value: Layout
    spec: str
    storage: str = "map"
    offset: int = 0
    stride: int = 0
    per_cpu: bool = False
    # Offset of the u64 that becomes 1 once the map was written to; -1: not tracked.
    written: int = -1
    # Where in the global data programs count the elements (u64); -1: they do not.
    counter: int = -1
    # Bytes of the key, which lies behind the value, where the map is by digests (plan/digests.py).
    key_behind: int = 0


# What stands before the id of a loaded program, where modules are named otherwise.
_LOADED = "bpf:"


def loaded_program(module: str) -> int | None:
    """The id of the loaded program that ``bpf:ID`` stands for; None for a module of the kernel."""
    return int(module.removeprefix(_LOADED)) if module.startswith(_LOADED) else None


class ProgramSpec(Data):
    """A program to load.

    ``type`` and ``attach_type`` are UAPI names in lower case (``raw_tracepoint``, ``tracing`` with
    ``trace_raw_tp``). ``attach_to`` is the name of the BTF type that a tracing program wants, and
    ``attach_module`` the kernel module that has it (empty for the kernel itself; ``bpf:ID`` for a
    program that is loaded).
    ``functions`` and ``lines`` are bpf_func_info and bpf_line_info records, ready for the kernel.
    """

    name: str
    type: str
    insns: bytes
    relocations: tuple[Relocation, ...]
    functions: bytes = b""
    lines: bytes = b""
    attach_type: str = ""
    attach_to: str = ""
    attach_module: str = ""
    sleepable: bool = False
    # (instruction, offset in the script) for those who explain a refusal.
    places: tuple[tuple[int, Span], ...] = ()


class AttachSpec(Data):
    """Base of the ways a program is attached; one subclass per way."""


class SpecialAttach(AttachSpec):
    """Run by the session itself: ``begin``, ``end``, ``self:signal:SIGUSR1``."""

    event: str


class TracepointAttach(AttachSpec):
    """An event of the kernel. ``cookie`` is what the program gets from bpf_get_attach_cookie."""

    category: str
    event: str
    cookie: int = 0


class RawTracepointAttach(AttachSpec):
    """A BTF-typed raw tracepoint; the program's ``attach_to`` says which."""

    event: str


class TracingAttach(AttachSpec):
    """A kernel function's entry or return, or a hook; the program's ``attach_to`` says which."""


class PerfEventAttach(AttachSpec):
    """Sampling: a perf event on one CPU (``cpu`` ≥ 0) or each online one (−1).

    ``frequency`` in Hz, or ``period`` in events (nanoseconds for clocks).
    """

    type: int
    config: int
    period: int = 0
    frequency: int = 0
    cpu: int = -1
    pid: int = -1


class WatchpointAttach(AttachSpec):
    """``length`` bytes of memory from ``address``; ``mode`` has the letters of r, w and x.

    Without a process, wherever a CPU meets that address.
    """

    address: int
    length: int
    mode: str
    pid: int = -1


class ClockAttach(AttachSpec):
    """Run by the session itself every ``period`` nanoseconds."""

    period: int


class UprobeAttach(AttachSpec):
    """One place of a file. ``ref_ctr_offset`` is a USDT semaphore's file offset or 0."""

    path: str
    offset: int
    returns: bool = False
    ref_ctr_offset: int = 0
    cookie: int = 0
    pid: int = -1


class UprobeMultiAttach(AttachSpec):
    """Many places of one file by one link."""

    path: str
    offsets: tuple[int, ...]
    returns: bool = False
    ref_ctr_offsets: tuple[int, ...] = ()
    cookies: tuple[int, ...] = ()
    pid: int = 0


class KprobeAttach(AttachSpec):
    """One place of the kernel: ``offset`` bytes into ``function``, or an ``address``."""

    function: str
    offset: int = 0
    address: int = 0
    returns: bool = False
    cookie: int = 0


class KprobeMultiAttach(AttachSpec):
    """Functions of the kernel by one link: ``name``, or ``module:name``.

    ``session`` runs the program at their starts and ends both, ``returns`` at their ends.
    """

    functions: tuple[str, ...]
    returns: bool = False
    session: bool = False
    cookies: tuple[int, ...] = ()


class IterAttach(AttachSpec):
    """An iterator; ``pin`` is a path for it on the bpf file system, or empty."""

    target: str
    pin: str = ""


class ProbeSpec(Data):
    """One attach point: the full name as listed, the program that runs there, and how."""

    name: str
    program: str
    attach: AttachSpec
    span: Span | None = None
    # How many probes of the language this stands for (a multi link serves many).
    count: int = 1


class RecordSpec(Data):
    """A kind of record for user space: u32 id, then fields at their offsets.

    ``action`` names what user space does with it (a key of the session's action table);
    ``detail`` is its constant data, such as a format text or a map's name.
    """

    id: int
    action: str
    size: int
    fields: tuple[tuple[int, Layout], ...]
    detail: tuple[object, ...] = ()
    span: Span | None = None
    probe: str = ""


class CounterSpec(Data):
    """A counter in global data of something that went wrong: u64 count, s64 last code.

    ``kind`` is one of ``read``, ``map_full``, ``delete``, ``lookup``, ``division``, ``bounds``,
    ``rounds``, ``helper``; ``name`` says more: the helper, the map, or a number.
    """

    kind: str
    name: str
    offset: int
    span: Span | None = None


class WalkSpec(Data):
    """A walk over a map that the engine does for a program.

    ``map`` is the map's name in the plan; ``key`` where in the global data each key is put.
    """

    map: str
    key: int
    key_size: int


class Globals(Data):
    """The global data map, and where in it the session's own words are (byte offsets)."""

    map: str
    size: int
    wake: int
    exit: int
    # u64: nanoseconds of CLOCK_BOOTTIME when the run began; stored before anything runs.
    start: int
    # u64 per probe block: records lost; with the names of the blocks.
    lost: int
    blocks: tuple[str, ...]
    # Size of the array that per-CPU slots are laid out for.
    cpu_slots: int
    # u64 each: which walk a program asks for, and where it is to go on (language/lower/walks.py).
    request: int = -1
    resume: int = -1
    # u64: what makes programs of perf events leave at once, where these are slow to detach.
    stop: int = -1


class Plan(Data):
    """All that a run needs. Programs, maps and probes are in the order of the script."""

    name: str
    programs: tuple[ProgramSpec, ...]
    maps: tuple[MapSpec, ...]
    script_maps: tuple[ScriptMap, ...]
    probes: tuple[ProbeSpec, ...]
    records: tuple[RecordSpec, ...]
    globals: Globals
    counters: tuple[CounterSpec, ...]
    btf: bytes
    license: str
    # By their numbers.
    walks: tuple[WalkSpec, ...] = ()
    # Probe names that were asked for and left out, with the reason.
    skipped: tuple[tuple[str, str], ...] = ()
    # Records may wait until the reader comes by itself; those that may not wake it.
    patient: bool = False
