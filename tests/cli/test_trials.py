"""``--test`` and ``--bench``, as the command shows them. The forms are those of bpftrace 0.27.1."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to load programs"),
]

SCRIPT = """test:ok { print("hello"); }
test:bad { print("xx"); return 1; }
test:err { errorf("boo"); }
test:leaves { exit(3); }
test:divides { $x = 0; $y = 1 / $x; }
bench:fast { }
bench:counts { @a = count(); }
bench:skipped { return 1; }
interval:s:1 { print("never") }
"""


def prybee(tmp_path: Path, *words: str) -> tuple[str, int]:
    script = tmp_path / "trials.bt"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "prybee", *words, str(script)],
        capture_output=True, text=True, timeout=30, cwd=tmp_path,
    )  # fmt: skip
    return done.stdout.replace(f"{tmp_path}/", "") + done.stderr, done.returncode


def test_tests(tmp_path: Path) -> None:
    shown, status = prybee(tmp_path, "--test")
    shown = re.sub(r"\(\d+ [μmn]?s\)", "(TIME)", shown)
    green, red = "\033[32m", "\033[31m"
    wanted = """\
G[==========]. Running 5 tests.
G[ RUN      ]. ok
G[       OK ]. ok (TIME)
G[ RUN      ]. bad
xx
R[  FAILED  ]. bad (TIME)
G[ RUN      ]. err
trials.bt:3:12-25: ERROR: boo
R[  FAILED  ]. err (TIME)
G[ RUN      ]. leaves
R[  FAILED  ]. leaves (TIME)
G[ RUN      ]. divides
trials.bt:5:29-35: WARNING: Divide or modulo by 0 detected. This can lead to unexpected results. \
1 is being used as the result.
R[  FAILED  ]. divides (TIME)
G[==========]. 5 tests ran.
G[  PASSED  ]. 1 test.
R[  FAILED  ]. 4 tests, listed below:
R[  FAILED  ]. bad
R[  FAILED  ]. err
R[  FAILED  ]. leaves
R[  FAILED  ]. divides
"""
    lines = [line for line in shown.splitlines() if "$y = 1" not in line and "~" not in line]
    wanted = wanted.replace("].", "]\033[0m")
    wanted = wanted.replace("G[", f"{green}[").replace("R[", f"{red}[")
    assert lines == wanted.splitlines()
    assert status == 1


def test_filter(tmp_path: Path) -> None:
    shown, status = prybee(tmp_path, "--mode", "test", "--probe-filter", "^o")
    assert "Running 1 tests." in shown
    assert status == 0


def test_json(tmp_path: Path) -> None:
    shown, status = prybee(tmp_path, "--test", "-f", "json", "--probe-filter", "ok|bad")
    results = {}
    for line in shown.splitlines():
        message = json.loads(line)
        assert message["type"] == "test_result"
        results.update(message["data"])
    assert all(result.pop("duration") > 0 for result in results.values())
    assert results == {
        "ok": {"passed": True, "output": "hello\n"},
        "bad": {"passed": False, "output": "xx\n"},
    }
    assert status == 1


def test_benchmarks(tmp_path: Path) -> None:
    shown, status = prybee(tmp_path, "--bench")
    head, rule, *rows = shown.splitlines()
    assert head == f"{'Benchmark':<41}{'Time(ns)':<15}Iterations"
    assert rule == "-" * 66
    assert [row.split()[0] for row in rows] == ["fast", "counts"]
    for row in rows:
        _name, average, rounds = row.split()
        assert int(average) * int(rounds) >= 1_000_000
    assert status == 0


def test_without_the_option(tmp_path: Path) -> None:
    script = tmp_path / "only.bt"
    script.write_text("test:a { }")
    done = subprocess.run(
        [sys.executable, "-m", "prybee", str(script)], capture_output=True, text=True, check=False
    )
    assert done.stderr == "ERROR: No probes attached; use --test to run test probes.\n"
    assert done.returncode == 1


def test_wrong_options(tmp_path: Path) -> None:
    shown, _status = prybee(tmp_path, "--mode", "nothing")
    assert shown.startswith("ERROR: --mode: no mode 'nothing'")
    shown, status = prybee(tmp_path, "--test", "--probe-filter", "(")
    assert shown.startswith("ERROR: Invalid --probe-filter regex ")
    assert status == 1
