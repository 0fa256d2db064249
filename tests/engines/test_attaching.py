"""Which events a probe of threads or CPUs takes, without a kernel."""

from __future__ import annotations

from errno import ENOSPC, ESRCH
from types import SimpleNamespace
from typing import Any

import pytest

from prybee.diagnostics import KernelError
from prybee.engines import attaching
from prybee.engines.kernel import KernelEngine
from prybee.plan.plan import (
    PerfEventAttach,
    ProbeSpec,
    TracepointAttach,
    TracingAttach,
    WatchpointAttach,
)
from tests.session.fake import plan

WATCH = WatchpointAttach(0x1000, 4, "w")


class Opened:
    """An event or link, which knows whether it is open."""

    def __init__(self, where: tuple[int, int]) -> None:
        self.where = where
        self.open = True

    def close(self) -> None:
        self.open = False


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Opens events, but for those in ``refuses``: (thread, CPU) → errno."""
    state = SimpleNamespace(opened=[], refuses={}, threads=[10, 11, 12])

    def open_one(_address: int, _length: int, _mode: str, **options: Any) -> Opened:
        where = options["pid"], options["cpu"]
        assert options["inherit"] == (where[0] >= 0)
        if where in state.refuses:
            raise KernelError("perf_event_open", state.refuses[where])
        state.opened.append(Opened(where))
        return state.opened[-1]

    monkeypatch.setattr(attaching.PerfEvent, "breakpoint", open_one)
    monkeypatch.setattr(attaching, "_linked", lambda _program, event: event)
    monkeypatch.setattr(attaching, "_threads", lambda _pid: state.threads)
    monkeypatch.setattr(attaching.cpus, "online", lambda: (0, 2))
    return state


def watched(way: WatchpointAttach = WATCH) -> list[tuple[int, int]]:
    probe = ProbeSpec("watchpoint", "program", way)
    links: Any = attaching.attach(probe, None, None)  # type: ignore[arg-type]
    return [link.where for link in links]


def test_every_cpu(kernel: SimpleNamespace) -> None:
    assert watched() == [(-1, 0), (-1, 2)]


def test_every_thread_of_a_process(kernel: SimpleNamespace) -> None:
    assert watched(WATCH.replace(pid=10)) == [(10, -1), (11, -1), (12, -1)]


def test_threads_that_end_meanwhile(kernel: SimpleNamespace) -> None:
    kernel.refuses = {(11, -1): ESRCH}
    assert watched(WATCH.replace(pid=10)) == [(10, -1), (12, -1)]


def test_a_process_that_has_ended(kernel: SimpleNamespace) -> None:
    kernel.refuses = {(thread, -1): ESRCH for thread in kernel.threads}
    with pytest.raises(KernelError, match="ESRCH"):
        watched(WATCH.replace(pid=10))


def test_nothing_stays_where_not_all_can_be_had(kernel: SimpleNamespace) -> None:
    kernel.refuses = {(-1, 2): ENOSPC}
    with pytest.raises(KernelError, match="ENOSPC"):
        watched()
    assert [event.open for event in kernel.opened] == [False]


def test_watchpoints_run_in_the_order_of_the_script() -> None:
    """Breakpoint registers are filled, and looked at, from the first on."""
    probes = [ProbeSpec(f"w{n}", "program", WATCH) for n in range(3)]
    clock = ProbeSpec("software:faults:1", "program", PerfEventAttach(1, 2, period=1))
    assert attaching.order([clock, *probes]) == [*probes, clock]


def test_what_functions_call_runs_in_the_order_of_the_script() -> None:
    """Each program is put in front of those that a trampoline has."""
    probes = [ProbeSpec(f"fentry:f{n}", "program", TracingAttach()) for n in range(3)]
    tracepoint = ProbeSpec("tracepoint:a:b", "program", TracepointAttach("a", "b"))
    assert attaching.order([*probes, tracepoint]) == [tracepoint, *probes[::-1]]


def test_unwatch(kernel: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes off all that watches an address, once; the rest goes when the trace ends."""
    gone: list[list[tuple[int, int]]] = []
    monkeypatch.setattr(
        attaching, "detach", lambda links: gone.append([link.where for link in links])
    )
    probes = [
        ProbeSpec("w1", "program", WATCH),
        ProbeSpec("w2", "program", WATCH.replace(mode="rw")),
        ProbeSpec("w3", "program", WATCH.replace(address=0x2000)),
    ]
    engine = KernelEngine(plan(*probes))
    engine.programs = {"program": None}  # type: ignore[dict-item]
    assert engine.attach().count == 3
    assert not engine.unwatch(0x3000)
    assert engine.unwatch(0x1000)
    assert not engine.unwatch(0x1000)
    assert gone == [[(-1, 0), (-1, 2)] * 2]
    engine.detach()
    assert gone[1:] == [[(-1, 0), (-1, 2)]]
    assert not engine.unwatch(0x2000)
