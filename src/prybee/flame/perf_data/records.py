"""The file's header, and its records in the order of time."""

from __future__ import annotations

from struct import Struct

from prybee.data import Data
from prybee.flame.profile import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAGIC = b"PERFILE2"
# enum perf_event_type (include/uapi/linux/perf_event.h), and perf's own from 64 on.
MMAP, LOST, COMM, EXIT, THROTTLE, UNTHROTTLE, FORK, READ, SAMPLE, MMAP2 = range(1, 11)
LOST_SAMPLES = 13
HEADER_ATTR, AUXTRACE, COMPRESSED, COMPRESSED2 = 64, 71, 81, 83
# enum perf_event_sample_format.
IP, TID, TIME, ADDR, READ_VALUES, CALLCHAIN, ID, CPU, PERIOD, STREAM_ID = (
    1 << bit for bit in range(10)
)
IDENTIFIER = 1 << 16
# Features of the header whose sections follow the data.
BUILD_ID, OSRELEASE, EVENT_DESC = 2, 4, 12

_HEADER = Struct("<8sQQQQQQQQ4Q")
_RECORD = Struct("<IHH")
_SAMPLE_ID_ALL = 1 << 18


class PerfDataError(FormatError):
    """A file that cannot be read, and why."""


class Event(Data):
    """What was counted: an attribute of the file.

    Attributes:
        name: of the event; empty if the file does not tell it.
        sample_type: what its samples have.
        read_format: what their counters have.
        flags: of ``perf_event_attr``.
        ids: of its counters.
    """

    name: str
    sample_type: int
    read_format: int
    flags: int
    ids: tuple[int, ...]


class PerfData:
    """A file.

    Args:
        data: its content.

    Raises:
        PerfDataError: it is damaged, or of a form that cannot be read.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        if data[:8] != MAGIC:
            raise PerfDataError("no file of perf record (it does not begin with PERFILE2)")
        try:
            self._read_header()
        except (IndexError, ValueError) as error:
            raise PerfDataError(f"a damaged perf.data: {error}") from None
        except Exception as error:  # struct.error is no ValueError.
            raise PerfDataError(f"a damaged perf.data: {error}") from None
        if not self.events:
            raise PerfDataError("a perf.data without events")
        self._by_id = {each: event for event in self.events for each in event.ids}

    def _read_header(self) -> None:
        data = self.data
        size = Struct("<Q").unpack_from(data, 8)[0]
        self.features: dict[int, bytes] = {}
        self.events: list[Event] = []
        if size == 16:  # From a pipe: attributes are records.
            self._begin, self._end = 16, len(data)
            self.events = list(self._piped_attributes())
            return
        _, _, attr_size, attrs, attrs_size, begin, length, _, _, *bits = _HEADER.unpack_from(data)
        self._begin = begin
        self._end = min(begin + length, len(data)) if length else len(data)
        self._read_features(begin + length, bits)
        names = self._names()
        for at in range(attrs, attrs + attrs_size, attr_size):
            ids_at, ids_size = Struct("<QQ").unpack_from(data, at + attr_size - 16)
            ids = Struct(f"<{ids_size // 8}Q").unpack_from(data, ids_at)
            self.events.append(_event(data, at, ids, names.get(ids[:1], "")))

    def _read_features(self, at: int, bits: list[int]) -> None:
        """Sections stand in the order of their bits."""
        for bit in range(256):
            if bits[bit // 64] >> bit % 64 & 1:
                if at + 16 > len(self.data):
                    return  # The file was never finished.
                begin, size = Struct("<QQ").unpack_from(self.data, at)
                self.features[bit] = self.data[begin : begin + size]
                at += 16

    def _names(self) -> dict[tuple[int, ...], str]:
        """Names of events by their first id (feature EVENT_DESC)."""
        section = self.features.get(EVENT_DESC, b"")
        found: dict[tuple[int, ...], str] = {}
        if len(section) < 8:
            return found
        count, attr_size = Struct("<II").unpack_from(section)
        at = 8
        for _ in range(count):
            at += attr_size
            ids, length = Struct("<II").unpack_from(section, at)
            name = section[at + 8 : at + 8 + length].split(b"\0")[0].decode(errors="replace")
            at += 8 + length
            found[Struct(f"<{ids}Q").unpack_from(section, at)[:1]] = name
            at += 8 * ids
        return found

    def _piped_attributes(self) -> Iterator[Event]:
        for kind, _, at, size in self._raw():
            if kind == HEADER_ATTR:
                attr_size = Struct("<I").unpack_from(self.data, at + 4)[0]
                ids = (size - 8 - attr_size) // 8
                values = Struct(f"<{ids}Q").unpack_from(self.data, at + attr_size)
                yield _event(self.data, at, values, "")

    @property
    def release(self) -> str:
        """Of the kernel that it was recorded on; empty if the file does not tell it."""
        section = self.features.get(OSRELEASE, b"")
        return section[4:].split(b"\0")[0].decode(errors="replace")

    def build_ids(self) -> dict[str, str]:
        """Paths of files to their build ids, in hex (feature BUILD_ID)."""
        section = self.features.get(BUILD_ID, b"")
        found = {}
        at = 0
        while at + 36 <= len(section):
            _, _, size = _RECORD.unpack_from(section, at)
            if size < 36:
                break
            name = section[at + 36 : at + size].split(b"\0")[0].decode(errors="replace")
            found[name] = section[at + 12 : at + 32].hex()
            at += size
        return found

    def _raw(self) -> Iterator[tuple[int, int, int, int]]:
        """(type, misc, place behind the header, whole size) of each record as it stands."""
        data, at, end = self.data, self._begin, self._end
        unpack = _RECORD.unpack_from
        while at + 8 <= end:
            kind, misc, size = unpack(data, at)
            if size < 8 or at + size > end:
                return  # Cut off, or never finished.
            yield kind, misc, at + 8, size
            at += size
            if kind == AUXTRACE:
                at += Struct("<Q").unpack_from(data, at - size + 8)[0]

    def records(self) -> list[tuple[int, int, int, int, int]]:
        """(time, type, misc, place behind the header, size) of each, in the order of time.

        perf writes what each CPU has one after the other. Records without a time keep their place.

        Raises:
            PerfDataError: they are compressed.
        """
        first = self.events[0]
        with_times = all(event.sample_type & TIME for event in self.events)
        sample_time = _before_time(first.sample_type)
        trailer = _trailer_time(first) if first.flags & _SAMPLE_ID_ALL else None
        number = Struct("<Q").unpack_from
        found = []
        time = 0
        for kind, misc, at, size in self._raw():
            if kind in (COMPRESSED, COMPRESSED2):
                raise PerfDataError(
                    "it is compressed\nHINT: perf record without -z, or `perf inject`"
                )
            if kind >= 64:
                continue
            if with_times:
                if kind == SAMPLE:
                    time = number(self.data, at + sample_time)[0]
                elif trailer is not None and size - 8 >= trailer:
                    time = number(self.data, at + size - 8 - trailer)[0]
            found.append((time, kind, misc, at, size))
        found.sort(key=lambda record: record[0])
        return found

    def event_at(self, at: int) -> Event:
        """Whose sample begins there."""
        if len(self.events) == 1:
            return self.events[0]
        place = _identifier(self.events[0].sample_type)
        if place is None:
            return self.events[0]
        number = Struct("<Q").unpack_from(self.data, at + place)[0]
        return self._by_id.get(number, self.events[0])


def _event(data: bytes, at: int, ids: tuple[int, ...], name: str) -> Event:
    sample_type, read_format, flags = Struct("<QQQ").unpack_from(data, at + 24)
    return Event(name, sample_type, read_format, flags, tuple(ids))


# What stands before which in a sample, each of eight bytes.
_ORDER = (IDENTIFIER, IP, TID, TIME, ADDR, ID, STREAM_ID, CPU, PERIOD)


def place_of(sample_type: int, field: int) -> int:
    """Where a field stands, from the beginning of a sample, in bytes."""
    return 8 * sum(1 for each in _ORDER[: _ORDER.index(field)] if sample_type & each)


def _before_time(sample_type: int) -> int:
    return place_of(sample_type, TIME)


def _identifier(sample_type: int) -> int | None:
    if sample_type & IDENTIFIER:
        return 0
    return place_of(sample_type, ID) if sample_type & ID else None


def _trailer_time(event: Event) -> int | None:
    """Where the time stands in what is behind other records, from their end in bytes."""
    if not event.sample_type & TIME:
        return None
    behind = (ID, STREAM_ID, CPU, IDENTIFIER)
    return 8 * (1 + sum(1 for each in behind if event.sample_type & each))


def callchain_reader(
    event: Event, data: bytes
) -> Callable[[int], tuple[int, int, int, tuple[int, ...]]]:
    """A function: where a sample begins → (pid, tid, period, addresses from the leaf on).

    Without a callchain the addresses are that of the sample alone.
    """
    kind = event.sample_type
    tid_at = place_of(kind, TID) if kind & TID else -1
    ip_at = place_of(kind, IP) if kind & IP else -1
    period_at = place_of(kind, PERIOD) if kind & PERIOD else -1
    chain_at = 8 * sum(1 for each in _ORDER if kind & each)
    pair = Struct("<II").unpack_from
    number = Struct("<Q").unpack_from
    chains: dict[int, Callable[[bytes, int], tuple[int, ...]]] = {}

    def read(at: int) -> tuple[int, int, int, tuple[int, ...]]:
        pid, tid = pair(data, at + tid_at) if tid_at >= 0 else (0, 0)
        period = number(data, at + period_at)[0] if period_at >= 0 else 1
        chain = at + chain_at
        if kind & READ_VALUES:
            chain += _read_size(event.read_format, data, chain)
        if not kind & CALLCHAIN:
            return pid, tid, period, number(data, at + ip_at) if ip_at >= 0 else ()
        (count,) = number(data, chain)
        unpack = chains.get(count)
        if unpack is None:
            unpack = chains[count] = Struct(f"<{min(count, 1 << 16)}Q").unpack_from
        return pid, tid, period, unpack(data, chain + 8)

    return read


def place_reader(event: Event, data: bytes) -> Callable[[int], tuple[int, int]]:
    """A function: where a sample begins → (time in ns, CPU), each -1 where there is none."""
    kind = event.sample_type
    time_at = place_of(kind, TIME) if kind & TIME else -1
    cpu_at = place_of(kind, CPU) if kind & CPU else -1
    number, word = Struct("<q").unpack_from, Struct("<I").unpack_from

    def read(at: int) -> tuple[int, int]:
        time = number(data, at + time_at)[0] if time_at >= 0 else -1
        return time, word(data, at + cpu_at)[0] if cpu_at >= 0 else -1

    return read


def _read_size(form: int, data: bytes, at: int) -> int:
    """The size of a counter's values (enum perf_event_read_format)."""
    times = 8 * ((form & 1) + (form >> 1 & 1))
    each = 8 * (1 + (form >> 2 & 1) + (form >> 4 & 1))
    if not form & 8:
        return times + each
    count: int = Struct("<Q").unpack_from(data, at)[0]
    return 8 + times + count * each
