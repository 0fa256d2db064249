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
PROMPT = re.compile(r"[#$] (?:[A-Z_]+=\S+ )*prybee ")
NOBODY = 65534
pytestmark = [pytest.mark.live, pytest.mark.slow]


def examples(page: Path) -> list[tuple[str, list[str]]]:
    """Commands in code blocks with their prompts, and the output that the page shows of them."""
    found = []
    text = page.read_text()
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.M | re.S)
    # Indented blocks, outside of those.
    outside = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    for block in re.findall(r"(?:^    .*\n|^\n)+", outside, re.M):
        blocks.append(re.sub("^    ", "", block, flags=re.M))
    for block in blocks:
        lines = block.splitlines()
        while lines:
            line = lines.pop(0)
            if not PROMPT.match(line):
                continue
            # What stands behind many blanks is the page's remark.
            command = re.split(r" {4,}", line)[0] if line.count("'") % 2 == 0 else line
            while command.count("'") % 2:
                command += "\n" + lines.pop(0)
            shown = []
            while lines and not PROMPT.match(lines[0]):
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


def unprivileged_python() -> str:
    """A Python that an ordinary user may run, too."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            done = subprocess.run(
                [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"],
                user=NOBODY, check=False,
            )  # fmt: skip
        except OSError:
            continue
        if done.returncode == 0:
            return python
    pytest.skip("no Python that user nobody may run")


def start(line: str) -> subprocess.Popen[str]:
    """Run what stands behind a prompt, as root (``#``) or as an ordinary user (``$``)."""
    prompt, command = line[0], line[2:].removesuffix(" || true")
    python, user, environment = sys.executable, None, dict(ENVIRONMENT)
    if prompt == "$":
        python, user = unprivileged_python(), NOBODY
        environment |= {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    if command.startswith("prybee ") and "|" not in re.sub(r"'[^']*'", "", command):
        words = [python, "-m", *shlex.split(command)]
    else:
        words = ["bash", "-c", f'prybee() {{ {python} -m prybee "$@"; }}; {command}']
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        user=user, cwd="/" if user else None,
    )  # fmt: skip


@pytest.mark.parametrize(("page", "command", "shown"), CASES)
def test_example(page: str, command: str, shown: list[str]) -> None:
    """The command ends well by itself or at Ctrl-C, and prints what the page promises."""
    process = start(command)
    # Traces may go on until Ctrl-C; all else ends by itself.
    end = time.monotonic() + (3 if " -e " in command else 60)
    while process.poll() is None and time.monotonic() < end:
        subprocess.run(["cat", "/etc/hostname"], stdout=subprocess.DEVNULL, check=False)
        os.listdir("/usr/bin")
        time.sleep(0.1)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    wanted = (1, 255) if command.endswith(" || true") else (0,)
    assert process.returncode in wanted, out
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
