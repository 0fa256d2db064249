"""The pictures of the page on flame graphs."""

from __future__ import annotations

import re
from pathlib import Path

from docs import pictures

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_they_are_as_prybee_draws_them(tmp_path: Path) -> None:
    for made in pictures.drawn(tmp_path):
        again = "python docs/pictures.py makes it again"
        assert made.read_bytes() == (DOCS / "pictures" / made.name).read_bytes(), again


def test_all_are_shown_and_small() -> None:
    shown = re.findall(r"!\[[^]]+\]\(pictures/([^)]+)\)", (DOCS / "flame.md").read_text())
    files = {path.name: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    sources = {Path(pictures.BEFORE).name, Path(pictures.AFTER).name}
    assert {*shown, *sources} == set(files)
    assert max(files.values()) <= pictures.MAX_BYTES
