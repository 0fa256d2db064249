"""Records that may wait: they do not wake their reader, unless they become many."""

from __future__ import annotations

import select

import pytest

from prybee.engines.kernel import KernelEngine
from tests.conftest import need
from tests.language.running import TARGET, compile_text

pytestmark = pytest.mark.live


def woken(engine: KernelEngine, before: str = "begin") -> bool:
    """Whether what a program sends wakes a reader that sleeps."""
    ring = engine.ring
    waiter = select.poll()
    waiter.register(ring.fileno(), select.POLLIN)
    assert ring.sleep()
    engine.run_special(before)
    found = bool(waiter.poll(0))
    ring.awake()
    return found


def engine_of(text: str, patient: bool = True, pages: str = "1") -> KernelEngine:
    environment = {"PRYBEE_PERF_RB_PAGES": pages}
    plan = compile_text(text, patient=patient, environment=environment).plan
    assert plan.patient == patient
    return KernelEngine(plan, TARGET)


@pytest.mark.parametrize(
    ("text", "patient", "wakes"),
    [
        ("begin { print(1); }", True, False),
        ("begin { print(1); }", False, True),
        # What is not a value has something to be done.
        ('begin { print(1); printf("x"); }', True, True),
        ("begin { exit(); }", True, True),
        # A quarter of the buffer: 1024 bytes, of which the record that is sent is one.
        ("begin { for $i : 0..42 { print($i); } }", True, False),
        ("begin { for $i : 0..43 { print($i); } }", True, True),
    ],
)
def test_who_wakes_the_reader(text: str, patient: bool, wakes: bool) -> None:
    need("ringbuf")
    need("helper:loop")
    with engine_of(text, patient) as engine:
        engine.load()
        assert woken(engine) == wakes
        # What waits is there all the same.
        found = engine.ring.take()
        assert found is not None


def test_what_waits_does_not_wake_it_the_next_time() -> None:
    need("ringbuf")
    with engine_of('begin { print(1); } self:signal:SIGUSR1 { printf("x"); }') as engine:
        engine.load()
        assert not woken(engine)
        assert not woken(engine)
        assert woken(engine, "self:signal:SIGUSR1")
        # It is told once.
        assert not woken(engine)


def test_a_session_comes_by_itself() -> None:
    """Where nobody wakes it."""
    from prybee.output.names import Names
    from prybee.output.sink import Sink
    from prybee.output.text import TextOutput
    from prybee.session.session import Session

    class Noting(TextOutput):
        def value(self, spec):  # type: ignore[no-untyped-def]
            return lambda view: batches.append(len(view) // spec.size)

    batches: list[int] = []
    text = "interval:ms:5 { print(nsecs); } interval:ms:400 { exit(); }"
    engine = engine_of(text, pages="16")
    Session(engine.plan, engine, Noting(Sink(1), Sink(2), Names(), quiet=True)).run()
    assert sum(batches) > 20
    # Ten times a second, and not for each of them.
    assert len(batches) <= 6, batches
