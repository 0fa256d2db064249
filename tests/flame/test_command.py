"""``prybee flame``, in this process."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from prybee.cli import main

PERF = "a 1 3.5: cycles: \n\t 1 f (x)\n\t 2 main (x)\n\n"


@pytest.fixture
def perf(tmp_path: Path) -> Path:
    path = tmp_path / "perf.txt"
    path.write_text(PERF)
    return path


def test_collapse(perf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flame", "collapse", str(perf), str(perf)]) == 0
    assert capsys.readouterr().out == "a;main;f 2\n"


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"a;b 2\na;b 3\n")))  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "stdin", text)
    assert main(["flame", "collapse"]) == 0
    assert capsys.readouterr().out == "a;b 5\n"


def test_draw(perf: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.svg"
    assert main(["flame", "draw", str(perf), "-o", str(out), "--title", "T"]) == 0
    assert "<title>main (1 samples, 100.00%)</title>" in out.read_text()


@pytest.mark.parametrize("suffix", ["folded", "speedscope.json", "pb.gz"])
def test_the_suffix_says_the_format(suffix: str, perf: Path, tmp_path: Path) -> None:
    out = tmp_path / f"o.{suffix}"
    again = tmp_path / "again.folded"
    assert main(["flame", "draw", str(perf), "-o", str(out)]) == 0
    assert main(["flame", "draw", str(out), "-o", str(again)]) == 0
    assert again.read_text() == "a;main;f 1\n"


def test_options_of_pictures_are_for_pictures(
    perf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["flame", "draw", str(perf), "--width", "500", "--reverse", "--title", "T"]
    assert main([*words, "-o", str(tmp_path / "o.folded")]) == 0
    said = "WARNING: --width, --reverse: of pictures (.svg); nothing in .folded\n"
    assert capsys.readouterr().err == said
    assert main([*words, "-o", str(tmp_path / "o.svg")]) == 0
    assert capsys.readouterr().err == ""


def test_no_such_suffix(perf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flame", "draw", str(perf), "-o", "x.gif"]) == 1
    assert "x.gif: which format?" in capsys.readouterr().err
    assert not Path("x.gif").exists()


def test_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "1", tmp_path / "2"
    one.write_text("a;0x1f 10\ngone 10\n")
    other.write_text("a;0x2e 30\nnew 10\n")
    assert main(["flame", "diff", str(one), str(other)]) == 0
    assert capsys.readouterr().out == "a;0x1f 10 0\na;0x2e 0 30\ngone 10 0\nnew 0 10\n"
    assert main(["flame", "diff", "-n", "-s", str(one), str(other)]) == 0
    assert capsys.readouterr().out == "a;0x... 20 30\ngone 20 0\nnew 0 10\n"


def test_guess(perf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "folded"
    other.write_text("a;b 1\n")
    empty = tmp_path / "empty"
    empty.touch()
    assert main(["flame", "guess", str(perf), str(other)]) == 0
    assert [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()] == [
        "perf",
        "folded",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "COMMAND"),
        (["drow"], "invalid choice: 'drow'"),
        (["collapse", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["draw", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["draw", "--colors", "pink"], "pink: there is none of that name\nHINT: there are"),
        (["draw", "--colors", "gren"], "did you mean 'green'?"),
        (["draw", "--bgcolors", "bleu"], "did you mean 'blue'?"),
        (["draw", "--bgcolors", "#12345"], "there are yellow, blue, green, grey, #rrggbb"),
        (["draw", "--minwidth", "thin"], "neither a number of pixels nor a share"),
        (["draw", "--width", "20"], "20 pixels are at the sides already"),
        (["draw", "--fontsize", "0"], "--fontsize 0: it has to be more than 0"),
        (["draw", "--notes", "a--b"], "no <, > or -- in it"),
    ],
)
def test_mistakes(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flame", *words]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_what_is_lost_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x"
    path.write_text("a;b 1\na;c 2\na;b 1\n" * 10 + "garbage\n")
    assert main(["flame", "collapse", str(path)]) == 0
    assert "line 31: garbage" in capsys.readouterr().err
    assert main(["flame", "collapse", "--strict", str(path)]) == 1


def test_garbage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(range(256)) * 100)
    assert main(["flame", "draw", str(path)]) == 1
    assert "the format is not one that is known" in capsys.readouterr().err


def test_nothing_to_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, out = tmp_path / "x.folded", tmp_path / "o.svg"
    empty.write_text("a 0\n")
    assert main(["flame", "draw", str(empty), "-o", str(out)]) == 2
    assert "ERROR: there are no stacks to draw" in capsys.readouterr().err
    assert "ERROR: there are no stacks" in out.read_text()


def test_colours_are_kept_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").write_text("a;b 3\n")
    Path("palette.map").write_text("b->rgb(1,2,3)\n")
    assert main(["flame", "draw", "x", "--cp", "-o", "o.svg"]) == 0
    assert 'fill="rgb(1,2,3)"' in Path("o.svg").read_text()
    lines = Path("palette.map").read_text().splitlines()
    assert [line.split("->")[0] for line in lines] == ["", "a", "b"]
    assert main(["flame", "draw", "x", "--cp-file", "other.map", "-o", "o.svg"]) == 0
    assert Path("other.map").exists()
    Path("palette.map").write_text("nonsense\n")
    assert main(["flame", "draw", "x", "--cp", "-o", "o.svg"]) == 1
    assert "palette.map:1: 'nonsense' is no FUNCTION->rgb" in capsys.readouterr().err
