"""Profiles made by tracing this machine: which kinds there are.

Each kind is a script of ``profiles``; what its map holds becomes a profile. To add a kind: a script
there, and a line in ``KINDS``.
"""

from __future__ import annotations

import os

from prybee.data import Data


class Kind(Data):
    """A kind of profile.

    Attributes:
        name: of the command, of the script, and of the map with the result.
        help: what it shows, in a line.
        unit: of the weights.
        own_filter: the script itself keeps to one process: its events are not all in it.
        spans: what has a weight began so long before it ended: weights are times.
    """

    name: str
    help: str
    unit: str
    own_filter: bool = False
    spans: bool = False

    @property
    def script(self) -> str:
        """The script's path."""
        return os.path.join(os.path.dirname(__file__), "profiles", f"{self.name}.bt")


# What can stand at the root of stacks, beside the thread's name (groups.py).
GROUPS = ("container", "cgroup")

KINDS = (
    Kind("cpu", "what runs on the CPUs", "samples"),
    Kind("off", "what threads wait for, and how long", "ns", own_filter=True, spans=True),
    Kind("wall", "both: on the CPU and off it", "ns", own_filter=True, spans=True),
    Kind("wake", "who wakes threads up", "wake-ups"),
    Kind("faults", "what causes page faults", "faults"),
    Kind("lock", "where threads wait for locks (futex)", "ns", spans=True),
    Kind("syscall", "what calls the kernel", "calls"),
    Kind("alloc", "who allocates memory from the C library", "bytes"),
)
