"""The project's live tests in several kernels, and a table of how they went."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.vm import guest, kernels
from tests.vm.archive import ArchiveError, cache
from tests.vm.report import LIMIT, MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).parents[2]
# MiB of a guest, which has there also what tests write.
MEMORY = 2048
OUTCOMES = ("passed", "failed", "skipped")


@dataclass
class Results:
    """What is known of the tests in one kernel."""

    version: str
    release: str = ""
    expected: int = 0
    # name -> (outcome, seconds, why)
    tests: dict[str, tuple[str, float, str]] = field(default_factory=dict)
    seconds: float = 0
    # Why there are no results, or not all.
    failure: str = ""
    # Why there is no such kernel: nothing was run.
    lacking: str = ""

    def add(self, said: dict[str, Any]) -> None:
        """Takes one line of the report."""
        if "release" in said:
            self.release = said["release"]
        elif "tests" in said:
            self.expected = said["tests"]
        else:
            before = self.tests.get(said["name"], ("",))[0]
            if before != "failed":
                self.tests[said["name"]] = (said["outcome"], said["seconds"], said["why"])

    def count(self, group: str = "") -> dict[str, int]:
        """How many of a group, or of all, had each outcome."""
        counts = dict.fromkeys(OUTCOMES, 0)
        for name, (outcome, _, _) in self.tests.items():
            if not group or group_of(name) == group:
                counts[outcome] += 1
        return counts

    @property
    def green(self) -> bool:
        """All tests ran, and none failed."""
        return not self.lacking and not self.failure and not self.count()["failed"]

    def summary(self) -> dict[str, Any]:
        """What is kept of them."""
        groups = sorted({group_of(name) for name in self.tests})
        return {
            "release": self.release,
            "groups": {group: list(self.count(group).values()) for group in groups},
            "seconds": round(self.seconds),
        }


class Lines:
    """An output that takes results out of what is written to it, and passes on the rest."""

    def __init__(self, results: Results, rest: Any) -> None:
        self.results = results
        self.rest = rest
        self.held = b""

    def write(self, data: bytes) -> int:
        """Takes bytes as they come."""
        *lines, self.held = (self.held + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            if not text.startswith(MARK):
                self.rest.write(line + b"\n")
                continue
            try:
                said = json.loads(text.removeprefix(MARK))
            except ValueError:
                self.rest.write(line + b"\n")
                continue
            self.results.add(said)
            if said.get("outcome") == "failed":
                # Whoever watches the file need not wait for the summary.
                self.rest.write(f"\n{said['name']}: {said['why']}\n".encode())
                self.rest.flush()
        return len(data)

    def flush(self) -> None:
        """Nothing is held back that could be used."""
        self.rest.flush()


def group_of(name: str) -> str:
    """The group of a test: its folder below ``tests``."""
    parts = name.split("/")
    return parts[1] if len(parts) > 2 else name


def run(
    versions: Sequence[str],
    pytest: Sequence[str],
    *,
    side_by_side: int,
    cpus: int = 2,
    timeout: float,
    limit: float,
) -> list[Results]:
    """Runs tests in each kernel.

    Args:
        versions: of the kernels, as :func:`kernels.fetch` takes them.
        pytest: arguments: which tests.
        side_by_side: guests at a time.
        cpus: of each guest.
        timeout: seconds for a kernel's tests.
        limit: seconds for one test.
    """
    _compile(pytest)
    with ThreadPoolExecutor(side_by_side) as pool:
        return list(pool.map(lambda each: one(each, pytest, cpus, timeout, limit), versions))


def _compile(pytest: Sequence[str]) -> None:
    """Has Python compile what the guests will import, which takes minutes there."""
    environment = {**os.environ, "PYTHONPATH": "src:."}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    quiet = {"cwd": ROOT, "env": environment, "stdout": subprocess.DEVNULL}
    for module in (
        ["compileall", "-q", "src", "tests"],
        ["pytest", "-p", "no:cacheprovider", "--collect-only", *pytest],
    ):
        # What is wrong with a file is told by the tests.
        subprocess.run([sys.executable, "-m", *module], check=False, **quiet)  # type: ignore[call-overload]


def one(version: str, pytest: Sequence[str], cpus: int, timeout: float, limit: float) -> Results:
    """Runs tests in one kernel; its output goes into a file of the cache."""
    results = Results(version)
    begun = time.monotonic()
    log = logs() / f"{version}.txt"
    try:
        kernel = kernels.fetch(version)
    except ArchiveError as error:
        results.lacking = " ".join(str(error).split())
        return results
    results.release = kernel.release
    command = [
        kernel.machine.python or sys.executable, "-m", "pytest", "-p", "tests.vm.report",
        "-p", "tests.vm.prepared", "-p", "no:cacheprovider", "--tb=short", *pytest,
    ]  # fmt: skip
    with open(log, "wb") as output:
        status = guest.run(
            kernel,
            command,
            folder=str(ROOT),
            cpus=cpus,
            memory=f"{MEMORY}M",
            timeout=timeout,
            environment={LIMIT: str(limit), "CI": "1", "PYTHONPATH": "src:."},
            stdout=output,
            stderr=Lines(results, output),  # type: ignore[arg-type]
        )
    results.seconds = time.monotonic() - begun
    missing = results.expected - len(results.tests)
    if status == guest.TIMED_OUT:
        results.failure = f"stopped after {timeout:.0f} s, {missing} tests did not run"
    elif status not in (0, 1) or missing > 0:
        results.failure = f"ended with status {status}, {missing} tests did not run: {log}"
    (logs() / f"{version}.json").write_text(json.dumps(vars(results), indent=1))
    print(f"{version}: {results.release}, {results.seconds:.0f} s", file=sys.stderr, flush=True)
    return results


def logs() -> Path:
    """Where the output of the tests is left."""
    folder = cache() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def text(all_results: Sequence[Results]) -> str:
    """Kernels by test groups: passed/failed/skipped; then what failed."""
    groups = sorted({group_of(name) for each in all_results for name in each.tests})
    rows = [["passed/failed/skipped", *groups, "all", "seconds"]]
    for each in all_results:
        cells = [_cell(each.count(group)) for group in groups]
        name = f"{each.version} ({each.release})" if each.release else each.version
        rows.append([name, *cells, _cell(each.count()), f"{each.seconds:.0f}"])
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines += [f"{each.version}: not run: {each.lacking}" for each in all_results if each.lacking]
    lines += [f"{each.version}: {each.failure}" for each in all_results if each.failure]
    for each in all_results:
        lines += list(_failures(each))
    return "\n".join(lines)


def _cell(counts: dict[str, int]) -> str:
    return "/".join(str(counts[outcome]) for outcome in OUTCOMES) if any(counts.values()) else "-"


def _failures(results: Results) -> Iterable[str]:
    for name, (outcome, _, why) in results.tests.items():
        if outcome == "failed":
            last = [line for line in why.splitlines() if line.startswith("E ")]
            yield f"{results.version}: {name}\n    {last[0][1:].strip() if last else why[-200:]}"


def guests_at_a_time() -> int:
    """As many as there are processors and memory for."""
    with open("/proc/meminfo") as file:
        available = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
    return max(1, min(os.cpu_count() or 1, available // 1024 // (2 * MEMORY)))
