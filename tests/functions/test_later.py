"""Functions that are not there yet say so, and what to use in their place."""

from __future__ import annotations

import pytest

from prybee.diagnostics import ScriptError
from prybee.functions.later import FUNCTIONS
from tests.language.running import compile_text

CALLS = {
    "dw_ustack": "dw_ustack(perf, 5)",
}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_refused(function) -> None:
    """One error, at the call, with a hint."""
    with pytest.raises(ScriptError) as caught:
        compile_text(f"begin {{ {CALLS[function.name]}; }}")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message == f"{function.name} is not available yet"
    assert diagnostic.hints == (function.instead,)


def test_a_builtin_without_parentheses() -> None:
    """``dw_ustack`` is a variable, too."""
    with pytest.raises(ScriptError, match="dw_ustack is not available yet"):
        compile_text("begin { @[dw_ustack] = 1; }")
