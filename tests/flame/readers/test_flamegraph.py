"""Beside FlameGraph's scripts, on inputs of our own; ``FLAMEGRAPH`` names a checkout of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from prybee.cli import main

CHECKOUT = Path(os.environ.get("FLAMEGRAPH", "/nonexistent"))
SAMPLES = Path(__file__).parents[2] / "fixtures" / "flame" / "formats"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHECKOUT.exists(), reason="FLAMEGRAPH names no checkout of FlameGraph"),
]

# A sample, the script, its options, ours, and what is different in the script's lines and in ours:
# (pattern, replacement), or a pattern of lines that are left out.
SAME = [
    ("perf-srcline.txt", "stackcollapse-perf.pl", ["--srcline", "--all"], ["--srcline", "--all"],
     [], []),
    ("ljp.txt", "stackcollapse-ljp.awk", [], [], [], []),
    ("jstack.txt", "stackcollapse-jstack.pl", [], [], [], []),
    ("jstack.txt", "stackcollapse-jstack.pl", ["--no-include-tname"], ["--no-include-tname"],
     [], []),
    ("jstack.txt", "stackcollapse-jstack.pl", ["--include-tid", "--shorten-pkgs"],
     ["--include-tid", "--shorten-pkgs"], [], []),
    # It shows a thread without any frame.
    ("javacore.txt", "stackcollapse-ibmjava.pl", [], [], ["Anonymous"], []),
    ("javacore.txt", "stackcollapse-ibmjava.pl", ["--include-tid"], ["--include-tid"],
     ["Anonymous"], []),
    ("java.txt", "stackcollapse-java-exceptions.pl", [], [], [], []),
    ("java.txt", "stackcollapse-java-exceptions.pl", ["--no-pkgs"], ["--no-pkgs"], [], []),
    ("java.txt", "stackcollapse-java-exceptions.pl", ["--shorten-pkgs"], ["--shorten-pkgs"],
     [], []),
    ("faulthandler.txt", "stackcollapse-faulthandler.pl", [], [], [], []),
    ("systemtap.txt", "stackcollapse-stap.pl", [], [], [], []),
    ("chrome.json", "stackcollapse-chrome-tracing.py", [], [], [(r"\.0$", "")], []),
    ("vsprof-samples.csv", "stackcollapse-vsprof.pl", [], ["--value", "samples"],
     [], ["^main 10$"]),
    # It cuts names at spaces, and loses what a function has beside what it calls.
    ("pmc.txt", "stackcollapse-pmc.pl", [], [], [], ["^lock_all;spin_lock 2$"]),
    ("instruments.txt", "stackcollapse-instruments.pl", [], [], [" 0$"], []),
    ("wcp.txt", "stackcollapse-wcp.pl", [], [], [(r" +\(at .*?\)", "")], []),
    ("wcp.txt", "stackcollapse-wcp.pl", [], ["--srcline"], [(r" +\(at (.*?)\)", r":\1")], []),
    ("gdb.txt", "stackcollapse-gdb.pl", [], [], [(r"bar\(int,", "bar(int, char)")], []),
    ("eu.txt", "stackcollapse-elfutils.pl", [], [], [(r"( - \d+)? - /[^; ]*", "")], []),
    ("eu.txt", "stackcollapse-elfutils.pl", ["--pid", "--tid"], ["--pid", "--tid"],
     [(r"( - \d+)? - /[^; ]*", "")], []),
    # It knows the first function of a place only.
    ("go.txt", "stackcollapse-go.pl", [], [], [], [("main.inlined;", ""), (re.escape("_[i]"), "")]),
    # It leaves out frames that have nothing but a file.
    ("procstack.txt", "stackcollapse-aix.pl", [], [], [], [(r";0x\w+", "")]),
    ("vtune-memory.csv", "stackcollapse-vtune-mc.pl", [], [],
     [(r"Total\(\)", "Total"), (r"(\w[^;]*?)\((server)\)", r"\2`\1")], []),
    ("vtune-memory.csv", "stackcollapse-vtune-mc.pl", ["--size"], ["--size"],
     [" 0$", (r"Total\(\)", "Total"), (r"(\w[^;]*?)\((server)\)", r"\2`\1")], []),
    ("sample.txt", "stackcollapse-sample.awk", [], [],
     [" 0$", (r"serve\(int,.char", "serve"), (r"\.parse", " parse"),
      (r"DispatchQueue_1:", r"DispatchQueue_1: com.apple.main-thread"), (r"1001\.", "1001   "),
      (r"_\$LT\$a.*f::h\w+", "<a::B as c::D>::f")], []),
    ("sched-stat.txt", "stackcollapse-perf-sched.awk", [], [], [], []),
    ("sched-stat.txt", "stackcollapse-perf-sched.awk", ["-v", "record_tid=1"], ["--tid"], [], []),
    ("sched-stat.txt", "stackcollapse-perf-sched.awk", ["-v", "record_wake_stack=1"],
     ["--wake-stack"], [], []),
    ("sched-stat.txt", "stackcollapse-perf-sched.awk", ["-v", "recurse=1"], ["--recurse"], [], []),
]  # fmt: skip
RUNS_IN = {".pl": ["perl"], ".py": [sys.executable], ".awk": ["awk"]}


def changed(lines: list[str], differences: list[str | tuple[str, str]]) -> list[str]:
    """Lines without what is known to be different, sorted."""
    for each in differences:
        if isinstance(each, str):
            lines = [line for line in lines if not re.search(each, line)]
        else:
            lines = [re.sub(*each, line) for line in lines]
    return sorted(lines)


@pytest.mark.parametrize(
    ("sample", "script", "its", "ours", "of_its", "of_ours"), SAME,
    ids=[f"{sample} {script} {' '.join(its)}" for sample, script, its, *_ in SAME],
)  # fmt: skip
def test_beside_the_peer(
    sample: str,
    script: str,
    its: list[str],
    ours: list[str],
    of_its: list[str | tuple[str, str]],
    of_ours: list[str | tuple[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = CHECKOUT / script
    command = [*RUNS_IN[program.suffix], *its]
    if program.suffix == ".awk":
        # Not every awk knows `\s`.
        copy = tmp_path / script
        copy.write_text(program.read_text().replace(r"\s", "[[:space:]]"))
        command += ["-f", str(copy), str(SAMPLES / sample)]
    else:
        command = [*RUNS_IN[program.suffix], str(program), *its, str(SAMPLES / sample)]
    peer = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert main(["flame", "collapse", "--compat", "perl", *ours, str(SAMPLES / sample)]) == 0
    expected = changed(peer.splitlines(), of_its)
    assert expected
    assert changed(capsys.readouterr().out.splitlines(), of_ours) == expected


@pytest.mark.parametrize("options", [[], ["--include-offset"]])
def test_dtrace(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = (CHECKOUT / "stackcollapse.pl").read_text()
    script = tmp_path / "stackcollapse.pl"
    script.write_text(source.replace("$includeoffset = 0", f"$includeoffset = {len(options)}"))
    example = CHECKOUT / "example-dtrace-stacks.txt"
    peer = subprocess.run(
        ["perl", script, example], capture_output=True, check=True, text=True
    ).stdout
    assert main(["flame", "collapse", "--compat", "perl", *options, str(example)]) == 0
    assert capsys.readouterr().out.splitlines() == sorted(peer.splitlines())


def test_recursion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "stacks"
    text.write_text("a;b;b;b;c 1\na;b;c 2\na;b;a;b 4\nlone 3\n")
    peer = subprocess.run(
        ["perl", CHECKOUT / "stackcollapse-recursive.pl", text],
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    assert main(["flame", "collapse", "--recursive", str(text)]) == 0
    assert capsys.readouterr().out.splitlines() == sorted(peer.splitlines())
