"""``pip install .`` gives a command that works anywhere, with nothing around it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HELLO = 'begin { printf("%s\\n", curtask.comm); exit() }'


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment of its own, installed from what pip makes of this folder."""
    folder = tmp_path_factory.mktemp("installed")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("no virtual environment can be made")
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet",
         "--no-deps", "--compile", "--no-build-isolation", ROOT],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if installed.returncode and "hatchling" in installed.stderr:
        installed = subprocess.run(
            [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install",
             "--quiet", "--no-deps", "--compile", ROOT],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if "No matching distribution" in installed.stderr or "connection" in installed.stderr:
            pytest.skip("the build backend cannot be had without a network")
    assert installed.returncode == 0, installed.stderr
    return folder / "bin" / "prybee"


def bare(command: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run it in / with an empty environment, but for ``env``."""
    return subprocess.run(
        [command, *words],
        env=env, cwd="/", capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.live
def test_anywhere(command: Path) -> None:
    """Without HOME, PATH and PYTHONPATH, from the root folder."""
    done = bare(command, "-q", "-e", HELLO)
    assert (done.stdout, done.returncode) == ("prybee\n\n\n", 0), done.stderr
    assert bare(command, "-V").stdout.startswith("prybee ")
    assert "tracepoint:sched:sched_switch" in bare(command, "-l", "t:sched:*").stdout
    assert bare(command, "doctor").returncode == 0


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("kind", ["missing", "file", "read-only", "damaged"])
def test_caches_that_cannot_be_used(command: Path, tmp_path: Path, kind: str) -> None:
    """The cache is a help only: without it everything works."""
    cache = tmp_path / "cache"
    if kind == "file":
        cache.write_text("not a folder")
    elif kind == "read-only":
        cache = Path("/proc/self")  # nobody can write there, root neither
    elif kind == "damaged":
        assert bare(command, "-e", HELLO, XDG_CACHE_HOME=str(cache)).returncode == 0
        files = [path for path in cache.rglob("*") if path.is_file()]
        assert files, "nothing was cached"
        for path in files:
            path.write_bytes(os.urandom(200))
    for _ in range(2):
        done = bare(command, "-q", "-e", HELLO, XDG_CACHE_HOME=str(cache))
        assert (done.stdout, done.returncode) == ("prybee\n\n\n", 0), done.stderr
        assert done.stderr == ""
    if kind == "missing":
        assert cache.is_dir()


@pytest.mark.slow
def test_what_is_installed(command: Path) -> None:
    """All modules are there, compiled; no tests, and no dependency."""
    site = next(command.parents[1].glob("lib/python*/site-packages"))
    here = {path.relative_to(ROOT / "src") for path in (ROOT / "src" / "prybee").rglob("*.py")}
    there = {path.relative_to(site) for path in (site / "prybee").rglob("*.py")}
    assert there == here
    assert (site / "prybee" / "cli" / "__pycache__").is_dir()
    metadata = next(site.glob("prybee-*.dist-info")) / "METADATA"
    required = [x for x in metadata.read_text().splitlines() if x.startswith("Requires-Dist")]
    assert all("extra ==" in line for line in required)
    assert {path.name.partition("-")[0] for path in site.iterdir() if path.is_dir()} == {"prybee"}
