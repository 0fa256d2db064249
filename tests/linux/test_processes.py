"""Held children, and processes that are watched."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from prybee.diagnostics import PrybeeError
from prybee.linux.processes import Child, Process, SpawnError, find_program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("after_exec", [False, True])
def test_child_is_held(tmp_path: Path, after_exec: bool) -> None:
    mark = tmp_path / "mark"
    with Child(
        ["sh", "-c", f"echo $NAME > {mark}; exit 3"], {"NAME": "x"}, after_exec=after_exec
    ) as c:
        time.sleep(0.05)
        assert not mark.exists()
        assert c.poll() is None
        assert c.alive
        comm = (tmp_path / f"/proc/{c.pid}/comm").read_text()
        assert (comm == "sh\n") == after_exec
        c.release()
        c.release()
        assert c.wait() == 3
        assert not c.alive
        assert mark.read_text() == "x\n"
        assert repr(c).startswith("Child(sh -c echo")


@pytest.mark.parametrize("after_exec", [False, True])
def test_child_that_is_never_released_goes(after_exec: bool) -> None:
    with Child(["sleep", "100"], after_exec=after_exec) as child:
        pid = child.pid
    assert child.status == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("after_exec", [False, True])
def test_exec_error_is_reported(tmp_path: Path, after_exec: bool) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"\x7fELFnot really")
    bad.chmod(0o755)
    with pytest.raises(SpawnError, match="neither a program nor a script"):  # noqa: PT012
        child = Child([str(bad)], after_exec=after_exec)
        try:
            child.release()
        finally:
            child.close()


def test_missing_programs(tmp_path: Path) -> None:
    with pytest.raises(
        SpawnError, match=r"^cannot run 'no-such-program': there is no such program"
    ):
        Child(["no-such-program"])
    with pytest.raises(SpawnError, match="there is no such program"):
        Child(["/no/such/program"])
    plain = tmp_path / "plain"
    plain.write_text("")
    with pytest.raises(SpawnError, match="not executable"):
        Child([str(plain)])
    assert find_program("sh").endswith("/sh")


def test_signals_reach_the_child() -> None:
    with Child(["sleep", "100"]) as child:
        child.release()
        child.send()
        assert child.wait() == -signal.SIGTERM
        child.send()  # It is gone: nothing happens.


def test_process() -> None:
    with Process(os.getpid()) as process:
        assert process.alive
        assert repr(process) == f"Process(pid {os.getpid()}, fd {process.fd})"
    with pytest.raises(PrybeeError, match=r"there is no process with the pid 99999999|cannot be"):
        Process(99999999)
