"""What is doubtful of a profile: functions without names, stacks that may be cut off."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.profile import Profile

# What tracers show where they find no name: nothing, the address, or the file alone.
_NAMELESS = re.compile(
    r"\[unknown( <.*>)?\]|(.*[`!])?(\?{2,3}|0x[0-9a-f]+)|\[[^\[\]]*\.so[\d.]*( <.*>)?\]"
)
# The usual kernel.perf_event_max_stack, which limits bpftrace's stacks, too.
_DEEPEST = 127


def note(profile: Profile) -> None:
    """Adds to the notes of a profile what is doubtful of its stacks.

    Args:
        profile: as it was read.
    """
    weights = profile.weights
    nameless = {
        number for number, each in enumerate(profile.frames) if _NAMELESS.fullmatch(each.name)
    }
    total = profile.total
    some = sum(w for stack, w in weights.items() if not nameless.isdisjoint(stack))
    if nameless and some >= total / 100 > 0:
        share = 100 * some / total
        profile.quality.notes.append(f"{share:.0f} % of the weight has frames without a name")
    deep = sum(1 for stack in weights if len(stack) > _DEEPEST)
    if deep:
        profile.quality.notes.append(
            f"{deep} stacks have {_DEEPEST} functions or more: they may be cut off "
            "(kernel.perf_event_max_stack)"
        )
