"""What the probe types have in common: counting arguments, and saying what is wrong with them."""

from __future__ import annotations

from prybee.language.registry import ExpandScope, ProbeSyntaxError, Provider
from prybee.probes.patterns import is_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.language.attach_point import AttachPoint
    from prybee.language.registry import Match


class ProbeType(Provider):
    """A probe type of this package. Class attributes say what the messages and listings need."""

    # How many arguments, separated by colons, may follow the name; empty: any number.
    counts: tuple[int, ...] = ()
    # Listed by a search that names no probe type.
    of_kernel = False
    # For functions: fires where they return.
    returns = False

    @property
    def name(self) -> str:
        """The canonical name."""
        return self.names[0]

    def arguments(self, point: AttachPoint) -> tuple[str, ...]:
        """The arguments of an attach point.

        Raises:
            ProbeSyntaxError: there are not as many of them as this type takes.
        """
        given = tuple(point.parts)
        if self.counts and len(given) not in self.counts:
            raise self.miscounted(len(given))
        return given

    def miscounted(self, given: int) -> ProbeSyntaxError:
        """The complaint about a wrong number of arguments."""
        wanted = " or ".join(map(str, self.counts))
        return self.malformed(f"{self.name} probe type requires {wanted} arguments, found {given}")

    def malformed(self, message: str) -> ProbeSyntaxError:
        """A complaint that also says what this type looks like."""
        return ProbeSyntaxError(message, f"write it as {' or '.join(self.syntax)}")

    def missing(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, tuple[str, ...]]:
        arguments = tuple(point.parts)
        if any(map(is_pattern, arguments)):
            return "", ()
        message = f"No matches for {self.name} {':'.join(arguments)}."
        if scope.config.missing_probes == "ignore":
            return message, ()  # Nobody is told of them, and names that are near take long to find.
        return message, meant(self.nearest(arguments, scope))

    def nearest(self, arguments: Sequence[str], scope: ExpandScope) -> Iterable[str]:
        """Full names of existing probes that ``arguments`` may have meant, nearest first."""
        return ()

    def listed(self, match: Match) -> str:
        """How a match of a script is listed; empty for what is no place in a system."""
        return match.name

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        """What a listing shows for a search: names, with a match where it can be described.

        ``arguments`` are the parts behind the probe type's name; there may be fewer than a probe
        needs.
        """
        return ()


def meant(names: Iterable[str]) -> tuple[str, ...]:
    """The hint that names what may have been meant; none without names."""
    quoted = [f"'{name}'" for name in names]
    return (f"did you mean {' or '.join(quoted)}?",) if quoted else ()
