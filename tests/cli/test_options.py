"""Command lines taken apart, and refused."""

from __future__ import annotations

import pytest

from prybee.cli.options import OPTIONS, UsageError, help_text, read

CASES = [
    (["-e", "x"], {"program": "x"}, []),
    (["-ex"], {"program": "x"}, []),
    (["-lv", "t:*"], {"list": True, "verbose": True}, ["t:*"]),
    (["-l", "-v", "a", "b"], {"list": True, "verbose": True}, ["a", "b"]),
    (["f.bt", "1", "-p", "7", "2"], {"pid": "7"}, ["f.bt", "1", "2"]),
    (["--format=json", "f"], {"format": "json"}, ["f"]),
    (["--format", "json", "f"], {"format": "json"}, ["f"]),
    (["--form", "json"], {"format": "json"}, []),
    (["--no-w"], {"no_warnings": True}, []),
    (["-"], {}, ["-"]),
    (["-I", "a", "-Ib"], {"I": ["a", "b"]}, []),
    (["-qkB", "none"], {"quiet": True, "warnings": True, "buffering": "none"}, []),
    (["--verify-llvm-ir", "-b", "--btf"], {"verify_llvm_ir": True, "b": True}, []),
    (["--btf", "-e", "x"], {"program": "x"}, []),
    (["--btf", "vmlinux", "-e", "x"], {"program": "x", "btf": "vmlinux"}, []),
    (["--btf=vmlinux", "x"], {"btf": "vmlinux"}, ["x"]),
]


@pytest.mark.parametrize(("words", "values", "operands"), CASES, ids=lambda v: str(v))
def test_read(words: list[str], values: dict[str, object], operands: list[str]) -> None:
    """Options and operands."""
    found = read(words)
    assert found.values == values
    assert found.operands == operands
    assert found.parameters is None


def test_parameters() -> None:
    """What stands behind ``--`` is nobody's option."""
    found = read(["-e", "x", "1", "--", "--a=5", "-v"])
    assert found.operands == ["1"]
    assert found.parameters == ["--a=5", "-v"]


WRONG = [
    (["-e"], "option '-e' needs a value: -e PROGRAM"),
    (["--pid"], "option '--pid' needs a value: --pid PID"),
    (["-x"], "unrecognized option '-x'"),
    (["--fromat", "x"], "unrecognized option '--fromat'; did you mean '--format'?"),
    (["--quiet=1"], "option '--quiet' takes no value"),
    (["--no"], "option '--no' is ambiguous: --no-feature, --no-warnings"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=lambda v: str(v))
def test_wrong(words: list[str], message: str) -> None:
    """The error says what is wrong."""
    with pytest.raises(UsageError) as caught:
        read(words)
    assert str(caught.value) == message


def test_help_has_every_option() -> None:
    """Each option that is not hidden is in the help text, with its value."""
    text = help_text()
    for _title, options in OPTIONS:
        for option in options:
            for name in option.names:
                assert (f"  {name}" in text or f", {name}" in text) != option.hidden
    assert max(map(len, text.splitlines())) <= 100
