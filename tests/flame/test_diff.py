"""``prybee flame diff``: what comes out, and with which status."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from prybee.cli import main

FLAMEGRAPH = os.environ.get("FLAMEGRAPH", "")
BEFORE = {"main;parse": 100, "main;read": 900}
AFTER = {"main;parse": 180, "main;read": 810, "main;fresh": 10}


def write(path: Path, weights: dict[str, int]) -> str:
    path.write_text("".join(f"{stack} {weight}\n" for stack, weight in weights.items()))
    return str(path)


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    return [write(tmp_path / "before", BEFORE), write(tmp_path / "after", AFTER)]


def runs(folder: Path, name: str, weights: dict[str, int]) -> list[str]:
    """Four runs that vary by one in a hundred."""
    return [
        write(folder / f"{name}{d}", {s: round(w * (1 + d / 100)) for s, w in weights.items()})
        for d in (-1, 0, 0, 1)
    ]


Capture = pytest.CaptureFixture[str]


def test_folded(two: list[str], capsys: Capture) -> None:
    assert main(["flame", "diff", *two]) == 0
    assert capsys.readouterr().out == ("main;fresh 0 10\nmain;parse 100 180\nmain;read 900 810\n")


def test_every_format_can_be_compared(two: list[str], tmp_path: Path, capsys: Capture) -> None:
    other = str(tmp_path / "after.pb.gz")
    assert main(["flame", "draw", two[1], "-o", other]) == 0
    assert main(["flame", "diff", two[0], other]) == 0
    assert "main;parse 100 180\n" in capsys.readouterr().out


def test_a_picture(two: list[str], tmp_path: Path) -> None:
    out = tmp_path / "o.svg"
    assert main(["flame", "diff", *two, "-o", str(out), "--title", "T", "--width", "600"]) == 0
    text = out.read_text()
    assert "<title>parse (180 samples, 18.00%; +8.00%)</title>" in text
    assert 'width="600"' in text
    assert ">T</text>" in text
    assert main(["flame", "diff", *two, "-o", str(out), "--negate"]) == 0
    assert "parse (180 samples, 18.00%; -8.00%)" in out.read_text()


def test_a_page(two: list[str], tmp_path: Path) -> None:
    out = tmp_path / "o.html"
    assert main(["flame", "diff", *two, "-o", str(out)]) == 0
    assert '"compared": true' in out.read_text()


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ([], "a 10 40"),
        (["-n"], "a 40 40"),
        (["--normalize-by", "total"], "a 40 40"),
        (["--normalize-by", "samples"], "a 40 40"),
        (["--normalize-by", "none"], "a 10 40"),
    ],
)
def test_what_is_made_equal(words: list[str], first: str, tmp_path: Path, capsys: Capture) -> None:
    two = [write(tmp_path / "1", {"a": 10}), write(tmp_path / "2", {"a": 40})]
    assert main(["flame", "diff", *words, *two]) == 0
    assert capsys.readouterr().out == first + "\n"


def test_runs_count_together(tmp_path: Path, capsys: Capture) -> None:
    one, two, three = (write(tmp_path / str(n), {"a": n}) for n in (10, 20, 60))
    assert main(["flame", "diff", "--before", one, two, "--after", three]) == 0
    # Half of those two are as much as one.
    assert capsys.readouterr().out == "a 15 60\n"

    words = ["flame", "diff", "--before", one, two, "--after", three]
    assert main([*words, "--normalize-by", "samples"]) == 0
    assert capsys.readouterr().out == "a 60 60\n"


@pytest.mark.parametrize("end", ["folded", "svg", "html"])
@pytest.mark.parametrize(
    "words", [[], ["--normalize-by", "samples"], ["--functions"], ["--fail-on", "+50%", "-s"]]
)
def test_pipes_are_read_once(words: list[str], end: str, two: list[str], tmp_path: Path) -> None:
    """What a pipe brings is there for the report, for what is made equal, and for the picture."""
    names, opened = [], []
    for path in two:
        read, write = os.pipe()
        os.write(write, Path(path).read_bytes())
        os.close(write)
        opened.append(read)
        names.append(f"/dev/fd/{read}")
    piped, filed = tmp_path / f"piped.{end}", tmp_path / f"filed.{end}"
    assert main(["flame", "diff", *words, *names, "-o", str(piped)]) == 0
    assert main(["flame", "diff", *words, *two, "-o", str(filed)]) == 0
    assert piped.read_bytes() == filed.read_bytes()
    assert b"fresh" in piped.read_bytes() or end == "html"
    for read in opened:
        os.close(read)


def test_what_is_missing_is_told_once(two: list[str], tmp_path: Path, capsys: Capture) -> None:
    with open(two[0], "a", encoding="utf-8") as file:
        file.write("what?\n")
    words = ["flame", "diff", *two, "--functions", "-o", str(tmp_path / "o.folded")]
    assert main(words) == 0
    assert capsys.readouterr().err.count("lines were not understood") == 1


def test_a_rule_is_broken(two: list[str], capsys: Capture) -> None:
    assert main(["flame", "diff", *two, "--fail-on", "+5% self"]) == 1
    out = capsys.readouterr().out
    assert "FAILED: +5% self: 1 of 2" in out
    assert "parse" in out
    assert "fresh" not in out
    assert (
        main(["flame", "diff", *two, "--fail-on", "+10% self", "--fail-on", "+1% total main"]) == 0
    )
    assert capsys.readouterr().out.count("\nok: ") == 2


def test_noise_breaks_no_rule(tmp_path: Path, capsys: Capture) -> None:
    before, after = runs(tmp_path, "b", BEFORE), runs(tmp_path, "a", AFTER)
    words = ["flame", "diff", "--before", *before, "--after", *after]
    assert main([*words, "--fail-on", "+5% self"]) == 1
    wild = [
        write(tmp_path / f"w{n}", {"main;parse": n, "main;read": 1000 - n}) for n in (20, 300, 330)
    ]
    words = ["flame", "diff", "--before", *before, "--after", *wild]
    assert main([*words, "--fail-on", "+5% self"]) == 0
    assert "within the noise: 1 more would break +5% self" in capsys.readouterr().out
    # Who wants less confidence gets it.
    assert main([*words, "--fail-on", "+5% self parse", "--confidence", "80"]) == 1


def test_a_report_and_a_picture(two: list[str], tmp_path: Path, capsys: Capture) -> None:
    report = tmp_path / "o.md"
    words = ["flame", "diff", *two, "--fail-on", "+5%"]
    assert main([*words, "-o", str(report), "--title", "Build 7"]) == 1
    assert report.read_text().startswith("# Build 7\n")
    assert "## New (self)" in report.read_text()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "FAILED: +5%: parse\n")
    picture = tmp_path / "o.svg"
    assert main([*words, "-o", str(picture)]) == 1
    assert "FAILED: +5%: 1 of 2" in capsys.readouterr().out
    assert "+8.00%" in picture.read_text()


def test_functions(two: list[str], capsys: Capture) -> None:
    assert main(["flame", "diff", *two, "--functions"]) == 0
    out = capsys.readouterr().out
    assert "New (self)" in out
    assert "Grown (self)" in out
    assert "Nothing has changed (total)" in out


def test_addresses_are_the_same(tmp_path: Path, capsys: Capture) -> None:
    two = [write(tmp_path / "1", {"a;0x1f": 10}), write(tmp_path / "2", {"a;0x2e": 10})]
    assert main(["flame", "diff", "-s", *two, "--functions"]) == 0
    assert "Nothing has changed (self)" in capsys.readouterr().out
    assert main(["flame", "diff", "-s", *two, "-o", str(tmp_path / "o.html")]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["A"], "two profiles, not 1: BEFORE AFTER\nHINT: several runs of each: --before FILE…"),
        (["A", "A", "A"], "two profiles, not 3"),
        (["--before", "A"], "--before FILE… and --after FILE… have all files"),
        (["A", "--before", "A", "--after", "A"], "have all files"),
        (["A", "A", "-o", "x.pb.gz"], "two profiles are shown as .svg, .html, .folded"),
        (["A", "A", "-o", "x.gif"], "x.gif: which format?"),
        (["A", "A", "--fail-on", "much"], "'much' is no rule for a change: [new] +N%"),
        (["A", "A", "--fail-on", "+1% everything"], "all totals are made equal\nHINT:"),
        (["A", "A", "--fail-on", "+1%", "--confidence", "100"], "--confidence 100: from 50"),
        (["A", "A", "--normalize-by", "time"], "first profile does not tell its time"),
        (["A", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["A", "A", "-o", "x.svg", "--colors", "hott"], "did you mean 'hot'?"),
    ],
)
def test_mistakes(words: list[str], said: str, tmp_path: Path, capsys: Capture) -> None:
    path = write(tmp_path / "a", BEFORE)
    given = [path if word == "A" else word for word in words]
    assert main(["flame", "diff", *given]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.slow
@pytest.mark.skipif(not FLAMEGRAPH, reason="FLAMEGRAPH names no checkout of FlameGraph")
@pytest.mark.parametrize("option", ["", "-n", "-s", "-ns"])
def test_beside_the_peer(option: str, tmp_path: Path) -> None:
    one = write(tmp_path / "1", {"a;b": 10, "a;c 0x1f": 5, "x": 3, "gone;0xAB": 7})
    two = write(tmp_path / "2", {"a;b": 20, "a;c 0x2e": 8, "d;0x1": 7})
    words = [*([option] if option else []), one, two]
    ours, theirs = (
        subprocess.run([*command, *words], capture_output=True, text=True, check=True).stdout
        for command in (["prybee", "flame", "diff"], ["perl", f"{FLAMEGRAPH}/difffolded.pl"])
    )
    assert sorted(ours.splitlines()) == sorted(theirs.splitlines())


def test_pictures_keep_the_fractions_of_what_is_made_equal(tmp_path: Path) -> None:
    """Weights of one, one and a half times each: nothing has changed, so nothing has a colour."""
    one, other, out = tmp_path / "1", tmp_path / "2", tmp_path / "o.svg"
    one.write_text("".join(f"a;f{n} 1\n" for n in range(20)))
    other.write_text("".join(f"a;f{n} {n % 2 + 1}\n" for n in range(20)))
    assert main(["flame", "diff", "-n", str(one), str(other), "-o", str(out)]) == 0
    assert "<title>a (30 samples, 100.00%; 0.00%)</title>" in out.read_text()
