"""Processes of which something was told to programs in the kernel, and whether that still holds."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.symbols.mappings import Mappings
    from prybee.symbols.processes import Process, Processes


class Followed:
    """A process, and which of its mappings were looked at."""

    __slots__ = ("_changes", "_mappings", "process")

    def __init__(self, process: Process) -> None:
        self.process = process
        self._mappings: Mappings | None = None
        self._changes = -1

    def gone(self, pid: int, processes: Processes) -> bool:
        """Whether it has ended, or the pid is another's."""
        return self.process.ended or processes.get(pid) is not self.process

    @property
    def changed(self) -> bool:
        """Whether its mappings are known, and others than those that were looked at."""
        generations = self.process.generations
        return bool(generations) and (
            generations[0] is not self._mappings or generations[0].changes != self._changes
        )

    def looked_at(self) -> None:
        """Takes its mappings, if they are known, for looked at."""
        if self.process.generations:
            self._mappings = self.process.generations[0]
            self._changes = self._mappings.changes
