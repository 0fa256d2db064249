"""What patterns found and could not be attached: some of many may be missing, and that is said."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.plan.plan import ProbeSpec
    from prybee.session.ports import Failure, Report

# So many are named.
_NAMED = 3


def of_patterns(report: Report) -> tuple[Sequence[Failure], list[str]]:
    """The failures of probes that the script names, and warnings about those it has patterns for.

    A pattern of which nothing could be attached is like a name.
    """
    attached: dict[tuple[int, int], int] = {}
    for probe in report.attached:
        place = _pattern(probe)
        if place is not None:
            attached[place] = attached.get(place, 0) + probe.count
    named: list[Failure] = []
    found: dict[tuple[int, int], list[Failure]] = {}
    for failure in report.failures:
        place = _pattern(failure.probe)
        if place is None or place not in attached:
            named.append(failure)
        else:
            found.setdefault(place, []).append(failure)
    warnings = []
    for place, failures in found.items():
        span = failures[0].probe.span
        assert span is not None
        text = span.source.text[span.start : span.end]
        names = ", ".join([failure.probe.name for failure in failures[:_NAMED]])
        more = f" and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
        warnings.append(
            f"WARNING: {len(failures)} of the {len(failures) + attached[place]} probes of {text} "
            f"could not be attached: {names}{more}\n{failures[0].error}"
        )
    return named, warnings


def _pattern(probe: ProbeSpec) -> tuple[int, int] | None:
    """Where in the script the pattern is that found a probe; None for what is named."""
    span = probe.span
    if span is None or "*" not in span.source.text[span.start : span.end]:
        return None
    return span.place
