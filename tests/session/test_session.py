"""The life of a trace on an engine without a kernel: what happens, and in which order."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from prybee.diagnostics import KernelError
from prybee.output.names import Names
from prybee.output.sink import Sink
from prybee.output.text import TextOutput
from prybee.plan import layouts
from prybee.plan.plan import CounterSpec, RecordSpec, ScriptMap
from prybee.session.session import READY, Session, SessionOptions
from tests.counting import calls
from tests.session.fake import (
    BEGIN,
    CLEAR,
    END,
    EXIT,
    PRINT_MAP,
    PRINTF,
    S64,
    TRACEPOINT,
    USR1,
    ZERO,
    FakeEngine,
    Screen,
    plan,
    record,
    span,
)

M = ScriptMap("@m", S64, S64, "AT_m")

# Seconds after which a session that should end is one that hangs.
GUARD = 30


@pytest.fixture
def screen(tmp_path: Any) -> Iterator[Screen]:
    made = Screen(tmp_path)
    yield made
    made.close()


def session(engine: FakeEngine, screen: Screen, **options: Any) -> Session:
    return Session(engine.plan, engine, screen.output, SessionOptions(**options))


def later(action: Callable[[], object], seconds: float = 0.05) -> None:
    """Do something while the session waits."""
    threading.Timer(seconds, action).start()


def kill(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def test_order_of_a_run(screen: Screen) -> None:
    engine = FakeEngine(plan(BEGIN, TRACEPOINT, END, maps=(M,)))
    engine.maps["@m"] = [(bytes(8), b"\5" + bytes(7))]
    engine.on = {
        "begin": lambda: engine.ring.put(record(PRINTF, 1)),
        "attach": lambda: engine.ring.put(record(PRINTF, 2), record(PRINTF, 3), record(EXIT, 7)),
        "detach": lambda: None,
        "end": lambda: engine.ring.put(record(PRINTF, 4)),
    }
    assert session(engine, screen).run() == 7
    assert engine.log == ["load", "begin", "attach", "detach", "end", "close"]
    assert screen.out == "<1>\n<2>\n<3>\n<4>\n\n\n@m[0]: 5\n"
    assert screen.errors == "Attached 3 probes\n"


def test_begin_and_end_alone_end_by_themselves(screen: Screen) -> None:
    engine = FakeEngine(plan(BEGIN, END))
    engine.on = {"begin": lambda: engine.ring.put(record(PRINTF, 1))}
    assert session(engine, screen).run() == 0
    assert screen.out == "<1>\n\n\n"


def test_records_behind_exit_are_dropped_until_end(screen: Screen) -> None:
    engine = FakeEngine(plan(TRACEPOINT, END))
    engine.on = {
        "attach": lambda: engine.ring.put(record(EXIT, 1), record(EXIT, 2), record(PRINTF, 9)),
        "detach": lambda: engine.ring.put(record(PRINTF, 8)),
        "end": lambda: engine.ring.put(record(PRINTF, 4)),
    }
    assert session(engine, screen).run() == 1
    assert screen.out == "<4>\n\n\n"


def test_exit_whose_record_was_lost(screen: Screen) -> None:
    engine = FakeEngine(plan(TRACEPOINT, counters=(CounterSpec("division", "/", 0),)))

    def leave() -> None:
        engine.globals[8:16] = (6).to_bytes(8, "little")
        engine.ring.put(record(PRINTF, 1))

    engine.on = {"attach": lambda: later(leave)}
    started = time.monotonic()
    assert session(engine, screen).run() == 5
    assert time.monotonic() - started < GUARD
    assert "<1>" in screen.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(screen: Screen, number: int) -> None:
    engine = FakeEngine(plan(TRACEPOINT, END, maps=(M,)))
    engine.maps["@m"] = [(bytes(8), bytes(8))]
    engine.on = {
        "attach": lambda: later(kill(number)),
        # What the probes sent last is still shown.
        "detach": lambda: engine.ring.put(record(PRINTF, 5)),
    }
    started = time.monotonic()
    assert session(engine, screen).run() == 0
    assert time.monotonic() - started < GUARD
    assert screen.out == "<5>\n\n\n@m[0]: 0\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_is_not_kept_waiting_by_commands(screen: Screen) -> None:
    slow = RecordSpec(9, "system", 8, (), ("sleep 0.1; echo x",))
    engine = FakeEngine(plan(TRACEPOINT, END, records=(slow,)))

    def attached() -> None:
        for _ in range(200):
            engine.ring.put(record(slow))
        later(kill(signal.SIGINT))

    engine.on = {"attach": attached}
    assert session(engine, screen).run() == 0
    run = screen.out.count("x\n")
    assert 1 <= run < 100
    assert f"WARNING: {200 - run} commands of system() were not run" in screen.errors


def test_a_second_signal_quits_at_once(screen: Screen) -> None:
    engine = FakeEngine(plan(TRACEPOINT, END))

    def stuck() -> None:
        later(kill(signal.SIGINT))
        time.sleep(2 * GUARD)

    engine.on = {"attach": lambda: later(kill(signal.SIGINT)), "end": stuck}
    started = time.monotonic()
    assert session(engine, screen).run() == 130
    assert time.monotonic() - started < GUARD
    assert engine.log[-1] == "close"


def test_usr1_runs_its_probes(screen: Screen) -> None:
    engine = FakeEngine(plan(USR1, TRACEPOINT))
    engine.on = {
        "attach": lambda: later(kill(signal.SIGUSR1)),
        "self:signal:SIGUSR1": lambda: engine.ring.put(record(PRINTF, 3), record(EXIT, 0)),
    }
    assert session(engine, screen).run() == 0
    assert screen.out == "<3>\n\n\n"


def test_idle_sleeps_with_the_wake_word_set(screen: Screen) -> None:
    engine = FakeEngine(plan(TRACEPOINT))
    seen = []

    def look() -> None:
        seen.append(engine.ring.asleep)
        engine.ring.put(record(EXIT, 0))

    engine.on = {"attach": lambda: later(look, 0.1)}
    assert calls(lambda: session(engine, screen).run()) < 1000
    assert seen == [True]


def test_records_that_keep_coming_are_all_shown(screen: Screen) -> None:
    engine = FakeEngine(plan(TRACEPOINT))

    def send() -> None:
        for number in range(60):
            engine.ring.put(*[record(PRINTF, number)] * 3)
        engine.ring.put(record(EXIT, 0))

    engine.on = {"attach": lambda: later(send)}
    assert session(engine, screen).run() == 0
    assert screen.out == "".join(f"<{n}>\n" * 3 for n in range(60)) + "\n\n"


def test_a_closed_pipe_ends_it_quietly() -> None:
    reader, writer = os.pipe()
    _, errors = os.pipe()
    engine = FakeEngine(plan(TRACEPOINT))
    output = TextOutput(Sink(writer), Sink(errors), Names())
    engine.on = {"attach": lambda: later(lambda: os.close(reader))}
    started = time.monotonic()
    assert Session(engine.plan, engine, output).run() == 0
    assert time.monotonic() - started < GUARD
    assert engine.log[-2:] == ["detach", "close"]


def test_losses_are_told_and_summed(screen: Screen) -> None:
    engine = FakeEngine(plan(BEGIN, TRACEPOINT))

    def lose() -> None:
        engine.losses = [2, 5]

    def send() -> None:
        lose()
        engine.ring.put(record(EXIT, 0))

    engine.on = {"attach": lambda: later(send)}
    session(engine, screen).run()
    assert screen.errors == (
        "Attached 2 probes\nLost 7 events\nWARNING: Total lost event count: 7\n"
        "  begin: 2\n  tracepoint:a:b: 5\n"
    )


WARNINGS = [
    (CounterSpec("division", "/", 0, span()), 1, 0, False, "Divide or modulo by 0 detected."),
    (CounterSpec("map_full", "@x", 0, span()), 1, -7, False, "Map full; can't update element."),
    (CounterSpec("bounds", "4", 0, span()), 1, 0, False, "Array access out of bounds"),
    (CounterSpec("read", "probe_read_user", 0, span()), 1, -14, True, "Bad address"),
    (CounterSpec("helper", "d_path", 0, span()), 1, -34, True, "Numerical result out of range"),
    (CounterSpec("delete", "@x", 0, span()), 1, -2, True, "Can't delete map element because"),
]


@pytest.mark.parametrize(("spec", "count", "code", "on_request", "text"), WARNINGS)
def test_runtime_warnings(
    screen: Screen, spec: CounterSpec, count: int, code: int, on_request: bool, text: str
) -> None:
    engine = FakeEngine(plan(BEGIN, counters=(spec,)))
    engine.counts = [(spec, count, code)]
    session(engine, screen, details=on_request).run()
    assert f"stdin:1:15-21: WARNING: {text}" in screen.errors
    assert screen.errors.count("WARNING") == 1
    if code:
        assert f", retcode: {code}\n" in screen.errors


def test_failed_reads_are_told_on_request_only(screen: Screen) -> None:
    spec = CounterSpec("read", "probe_read_user", 0, span())
    engine = FakeEngine(plan(BEGIN, counters=(spec,)))
    engine.counts = [(spec, 9, -14)]
    session(engine, screen).run()
    assert "WARNING" not in screen.errors


def test_warnings_that_came_often_say_how_often(screen: Screen) -> None:
    spec = CounterSpec("division", "/", 0, span())
    engine = FakeEngine(plan(BEGIN, counters=(spec,)))
    engine.counts = [(spec, 12, 0)]
    session(engine, screen).run()
    assert "(12 times)" in screen.errors


@pytest.mark.parametrize(
    ("mode", "code", "word"), [("error", 255, "ERROR"), ("warn", 3, "WARNING"), ("ignore", 3, "")]
)
def test_probes_that_cannot_be_attached(screen: Screen, mode: str, code: int, word: str) -> None:
    engine = FakeEngine(plan(BEGIN, TRACEPOINT))
    engine.broken = {"tracepoint:a:b"}
    engine.on = {"begin": lambda: engine.ring.put(record(EXIT, 3))}
    assert session(engine, screen, missing_probes=mode).run() == code
    shown = "Unable to attach probe: tracepoint:a:b" in screen.errors
    assert shown == bool(word)
    assert (f"{word}: Unable" in screen.errors) == shown
    assert engine.log[-1] == "close"


def test_a_plan_that_cannot_be_loaded(screen: Screen) -> None:
    engine = FakeEngine(plan(TRACEPOINT))

    def refuse() -> None:
        raise KernelError("bpf(BPF_PROG_LOAD)", 1)

    engine.on = {"load": refuse}
    with pytest.raises(KernelError):
        session(engine, screen).run()
    assert engine.log == ["load", "close"]


def test_dry_run_attaches_and_ends(screen: Screen) -> None:
    engine = FakeEngine(plan(BEGIN, TRACEPOINT, END))
    assert session(engine, screen, dry_run=True).run() == 0
    assert engine.log == ["load", "attach", "detach", "close"]
    assert screen.out == ""


def test_readiness_line(screen: Screen, capfd: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine(plan(BEGIN))
    session(engine, screen, environment={READY: "1"}).run()
    assert capfd.readouterr().out == f"{READY}\n"


def test_maps_are_shown_in_the_order_of_their_names_unless_unwanted(screen: Screen) -> None:
    maps = tuple(ScriptMap(name, None, S64, "g") for name in ("@b", "@a", "@unwritten"))
    engine = FakeEngine(plan(BEGIN, maps=maps))
    engine.maps = {"@b": [(b"", bytes(8))], "@a": [(b"", b"\1" + bytes(7))]}
    session(engine, screen).run()
    assert screen.out == "\n\n@a: 1\n@b: 0\n"


def test_maps_can_be_left_out(screen: Screen) -> None:
    engine = FakeEngine(plan(BEGIN, maps=(M,)))
    engine.maps = {"@m": [(bytes(8), bytes(8))]}
    session(engine, screen, print_maps=False).run()
    assert screen.out == "\n\n"


def test_actions_on_maps_are_in_order(screen: Screen) -> None:
    engine = FakeEngine(plan(BEGIN, maps=(M,)))
    engine.maps = {"@m": [(bytes(8), b"\1" + bytes(7))]}
    engine.on = {
        "begin": lambda: engine.ring.put(
            record(PRINT_MAP),
            record(PRINT_MAP),
            record(ZERO),
            record(PRINT_MAP),
            record(CLEAR),
            record(PRINT_MAP),
        )
    }
    session(engine, screen).run()
    assert screen.out == "@m[0]: 1\n@m[0]: 1\n@m[0]: 0\n\n\n"


COUNT, HIST = layouts.CountLayout(8), layouts.HistLayout(8, 0)
PLAIN = ScriptMap("@m", None, S64, "g", "global", 64, written=8)
COUNTED = ScriptMap("@m", None, COUNT, "g", "global", 64, 64, True)


@pytest.mark.parametrize(
    ("spec", "items", "written", "shown"),
    [
        # (what print(@m) shows, what the end shows)
        (PLAIN, [(b"", bytes(8))], False, ("@m: 0\n", "")),
        (PLAIN, [(b"", bytes(8))], True, ("@m: 0\n", "@m: 0\n")),
        (COUNTED, [(b"", [bytes(8)])], True, ("@m: 0\n", "")),
        (COUNTED, [(b"", [b"\2" + bytes(7), bytes(8)])], True, ("@m: 2\n", "@m: 2\n")),
        (ScriptMap("@m", None, HIST, "g", "global", 64, 64, True), [], True, ("", "")),
        (ScriptMap("@m", None, layouts.StringLayout(16), "AT_m"), [], True, ("@m: \n", "")),
        (ScriptMap("@m", S64, S64, "AT_m"), [], True, ("", "")),
    ],
)  # fmt: skip
def test_what_was_never_written(
    screen: Screen, spec: ScriptMap, items: Any, written: bool, shown: tuple[str, str]
) -> None:
    engine = FakeEngine(plan(BEGIN, maps=(spec,)))
    engine.maps = {"@m": items}
    engine.written = {"@m"} if written else set()
    engine.on = {"begin": lambda: engine.ring.put(record(PRINT_MAP))}
    session(engine, screen).run()
    assert screen.out == f"{shown[0]}\n\n{shown[1]}"


def test_zeroed_scalars_count_as_written(screen: Screen) -> None:
    spec = ScriptMap("@m", None, COUNT, "g", "global", 64, 64, True)
    engine = FakeEngine(plan(BEGIN, maps=(spec,)))
    engine.maps = {"@m": [(b"", [b"\2" + bytes(7)])]}
    engine.on = {"begin": lambda: engine.ring.put(record(ZERO))}
    session(engine, screen).run()
    assert screen.out == "\n\n@m: 0\n"


class FakeProcess:
    """A child or target that can be made to end."""

    def __init__(self) -> None:
        self.fd, self.writer = os.pipe()
        self.pid = 1
        self.log: list[str] = []

    def end(self) -> None:
        self.log.append("end")
        os.write(self.writer, b"x")

    def release(self) -> None:
        self.log.append("release")

    def poll(self) -> int | None:
        return 0 if "end" in self.log else None

    def send(self, number: int = signal.SIGTERM) -> None:
        self.log.append("sigterm")


def test_the_child_runs_when_all_is_attached_and_its_end_is_the_end(screen: Screen) -> None:
    engine, child = FakeEngine(plan(TRACEPOINT)), FakeProcess()
    engine.on = {"attach": lambda: (child.log.append("attached"), later(child.end))[0]}  # type: ignore
    assert Session(engine.plan, engine, screen.output, None, child).run() == 0
    assert child.log == ["attached", "release", "end"]


def test_a_child_that_runs_on_is_ended(screen: Screen) -> None:
    engine, child = FakeEngine(plan(TRACEPOINT)), FakeProcess()
    engine.on = {"attach": lambda: engine.ring.put(record(EXIT, 4))}
    assert Session(engine.plan, engine, screen.output, None, child).run() == 4
    assert child.log == ["release", "sigterm"]


def test_the_end_of_the_target_is_the_end(screen: Screen) -> None:
    engine, target = FakeEngine(plan(TRACEPOINT)), FakeProcess()
    engine.on = {
        "attach": lambda: later(target.end),
        "detach": lambda: engine.ring.put(record(PRINTF, 5)),
    }
    assert Session(engine.plan, engine, screen.output, None, None, target).run() == 0
    assert screen.out == "<5>\n\n\n"


def test_output_that_cannot_be_written_is_told(tmp_path: Any) -> None:
    engine = FakeEngine(plan(BEGIN))
    engine.on = {"begin": lambda: engine.ring.put(record(PRINTF, 1))}
    errors = os.open(tmp_path / "err", os.O_WRONLY | os.O_CREAT)
    full = os.open("/dev/full", os.O_WRONLY)
    output = TextOutput(Sink(full), Sink(errors), Names())
    assert Session(engine.plan, engine, output).run() == 1
    assert "ERROR: cannot write output: No space left on device\n" in (tmp_path / "err").read_text()
    os.close(errors)
    os.close(full)


class FakeRecorder:
    """Notes when it is asked for news; has processes to look at, in two slices."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.reader, self.writer = os.pipe()
        self.lost = 0
        self.slices = 2

    def filenos(self) -> list[int]:
        return [self.reader]

    def drain(self) -> None:
        self.log.append("drain")
        while select.select([self.reader], [], [], 0)[0]:
            os.read(self.reader, 1)

    def survey(self) -> bool:
        self.slices -= 1
        return self.slices > 0

    def close(self) -> None:
        self.log.append("recorder closed")
        os.close(self.reader)
        os.close(self.writer)


def test_a_recorder_is_read_before_records_and_maps(screen: Screen) -> None:
    engine = FakeEngine(plan(TRACEPOINT, maps=(M,)))
    engine.maps["@m"] = [(b"\1" + bytes(7), bytes(8))]
    recorder = FakeRecorder(engine.log)
    recorder.lost = 3
    made = Session(engine.plan, engine, screen.output, SessionOptions(), recorder=recorder)
    before: list[int] = []

    def act() -> None:
        before.append(engine.log.count("drain"))
        os.write(recorder.writer, b"x")
        time.sleep(0.1)
        before.append(engine.log.count("drain"))
        engine.ring.put(record(PRINTF, 1))
        time.sleep(0.1)
        before.append(engine.log.count("drain"))
        os.kill(os.getpid(), signal.SIGINT)

    later(act)
    assert made.run() == 0
    none, waken, with_records = before
    assert none < waken < with_records
    assert recorder.slices <= 0, "those that were there have been looked at"
    assert engine.log[-1] == "recorder closed"
    assert "WARNING: 3 records of what processes map were lost" in screen.errors
