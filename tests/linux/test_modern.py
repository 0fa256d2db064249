"""One question for all that the compiler likes to use."""

from __future__ import annotations

from errno import EACCES, EINVAL, EPERM

import pytest

from prybee.compiler.compile import MODERN
from prybee.diagnostics import KernelError
from prybee.linux import feature_answers, features, modern
from prybee.linux.programs import LoadRefused, Program


@pytest.mark.live
def test_it_agrees_with_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modern, "_answer", None)
    if not feature_answers.privileged():
        pytest.skip("programs may not be loaded here")
    # Access at any address is the machine's, not the kernel's: the program does not ask for it.
    each = [bool(features.probe(name)) for name in MODERN if name != "unaligned"]
    assert modern.modern() == all(each)


@pytest.mark.parametrize(
    ("errno", "privileged", "expected"),
    [
        (EINVAL, True, False),
        (EACCES, True, False),
        (EACCES, False, True),
        (EPERM, False, True),
    ],
)
def test_a_refusal(
    errno: int, privileged: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise LoadRefused(KernelError("bpf(BPF_PROG_LOAD)", errno), "prybee_probe", "")

    monkeypatch.setattr(modern, "_answer", None)
    monkeypatch.setattr(Program, "load", refuse)
    monkeypatch.setattr(feature_answers, "privileged", lambda: privileged)
    assert modern.modern() == expected
