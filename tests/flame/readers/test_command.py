"""Options of ``prybee flame collapse`` and what it says."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from prybee.cli import main

SAMPLES = Path(__file__).parents[2] / "fixtures" / "flame" / "formats"
EVENTS = (
    "a 1 3.5: cycles: \n\t 1 f (x)\n\n"
    "a 1 3.6: faults: \n\t 1 g ([kernel.kallsyms])\n\n"
    "a 1 3.7: cycles: \n\t 2 jitted (/tmp/perf-1.map)\n\t 1 out->in (x)\n\n"
)


def collapse(*words: str | Path) -> int:
    return main(["flame", "collapse", *map(str, words)])


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "perf.txt"
    path.write_text(EVENTS)
    return path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["a;f 1", "a;out;in_[i];jitted 1"]),
        (["--event-filter", "faults"], ["a;g 1"]),
        (["--event-filter", "faults", "--kernel"], ["a;g_[k] 1"]),
        (["--jit"], ["a;f 1", "a;out;in_[i];jitted_[j] 1"]),
        (["--all"], ["a;f 1", "a;out;in_[i];jitted_[j] 1"]),
        (["--tid"], ["a-?/1;f 1", "a-?/1;out;in_[i];jitted 1"]),
        (["--skip-after", "out", "--skip-after", "f"], ["f 1", "out;in_[i];jitted 1"]),
    ],
)
def test_options(
    options: list[str], expected: list[str], events: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert collapse(*options, events) == 0
    assert capsys.readouterr().out.splitlines() == expected


def test_events_that_are_left_out_are_told(
    events: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert collapse(events) == 0
    assert "only cycles was read, not faults: see --event-filter" in capsys.readouterr().err
    assert collapse("--event-filter", "x", events) == 1
    assert "no event 'x' (there are cycles, faults)" in capsys.readouterr().err


def test_annotations_of_the_input_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x"
    path.write_text("a;b_[k];c_[j] 3\na;d 1\n")
    assert collapse(path) == 0
    assert capsys.readouterr().out == path.read_text()


def test_two_weights_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, other = tmp_path / "x", tmp_path / "y"
    path.write_text("a;b 3 4\na;c 0 1.5\n")
    assert collapse(path) == 0
    assert capsys.readouterr().out == path.read_text()
    # What has one weight only is as it was before.
    other.write_text("a;b 5\n")
    assert collapse(path, other) == 0
    assert capsys.readouterr().out == "a;b 8 9\na;c 0 1.5\n"
    assert collapse(other, path) == 0
    assert capsys.readouterr().out == "a;b 8 9\na;c 0 1.5\n"


def test_options_that_mean_nothing_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert collapse("--addrs", "--ticks", SAMPLES / "pmc.txt") == 0
    assert "options that mean nothing for pmc: addrs, value" in capsys.readouterr().err


def test_units_that_are_added_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert collapse(SAMPLES / "pmc.txt", SAMPLES / "xdebug.xt") == 0
    assert "weights in us were added to samples" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ticks", "--bytes"], "not allowed with argument --ticks"),
        (["--compat", "python"], "invalid choice: 'python'"),
        (["--value", "x", str(SAMPLES / "ghcprof.prof")], "ghcprof has no 'x' (there are: time"),
        (["--format", "pprof", str(SAMPLES / "pmc.txt")], "no pprof profile"),
    ],
)
def test_mistakes(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = collapse(*options)
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert status == (0 if "pprof" in options else 1)


def test_gzipped(tmp_path: Path, events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "perf.txt.gz"
    # Of two parts, as `cat a.gz b.gz` makes them.
    path.write_bytes(gzip.compress(EVENTS.encode()) + gzip.compress(EVENTS.encode()))
    assert collapse("--strict", path) == 0
    assert capsys.readouterr().out.splitlines() == ["a;f 2", "a;out;in_[i];jitted 2"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [(slice(0, 60), "the packed data are cut off"), (slice(0, None, 2), "are damaged")],
)
def test_broken_gzip(
    damage: slice, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = gzip.compress(EVENTS.encode() * 3)
    path = tmp_path / "x.gz"
    path.write_bytes(packed[:10] + packed[10:][damage])
    status = collapse("--format", "perf", "--strict", path)
    assert status == 1
    assert message in capsys.readouterr().err


class Slow(io.RawIOBase):
    """A pipe whose writer writes a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        part, self.data = self.data[:7], self.data[7:]
        buffer[: len(part)] = part
        return len(part)


def test_a_slow_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = io.TextIOWrapper(io.BufferedReader(Slow(EVENTS.encode())))
    monkeypatch.setattr(sys, "stdin", pipe)
    assert collapse() == 0
    assert capsys.readouterr().out.splitlines() == ["a;f 1", "a;out;in_[i];jitted 1"]


def test_bytes_that_are_no_text_go_through(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a;b\xff 3\n")
    assert collapse(path) == 0
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == b"a;b\xff 3\n"


def test_every_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        collapse("--help")
    shown = capsys.readouterr().out
    for option in (
        "pid", "tid", "inline", "context", "srcline", "kernel", "jit", "all", "addrs",
        "event-filter", "skip-after", "recursive", "include-offset", "no-modules", "value", "time",
        "ticks", "bytes", "size", "calls", "no-include-tname", "shorten-pkgs", "no-pkgs", "map",
        "wake-stack", "recurse", "compat", "strict", "format",
    ):  # fmt: skip
        assert f"--{option}" in shown
