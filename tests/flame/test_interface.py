"""Flame graphs from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import prybee.flame as flame

FIXTURES = Path(__file__).parent.parent / "fixtures" / "flame"
DEMO, SLOWER = FIXTURES / "demo.folded", FIXTURES / "slower.folded"


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    code = (
        "import sys, prybee.flame; before = set(sys.modules); prybee.flame.Profile;"
        "assert 'prybee.flame.profile' in sys.modules;"
        "assert not any(m in sys.modules for m in ('argparse', 'json', 'prybee.flame.drawing'))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_all_names_are_there() -> None:
    for name in flame.__all__:
        assert getattr(flame, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'drow'"):
        flame.drow  # noqa: B018


def test_collapse() -> None:
    profile = flame.collapse(DEMO)
    assert profile.total == 100
    assert [frame.name for frame in profile.frames][:2] == ["main", "work"]
    assert flame.collapse([DEMO, str(SLOWER)]).total == 1320
    assert flame.collapse(str(DEMO), format="folded").total == 100
    with pytest.raises(flame.FormatError, match="there is no format 'fold'"):
        flame.collapse(DEMO, format="fold")
    with pytest.raises(FileNotFoundError):
        flame.collapse("/nonexistent")


@pytest.mark.parametrize("end", ["svg", "html", "folded", "pb.gz", "md", "pftrace", "folded.gz"])
def test_draw(end: str, tmp_path: Path) -> None:
    path = tmp_path / f"out.{end}"
    flame.draw(flame.collapse(DEMO), path, title="T")
    assert path.stat().st_size
    if end in ("folded", "pb.gz", "folded.gz"):
        assert flame.collapse(path).total == 100


def test_options_of_pictures(tmp_path: Path) -> None:
    path = tmp_path / "out.svg"
    flame.draw(flame.collapse(DEMO), path, width=500, colors="java", reverse=True)
    assert 'width="500"' in path.read_text()
    with pytest.raises(flame.FormatError, match="did you mean 'java'"):
        flame.draw(flame.collapse(DEMO), path, colors="jave")


def test_draw_a_comparison(tmp_path: Path) -> None:
    before, after = flame.collapse(DEMO), flame.collapse(SLOWER)
    picture, page, lines = (tmp_path / f"out.{end}" for end in ("svg", "html", "folded"))
    flame.draw(after, picture, before=before, equal="total")
    assert "parse (800 samples, 65.57%; +5.57%)" in picture.read_text()
    flame.draw(after, page, before=before)
    assert '"compared": true' in page.read_text()
    assert '"equal": "none"' in page.read_text()
    flame.draw(after, page, before=before, equal="samples")
    assert '"equal": "samples"' in page.read_text()
    flame.draw(after, lines, before=before)
    assert "main;work;parse 60 800\n" in lines.read_text()
    with pytest.raises(flame.FormatError, match="two profiles are shown as"):
        flame.draw(after, tmp_path / "out.md", before=before)


def test_diff() -> None:
    before, after = flame.collapse(DEMO), flame.collapse(SLOWER)
    change = next(
        each for each in flame.diff(before, after).changes("self") if each.name == "parse"
    )
    assert change.kind == "grown"
    assert change.difference == pytest.approx(0.0557, abs=1e-4)
    several = flame.diff([before, before], [after])
    assert len(several.everything().before) == 2
    with pytest.raises(flame.FormatError, match="each side needs a profile"):
        flame.diff([], after)


def test_guess() -> None:
    assert flame.guess(DEMO).name == "folded"
    with pytest.raises(flame.FormatError):
        flame.guess(__file__)
