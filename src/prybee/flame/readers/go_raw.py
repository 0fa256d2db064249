"""Reads what ``go tool pprof -raw`` prints."""

from __future__ import annotations

import re

from prybee.flame.profile import INLINED, PLAIN, Profile
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SAMPLE = re.compile(r"\s*(\d+)(?:\s+\d+)*: ((?:\d+ ?)+)\s*$")
_LOCATION = re.compile(r"\s*(\d+): 0x[0-9a-f]+ (?:M=\d+ )?(\S.*?)(?: \S*:\d+)?(?: s=\d+.*)?\s*$")
_INLINED = re.compile(r"\s{8,}(\S.*?)(?: \S*:\d+)?(?: s=\d+.*)?\s*$")


def probe(head: bytes) -> bool | None:
    """Whether a text begins as the raw form of a profile does."""
    return head.startswith(b"PeriodType:") or re.search(rb"^Samples:\s*$", head, re.M) is not None


def read(lines: Iterable[bytes]) -> Profile:
    """Reads samples; of their values the first counts. What is inlined has frames of its own."""
    profile = Profile()
    part = ""
    samples: list[tuple[int, list[int]]] = []
    locations: dict[int, list[str]] = {}
    last: list[str] = []
    for number, text in numbered(lines):
        if text[:1].isalpha():
            part = text.strip().rstrip(":")
        elif part in ("Samples", "samples/count cpu/nanoseconds") or "/" in part:
            if (sample := _SAMPLE.match(text)) is not None:
                samples.append((int(sample[1]), [int(n) for n in sample[2].split()]))
            elif text.strip() and not re.match(r"\s+\S+:\[", text):
                profile.quality.reject(number, text)
        elif part == "Locations" and text.strip():
            if (location := _LOCATION.match(text)) is not None:
                last = locations[int(location[1])] = [location[2]]
            elif (inlined := _INLINED.match(text)) is not None:
                last.append(inlined[1])  # It has inlined what is above.
            else:
                profile.quality.reject(number, text)
    for weight, ids in samples:
        stack: list[int] = []
        for each in reversed(ids):
            outermost = True
            for name in reversed(locations.get(each, ["[unknown]"])):
                stack.append(profile.frame(name, PLAIN if outermost else INLINED))
                outermost = False
        profile.add(stack, weight)
    return profile
