"""What of the guests' making needs no guest."""

from __future__ import annotations

import io

import pytest

from tests.vm import table
from tests.vm.__main__ import main
from tests.vm.initramfs import cpio


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
    assert rest.getvalue() == b"a warning\ntest-result not JSON\n"
    assert results.count("linux") == {"passed": 1, "failed": 1, "skipped": 0}
    assert not results.green
    missing = table.Results("9", failure="there is no kernel 9")
    text = table.text([results, missing])
    assert "6.1 (6.1.0-50)         1/1/0" in text
    assert "9: there is no kernel 9" in text
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
