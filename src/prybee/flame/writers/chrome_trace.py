"""Writes Chrome's trace events (JSON): complete events, for chrome://tracing, Perfetto and others.

Times are in microseconds; weights that are no times count as microseconds, which the names of the
tracks say.
"""

from __future__ import annotations

import json

from prybee.flame.missing import sentences
from prybee.flame.timeline import scale, tracks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from prybee.flame.profile import Frame, Profile


def write(profile: Profile, title: str = "") -> Iterator[str]:
    """The whole text, in parts.

    Args:
        profile: what is written.
        title: of a profile that does not tell threads from each other.

    Raises:
        FormatError: it is longer than times can tell.
    """
    unit = scale(profile)
    frames = [_frame(frame) for frame in profile.frames]
    about = {"exporter": "prybee"}
    if missing := sentences(profile.quality):
        about["missing"] = "; ".join(missing)
    yield f'{{"displayTimeUnit":"ns","otherData":{_text(about)},"traceEvents":[\n'
    between = ""
    for number, track in enumerate(tracks(profile), 1):
        pid, tid = track.pid or 1, track.tid or number
        thread: dict[str, Any] = {
            "ph": "M", "name": "thread_name", "pid": pid, "tid": tid,
            "args": {"name": (track.name or title or "profile") + unit},
        }  # fmt: skip
        yield between + _text(thread)
        between = ",\n"
        for begin, end, frame in track.spans():
            event = {"ph": "X", "ts": _us(begin), "dur": _us(end - begin), "pid": pid, "tid": tid}
            yield between + _text({**event, **frames[frame]})
    yield "\n]}\n"


def _frame(frame: Frame) -> dict[str, Any]:
    found: dict[str, Any] = {"name": frame.name}
    if frame.kind:
        found["cat"] = frame.kind
    if frame.module:
        found["args"] = {"module": frame.module}
    return found


def _us(ns: int) -> float:
    return ns // 1000 if ns % 1000 == 0 else ns / 1000


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
