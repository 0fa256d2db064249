"""What a profile cost, told in the end."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.engines.kernel import KernelEngine
    from prybee.flame.gathering import Gatherer
    from prybee.flame.profile import Profile


class Cost:
    """What a trace took of the CPUs, and what it lost."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._runs = self._spent = 0
        self._lost = 0
        # Knows how long it was, and what prybee itself ran meanwhile.
        self.output: Gatherer | None = None

    def take(self, engine: KernelEngine) -> None:
        """Asks an engine before it is closed."""
        for runs, spent in engine.program_stats().values():
            self._runs += runs
            self._spent += spent
        full = sum(count for spec, count, _ in engine.counters() if spec.kind == "map_full")
        self._profile.quality.lost += full
        self._lost = full + sum(engine.lost())

    def text(self) -> str:
        """A line that tells it."""
        output = self.output
        assert output is not None
        elapsed = max(output.elapsed, 1e-3)
        programs, prybee = 100e-9 * self._spent / elapsed, 100 * output.ran / elapsed
        return (
            f"cost: {programs + prybee:.2f} % of one CPU in {elapsed:.1f} s: {programs:.2f} % for "
            f"{self._runs} runs of programs, {prybee:.2f} % for prybee; "
            f"{self._lost or 'no'} samples lost"
        )
