"""Probe types that not every kernel has: what they take, and what is said where that is missing."""

from __future__ import annotations

from prybee.language.registry import ProbeSyntaxError
from prybee.probes.provider import ProbeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.attach_point import AttachPoint
    from prybee.language.registry import ExpandScope
    from prybee.plan.target import Target


class NeedsFeature(ProbeType):
    """A probe type for which the kernel needs a feature.

    ``feature`` is its name (of ``linux.features``), ``lacks`` what is said of a kernel without it,
    and ``instead`` what its user can do then.
    """

    feature = ""
    lacks = ""
    instead = ""

    def usable(self, target: Target) -> bool:
        """Whether such probes can be attached, in whatever way."""
        return target.has(self.feature)

    def left_out(self, scope: ExpandScope) -> bool:
        """Whether the kernel cannot, and the script has said that it goes on without."""
        return scope.config.missing_probes != "error" and not self.usable(scope.target)

    def missing(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, tuple[str, ...]]:
        if self.left_out(scope):
            failure = self.cannot(scope.target)
            return f"{failure}.", failure.hints
        return super().missing(point, scope)

    def cannot(self, target: Target) -> ProbeSyntaxError:
        """What to say to who wants to attach one."""
        return ProbeSyntaxError(f"{self.name} probes: {self.lacks}", self.instead)
