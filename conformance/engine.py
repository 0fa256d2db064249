"""bpftrace's own engine, run over single files, and what it reports.

It is started in a process of its own, in the folder with the built programs, with a list of the
tests to run; its words are taken apart: the verdict on each test, and what it says of those that
failed.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from conformance.bash import PATIENCE
from conformance.suite import Case

_BASH = Path(__file__).parent / "bash.py"

PASSED = "passed"
FAILED = "failed"
SKIPPED = "skipped"

_VERDICTS = {"OK": PASSED, "FAILED": FAILED, "TIMEOUT": FAILED, "SKIP": SKIPPED}
_MARK = re.compile(r"^\[ *(RUN|OK|FAILED|TIMEOUT|SKIP|PASSED|-+|=+) *\] (.*)$")
_END = re.compile(r"^\[=+\] \d+ tests from \d+ test cases ran", re.M)
_TIME = re.compile(r" \((\d+) ms\)$")
# What the engine says of a failure, each after a tab.
_FIELD = re.compile(
    r"^\t(Command|Timeout|Current output|Unclean exit code|Output|Found|Clean exit code|"
    r"Before cmd output|After cmd output|SETUP error|CLEANUP error|"
    r"Expected(?: no)?(?: REGEX| JSON| FILE)?)\b:? ?(.*)$"
)


@dataclass
class Result:
    """How one test ended."""

    case: Case
    verdict: str
    # Why it was skipped, or how it failed, in a few words.
    reason: str = ""
    seconds: float = 0.0
    command: str = ""
    # Texts that were expected, with the key of their lines in the test.
    expected: list[tuple[str, str]] = field(default_factory=list)
    found: str = ""


class Engine:
    """Runs tests of one checkout with one launcher."""

    def __init__(self, folder: Path, program: Path, patience: float = 1) -> None:
        """In the folder that :func:`conformance.build.lay_out` made, with the launcher.

        ``patience`` says how many times longer than bpftrace allows anything may take.
        """
        self._folder = folder
        self._patience = patience
        self._allowed = folder / "run.txt"
        self._environment = {
            **os.environ,
            "BPFTRACE_RUNTIME_TEST_EXECUTABLE": str(program),
            "RUNTIME_TEST_COLOR": "no",
            "PYTHONUNBUFFERED": "1",
            PATIENCE: str(patience),
        }
        self._environment.pop("TEST_FILTER", None)
        if patience > 1:
            slow = sleepy(folder / "patient", patience)
            self._environment["PATH"] = f"{slow}:{self._environment.get('PATH', '')}"

    def run(self, file: str, cases: list[Case]) -> list[Result]:
        """Run these tests of a file.

        A test that ends the engine itself has failed; the others are run without it.
        """
        results: list[Result] = []
        pending = list(cases)
        while pending:
            text = self._once(file, pending)
            done, stopped_at = parse(text, pending)
            results += done
            seen = {id(result.case) for result in done}
            pending = [case for case in pending if id(case) not in seen]
            if not pending:
                break
            words = (text.strip().splitlines() or ["it printed nothing"])[-1]
            if stopped_at is None:
                # It has read the file in its own way: its tests end where one of them is followed
                # by remarks only.
                verdict = SKIPPED if _END.search(text) else FAILED
                reason = "bpftrace's engine does not run it" if verdict == SKIPPED else words
                results += [Result(case, verdict, reason) for case in pending]
                break
            results.append(Result(stopped_at, FAILED, f"ended the engine: {words}"))
            pending = [case for case in pending if case is not stopped_at]
        return results

    def _once(self, file: str, cases: list[Case]) -> str:
        self._allowed.write_text("".join(f"{case.id}\n" for case in cases))
        command = [*_mounts(), sys.executable, "-u", str(_BASH), "runtime/engine/main.py",
                   "--filter", rf"^{re.escape(file)}\.",
                   "--allowlist_file", str(self._allowed)]  # fmt: skip
        process = subprocess.Popen(command, cwd=self._folder, env=self._environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="backslashreplace", start_new_session=True)  # fmt: skip
        # Each test has its own limits; this one is for an engine that hangs.
        limit = self._patience * (60 + sum(case.seconds + 25 for case in cases))
        late = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        late.start()
        text = ""
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                text += line
                # Who waits long wants to see that it goes on.
                if self._patience > 1 and _TIME.search(line.rstrip("\n")):
                    print(f"  {line}", end="", flush=True)
        late.cancel()
        return text


def sleepy(folder: Path, patience: float) -> Path:
    """A folder with a ``sleep`` that sleeps longer: tests wait with it for another program.

    sleep(1) adds up its arguments.  Not much longer: what they wait for may end by itself.
    """
    folder.mkdir(exist_ok=True)
    program = folder / "sleep"
    times = min(math.ceil(patience), 2)
    arguments = " ".join(['"$@"'] * times)
    program.write_text(f"#!/bin/sh\nexec {shutil.which('sleep')} {arguments}\n")
    program.chmod(0o755)
    return folder


def _mounts() -> list[str]:
    """What runs a command where the kernel's debug files are, as some tests read them there.

    They are mounted for it alone, on machines that do not have them mounted.
    """
    if os.path.ismount("/sys/kernel/debug") or shutil.which("unshare") is None:
        return []
    mount = 'mount -t debugfs debugfs /sys/kernel/debug; exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, "sh"]


def parse(text: str, cases: list[Case]) -> tuple[list[Result], Case | None]:
    """Take apart what the engine has printed.

    Args:
        text: its output.
        cases: the tests that it was asked for, all of one file.

    Returns:
        The results of the tests that have a verdict, and the test that was begun and has none.
    """
    waiting: dict[str, list[Case]] = {}
    for case in cases:
        waiting.setdefault(case.id, []).append(case)
    results: list[Result] = []
    words: list[tuple[Result, list[str]]] = []
    skipped: list[str] = []
    running: Case | None = None
    summary = False
    details: list[str] = []
    for line in text.splitlines():
        mark = _MARK.match(line)
        if mark is None:
            details.append(line)
            continue
        word, rest, details = mark[1], mark[2], []
        if word[0] in "=P":
            summary = bool(results) or word == "PASSED"
        elif word == "RUN":
            running = next(iter(waiting.get(rest, ())), None)
        elif summary:
            if word == "SKIP":
                skipped.append(rest)
        else:
            time = _TIME.search(rest)
            name = rest[: time.start()] if time else rest
            if not waiting.get(name):
                continue
            running = None
            result = Result(waiting[name].pop(0), _VERDICTS[word])
            result.seconds = int(time[1]) / 1000 if time else 0.0
            result.reason = "timed out" if word == "TIMEOUT" else ""
            results.append(result)
            words.append((result, details))
    for result, lines in words:
        if result.verdict == FAILED:
            _explain(result, lines)
        elif result.verdict == SKIPPED:
            start = f"{result.case.id} ("
            reasons = [line.removeprefix(start)[:-1] for line in skipped if line.startswith(start)]
            result.reason = reasons[0] if reasons else ""
    return results, running


def _explain(result: Result, lines: list[str]) -> None:
    """Fill in what the engine says of a failure."""
    fields: list[tuple[str, str]] = []
    for line in lines:
        start = _FIELD.match(line)
        if start:
            fields.append((start[1], start[2]))
        elif fields:
            name, value = fields[-1]
            fields[-1] = (name, f"{value}\n{line}")
    for name, value in fields:
        if name == "Command":
            result.command = value.strip()
        elif name == "Unclean exit code":
            result.reason = f"exit status {value.strip()}"
        elif name == "Clean exit code":
            result.reason = "exit status 0, and should fail"
        elif name in ("Found", "Output", "Current output"):
            result.found = _plain(value) if name != "Current output" else value
        elif name.startswith("Expected"):
            form = name.removeprefix("Expected").split()
            key = "_".join(["EXPECT", *sorted(form, key=lambda word: word == "no")])
            result.expected.append((key.replace("no", "NONE"), value.strip("\n")))
        elif name.endswith("error"):
            result.reason = f"{name}: {_plain(value)}"
    if not result.expected:
        # The engine names no expectation after a wrong status or a timeout: show them all.
        result.expected = result.case.expectations
    result.reason = result.reason or "printed something else"


def _plain(text: str) -> str:
    """Undo the engine's escapes of line ends and the like."""
    try:
        return text.strip("\n\t").encode("latin-1").decode("unicode_escape")
    except UnicodeError:
        return text
