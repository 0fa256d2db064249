"""The checkout's ready-made scripts: ``tests/self/*.bt`` test themselves; ``tools/*.bt`` are run.

A tool that needs nothing that this kernel lacks is run: it must attach, print, and end well.  The
others are compiled for a saved kernel that has what they ask for, and loaded into this one.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from conformance import target
from conformance.categories import CORE, program_category

_HERE = Path(__file__).parent
_READY = b"__BPFTRACE_NOTIFY_PROBES_ATTACHED\n"
# What makes processes, files, names, reads and signals for the tools to see.
_STIR = (
    "for i in 1 2 3; do ls /etc >/dev/null; getent hosts localhost >/dev/null; cat /etc/passwd "
    ">/dev/null; sleep 0.2; done; kill -0 $$; sync -f /tmp; true"
)
_BANNER = re.compile(rb"^(Attached \d+ probes?|__BPFTRACE_NOTIFY_PROBES_ATTACHED)$")
_PATIENCE = 30


@dataclass
class Script:
    """How a script fared.

    Attributes:
        name: its file.
        how: ``tested``, ``ran`` or ``loaded``.
        good: whether it did what it should.
        why: what went wrong otherwise: what it printed.
    """

    name: str
    how: str
    good: bool
    why: str = ""


def self_tests(tests: Path, program: Path) -> list[Script]:
    """Run each script of ``tests/self`` with ``--test``."""
    found = []
    for path in sorted((tests / "self").glob("*.bt")):
        done = subprocess.run([program, "--test", path], cwd=path.parent, capture_output=True,
                              text=True, errors="backslashreplace")  # fmt: skip
        good = done.returncode == 0
        found.append(Script(path.name, "tested", good, "" if good else done.stdout + done.stderr))
    return found


def tools(folder: Path, program: Path, work: Path) -> list[Script]:
    """Run or load each tool.

    Args:
        folder: the checkout's ``tools``.
        program: the launcher.
        work: where the saved kernel may be put.
    """
    paths = sorted(folder.glob("*.bt"))
    texts = {path: path.read_text() for path in paths}
    saved = target.save(work / "kernel.target", texts.values())
    found = []
    for path in paths:
        if program_category(texts[path]) == CORE and target.resolvable(texts[path]):
            found.append(_run(path, program))
        else:
            found.append(_load(path, saved))
    return found


def _load(path: Path, saved: Path) -> Script:
    """Compile for the saved kernel, and let this one's verifier judge the programs."""
    command = [sys.executable, "-m", "conformance.load", str(saved), str(path)]
    done = subprocess.run(command, cwd=_HERE.parent, capture_output=True, text=True)
    good = done.returncode == 0
    return Script(path.name, "loaded", good, "" if good else done.stdout + done.stderr)


def _run(path: Path, program: Path) -> Script:
    """Start a tool, give it something to see once it is attached, and end it."""
    environment = {"PATH": os.environ.get("PATH", ""), "__BPFTRACE_NOTIFY_PROBES_ATTACHED": "1"}
    with subprocess.Popen([program, "--unsafe", path], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        printed = _until_ready(process)
        if _READY in printed:
            subprocess.run(["sh", "-c", _STIR], capture_output=True)
            time.sleep(1)
            process.send_signal(signal.SIGINT)
        try:
            rest, complaints = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            rest, complaints = process.communicate()
    printed += rest
    words = [line for line in printed.splitlines() if line and not _BANNER.match(line)]
    good = process.returncode == 0 and _READY in printed and bool(words)
    why = (printed + complaints).decode(errors="backslashreplace") or "it printed nothing"
    return Script(path.name, "ran", good, "" if good else f"status {process.returncode}\n{why}")


def _until_ready(process: subprocess.Popen[bytes]) -> bytes:
    """What it prints until its probes are attached, or until it ends."""
    assert process.stdout is not None
    printed = b""
    deadline = time.monotonic() + _PATIENCE
    while _READY not in printed and time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], 1)
        if ready:
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            printed += data
    if _READY not in printed:
        process.kill()
    return printed


def table(title: str, found: list[Script]) -> str:
    """How many of each kind were good, in one line of a Markdown table."""
    lines = []
    for how in dict.fromkeys(script.how for script in found):
        of_kind = [script for script in found if script.how == how]
        good = sum(script.good for script in of_kind)
        lines.append(f"| {title} | {how} | {good} | {len(of_kind)} |\n")
    return "".join(lines)


HEAD = "| scripts | how | good | all |\n|---|---|--:|--:|\n"
