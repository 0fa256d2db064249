"""perf events: the kernel's older door to tracepoints, probes in files, and sampling.

An event's descriptor is what programs of the types ``tracepoint``, ``perf_event`` and ``kprobe``
are attached to (:mod:`prybee.linux.links`).
"""

from __future__ import annotations

from time import CLOCK_MONOTONIC

from prybee.diagnostics import KernelError, NotSupported
from prybee.linux import syscalls, uapi
from prybee.linux.attributes import PERF_EVENT, PERF_FLAGS, Attributes
from prybee.linux.objects import KernelObject

_FLAG_FD_CLOEXEC = 8
_SAMPLE_TID = 0x2
_SAMPLE_TIME = 0x4
_SAMPLE_CALLCHAIN = 0x20
_SAMPLE_RAW = 0x400

# ioctl requests: _IO('$', 0), _IO('$', 1), _IOW('$', 8, u32). On powerpc, mips, sparc and alpha
# the direction bits differ.
ENABLE = 0x2400
DISABLE = 0x2401
_SET_OUTPUT = 0x2405
_SET_BPF = 0x40042408
_SET_BPF_OTHER = 0x80042408

# Bytes of stacks that make a descriptor readable.
_STACKS_WATERMARK = 1 << 15

# include/uapi/linux/hw_breakpoint.h
_BREAKPOINT_TYPES = {"r": 1, "w": 2, "x": 4}
_WORD = 8

_pmu_types: dict[str, int | None] = {}


class PerfEvent(KernelObject):
    """An open event; ``what`` says which, for messages."""

    __slots__ = ("what",)

    def __init__(self, fd: int, what: str) -> None:
        super().__init__(fd)
        self.what = what

    @classmethod
    def tracepoint(cls, number: int, name: str = "", pid: int = -1, cpu: int = 0) -> PerfEvent:
        """A tracepoint by the number in its ``id`` file.

        A program attached to one event of one CPU runs on all CPUs: it belongs to the tracepoint
        (perf_event_set_bpf_prog), so one event is enough.

        Raises:
            KernelError: refused.
        """
        return cls._open(
            name or f"tracepoint {number}",
            pid,
            cpu,
            type=uapi.PERF_TYPE_TRACEPOINT,
            config=number,
            sample_type=_SAMPLE_RAW,
            sample_period=1,
            # Programs run all the same; what is off is perf's own recording.
            flags=PERF_FLAGS["disabled"],
        )

    @classmethod
    def counter(
        cls,
        type_: int,
        config: int,
        *,
        period: int = 0,
        frequency: int = 0,
        pid: int = -1,
        cpu: int = -1,
        inherit: bool = False,
        what: str = "",
    ) -> PerfEvent:
        """A software or hardware event that fires every ``period`` counts or ``frequency`` Hz.

        Args:
            type_, config: as in ``perf_event_attr``: ``uapi.PERF_TYPE_SOFTWARE`` and the index in
                ``uapi.PERF_SOFTWARE_NAMES``.
            period: for clocks in nanoseconds.
            pid: one *thread*; -1 for all. ``inherit`` adds the threads it starts later.

        Raises:
            NotSupported: this machine does not count that.
            KernelError: refused otherwise.
        """
        flags = PERF_FLAGS["freq"] if frequency else 0
        if inherit:
            flags |= PERF_FLAGS["inherit"]
        return cls._open(
            what or _event_name(type_, config),
            pid,
            cpu,
            type=type_,
            config=config,
            sample_period=frequency or period,
            flags=flags,
        )

    @classmethod
    def breakpoint(
        cls,
        address: int,
        length: int,
        mode: str,
        *,
        pid: int = -1,
        cpu: int = -1,
        inherit: bool = False,
    ) -> PerfEvent:
        """A register of the CPU that watches memory.

        Args:
            length: bytes; which are possible, and where they may start, depends on the machine.
            mode: the letters of ``r``, ``w``, ``x``: what the memory is used for.
            pid: one *thread*; -1 for all. ``inherit`` adds the threads it starts later.

        Raises:
            NotSupported: this machine or kernel has no such registers.
            KernelError: refused otherwise: ENOSPC, all of them are in use.
        """
        flags = sum([_BREAKPOINT_TYPES[letter] for letter in mode])
        # Executing has a length that only the kernel has a meaning for: that of a pointer.
        size = _WORD if mode == "x" else length
        return cls._open(
            f"watchpoint {address:#x}:{length}:{mode}",
            pid,
            cpu,
            type=uapi.PERF_TYPE_BREAKPOINT,
            sample_period=1,
            bp_type=flags,
            bp_addr=address,
            bp_len=size,
            flags=PERF_FLAGS["inherit"] if inherit else 0,
        )

    @classmethod
    def output(cls, cpu: int, times: bool = False) -> PerfEvent:
        """The event behind one CPU's part of a perf buffer.

        Args:
            times: records begin with the nanoseconds of CLOCK_MONOTONIC.
        """
        return cls._open(
            f"perf buffer on CPU {cpu}",
            -1,
            cpu,
            type=uapi.PERF_TYPE_SOFTWARE,
            config=uapi.PERF_SOFTWARE_NAMES.index("bpf_output"),
            sample_type=_SAMPLE_RAW | _SAMPLE_TIME if times else _SAMPLE_RAW,
            sample_period=1,
            wakeup_events=1,
            clockid=CLOCK_MONOTONIC if times else 0,
            flags=PERF_FLAGS["use_clockid"] if times else 0,
        )

    @classmethod
    def processes(
        cls, cpu: int, pid: int = -1, *, inherit: bool = False, watermark: int = 0
    ) -> PerfEvent:
        """An event that counts nothing, but tells of new processes, programs and mappings.

        Its records (:mod:`prybee.linux.process_events`) end in a time of CLOCK_MONOTONIC.

        Args:
            pid: one thread, or -1 for all. ``inherit`` adds those it starts later.
            watermark: bytes that make its descriptor readable.

        Raises:
            KernelError: refused.
        """
        names = "mmap comm task watermark sample_id_all mmap2 comm_exec use_clockid"
        flags = sum([PERF_FLAGS[name] for name in names.split()])
        return cls._open(
            f"process events on CPU {cpu}",
            pid,
            cpu,
            type=uapi.PERF_TYPE_SOFTWARE,
            config=uapi.PERF_SOFTWARE_NAMES.index("dummy"),
            sample_type=_SAMPLE_TIME,
            wakeup_watermark=watermark,
            clockid=CLOCK_MONOTONIC,
            flags=flags | (PERF_FLAGS["inherit"] if inherit else 0),
        )

    @classmethod
    def stacks(cls, pid: int, cpu: int, frequency: int) -> PerfEvent:
        """An event that takes the stack of a thread's own code, as users without privileges may.

        Its samples have the process's and the thread's id, the time, and the addresses. Records of
        what the process does (:mod:`prybee.linux.process_events`) are among them, and end in a
        thread's ids and the time.

        Args:
            pid: one thread; those that it starts later are sampled as well, on one CPU.
            cpu: where it runs; -1: anywhere, and then the thread alone.
            frequency: samples a second.

        Raises:
            KernelError: refused.
        """
        names = (
            "freq exclude_kernel exclude_hv exclude_callchain_kernel watermark "
            "mmap mmap2 comm comm_exec task sample_id_all use_clockid"
        )
        flags = sum([PERF_FLAGS[name] for name in names.split()])
        return cls._open(
            f"stacks of thread {pid}",
            pid,
            cpu,
            type=uapi.PERF_TYPE_SOFTWARE,
            config=uapi.PERF_SOFTWARE_NAMES.index("cpu_clock"),
            sample_type=_SAMPLE_TID | _SAMPLE_TIME | _SAMPLE_CALLCHAIN,
            sample_period=frequency,
            wakeup_watermark=_STACKS_WATERMARK,
            clockid=CLOCK_MONOTONIC,
            flags=flags | (PERF_FLAGS["inherit"] if cpu >= 0 else 0),
        )

    @classmethod
    def uprobe(
        cls,
        path: str,
        offset: int,
        *,
        returns: bool = False,
        ref_ctr_offset: int = 0,
        pid: int = -1,
    ) -> PerfEvent:
        """A probe at a place of a file.

        Args:
            offset: in the file, of an instruction's first byte.
            returns: fire when the function that starts there returns.
            ref_ctr_offset: of a USDT semaphore in the file; the kernel counts it up.
            pid: one process (all its threads), or -1 for all.

        Raises:
            NotSupported: the kernel has no uprobes.
            KernelError: refused.
        """
        number = pmu_type("uprobe")
        if number is None:
            raise NotSupported("uprobes", "the kernel has no uprobe events (CONFIG_UPROBE_EVENTS)")
        return cls._open(
            f"{'uretprobe' if returns else 'uprobe'} {path}:{offset:#x}",
            pid,
            0 if pid < 0 else -1,
            type=number,
            config=int(returns) | ref_ctr_offset << 32,
            bp_addr=path.encode("utf-8", "surrogateescape") + b"\0",
            bp_len=offset,
        )

    @classmethod
    def kprobe(
        cls, function: str, offset: int = 0, *, address: int = 0, returns: bool = False
    ) -> PerfEvent:
        """A probe at a place of the kernel.

        Args:
            function: its name; empty where an address is given.
            offset: in the function, of an instruction's first byte.
            address: of an instruction.
            returns: fire when the function returns.

        Raises:
            NotSupported: the kernel has no kprobes.
            KernelError: refused.
        """
        number = pmu_type("kprobe")
        if number is None:
            raise NotSupported("kprobes", "the kernel has no kprobe events (CONFIG_KPROBE_EVENTS)")
        # With a name config1 points to it, and config2 is the offset; without one, the address
        # (include/uapi/linux/perf_event.h: kprobe_func, kprobe_addr).
        place = {"bp_addr": function.encode() + b"\0"} if function else {}
        return cls._open(
            f"{'kretprobe' if returns else 'kprobe'} {function or hex(address)}+{offset:#x}",
            -1,
            0,
            type=number,
            config=int(returns),
            bp_len=offset if function else address,
            **place,
        )

    @classmethod
    def _open(cls, what: str, pid: int, cpu: int, **values: int | bytes) -> PerfEvent:
        attributes = Attributes(PERF_EVENT, **values)
        # An older kernel's structure ends earlier, so no more is sent than is used.
        attributes["size"] = (attributes.size + 7) & -8
        fd = syscalls.kernel.perf_event_open(attributes.address, pid, cpu, -1, _FLAG_FD_CLOEXEC)
        if fd < 0:
            from prybee.linux.refused_events import open_error

            raise open_error(what, -fd)
        return cls(fd, what)

    def enable(self) -> None:
        """Starts an event that was stopped.

        Raises:
            KernelError: refused.
        """
        self._control(ENABLE, "ENABLE")

    def disable(self) -> None:
        """Stops the event, but keeps it.

        Raises:
            KernelError: refused.
        """
        self._control(DISABLE, "DISABLE")

    def write_to(self, other: PerfEvent) -> None:
        """Has records written to the memory of another event of the same CPU.

        Raises:
            KernelError: refused.
        """
        self._control(_SET_OUTPUT, "SET_OUTPUT", other.fd)

    def set_program(self, program_fd: int) -> None:
        """Attaches a program the way it was done before links (Linux 5.15).

        Raises:
            KernelError: refused.
        """
        machine = syscalls.machine()
        other = machine.startswith(("ppc", "mips", "sparc", "alpha"))
        self._control(_SET_BPF_OTHER if other else _SET_BPF, "SET_BPF", program_fd)

    def _control(self, request: int, name: str, argument: int = 0) -> None:
        result = syscalls.kernel.ioctl(self.fd, request, argument)
        if result < 0:
            raise KernelError(f"ioctl(PERF_EVENT_IOC_{name}) for {self.what}", -result)

    def _describe(self) -> str:
        return self.what


def pmu_type(name: str) -> int | None:
    """The number of a dynamic event source such as ``uprobe``; None where there is none."""
    if name not in _pmu_types:
        try:
            with open(f"/sys/bus/event_source/devices/{name}/type", encoding="ascii") as file:
                _pmu_types[name] = int(file.read())
        except (OSError, ValueError):
            _pmu_types[name] = None
    return _pmu_types[name]


def _event_name(type_: int, config: int) -> str:
    if type_ == uapi.PERF_TYPE_SOFTWARE:
        return "software:" + uapi.label(uapi.PERF_SOFTWARE_NAMES, config).replace("_", "-")
    if type_ == uapi.PERF_TYPE_HARDWARE:
        return "hardware:" + uapi.label(uapi.PERF_HARDWARE_NAMES, config).replace("_", "-")
    return f"type {type_} config {config:#x}"
