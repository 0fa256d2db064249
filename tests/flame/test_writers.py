"""Formats that others show: what goes into them, by reading it back or by taking it apart."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ET
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.dwarf.leb128 import uleb
from prybee.flame import outputs
from prybee.flame.profile import INLINED, KERNEL, FormatError, Profile
from prybee.flame.readers import chrome_trace as chrome_reader
from prybee.flame.readers import firefox as firefox_reader
from prybee.flame.readers import pprof as pprof_reader
from prybee.flame.samples import ORDER, Samples
from prybee.flame.timeline import tracks
from prybee.flame.writers import chrome_trace, firefox, markdown, perfetto, pprof
from prybee.flame.writers.folded import lines

names = st.text(st.characters(codec="utf-8", exclude_characters=";\n"), min_size=1, max_size=5)
stacks = st.lists(names, min_size=1, max_size=5)


def made(given: list[tuple[list[str], int]], unit: str = "samples") -> Profile:
    profile = Profile(unit)
    for stack, weight in given:
        profile.add([profile.frame(name) for name in stack], weight)
    return profile


def demo() -> Profile:
    profile = made([(["main", "work", "parse"], 60), (["main", "idle"], 10)])
    read = profile.frame("read", KERNEL, "/lib/modules/x.ko")
    profile.add([profile.frame("main"), profile.frame("work"), read], 30)
    return profile


def timed() -> Profile:
    """Two threads, sampled each millisecond; one sleeps for a while, and has a new name then."""
    profile = Profile()
    a, b, c = (profile.frame(name) for name in "abc")
    profile.samples = samples = Samples()
    for pid, tid, name, time, stack in (
        (10, 10, "one", 5, (a, b)), (10, 11, "two", 5, (c,)), (10, 10, "one", 6, (a, b)),
        (10, 10, "one", 7, (a,)), (10, 10, "new", 20, (a, b)),
    ):  # fmt: skip
        thread = samples.thread_number(pid, tid, name)
        time *= 1_000_000
        samples.add(samples.stack_number(stack), 1, time=time, thread=thread)
        profile.add(stack)
    return profile


# Chrome's trace events.


@given(st.lists(st.tuples(stacks, st.integers(0, 1 << 40)), max_size=9))
def test_chrome_comes_back(given: list[tuple[list[str], int]]) -> None:
    profile = made(given, "us")
    back = chrome_reader.read(["".join(chrome_trace.write(profile)).encode()])
    assert not back.quality.rejected
    have = {line for line in lines(profile) if not line.endswith(" 0")}
    assert {line for line in lines(back) if not line.endswith(" 0")} == have


@pytest.mark.parametrize("samples", [False, True])
def test_chrome_comes_back_in_nanoseconds(samples: bool) -> None:
    """Ends and beginnings are the same where sums of fractions are not."""
    profile = made(
        [([a, b], 1009 * (n + 7) ** 3) for n, (a, b) in enumerate(product("abcdefgh", repeat=2))],
        "ns",
    )
    text = "".join(chrome_trace.write(profile)).encode()
    back = chrome_reader.read([text], samples=samples)
    shown = {";".join(frame.name for frame in stack): weight for stack, weight in back.stacks()}
    assert {stack: round(weight * 1000) for stack, weight in shown.items()} == {
        ";".join(frame.name for frame in stack): weight for stack, weight in profile.stacks()
    }


def test_chrome_has_threads_and_times() -> None:
    text = json.loads("".join(chrome_trace.write(timed())))
    events = text["traceEvents"]
    named = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M"}
    assert named == {10: "new", 11: "two"}
    assert [(e["tid"], e["name"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"] == [
        (10, "a", 5000, 3000), (10, "b", 5000, 2000), (10, "a", 20000, 1000),
        (10, "b", 20000, 1000), (11, "c", 5000, 1000),
    ]  # fmt: skip


def test_what_is_no_time_says_what_it_is() -> None:
    text = "".join(chrome_trace.write(demo(), "T"))
    assert '"T (a microsecond is one of samples)"' in text
    assert "microsecond" not in "".join(chrome_trace.write(made([(["a"], 1)], "ns")))


def test_chrome_tells_kinds_and_modules() -> None:
    events = json.loads("".join(chrome_trace.write(demo())))["traceEvents"]
    (read,) = (event for event in events if event["name"] == "read")
    assert read["cat"] == KERNEL
    assert read["args"] == {"module": "/lib/modules/x.ko"}


# Perfetto.


def fields(data: bytes) -> list[tuple[int, Any]]:
    """Numbers and bytes of a message, in order."""
    found: list[tuple[int, Any]] = []
    at = 0
    while at < len(data):
        tag, at = uleb(data, at)
        value: Any
        value, at = uleb(data, at)
        if tag & 7 == 2:
            size, value = value, data[at : at + value]
            at += size
        found.append((tag >> 3, value))
    return found


def packets(profile: Profile) -> list[dict[int, Any]]:
    found = fields(b"".join(perfetto.write(profile, "T")))
    assert {field for field, _ in found} == {1}
    return [dict(fields(packet)) for _, packet in found]


def test_perfetto_tells_names_once() -> None:
    first, *others = packets(demo())
    assert first[13] == 1  # Names begin anew …
    interned = [(field, dict(fields(value))) for field, value in fields(first[12])]
    assert (1, {1: 1, 2: b"kernel"}) in interned
    assert [value[2] for field, value in interned if field == 2] == [
        b"main", b"work", b"parse", b"idle", b"read",
    ]  # fmt: skip
    events = [packet for packet in others if 11 in packet]
    assert all(packet[13] == 2 for packet in events)  # … and are needed.
    assert all(packet[10] == 1 for packet in others)


def test_perfetto_has_slices_that_nest() -> None:
    first, *others = packets(demo())
    called = [v for f, v in fields(first[12]) if f == 2]
    shown: list[tuple[int, str]] = []
    for packet in others:
        if 11 not in packet:
            continue
        event = dict(fields(packet[11]))
        begins = event[9] == 1
        name = dict(fields(called[event[10] - 1]))[2].decode() if begins else "-"
        shown.append((packet[8] // 1000, name))
    assert shown == [
        (0, "main"), (0, "idle"), (10, "-"), (10, "work"), (10, "parse"), (70, "-"), (70, "read"),
        (100, "-"), (100, "-"), (100, "-"),
    ]  # fmt: skip


def test_perfetto_has_threads_of_processes() -> None:
    told = [dict(fields(packet[60])) for packet in packets(timed()) if 60 in packet]
    process, one, two = told
    assert dict(fields(process[3])) == {1: 10}
    assert one[5] == two[5] == process[1]
    assert dict(fields(one[4])) == {1: 10, 2: 10, 5: b"new"}
    assert dict(fields(two[4])) == {1: 10, 2: 11, 5: b"two"}


# Firefox's profiler.


def shown(text: str) -> dict[str, list[tuple[str, float]]]:
    """Thread to its samples, each as folded stack and weight, as the site follows the tables."""
    profile = json.loads(text)
    shared = profile["shared"]
    for table in [*shared.values(), profile["threads"][0]["samples"]]:
        if isinstance(table, dict):
            length = table.pop("length")
            kept = [c for c in table.values() if isinstance(c, list)]
            assert all(len(column) == length for column in kept)
    stack_table, functions = shared["stackTable"], shared["funcTable"]
    found = {}
    for thread in profile["threads"]:
        samples = thread["samples"]
        own = []
        for stack, weight in zip(samples["stack"], samples["weight"], strict=True):
            path = []
            while stack is not None:
                function = shared["frameTable"]["func"][stack_table["frame"][stack]]
                path.append(shared["stringArray"][functions["name"][function]])
                offset = stack_table["prefixOffset"][stack]
                assert offset >= 0
                stack = stack - offset if offset else None
            own.append((";".join(reversed(path)), weight))
        found[thread["name"]] = own
    return found


@given(st.lists(st.tuples(stacks, st.integers(1, 1 << 40)), min_size=1, max_size=9))
def test_firefox_comes_back(given: list[tuple[list[str], int]]) -> None:
    profile = made(given)
    back = firefox_reader.read([firefox.write(profile).encode()])
    assert not back.quality.rejected
    assert set(lines(back)) == set(lines(profile))


@pytest.mark.parametrize("unit", ["bytes", "ms"])
def test_kinds_modules_and_units_come_back_from_firefox(unit: str) -> None:
    profile = demo()
    profile.unit = unit
    back = firefox_reader.read([firefox.write(profile).encode()])
    assert back.unit == unit
    assert {(f.name, f.kind, f.module) for f in back.frames} >= {
        ("main", "", ""), ("read", KERNEL, "/lib/modules/x.ko"),
    }  # fmt: skip


def test_firefox() -> None:
    assert shown(firefox.write(demo(), "T")) == {
        "T": [("main;idle", 10), ("main;work;parse", 60), ("main;work;read", 30)]
    }


def test_firefox_has_threads_in_time() -> None:
    text = firefox.write(timed())
    assert shown(text) == {"new": [("a;b", 1), ("a;b", 1), ("a", 1), ("a;b", 1)], "two": [("c", 1)]}
    one, two = json.loads(text)["threads"]
    assert (one["pid"], one["tid"], one["isMainThread"]) == ("10", 10, True)
    assert (two["pid"], two["tid"], two["isMainThread"]) == ("10", 11, False)
    assert one["samples"]["time"] == [0, 1, 2, 15]


@pytest.mark.parametrize(
    ("unit", "kind", "weight"),
    [("ns", "tracing-ms", 0.0005), ("bytes", "bytes", 500), ("calls", "samples", 500)],
)
def test_firefox_has_units(unit: str, kind: str, weight: float) -> None:
    (thread,) = json.loads(firefox.write(made([(["a"], 500)], unit)))["threads"]
    assert thread["samples"]["weightType"] == kind
    assert thread["samples"]["weight"] == [weight]


def test_firefox_says_what_is_missing() -> None:
    profile = demo()
    assert "extra" not in json.loads(firefox.write(profile))["meta"]
    profile.quality.lost = 7
    assert "Samples that were lost" in firefox.write(profile)


def test_firefox_has_libraries_and_kinds() -> None:
    profile = json.loads(firefox.write(demo()))
    assert [lib["path"] for lib in profile["libs"]] == ["/lib/modules/x.ko"]
    categories = profile["meta"]["categories"]
    place = profile["shared"]["stringArray"].index("read")
    kind = profile["shared"]["frameTable"]["category"][place]
    assert categories[kind]["name"] == "Kernel"


# Markdown.

SUMMARY = """\
# Where \\*time\\* goes

100 samples in 3 stacks of 5 functions.

**What is missing:**

- 2 samples were lost by the tracer
- 1 lines or records were not understood
  - line 7: ``a`b``

## Functions by their own weight

| own | own % | all | all % | function |
|--:|--:|--:|--:|---|
| 60 | 60.0% | 60 | 60.0% | `parse` |
| 30 | 30.0% | 30 | 30.0% | `read` |
| 10 | 10.0% | 10 | 10.0% | `idle` |

## Functions with all that they call

| own | own % | all | all % | function |
|--:|--:|--:|--:|---|
| 0 | 0.0% | 100 | 100.0% | `main` |
| 0 | 0.0% | 90 | 90.0% | `work` |
| 60 | 60.0% | 60 | 60.0% | `parse` |
| 30 | 30.0% | 30 | 30.0% | `read` |
| 10 | 10.0% | 10 | 10.0% | `idle` |

## The hottest path

From the root, at each step where most of the weight is:

- 100.0% `main`
  - 90.0% `work`
    - 60.0% `parse`
"""


def test_markdown() -> None:
    profile = demo()
    profile.quality.lost = 2
    profile.quality.reject(7, "a`b")
    assert "".join(markdown.write(profile, "Where *time* goes")) == SUMMARY


def test_markdown_of_nothing() -> None:
    text = "".join(markdown.write(Profile("ns")))
    assert (
        text == "# Profile\n\n0 ns in 0 stacks of 0 functions.\n\nNothing is known to be missing.\n"
    )


def test_markdown_counts_recursion_once() -> None:
    text = "".join(markdown.write(made([(["a", "b", "a"], 5)])))
    assert "| 5 | 100.0% | 5 | 100.0% | `a` |" in text


@pytest.mark.parametrize("name", ["a|b", "`", "a`", "``", "a\nb", " "])
def test_markdown_keeps_its_tables(name: str) -> None:
    text = "".join(markdown.write(made([([name], 1)])))
    rows = [line for line in text.splitlines() if line.startswith("| 1 ")]
    assert len(rows) == 2
    assert all(row.replace("\\|", "").count("|") == 6 for row in rows)


# pprof: numbers of 64 bits.


@pytest.mark.parametrize("weight", [(1 << 63) - 1, 1 << 63, (1 << 64) + 5, -(1 << 63) - 1])
def test_weights_of_many_bits(weight: int) -> None:
    back = pprof_reader.read([pprof.write(made([(["a"], weight)]))])
    assert list(back.weights.values()) == [weight]


@pytest.mark.parametrize("weight", [1e30, float("inf")])
def test_weights_that_are_far_too_large(weight: float) -> None:
    profile = Profile()
    profile.add([profile.frame("a")], weight)
    with pytest.raises(FormatError, match="pprof has no weight"):
        pprof.write(profile)


# All of them.


@pytest.mark.parametrize(
    "each", [o for o in outputs.OUTPUTS if o.name not in ("folded", "html", "pftrace")],
    ids=lambda each: each.name,
)  # fmt: skip
def test_what_is_missing_is_in_the_file(each: outputs.Output) -> None:
    profile = demo()
    profile.quality.lost = 1234
    profile.quality.notes.append("a--note<")
    text = b"".join(
        part.encode() if isinstance(part, str) else part
        for part in outputs.content(profile, each)
    )  # fmt: skip
    if text[:2] == b"\x1f\x8b":
        text = gzip.decompress(text)
    assert b"1,234" in text or b'"value":1234' in text
    assert b"note" in text
    if each.name == "svg":
        ET.fromstring(text)


def test_order_is_not_time() -> None:
    profile = demo()
    profile.samples = samples = Samples(ORDER)
    at = 0
    for stack, weight in profile.weights.items():
        samples.add(samples.stack_number(stack), weight, time=at, thread=0)
        samples.thread_number(0, 0)
        at += int(weight)
    (track,) = tracks(profile)
    assert [(begin, end) for begin, end, *_ in track.pieces] == [
        (0, 60_000), (60_000, 70_000), (70_000, 100_000),
    ]  # fmt: skip


@pytest.mark.parametrize("each", outputs.OUTPUTS, ids=lambda each: each.name)
def test_nothing_is_written_too(each: outputs.Output) -> None:
    list(outputs.content(Profile(), each))
    profile = Profile()
    profile.add([], 3)  # A stack without frames.
    profile.add([profile.frame("outer"), profile.frame("inner", INLINED)], 2)
    assert list(outputs.content(profile, each))


@pytest.mark.parametrize("each", outputs.OUTPUTS, ids=lambda each: each.name)
def test_files_are_compressed_if_their_names_say_so(each: outputs.Output, tmp_path: Path) -> None:
    plain, packed = tmp_path / f"x.{each.name}", tmp_path / f"x.{each.name}.gz"
    for path in (plain, packed):
        assert outputs.of(str(path)) is each
        outputs.save(str(path), outputs.content(demo(), each, "T"))
    assert gzip.decompress(packed.read_bytes()) in (
        plain.read_bytes(),
        gzip.decompress(plain.read_bytes()) if each.name.endswith(".gz") else b"",
    )
