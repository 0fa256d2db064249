"""Functions and types of the programs that are loaded."""

from __future__ import annotations

import pytest

from prybee.linux import loaded
from tests.live.tracing import Trace

pytestmark = pytest.mark.live

SCRIPT = """
interval:us:123456 { @a[pid] = 1; for ($kv : @a) { @b = $kv.1; } }
interval:us:123456 { @c = 2; }
"""


def test_functions_and_types_of_a_running_trace() -> None:
    """Its programs, and the function that its loop is; all have types."""
    with Trace("-e", SCRIPT):
        found = [(id_, name) for id_, name in loaded.functions() if "us_123456" in name]
        names = [name for _id, name in found]
        assert names[0] == "interval_us_123456_1"
        assert names[-1] == "interval_us_123456_2"
        assert [id_ for id_, _name in found] == sorted(id_ for id_, _name in found)
        for id_, name in found:
            btf = loaded.types(id_)
            assert btf is not None
            assert btf.function(name)
    assert not [name for _id, name in loaded.functions() if "us_123456" in name]


def test_a_program_that_there_is_not() -> None:
    assert loaded.types(0x7FFFFFFF) is None
