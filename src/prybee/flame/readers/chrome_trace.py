"""Reads Chrome's trace events (JSON): the time of spans, without that of spans inside of them."""

from __future__ import annotations

import json
from math import inf

from prybee.flame.profile import Profile
from prybee.flame.samples import Samples

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# Begin, duration and name.
Span = tuple[int, int, str]
# Of a microsecond.
NS = 1000


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a file does."""
    begin = head.lstrip()[:1]
    return begin in (b"{", b"[") and b'"ph"' in head


def read(lines: Iterable[bytes], *, samples: bool = False) -> Profile:
    """Reads complete events (``X``), and pairs of beginnings and ends (``B``, ``E``).

    The weight is in microseconds.

    Args:
        lines: of the text.
        samples: also one by one: the times in which nothing begins or ends.
    """
    profile = Profile("us")
    names: dict[tuple[Any, Any], str] = {}
    try:
        events = json.loads(b"".join(lines))
        if isinstance(events, dict):
            events = events["traceEvents"]
        if samples:
            profile.samples = Samples(spans=True)
            names = _names(events)
        threads: dict[tuple[Any, Any], list[Span]] = {}
        for number, (thread, (begin, duration, name)) in enumerate(_spans(events, profile), 1):
            if not (0 <= duration < inf and -inf < begin < inf):
                profile.quality.reject(number, "a span that ends before it begins")
                continue
            # Sums of fractions would differ where times are the same.
            span = round(begin * NS), round(duration * NS), name
            threads.setdefault(thread, []).append(span)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        profile.quality.reject(1, f"no trace events: {error!r}")
        return profile
    for thread, spans in threads.items():
        if profile.samples is None:
            _nest(profile, spans)
        else:
            pid, tid = (each if isinstance(each, int) else 0 for each in thread)
            name = names.get(thread, "" if thread[1] == tid else str(thread[1]))
            _keep(profile, profile.samples, profile.samples.thread_number(pid, tid, name), spans)
    profile.weights = {stack: _us(ns) for stack, ns in profile.weights.items() if ns}
    return profile


def _names(events: Any) -> dict[tuple[Any, Any], str]:
    """Names of threads, as metadata events (``M``) tell them."""
    return {
        (event.get("pid"), event.get("tid")): str((event.get("args") or {}).get("name") or "")
        for event in events
        if event.get("ph") == "M" and event.get("name") == "thread_name"
    }


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


def _us(ns: float) -> float:
    return ns / NS if ns % NS else ns // NS


def _outer_first(span: Span) -> tuple[int, int]:
    """Of spans that begin together the longer is outside."""
    return span[0], -span[1]


def _nest(profile: Profile, spans: list[Span]) -> None:
    """Adds a thread's spans, in nanoseconds: what is inside of another stands on it."""
    spans.sort(key=_outer_first)
    path: list[tuple[int, int]] = []  # Ends, and frames.
    for begin, duration, name in spans:
        while path and path[-1][0] <= begin:
            path.pop()
        if path:
            # What outlives the span that it is in ends with it.
            duration = min(duration, path[-1][0] - begin)
            # Its time is not that of what it is in.
            profile.add([frame for _, frame in path], -duration)
        path.append((begin + duration, profile.frame(name.replace(";", ":"))))
        profile.add([frame for _, frame in path], duration)


def _keep(profile: Profile, samples: Samples, thread: int, spans: list[Span]) -> None:
    """Adds a thread's spans, in nanoseconds, as the times between their beginnings and ends."""
    spans.sort(key=_outer_first)
    path: list[tuple[int, int]] = []
    now = 0

    def until(end: int) -> None:
        nonlocal now
        if path and end > now:
            stack = [frame for _, frame in path]
            profile.add(stack, end - now)
            number = samples.stack_number(stack)
            samples.add(number, _us(end - now), time=now, thread=thread)
        now = max(now, end)

    def close(begin: float) -> None:
        while path and path[-1][0] <= begin:
            until(path[-1][0])
            path.pop()

    for begin, duration, name in spans:
        close(begin)
        until(begin)
        # What outlives the span that it is in ends with it.
        end = min(begin + duration, path[-1][0] if path else begin + duration)
        path.append((end, profile.frame(name.replace(";", ":"))))
    close(inf)
