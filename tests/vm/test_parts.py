"""What of the guests' making needs no guest."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from tests.vm import archive, facts, kernels, table
from tests.vm.__main__ import OPTIONAL, main, status
from tests.vm.initramfs import cpio

if TYPE_CHECKING:
    from pathlib import Path


def test_cpio() -> None:
    data = cpio({"init": (0o755, b"#!"), "modules/a.ko": (0o644, b"abc")})
    assert data.startswith(b"070701")
    assert data.count(b"070701") == 4  # the folder, both files, the trailer
    assert len(data) % 4 == 0
    assert data.index(b"modules\0") < data.index(b"modules/a.ko\0")


def test_results_are_taken_from_the_output() -> None:
    results, rest = table.Results("6.1"), io.BytesIO()
    lines = table.Lines(results, rest)
    lines.write(b'a warning\ntest-result {"release": "6.1.0-50", "python": "3.11"}\ntest-res')
    lines.write(
        b'ult {"name": "tests/linux/a.py::b", "outcome": "passed", "seconds": 1, "why": ""}\n'
    )
    lines.write(
        b'test-result {"name": "tests/linux/a.py::c", "outcome": "failed", "seconds": 1,'
        b' "why": "x\\nE   KernelError: no"}\ntest-result not JSON\n'
    )
    # What failed is in the output as soon as it is known.
    assert rest.getvalue() == (
        b"a warning\n\ntests/linux/a.py::c: x\nE   KernelError: no\ntest-result not JSON\n"
    )
    assert results.count("linux") == {"passed": 1, "failed": 1, "skipped": 0}
    assert not results.green
    missing = table.Results("9", lacking="there is no kernel 9")
    text = table.text([results, missing])
    assert "6.1 (6.1.0-50)         1/1/0" in text
    assert "9: not run: there is no kernel 9" in text
    assert "6.1: tests/linux/a.py::c\n    KernelError: no" in text
    assert not missing.green


def test_a_test_that_failed_stays_so() -> None:
    results = table.Results("6.1")
    said = {"name": "tests/a.py::b", "seconds": 0, "why": ""}
    results.add({**said, "outcome": "failed"})
    results.add({**said, "outcome": "passed"})
    assert results.tests["tests/a.py::b"][0] == "failed"


def test_a_command_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "6.1"])
    assert ended.value.code == 2
    assert "which command?" in capsys.readouterr().err


def test_a_kernel_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is reported as not run, and is a failure unless that was said to be all right."""

    def fetch(version: str) -> kernels.Kernel:
        raise archive.ArchiveError(f"there is no kernel {version}\n  trixie: no network")

    monkeypatch.setattr(kernels, "fetch", fetch)
    (result,) = table.run(["9.1"], [], side_by_side=1, timeout=1, limit=1)
    assert result.lacking == "there is no kernel 9.1 trixie: no network"
    assert "9.1: not run: there is no kernel 9.1" in table.text([result])
    monkeypatch.delenv(OPTIONAL, raising=False)
    assert status([result]) == 1
    monkeypatch.setenv(OPTIONAL, "1")
    assert status([result]) == 0
    assert status([result, table.Results("6.1", failure="stopped")]) == 1


def test_a_machine_without_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Says what is missing."""
    monkeypatch.setenv("PRYBEE_VM_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(archive.ArchiveError, match="no apt-get here"):
        archive.Archive("trixie")


def test_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each part of what is known is kept when another is taken again; in the order of kernels."""
    monkeypatch.setattr(facts, "RECORDED", tmp_path / "recorded")
    for version in ("here", "arm64:6.12", "6.12", "6.1", "7"):
        facts.record(version, "facts", {"release": version})
    facts.record("6.1", "tests", {"groups": {}})
    known = facts.recorded()
    assert [each["kernel"] for each in known] == ["6.1", "6.12", "7", "arm64:6.12", "here"]
    assert known[0]["facts"]["release"] == "6.1"
    assert known[0]["tests"]["groups"] == {}
    assert known[0]["tests"]["date"][:2] == "20"
