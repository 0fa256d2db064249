"""Which CPUs there are, and which can come.

Per-CPU map values exist for every *possible* CPU; events are opened on those *online*.
"""

from __future__ import annotations

import os

_DIRECTORY = "/sys/devices/system/cpu/"


def parse_list(text: str) -> tuple[int, ...]:
    """The CPUs of a kernel list such as ``0-3,8,10-11``.

    Raises:
        ValueError: the text has another form.
    """
    cpus: list[int] = []
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)


def possible() -> tuple[int, ...]:
    """The CPUs that can ever be online; one value of a per-CPU map each."""
    return _read("possible") or online()


def online() -> tuple[int, ...]:
    """The CPUs that run now."""
    return _read("online") or tuple(range(os.cpu_count() or 1))


def _read(name: str) -> tuple[int, ...]:
    try:
        with open(_DIRECTORY + name, encoding="ascii") as file:
            return parse_list(file.read())
    except (OSError, ValueError):
        # No sysfs: the caller has another source.
        return ()
