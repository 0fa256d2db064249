"""unwatch(): the record that it sends, and what it does not take."""

from __future__ import annotations

import pytest

from prybee.diagnostics import ScriptError
from tests.language.running import compile_text


@pytest.mark.parametrize("address", ["0x1000", "(uint8 *)5", "@a", "(int8)-1"])
def test_the_record(address: str) -> None:
    plan = compile_text(f"begin {{ @a = (uint64)7; unwatch({address}); }}").plan
    (record,) = plan.records
    assert (record.action, record.size) == ("unwatch", 16)
    ((offset, layout),) = record.fields
    assert (offset, layout.size) == (8, 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('unwatch("x")', "unwatch() expects an integer or pointer argument"),
        ("unwatch()", "unwatch() requires one argument (0 provided)"),
        ("unwatch(1, 2)", "unwatch() requires one argument (2 provided)"),
        ("$x = unwatch(1)", "Value 'void' cannot be assigned to a scratch variable"),
    ],
)
def test_refused(call: str, message: str) -> None:
    with pytest.raises(ScriptError) as caught:
        compile_text(f"begin {{ {call}; }}")
    assert message in str(caught.value)
