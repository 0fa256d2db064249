"""Running the command as a user does, for tests that cause events."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time

from tests.live.corpus import ENVIRONMENT, PRYBEE
from tests.patience import FACTOR

BANNER = b"Attached "
# Seconds to wait for anything: guests are slow, the more the more of them run.
PATIENCE = 120


class Trace:
    """A running trace that has attached its probes; a context manager that kills what is left.

    Args:
        arguments: as on the command line.
        limit: seconds to attach in.
    """

    def __init__(self, *arguments: str, limit: float = PATIENCE, env: dict[str, str] | None = None):
        self.process = subprocess.Popen(
            [*PRYBEE, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, **(env or {})},
        )
        self.errors = b""
        assert self.process.stderr is not None
        end = time.monotonic() + limit * FACTOR
        while BANNER not in self.errors:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stderr], [], [], left)[0]:
                self.kill()
                raise AssertionError(f"not attached in {limit} s: {self.errors!r}")
            piece = os.read(self.process.stderr.fileno(), 65536)
            if not piece:
                out, _ = self.process.communicate()
                raise AssertionError(f"ended early: {self.errors.decode()}{out.decode()}")
            self.errors += piece

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def finish(self, by: int = signal.SIGINT, limit: float = PATIENCE) -> str:
        """Interrupt it and return all it printed; its status must be 0."""
        self.process.send_signal(by)
        return self.wait(limit)

    def wait(self, limit: float = PATIENCE) -> str:
        """Wait for its own end and return all it printed; its status must be 0."""
        out, err = self.process.communicate(timeout=limit)
        self.errors += err
        assert self.process.returncode == 0, (self.process.returncode, self.errors.decode())
        return out.decode(errors="replace")


def run(*arguments: str, limit: float = 60, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*PRYBEE, *arguments],
        capture_output=True,
        text=True,
        timeout=limit,
        stdin=subprocess.DEVNULL,
        env=ENVIRONMENT,
        check=False,
        **options,  # type: ignore[call-overload]
    )
