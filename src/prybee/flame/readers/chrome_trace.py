"""Reads Chrome's trace events (JSON): the time of spans, without that of spans inside of them."""

from __future__ import annotations

import json

from prybee.flame.profile import Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a file does."""
    begin = head.lstrip()[:1]
    return begin in (b"{", b"[") and b'"ph"' in head


def read(lines: Iterable[bytes]) -> Profile:
    """Reads complete events (``X``), and pairs of beginnings and ends (``B``, ``E``).

    The weight is in microseconds.
    """
    profile = Profile("us")
    try:
        events = json.loads(b"".join(lines))
        if isinstance(events, dict):
            events = events["traceEvents"]
        threads: dict[tuple[Any, Any], list[tuple[float, float, str]]] = {}
        for number, (thread, span) in enumerate(_spans(events, profile), 1):
            if span[1] < 0:
                profile.quality.reject(number, "a span that ends before it begins")
                continue
            threads.setdefault(thread, []).append(span)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        profile.quality.reject(1, f"no trace events: {error!r}")
        return profile
    for spans in threads.values():
        _nest(profile, spans)
    return profile


def _spans(events: Any, profile: Profile) -> Iterable[tuple[Any, tuple[float, float, str]]]:
    """(thread, (begin, duration, name))."""
    opened: dict[tuple[Any, Any], list[tuple[float, str]]] = {}
    for number, event in enumerate(events, 1):
        thread = event.get("pid"), event.get("tid")
        phase = event.get("ph")
        if phase == "X":
            yield thread, (event["ts"], event.get("dur", 0), str(event["name"]))
        elif phase == "B":
            opened.setdefault(thread, []).append((event["ts"], str(event["name"])))
        elif phase == "E":
            if not opened.get(thread):
                profile.quality.reject(number, "the end of a span that never began")
                continue
            begun, name = opened[thread].pop()
            yield thread, (begun, event["ts"] - begun, name)


def _nest(profile: Profile, spans: list[tuple[float, float, str]]) -> None:
    """Adds a thread's spans: what is inside of another stands on it."""
    # Of spans that begin together the longer is outside.
    spans.sort(key=lambda span: (span[0], -span[1]))
    path: list[tuple[float, int]] = []  # Ends, and frames.
    for begin, duration, name in spans:
        while path and path[-1][0] <= begin:
            path.pop()
        if path:
            # Its time is not that of what it is in.
            profile.add([frame for _, frame in path], -duration)
        path.append((begin + duration, profile.frame(name.replace(";", ":"))))
        profile.add([frame for _, frame in path], duration)
