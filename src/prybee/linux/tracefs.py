"""The kernel's list of tracepoints and what each one records.

tracefs need not be mounted: where it is not, :class:`Tracefs` mounts it for itself alone
(:mod:`prybee.linux.mounts`), which changes nothing on the system.
"""

from __future__ import annotations

import os
import re

from prybee.data import Data
from prybee.linux import mounts, syscalls

_PLACES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")

# One line of a format file; bitfields do not occur, function pointers hardly.
_FIELD = re.compile(r"\tfield:(.*?);\s*offset:(\d+);\s*size:(\d+);\s*signed:(\d+);")
_DECLARATION = re.compile(
    r"(?:(__data_loc|__rel_loc) )?(.*?[\s*])?(\w+)((?:\[\w*\])*)$"  # type, name, dimensions
)
_FUNCTION_POINTER = re.compile(r"\(\s*\*\s*(\w+)\s*\)")
_NUMBER = re.compile(r"\d+")


class EventField(Data):
    """One ``field:`` line: offsets and sizes in bytes.

    ``type`` is the C type as written without the array part; ``array`` the number of elements
    (0: no array, -1: dynamic); ``location`` is ``__data_loc``, ``__rel_loc`` or empty.
    """

    name: str
    type: str
    offset: int
    size: int
    signed: bool
    array: int = 0
    location: str = ""


class Tracefs:
    """The tracing file system, found or mounted on first use; a context manager.

    Every answer is that of a kernel without tracing (no events, None) where it cannot be had.
    """

    def __init__(self, root: str = "") -> None:
        """
        Args:
            root: where it is; empty: look for it.
        """
        self._root = root
        self._mount = -1
        self._events: list[tuple[str, str]] | None = None
        self._ids: dict[tuple[str, str], int | None] = {}

    @property
    def root(self) -> str:
        """The directory; empty where there is no tracing."""
        if not self._root:
            for place in _PLACES:
                if os.access(f"{place}/events", os.R_OK):
                    self._root = place
                    break
            else:
                self._mount = mounts.private("tracefs")
                if self._mount >= 0:
                    self._root = f"/proc/self/fd/{self._mount}"
        return self._root

    @property
    def private(self) -> bool:
        """Whether the mount is our own."""
        return self._mount >= 0

    def events(self) -> list[tuple[str, str]]:
        """All (category, event) pairs, sorted."""
        if self._events is None:
            text = self._read("available_events")
            if text is None:
                self._events = self._scan()
            else:
                self._events = sorted(
                    (category, event)
                    for category, colon, event in [
                        line.partition(":") for line in text.splitlines()
                    ]
                    if colon
                )
        return self._events

    def _scan(self) -> list[tuple[str, str]]:
        """The events by their directories, where the list is not readable."""
        found = []
        try:
            for category in os.scandir(f"{self.root}/events"):
                if category.is_dir():
                    found += [
                        (category.name, entry.name)
                        for entry in os.scandir(category.path)
                        if entry.is_dir()
                    ]
        except OSError:
            pass
        return sorted(found)

    def event_id(self, category: str, event: str) -> int | None:
        """The number that perf_event_open(2) takes; None where there is no such event."""
        key = (category, event)
        if key not in self._ids:
            text = self._read_event(category, event, "id")
            self._ids[key] = int(text) if text is not None else None
        return self._ids[key]

    def format(self, category: str, event: str) -> tuple[EventField, ...] | None:
        """The fields without the common ones; None where there is no such event."""
        text = self._read_event(category, event, "format")
        return None if text is None else parse_format(text)

    def print_format(self, category: str, event: str) -> str:
        """The ``print fmt`` of an event, as the kernel writes it; empty where there is none."""
        text = self._read_event(category, event, "format") or ""
        _, found, rest = text.partition("print fmt: ")
        return rest.strip() if found else ""

    def _read_event(self, category: str, event: str, name: str) -> str | None:
        # Names come from scripts; nothing but an event's directory is meant.
        if "/" in category or "/" in event or category.startswith(".") or event.startswith("."):
            return None
        return self._read(f"events/{category}/{event}/{name}")

    def _read(self, name: str) -> str | None:
        if not self.root:
            return None
        try:
            with open(f"{self.root}/{name}", "rb", buffering=0) as file:
                return file.readall().decode("utf-8", "replace")
        except (OSError, ValueError):  # ValueError: a NUL in the name
            return None

    def close(self) -> None:
        """Gives up a mount of our own; a second call does nothing."""
        mount, self._mount = self._mount, -1
        if mount >= 0:
            self._root = ""
            syscalls.kernel.close(mount)

    def __enter__(self) -> Tracefs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Tracefs({self._root or 'not looked for yet'}{', private' if self.private else ''})"


def parse_format(text: str) -> tuple[EventField, ...]:
    """The fields of a ``format`` file's text, without the common ones, in its order."""
    fields = []
    for declaration, offset, size, signed in _FIELD.findall(text):
        field = _parse_field(declaration, int(offset), int(size), signed == "1")
        if field is not None:
            fields.append(field)
    return tuple(fields)


def _parse_field(declaration: str, offset: int, size: int, signed: bool) -> EventField | None:
    pointer = _FUNCTION_POINTER.search(declaration)
    if pointer:
        return EventField(pointer[1], "void *", offset, size, signed)
    # Of a dynamic array the brackets stand behind the type: __data_loc char[] name.
    match = _DECLARATION.match(declaration.replace("[] ", " ").strip())
    if match is None:
        return None
    location, type_, name, dimensions = match.groups("")
    if offset < 8 and name.startswith("common_"):
        return None
    array = 0
    if location:
        array = -1
    elif dimensions:
        array = 1
        for number in _NUMBER.findall(dimensions):
            array *= int(number)
        if "[]" in dimensions or not _NUMBER.search(dimensions):
            # The bound is a macro's name: the size tells, where the type is one byte wide.
            array = size if "char" in type_ else -1
    return EventField(name, type_.strip(), offset, size, signed, array, location)
