"""``prybee target save`` and ``prybee check``: scripts compiled for a kernel in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prybee.btf import BtfBuilder
from prybee.cli import main
from prybee.engines.live import LiveTarget
from prybee.engines.saved import SavedTarget, save
from prybee.plan.target import Target, TracepointField
from tests.language.running import compile_text

FIELDS = (TracepointField("filename", "const char *", 16, 8, False),)


class Made(Target):
    """A kernel that there is none of."""

    release = "9.9.9"
    possible_cpus = (0, 1, 2)

    def has(self, feature: str) -> bool:
        return feature in ("v4", "jmp32", "atomics", "probe_read_kernel", "ringbuf", "tracepoint")

    def tracepoints(self) -> list[tuple[str, str]]:
        return [("made", "up"), ("made", "bare")]

    def tracepoint_format(self, category: str, event: str) -> tuple[TracepointField, ...] | None:
        return FIELDS if event == "up" else None

    def iterators(self) -> list[str]:
        return ["task"]

    def kernel_functions(self) -> list[tuple[str, str]] | None:
        return self.functions

    functions: list[tuple[str, str]] | None = [("ext4", "ext4_sync"), ("vmlinux", "vfs_read")]


@pytest.fixture
def saved(tmp_path: Path) -> str:
    builder = BtfBuilder()
    builder.struct("thing", 4, [])
    path = tmp_path / "made.target"
    save(Made(), str(path), builder.build(), b"ffff0000 T start_here\n")
    assert [p.name for p in tmp_path.iterdir()] == ["made.target"]
    return str(path)


def test_what_is_saved_comes_back(saved: str) -> None:
    target = SavedTarget(saved)
    assert target.release == "9.9.9"
    assert target.possible_cpus == (0, 1, 2)
    assert target.has("ringbuf")
    assert not target.has("kprobe_multi")
    assert list(target.tracepoints()) == [("made", "up"), ("made", "bare")]
    assert target.tracepoint_format("made", "up") == FIELDS
    assert target.tracepoint_format("made", "down") is None
    assert target.iterators() == ["task"]
    assert target.kernel_functions() == [("ext4", "ext4_sync"), ("vmlinux", "vfs_read")]
    assert target.btf is not None
    assert target.btf.find("thing", "struct")
    assert target.kernel_address("start_here") == 0xFFFF0000
    assert target.kernel_address("end") is None
    target.close()


def test_functions_may_be_unknown(tmp_path: Path) -> None:
    """None was saved, and none is claimed."""
    made = Made()
    made.functions = None
    save(made, str(tmp_path / "made.target"), b"")
    target = SavedTarget(str(tmp_path / "made.target"))
    assert target.kernel_functions() is None
    target.close()


def check(tmp_path: Path, text: str, *options: str) -> int:
    script = tmp_path / "x.bt"
    script.write_text(text)
    return main(["check", *options, str(script)])


def test_scripts_are_compiled_for_it(
    saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, "t:made:up { @[str(args.filename)] = count(); }", "--target", saved) == 0
    assert capsys.readouterr().out == ""
    assert check(tmp_path, "t:made:up { print(args.nothing); }", "--target", saved) == 1
    out = capsys.readouterr().out
    assert "x.bt:1:" in out
    assert "ERROR:" in out
    assert "nothing" in out


def test_json(saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, "begin {\n  @x = $y;\n}", "--json", "--target", saved) == 1
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert row["severity"] == "error"
    assert row["file"] == str(tmp_path / "x.bt")
    assert (row["line"], row["column"], row["end_line"], row["end_column"]) == (2, 8, 2, 10)


def test_several_mistakes_of_one_script(
    saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, "begin { @x = ; }\nend { 1 2; }", "--target", saved) == 1
    assert capsys.readouterr().out.count("ERROR: syntax:") == 2


def test_parameters(saved: str, tmp_path: Path) -> None:
    script = tmp_path / "x.bt"
    script.write_text('begin { print($1); print(getopt("who", 1)); }')
    assert main(["check", "--target", saved, str(script), "--", "5", "--who=3"]) == 0
    assert main(["check", "--target", saved, str(script), "--", "--what=3"]) == 1


def test_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    other.write_text("text")
    assert check(tmp_path, "begin { }", "--target", str(other)) == 1
    assert "is no saved target" in capsys.readouterr().err
    assert check(tmp_path, "begin { }", "--target", "/nowhere") == 1
    assert main(["check"]) == 1
    assert main(["check", "--what"]) == 1
    assert main(["target"]) == 1
    assert main(["target", "save"]) == 1


@pytest.mark.live
def test_this_kernel(tmp_path: Path) -> None:
    """A script becomes the same programs for the saved kernel as for the running one."""
    path = tmp_path / "here.target"
    assert main(["target", "save", str(path)]) == 0
    target = SavedTarget(str(path))
    live = LiveTarget()
    assert sorted(target.tracepoints()) == sorted(live.tracepoints())
    script = (
        "tracepoint:syscalls:sys_enter_openat "
        "{ @[str(args.filename), curtask.pid] = count(); } interval:s:1 { exit(); }"
    )
    here, there = compile_text(script).plan, compile_text(script, target).plan
    assert [p.insns for p in here.programs] == [p.insns for p in there.programs]
