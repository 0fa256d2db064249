"""Which processes are remembered for the time when they are gone."""

from __future__ import annotations

import struct
import time

from prybee.plan import layouts
from prybee.plan.plan import ScriptMap
from prybee.session.observing import Observer, pid_offsets
from tests.session.fake import S64, TRACEPOINT, FakeEngine, plan

STACK = layouts.StackLayout(24, True, "bpftrace", 1)
KERNEL_STACK = layouts.StackLayout(24, False, "bpftrace", 1)
USYM = layouts.UsymLayout(16)
KEY = layouts.TupleLayout(
    48, (layouts.Field("", 0, S64), layouts.Field("", 8, STACK), layouts.Field("", 32, USYM))
)


def stack(pid: int) -> bytes:
    return struct.pack("<iIIIQ", 1, pid, 0, 0, 0x1000)


def test_where_pids_are() -> None:
    assert pid_offsets(None) == []
    assert pid_offsets(S64) == []
    assert pid_offsets(KERNEL_STACK) == []
    assert pid_offsets(STACK) == [4]
    assert pid_offsets(KEY) == [12, 40]


def test_each_process_once() -> None:
    maps = (ScriptMap("@a", STACK, S64, "AT_a"), ScriptMap("@b", S64, STACK, "AT_b"))
    engine = FakeEngine(plan(TRACEPOINT, maps=maps))
    engine.maps = {
        "@a": [(stack(7), bytes(8)), (stack(7), bytes(8)), (stack(8), bytes(8))],
        "@b": [(bytes(8), stack(9))],
    }
    seen: list[int] = []
    observer = Observer(engine.plan, engine, seen.append)
    assert observer.wanted
    observer.look()
    assert seen == [], "not before it is due"
    time.sleep(max(0.0, observer.due - time.monotonic()))
    observer.look()
    assert seen == [7, 8, 9]
    time.sleep(max(0.0, observer.due - time.monotonic()))
    observer.look()
    assert seen == [7, 8, 9]


def test_scripts_without_user_addresses_are_left_alone() -> None:
    engine = FakeEngine(plan(TRACEPOINT, maps=(ScriptMap("@a", KERNEL_STACK, S64, "AT_a"),)))
    assert not Observer(engine.plan, engine, print).wanted


def test_a_child_is_looked_at_while_it_starts() -> None:
    engine = FakeEngine(plan(TRACEPOINT, maps=(ScriptMap("@a", STACK, S64, "AT_a"),)))
    seen: list[int] = []
    observer = Observer(engine.plan, engine, seen.append)
    observer.child(5)
    observer.look()
    assert seen == [5]
    time.sleep(max(0.0, observer.due - time.monotonic()))
    observer.look()
    assert seen == [5, 5]
