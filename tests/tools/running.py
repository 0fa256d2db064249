"""Running a tool as a user does, and reading its rows."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.patience import FACTOR

READY = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"
Row = dict[str, Any]
# Seconds to wait for anything: guests are slow, the more the more of them run.
PATIENCE = 120


class Tool:
    """A tool that has attached its probes and prints JSON; a context manager that ends it.

    Args:
        words: the tool's name and options.
        form: ``--json``, ``--csv``, or empty for text.
    """

    def __init__(self, *words: str, form: str = "--json", limit: float = PATIENCE) -> None:
        options = [form] if form else []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "prybee", *words, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, READY: "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.text = b""
        self.errors = b""
        self._read_until(lambda: READY.encode() in self.text, limit)

    def __enter__(self) -> Tool:
        return self

    def __exit__(self, *_: object) -> None:
        # Interrupted, it detaches its probes together; killed, the kernel does so one by one, which
        # takes much longer.
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def _read_until(self, done: Callable[[], bool], limit: float) -> None:
        assert self.process.stdout is not None
        fd = self.process.stdout.fileno()
        end = time.monotonic() + limit * FACTOR
        while not done():
            left = end - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise AssertionError(f"not in {limit} s: {self.text.decode()}")
            piece = os.read(fd, 1 << 16)
            if not piece:
                _out, self.errors = self.process.communicate()
                raise AssertionError(f"ended: {self.text.decode()}{self.errors.decode()}")
            self.text += piece

    def rows(self) -> list[Row]:
        """The rows so far, without what is not complete."""
        lines = self.text.decode("utf-8", "surrogateescape").split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait(self, wanted: Callable[[Row], bool], limit: float = PATIENCE) -> Row:
        """The first row that ``wanted`` is true for."""
        self._read_until(lambda: any(map(wanted, self.rows())), limit)
        return next(filter(wanted, self.rows()))

    def finish(self, by: int = signal.SIGINT) -> str:
        """End the tool; all that it printed. Its status has to be 0."""
        if by and self.process.poll() is None:
            self.process.send_signal(by)
        out, self.errors = self.process.communicate(timeout=PATIENCE)
        self.text += out
        assert self.process.returncode == 0, self.errors.decode()
        return self.text.decode("utf-8", "surrogateescape").replace(READY + "\n", "")

    def maps(self) -> dict[str, Any]:
        """End the tool; the maps that it printed."""
        self.finish()
        found: dict[str, Any] = {}
        for row in self.rows():
            if isinstance(row.get("data"), dict):
                found.update(row["data"])
        return found


def prybee(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "prybee", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
