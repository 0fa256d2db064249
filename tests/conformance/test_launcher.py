"""The launcher: prybee in a program named ``bpftrace``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conformance import launcher


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A launcher."""
    return launcher.make(tmp_path_factory.mktemp("launcher"))


def test_it_runs_in_an_empty_environment(program: Path) -> None:
    """As bpftrace's engine runs it: no HOME, no PYTHONPATH, another folder."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, env={}, cwd="/")
    assert done.stderr == ""
    assert done.stdout.startswith("bpftrace v")
    assert "prybee" in done.stdout


def test_its_name(program: Path) -> None:
    """The kernel and pidof know it as bpftrace."""
    with subprocess.Popen([program, "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            # It waits for a script; the interpreter is there once a byte of it was taken, so ask
            # until the shell has given way to it.
            folder = Path(f"/proc/{process.pid}")
            while b"start.py" not in (folder / "cmdline").read_bytes():
                os.sched_yield()
            while os.path.basename(os.readlink(folder / "exe")).endswith("sh"):
                os.sched_yield()
            assert (folder / "comm").read_text() == "bpftrace\n"
            first = (folder / "cmdline").read_bytes().split(b"\0")[0]
            assert os.path.basename(first) == b"bpftrace"
        finally:
            process.kill()


def test_status_and_arguments(program: Path) -> None:
    """They are passed on as they are."""
    done = subprocess.run([program, "-e", "begin { $x }", "it's"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ERROR" in done.stderr
