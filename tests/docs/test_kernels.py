"""The page on kernels: made of what was recorded in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from docs import kernels_page
from prybee.linux import features
from tests.vm import facts

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_page_is_up_to_date() -> None:
    """`python docs/kernels_page.py` writes it."""
    assert (DOCS / "kernels.md").read_text() == kernels_page.page()


def test_what_a_kernel_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
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
    text = kernels_page.page()
    assert "| feature | 9.1 | without function tracing | without it |" in text
    assert "| `kprobe`: kprobe, kretprobe | yes | — | kprobe and kretprobe run as fentry" in text
    assert "| `loop` | yes | ? | loops over ranges" in text
    assert "On all of these kernels: `probe_read`," in text
    assert "| kernel | live | all | release | run on |" in text
    assert "| 9.1 | 1/0/2 | 1/0/2 | 9.1.0-deb | 2026-01-01 |" in text
    assert "| without function tracing | iter | 3 | 4 | 75.0 | 1 | 2026-01-01 |" in text


def test_a_group_without_a_heading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is not left out silently."""
    new = features.Feature("x", "new things", "x")
    monkeypatch.setattr(features, "TABLE", (*features.TABLE, new))
    with pytest.raises(SystemExit, match=r"no heading in docs/kernels_page\.py: new things"):
        kernels_page.page()
