"""Every example of the manual and the README runs, and prints what the text says (or something).

The pages of ``EXACT`` show what their examples print to the letter; on the others, figures and
names are those of the machine they were written on.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live.corpus import ENVIRONMENT

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXACT = ["language.md"]
pytestmark = [pytest.mark.live, pytest.mark.slow]


def examples(page: Path) -> list[tuple[str, list[str]]]:
    """Commands behind a ``#`` prompt in code blocks, and the output that the page shows of them."""
    found = []
    text = page.read_text()
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.M | re.S)
    blocks += re.findall(r"(?:^    .*\n|^\n)+", text, re.M)
    for block in blocks:
        lines = [line.removeprefix("    ") for line in block.splitlines()]
        while lines:
            line = lines.pop(0)
            if not line.startswith("# prybee "):
                continue
            # What stands behind many blanks is the page's remark.
            command = re.split(r" {4,}", line[2:])[0] if line.count("'") % 2 == 0 else line[2:]
            while command.count("'") % 2:
                command += "\n" + lines.pop(0)
            shown = []
            while lines and not lines[0].startswith("#"):
                shown.append(lines.pop(0))
            found.append((command, shown if shown and shown[0] else []))
    return found


def said(lines: list[str]) -> list[str]:
    """Output without what the pages leave out: the banner and empty lines."""
    return [line for line in lines if line.strip() and not line.startswith("Attached ")]


CASES = [
    pytest.param(page.name, command, shown, id=f"{page.name}: {command[:50]}")
    for page in PAGES
    for command, shown in examples(page)
    if "…" not in command and "script.bt" not in command
]


@pytest.mark.parametrize(("page", "command", "shown"), CASES)
def test_example(page: str, command: str, shown: list[str]) -> None:
    """The command ends well by itself or at Ctrl-C, and prints what the page promises."""
    words = [sys.executable, "-m", *shlex.split(command.removesuffix(" || true"))]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT
    )
    end = time.monotonic() + 3
    while process.poll() is None and time.monotonic() < end:
        subprocess.run(["cat", "/etc/hostname"], stdout=subprocess.DEVNULL, check=False)
        os.listdir("/usr/bin")
        time.sleep(0.1)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == (1 if "prinft" in command else 0), out
    assert "Traceback" not in out
    if page in EXACT:
        assert said(out.splitlines()) == said(shown)
    elif shown:
        assert said(out.splitlines()), f"no output: {out!r}"


def test_script_of_the_tutorial(tmp_path: Path) -> None:
    """Lesson 12's file runs, with its parameter."""
    script = re.search(r"^```c\n(.*?)^```", (ROOT / "docs/tutorial.md").read_text(), re.M | re.S)
    assert script
    path = tmp_path / "slow.bt"
    path.write_text(script[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "prybee", str(path), "50"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    time.sleep(1.5)
    subprocess.run(["sleep", "0.2"], check=True)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert re.search(r"^sleep +\w*nanosleep +\d+ us$", out, re.M), out


def test_pages_were_found() -> None:
    """The examples did not silently go away."""
    assert len(CASES) >= 15
