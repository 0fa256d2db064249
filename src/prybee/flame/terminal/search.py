"""What the viewer searches for: names that match, and how much of everything they are in."""

from __future__ import annotations

import re

from prybee.flame.terminal.colours import split
from prybee.flame.terminal.stacks import taken_apart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.layout import Stacks


class Search:
    """A regular expression, or none."""

    def __init__(self) -> None:
        self._pattern: re.Pattern[str] | None = None
        self._share = 0.0

    def __bool__(self) -> bool:
        return self._pattern is not None

    def __str__(self) -> str:
        return f"/{self._pattern.pattern}/ {100 * self._share:.1f}%" if self._pattern else ""

    def matches(self, name: str) -> bool:
        """Whether a frame's name, without its annotation, is searched for."""
        return self._pattern is not None and self._pattern.search(split(name)[0]) is not None

    def begin(self, term: str, stacks: Stacks) -> str:
        """Searches for a term; nothing ends the search.

        Args:
            term: a regular expression; who types a capital means it.
            stacks: of everything.

        Returns:
            What is wrong with the term; empty for nothing.
        """
        if not term:
            self._pattern = None
            return ""
        try:
            self._pattern = re.compile(term, 0 if term != term.lower() else re.IGNORECASE)
        except re.error as error:
            return f"/{term} is no regular expression: {error}"
        known: dict[bytes, bool] = {}
        weight = 0.0
        for names, own in taken_apart(stacks):
            for name in names:
                found = known.get(name)
                if found is None:
                    found = known[name] = self.matches(name.decode(errors="replace"))
                if found:
                    weight += own
                    break
        self._share = weight / stacks.total if stacks.total else 0
        return ""
