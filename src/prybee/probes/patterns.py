"""Patterns of attach points: ``*`` stands for any characters, and nothing else is special."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def is_pattern(text: str) -> bool:
    """Whether ``text`` may stand for several names."""
    return "*" in text


def matcher(pattern: str) -> Callable[[str], object]:
    """A test whether a whole name fits ``pattern``; what it returns is true or false."""
    if pattern == "*":
        return bool
    if "*" not in pattern:
        return pattern.__eq__
    parts = pattern.split("*")
    if len(parts) == 2 and not parts[1]:
        prefix = parts[0]
        return lambda name: name.startswith(prefix)
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL).fullmatch
