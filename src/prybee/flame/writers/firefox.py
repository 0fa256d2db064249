"""Writes the processed format of profiler.firefox.com (its docs-developer/CHANGELOG-formats.md).

Its tables are columns. The version is an older one that the site brings up to date by itself: a
site that is older than a file refuses it.
"""

from __future__ import annotations

import json

from prybee.flame.profile import INLINED, JIT, KERNEL, PLAIN, PYTHON, WAKER
from prybee.flame.timeline import OTHER, UNITS, scale, tracks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from prybee.flame.profile import Frame, Profile
    from prybee.flame.timeline import Piece, Track

VERSION = 66
_GECKO_VERSION = 33  # Of a format that it is not in, but it has to be said.
# What kinds of frames are called, and their colours. Grey is the one of what has no category.
CATEGORIES = (
    ("Other", "grey", ""), ("User", "yellow", PLAIN), ("Kernel", "orange", KERNEL),
    ("JIT", "green", JIT), ("Inlined", "blue", INLINED), ("Waker", "purple", WAKER),
    ("Python", "lightblue", PYTHON),
)  # fmt: skip
_CATEGORY = {kind: place for place, (_, _, kind) in enumerate(CATEGORIES) if place}
_LIBRARY = 1  # A kind of resource.
_NONE = -1


def write(profile: Profile, title: str = "") -> str:
    """The whole text.

    Args:
        profile: what is written.
        title: of the profile, and of its thread where threads are not told from each other.

    Raises:
        FormatError: it is longer than times can tell.
    """
    stacks = _Stacks()
    found = tracks(profile)
    # Samples without times are a millisecond each, as the interval says.
    millisecond = OTHER if scale(profile) else UNITS["ms"]
    zero = min((track.pieces[0][0] for track in found if track.pieces), default=0)
    threads = [
        _thread(track, number, profile.unit, (zero, millisecond), stacks, title)
        for number, track in enumerate(found, 1)
    ]
    strings = _Strings()
    libraries, tables = _tables(profile.frames, strings)
    return json.dumps(
        {
            "meta": _meta(profile, title),
            "libs": libraries,
            "shared": {
                "stackTable": stacks.table(),
                **tables,
                "stringArray": list(strings.places),
            },
            "threads": threads,
        },
        separators=(",", ":"),
    )


class _Strings:
    """Texts, each once."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def place(self, text: str) -> int:
        return self.places.setdefault(text, len(self.places))


class _Stacks:
    """All stacks as a tree: each node with the distance of the node that it stands on."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, int], int] = {}
        self._frames: list[int] = []
        self._offsets: list[int] = []
        self._known: dict[tuple[int, ...], int | None] = {}

    def node(self, stack: tuple[int, ...]) -> int | None:
        """The node of a stack's leaf; None for one without frames."""
        if stack in self._known:
            return self._known[stack]
        node = _NONE
        for frame in stack:
            place = len(self._frames)
            found = self._nodes.setdefault((node, frame), place)
            if found == place:
                self._frames.append(frame)
                self._offsets.append(0 if node == _NONE else place - node)
            node = found
        self._known[stack] = node if stack else None
        return self._known[stack]

    def table(self) -> dict[str, Any]:
        return {
            "frame": self._frames,
            "prefixOffset": self._offsets,
            "length": len(self._frames),
        }


def _meta(profile: Profile, title: str) -> dict[str, Any]:
    time = "bytes" if profile.unit == "bytes" else "ms"
    meta: dict[str, Any] = {
        "interval": 1,
        "startTime": 0,
        "processType": 0,
        "product": title or "prybee",
        "importedFrom": "prybee",
        "stackwalk": 1,
        "version": _GECKO_VERSION,
        "preprocessedProfileVersion": VERSION,
        "symbolicated": True,
        "symbolicationNotSupported": True,
        "sourceCodeIsNotOnSearchfox": True,
        "usesOnlyOneStackType": True,
        "keepProfileThreadOrder": True,
        "sampleUnits": {"time": time, "eventDelay": "ms", "threadCPUDelta": "ns"},
        "categories": [
            {"name": name, "color": colour, "subcategories": ["Other"]}
            for name, colour, _ in CATEGORIES
        ],
        "markerSchema": [],
    }
    missing = {
        "Lines that were not understood": profile.quality.rejected,
        "Samples that were lost": profile.quality.lost,
        "Samples without a stack": profile.quality.stackless,
    }
    entries: list[dict[str, Any]] = [
        {"label": label, "format": "integer", "value": count}
        for label, count in missing.items()
        if count
    ]
    entries += [
        {"label": "Note", "format": "string", "value": note} for note in profile.quality.notes
    ]
    if entries:
        meta["extra"] = [{"label": "What is missing", "entries": entries}]
    return meta


def _thread(
    track: Track, number: int, unit: str, clock: tuple[int, int], stacks: _Stacks, title: str
) -> dict[str, Any]:
    zero, millisecond = clock
    kind, weights = _weights(track.pieces, unit)
    end = (track.pieces[-1][1] - zero) / millisecond if track.pieces else 0
    return {
        "processType": "default",
        "processName": track.name or title or "profile",
        "processStartupTime": 0,
        "processShutdownTime": None,
        "registerTime": 0,
        "unregisterTime": end,
        "pausedRanges": [],
        "name": track.name or title or "profile",
        "isMainThread": not track.tid or track.tid == track.pid,
        "pid": str(track.pid or 0),
        "tid": track.tid or number,
        "samples": {
            "stack": [stacks.node(stack) for _, _, stack, _ in track.pieces],
            "time": [(begin - zero) / millisecond for begin, *_ in track.pieces],
            "weight": weights,
            "weightType": kind,
            "length": len(track.pieces),
        },
        "markers": {
            name: [] for name in ("data", "name", "startTime", "endTime", "phase", "category")
        }
        | {"length": 0},
    }  # fmt: skip


def _weights(pieces: Sequence[Piece], unit: str) -> tuple[str, list[float]]:
    """How weights are to be understood, and one for each piece."""
    if unit in UNITS:
        return "tracing-ms", [weight * UNITS[unit] / UNITS["ms"] for *_, weight in pieces]
    return "bytes" if unit == "bytes" else "samples", [weight for *_, weight in pieces]


def _tables(frames: Sequence[Frame], strings: _Strings) -> tuple[list[Any], dict[str, Any]]:
    """Libraries, and the tables of frames, functions and what they come from."""
    count = len(frames)
    modules: dict[str, int] = {}
    for frame in frames:
        if frame.module:
            modules.setdefault(frame.module, len(modules))
    libraries = [
        {
            "arch": "", "name": module.rpartition("/")[2], "path": module, "debugName": module,
            "debugPath": module, "breakpadId": "", "codeId": None,
        }
        for module in modules
    ]  # fmt: skip
    nothing = [None] * count
    categories = [_CATEGORY.get(frame.kind, 0) for frame in frames]
    tables = {
        "frameTable": {
            "address": [_NONE] * count,
            "inlineDepth": [int(frame.kind == INLINED) for frame in frames],
            "category": categories,
            "subcategory": [0] * count,
            "func": list(range(count)),
            "nativeSymbol": nothing,
            "innerWindowID": nothing,
            "line": nothing,
            "column": nothing,
            "originalLocation": nothing,
            "length": count,
        },
        "funcTable": {
            "name": [strings.place(frame.name) for frame in frames],
            "isJS": [False] * count,
            "relevantForJS": [False] * count,
            "resource": [modules[f.module] if f.module else _NONE for f in frames],
            "source": nothing,
            "lineNumber": nothing,
            "columnNumber": nothing,
            "originalLocation": nothing,
            "length": count,
        },
        "resourceTable": {
            "lib": list(range(len(modules))),
            "name": [strings.place(module.rpartition("/")[2]) for module in modules],
            "host": [None] * len(modules),
            "type": [_LIBRARY] * len(modules),
            "length": len(modules),
        },
        "nativeSymbols": _empty("libIndex", "address", "name", "functionSize"),
        "sources": _empty("id", "filename", "startLine", "startColumn", "sourceMapURL", "content"),
        "sourceLocationTable": _empty("source", "line", "column"),
    }
    return libraries, tables


def _empty(*columns: str) -> dict[str, Any]:
    return {**dict.fromkeys(columns, ()), "length": 0}
