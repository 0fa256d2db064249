"""Writes speedscope's format (its file-format-spec, "sampled" profiles)."""

from __future__ import annotations

import json

from prybee.flame.missing import sentences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from prybee.flame.profile import Profile

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
# Ours to its names; others are numbers without a unit.
UNITS = {
    "ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds",
    "bytes": "bytes",
}  # fmt: skip


def write(profile: Profile, name: str = "") -> str:
    """The whole text.

    Args:
        profile: what is written.
        name: what the viewer calls it.
    """
    frames: list[dict[str, Any]] = []
    for frame in profile.frames:
        shown: dict[str, Any] = {"name": frame.name}
        if frame.module:
            shown["file"] = frame.module
        frames.append(shown)
    return json.dumps(
        {
            "$schema": SCHEMA,
            "shared": {"frames": frames},
            "profiles": [
                {
                    "type": "sampled",
                    "name": name or "profile",
                    "unit": UNITS.get(profile.unit, "none"),
                    "startValue": 0,
                    "endValue": profile.total,
                    "samples": [list(stack) for stack in profile.weights],
                    "weights": list(profile.weights.values()),
                }
            ],
            "exporter": "; ".join(["prybee", *sentences(profile.quality)]),
        },
        separators=(",", ":"),
    )
