"""What bpftrace's engine prints, taken apart; the engine itself is made up here."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import pytest

from conformance import inside
from conformance.__main__ import judged, missing, ratchet, unexplained, update
from conformance.categories import groups
from conformance.engine import FAILED, PASSED, SKIPPED, Engine, Result, parse, sleepy
from conformance.report import (
    failure,
    files_table,
    groups_table,
    missed_bounds,
    missed_group_bounds,
)
from conformance.suite import Case

OUTPUT = r"""[==========] Running 5 tests from 1 test cases.

[----------] 5 tests from made
[ RUN      ] made.good
[       OK ] made.good (120 ms)
[ RUN      ] made.bad
[  FAILED  ] made.bad (80 ms)
	Command: bpftrace -e 'begin {
  exit() }'
	Expected: one
two
	Found:
one\nthree\n
	Expected no REGEX: ^t
	Found:
one\nthree\n
[ RUN      ] made.status
[  FAILED  ] made.status (80 ms)
	Command: bpftrace x
	Unclean exit code: 255
	Output: ERROR: no\n
[ RUN      ] made.slow
[  TIMEOUT ] made.slow
	Command: bpftrace y
	Timeout: 5
	Current output: waiting
still
[ RUN      ] made.other
[   SKIP   ] made.other
[----------] 5 tests from made

[==========] 4 tests from 1 test cases ran. (900 ms total)
[  PASSED  ] 1 tests.
[   SKIP   ] 1 tests, listed below:
[   SKIP   ] made.other (missed feature: 'dwarf')
[  FAILED  ] 3 tests, listed below:
[  FAILED  ] made.bad
"""


def _cases(*names: str) -> list[Case]:
    return [Case("made", name, [("PROG", "p"), ("EXPECT", "e")]) for name in names]


def test_verdicts() -> None:
    """One for each test, with what the engine says of it."""
    results, running = parse(OUTPUT, _cases("good", "bad", "status", "slow", "other"))
    assert running is None
    assert [(r.case.name, r.verdict, r.reason) for r in results] == [
        ("good", PASSED, ""),
        ("bad", FAILED, "printed something else"),
        ("status", FAILED, "exit status 255"),
        ("slow", FAILED, "timed out"),
        ("other", SKIPPED, "missed feature: 'dwarf'"),
    ]
    _good, bad, status, slow, _other = results
    assert bad.command == "bpftrace -e 'begin {\n  exit() }'"
    assert bad.expected == [("EXPECT", "one\ntwo"), ("EXPECT_REGEX_NONE", "^t")]
    assert bad.found == "one\nthree\n"
    assert bad.seconds == 0.08
    assert status.expected == [("EXPECT", "e")]
    assert status.found == "ERROR: no\n"
    assert slow.found == "waiting\nstill"


def test_failure_text() -> None:
    """Command, what was expected, what came."""
    results, _running = parse(OUTPUT, _cases("bad"))
    assert failure(results[0]) == (
        "## made.bad: printed something else\n"
        "    $ bpftrace -e 'begin {\n"
        "      exit() }'\n"
        "  - EXPECT one\n"
        "  -        two\n"
        "  - EXPECT_REGEX_NONE ^t\n"
        "  + one\n"
        "  + three\n"
    )


def test_reasons_of_names_with_brackets() -> None:
    """A reason stands behind the name, whatever the name is."""
    text = (
        "[   SKIP   ] made.x (y)\n[==========] 1 tests from 1 test cases ran. (1 ms total)\n"
        "[   SKIP   ] made.x (y) (unmet condition: 'a (b)')\n"
    )
    results, _running = parse(text, _cases("x (y)"))
    assert results[0].reason == "unmet condition: 'a (b)'"


def test_a_test_that_ends_the_engine() -> None:
    """It is named."""
    results, running = parse("[ RUN      ] made.bad\nTraceback\nIndexError: x\n", _cases("bad"))
    assert results == []
    assert running is not None
    assert running.name == "bad"


def _made_up_engine(folder: Path, body: str) -> Engine:
    (folder / "runtime" / "engine").mkdir(parents=True)
    (folder / "runtime" / "engine" / "main.py").write_text(
        "import os, subprocess, sys\n"
        "names = open(sys.argv[4]).read().splitlines()\n"
        "for name in names:\n"
        "    print(f'[ RUN      ] {name}')\n"
        f"    {body}\n"
        "    print(f'[       OK ] {name} (1 ms)')\n"
        "print('[==========] 1 tests from 1 test cases ran. (1 ms total)')\n"
    )
    return Engine(folder, folder / "bpftrace")


def test_the_rest_is_run_without_it(tmp_path: Path) -> None:
    """One test that ends the engine costs only its own verdict."""
    engine = _made_up_engine(tmp_path, "if 'bad' in name: raise ValueError('broken')")
    results = engine.run("made", _cases("good", "bad", "better"))
    assert [(r.case.name, r.verdict) for r in results] == [
        ("good", PASSED), ("bad", FAILED), ("better", PASSED)
    ]  # fmt: skip
    assert results[1].reason == "ended the engine: ValueError: broken"


def test_a_test_that_the_engine_does_not_see(tmp_path: Path) -> None:
    """It cannot pass or fail."""
    engine = _made_up_engine(tmp_path, "if 'lost' in name: continue")
    results = engine.run("made", _cases("lost", "good"))
    assert [(r.case.name, r.verdict) for r in results] == [("good", PASSED), ("lost", SKIPPED)]
    assert results[1].reason == "bpftrace's engine does not run it"


def test_commands_go_to_bash(tmp_path: Path) -> None:
    """The suite's commands are bash's."""
    engine = _made_up_engine(
        tmp_path, "assert subprocess.run('[[ -n $BASH_VERSION ]]', shell=True).returncode == 0"
    )
    assert [r.verdict for r in engine.run("made", _cases("good"))] == [PASSED]


def test_what_we_lack_has_failed() -> None:
    """A feature that the kernel cannot give excuses a test; one that we do not have does not."""
    case = _cases("x")[0]
    ours = judged(Result(case, SKIPPED, "missed feature: 'dwarf'"))
    assert (ours.verdict, ours.reason) == (FAILED, "--info does not say yes to dwarf")
    assert judged(Result(case, SKIPPED, "missed feature: 'kprobe_multi'")).verdict == SKIPPED
    assert judged(Result(case, SKIPPED, "missed feature: '!dwarf'")).verdict == SKIPPED
    assert judged(Result(case, SKIPPED, "unmet condition: 'x'")).verdict == SKIPPED


def test_table_and_bounds() -> None:
    """Skipped tests are not in the share; a category below its bound is named."""
    good, bad, other = _cases("good", "bad", "other")
    results = [Result(good, PASSED), Result(bad, FAILED), Result(other, SKIPPED)]
    assert files_table(results).splitlines()[2:] == [
        "| made | 1 | 2 | 50 | 1 |  |",
        "| **all** | **1** | **2** | **50.0** | 1 | 0 |",
    ]
    assert missed_bounds(results) == [
        "neither kprobes, PMU, fentry nor DWARF: 50.0 %, and it must be 97 %"
    ]
    assert missed_bounds(results[:1]) == []


def test_ratchet(tmp_path: Path) -> None:
    """What once passed must pass; what passes now is added; what was not run is no failure."""
    path = tmp_path / "passed.txt"
    good, bad = _cases("good", "bad")
    assert ratchet([Result(good, PASSED), Result(bad, FAILED)], path) == []
    assert path.read_text() == "made.good\n"
    assert ratchet([Result(good, FAILED), Result(bad, PASSED)], path) == ["made.good passed before"]
    assert path.read_text() == "made.bad\nmade.good\n"
    assert ratchet([Result(good, PASSED)], path) == []


def test_failures_are_explained() -> None:
    """Each is named on the page; what passed need not be."""
    good, bad, worse = _cases("good", "bad", "worse")
    results = [Result(good, PASSED), Result(bad, FAILED), Result(worse, FAILED)]
    assert unexplained(results, "| `made.bad` | impossible here |") == [
        "made.worse: docs/compatibility.md says nothing of it"
    ]


def test_what_the_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before anything is built."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert missing()[:3] == ["gcc", "bash", "ps"]


def test_update(tmp_path: Path) -> None:
    """Tables stand between markers, the rest of the page stays."""
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- files -->\nold\n<!-- end -->\nb\n<!-- machine -->\n<!-- end -->\n")
    update(page, {"files": "new\n", "machine": "here\n"})
    assert page.read_text() == (
        "a\n<!-- files -->\nnew\n<!-- end -->\nb\n<!-- machine -->\nhere\n<!-- end -->\n"
    )


def test_a_patient_sleep(tmp_path: Path) -> None:
    """What tests wait with waits longer, to a limit."""
    folder = sleepy(tmp_path / "patient", 20)
    text = (folder / "sleep").read_text()
    assert text.endswith('sleep "$@" "$@"\n')
    assert subprocess.run([folder / "sleep", "0"], check=False).returncode == 0
    assert (sleepy(folder, 1.5) / "sleep").read_text().count("$@") == 2


OPTIONS = {"suite": ".", "build": Path("b"), "file": ["probe"], "group": ["kprobe", "iter"]}


def test_the_command_in_a_guest() -> None:
    """The same, on the kernel that is there: all tests, with patience."""
    options = argparse.Namespace(**OPTIONS, filter="kprobe")
    shell, _c, script, _name, *words = inside.command(options, 8, Path("/out/results.json"))
    assert (shell, script) == ("sh", 'modprobe -a kvm xfs nf_tables; exec "$@"')
    assert words[1:4] == ["-m", "conformance", str(Path().resolve())]
    assert words[4:8] == ["--build", str(Path("b").resolve()), "--patience", "8"]
    assert words[8:11] == ["--json", "/out/results.json", "--all"]
    assert words[11:] == [
        *("--file", "probe", "--group", "kprobe", "--group", "iter", "--filter", "kprobe")
    ]


def test_groups() -> None:
    """By providers, features and files; a test may be in several, and each group has its bound."""
    one = Case("btf", "one", [("PROG", "fentry:vfs_read { }"), ("REQUIRES_FEATURE", "btf")])
    two = Case("other", "two", [("RUN", "x -e 'k:f { } iter:task { }'")])
    three = Case("other", "three", [("PROG", "begin { }")])
    assert [groups(case) for case in (one, two, three)] == [
        ("fentry", "btf"),
        ("kprobe", "iter"),
        (),
    ]
    results = [Result(one, PASSED), Result(two, FAILED)]
    assert "| fentry | 1 | 1 | 100.0 |" in groups_table(results)
    assert missed_group_bounds(results) == [
        "kprobe: 0.0 %, and it must be 95 %",
        "iter: 0.0 %, and it must be 95 %",
    ]


def test_what_is_kept_of_a_run() -> None:
    """Passed, eligible and skipped, by group; groups of which nothing ran are left out."""
    verdicts = [
        {"groups": ["kprobe", "btf"], "verdict": PASSED},
        {"groups": ["kprobe"], "verdict": FAILED},
        {"groups": ["kprobe"], "verdict": SKIPPED},
        {"groups": [], "verdict": PASSED},
    ]
    assert inside.summary(verdicts) == {"groups": {"kprobe": [1, 2, 1], "btf": [1, 1, 0]}}
