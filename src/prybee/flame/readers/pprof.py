"""Reads pprof's format (google/pprof, proto/profile.proto), gzipped or not."""

from __future__ import annotations

import gzip
import zlib

from prybee.dwarf.leb128 import uleb
from prybee.flame.profile import INLINED, PLAIN, FormatError, Profile
from prybee.flame.samples import Samples
from prybee.flame.writers.pprof import (
    FUNCTION,
    LOCATION,
    MAPPING,
    SAMPLE,
    SAMPLE_TYPE,
    STRING_TABLE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def probe(head: bytes) -> bool | None:
    """Whether data begin as such a file does: gzipped, with a value's type in the beginning."""
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(31).decompress(head, 16)
        except zlib.error:
            return False
    return head[:1] == b"\x0a" and head[2:3] == b"\x08"


def read(lines: Iterable[bytes], *, value: str = "", samples: bool = False) -> Profile:
    """Reads samples.

    Args:
        lines: the data, in any pieces.
        value: which of the values of each sample counts: its name (``cpu``, ``alloc_space`` …), or
            its number from 0; empty for the first.
        samples: also one by one, if they have labels; ``thread``, ``pid`` and ``tid`` are threads.

    Raises:
        FormatError: there is no such value.
    """
    data = b"".join(lines)
    profile = Profile()
    kept = Samples("") if samples else None
    try:
        _read(profile, gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data, value, kept)
    except (ValueError, IndexError, KeyError, OSError, EOFError, zlib.error) as error:
        profile.quality.reject(1, f"no pprof profile: {error}")
    return profile


def _read(profile: Profile, data: bytes, wanted: str, samples: Samples | None) -> None:
    strings: list[str] = []
    tables: dict[int, list[dict[int, list[int | bytes]]]] = {}
    for field, content in _fields(data):
        if field == STRING_TABLE:
            strings.append(_bytes(content).decode(errors="replace"))
        elif field in (SAMPLE_TYPE, SAMPLE, MAPPING, LOCATION, FUNCTION):
            tables.setdefault(field, []).append(_message(_bytes(content)))
    kinds = [
        (strings[_first(each, 1)], strings[_first(each, 2)]) for each in tables.get(SAMPLE_TYPE, [])
    ]
    value = _value([name for name, _ in kinds], wanted)
    if value < len(kinds):
        unit = kinds[value][1]
        profile.unit = {"count": "samples", "nanoseconds": "ns"}.get(unit, unit)
    names = {_first(each, 1): strings[_first(each, 2)] for each in tables.get(FUNCTION, [])}
    modules = {_first(each, 1): strings[_first(each, 5)] for each in tables.get(MAPPING, [])}
    locations: dict[int, list[int]] = {}
    for each in tables.get(LOCATION, []):
        module = modules.get(_first(each, 2), "")
        lines = [_message(_bytes(line)) for line in each.get(4, [])]
        found = [names[_first(line, 1)] for line in reversed(lines)]
        if not found:
            found = [f"0x{_first(each, 3):x}"]
        locations[_first(each, 1)] = [
            profile.frame(name, INLINED if place else PLAIN, module)
            for place, name in enumerate(found)
        ]
    for each in tables.get(SAMPLE, []):
        ids, values = _numbers(each.get(1, [])), _numbers(each.get(2, []))
        weight = values[value] - (1 << 64 if values[value] >> 63 else 0)
        stack = [frame for number in reversed(ids) for frame in locations[number]]
        profile.add(stack, weight)
        if samples is not None:
            labels = dict(_label(_message(_bytes(label)), strings) for label in each.get(3, []))
            name = labels.pop("thread", "")
            pid, tid = (_decimal(labels.get(key, "")) for key in ("pid", "tid"))
            thread = samples.thread_number(pid, tid, name)
            samples.add(samples.stack_number(stack), weight, thread=thread, labels=labels)
    if samples is not None and (samples.labels or len(samples.threads) > 1):
        profile.samples = samples


def _label(label: dict[int, list[int | bytes]], strings: Sequence[str]) -> tuple[str, str]:
    """Name and text of a label; its value is a text, or a number with a unit."""
    name, text = strings[_first(label, 1)], strings[_first(label, 2)]
    if text:
        return name, text
    unit = strings[_first(label, 4)]
    return name, f"{_first(label, 3)} {unit}".rstrip()


def _decimal(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _value(names: Sequence[str], wanted: str) -> int:
    """The place of a value."""
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    if wanted:
        raise FormatError(f"pprof's file has no '{wanted}' (there are: {', '.join(names)})")
    return 0


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            number, at = _varint(data, at)
            yield tag >> 3, number
        elif tag & 7 == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("it is cut off")
            yield tag >> 3, data[at : at + size]
            at += size
        elif tag & 7 in (1, 5):
            at += 8 if tag & 7 == 1 else 4
        else:
            raise ValueError(f"wire type {tag & 7}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, at = uleb(data, at)
    if value >> 70:
        raise ValueError("a number without an end")
    return value, at


def _message(data: bytes) -> dict[int, list[int | bytes]]:
    found: dict[int, list[int | bytes]] = {}
    for field, content in _fields(data):
        found.setdefault(field, []).append(content)
    return found


def _bytes(content: int | bytes) -> bytes:
    if isinstance(content, int):
        raise ValueError("a number where a message should be")
    return content


def _first(message: dict[int, list[int | bytes]], field: int) -> int:
    content = message.get(field, [0])[0]
    if not isinstance(content, int):
        raise ValueError("a message where a number should be")
    return content


def _numbers(contents: list[int | bytes]) -> list[int]:
    """Numbers, packed or one by one."""
    numbers: list[int] = []
    for content in contents:
        if isinstance(content, int):
            numbers.append(content)
            continue
        at = 0
        while at < len(content):
            number, at = _varint(content, at)
            numbers.append(number)
    return numbers
