"""What each kernel can do and how the tests went in it: recorded, for docs/kernels.md.

``python -m tests.vm.facts`` prints what the running kernel can do, as JSON; ``python -m tests.vm
facts 6.12`` records what that says in a guest.
"""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import prybee
from prybee.linux import features

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORDED = Path(__file__).parent / "recorded"
# This machine's own kernel.
HERE = "here"


def found() -> dict[str, Any]:
    """What the running kernel says to each feature, and which kernel it is."""
    answers = {feature.name: features.probe(feature.name) for feature in features.TABLE}
    return {
        "release": platform.release(),
        "machine": platform.machine(),
        "features": {name: answer.state for name, answer in answers.items()},
    }


def take(version: str) -> dict[str, Any]:
    """What a kernel of Debian's can do, asked in a guest; of this machine's, for :data:`HERE`.

    Raises:
        ArchiveError: it cannot be fetched.
        RuntimeError: the guest gave no answer.
    """
    if version == HERE:
        return found()
    from tests.vm import guest, kernels

    said = io.BytesIO()
    kernel = kernels.fetch(version)
    # Modules are there to show their types once one is loaded: overlay and 9p are.
    python = kernel.machine.python or sys.executable
    status = guest.run(
        kernel,
        [python, "-m", "tests.vm.facts"],
        folder=str(guest.ROOT),
        environment={"PYTHONPATH": "src:."},
        stdout=said,
    )
    if status:
        raise RuntimeError(f"{version}: status {status}")
    answer: dict[str, Any] = json.loads(said.getvalue())
    return answer


def record(version: str, part: str, facts: dict[str, Any]) -> None:
    """Keeps a part of what is known of a kernel, with the date and our version."""
    path = RECORDED / f"{version.replace(':', '-')}.json"
    before = json.loads(path.read_text()) if path.exists() else {"kernel": version}
    stamp = {"date": time.strftime("%Y-%m-%d"), "prybee": prybee.__version__}
    before[part] = {**stamp, **facts}
    RECORDED.mkdir(exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(before, indent=1, sort_keys=True) + "\n")
    beside.replace(path)


def recorded() -> list[dict[str, Any]]:
    """All that was recorded: the oldest kernel first, other machines' behind, ours last."""
    known = [json.loads(path.read_text()) for path in RECORDED.glob("*.json")]
    return sorted(known, key=lambda each: _order(each["kernel"]))


def _order(version: str) -> tuple[bool, str, Sequence[int]]:
    machine, _, number = version.rpartition(":")
    if number == HERE:
        return True, "", ()
    return False, machine, [int(part) for part in number.split(".")]


if __name__ == "__main__":
    print(json.dumps(found()))
