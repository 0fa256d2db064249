"""Reads speedscope's format: "sampled" profiles, and "evented" ones as the time between events."""

from __future__ import annotations

import json

from prybee.flame.profile import Profile
from prybee.flame.samples import CLOCK, ORDER, Samples
from prybee.flame.writers.speedscope import SCHEMA, UNITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a file does."""
    return head.lstrip().startswith(b"{") and (
        SCHEMA.encode() in head or (b'"shared"' in head and b'"frames"' in head)
    )


# Units that are times, in nanoseconds.
_NANOSECONDS = {"ns": 1, "us": 1000, "ms": 1_000_000, "s": 1_000_000_000}


def read(lines: Iterable[bytes], *, samples: bool = False) -> Profile:
    """Reads all profiles of a file into one.

    Args:
        lines: of the text.
        samples: also one by one, with times; each profile of the file is a thread.
    """
    profile = Profile()
    try:
        text = json.loads(b"".join(lines))
        frames = [
            profile.frame(str(frame["name"]), module=str(frame.get("file") or ""))
            for frame in text["shared"]["frames"]
        ]
        short = {long: own for own, long in UNITS.items()}
        for number, each in enumerate(text["profiles"]):
            profile.unit = short.get(each.get("unit"), "samples")
            if samples and profile.samples is None:
                timed = profile.unit in _NANOSECONDS
                profile.samples = Samples(CLOCK if timed else ORDER, spans=timed)
            name = str(each.get("name") or "")
            parts = (_sampled if each["type"] == "sampled" else _evented)(profile, each, frames)
            for begin, stack, weight in parts:
                profile.add(stack, weight)
                if profile.samples is not None:
                    _keep(profile.samples, profile.unit, (number, name), begin, stack, weight)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        profile.quality.reject(1, f"no speedscope profile: {error!r}")
    return profile


def _keep(
    samples: Samples,
    unit: str,
    thread: tuple[int, str],
    begin: float,
    stack: list[int],
    weight: float,
) -> None:
    number, name = thread
    samples.add(
        samples.stack_number(stack),
        weight,
        time=round(begin * _NANOSECONDS.get(unit, 1)),
        thread=samples.thread_number(0, number, name),
    )


def _sampled(
    profile: Profile, each: dict[str, Any], frames: list[int]
) -> Iterator[tuple[float, list[int], float]]:
    """(begin, stack, weight) of each sample."""
    at = each.get("startValue", 0)
    for stack, weight in zip(each["samples"], each["weights"], strict=True):
        yield at, [frames[number] for number in stack], weight
        at += weight


def _evented(
    profile: Profile, each: dict[str, Any], frames: list[int]
) -> Iterator[tuple[float, list[int], float]]:
    """(begin, stack, weight) of the time between events."""
    stack: list[int] = []
    before = each.get("startValue", 0)
    for number, event in enumerate(each["events"], 1):
        if stack and event["at"] > before:
            yield before, stack, event["at"] - before
        before = event["at"]
        frame = frames[event["frame"]]
        if event["type"] == "O":
            stack.append(frame)
        elif stack and stack[-1] == frame:
            stack.pop()
        else:
            profile.quality.reject(number, "a frame is closed that is not the last opened")
