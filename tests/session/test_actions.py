"""Actions that touch the world outside."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from prybee.plan import layouts
from prybee.plan.plan import RecordSpec
from prybee.session.actions import TABLE
from prybee.session.session import Session, SessionOptions
from tests.session.fake import BEGIN, FakeEngine, Screen, plan

STRING = layouts.StringLayout(64)


@pytest.fixture
def screen(tmp_path: Any) -> Iterator[Screen]:
    made = Screen(tmp_path)
    yield made
    made.close()


def act(screen: Screen, action: str, detail: tuple[object, ...], *texts: str) -> None:
    """Run a session whose begin sends one record of ``action`` for each text."""
    fields = ((8, STRING),) if texts else ()
    spec = RecordSpec(1, action, 8 + 64 * bool(texts), fields, detail)
    engine = FakeEngine(plan(BEGIN, records=(spec,)))
    bodies = [
        struct.pack("<I4x", 1) + (t.encode().ljust(64, b"\0") if texts else b"") + bytes(8)
        for t in texts or ("",)
    ]
    engine.on = {"begin": lambda: engine.ring.put(*bodies)}
    Session(engine.plan, engine, screen.output, SessionOptions(max_cat_bytes=10)).run()


def test_cat(screen: Screen, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("0123456789abc")
    act(screen, "cat", ("%s",), "file", "/nowhere")
    assert screen.out == "0123456789\n\n"
    assert "ERROR: failed to open file '/nowhere' (No such file or directory)\n" in screen.errors


def test_cat_of_a_pipe_without_a_writer_does_not_wait(
    screen: Screen, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    act(screen, "cat", ("%s",), "fifo")
    assert screen.out == "\n\n"


def test_cat_of_a_directory_and_of_nothing(screen: Screen) -> None:
    act(screen, "cat", ("%s",), "/", "")
    assert screen.errors.count("ERROR: failed to open file") == 2


def test_system(screen: Screen) -> None:
    act(screen, "system", ("%s",), "echo a; echo b", "printf x", "echo last; exit 3", "kill -9 $$")
    assert screen.out == "a\nb\nx\nlast\n\n\n"
    assert "ERROR: command exited with code 3\n" in screen.errors
    assert "ERROR: command ended by signal 9\n" in screen.errors


def test_time(screen: Screen) -> None:
    act(screen, "time", ("%H:%M %%\n",))
    assert re.fullmatch(r"\d\d:\d\d %\n\n\n", screen.out)


def test_join(screen: Screen) -> None:
    strings = layouts.ArrayLayout(4 * 8, layouts.StringLayout(8), 4)
    whole = layouts.TupleLayout(
        40, (layouts.Field("", 0, layouts.IntLayout(8, False)), layouts.Field("", 8, strings))
    )
    spec = RecordSpec(1, "join", 48, ((8, whole),), (", ",))
    engine = FakeEngine(plan(BEGIN, records=(spec,)))

    def body(*texts: bytes) -> bytes:
        data = b"".join(t.ljust(8, b"\0") for t in texts).ljust(32, b"\xee")
        return struct.pack("<I4xQ", 1, len(texts)) + data + bytes(8)

    engine.on = {"begin": lambda: engine.ring.put(body(b"ls", b"-l", b"12345678"), body())}
    Session(engine.plan, engine, screen.output).run()
    assert screen.out == "ls, -l, 12345678\n\n\n\n"


def test_every_action_of_the_language_is_there() -> None:
    assert set(TABLE) == {
        "printf", "errorf", "warnf", "print_value", "print_map", "print_entry", "clear", "zero",
        "time", "cat", "join", "system", "exit", "unwatch", "unwind", "python",
    }  # fmt: skip


def test_unwatch(screen: Screen) -> None:
    """Each record of a run, before the trace goes on."""
    word = layouts.IntLayout(8, False)
    spec = RecordSpec(1, "unwatch", 16, ((8, word),))
    engine = FakeEngine(plan(BEGIN, records=(spec,)))
    bodies = [struct.pack("<I4xQQ", 1, where, 0) for where in (0x1000, 0xFFFFFFFF81000000)]
    engine.on = {"begin": lambda: engine.ring.put(*bodies)}
    Session(engine.plan, engine, screen.output, SessionOptions()).run()
    assert [each for each in engine.log if each.startswith("unwatch")] == [
        "unwatch 0x1000",
        "unwatch 0xffffffff81000000",
    ]


class FakeUnwinder:
    """Notes what is asked of it."""

    remark = "unwind rows reached their limit"

    def __init__(self) -> None:
        self.log: list[str] = []

    def begin(self, maps: object) -> None:
        self.log.append("begin")

    def look(self) -> None:
        self.log.append("look")

    def work(self) -> bool:
        return False

    def wanted(self, pid: int, address: int) -> None:
        self.log.append(f"{pid} {address:#x}")

    def close(self) -> None:
        self.log.append("close")


@pytest.mark.parametrize(
    ("action", "bringer"), [("unwind", "unwinder"), ("python", "interpreters")]
)
def test_what_programs_ask_for(screen: Screen, action: str, bringer: str) -> None:
    """What programs ask for reaches who brings it; what it could not do is told at the end."""
    word = layouts.IntLayout(8, False)
    spec = RecordSpec(1, action, 24, ((8, word), (16, word)))
    engine = FakeEngine(plan(BEGIN, records=(spec,)))
    bodies = [struct.pack("<I4xQQQ", 1, 77, where, 0) for where in (0, 0x7F0000001000)]
    engine.on = {"begin": lambda: engine.ring.put(*bodies)}
    fake = FakeUnwinder()
    Session(engine.plan, engine, screen.output, SessionOptions(), **{bringer: fake}).run()  # type: ignore[arg-type]
    assert fake.log == ["begin", "77 0x0", "77 0x7f0000001000", "close"]
    assert "WARNING: unwind rows reached their limit" in screen.errors
