"""Intervals that the session runs itself, as their programs walk over maps (``engines.walks``)."""

from __future__ import annotations

from time import monotonic

from prybee.plan.plan import ClockAttach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.plan.plan import Plan, ProbeSpec
    from prybee.session.ports import Engine


class Clocks:
    """The clocks of a plan; they start now."""

    def __init__(self, plan: Plan, engine: Engine) -> None:
        self._engine = engine
        now = monotonic()
        # When each goes off next, how often it does, in seconds, and what runs then.
        self._clocks: list[tuple[float, float, ProbeSpec]] = [
            (now + probe.attach.period / 1e9, probe.attach.period / 1e9, probe)
            for probe in plan.probes
            if isinstance(probe.attach, ClockAttach)
        ]

    def run(self) -> None:
        """Run what is due.

        Raises:
            KernelError: a program could not be run.
        """
        for index, (due, period, probe) in enumerate(self._clocks):
            now = monotonic()
            if now >= due:
                self._engine.run(probe)
                # What could not be run in time is left out, as a timer of the kernel does.
                missed = int((now - due) / period)
                self._clocks[index] = (due + (missed + 1) * period, period, probe)

    def wait(self) -> float:
        """Milliseconds until the next one is due."""
        return max(0.0, (min([due for due, _, _ in self._clocks]) - monotonic()) * 1000)
