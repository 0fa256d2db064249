"""What a profile lacks, in words: every output says it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.profile import Quality


def sentences(quality: Quality) -> list[str]:
    """A sentence for each thing that is missing or doubtful, without a full stop."""
    told = (
        (quality.lost, "samples were lost by the tracer"),
        (quality.rejected, "lines or records were not understood"),
        (quality.stackless, "samples have no stack"),
    )
    return [f"{count:,} {what}" for count, what in told if count] + quality.notes
