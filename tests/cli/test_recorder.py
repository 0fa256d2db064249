"""What is said where the kernel does not tell which files processes map."""

from __future__ import annotations

from errno import EACCES
from typing import Any

import pytest

import prybee.symbols
from prybee.cli import live
from prybee.diagnostics import KernelError


@pytest.mark.parametrize("warnings", [True, False])
def test_without_the_right(
    warnings: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object, **__: object) -> Any:
        raise KernelError("perf_event_open", EACCES)

    monkeypatch.setattr(prybee.symbols, "Recorder", refused, raising=False)
    monkeypatch.setattr(live, "only_process", lambda plan: -1)
    plan: Any = None
    symbols: Any = object()
    assert live._recorder(plan, symbols, None, warnings, None) is None
    said = capsys.readouterr().err
    assert said.startswith("WARNING: addresses of processes that have ended") == warnings
    assert ("perf_event_open" in said) == warnings
