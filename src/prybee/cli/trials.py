"""``test`` and ``bench`` probes: each is run by itself, and its result told.

A test fails where its handler returns something but 0, calls ``errorf()`` or ``exit()`` with
another code than 0, or makes a mistake that a run counts (division by zero, a full map).  What a
test prints is shown when it fails.
"""

from __future__ import annotations

from time import monotonic_ns

from prybee.output.sink import Sink
from prybee.output.text import TextOutput
from prybee.plan.plan import SpecialAttach
from prybee.session.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.diagnostics import Diagnostic
    from prybee.engines.kernel import KernelEngine
    from prybee.output.base import Handler
    from prybee.output.names import Names
    from prybee.plan.plan import Plan, ProbeSpec, RecordSpec

# A benchmark's rounds grow until a run of all of them takes as long as this, in nanoseconds.
_LONG_ENOUGH = 1_000_000
_FIRST_ROUNDS = 10_000
_MOST_ROUNDS = 1 << 30

_GREEN, _RED, _PLAIN = "\033[32m", "\033[31m", "\033[0m"

# An empty Ethernet frame: the shortest packet that XDP programs are run on.
_PACKET = bytes(14)


class Memory(Sink):
    """Keeps what is written."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        super().__init__(-1, "none")
        self.kept = b""

    def drain(self) -> None:
        """Keep everything now."""
        self.kept += b"".join(self._pending)
        self._pending.clear()
        self._size = 0

    def take(self) -> str:
        """What was written since the last time."""
        self.drain()
        text, self.kept = self.kept.decode("utf-8", "replace"), b""
        return text


class Watched(TextOutput):
    """Text output into memory that knows whether something went wrong."""

    wrong = False

    def report(self, spec: RecordSpec, severity: str) -> Handler:
        """Show ``errorf()`` and ``warnf()``."""
        handle = super().report(spec, severity)
        if severity != "ERROR":
            return handle

        def noted(view: memoryview) -> None:
            self.wrong = True
            handle(view)

        return noted

    def runtime(self, diagnostic: Diagnostic, helper: str = "", code: int = 0) -> None:
        """Show a mistake that was counted while running."""
        self.wrong = True
        super().runtime(diagnostic, helper, code)


class Trials:
    """Runs the tests or benchmarks of a plan, one after the other.

    Args:
        plan: what was compiled with ``mode`` ``test`` or ``bench``.
        engine: where it runs.
        names: how addresses are shown.
        mode: ``test`` or ``bench``.
        json: tell results as one JSON object a line.
    """

    def __init__(
        self, plan: Plan, engine: KernelEngine, names: Names, mode: str, json: bool = False
    ) -> None:
        self.plan = plan
        self.engine = engine
        self.mode = mode
        self.json = json
        self.memory = Memory()
        self.output = Watched(self.memory, self.memory, names, quiet=True)
        self.session = Session(plan, engine, self.output)

    def run(self) -> int:
        """Run them all between ``begin`` and ``end``; the exit status: 1 where a test failed.

        Raises:
            PrybeeError: the plan cannot be loaded, or a program not be run.
        """
        probes = [
            (probe, probe.attach.event.partition(":")[2])
            for probe in self.plan.probes
            if isinstance(probe.attach, SpecialAttach)
            and probe.attach.event.startswith(f"{self.mode}:")
        ]
        try:
            self.engine.load()
            self.engine.run_special("begin")
            self._consume()
            status = self._tests(probes) if self.mode == "test" else self._benchmarks(probes)
            self.engine.run_special("end")
            self._consume()
            print(self.memory.take(), end="")
            return status
        finally:
            self.engine.close()
            self.output.close()

    def _consume(self) -> None:
        while self.session.consume():
            pass
        self.session.losses.check()

    # -- tests ---------------------------------------------------------------------------------

    def _tests(self, probes: list[tuple[ProbeSpec, str]]) -> int:
        failed = []
        self._line(_GREEN, "==========", f"Running {len(probes)} tests.")
        for probe, name in probes:
            self._line(_GREEN, " RUN      ", name)
            passed, duration, output = self._test(probe)
            if self.json:
                self._result(
                    "test", name, {"duration": duration, "passed": passed, "output": output}
                )
                failed += [] if passed else [name]
                continue
            if passed:
                self._line(_GREEN, "       OK ", f"{name} ({_time(duration)})")
                continue
            failed.append(name)
            print(output, end="" if output.endswith("\n") or not output else "\n")
            self._line(_RED, "  FAILED  ", f"{name} ({_time(duration)})")
        self._line(_GREEN, "==========", f"{_count(len(probes))} ran.")
        self._line(_GREEN, "  PASSED  ", f"{_count(len(probes) - len(failed))}.")
        if failed:
            self._line(_RED, "  FAILED  ", f"{_count(len(failed))}, listed below:")
            for name in failed:
                self._line(_RED, "  FAILED  ", name)
        return 1 if failed else 0

    def _test(self, probe: ProbeSpec) -> tuple[bool, int, str]:
        """Run one test: whether it passed, nanoseconds, and what it printed."""
        session = self.session
        session.exited, session.code = False, 0
        self.output.wrong = False
        begin = monotonic_ns()
        returned = self.engine.programs[probe.program].test_run().retval
        duration = monotonic_ns() - begin
        self._consume()
        passed = not returned and not session.code and not self.output.wrong
        return passed, duration, self.memory.take()

    def _line(self, color: str, mark: str, text: str) -> None:
        if not self.json:
            print(f"{color}[{mark}]{_PLAIN} {text}", flush=True)

    # -- benchmarks ------------------------------------------------------------------------------

    def _benchmarks(self, probes: list[tuple[ProbeSpec, str]]) -> int:
        if not self.json:
            print(f"{'Benchmark':<41}{'Time(ns)':<15}Iterations\n{'-' * 66}")
        for probe, name in probes:
            measured = self._benchmark(probe)
            if measured is None:
                continue
            average, rounds = measured
            if self.json:
                self._result("benchmark", name, {"average": average, "iters": rounds})
            else:
                print(f"{name:<41}{average:<15}{rounds}", flush=True)
        return 0

    def _benchmark(self, probe: ProbeSpec) -> tuple[int, int] | None:
        """Mean nanoseconds of one round, and how many there were; None where it returns not 0."""
        program = self.engine.programs[probe.program]
        rounds = _FIRST_ROUNDS
        while True:
            run = program.test_run(data=_PACKET, repeat=rounds)
            self._consume()
            if run.retval:
                return None
            if run.duration * rounds >= _LONG_ENOUGH or rounds >= _MOST_ROUNDS:
                return run.duration, rounds
            rounds *= 2

    def _result(self, kind: str, name: str, data: dict[str, object]) -> None:
        import json

        print(json.dumps({"type": f"{kind}_result", "data": {name: data}}), flush=True)


def _count(number: int) -> str:
    return f"{number} test" if number == 1 else f"{number} tests"


def _time(nanoseconds: int) -> str:
    """A duration, in the unit that suits it."""
    for unit, size in (("s", 10**9), ("ms", 10**6), ("μs", 10**3)):
        if nanoseconds >= size:
            return f"{nanoseconds // size} {unit}"
    return f"{nanoseconds} ns"
