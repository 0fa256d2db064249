"""Texts of ``perf script`` in all their shapes."""

from __future__ import annotations

import os
import random
import subprocess
from io import BytesIO
from pathlib import Path

import pytest

from prybee.cli import main
from prybee.flame.readers import perf_script
from prybee.flame.readers.perf_script import Options, probe, read
from prybee.flame.writers.folded import lines

FRAMES = "\t    7f00aa main (/bin/a)\n\t    7f0001 _start (/bin/a)\n\n"


def folded(text: str, annotate: tuple[str, ...] = (), **options: object) -> list[str]:
    profile = read(text.encode().splitlines(keepends=True), Options(**options))  # type: ignore[arg-type]
    assert profile.quality.whole, profile.quality.examples
    return list(lines(profile, annotate))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("a 12 3.5: cycles: ", "a;_start;main 1"),
        ("a 12 [001] 3.5: cycles: ", "a;_start;main 1"),
        ("a 12/13 [001] 3.5:    7777 cycles:u: ", "a;_start;main 7777"),
        ("a 12 cpu-clock:", "a;_start;main 1"),
        ("   a 12 [000]  1.1: cpu-clock: ", "a;_start;main 1"),
        ("two words 12 [001] 3.5: cycles: ", "two_words;_start;main 1"),
        ("t_99076_1031 7 12 [001] 3.5: 4 cycles: ", "t_99076_1031_7;_start;main 4"),
        ("a 12 [001] d.h1. 3.5: cycles: ", "a;_start;main 1"),
        (
            "a 12 [001] 3.5: sched:sched_switch: prev_comm=x prev_pid=3 ==> next_comm=y ",
            "a;_start;main 1",
        ),
    ],
)
def test_headers(header: str, expected: str) -> None:
    assert folded(f"{header}\n{FRAMES}") == [expected]
    assert probe(f"# comment\n{header}\n{FRAMES}".encode())


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        ("7f00 f+0x12 (/bin/a)", "f"),
        ("7f00 a::b(int, char*) (/bin/a)", "a::b"),
        ("7f00 (anonymous namespace)::f(int) (/bin/a)", "(anonymous namespace)::f"),
        ("7f00 (bash) (/bin/a)", None),
        (
            "7f00 std::function<void (int)>::operator()(int) const (/a)",
            "std::function<void (int)>::operator()",
        ),
        ("7f00 main::{lambda(int)#1}::operator->(int) (/a)", "main::{lambda(int)#1}::operator->"),
        (
            "7f00 _$LT$std..fs..File$u20$as$u20$std..io..Read$GT$::read::h5d84059cf335c8e6 (/a)",
            "<std::fs::File as std::io::Read>::read",
        ),
        ("7f00 a::_$u7b$$u7b$closure$u7d$$u7d$::h5d84059cf335c8e6+0x2 (/a)", "a::{{closure}}"),
        ("7f00 a::(anonymous namespace)::f(int) (/bin/a)", "a::(anonymous namespace)::f"),
        ("7f00 net.(*conn).Read (/bin/go)", "net.(*conn).Read"),
        ("7f00 [unknown] (/lib/x.so)", "[x.so]"),
        ("7f00 [unknown] ([unknown])", "[unknown]"),
        ("7f00 f;g (/bin/a)", "f:g"),
        ("7f00 f (/bin/a (deleted))", "f"),
        ("7f00  (/lib/x.so)", "[x.so]"),
        ("7f00 inner->outer (/bin/a)", "inner;outer"),
        ('7f00 it\'s "quoted" (/bin/a)', 'it\'s "quoted"'),
    ],
)
def test_frames(frame: str, name: str | None) -> None:
    expected = f"a;{name} 1" if name else "a 1"
    assert folded(f"a 12 3.5: cycles: \n\t    {frame}\n\n") == [expected]


def test_kinds() -> None:
    text = (
        "a 12 3.5: cycles: \n\t ffff1 sys_read ([kernel.kallsyms])\n"
        "\t 7f01 jitted (/tmp/perf-12.map)\n\t 7f02 in->out (/bin/a)\n\n"
    )
    assert folded(text) == ["a;in;out;jitted;sys_read 1"]
    assert folded(text, ("kernel", "jit", "inlined")) == ["a;in;out_[i];jitted_[j];sys_read_[k] 1"]


def test_processes() -> None:
    assert folded(f"a 1/2 3.5: cycles: \n{FRAMES}", pid=True) == ["a-1;_start;main 1"]
    assert folded(f"a 1/2 3.5: cycles: \n{FRAMES}", tid=True) == ["a-1/2;_start;main 1"]
    assert folded(f"a 2 3.5: cycles: \n{FRAMES}", tid=True) == ["a-?/2;_start;main 1"]


def test_addresses() -> None:
    text = "a 12 3.5: cycles: \n\t 7f01 [unknown] (/lib/x.so)\n\t 7f02 [unknown] (/lib/x.so)\n\n"
    assert folded(text) == ["a;[x.so];[x.so] 1"]
    assert folded(text, addrs=True) == ["a;[x.so <7f02>];[x.so <7f01>] 1"]


def test_events() -> None:
    text = f"a 1 3.5: cycles: \n{FRAMES}a 1 3.6: faults: \n{FRAMES}a 1 3.7: cycles: \n{FRAMES}"
    assert folded(text) == ["a;_start;main 2"]
    assert folded(text, event_filter="faults") == ["a;_start;main 1"]


def test_the_end_of_a_sample() -> None:
    frame = "\t 1 f (x)\n"
    both = f"a 1 3.5: cycles: \n{frame}b 1 3.6: cycles: \n{frame}"
    assert folded(both) == ["a;f 1", "b;f 1"]
    # The peer loses a sample without an empty line behind it.
    assert folded(both, compat="perl") == ["a;f 1"]


def test_java() -> None:
    text = "java 1 3.5: cycles: \n\t 1 Ljava/io/File:::read (/tmp/perf-1.map)\n\n"
    assert folded(text) == ["java;java/io/File:::read 1"]


def test_what_is_not_understood() -> None:
    profile = read([b"a 1 3.5: cycles: \n", b"\t 1 f (x)\n", b"\t ???\n", b"\n", b"garbage\n"])
    assert profile.quality.rejected == 2
    assert profile.quality.examples == [(3, "\t ???"), (5, "garbage")]
    assert not probe(b"garbage\n")


def test_a_sample_without_a_stack() -> None:
    profile = read([b"a 1 3.5: cycles: \n", b"\n"])
    assert list(lines(profile)) == ["a 1"]
    assert profile.quality.stackless == 1


USUAL = "a 12/13 [001] {time}:    7777 cycles:u: "
BLOCKS = {
    "usual": [USUAL, "7 f+0x1 (/a)", "8 g (/a)", ""],
    "another stack": [USUAL, "9 f+0x12 (/a)", "8 g (/a)", ""],
    "another thread": ["b 14/15 [000] {time}:    7777 cycles:u: ", "7 f+0x1 (/a)", ""],
    "a JVM": ["java 14/16 [000] {time}:    7777 cycles:u: ", "7 Lp/C;::m+0x1 (/a)", ""],
    "another event": ["a 12/13 [001] {time}:  5 faults:u: ", "7 f+0x1 (/a)", ""],
    "no stack": [USUAL, ""],
    "more empty lines": ["", "", USUAL, "7 f+0x1 (/a)", "", ""],
    "no empty line": [USUAL, "7 f+0x1 (/a)"],
    "a line that is none": [USUAL, "7 f+0x1 (/a)", "what?", "8 g (/a)", ""],
    "a file with brackets": [USUAL, "7 f (/a+0x1 (deleted))", "8 f (/a+0x2 (deleted))", ""],
    "a comment": ["# of perf", USUAL, "7 f+0x1 (/a)", ""],
    "a frame in its line": ["a 12 {time}: cycles: 7 f (/a)"],
    "no time": ["a 12 cycles: ", "7 f+0x1 (/a)", ""],
    "other ends": [USUAL + "\r", "\t7 f+0x1 (/a)\r", "\r"],
    "lost": ["a 1 PERF_RECORD_LOST lost 3", ""],
}


@pytest.mark.parametrize("compat", ["", "perl", "inferno"])
@pytest.mark.parametrize("seed", range(8))
def test_blocks_are_read_as_their_lines(
    compat: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is read by blocks, a list line by line: both in whatever pieces."""
    chance = random.Random(seed)
    text = ""
    for number in range(60):
        name = chance.choice([*BLOCKS, *["usual"] * 9]) if number else "usual"
        for line in BLOCKS[name]:
            indented = f"\t{line}" if line[:1].isdigit() else line
            text += indented.format(time=f"{number}.{number:06}") + "\n"
    data = text[: len(text) - seed % 3].encode()
    monkeypatch.setattr(perf_script, "_PIECE", chance.choice([1, 30, 200, 1 << 18]))
    monkeypatch.setattr(perf_script, "_STACKS", chance.choice([0, 100, 1 << 24]))
    by_lines = read(data.splitlines(keepends=True), compat=compat, samples=True)
    by_blocks = read(BytesIO(data), compat=compat, samples=True)
    assert [*by_blocks.weights.items()] == [*by_lines.weights.items()]
    assert by_blocks.frames == by_lines.frames
    assert vars(by_blocks.quality) == vars(by_lines.quality)
    assert by_blocks.samples is not None
    assert by_lines.samples is not None
    assert [*by_blocks.samples.rows()] == [*by_lines.samples.rows()]
    assert by_blocks.samples.threads == by_lines.samples.threads
    assert len(by_blocks.samples) > 20


CHECKOUT = os.environ.get("FLAMEGRAPH", "")


@pytest.mark.slow
@pytest.mark.skipif(not CHECKOUT, reason="FLAMEGRAPH names no checkout of FlameGraph")
@pytest.mark.parametrize("option", ["pid", "tid", "kernel", "jit", "all", "addrs"])
def test_beside_the_peer(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    checkout = Path(CHECKOUT)
    samples = sorted(checkout.glob("test/*.txt"))
    assert samples
    for sample in samples:
        peer = subprocess.run(
            ["perl", checkout / "stackcollapse-perf.pl", f"--{option}", sample],
            capture_output=True, check=True, text=True, errors="surrogateescape",
        )  # fmt: skip
        words = ["flame", "collapse", "--compat=perl", f"--{option}", str(sample)]
        assert main(words) == 0
        assert sorted(capsys.readouterr().out.splitlines()) == sorted(peer.stdout.splitlines())
