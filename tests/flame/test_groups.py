"""Containers and control groups at the root of stacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prybee.cli import main
from prybee.diagnostics import PrybeeError
from prybee.flame import scripting
from prybee.flame.groups import Groups
from prybee.flame.profiling import GROUPS, KINDS, Kind
from tests.language.running import compile_text

NUMBER = "0123456789abcdef" * 4


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("", f"docker/{NUMBER}", "system.slice/ssh.service"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "cgroup.procs").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "container", "group"),
    [
        ("", "host", "/"),
        (f"docker/{NUMBER}", "0123456789ab", f"/docker/{NUMBER}"),
        ("system.slice/ssh.service", "host", "/system.slice/ssh.service"),
    ],
)
def test_names(tree: Path, folder: str, container: str, group: str) -> None:
    number = (tree / folder).stat().st_ino
    assert [Groups(kind, str(tree)).name(number) for kind in GROUPS] == [container, group]


def test_groups_that_come_and_go(tree: Path) -> None:
    groups = Groups("cgroup", str(tree))
    gone, later = tree / "system.slice/ssh.service", tree / "later"
    number = gone.stat().st_ino
    later.mkdir()
    gone.rmdir()
    assert groups.name(number) == "/system.slice/ssh.service"
    assert groups.name(later.stat().st_ino) == "/later"
    assert groups.name(1 << 60) == f"[control group {1 << 60}]"


def test_no_groups(tmp_path: Path) -> None:
    with pytest.raises(PrybeeError, match="--by cgroup: no control groups of version 2 are"):
        Groups("cgroup", str(tmp_path))


@pytest.mark.parametrize("python", [True, False])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_script_has_them(kind: Kind, python: bool) -> None:
    text = scripting.text(kind, group=True, python=python)
    assert ("pystack" in text) == python
    assert "(cgroup_path(cgroup), ustack" in text
    compile_text(text, positional=("99",))


def test_without_ebpf(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["flame", "cpu", "--by", "container", "--read-memory", "-p", str(os.getpid())]
    assert main(words) != 0
    assert "prybee flame cpu --by container: it takes eBPF" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("kind", ["cpu", "wall"])
def test_two_containers(kind: str) -> None:
    """One of the processes is in a container, as its control group is called."""
    folder = Path(scripting.unified()) / f"prybee-{os.getpid()}"
    inside = folder / NUMBER
    try:
        inside.mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"needs control groups of version 2: {error}")
    spin = [sys.executable, "-c", "while True: pass"]
    started = [subprocess.Popen(spin) for _ in range(2)]
    try:
        (inside / "cgroup.procs").write_text(str(started[0].pid))
        (folder / "cgroup.procs").write_text(str(started[1].pid))
        found = {}
        for by in GROUPS:
            done = subprocess.run(
                [sys.executable, "-m", "prybee", "flame", kind, "--by", by,
                 "--cgroup", str(folder), "-d", "1s", "-F", "199"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            found[by] = {line.partition(";")[0] for line in done.stdout.splitlines()}
            # The thread's name is behind it.
            assert all("python" in line.split(";")[1] for line in done.stdout.splitlines())
        assert found["container"] == {"0123456789ab", "host"}
        assert found["cgroup"] == {f"/{folder.name}", f"/{folder.name}/{NUMBER}"}
    finally:
        for process in started:
            process.kill()
            process.wait()
        inside.rmdir()
        folder.rmdir()
