"""Names of Java's methods, shorter."""

from __future__ import annotations

import re

# Packages, the class, the method; IBM's JVM has `/` between packages.
_NAME = re.compile(r"(.*[./])([^./]+\.[^.]+)$")
_WORD = re.compile(r"(\w)\w*")


def shortened(name: str, shorten: bool, drop: bool) -> str:
    """A method's name with less of its packages.

    Args:
        name: with all of them.
        shorten: each has its first letter only.
        drop: there are none.
    """
    if not (shorten or drop):
        return name
    parts = _NAME.match(name)
    if parts is None:
        return name
    return parts[2] if drop else _WORD.sub(r"\1", parts[1]) + parts[2]
