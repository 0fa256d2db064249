"""``interval`` and ``profile``: a clock that goes off on one CPU, or on all of them."""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.language.lower.globals import EXIT
from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.plan.plan import PerfEventAttach, ProbeSpec
from prybee.probes.numbers import DURATIONS, NumberError, parse
from prybee.probes.patterns import matcher
from prybee.probes.provider import ProbeType
from prybee.probes.registered import RegisterContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.language.attach_point import AttachPoint
    from prybee.language.lower.handler import Handler

# perf_event.h: PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK.
_SOFTWARE, _CPU_CLOCK = 1, 0
_UNITS = ("hz", "ms", "s", "us")
# A shorter period would keep the CPU busy with nothing else; bpftrace's floor as well.
_LEAST_NANOSECONDS = 1000
# The kernel takes periods below 2^63 (kernel/events/core.c, perf_event_open).
_MOST = 2**63 - 1


class PerfContext(RegisterContext):
    """A sample of a perf event: the registers it interrupted, its period and address."""

    program_type = "perf_event"
    context_struct = "bpf_perf_event_data"


class TimerContext(PerfContext):
    """A clock went off. After ``exit()`` its handlers do nothing: the next tick of a fast clock
    comes before user space has read that it shall end, and would count and print once more."""

    def prologue(self, handler: Handler) -> None:
        b = handler.b
        ended = b.load(I64, handler.global_pointer(EXIT), 0)
        running, over = handler.block("running"), handler.block("ended")
        b.branch(b.icmp("eq", ended, 0), running, over)
        handler.start(over)
        b.ret(self.return_value)
        handler.start(running)


class Timer(ProbeType):
    """A CPU clock. ``every_cpu`` says where it runs."""

    counts = (1, 2)

    def __init__(
        self, name: str, alias: str, summary: str, pid_filter: str, every_cpu: bool
    ) -> None:
        self.names = (name, alias)
        self.syntax = (f"{name}:hz:99", f"{name}:ms:10", f"{name}:10ms")
        self.summary = summary
        self.pid_filter = pid_filter
        self.every_cpu = every_cpu

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        arguments = self.arguments(point)
        if len(arguments) == 1:
            unit, count, period = self._bare(arguments[0])
        else:
            unit, count, period = self._with_unit(*arguments)
        if period > _MOST:
            raise ProbeSyntaxError(f"Invalid rate of {self.name} probe: {count} {unit} is too long")
        return [Match(f"{self.name}:{unit}:{count}", (self.name,), (unit == "hz", period))]

    def _number(self, text: str) -> tuple[int, bool]:
        try:
            return parse(text)
        except NumberError as error:
            raise self.malformed(f"Invalid rate of {self.name} probe: {error}") from None

    def _bare(self, text: str) -> tuple[str, int, int]:
        nanoseconds, _duration = self._number(text)
        if nanoseconds < _LEAST_NANOSECONDS:
            raise ProbeSyntaxError(
                f"Invalid rate of {self.name} probe. Minimum is {_LEAST_NANOSECONDS} or 1us. "
                f"Found: {nanoseconds} nanoseconds"
            )
        return "us", nanoseconds // 1000, nanoseconds

    def _with_unit(self, unit: str, text: str) -> tuple[str, int, int]:
        count, _duration = self._number(text)
        if unit not in _UNITS:
            raise ProbeSyntaxError(
                f"{unit} is not an accepted unit of time", f"accepted: {', '.join(_UNITS)}"
            )
        if count <= 0:
            raise ProbeSyntaxError(f"{self.name} frequency should be a positive integer")
        return unit, count, count if unit == "hz" else count * DURATIONS[unit]

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        return TimerContext(match.name, self.name, scope.target.arch)

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        cpu = -1 if self.every_cpu else scope.target.online_cpus[0]
        filtered = self.pid_filter == "attach" and scope.pid is not None
        pid = scope.pid if filtered and scope.pid is not None else -1
        specs = []
        for match in matches:
            by_frequency, amount = match.data
            assert isinstance(amount, int)
            period, frequency = (0, amount) if by_frequency else (amount, 0)
            way = PerfEventAttach(_SOFTWARE, _CPU_CLOCK, period, frequency, cpu, pid)
            specs.append(ProbeSpec(match.name, program, way))
        return specs

    def listed(self, match: Match) -> str:
        # As searches show it: without the number, which anybody may choose.
        provider, unit, *_number = match.name.split(":")
        return f"{provider}:{unit}:"

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        fits = matcher(":".join(arguments))
        for unit in _UNITS:
            if fits(f"{unit}:") or fits(unit):
                yield f"{self.name}:{unit}:", None


PROVIDERS = (
    Timer("interval", "i", "once each interval, on one CPU", "none", every_cpu=False),
    Timer(
        "profile", "p", "once each interval, on every CPU: for sampling", "attach", every_cpu=True
    ),
)
