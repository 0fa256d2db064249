"""Formats that others read and write: what goes out comes back."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.flame.formats import guess
from prybee.flame.profile import INLINED, KERNEL, Profile
from prybee.flame.readers import pprof as pprof_reader
from prybee.flame.readers import speedscope as speedscope_reader
from prybee.flame.samples import Samples
from prybee.flame.writers import pprof, speedscope
from prybee.flame.writers.folded import lines

names = st.text(st.characters(codec="utf-8", exclude_characters=";\n"), min_size=1, max_size=9)
stacks = st.lists(names, min_size=1, max_size=6)


def made(given: list[tuple[list[str], int]]) -> Profile:
    profile = Profile()
    for stack, weight in given:
        profile.add([profile.frame(name, module="/bin/x") for name in stack], weight)
    return profile


@given(st.lists(st.tuples(stacks, st.integers(0, 1 << 62)), max_size=9))
def test_pprof_comes_back(given: list[tuple[list[str], int]]) -> None:
    profile = made(given)
    back = pprof_reader.read([pprof.write(profile)])
    assert list(lines(back)) == list(lines(profile))


@given(st.lists(st.tuples(stacks, st.integers(0, 1 << 50)), max_size=9))
def test_speedscope_comes_back(given: list[tuple[list[str], int]]) -> None:
    profile = made(given)
    back = speedscope_reader.read([speedscope.write(profile).encode()])
    assert list(lines(back)) == list(lines(profile))


def waits() -> Profile:
    """Two threads: one waits twice and works in between, the other waits meanwhile."""
    profile = Profile("ns")
    profile.samples = samples = Samples(spans=True)
    read, lock = profile.frame("read"), profile.frame("lock")
    for tid, time, weight, stack in (
        (7, 3000, 500, (read, lock)), (7, 1000, 400, (read,)), (8, 1200, 2000, (lock,)),
    ):  # fmt: skip
        profile.add(stack, weight)
        thread = samples.thread_number(5, tid, "main")
        samples.add(samples.stack_number(stack), weight, time=time, thread=thread)
    return profile


def test_speedscope_has_threads_and_times() -> None:
    text = json.loads(speedscope.write(waits(), "T"))
    assert text["name"] == "T"
    assert [
        (each["name"], each["type"], each["unit"], each["startValue"], each["endValue"])
        for each in text["profiles"]
    ] == [
        ("main (5/7)", "evented", "nanoseconds", 0, 2500),
        ("main (5/8)", "evented", "nanoseconds", 0, 2500),
    ]
    assert [
        [(event["type"], event["frame"], event["at"]) for event in each["events"]]
        for each in text["profiles"]
    ] == [
        [
            ("O", 0, 0),
            ("C", 0, 400),
            ("O", 0, 2000),
            ("O", 1, 2000),
            ("C", 1, 2500),
            ("C", 0, 2500),
        ],
        [("O", 1, 200), ("C", 1, 2200)],
    ]
    back = speedscope_reader.read([json.dumps(text).encode()], samples=True)
    assert sorted(lines(back)) == sorted(lines(waits()))
    assert back.samples is not None
    assert [*back.samples.time] == [0, 2000, 200]


def test_speedscope_has_samples_in_their_order() -> None:
    """Each as wide as its weight, whatever time there is between them."""
    profile = waits()
    profile.unit = "samples"
    assert profile.samples is not None
    profile.samples.spans = False
    text = json.loads(speedscope.write(profile))
    assert [
        (each["name"], each["type"], each["unit"], each["samples"], each["weights"])
        for each in text["profiles"]
    ] == [
        ("main (5/7)", "sampled", "none", [[0], [0, 1]], [400, 500]),
        ("main (5/8)", "sampled", "none", [[1]], [2000]),
    ]
    assert [each["endValue"] for each in text["profiles"]] == [900, 2000]


def test_inlined_functions_share_a_location() -> None:
    profile = Profile("ns")
    outer = profile.frame("outer", module="/bin/x")
    inner = profile.frame("inner", INLINED, "/bin/x")
    profile.add([outer, inner], 5)
    back = pprof_reader.read([pprof.write(profile)])
    assert [(f.name, f.kind) for f in back.frames] == [("outer", ""), ("inner", INLINED)]
    assert back.unit == "ns"


def test_they_are_recognised() -> None:
    profile = made([(["a", "b"], 1)])
    assert guess(pprof.write(profile)).name == "pprof"
    assert guess(gzip.decompress(pprof.write(profile))).name == "pprof"
    assert guess(speedscope.write(profile).encode()).name == "speedscope"


def test_evented() -> None:
    events = [("O", 0, 0), ("O", 1, 2), ("C", 1, 5), ("C", 0, 6)]
    text = {
        "shared": {"frames": [{"name": "a"}, {"name": "b"}]},
        "profiles": [
            {
                "type": "evented", "unit": "nanoseconds", "startValue": 0, "endValue": 6,
                "events": [{"type": t, "frame": f, "at": at} for t, f, at in events],
            }
        ],
    }  # fmt: skip
    profile = speedscope_reader.read([json.dumps(text).encode()])
    assert list(lines(profile)) == ["a 3", "a;b 3"]
    assert profile.unit == "ns"


@pytest.mark.parametrize("data", [b"", b"\x0a\x04\x08", b"\x0a\xff\xff\xff\x08", b"\x1f\x8bxx"])
def test_broken_pprof(data: bytes) -> None:
    profile = pprof_reader.read([data])
    assert not profile.weights
    assert profile.quality.rejected == bool(data)


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    pprof_reader.read([data])
    speedscope_reader.read([data])


def test_kinds_are_not_lost_on_the_way_to_text() -> None:
    profile = Profile()
    profile.add([profile.frame("f", KERNEL)], 1)
    assert list(lines(profile, (KERNEL,))) == ["f_[k] 1"]
