"""The pictures of the page on flame graphs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.fixture(name="generator", scope="module")
def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_they_are_as_prybee_draws_them(generator: ModuleType, tmp_path: Path) -> None:
    for made in generator.drawn(tmp_path):
        again = "python docs/pictures.py makes it again"
        assert made.read_bytes() == (DOCS / "pictures" / made.name).read_bytes(), again


def test_all_are_shown_and_small(generator: ModuleType) -> None:
    shown = re.findall(r"!\[[^]]+\]\(pictures/([^)]+)\)", (DOCS / "flame.md").read_text())
    files = {path.name: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    sources = {Path(generator.BEFORE).name, Path(generator.AFTER).name}
    assert {*shown, *sources} == set(files)
    assert max(files.values()) <= generator.MAX_BYTES
