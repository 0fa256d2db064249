"""A profile as spans on tracks, for formats that know only those: begin, end, function.

Where the samples are known one by one, each thread is a track, and samples that follow one another
and have functions in common are one span of each of those. Where only sums are, there is one track,
on which the stacks stand in order, as wide as their weights: a flame graph of its own.
"""

from __future__ import annotations

from itertools import pairwise

from prybee.flame.profile import FormatError
from prybee.flame.samples import CLOCK, ORDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prybee.flame.profile import Profile
    from prybee.flame.samples import Samples, Thread

# Nanoseconds of a unit of weight; what is no time is shown as a microsecond.
UNITS = {"ns": 1, "us": 1000, "ms": 1_000_000, "s": 1_000_000_000}
OTHER = 1000
_LATEST = 1 << 63
# A sample lasts until the next of its thread, if that is at most so many usual distances away.
_TOGETHER = 2
# Of a single sample.
_USUAL = 1_000_000

# Begin, end (nanoseconds), the stack, and its weight.
Piece = tuple[int, int, "tuple[int, ...]", float]


class Track:
    """What a thread did, or everything.

    Attributes:
        name: of the thread; empty for everything.
        pid, tid: numbers; 0 if not known.
        pieces: stacks with their begin and end, in order, none over another.
    """

    def __init__(self, pieces: Sequence[Piece], name: str = "", pid: int = 0, tid: int = 0) -> None:
        self.name = name
        self.pid = pid
        self.tid = tid
        self.pieces = pieces

    def events(self) -> Iterator[tuple[int, int]]:
        """Beginnings and ends in order: (nanoseconds, frame); the frame is -1 for an end."""
        path: tuple[int, ...] = ()
        last = 0
        for begin, end, stack, _ in self.pieces:
            common = 0
            if begin == last:
                for one, other in zip(path, stack, strict=False):
                    if one != other:
                        break
                    common += 1
            for _ in range(len(path) - common):
                yield last, -1
            for frame in stack[common:]:
                yield begin, frame
            path, last = stack, end
        for _ in path:
            yield last, -1

    def spans(self) -> list[tuple[int, int, int]]:
        """(begin, end, frame), those inside behind those around them."""
        found: list[tuple[int, int, int]] = []
        opened: list[int] = []
        for at, frame in self.events():
            if frame >= 0:
                opened.append(len(found))
                found.append((at, at, frame))
            else:
                place = opened.pop()
                begin, _, number = found[place]
                found[place] = (begin, at, number)
        return found


def tracks(profile: Profile) -> list[Track]:
    """The tracks of a profile.

    Raises:
        FormatError: it is longer than times can tell.
    """
    samples = placed(profile)
    if samples is None:
        return [Track(list(_in_order(profile)))]
    return list(_of_threads(samples, profile.unit))


def scale(profile: Profile) -> str:
    """What times on tracks mean, for a name; empty if they are times."""
    samples = placed(profile)
    if profile.unit in UNITS or (samples is not None and samples.clock == CLOCK):
        return ""
    return f" (a microsecond is one of {profile.unit})"


def placed(profile: Profile) -> Samples | None:
    """The samples, if all of them have a place in time."""
    samples = profile.samples
    if samples is None or not samples.clock or min(samples.time, default=-1) < 0:
        return None
    return samples


def _in_order(profile: Profile) -> Iterator[Piece]:
    """Stacks by the names of their frames, one behind the other."""
    unit = UNITS.get(profile.unit, OTHER)
    if profile.total * unit >= _LATEST:
        raise FormatError(f"{profile.total:g} {profile.unit} are more than a trace has time for")
    names = [frame.name for frame in profile.frames]
    order = sorted(
        ([names[frame] for frame in stack], stack, weight)
        for stack, weight in profile.weights.items()
        if weight > 0
    )
    at: float = 0
    for _, stack, weight in order:
        begin, at = at, at + weight
        yield round(begin * unit), round(at * unit), stack, weight


def _of_threads(samples: Samples, unit: str) -> Iterator[Track]:
    """Each thread with its samples in order; one that changes its name is still one."""
    threads: dict[tuple[int, int, str], Thread] = {}
    keys = []
    for each in samples.threads:
        keys.append((each.pid, each.tid, "" if each.pid or each.tid else each.name))
        threads[keys[-1]] = each
    places: dict[tuple[int, int, str], list[int]] = {}
    for place, number in enumerate(samples.thread):
        places.setdefault(keys[number], []).append(place)
    for own in places.values():
        own.sort(key=samples.time.__getitem__)
    period = 0 if samples.spans else _period(samples, places.values())
    for key, own in places.items():
        thread = threads[key]
        pieces = list(_pieces(samples, own, unit, period))
        yield Track(pieces, thread.name, thread.pid, thread.tid)


def _period(samples: Samples, threads: Iterable[Sequence[int]]) -> int:
    """The usual time between samples of a thread."""
    gaps = [
        samples.time[after] - samples.time[place]
        for places in threads
        for place, after in pairwise(places)
        if samples.time[after] > samples.time[place]
    ]
    return sorted(gaps)[(len(gaps) - 1) // 2] if gaps else _USUAL


def _pieces(samples: Samples, places: Sequence[int], unit: str, period: int) -> Iterator[Piece]:
    """A thread's samples with the time that each stands for."""
    step = OTHER if samples.clock == ORDER else 1
    begins = [samples.time[place] * step for place in places]
    for place, begin, following in zip(places, begins, [*begins[1:], _LATEST], strict=True):
        if samples.clock == ORDER:
            end = begin + round(samples.weight[place] * OTHER)
        elif samples.spans:
            end = begin + round(samples.weight[place] * UNITS.get(unit, OTHER))
        elif following - begin <= period * _TOGETHER:
            end = following
        else:
            end = begin + period
        if end > begin:
            stack = samples.stacks[samples.stack[place]]
            yield begin, min(end, following), stack, samples.weight[place]
