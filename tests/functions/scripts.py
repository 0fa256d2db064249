"""What the tests of functions ask of a script: types, messages, values."""

from __future__ import annotations

from typing import Any

import pytest

from prybee.diagnostics import ScriptError
from prybee.functions import search
from prybee.language import tree
from tests.language.running import TARGET, Loaded, compile_text


def type_of(expression: str, probe: str = "begin", **options: Any) -> str:
    """The type of an expression, as messages call it."""
    compilation = compile_text(f"{probe} {{ $value = {expression}; }}", unsafe=True, **options)
    statement = compilation.program.probes[0].body.statements[0]
    assert isinstance(statement, tree.AssignScratch)
    return str(statement.value.type)


def complaints(text: str, **options: Any) -> list[str]:
    """The messages about a whole script; empty where it compiles."""
    options.setdefault("unsafe", True)
    try:
        compile_text(text, **options)
    except ScriptError as error:
        return [d.message for d in error.diagnostics]
    return []


def values(expressions: dict[str, str], before: str = "", **options: Any) -> dict[str, Any]:
    """Evaluate expressions in a ``begin`` that runs in this very process."""
    body = "".join(f" @{name} = {text};" for name, text in expressions.items())
    compilation = compile_text(f"begin {{ {before}{body} }}", unsafe=True, **options)
    with Loaded(compilation.plan) as loaded:
        loaded.run()
        return {name: loaded.script_map(f"@{name}") for name in expressions}


def loads(text: str, **options: Any) -> int:
    """Have the kernel's verifier take every program of a script; how many there are."""
    options.setdefault("unsafe", True)
    with Loaded(compile_text(text, **options).plan) as loaded:
        return len(loaded.programs)


def need_search() -> None:
    """Skip the running test where the kernel searches for no text that is not known before."""
    if TARGET.btf is None or not TARGET.btf.function(search._KFUNC):
        pytest.skip(f"this kernel lacks {search._KFUNC}()")


__all__ = ["TARGET", "complaints", "loads", "need_search", "type_of", "values"]
