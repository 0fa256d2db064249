"""Python interpreters of this machine, for tests that look into them from outside."""

from __future__ import annotations

import os
import re
from pathlib import Path

# Their frames can be read.
FIRST, LAST = 11, 15
# More of them, separated by colons, wherever they are.
MORE = "PRYBEE_TEST_PYTHONS"
_FOLDERS = ("/usr/bin", "/usr/local/bin", "~/.pyenv/versions/*/bin", "~/.local/bin")
_NAME = re.compile(r"python3\.(\d+)$")


def find() -> dict[str, str]:
    """Interpreters of versions that are known, one of each: ``3.12`` and the path."""
    paths: list[Path] = []
    for folder in _FOLDERS:
        place = Path(folder).expanduser()
        root, _, pattern = str(place).partition("/*")
        found = Path(root).glob(f"*{pattern}/python3.*") if pattern else place.glob("python3.*")
        paths += sorted(found)
    paths += [Path(path) for path in os.environ.get(MORE, "").split(":") if path]
    known: dict[str, str] = {}
    for path in paths:
        matched = _NAME.search(path.name)
        if matched and FIRST <= int(matched[1]) <= LAST and os.access(path, os.X_OK):
            known.setdefault(f"3.{matched[1]}", str(path))
    return dict(sorted(known.items()))


PYTHONS = find()
