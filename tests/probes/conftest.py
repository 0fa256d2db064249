"""Programs to probe, built once with gcc, and helpers that expand attach points."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest

from prybee.language import attach_point
from prybee.language.config_table import Config
from prybee.language.registry import ExpandScope
from prybee.probes import TABLE
from prybee.probes.provider import ProbeType

if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.language.registry import Match
    from prybee.plan.target import Target

SOURCES = Path(__file__).parent / "programs"


def provider(name: str) -> ProbeType:
    """The probe type of that name or alias."""
    found = TABLE.get(name)
    assert isinstance(found, ProbeType), name
    return found


def expand(text: str, target: Target, **options: object) -> list[Match]:
    """The matches of an attach point."""
    point = attach_point.parse(text)
    scope = ExpandScope(target, Config(), **options)  # type: ignore[arg-type]
    return list(provider(point.provider).expand(point, scope))


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """``build("program.c", "-no-pie")`` compiles a file of ``programs/`` and gives its path."""
    if which("gcc") is None:
        pytest.skip("builds programs to probe: needs gcc")
    folder = tmp_path_factory.mktemp("programs")
    made: dict[tuple[str, ...], str] = {}

    def make(source: str, *options: str) -> str:
        key = (source, *options)
        if key not in made:
            path = str(folder / f"{Path(source).stem}{len(made)}")
            compiler = "g++" if source.endswith(".cc") else "gcc"
            command = [compiler, "-g0", "-O1", *options, "-o", path, str(SOURCES / source)]
            subprocess.run(command, check=True)
            made[key] = path
        return made[key]

    return make
