"""Formats of other tracers: found by themselves, and read."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prybee.flame.formats import BY_NAME, FORMATS, HEAD, FormatError, guess
from prybee.flame.profile import Profile
from prybee.flame.writers import firefox, pprof, speedscope
from prybee.flame.writers.folded import lines

SAMPLES = Path(__file__).parents[2] / "fixtures" / "flame" / "formats"
KINDS = ("kernel", "inlined", "waker")


def expected() -> dict[str, tuple[str, str, list[str]]]:
    """Of each sample its format, the unit, and its stacks, as a text has them."""
    found = {}
    for part in (SAMPLES.parent / "formats.expected").read_text().split("== ")[1:]:
        head, *stacks = part.rstrip("\n").split("\n")
        name, kind, unit = head.split(" | ")
        found[name] = (kind, unit, stacks)
    return found


EXPECTED = expected()

# Samples with options of their readers.
WITH_OPTIONS = [
    ("eu.txt", {"pid": True, "tid": True}, "PID=1234;TID=1236;start_thread;read 1"),
    ("jstack.txt", {"tid": True, "shorten": True}, "http-1;c.x.Main.main;c.x.Foo.bar 1"),
    ("jstack.txt", {"tname": False}, "com.x.Main.main;com.x.Foo.bar 1"),
    ("jstack.txt", {"no_pkgs": True}, "http;Main.main;Foo.bar 1"),
    ("java.txt", {"shorten": True}, "c.x.Main.main;c.x.Foo.bar 1"),
    ("javacore.txt", {"tid": True, "shorten": True},
     "worker-7-0x3158;j/l/Thread.run;c/x/Reader.read 1"),
    ("javacore.txt", {"tname": False}, "java/lang/Thread.run;com/x/Reader.read 1"),
    ("dtrace.txt", {"includeoffset": True},
     "unix`sys_syscall+0x10e;genunix`kmem_cache_free+0xce;genunix`kmem_cpu_reload+0x20 1"),
    ("sample.txt", {"modules": False},
     ("Thread_1001   DispatchQueue_1: com.apple.main-thread;start;main;serve;"
      "-[Parser parse:with:] 40")),
    ("vtune.csv", {"modules": False}, "Total;_start;main;work(int, char);memcpy 125"),
    ("vtune.csv", {"compat": "inferno"},
     "Total;server`_start;server`main;server`work(int, char) 1501"),
    ("vtune-memory.csv", {"value": "size"}, "Total;server`main;server`read_all 100"),
    ("vsprof.csv", {"value": "time"},
     "Server.Program.Main(string[]);Server.Work(int32,class A&);Server.Leaf() 24"),
    ("ghcprof.prof", {"value": "ticks"}, "MAIN.MAIN;Main.main;Server.работа 60"),
    ("ghcprof.prof", {"value": "bytes"}, "MAIN.MAIN;Main.main;Server.работа 123456789012"),
    ("ghcprof.prof", {"value": "entries"}, "MAIN.MAIN;Main.main;Server.работа 9"),
    ("ghcprof.prof", {"value": "alloc"}, "MAIN.MAIN;Main.main 190"),
    ("xdebug.xt", {"value": "calls"}, "{main};read_all;fopen 1"),
    ("procstack.txt", {"pid": True}, "cron-4718791;main;nsleep 1"),
    ("procstack.txt", {"tid": True},
     "/usr/sbin/server-4718790/12345678;main;Server::loop;select 1"),
    ("wcp.txt", {"srcline": True}, "main:/src/main.c:12;poll:/src/loop.c:343 600"),
    ("perf-srcline.txt", {"srcline": True},
     "busy;__libc_start_call_main:libc-start.c:74;work:in.c:4 2000000"),
    ("sched-stat.txt", {"tid": True}, "io-200;read_block;__schedule_[k] 1000000"),
    ("sched-stat.txt", {"wake_stack": True},
     "io;read_block;__schedule_[k];--;try_to_wake_up_[w];bio_end_[w];swapper_[w] 1000000"),
    ("sched-stat.txt", {"recurse": True},
     ("main;main;do_wait;futex_wait_[k];__schedule_[k];--;try_to_wake_up_[w];notify_[w];thread_[w];"
      "io_[w];--;read_block;__schedule_[k];--;try_to_wake_up_[w];bio_end_[w];swapper_[w] 3000500")),
    ("sched-stat.txt", {"compat": "perl"}, "main;main;do_wait;futex_wait_[k];__schedule_[k] 3000"),
    ("sched-switch.txt", {"wake_stack": True, "tid": True},
     ("main-100;main;do_wait;__schedule_[k];--;try_to_wake_up_[w];notify_[w];two_words-200_[w] "
      "5000000")),
    ("bpftrace.txt", {"map": "@other"}, "f 1"),
]  # fmt: skip


def read(name: str, **options: object) -> Profile:
    """The profile in a sample."""
    data = (SAMPLES / name).read_bytes()
    return guess(data[:HEAD]).read(data.splitlines(keepends=True), **options)


@pytest.mark.parametrize("name", EXPECTED)
def test_samples(name: str) -> None:
    format_name, unit, expected = EXPECTED[name]
    assert guess((SAMPLES / name).read_bytes()[:HEAD]).name == format_name
    profile = read(name)
    assert list(lines(profile, KINDS)) == expected
    assert profile.quality.whole, profile.quality.examples
    assert profile.unit == unit


def test_every_sample_is_expected() -> None:
    assert sorted(path.name for path in SAMPLES.iterdir()) == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_nobody_else_takes_a_sample(name: str) -> None:
    head = (SAMPLES / name).read_bytes()[:HEAD]
    assert [each.name for each in FORMATS if each.probe(head)] == [EXPECTED[name][0]]
    # Nor can anybody be in doubt, with so much to see.
    assert [each.name for each in FORMATS if each.probe(head) is None] == []


def made() -> list[tuple[str, bytes]]:
    """Data of formats that we write as well."""
    profile = Profile()
    profile.add([profile.frame("a"), profile.frame("b")], 3)
    return [
        ("pprof", pprof.write(profile)),
        ("pprof", gzip.decompress(pprof.write(profile))),
        ("speedscope", speedscope.write(profile).encode()),
        ("firefox", firefox.write(profile).encode()),
        ("firefox", gzip.compress(firefox.write(profile).encode())),
        ("folded", b"a;b 3\n"),
        ("perf.data", b"PERFILE2" + bytes(96)),
    ]


@pytest.mark.parametrize(("name", "data"), made(), ids=[name for name, _ in made()])
def test_what_we_write_is_found(name: str, data: bytes) -> None:
    assert [each.name for each in FORMATS if each.probe(data)] == [name]


def test_every_format_has_a_sample() -> None:
    there = {name for name, *_ in EXPECTED.values()} | {name for name, _ in made()}
    assert there == set(BY_NAME)


@pytest.mark.parametrize(("name", "options", "line"), WITH_OPTIONS)
def test_options(name: str, options: dict[str, object], line: str) -> None:
    assert line in list(lines(read(name, **options), KINDS))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("vtune.csv", "size", "VTune's table has no size (there are: time)"),
        ("vsprof.csv", "samples", "Visual Studio's table has no samples (there are: calls, time)"),
        ("ghcprof.prof", "calls", "has no 'calls' (there are: time, ticks, bytes, alloc, entries)"),
        ("xdebug.xt", "ticks", "no 'ticks' (there are: time, calls)"),
    ],
)
def test_values_that_there_are_not(name: str, value: str, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        read(name, value=value)


def test_a_report_without_ticks() -> None:
    text = (SAMPLES / "ghcprof.prof").read_text()
    short = re.sub("( +ticks +bytes| +[0-9]+ +[0-9]+)$", "", text, flags=re.M)
    with pytest.raises(FormatError, match="it was made with -p, not with -P"):
        BY_NAME["ghcprof"].read(short.encode().splitlines(True), value="ticks")


# -- what is broken ------------------------------------------------------------------------------


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: str(each.name))
@given(data=st.binary(max_size=200))
def test_garbage_is_no_crash(each: object, data: bytes) -> None:
    assert each.probe(data) in (True, False, None)  # type: ignore[attr-defined]
    attempt(each.name, data)  # type: ignore[attr-defined]


def attempt(name: str, data: bytes, **options: object) -> None:
    """Reads data, and writes what comes of it: it may be refused, and nothing else."""
    try:
        profile = BY_NAME[name].read(data.splitlines(keepends=True), **options)
    except FormatError:
        return
    for line in lines(profile, KINDS):
        assert "\n" not in line
        line.encode(errors="surrogateescape")


@pytest.mark.parametrize("name", EXPECTED)
def test_samples_that_are_cut_off(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    for size in range(0, len(data), max(1, len(data) // 40)):
        for each in FORMATS:
            assert each.probe(data[:size]) in (True, False, None)
        attempt(EXPECTED[name][0], data[:size])


@pytest.mark.parametrize("name", EXPECTED)
@settings(max_examples=30, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8)),
                        min_size=1, max_size=6))  # fmt: skip
def test_samples_that_are_damaged(name: str, changes: list[tuple[float, int, bytes]]) -> None:
    data = (SAMPLES / name).read_bytes()
    for place, removed, put in changes:
        at = int(place * len(data))
        data = data[:at] + put + data[at + removed :]
    attempt(EXPECTED[name][0], data)


@pytest.mark.parametrize(("name", "data"), made(), ids=[name for name, _ in made()])
@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 1), removed=st.integers(0, 4), put=st.binary(max_size=6))
def test_what_we_write_damaged(name: str, data: bytes, at: float, removed: int, put: bytes) -> None:
    place = int(at * len(data))
    attempt(name, data[:place] + put + data[place + removed :])


@pytest.mark.parametrize("name", EXPECTED)
@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_samples_with_their_lines_in_disorder(name: str, random: object) -> None:
    parts = (SAMPLES / name).read_bytes().splitlines(keepends=True)
    random.shuffle(parts)  # type: ignore[attr-defined]
    attempt(EXPECTED[name][0], b"".join(parts))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1 << 70) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize("name", ["firefox.json", "firefox-shared.json", "chrome.json"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_json_with_other_values(name: str, data: st.DataObject) -> None:
    text = json.loads((SAMPLES / name).read_text())
    place = text
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(values)
            break
        place = place[key]
    attempt(EXPECTED[name][0], json.dumps(text).encode(), samples=True)
