"""The scripts of profiles, by the options of the command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from prybee.diagnostics import PrybeeError
from prybee.flame import scripting
from prybee.flame.profiling import KINDS
from tests.language.running import compile_text

if TYPE_CHECKING:
    from pathlib import Path

    from prybee.flame.profiling import Kind

CPU = KINDS[0]


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree that looks like control groups, below a mount that is found."""
    root = tmp_path / "unified"
    for folder in (root, root / "shop", root / "shop/cart", root / "shop/till"):
        folder.mkdir()
        (folder / "cgroup.procs").touch()
        if folder != root:
            (folder / "cgroup.type").touch()
    monkeypatch.setattr(scripting, "unified", lambda: str(root))
    return root


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_script_compiles(kind: Kind) -> None:
    """Also with all that can be changed in it."""
    compile_text(scripting.text(kind), positional=("99",))
    text = scripting.text(kind, pid=7, duration=500, python=False, refresh=True)
    plan = compile_text(text, positional=("99",), pid=None if kind.own_filter else 7).plan
    names = [probe.name for probe in plan.probes]
    assert {"interval:s:1", "interval:ms:500"} <= set(names)
    assert "pystack" not in text
    assert ("pid == 7" in text) == kind.own_filter


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_processes_of_a_command(kind: Kind) -> None:
    text = scripting.text(kind, pid=0)
    assert "(has_key(@family, pid))" in text
    plan = compile_text(text, positional=("99",), pid=os.getpid(), child=True).plan
    assert "tracepoint:sched:sched_process_fork" in [probe.name for probe in plan.probes]


@pytest.mark.parametrize(
    ("event", "probe"),
    [
        ("", "profile:hz:$1"),
        ("cycles", "hardware:cycles:30000000"),
        ("cycles:5", "hardware:cycles:5"),
        ("instructions", "hardware:instructions"),
        ("page-faults:1", "software:page-faults:1"),
    ],
)
def test_events(event: str, probe: str) -> None:
    lines = scripting.text(CPU, event=event, frequency=100).splitlines()
    assert probe in lines
    assert ("profile:hz:$1" in lines) == (not event)


@pytest.mark.parametrize(
    ("event", "hint"), [("cycels", "did you mean cycles?"), ("x", "events: alignment-faults, ")]
)
def test_events_that_do_not_exist(event: str, hint: str) -> None:
    with pytest.raises(PrybeeError, match=f"-e {event}: no such event\nHINT: ") as caught:
        scripting.text(CPU, event=event)
    assert hint in str(caught.value)


def test_control_groups(groups: Path) -> None:
    """A group, and all below it."""
    want = {
        each.stat().st_ino for each in (groups / "shop", groups / "shop/cart", groups / "shop/till")
    }
    for name in ("shop", str(groups / "shop")):
        assert set(scripting.cgroups(name)) == want
    assert scripting.cgroups("shop/cart") == [(groups / "shop/cart").stat().st_ino]
    text = scripting.text(CPU, cgroup="shop/cart")
    assert f"(cgroup == {(groups / 'shop/cart').stat().st_ino})" in text


def test_what_is_no_control_group(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PrybeeError, match="--cgroup shed: no control group\nHINT: it is a "):
        scripting.cgroups("shed")
    (groups / "shop/cart/cgroup.type").unlink()
    with pytest.raises(PrybeeError, match="a control group of version 1"):
        scripting.cgroups("shop/cart")
    monkeypatch.setattr(scripting, "_MOST_GROUPS", 2)
    with pytest.raises(PrybeeError, match="3 control groups are below it, and 2 is the most"):
        scripting.cgroups("shop")


def test_where_control_groups_are(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("cgroup /a cgroup rw 0 0\ncgroup2 /b/c cgroup2 rw 0 0\n")
    assert scripting.unified(str(mounts)) == "/b/c"
    assert scripting.unified(str(tmp_path / "none")) == "/sys/fs/cgroup"
