"""The Python programs of the manual run, and its reference has all public names."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.live.corpus import ENVIRONMENT

PAGE = (Path(__file__).parent.parent.parent / "docs" / "library.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)


@pytest.mark.live
@pytest.mark.parametrize("program", PROGRAMS, ids=range(1, len(PROGRAMS) + 1))
def test_program(program: str) -> None:
    """It ends without a word (its assertions hold)."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_programs_were_found() -> None:
    assert len(PROGRAMS) >= 8


@pytest.mark.parametrize("room", ["isa", "btf", "elf", "dwarf", "symbols", "flame"])
def test_all_public_names_are_in_the_reference(room: str) -> None:
    module = import_module(f"prybee.{room}")
    members = re.search(rf"automodule:: prybee\.{room}\n   :members: (.*)", PAGE)
    assert members
    modules = {name for name in module.__all__ if f"prybee.{room}.{name}." in PAGE}
    assert set(members[1].split(", ")) == set(module.__all__) - modules
