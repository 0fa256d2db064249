"""Whose control groups stacks are of: the frame at the root, where one is asked for."""

from __future__ import annotations

import os

from prybee.diagnostics import PrybeeError
from prybee.output import containers

# What is in no container.
HOST = "host"


class Groups:
    """Names control groups by their numbers.

    All that there are are listed in the beginning, and again where one is not known: those that end
    in between have no name.
    """

    def __init__(self, kind: str, root: str) -> None:
        """
        Args:
            kind: of ``profiling.GROUPS``.
            root: where control groups of version 2 are mounted.

        Raises:
            PrybeeError: they are not.
        """
        if not os.path.isfile(os.path.join(root, "cgroup.procs")):
            raise PrybeeError(f"--by {kind}: no control groups of version 2 are mounted at {root}")
        self._kind = kind
        self._root = root
        self._names: dict[int, str] = {}
        self._unknown: set[int] = set()
        self._list()

    def _list(self) -> None:
        for folder, _, _ in os.walk(self._root):
            path = folder[len(self._root.rstrip("/")) :] or "/"
            try:
                number = os.stat(folder).st_ino
            except OSError:  # It has ended.
                continue
            if number not in self._names:
                by_name = self._kind == "cgroup"
                self._names[number] = path if by_name else containers.name(path) or HOST

    def name(self, number: int) -> str:
        """What stands for a control group."""
        if number not in self._names and number not in self._unknown:
            self._list()
            if number not in self._names:
                self._unknown.add(number)
        return self._names.get(number) or f"[control group {number}]"
