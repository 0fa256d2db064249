"""Reads maps and tuples with stacks as prybee and bpftrace print them, as text and as JSON.

A key is any mixture of stacks and scalars (``@[kstack, ustack, comm]``, ``@[tid, ustack]`` …), some
of them in tuples. Stacks are printed leaf first; of several, the last in the key is nearest to the
root, as the kernel's come before the program's. Scalars are frames below all of them. A tuple that
is printed by itself is a sample.
"""

from __future__ import annotations

import json
import re

from prybee.flame.profile import KERNEL, PLAIN, Profile
from prybee.flame.readers.bpftrace_keys import elements
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prybee.flame.profile import Quality
    from prybee.flame.readers.bpftrace_keys import Element

_BEGIN = re.compile(r"(@\w*)\[(.*)")
_END = re.compile(r"(.*)\]:(?: (.*))?$")
_NUMBER = re.compile(r"-?\d+(\.\d+)?$")
_STATS = re.compile(r"\{?.*\btotal(?: =)? (-?\d+)\b.*")
_BAR = re.compile(r"[\[(].*[)\]]\s+(\d+)\s+\|")  # Of a histogram.
_TUPLE = re.compile(r"\((|.*, )$")
_TUPLE_END = re.compile(r"((?:, .*)?)\)$")
_OFFSET = re.compile(r"\+(0x)?[0-9a-f]+$")
# The form of stacks in perf mode: address, function, file. In JSON its spaces get lost; how long
# addresses are is known.
_PERF = re.compile(r"([0-9a-f]+) (.*?) \((.*)\)$")
_PERF_JSON = re.compile(
    r"(ffff[0-9a-f]{12}|[57][0-9a-f]{11}|([0-9a-f]+)(?=0x\2))(.+?)(?:\((.*)\))?$"
)
_MAPS = ("map", "stats", "hist")  # Kinds of JSON lines.

NO_STACK = "[no stack]"  # The frame of what has none, nor anything else.

_Value = float | str  # What is no number is told as it stands.
_Entry = tuple[str, "list[Element]", _Value]  # Map (empty for a tuple), key, value.


def probe(head: bytes) -> bool | None:
    """Whether a text begins as the output of a script with maps does."""
    text = head.decode(errors="replace")
    if re.search(r'^\{"type": *"[a-z_]+", *("count": *\d+, *)?"data": *', text, re.M):
        return True
    return re.search(r"^(@\w*\[|\(\n\s+\S+\n)", text, re.M) is not None


def read(lines: Iterable[bytes], *, map: str = "") -> Profile:  # noqa: A002
    """Reads the stacks of one map; what is not of a map is passed over.

    Args:
        lines: of the text.
        map: its name, with ``@``; empty for the first whose keys have stacks.
    """
    profile = Profile("")
    wanted = map or None
    others: dict[str, None] = {}
    for number, (name, key, value) in _entries(numbered(lines), profile.quality):
        if not any(isinstance(element, list) for element in key):
            continue
        if wanted is None:
            wanted = name
        if name != wanted:
            others[name or "tuples"] = None
            continue
        if isinstance(value, str):
            profile.quality.reject(number, f"{name}[…]: {value}")
            continue
        scalars = [profile.frame(each.replace(";", ":")) for each in key if isinstance(each, str)]
        stacks = [each for each in key if isinstance(each, list)]
        if not any(stacks):
            profile.quality.stackless += int(value)
        frames = [_frame(profile, each) for stack in reversed(stacks) for each in reversed(stack)]
        profile.add([*scalars, *frames] or [profile.frame(NO_STACK)], value)
    if others:
        profile.quality.notes.append(f"only {wanted} was read, not {', '.join(others)}: see --map")
    return profile


def _entries(lines: Iterator[tuple[int, str]], quality: Quality) -> Iterator[tuple[int, _Entry]]:
    """(line, entry) for each entry of a map, in both forms."""
    for number, line in lines:
        if line.startswith("{"):
            try:
                yield from ((number, entry) for entry in _json(json.loads(line)))
            except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
                quality.reject(number, line.rstrip())
        elif (begun := _BEGIN.match(line)) is not None:
            text = _until(lines, begun[2], _END)
            if text is None:
                quality.reject(number, line.rstrip())
                return
            key, rest = text
            value = _value(rest) if rest else _histogram(lines)
            yield number, (begun[1], elements(key, ", "), value)
        elif (begun := _TUPLE.match(line)) is not None:
            text = _until(lines, begun[1], _TUPLE_END)
            if text is None:
                quality.reject(number, line.rstrip())
                return
            yield number, ("", elements(text[0], ", "), 1)


def _until(
    lines: Iterator[tuple[int, str]], first: str, end: re.Pattern[str]
) -> tuple[str, str] | None:
    """What is up to the end, and what is behind it; None where the text ends before."""
    parts: list[str] = []
    rest = first
    while (found := end.match(rest)) is None:
        parts.append(rest)
        following = next(lines, None)
        if following is None:
            return None
        rest = following[1]
    parts.append(found[1])
    return "\n".join(parts), found[found.re.groups] or "" if found.re.groups > 1 else ""


def _value(text: str) -> _Value:
    text = text.strip()
    if _NUMBER.match(text):
        return float(text) if "." in text else int(text)
    stats = _STATS.match(text)
    return int(stats[1]) if stats is not None else text


def _histogram(lines: Iterator[tuple[int, str]]) -> _Value:
    """The number of all values of a histogram; other pictures are none."""
    total = bars = 0
    for _, line in lines:
        if not line.strip():
            break
        bar = _BAR.match(line)
        if bar is not None:
            total += int(bar[1])
            bars += 1
    return total if bars else "no number"


def _json(said: dict[str, object]) -> Iterator[_Entry]:
    """The entries of a line of JSON."""
    kind, data = said.get("type"), said.get("data")
    if kind == "value" and isinstance(data, list | str):
        parts = data if isinstance(data, list) else [data]
        yield "", [_element(each) for each in parts], 1
    elif kind in _MAPS and isinstance(data, dict):
        for name, entries in data.items():
            for key, value in entries.items() if isinstance(entries, dict) else ():
                yield name, elements(key, ","), _json_value(value)


def _element(value: object) -> Element:
    """A part of a tuple."""
    if isinstance(value, str) and value.startswith("\n"):
        return [line.strip() for line in value.splitlines() if line.strip()]
    return value if isinstance(value, str) else json.dumps(value)


def _json_value(value: object) -> _Value:
    if isinstance(value, dict) and isinstance(value.get("total"), int):
        return int(value["total"])
    if isinstance(value, list) and value and all("count" in each for each in value):
        return sum(int(each["count"]) for each in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value)
    return value


def _frame(profile: Profile, text: str) -> int:
    module = ""
    if (perf := _PERF.match(text)) is not None:
        text, module = perf[2], perf[3]
    elif (perf := _PERF_JSON.match(text)) is not None:
        text, module = perf[3], perf[4] or ""
    kind = KERNEL if module == "[kernel.kallsyms]" else PLAIN
    return profile.frame(_OFFSET.sub("", text).replace(";", ":"), kind, module)
