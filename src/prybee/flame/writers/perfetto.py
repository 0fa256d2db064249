"""Writes Perfetto's own format: packets of a protocol buffer (its sources' protos/perfetto/trace).

Each thread is a track and each function a slice on it, as ``prybee.flame.timeline`` has them; names
are told once. There is nothing in it that needs a library.
"""

from __future__ import annotations

from prybee.flame.timeline import scale, tracks
from prybee.flame.writers.protobuf import message, number, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.flame.profile import Profile
    from prybee.flame.timeline import Track

# Field numbers. Of Trace:
_PACKET = 1
# Of TracePacket:
_TIMESTAMP, _SEQUENCE, _EVENT, _INTERNED, _FLAGS, _DESCRIPTOR = 8, 10, 11, 12, 13, 60
# Of TrackDescriptor, ProcessDescriptor and ThreadDescriptor:
_UUID, _NAME, _PROCESS, _THREAD, _PARENT = 1, 2, 3, 4, 5
_PROCESS_PID, _THREAD_PID, _THREAD_TID, _THREAD_NAME = 1, 1, 2, 5
# Of InternedData, EventCategory and EventName:
_CATEGORIES, _NAMES, _IID, _TEXT = 1, 2, 1, 2
# Of TrackEvent:
_CATEGORY_IID, _TYPE, _NAME_IID, _TRACK = 3, 9, 10, 11
_BEGIN, _END = 1, 2
# What sequences of packets say of names: begin anew, and they are needed.
_CLEARED, _NEEDED = 1, 2
_OURS = number(_SEQUENCE, 1)
# Tracks of processes have numbers that those of threads cannot have.
_PROCESSES = 1 << 32


def write(profile: Profile, title: str = "") -> Iterator[bytes]:
    """The whole file, in parts.

    Args:
        profile: what is written.
        title: of a profile that does not tell threads from each other.

    Raises:
        FormatError: it is longer than times can tell.
    """
    kinds = {
        kind: place
        for place, kind in enumerate(sorted({f.kind for f in profile.frames if f.kind}), 1)
    }
    yield _packet(number(_FLAGS, _CLEARED), message(_INTERNED, _interned(profile, kinds)))
    begins = [
        number(_TYPE, _BEGIN)
        + number(_NAME_IID, place)
        + (number(_CATEGORY_IID, kinds[frame.kind]) if frame.kind else b"")
        for place, frame in enumerate(profile.frames, 1)
    ]
    end = number(_TYPE, _END)
    unit = scale(profile)
    told: set[int] = set()
    for uuid, track in enumerate(tracks(profile), 1):
        name = (track.name or title or "profile") + unit
        yield from _descriptors(track, uuid, name, told)
        own = number(_TRACK, uuid)
        flags = number(_FLAGS, _NEEDED)
        for at, frame in track.events():
            event = begins[frame] if frame >= 0 else end
            yield _packet(number(_TIMESTAMP, at), flags, message(_EVENT, event + own))


def _packet(*fields: bytes) -> bytes:
    return message(_PACKET, b"".join((*fields, _OURS)))


def _interned(profile: Profile, kinds: dict[str, int]) -> bytes:
    parts = [message(_CATEGORIES, number(_IID, n) + text(_TEXT, kind)) for kind, n in kinds.items()]
    for place, frame in enumerate(profile.frames, 1):
        parts.append(message(_NAMES, number(_IID, place) + text(_TEXT, frame.name)))
    return b"".join(parts)


def _descriptors(track: Track, uuid: int, name: str, told: set[int]) -> Iterator[bytes]:
    """What a track is, behind what its process is."""
    fields = number(_UUID, uuid) + text(_NAME, name)
    if track.pid and track.tid:
        process = track.pid + _PROCESSES
        if process not in told:
            told.add(process)
            about = message(_PROCESS, number(_PROCESS_PID, track.pid))
            yield _packet(message(_DESCRIPTOR, number(_UUID, process) + about))
        thread = number(_THREAD_PID, track.pid) + number(_THREAD_TID, track.tid)
        fields += message(_THREAD, thread + text(_THREAD_NAME, name))
        fields += number(_PARENT, process)
    yield _packet(message(_DESCRIPTOR, fields))
