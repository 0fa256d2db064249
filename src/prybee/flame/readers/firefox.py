"""Reads the processed format of profiler.firefox.com, as it and samply write it.

Tables are columns. They were those of each thread before they became common ones (``shared``), and
the stack below another was named by its place before it was by its distance.
"""

from __future__ import annotations

import json
import zlib

from prybee.flame.profile import INLINED, JIT, KERNEL, PLAIN, Profile
from prybee.flame.samples import Samples

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

_MS = 1_000_000  # Nanoseconds
# Kinds of weights, and the units that they are in.
_UNITS = {"samples": "samples", "tracing-ms": "ms", "bytes": "bytes"}
_KINDS = {"Kernel": KERNEL, "JIT": JIT}
_JIT = ("baseline", "blinterp", "ion", "wasm")  # How SpiderMonkey has made code.


def probe(head: bytes) -> bool | None:
    """Whether data begin as such a file does; the site saves it gzipped."""
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(31).decompress(head, 1 << 16)
        except zlib.error:
            return False
    return head.lstrip()[:1] == b"{" and b'"preprocessedProfileVersion"' in head


def read(lines: Iterable[bytes], *, samples: bool = False) -> Profile:
    """Reads the samples of all threads.

    The root of a stack is the thread, where there are several and its stacks do not begin with it.

    Args:
        lines: the data, in any pieces.
        samples: also one by one, with times and threads.
    """
    profile = Profile()
    if samples:
        profile.samples = Samples()
    data = b"".join(lines)
    try:
        if data[:2] == b"\x1f\x8b":
            data = zlib.decompressobj(31).decompress(data)
        text = json.loads(data)
        threads = [each for each in text["threads"] if each["samples"]["stack"]]
        shared = text.get("shared") or {}
        tables: _Tables | None = None
        for thread in threads:
            # Stacks that are common have all below them in common as well.
            if tables is None or "stackTable" not in shared:
                tables = _Tables(profile, text, {**thread, **shared})
            tables.read(thread, name=len(threads) > 1)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        profile.quality.reject(1, f"no profile of Firefox: {error!r}")
    except zlib.error as error:
        profile.quality.reject(1, f"it is damaged: {error}")
    return profile


class _Tables:
    """The tables for one thread, or for all.

    Args:
        profile: what is added to.
        text: the whole file.
        tables: by their names.
    """

    def __init__(
        self, profile: Profile, text: Mapping[str, Any], tables: Mapping[str, Any]
    ) -> None:
        self._profile = profile
        self._strings: Sequence[str] = tables.get("stringArray") or tables["stringTable"]
        self._frames = tables["frameTable"]
        self._functions = tables["funcTable"]
        self._resources = tables.get("resourceTable") or {}
        self._libraries = text.get("libs") or ()
        self._categories = [
            str(each.get("name")) for each in text.get("meta", {}).get("categories") or ()
        ]
        self._numbers: dict[int, int] = {}
        stacks = tables["stackTable"]
        self._places: Sequence[int] = stacks["frame"]
        if "prefix" in stacks:
            self._below = [-1 if each is None else each for each in stacks["prefix"]]
        else:
            offsets = stacks["prefixOffset"]
            self._below = [place - by if by else -1 for place, by in enumerate(offsets)]
        self._stacks: dict[int, tuple[int, ...]] = {-1: ()}

    def read(self, thread: Mapping[str, Any], name: bool) -> None:
        """Adds the samples of a thread.

        Args:
            thread: what is told of it.
            name: it is the root of its stacks.
        """
        table = thread["samples"]
        stacks = table["stack"]
        weights = table.get("weight") or [1] * len(stacks)
        kind = table.get("weightType") or "samples"
        profile, samples = self._profile, self._profile.samples
        profile.unit = _UNITS.get(kind, kind)
        times = _times(table, len(stacks))
        called = str(thread.get("name") or "?").replace(";", ":")
        number = 0
        if samples is not None:
            number = samples.thread_number(
                _whole(thread.get("pid")), _whole(thread.get("tid")), called
            )
        for place, weight, time in zip(stacks, weights, times, strict=True):
            if place is None:
                profile.quality.stackless += 1
                continue
            stack = self._stack(place)
            if name and not self._told(stack, called):
                stack = (profile.frame(called), *stack)
            profile.add(stack, weight)
            if samples is not None:
                samples.add(samples.stack_number(stack), weight, time=time, thread=number)

    def _told(self, stack: Sequence[int], called: str) -> bool:
        root = self._profile.frames[stack[0]].name if stack else ""
        return root == called or root.startswith(f"{called}-")

    def _stack(self, place: int) -> tuple[int, ...]:
        missing = []
        while place not in self._stacks:
            missing.append(place)
            below = self._below[place]
            # What stands on itself would have no end.
            if not -1 <= below < place:
                raise ValueError(f"stack {place} stands on stack {below}")
            place = below
        for each in reversed(missing):
            self._stacks[each] = (*self._stacks[place], self._frame(self._places[each]))
            place = each
        return self._stacks[place]

    def _frame(self, place: int) -> int:
        number = self._numbers.get(place)
        if number is None:
            function = self._frames["func"][place]
            name = str(self._strings[self._functions["name"][function]])
            number = self._numbers[place] = self._profile.frame(
                name.replace(";", ":"), self._kind(place), self._module(function)
            )
        return number

    def _kind(self, place: int) -> str:
        if _cell(self._frames, "inlineDepth", place):
            return INLINED
        category = _cell(self._frames, "category", place)
        if category is not None and category < len(self._categories):
            kind = _KINDS.get(self._categories[category])
            if kind:
                return kind
        made = _cell(self._frames, "implementation", place)
        return JIT if made is not None and str(self._strings[made]) in _JIT else PLAIN

    def _module(self, function: int) -> str:
        resource = _cell(self._functions, "resource", function)
        if resource is None or resource < 0:
            return ""
        library = _cell(self._resources, "lib", resource)
        if library is None or not 0 <= library < len(self._libraries):
            return ""
        return str(
            self._libraries[library].get("path") or self._libraries[library].get("name") or ""
        )


def _cell(table: Mapping[str, Any], column: str, row: int) -> Any:
    """What a table has in a column that may be missing; None then."""
    values = table.get(column)
    return values[row] if values else None


def _times(table: Mapping[str, Any], count: int) -> list[int]:
    """When each sample was taken, in nanoseconds; -1 if it is not told."""
    if table.get("time"):
        return [int(each * _MS) for each in table["time"]]
    now = 0.0
    found = []
    for each in table.get("timeDeltas") or ():
        now += each
        found.append(int(now * _MS))
    return found or [-1] * count


def _whole(value: object) -> int:
    try:
        return int(str(value).partition(".")[0])
    except ValueError:
        return 0
