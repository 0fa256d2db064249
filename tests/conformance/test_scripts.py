"""Ready-made scripts: made-up ones, with a made-up program that runs them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from conformance import scripts, target
from conformance.scripts import Script

READY = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"


def _program(folder: Path, text: str) -> Path:
    program = folder / "bpftrace"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (f"trap 'echo end; exit 0' INT; echo {READY}; while :; do sleep 0.1; done", True),
        (f"echo 'Attached 1 probe'; echo {READY}; exit 0", False),
        (f"echo {READY}; echo row; exit 255", False),
        ("echo 'ERROR: no'; exit 1", False),
    ],
    ids=["prints", "prints nothing", "bad status", "never attaches"],
)
def test_a_tool_is_run(tmp_path: Path, text: str, good: bool) -> None:
    """It has to attach, print something, and end with status 0."""
    script = tmp_path / "tool.bt"
    script.write_text("begin { }")
    found = scripts._run(script, _program(tmp_path, text))
    assert (found.name, found.how, found.good) == ("tool.bt", "ran", good)
    assert bool(found.why) is not good


def test_self_tests(tmp_path: Path) -> None:
    """The status counts; what was printed explains it."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "a.bt").write_text("good")
    (tmp_path / "self" / "b.bt").write_text("bad")
    program = _program(tmp_path, 'cat "$2"; grep -q good "$2"')
    assert scripts.self_tests(tmp_path, program) == [
        Script("a.bt", "tested", True), Script("b.bt", "tested", False, "bad")
    ]  # fmt: skip


def test_table() -> None:
    """One line for each way of trying."""
    found = [Script("a", "ran", True), Script("b", "loaded", False), Script("c", "ran", False)]
    assert scripts.table("tools", found) == "| tools | ran | 1 | 2 |\n| tools | loaded | 0 | 1 |\n"


TOOL = """kprobe:vfs_read, k:other { }
kretprobe:xfs:xfs_file_read
{ @ = *kaddr("wanted_symbol"); }
"""


def test_a_kernel_that_has_what_tools_ask_for(tmp_path: Path) -> None:
    """Features, functions and symbols are added to those of this machine."""
    saved = target.save(tmp_path / "kernel", [TOOL])
    with zipfile.ZipFile(saved) as archive:
        facts = json.loads(archive.read("target.json"))
        assert {"kprobe", "fentry"} <= set(facts["features"])
        assert archive.read("functions.txt") == b"vmlinux vfs_read\nvmlinux xfs_file_read\n"
        assert b" wanted_symbol\n" in archive.read("symbols.txt")


def test_symbols_that_are_not_there() -> None:
    """A script that asks for them cannot run here."""
    assert target.resolvable("begin { }")
    assert not target.resolvable(TOOL)
