"""Writes speedscope's format (its file-format-spec): "sampled" profiles, and "evented" ones where
times are known."""

from __future__ import annotations

import json

from prybee.flame.missing import sentences
from prybee.flame.samples import CLOCK, Thread
from prybee.flame.timeline import UNITS as UNITS_OF_TIME
from prybee.flame.timeline import placed, tracks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from prybee.flame.profile import Profile
    from prybee.flame.samples import Samples
    from prybee.flame.timeline import Track

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
# Ours to its names; others are numbers without a unit.
UNITS = {
    "ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds",
    "bytes": "bytes",
}  # fmt: skip


def write(profile: Profile, name: str = "") -> str:
    """The whole text.

    Where samples have times, each thread is a profile of the file: what it did when, if they are
    spans of time, otherwise its samples in their order, as wide as their weights.

    Args:
        profile: what is written.
        name: what the viewer calls it; with times, the whole file.

    Raises:
        FormatError: it is longer than times can tell.
    """
    frames: list[dict[str, Any]] = []
    for frame in profile.frames:
        shown: dict[str, Any] = {"name": frame.name}
        if frame.module:
            shown["file"] = frame.module
        frames.append(shown)
    samples = placed(profile)
    if samples is None:
        stacks = [list(stack) for stack in profile.weights]
        parts = [_sampled(name or "profile", profile.unit, stacks, list(profile.weights.values()))]
    elif samples.spans and samples.clock == CLOCK and profile.unit in UNITS_OF_TIME:
        parts = list(_by_time(profile))
    else:
        parts = list(_in_order(samples, profile.unit))
    return json.dumps(
        {
            "$schema": SCHEMA,
            "shared": {"frames": frames},
            "profiles": parts,
            **({"name": name} if name else {}),
            "exporter": "; ".join(["prybee", *sentences(profile.quality)]),
        },
        separators=(",", ":"),
    )


def _sampled(name: str, unit: str, stacks: list[list[int]], weights: list[float]) -> dict[str, Any]:
    return {
        "type": "sampled",
        "name": name,
        "unit": UNITS.get(unit, "none"),
        "startValue": 0,
        "endValue": sum(weights),
        "samples": stacks,
        "weights": weights,
    }


def _by_time(profile: Profile) -> Iterator[dict[str, Any]]:
    """Each thread as its functions' begins and ends; all threads have one clock."""
    found = [track for track in tracks(profile) if track.pieces]
    zero = min(track.pieces[0][0] for track in found)
    end = max(track.pieces[-1][1] for track in found)
    for track in found:
        yield {
            "type": "evented",
            "name": str(Thread(track.pid, track.tid, track.name)),
            "unit": UNITS["ns"],
            "startValue": 0,
            "endValue": end - zero,
            "events": list(_events(track, zero)),
        }


def _events(track: Track, zero: int) -> Iterator[dict[str, Any]]:
    opened: list[int] = []
    for at, frame in track.events():
        if frame >= 0:
            opened.append(frame)
            yield {"type": "O", "frame": frame, "at": at - zero}
        else:
            yield {"type": "C", "frame": opened.pop(), "at": at - zero}


def _in_order(samples: Samples, unit: str) -> Iterator[dict[str, Any]]:
    """Each thread's samples, the first first."""
    rows: dict[int, list[int]] = {}
    for row, thread in enumerate(samples.thread):
        rows.setdefault(thread, []).append(row)
    for thread, own in rows.items():
        own.sort(key=samples.time.__getitem__)
        yield _sampled(
            str(samples.threads[thread]),
            unit,
            [list(samples.stacks[samples.stack[row]]) for row in own],
            [samples.weight[row] for row in own],
        )
