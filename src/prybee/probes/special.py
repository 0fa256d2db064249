"""``begin``, ``end``, ``self``, ``test`` and ``bench``: run by prybee in its own process."""

from __future__ import annotations

from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.plan.plan import ProbeSpec, SpecialAttach
from prybee.probes.patterns import matcher
from prybee.probes.provider import ProbeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.language.attach_point import AttachPoint

_SIGNALS = ("SIGUSR1",)


class SpecialContext(ProbeContext):
    """Nothing but the running task, which is prybee."""

    program_type = "raw_tracepoint"


class _Special(ProbeType):
    special = True

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        context = SpecialContext(match.name)
        context.provider = self.name
        return context

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        return [ProbeSpec(m.name, program, SpecialAttach(m.name)) for m in matches]

    def listed(self, match: Match) -> str:
        return ""


class Once(_Special):
    """``begin`` before everything is attached, ``end`` after all is detached."""

    counts = (0,)

    def __init__(self, name: str, summary: str) -> None:
        self.names = (name,)
        self.syntax = (name,)
        self.summary = summary

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        self.arguments(point)
        return [Match(self.name, (self.name,))]


class Self(_Special):
    """Signals that prybee gets."""

    names = ("self",)
    syntax = ("self:signal:SIGUSR1",)
    summary = "prybee itself gets a signal"
    counts = (2,)

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        trigger, signal = self.arguments(point)
        if trigger != "signal":
            raise ProbeSyntaxError(f"{trigger} is not a supported trigger", "use self:signal:…")
        if signal not in _SIGNALS:
            raise ProbeSyntaxError(
                f"{signal} is not a supported signal", f"supported: {', '.join(_SIGNALS)}"
            )
        name = f"self:signal:{signal}"
        return [Match(name, (name,))]

    def listed(self, match: Match) -> str:
        return match.name

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        fits = matcher(":".join(arguments))
        for signal in _SIGNALS:
            if fits(f"signal:{signal}"):
                yield f"self:signal:{signal}", None


class PacketContext(SpecialContext):
    """A packet of nothing: programs of this type can be run many times with one call."""

    program_type = "xdp"


class Trial(_Special):
    """Tests and benchmarks of the script itself."""

    counts = (1,)

    def __init__(self, name: str, summary: str) -> None:
        self.names = (name,)
        self.syntax = (f"{name}:NAME",)
        self.summary = summary

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        (name,) = self.arguments(point)
        if not name:
            raise ProbeSyntaxError(f"{self.name} probe must have a name")
        full = f"{self.name}:{name}"
        return [Match(full, (full,))]

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        context = super().context(match, scope)
        if self.name == "bench":
            context = PacketContext(match.name)
            context.provider = self.name
        return context


PROVIDERS = (
    Once("begin", "before anything is attached"),
    Once("end", "after everything is detached"),
    Self(),
    Trial("test", "a test of the script itself, run with --test"),
    Trial("bench", "a benchmark of the script itself, run with --bench"),
)
