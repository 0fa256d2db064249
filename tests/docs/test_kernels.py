"""The page on kernels: made of what was recorded in them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prybee.linux import features
from tests.vm import facts

if TYPE_CHECKING:
    from types import ModuleType

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.fixture(name="generator", scope="module")
def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kernels_page", DOCS / "kernels_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(generator: ModuleType) -> None:
    """`python docs/kernels_page.py` writes it."""
    assert (DOCS / "kernels.md").read_text() == generator.page()


def test_what_a_kernel_lacks_is_told(
    generator: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each feature that one of the kernels lacks has a row; of those that all have, a name."""
    states = {feature.name: "yes" for feature in features.TABLE}
    common = {"date": "2026-01-01", "prybee": "1", "machine": "x86_64"}
    asked: dict[str, Any] = {**common, "release": "9.1.0-deb", "features": states}
    less = {**asked, "features": {**states, "kprobe": "no", "helper:loop": "unknown"}}
    tests = {**asked, "groups": {"live": [1, 0, 2]}}
    known: list[dict[str, Any]] = [
        {"kernel": "9.1", "facts": asked, "tests": tests},
        {"kernel": "here", "facts": less, "upstream": {**common, "groups": {"iter": [3, 4, 1]}}},
    ]  # fmt: skip
    monkeypatch.setattr(facts, "recorded", lambda: known)
    text = generator.page()
    assert "| feature | 9.1 | without function tracing | without it |" in text
    assert "| `kprobe`: kprobe, kretprobe | yes | — | kprobe and kretprobe run as fentry" in text
    assert "| `loop` | yes | ? | loops over ranges" in text
    assert "On all of these kernels: `probe_read`," in text
    assert "| kernel | live | all | release | run on |" in text
    assert "| 9.1 | 1/0/2 | 1/0/2 | 9.1.0-deb | 2026-01-01 |" in text
    assert "| without function tracing | iter | 3 | 4 | 75.0 | 1 | 2026-01-01 |" in text


def test_a_group_without_a_heading(generator: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is not left out silently."""
    new = features.Feature("x", "new things", "x")
    monkeypatch.setattr(features, "TABLE", (*features.TABLE, new))
    with pytest.raises(SystemExit, match=r"no heading in docs/kernels_page\.py: new things"):
        generator.page()
