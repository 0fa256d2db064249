"""Running a tracer as a user does: start it, wait until it has attached, let it end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Sample:
    """One run. Times in seconds, memory in KiB (the largest process of the run)."""

    wall: float
    memory: int
    status: int
    out: bytes = b""
    err: bytes = b""


@dataclass
class Tracer:
    """A command that takes bpftrace's arguments.

    ``wrapper`` is what starting it through a wrapper costs (seconds): it is taken off wall times,
    so that the peer does not pay for the chroot it lives in.
    """

    name: str
    command: list[str]
    wrapper: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)

    def _environment(self, extra: dict[str, str] | None) -> dict[str, str]:
        return {**os.environ, **self.environment, **(extra or {})}

    def run(self, *arguments: str, env: dict[str, str] | None = None, limit: float = 120) -> Sample:
        """Run to the end, and say how long it took and how much memory it had at most.

        Raises:
            RuntimeError: it did not end in ``limit`` seconds.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            begin = time.perf_counter()
            process = subprocess.Popen(
                [*self.command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self._environment(env),
                start_new_session=True,
            )
            watchdog = _kill_later(process.pid, limit)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - begin - self.wrapper
            watchdog.kill()
            watchdog.wait()
            process.returncode = os.waitstatus_to_exitcode(status)
            if wall > limit:
                raise RuntimeError(f"{self.name}: no end after {limit} s: {arguments}")
            out.seek(0)
            err.seek(0)
            return Sample(wall, usage.ru_maxrss, process.returncode, out.read(), err.read())

    def calibrate(self, rounds: int = 5) -> None:
        """Measure what the wrapper costs, by running ``true`` in the tracer's place."""
        if len(self.command) < 2:
            return
        bare = Tracer("true", [*self.command[:-1], "true"])
        through = sorted(bare.run().wall for _ in range(rounds))[rounds // 2]
        direct = sorted(Tracer("true", ["true"]).run().wall for _ in range(rounds))[rounds // 2]
        self.wrapper = max(0.0, through - direct)


def _kill_later(pid: int, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["sh", "-c", f"sleep {seconds}; kill -KILL -{pid}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


class Attached:
    """A tracer that has attached its probes; a context manager that ends it.

    Attributes:
        seconds: from the start until the banner.
    """

    def __init__(
        self,
        tracer: Tracer,
        *arguments: str,
        env: dict[str, str] | None = None,
        out: Path | None = None,
        limit: float = 60,
    ) -> None:
        self.tracer = tracer
        self._out = open(out, "wb") if out is not None else tempfile.TemporaryFile()
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [*tracer.command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.PIPE,
            env=tracer._environment(env),
            start_new_session=True,
        )
        self.errors = b""
        assert self.process.stderr is not None
        while b"Attached " not in self.errors:
            if not select.select([self.process.stderr], [], [], limit)[0]:
                self._kill()
                raise RuntimeError(f"{tracer.name} did not attach in {limit} s: {arguments}")
            piece = os.read(self.process.stderr.fileno(), 65536)
            if not piece:
                self.process.wait()
                raise RuntimeError(
                    f"{tracer.name} ended before attaching: {self.errors.decode(errors='replace')}"
                )
            self.errors += piece
        self.seconds = time.perf_counter() - begin - tracer.wrapper

    def __enter__(self) -> Attached:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def pid(self) -> int:
        """The tracer's own pid: behind a wrapper, the last of its only children."""
        pid = self.process.pid
        while True:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if not children:
                return pid
            pid = int(children[0])

    def stop(self, limit: float = 60) -> float:
        """Interrupt it and wait for its end; the seconds that took."""
        if self.process.returncode is not None:
            return 0.0
        begin = time.perf_counter()
        try:
            os.kill(self.pid(), signal.SIGINT)
        except ProcessLookupError:
            pass
        try:
            _, rest = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self._kill()
            raise RuntimeError(f"{self.tracer.name} did not end in {limit} s") from None
        self.errors += rest or b""
        self._out.close()
        return time.perf_counter() - begin

    def _kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        self._out.close()
