"""Tests of a made-up suite: read, sorted out by machine and by what they need."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from conformance import suite
from conformance.categories import CORE, DWARF, FENTRY, HARDWARE, KPROBE, category
from conformance.suite import Case, SuiteError

TEXT = """\
# a remark
NAME first
PROG begin {
       exit();
     }
EXPECT one
       two
EXPECT_NONE three
TIMEOUT 2

NAME second of them
RUN {{BPFTRACE}} runtime/scripts/other.bt
# a remark in between
EXPECT_REGEX ^x
REQUIRES_FEATURE btf iter
"""


def _case(program: str, file: str = "made", **keys: str) -> Case:
    return Case(file, "up", [("PROG", program), *keys.items()])


def test_paragraphs() -> None:
    """Names, texts of several lines, remarks."""
    first, second = suite.parse(TEXT, "made")
    assert first.id == "made.first"
    assert first.all("PROG") == ["begin {\n  exit();\n}"]
    assert first.expectations == [("EXPECT", "one\ntwo"), ("EXPECT_NONE", "three")]
    assert first.seconds == 2
    assert second.id == "made.second of them"
    assert second.words("REQUIRES_FEATURE") == ["btf", "iter"]
    assert second.seconds == 5


def test_name_is_needed() -> None:
    """A test without a name cannot be asked for."""
    with pytest.raises(SuiteError, match="made: a test without NAME: PROG x"):
        suite.parse("PROG x\nEXPECT y\n", "made")


def test_a_checkout(tmp_path: Path) -> None:
    """Files in order, folders of others left out, scripts read with the tests that run them."""
    runtime = tmp_path / "runtime"
    for name in ("engine", "scripts", "outputs"):
        (runtime / name).mkdir(parents=True)
    (runtime / "engine" / "main.py").write_text("")
    (runtime / "scripts" / "other.bt").write_text("kprobe:f { }")
    (runtime / "b").write_text(TEXT)
    (runtime / "a").write_text("NAME x\nPROG y\nEXPECT z")
    cases = suite.read(tmp_path)
    assert [case.id for case in cases] == ["a.x", "b.first", "b.second of them"]
    assert [category(case) for case in cases] == [CORE, CORE, KPROBE]


def test_no_checkout(tmp_path: Path) -> None:
    """The error says what is expected."""
    with pytest.raises(SuiteError, match="SUITE must be a checkout of bpftrace"):
        suite.read(tmp_path)


@pytest.mark.parametrize(
    ("arch", "here"),
    [
        ("", True),
        (platform.machine(), True),
        (f"s390x|{platform.machine()}", True),
        ("s390x", False),
        (f"!{platform.machine()}", False),
        ("!s390x", True),
        ("le", True),
        ("be|s390x", False),
    ],
)
def test_machines(arch: str, here: bool) -> None:
    """As bpftrace's engine reads ARCH lines."""
    assert suite.for_this_machine(_case("x", ARCH=arch)) is here


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("begin { exit() }", CORE),
        ("kprobe:f { }", KPROBE),
        ("begin { } k:f { }", KPROBE),
        ("t:a:b, kretprobe:f { }", KPROBE),
        ("bpftrace -l 'kprobe:*'", KPROBE),
        ('bpftrace -l "hardware:*"', HARDWARE),
        ("w:0x1000:8:w { }", HARDWARE),
        ("h:cache-misses:10 { }", HARDWARE),
        ("struct A { short g:2, h:2; } begin { }", CORE),
        ("fentry:f { }", FENTRY),
        ("fr:f { }", FENTRY),
        ("struct A { int f:9; } begin { }", CORE),
        ('begin { printf("block:x") }', CORE),
        ("uprobe:./x:f { }", CORE),
        ("iter:task { }", CORE),
    ],
)
def test_probes_tell_the_category(program: str, expected: str) -> None:
    """Providers where attach points may stand, by all their names."""
    assert category(_case(program)) == expected


@pytest.mark.parametrize(
    ("feature", "expected"),
    [("dwarf", DWARF), ("dwunwind", DWARF), ("kprobe_multi", KPROBE), ("dpath", FENTRY),
     ("btf", CORE)],
)  # fmt: skip
def test_features_tell_the_category(feature: str, expected: str) -> None:
    """What a test asks for by REQUIRES_FEATURE."""
    assert category(_case("begin { }", REQUIRES_FEATURE=feature)) == expected


def test_files_tell_the_category() -> None:
    """All tests of a file that is about DWARF need it."""
    assert category(_case("uprobe:./x:f { }", "dwarf")) == DWARF
