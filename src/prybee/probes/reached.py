"""Probe types that are reached in one of several ways, whichever the kernel has."""

from __future__ import annotations

from prybee.probes.lacking import NeedsFeature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from prybee.language.registry import ExpandScope, Match
    from prybee.plan.plan import ProbeSpec
    from prybee.plan.target import Target
    from prybee.probes.ways import Way


class Reached(NeedsFeature):
    """A probe type with ``ways``, best first; the first that the kernel knows is taken."""

    ways: tuple[Way, ...] = ()

    def way(self, target: Target) -> Way | None:
        """How its probes are reached on this kernel; None where they cannot be."""
        for way in self.ways:
            if way.usable(target):
                return way
        return None

    def usable(self, target: Target) -> bool:
        return self.way(target) is not None

    def share(self, match: Match, scope: ExpandScope, uses: Collection[str]) -> Match:
        way = self.way(scope.target)
        return way.share(match, uses, scope.target) if way is not None else match

    def together(self, matches: Sequence[Match], scope: ExpandScope) -> Sequence[Match]:
        way = self.way(scope.target)
        return way.together(matches, scope.target) if way is not None else matches

    def has_cookies(self, scope: ExpandScope) -> bool:
        way = self.way(scope.target)
        return way is not None and way.cookies

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        way = self.way(scope.target)
        assert way is not None
        return way.attach(matches, program)
