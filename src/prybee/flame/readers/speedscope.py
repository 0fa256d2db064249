"""Reads speedscope's format: "sampled" profiles, and "evented" ones as the time between events."""

from __future__ import annotations

import json

from prybee.flame.profile import Profile
from prybee.flame.writers.speedscope import SCHEMA, UNITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a file does."""
    return head.lstrip().startswith(b"{") and (
        SCHEMA.encode() in head or (b'"shared"' in head and b'"frames"' in head)
    )


def read(lines: Iterable[bytes]) -> Profile:
    """Reads all profiles of a file into one.

    Args:
        lines: of the text.
    """
    profile = Profile()
    try:
        text = json.loads(b"".join(lines))
        frames = [
            profile.frame(str(frame["name"]), module=str(frame.get("file") or ""))
            for frame in text["shared"]["frames"]
        ]
        for each in text["profiles"]:
            short = {long: own for own, long in UNITS.items()}
            profile.unit = short.get(each.get("unit"), "samples")
            (_sampled if each["type"] == "sampled" else _evented)(profile, each, frames)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        profile.quality.reject(1, f"no speedscope profile: {error!r}")
    return profile


def _sampled(profile: Profile, each: dict[str, Any], frames: list[int]) -> None:
    for stack, weight in zip(each["samples"], each["weights"], strict=True):
        profile.add([frames[number] for number in stack], weight)


def _evented(profile: Profile, each: dict[str, Any], frames: list[int]) -> None:
    stack: list[int] = []
    before = each.get("startValue", 0)
    for number, event in enumerate(each["events"], 1):
        if stack and event["at"] > before:
            profile.add(stack, event["at"] - before)
        before = event["at"]
        frame = frames[event["frame"]]
        if event["type"] == "O":
            stack.append(frame)
        elif stack and stack[-1] == frame:
            stack.pop()
        else:
            profile.quality.reject(number, "a frame is closed that is not the last opened")
