"""Samples one by one: what readers keep of them, and profiles of a part."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from prybee.flame import drawing
from prybee.flame.formats import BY_NAME, FormatError
from prybee.flame.narrowing import narrow
from prybee.flame.profile import Profile
from prybee.flame.samples import CLOCK, ORDER, Samples
from prybee.flame.writers.folded import lines
from tests.flame.test_perf_data import USER, comm, file, sample

PERF = b"""\
# a comment
sh 10/11 [002]  7.000001: 3 cycles:
\t 1 read ([kernel.kallsyms])
\t 2 main (sh)

two words   10/12 [000] d.h1. 7.500000000: cycles:
\t 2 main (sh)

sh 10/11 [002]  8.25: 1 other:
\t 2 main (sh)

sh    10/11  9.0:  4 cycles:  1 leaf (sh)
sh 10/11 [001] 9.5: 5 cycles: 1 leaf (sh)
"""

CHROME = json.dumps(
    [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": 2, "args": {"name": "main"}},
        {"ph": "X", "name": "a", "pid": 1, "tid": 2, "ts": 10, "dur": 100},
        {"ph": "B", "name": "b", "pid": 1, "tid": 2, "ts": 20},
        {"ph": "E", "name": "b", "pid": 1, "tid": 2, "ts": 50.5},
        {"ph": "X", "name": "late", "pid": 1, "tid": "x", "ts": 5, "dur": 1},
    ]
).encode()

SPEEDSCOPE: dict[str, Any] = {
    "$schema": "https://www.speedscope.app/file-format-schema.json",
    "shared": {"frames": [{"name": "a"}, {"name": "b"}]},
    "profiles": [
        {
            "type": "evented",
            "name": "one",
            "unit": "milliseconds",
            "startValue": 1,
            "endValue": 5,
            "events": [
                {"type": "O", "at": 1, "frame": 0},
                {"type": "O", "at": 2, "frame": 1},
                {"type": "C", "at": 4, "frame": 1},
                {"type": "C", "at": 5, "frame": 0},
            ],
        },
        {
            "type": "sampled",
            "name": "two",
            "unit": "milliseconds",
            "startValue": 0,
            "endValue": 3,
            "samples": [[0, 1], [0]],
            "weights": [2, 1],
        },
    ],
}


def rows(profile: Profile) -> list[tuple[Any, ...]]:
    """(stack, weight, time, thread, cpu) as text of each sample."""
    samples = profile.samples
    assert samples is not None
    return [
        (
            ";".join(profile.frames[frame].name for frame in samples.stacks[stack]),
            weight,
            time,
            str(samples.threads[thread]),
            cpu,
        )
        for stack, weight, time, thread, cpu, _ in samples.rows()
    ]


def read(name: str, data: bytes) -> Profile:
    profile = BY_NAME[name].read(data.splitlines(keepends=True), samples=True)
    assert profile.quality.whole, profile.quality.examples
    plain = BY_NAME[name].read(data.splitlines(keepends=True))
    assert plain.samples is None
    assert list(lines(plain)) == list(lines(profile))
    return profile


def test_of_perf_script() -> None:
    assert rows(read("perf", PERF)) == [
        ("sh;main;read", 3, 7_000_001_000, "sh (10/11)", 2),
        ("two_words;main", 1, 7_500_000_000, "two words (10/12)", 0),
        ("sh;leaf", 4, 9_000_000_000, "sh (10/11)", -1),
        ("sh;leaf", 5, 9_500_000_000, "sh (10/11)", 1),
    ]


def test_of_two_files_of_perf_script() -> None:
    profile = read("perf", PERF)
    once = rows(profile)
    assert profile.samples is not None
    stacks = [*profile.samples.stacks]
    profile.join(read("perf", PERF))
    assert rows(profile) == [*once, *once]
    assert profile.samples.stacks == stacks


def test_of_perf_data() -> None:
    data = file(
        comm(7, 7, "a", 1),
        sample(7, 8, 30, [USER, 0x10], 5),
        sample(7, 7, 10, [USER, 0x10]),
        comm(7, 7, "b", 40),
        sample(7, 7, 50, [USER, 0x10]),
    )
    assert rows(BY_NAME["perf.data"].read([data], samples=True)) == [
        ("a;[unknown]", 1, 10, "a (7)", -1),
        ("a;[unknown]", 5, 30, "a (7/8)", -1),
        ("b;[unknown]", 1, 50, "b (7)", -1),
    ]


def test_of_chrome() -> None:
    profile = read("chrome", CHROME)
    assert rows(profile) == [
        ("a", 10, 10_000, "main (1/2)", -1),
        ("a;b", 30.5, 20_000, "main (1/2)", -1),
        ("a", 59.5, 50_500, "main (1/2)", -1),
        ("late", 1, 5_000, "x (1/0)", -1),
    ]
    assert profile.samples is not None
    assert profile.samples.spans


def test_a_span_that_outlives_what_it_is_in_ends_with_it() -> None:
    text = json.dumps(
        [
            {"ph": "X", "name": "a", "pid": 1, "tid": 2, "ts": 0, "dur": 10},
            {"ph": "X", "name": "b", "pid": 1, "tid": 2, "ts": 5, "dur": 10},
        ]
    ).encode()
    profile = BY_NAME["chrome"].read([text], samples=True)
    assert list(lines(profile)) == ["a 5", "a;b 5"]


def test_of_speedscope() -> None:
    profile = read("speedscope", json.dumps(SPEEDSCOPE).encode())
    assert rows(profile) == [
        ("a", 1, 1_000_000, "one", -1),
        ("a;b", 2, 2_000_000, "one", -1),
        ("a", 1, 4_000_000, "one", -1),
        ("a;b", 2, 0, "two (0/1)", -1),
        ("a", 1, 2_000_000, "two (0/1)", -1),
    ]
    assert profile.samples is not None
    assert (profile.samples.clock, profile.samples.spans) == (CLOCK, True)


def test_samples_without_a_clock_have_an_order() -> None:
    text = {**SPEEDSCOPE, "profiles": [{**SPEEDSCOPE["profiles"][1], "unit": "none"}]}
    samples = read("speedscope", json.dumps(text).encode()).samples
    assert samples is not None
    assert (samples.clock, samples.spans) == (ORDER, False)


def pprof(*labels: bytes) -> bytes:
    """A profile of pprof: one function, a sample for each group of labels."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    strings = ["", "cpu", "count", "f", "thread", "main", "tid", "query", "select", "bytes"]
    parts = [field(1, bytes([8, 1, 16, 2]))]
    parts += [field(2, bytes([8, 1, 16, 7]) + each) for each in labels]
    parts += [field(4, bytes([8, 1]) + field(4, bytes([8, 1]))), field(5, bytes([8, 1, 16, 3]))]
    return b"".join([*parts, *(field(6, text.encode()) for text in strings)])


def test_labels_of_pprof() -> None:
    def label(*content: int) -> bytes:
        return bytes([3 << 3 | 2, len(content), *content])

    # Names are fields 1, texts 2, numbers 3 and their units 4 of a label.
    data = pprof(
        label(8, 4, 16, 5) + label(8, 6, 24, 77) + label(8, 7, 16, 8), label(8, 7, 24, 3, 32, 9)
    )
    profile = BY_NAME["pprof"].read([data], samples=True)
    assert profile.quality.whole, profile.quality.examples
    assert rows(profile) == [("f", 7, -1, "main (0/77)", -1), ("f", 7, -1, "?", -1)]
    assert profile.samples is not None
    assert [row[-1]["query"] for row in profile.samples.rows()] == ["select", "3 bytes"]
    assert list(lines(narrow(profile, labels={"query": ["select"]}))) == ["f 7"]
    # Nothing can be told apart.
    assert BY_NAME["pprof"].read([pprof(b"", b"")], samples=True).samples is None


def test_of_several_files() -> None:
    def together(*data: bytes) -> Profile:
        files: list[Any] = [io.BufferedReader(io.BytesIO(each)) for each in data]
        return drawing.read(files, None, {}, samples=True)

    assert len(rows(together(PERF, PERF))) == 8
    assert together(PERF, b"a;b 1\na;c 2\n").samples is None


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ({}, ["sh;leaf 9", "sh;main;read 3", "two_words;main 1"]),
        ({"tids": [12]}, ["two_words;main 1"]),
        ({"pids": [11]}, []),
        ({"names": ["sh"], "cpus": [2, 7]}, ["sh;main;read 3"]),
        ({"begin": 499_999_000, "end": 1_999_999_000}, ["two_words;main 1"]),
        ({"end": 0}, []),
    ],
)
def test_a_part(conditions: dict[str, Any], left: list[str]) -> None:
    profile = read("perf", PERF)
    part = narrow(profile, **conditions)
    assert list(lines(part)) == left
    assert len(rows(profile)) == 4
    # A part of a part.
    assert list(lines(narrow(part, **({} if "end" in conditions else conditions)))) == left


def test_labels() -> None:
    profile = Profile()
    samples = profile.samples = Samples()
    stack = [profile.frame("a")]
    thread = samples.thread_number(1, 1)
    for labels in ({}, {"state": "off CPU"}, {"state": "on CPU", "query": "q"}, None):
        profile.add(stack, 1)
        samples.add(samples.stack_number(stack), 1, thread=thread, labels=labels)
    assert samples.states == ["off CPU", "on CPU"]
    assert [row[-1] for row in samples.rows()] == [
        {"state": "", "query": ""},
        {"state": "off CPU", "query": ""},
        {"state": "on CPU", "query": "q"},
        {"state": "", "query": ""},
    ]
    assert narrow(profile, labels={"state": ["on CPU", "off CPU"]}).total == 2
    assert narrow(profile, labels={"query": ["q"], "state": ["off CPU"]}).total == 0
    with pytest.raises(FormatError, match=r"no labels 'stat' \(there are: state, query\)"):
        narrow(profile, labels={"stat": ["x"]})


def test_without_samples() -> None:
    with pytest.raises(FormatError, match="cannot be narrowed"):
        narrow(Profile(), cpus=[1])
