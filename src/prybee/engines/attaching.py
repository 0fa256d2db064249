"""A plan's probes in the kernel: each way of attaching made real."""

from __future__ import annotations

import os
from errno import ESRCH
from struct import pack

from prybee.diagnostics import KernelError, NotSupported
from prybee.linux import cpus, links, uapi
from prybee.linux.closing import close_all, leave
from prybee.linux.perf import PerfEvent
from prybee.plan import plan as p

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prybee.diagnostics import PrybeeError
    from prybee.engines.live import LiveTarget
    from prybee.linux.links import Link
    from prybee.linux.programs import Program

    Machine = Callable[[], LiveTarget]

# Where several programs are attached to one place the kernel runs them, for most kinds, in the
# order they were attached; but uprobe consumers (kernel/events/uprobes.c, consumer_add), software
# events (kernel/events/core.c, perf_swevent_add), what functions call (kernel/bpf/trampoline.c,
# __bpf_trampoline_link_prog) and kprobes (kernel/kprobes.c, add_new_kprobe; for
# many of them kernel/trace/ftrace.c, add_ftrace_ops) are put at the head of their lists.
REVERSED = (p.UprobeAttach, p.UprobeMultiAttach, p.PerfEventAttach, p.TracingAttach)
# Returns of functions, one by one and by links for many, run in the order of attaching; since Linux
# 6.14 the latter are in lists as well. It is known by the type of the list's nodes.
_RETURNS_IN_LISTS = "fprobe_hlist"
# Clocks have a timer each, which runs off in the order they were started.
_CLOCKS = tuple(uapi.PERF_SOFTWARE_NAMES.index(name) for name in ("cpu_clock", "task_clock"))

BPF_FILE_SYSTEM = "/sys/fs/bpf"


def order(probes: Sequence[p.ProbeSpec], machine: Machine | None = None) -> list[p.ProbeSpec]:
    """Probes in the order they must be attached in, so that they run in the script's order.

    Args:
        machine: tells of the running machine, where that matters.
    """
    ways = [probe.attach for probe in probes]
    returns = [way for way in ways if isinstance(way, p.KprobeMultiAttach) and way.returns]
    listed = False
    if len(returns) > 1 and machine is not None:
        btf = machine().btf
        listed = btf is not None and bool(btf.find(_RETURNS_IN_LISTS, "struct"))
    first = [probe for probe in probes if not _reversed(probe.attach, listed)]
    last = [probe for probe in probes if _reversed(probe.attach, listed)]
    return first + last[::-1]


def _reversed(way: p.AttachSpec, listed: bool) -> bool:
    if isinstance(way, p.KprobeMultiAttach):
        return listed or not way.returns
    if isinstance(way, p.KprobeAttach):
        return not way.returns
    if isinstance(way, p.PerfEventAttach):
        return way.type != uapi.PERF_TYPE_SOFTWARE or way.config not in _CLOCKS
    return isinstance(way, REVERSED)


def attach(
    probe: p.ProbeSpec,
    program: Program,
    machine: Machine,
    missed: list[tuple[str, PrybeeError]] | None = None,
) -> list[Link]:
    """Attaches one probe; more than one link where it takes several events.

    Args:
        machine: tells of the running machine, where that is needed.
        missed: takes the functions that one link for many had to leave out, and why.

    Raises:
        NotSupported: this kernel does not have it.
        KernelError: refused.
    """
    way = probe.attach
    if isinstance(way, p.KprobeMultiAttach):
        from prybee.engines.kprobes import attach_many

        return attach_many(way, program, machine(), missed if missed is not None else [])
    return _WAYS[type(way)](way, program, machine)


def collected(made: Iterable[Link]) -> list[Link]:
    """Links as they are made: all of them, or none where one of them cannot be."""
    done: list[Link] = []
    try:
        # Those made before a failure stay in the list.
        done.extend(made)
    except BaseException:
        close_all(done)
        raise
    return done


def detach(attached: Sequence[Link]) -> None:
    """Closes links, so that no program runs when this returns."""
    # The events of tracepoints and uprobes take long to close, and run nothing without their links.
    rest = [
        link.release_event() for link in attached if isinstance(link, links.PerfLink) and link.event
    ]
    close_all(attached)
    leave([fd for fd in rest if fd >= 0])


def leave_stopped(attached: Sequence[Link]) -> list[Link]:
    """Leaves perf events to a process in the background whose programs do nothing any more.

    Returns:
        The links of other kinds, which are still to be closed.
    """
    events = [each for each in attached if isinstance(each, links.PerfLink) and each.plain]
    if events:
        # Closing one waits for all programs that have begun before they were stopped.
        events[0].close()
        leave([link.release() for link in events[1:]])
    left = {id(link) for link in events}
    return [link for link in attached if id(link) not in left]


def _tracepoint(way: p.TracepointAttach, program: Program, machine: Machine) -> list[Link]:
    tracefs = machine().tracefs
    number = tracefs.event_id(way.category, way.event)
    name = f"tracepoint:{way.category}:{way.event}"
    if number is None:
        if not tracefs.root:
            raise NotSupported(
                name, "the kernel's list of events (tracefs) cannot be read", "run it as root"
            )
        raise NotSupported(name, "this kernel has no such event")
    event = PerfEvent.tracepoint(number, name, cpu=cpus.online()[0])
    return [_linked(program, event, way.cookie, keep_event=True)]


def _raw_tracepoint(way: p.RawTracepointAttach, program: Program, _: Machine) -> list[Link]:
    if program.type == "tracing":
        return [links.tracing(program, f"rawtracepoint:{way.event}")]
    return [links.raw_tracepoint(program, way.event)]


def _tracing(_way: p.TracingAttach, program: Program, _: Machine) -> list[Link]:
    return [links.tracing(program, program.name)]


def _perf_event(way: p.PerfEventAttach, program: Program, _: Machine) -> list[Link]:
    def open_one(pid: int, cpu: int) -> PerfEvent:
        return PerfEvent.counter(
            way.type,
            way.config,
            period=way.period,
            frequency=way.frequency,
            pid=pid,
            cpu=cpu,
            inherit=pid >= 0,
        )

    return _wherever(program, way.pid, way.cpu, open_one)


def _watchpoint(way: p.WatchpointAttach, program: Program, _: Machine) -> list[Link]:
    def open_one(pid: int, cpu: int) -> PerfEvent:
        return PerfEvent.breakpoint(
            way.address, way.length, way.mode, pid=pid, cpu=cpu, inherit=pid >= 0
        )

    return _wherever(program, way.pid, -1, open_one)


def _wherever(
    program: Program, pid: int, cpu: int, open_one: Callable[[int, int], PerfEvent]
) -> list[Link]:
    """Links to the events of each thread of a process, or of each CPU (``cpu`` -1), or of one."""
    if pid >= 0 and cpu < 0:
        # An event follows one thread, wherever it runs; inheriting covers those it starts.
        places = [(thread, -1) for thread in _threads(pid)]
    else:
        places = [(pid, each) for each in (cpus.online() if cpu < 0 else (cpu,))]
    gone: list[KernelError] = []

    def links_there() -> Iterator[Link]:
        for place in places:
            try:
                yield _linked(program, open_one(*place))
            except KernelError as error:
                if error.errno != ESRCH:
                    raise
                gone.append(error)  # A thread that ended meanwhile.

    made = collected(links_there())
    if gone and not made:
        raise gone[-1]
    return made


def _threads(pid: int) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return [pid]


def _uprobe(way: p.UprobeAttach, program: Program, _: Machine) -> list[Link]:
    event = PerfEvent.uprobe(
        way.path,
        way.offset,
        returns=way.returns,
        ref_ctr_offset=way.ref_ctr_offset,
        pid=way.pid,
    )
    return [_linked(program, event, way.cookie, keep_event=True)]


def _kprobe(way: p.KprobeAttach, program: Program, machine: Machine) -> list[Link]:
    addresses = machine().function_addresses(way.function) if way.function else ()
    if addresses:
        # Of several functions called so the kernel takes the first, or none (since 6.6).
        places = [("", 0, address + way.offset) for address in addresses]
    else:
        places = [(way.function, way.offset, way.address)]

    def link(function: str, offset: int, address: int) -> Link:
        event = PerfEvent.kprobe(function, offset, address=address, returns=way.returns)
        return _linked(program, event, way.cookie, keep_event=True)

    return collected(link(*place) for place in places)


def _uprobe_multi(way: p.UprobeMultiAttach, program: Program, _: Machine) -> list[Link]:
    return [
        links.uprobe_multi(
            program,
            way.path,
            way.offsets,
            returns=way.returns,
            ref_ctr_offsets=way.ref_ctr_offsets,
            cookies=way.cookies,
            pid=max(way.pid, 0),
        )
    ]


# What an iterator wants to be told beside its name: for cgroups, to walk down (order 2,
# BPF_CGROUP_ITER_DESCENDANTS_PRE) from the root (no descriptor, no id).
_ITERATOR_INFO = {"cgroup": pack("=IIQ", 2, 0, 0)}


def _iterator(way: p.IterAttach, program: Program, _: Machine) -> list[Link]:
    link = links.iterator(program, way.target, _ITERATOR_INFO.get(way.target, b""))
    if way.pin:
        path = way.pin if way.pin.startswith("/") else f"{BPF_FILE_SYSTEM}/{way.pin}"
        try:
            link.pin(path)
        except KernelError as error:
            link.close()
            hint = error.hint
            if not os.path.ismount(BPF_FILE_SYSTEM) and path.startswith(BPF_FILE_SYSTEM):
                hint = f"the bpf file system is not mounted: mount -t bpf bpf {BPF_FILE_SYSTEM}"
            raise KernelError(f"pinning iter:{way.target} at {path}", error.errno, hint) from None
    return [link]


def _linked(
    program: Program, event: PerfEvent, cookie: int = 0, keep_event: bool = False
) -> links.PerfLink:
    try:
        return links.perf_event(program, event, cookie, keep_event)
    except BaseException:
        event.close()
        raise


_WAYS: dict[type[p.AttachSpec], Callable[..., list[Link]]] = {
    p.TracepointAttach: _tracepoint,
    p.RawTracepointAttach: _raw_tracepoint,
    p.TracingAttach: _tracing,
    p.PerfEventAttach: _perf_event,
    p.WatchpointAttach: _watchpoint,
    p.UprobeAttach: _uprobe,
    p.KprobeAttach: _kprobe,
    p.UprobeMultiAttach: _uprobe_multi,
    p.IterAttach: _iterator,
}
