"""The language reference has all that the code's tables have, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import generate
from prybee.functions import TABLE as FUNCTIONS
from prybee.language import config_table
from prybee.language.library import INDEX as LIBRARY
from prybee.plan import formats
from prybee.probes import TABLE as PROBES

PAGE = (Path(__file__).parent.parent.parent / "docs" / "language.md").read_text()


def part(name: str) -> str:
    """What stands between the markers of a table."""
    return PAGE.partition(f"<!-- {name} -->")[2].partition("<!-- end -->")[0]


def test_tables_are_those_of_the_code() -> None:
    """Where this fails: ``python docs/generate.py``."""
    assert generate.filled(PAGE) == PAGE


def test_every_function_and_builtin() -> None:
    written = set(re.findall(r"^\| `(\w+)", part("functions"), re.M))
    known = [*FUNCTIONS.names(), *LIBRARY]
    names = {"argN" if re.fullmatch(r"arg\d+", name) else name for name in known}
    assert written == {name for name in names if not name.startswith("__builtin_")}


def test_every_probe_type_and_its_short_name() -> None:
    for name in PROBES.names():
        provider = PROBES.get(name)
        assert provider is not None
        assert f"| {', '.join(f'`{n}`' for n in provider.names)} |" in part("probes")
        assert provider.summary


def test_every_setting() -> None:
    written = re.findall(r"^\| `(\w+)`", part("settings"), re.M)
    assert written == list(config_table.TABLE)
    for name in (*config_table.RENAMED, *config_table.WITHOUT_EFFECT):
        assert f"`{name}`" in part("settings")


def test_every_conversion_and_length() -> None:
    written = set(re.findall(r"^\| `%(\w+)`", part("printf"), re.M))
    assert written == formats.SUPPORTED == set(formats.SUMMARIES)
    for modifier in filter(None, formats.LENGTHS):
        assert f"`{modifier}`" in part("printf")


def test_tables_need_their_places() -> None:
    with pytest.raises(LookupError, match="no place for the table 'probes'"):
        generate.filled("nothing")
