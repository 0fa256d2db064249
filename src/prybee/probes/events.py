"""``software`` and ``hardware``: every so many events of a kind that the kernel or a CPU counts."""

from __future__ import annotations

from prybee.diagnostics import did_you_mean
from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.plan.plan import PerfEventAttach, ProbeSpec
from prybee.probes.numbers import NumberError, parse
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.provider import ProbeType, meant
from prybee.probes.timers import PerfContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prybee.language.attach_point import AttachPoint

# Name → (number in perf_event.h, default count). Aliases have the number of what they stand for.
_SOFTWARE = {
    "alignment-faults": (7, 1),
    "bpf-output": (10, 1),
    "context-switches": (3, 1000),
    "cpu": (0, 1_000_000),
    "cpu-clock": (0, 1_000_000),
    "cpu-migrations": (4, 1),
    "cs": (3, 1000),
    "dummy": (9, 1),
    "emulation-faults": (8, 1),
    "faults": (2, 100),
    "major-faults": (6, 1),
    "minor-faults": (5, 100),
    "page-faults": (2, 100),
    "task-clock": (1, 1),
}
_HARDWARE = {
    "backend-stalls": (8, 1_000_000),
    "branch-instructions": (4, 100_000),
    "branch-misses": (5, 100_000),
    "branches": (4, 100_000),
    "bus-cycles": (6, 100_000),
    "cache-misses": (3, 1_000_000),
    "cache-references": (2, 1_000_000),
    "cpu-cycles": (0, 1_000_000),
    "cycles": (0, 1_000_000),
    "frontend-stalls": (7, 1_000_000),
    "instructions": (1, 1_000_000),
    "ref-cycles": (9, 1_000_000),
}


class Events(ProbeType):
    """Counted events. ``type`` is perf_event_open's; ``table`` has the events."""

    counts = (1, 2)
    pid_filter = "attach"
    of_kernel = True

    def __init__(
        self, name: str, alias: str, summary: str, type_: int, table: Mapping[str, tuple[int, int]]
    ) -> None:
        self.names = (name, alias)
        self.syntax = (f"{name}:EVENT", f"{name}:EVENT:COUNT")
        self.summary = summary
        self.type = type_
        self.table = table

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        event, *rest = self.arguments(point)
        if not event:
            raise self.malformed(f"{self.name} probe must have a {self.name} event name")
        if is_pattern(event):
            raise ProbeSyntaxError(
                f"wildcards are not allowed for {self.name} probe type",
                f"events: {', '.join(self.table)}",
            )
        known = self.table.get(event)
        if known is None:
            other = _SOFTWARE if self.table is _HARDWARE else _HARDWARE
            near = did_you_mean(event, self.table)
            if event in other:
                kind = "software" if other is _SOFTWARE else "hardware"
                near = (":".join((kind, event, *rest)),)
            hints = meant(near) or (f"events: {', '.join(self.table)}",)
            raise ProbeSyntaxError(f"{event} is not a {self.name} probe", *hints)
        number, count = known
        name = f"{self.name}:{event}"
        if rest:
            given = self._count(rest[0])
            name = f"{name}:{given}"
            count = given or count
        return [Match(name, (self.name,), (number, count))]

    def _count(self, text: str) -> int:
        try:
            count, _duration = parse(text)
        except NumberError as error:
            raise self.malformed(f"Invalid count for {self.name} probe: {error}") from None
        if not 0 <= count < 2**63:
            raise ProbeSyntaxError(f"{self.name} count should be a positive integer")
        return count

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        return PerfContext(match.name, self.name, scope.target.arch)

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        pid = scope.pid if scope.pid is not None else -1
        specs = []
        for match in matches:
            number, count = match.data
            assert isinstance(number, int)
            assert isinstance(count, int)
            way = PerfEventAttach(self.type, number, period=count, pid=pid)
            specs.append(ProbeSpec(match.name, program, way))
        return specs

    def listed(self, match: Match) -> str:
        # As searches show it: without the number, which anybody may choose.
        provider, event, *_number = match.name.split(":")
        return f"{provider}:{event}:"

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        fits = matcher(":".join(arguments))
        for event in sorted(f"{name}:" for name in self.table):
            if fits(event) or fits(event[:-1]):
                yield f"{self.name}:{event}", None


PROVIDERS = (
    Events("software", "s", "every so many of the kernel's own events", 1, _SOFTWARE),
    Events("hardware", "h", "every so many events of a CPU's counters", 0, _HARDWARE),
)
