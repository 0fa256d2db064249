"""A part of a profile: only some threads, CPUs, times or states."""

from __future__ import annotations

from prybee.flame.profile import FormatError
from prybee.flame.samples import Samples

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from prybee.flame.profile import Profile


def narrow(
    profile: Profile,
    *,
    pids: Collection[int] = (),
    tids: Collection[int] = (),
    names: Collection[str] = (),
    cpus: Collection[int] = (),
    begin: int | None = None,
    end: int | None = None,
    labels: Mapping[str, Collection[str]] | None = None,
) -> Profile:
    """The part of a profile that all conditions are true of; those that are not given are.

    Args:
        profile: with samples; it stays as it is.
        pids, tids, names: of processes and threads.
        cpus: numbers of CPUs.
        begin, end: nanoseconds from the first sample; the end is not in it.
        labels: texts by the name of their column, ``state`` among them.

    Raises:
        FormatError: the profile has no samples, or no column of that name.
    """
    samples = profile.samples
    if samples is None:
        raise FormatError("the profile does not tell its samples one by one: it cannot be narrowed")
    tests: list[Callable[[int], bool]] = []
    if pids or tids or names:
        wanted = {
            number
            for number, each in enumerate(samples.threads)
            if (not pids or each.pid in pids)
            and (not tids or each.tid in tids)
            and (not names or each.name in names)
        }
        thread = samples.thread
        tests.append(lambda at: thread[at] in wanted)
    if cpus:
        cpu = samples.cpu
        tests.append(lambda at: cpu[at] in cpus)
    if begin is not None or end is not None:
        tests.append(_in_time(samples, begin, end))
    for name, texts in (labels or {}).items():
        tests.append(_labelled(samples, name, texts))
    return _part(profile, samples, (at for at in range(len(samples)) if all(t(at) for t in tests)))


def _in_time(samples: Samples, begin: int | None, end: int | None) -> Callable[[int], bool]:
    first, time = samples.begin, samples.time
    low = first + (begin or 0)
    high = first + end if end is not None else 1 << 63
    return lambda at: low <= time[at] < high


def _labelled(samples: Samples, name: str, texts: Collection[str]) -> Callable[[int], bool]:
    label = samples.labels.get(name)
    if label is None:
        known = ", ".join(samples.labels) or "none"
        raise FormatError(f"the profile has no labels '{name}' (there are: {known})")
    wanted = {number for number, text in enumerate(label.values) if text in texts}
    column = label.column
    return lambda at: column[at] in wanted


def _part(profile: Profile, samples: Samples, places: Iterable[int]) -> Profile:
    part = profile.empty()
    part.quality.join(profile.quality)
    kept = part.samples = Samples(samples.clock, spans=samples.spans)
    kept.join(samples, range(len(part.frames)), places)
    for stack, weight in zip(kept.stack, kept.weight, strict=True):
        part.add(kept.stacks[stack], int(weight) if weight.is_integer() else weight)
    return part
