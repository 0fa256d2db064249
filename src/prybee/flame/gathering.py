"""What a trace finds, as a profile.

The trace has its stacks in one map, each with a number that stands for it, and beside it sums by
thread and number, or a record for each sample (``scripting``, ``recording``).
"""

from __future__ import annotations

import time

from prybee.flame.recording import Recorder, text
from prybee.flame.stack_keys import StackKeys
from prybee.output.text import TextOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prybee.flame.groups import Groups
    from prybee.flame.profile import Profile
    from prybee.flame.profiling import Kind
    from prybee.output.base import Handler
    from prybee.output.maps import Items
    from prybee.output.names import Names
    from prybee.output.sink import Sink
    from prybee.plan.plan import RecordSpec, ScriptMap

STACKS, SUMS = "@stacks", "@sums"


class Gatherer(TextOutput):
    """An output whose maps become a profile; everything else is shown as always.

    Args:
        kind: of the profile.
        profile: becomes what the maps hold.
        out, errors, names: as of every output.
        changed: called when the profile is new, as long as it is not the last time.
        times: samples are sent one by one, and kept so.
        groups: names control groups, where stacks have them.
    """

    def __init__(
        self,
        kind: Kind,
        profile: Profile,
        out: Sink,
        errors: Sink,
        names: Names,
        changed: Callable[[], None] | None = None,
        times: bool = False,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(out, errors, names, quiet=True)
        self._changed = changed
        self._ended = False
        self._kind = kind
        self._profile = profile
        self._stacks = StackKeys(profile, names, self, groups)
        self._recorder = Recorder() if times else None
        self._began = (0.0, 0.0)
        # Seconds of the trace, and what prybee itself ran meanwhile.
        self.elapsed = self.ran = 0.0

    def attached(self, count: int) -> None:
        self._began = time.monotonic(), time.process_time()
        super().attached(count)

    def before_maps(self) -> None:
        self._ended = True
        self.elapsed = time.monotonic() - self._began[0]
        self.ran = time.process_time() - self._began[1]

    def lost(self, count: int) -> None:
        self._profile.quality.lost += count
        super().lost(count)

    def value(self, spec: RecordSpec) -> Handler:
        return self._recorder.taker(spec) if self._recorder is not None else super().value(spec)

    def map(self, spec: ScriptMap, items: Items, top: int = 0, div: int = 1) -> None:
        if spec.name == STACKS:
            self._stacks.learn(spec, items)
            if self._recorder is not None:
                self._fill_samples(self._recorder)
        elif spec.name == SUMS:
            from prybee.output.maps import merge

            table = merge(spec, items)
            pairs = zip(table.keys, table.values, strict=True)
            self._fill({_thread_and_number(key): int(value) for key, value in pairs})
        else:
            super().map(spec, items, top, div)

    def _fill_samples(self, recorder: Recorder) -> None:
        """The profile becomes what was sent."""
        if recorder.sums is not None:
            self._fill({(text(name), number): w for (name, number), w in recorder.sums.items()})
            self._profile.quality.notes.append(
                "there were too many samples to keep each of them: their sums are here, without "
                "times (--no-times does that from the beginning)"
            )
            return
        self._profile.samples, sums = recorder.samples(self._kind.spans, self._stack)
        self._fill(sums)

    def _fill(self, sums: Mapping[tuple[str, int], int]) -> None:
        """The profile becomes sums of weights, by the thread's name and the stack's number."""
        profile, stacks = self._profile, self._stacks
        # The maps have all that there was, not what is new.
        profile.weights.clear()
        profile.quality.notes.clear()
        nameless = lacking = unresolved = apart = 0
        for (name, number), weight in sums.items():
            stack = self._stack(name, number)
            if stack is None:
                # Where the profile grows: the stack came after the map was read.
                profile.quality.lost += self._ended
                continue
            profile.add(stack, weight)
            found = stacks.known[number]
            nameless += weight * found.nameless
            lacking += weight * found.lacking
            unresolved += weight * found.unresolved
            apart += weight * found.apart
        self._note(nameless, "has frames without a name")
        self._note(
            lacking,
            "has code whose unwind rows had no room at some time: there stacks may be by frame "
            "pointers",
        )
        self._note(unresolved, "has Python functions that could not be resolved")
        self._note(apart, "has native frames that do not fit the Python functions")
        if self._changed is not None and not self._ended:
            self._changed()

    def _stack(self, name: str, number: int) -> tuple[int, ...] | None:
        """All frames: the thread's name is the root, or in front of it a control group."""
        found = self._stacks.known.get(number)
        return None if found is None else (*found.group, self._profile.frame(name), *found.frames)

    def _note(self, weight: int, what: str) -> None:
        """Says what a part of the profile lacks, if it is not a small one."""
        total = self._profile.total
        if weight and weight >= total / 100:
            self._profile.quality.notes.append(f"{100 * weight / total:.0f} % of the weight {what}")


def _thread_and_number(key: bytes) -> tuple[str, int]:
    """The parts of a key of sums: a thread's name, and in the last eight bytes a number."""
    return text(key[:-8]), int.from_bytes(key[-8:], "little")
