"""``prybee fmt``, in this process."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from prybee.cli import main

UGLY = "#!/usr/bin/prybee\nBEGIN{@x=1}\n"
TIDY = "#!/usr/bin/prybee\nBEGIN\n{\n  @x = 1;\n}\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "x.bt"
    path.write_text(UGLY)
    path.chmod(0o755)
    return path


def test_in_place(script: Path) -> None:
    assert main(["fmt", str(script)]) == 0
    assert script.read_text() == TIDY
    assert script.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in script.parent.iterdir()] == ["x.bt"]


def test_check(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--check", str(script)]) == 1
    assert "is not formatted" in capsys.readouterr().err
    assert script.read_text() == UGLY
    script.write_text(TIDY)
    assert main(["fmt", "--check", str(script)]) == 0
    assert main(["fmt", "--check", "--modernize", str(script)]) == 1


def test_print(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--fmt", str(script)]) == 0
    assert capsys.readouterr().out == TIDY
    assert script.read_text() == UGLY


def test_diff(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--diff", str(script)]) == 0
    assert "+  @x = 1;\n" in capsys.readouterr().out


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"BEGIN{@x=1}")))
    assert main(["fmt", "--modernize", "-"]) == 0
    assert capsys.readouterr().out == "begin\n{\n  @x = 1;\n}\n"


def test_mistakes(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script.write_text("begin { @x = ")
    assert main(["fmt", str(script)]) == 1
    assert "ERROR: syntax:" in capsys.readouterr().err
    assert script.read_text() == "begin { @x = "
    assert main(["fmt"]) == 1
    assert main(["fmt", "--what"]) == 1
