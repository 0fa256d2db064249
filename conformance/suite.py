"""Runtime tests of a bpftrace checkout: what they are named, what they need, what they expect.

The format is that of ``tests/runtime/*`` (described in bpftrace's ``tests/README.md``): paragraphs
of ``KEY value`` lines; what follows indented by more than the key goes on with it.  bpftrace's
engine reads the files for itself when it runs them; we read them to know what to ask it for, and to
show what a test that failed has expected.
"""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

# Folders in tests/runtime that hold no tests.
_OTHERS = ("engine", "scripts", "outputs")
# Keys whose text may go on in the next lines.
_LONG = ("PROG", "EXPECT", "EXPECT_REGEX")
_SCRIPT = re.compile(r"runtime/scripts/[\w.-]+\.bt")


class SuiteError(Exception):
    """A folder that holds no bpftrace, or one whose tests cannot be read."""


@dataclass
class Case:
    """One test: the file it stands in, its name, and its lines by key."""

    file: str
    name: str
    lines: list[tuple[str, str]] = field(default_factory=list)
    # Text of the script files that it runs.
    scripts: str = ""

    @property
    def id(self) -> str:
        """What bpftrace's engine calls it."""
        return f"{self.file}.{self.name}"

    def all(self, key: str) -> list[str]:
        """The values of a key."""
        return [value for name, value in self.lines if name == key]

    def words(self, key: str) -> list[str]:
        """The words of all values of a key."""
        return " ".join(self.all(key)).split()

    @property
    def program(self) -> str:
        """All text that says what is traced: program, command line, script files."""
        return "\n".join([*self.all("PROG"), *self.all("RUN"), self.scripts])

    @property
    def expectations(self) -> list[tuple[str, str]]:
        """The lines that say what must be printed, or must not be."""
        return [line for line in self.lines if line[0].startswith("EXPECT")]

    @property
    def seconds(self) -> int:
        """How long it may run once probes are attached."""
        return int((self.all("TIMEOUT") or ["5"])[0])


def read(tests: Path) -> list[Case]:
    """The tests of a checkout, sorted as bpftrace's engine runs them.

    Args:
        tests: the checkout's folder ``tests``.

    Raises:
        SuiteError: it holds no runtime tests.
    """
    folder = tests / "runtime"
    if not (folder / "engine" / "main.py").is_file():
        raise SuiteError(f"no tests of bpftrace in {folder}: SUITE must be a checkout of bpftrace")
    cases: list[Case] = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            cases += parse(path.read_text(), path.name)
    for case in cases:
        for name in _SCRIPT.findall(case.program):
            script = tests / name
            if script.is_file():
                case.scripts += script.read_text()
    return cases


def parse(text: str, file: str) -> list[Case]:
    """The tests of one file.

    Raises:
        SuiteError: a test without a name.
    """
    cases: list[Case] = []
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        if line.startswith("#"):
            continue
        if line:
            lines.append(line)
        elif lines:
            cases.append(_case(lines, file))
            lines = []
    return cases


def _case(lines: list[str], file: str) -> Case:
    found: list[tuple[str, str]] = []
    for line in lines:
        key = found[-1][0] if found else ""
        if key in _LONG and line[: len(key) + 1].isspace():
            found[-1] = (key, f"{found[-1][1]}\n{line[len(key) + 1 :]}")
            continue
        key, *rest = line.split(maxsplit=1)
        found.append((key, rest[0].strip() if rest else ""))
    names = [value for key, value in found if key == "NAME"]
    if not names or not names[0]:
        raise SuiteError(f"{file}: a test without NAME: {lines[0]}")
    return Case(file, names[0], found)


def for_this_machine(case: Case) -> bool:
    """Whether its ARCH line admits this machine; bpftrace's engine leaves out the others unsaid."""
    wanted = {word.strip() for word in "|".join(case.all("ARCH")).split("|")} - {""}
    here = {platform.machine().lower(), "be" if sys.byteorder == "big" else "le"}
    if any(word[1:] in here for word in wanted if word.startswith("!")):
        return False
    named = {word for word in wanted if not word.startswith("!")}
    return not named or bool(named & here)
