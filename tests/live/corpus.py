"""Scripts with what they print: reading the files in ``scripts/``, and running them.

A file holds cases::

    === name
    args: 1 two            (words behind the script)
    env: BPFTRACE_MAX_STRLEN=16
    options: -k
    status: 3              (default 0)
    probe                  (the script attaches probes and ends by itself)
    ---
    begin { print(1); exit() }
    ---
    1

What is expected is standard output without blank lines at its ends.  A line that begins with ``~ ``
is a regular expression, which the line has to match whole.  Files were recorded with bpftrace
0.27.1 (record.py) and read over by us: where they differ from it, a ``#`` line says why.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass
class Case:
    """One script. ``fields`` are its header lines."""

    file: str
    name: str
    script: str
    expected: str
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """``file/name``."""
        return f"{self.file}/{self.name}"

    def command(self, tracer: list[str]) -> list[str]:
        """The command line that runs it."""
        return [
            *tracer,
            *self.fields.get("options", "").split(),
            "-e",
            self.script,
            *self.fields.get("args", "").split(),
        ]

    def environment(self) -> dict[str, str]:
        """The environment of the run."""
        extra = dict(pair.split("=", 1) for pair in self.fields.get("env", "").split())
        return {**ENVIRONMENT, **extra}

    def run(self, tracer: list[str], limit: float = 30) -> subprocess.CompletedProcess[str]:
        """Run it under a tracer."""
        return subprocess.run(
            self.command(tracer),
            env=self.environment(),
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=limit,
            check=False,
        )

    def difference(self, out: str) -> str:
        """What is wrong with an output; empty where it is as expected."""
        want = self.expected.strip("\n").split("\n")
        have = out.strip("\n").split("\n")
        for number, (left, right) in enumerate(zip(want, have, strict=False), 1):
            if left.startswith("~ "):
                if not re.fullmatch(left[2:], right):
                    return f"line {number}: {right!r} does not match {left[2:]!r}"
            elif left != right:
                return f"line {number}: {right!r} instead of {left!r}"
        if len(want) != len(have):
            return f"{len(have)} lines instead of {len(want)}"
        return ""


def read(path: Path) -> list[Case]:
    """The cases of a file."""
    cases = []
    for part in re.split(r"^=== ", path.read_text(), flags=re.M)[1:]:
        head, script, expected = re.split(r"^---\n", part, maxsplit=2, flags=re.M)
        name, _, rest = head.partition("\n")
        fields = {}
        for line in rest.splitlines():
            key, _, value = line.partition(":")
            if key.strip() and not key.startswith("#"):
                fields[key.strip()] = value.strip()
        cases.append(Case(path.stem, name.strip(), script.strip("\n"), expected, fields))
    return cases


def all_cases() -> list[Case]:
    """The cases of all files."""
    return [case for path in sorted(SCRIPTS.glob("*.txt")) for case in read(path)]


# Start-up as users have it: with compiled modules.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
PRYBEE = [sys.executable, "-m", "prybee"]
