"""Recording what processes map while a trace runs, so that their addresses have names afterwards.

Of processes that begin, or run another program, the kernel tells all
(:mod:`prybee.linux.process_events`).  Those that are there already are read one after the other,
whenever there is nothing else to do.
"""

from __future__ import annotations

import os

from prybee.linux.process_events import ProcessEvents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.symbols.user import UserSymbols

# Processes that are read before the caller gets its turn again: some milliseconds at most.
_SLICE = 8


class Recorder:
    """Keeps the processes of ``symbols`` up to date; a context manager.

    Attributes:
        lost: records that were not taken in time: some addresses may have no name.
    """

    def __init__(
        self,
        symbols: UserSymbols,
        child: int = -1,
        only: int = -1,
        proc: str = "/proc",
        prompt: bool = False,
    ) -> None:
        """
        Args:
            child: a process that was just made: it and those that it starts are recorded alone.
            only: a process that runs already, and no other there is of interest.
            proc: the proc file system.
            prompt: what the child maps is wanted at once.

        Raises:
            KernelError: the kernel does not tell us.
        """
        self._symbols = symbols
        self._proc = proc
        self._only = only
        self._events = ProcessEvents(child, prompt and child > 0)
        # Those to read; None: not listed yet.
        self._there: list[int] | None = [] if child > 0 else None
        if only > 0:
            self._there = [only]
            self.survey()

    def filenos(self) -> list[int]:
        """What to poll: readable when :meth:`drain` should be called soon."""
        return self._events.filenos()

    @property
    def lost(self) -> int:
        """How many records the kernel had no room for."""
        return self._events.lost

    def drain(self) -> None:
        """Takes all that was recorded up to now. Work is bounded by the records' memory."""
        self._events.tell(self._symbols.processes, self._only)

    def survey(self) -> bool:
        """Reads some of the processes that were there before; whether there are more."""
        if self._there is None:
            self._there = [int(name) for name in os.listdir(self._proc) if name.isdecimal()]
        for _ in range(min(_SLICE, len(self._there))):
            self._symbols.processes.survey(self._there.pop())
        return bool(self._there)

    def close(self) -> None:
        """Records no more; what is known stays. A second call does nothing."""
        self._events.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Recorder({self._events!r}, {self._symbols!r})"
