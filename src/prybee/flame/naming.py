"""Stacks as the kernel hands them over, as frames of a profile."""

from __future__ import annotations

import struct

from prybee.flame.profile import INLINED, JIT, KERNEL, PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prybee.flame.profile import Profile
    from prybee.output.names import Names
    from prybee.plan.layouts import StackLayout
    from prybee.symbols import Frame

    Resolve = Callable[[int, Sequence[int]], Sequence[Frame | None]]

# How functions of the kernel begin that are on a stack because a program looks at it.
_OURS = (
    "bpf_prog_", "bpf_trace_run", "__bpf_trace_", "__traceiter_", "bpf_get_stack",
    "bpf_overflow_handler", "__perf_event_overflow", "perf_swevent_hrtimer",
)  # fmt: skip
UNKNOWN = "[unknown]"
_header = struct.Struct("<iI").unpack_from


class Namer:
    """Names the frames of stacks.

    Args:
        profile: whose frames they become.
        names: resolves addresses.
    Attributes:
        nameless: the last stack had a frame without a name.
        lacking: the last stack had code whose unwind rows had no room.
    """

    def __init__(self, profile: Profile, names: Names) -> None:
        self._profile = profile
        self._names = names
        self._kernel: dict[int, int] = {}
        self.nameless = self.lacking = False

    def stack(self, layout: StackLayout) -> Callable[[bytes], list[int]]:
        """A function: the bytes of a stack → numbers of its frames, the root first."""
        words = [struct.Struct(f"<{count}Q").unpack_from for count in range(layout.limit + 1)]
        name = self._user_frames if layout.user else self._kernel_frames

        def show(data: bytes) -> list[int]:
            count, pid = _header(data)
            if count <= 0:  # an error's number
                return []
            return name(pid, _calls(words[min(count, layout.limit)](data, 16)))

        return show

    def of_process(self, pid: int, addresses: Sequence[int]) -> list[int]:
        """The numbers of a process's frames, the root first; addresses are innermost first."""
        return self._user_frames(pid, _calls(addresses))

    def _kernel_frames(self, _pid: int, addresses: list[int]) -> list[int]:
        known = self._kernel
        frames = []
        for address in addresses:
            number = known.get(address)
            if number is None:
                found = self._names.kernel_symbol(address)
                symbol, module = (found[0], found[2]) if found is not None else (UNKNOWN, "")
                ours = symbol.startswith(_OURS)
                number = -1 if ours else self._profile.frame(symbol, KERNEL, module)
                known[address] = number
            frames.append(number)
        # What a program itself adds is at the top.
        while frames and frames[0] < 0:
            del frames[0]
        return [number for number in reversed(frames) if number >= 0]

    def _user_frames(self, pid: int, addresses: list[int]) -> list[int]:
        user = self._names.user
        if user is None:
            return []
        frames: list[int] = []
        for found in user.resolve_many(pid, addresses):
            if found is not None and found.inlined:
                for name, _ in found.inlined:
                    frames.append(self._profile.frame(name, INLINED, found.module))
            frames.append(self._user_frame(found))
        if self._names.lacking is not None and self._names.lacking(pid, addresses):
            self.lacking = True
        frames.reverse()
        return frames

    def _user_frame(self, found: Frame | None) -> int:
        frame = self._profile.frame
        if found is None:
            self.nameless = True
            return frame(UNKNOWN)
        module = found.module
        if found.symbol:
            jit = module.startswith("/tmp/perf-") and module.endswith(".map")
            return frame(found.symbol, JIT if jit else PLAIN, module)
        self.nameless = True
        return frame(
            f"[{module.rpartition('/')[2].strip('[]')}]" if module else UNKNOWN, module=module
        )


def _calls(addresses: Sequence[int]) -> list[int]:
    """All but the first are where calls return to: the call is in front of that."""
    return [addresses[0], *[address - 1 for address in addresses[1:]]]
