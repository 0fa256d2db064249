"""Formats of other tracers: found by themselves, and read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.flame.formats import FORMATS, FormatError, guess
from prybee.flame.readers import dtrace, gdb, jstack
from prybee.flame.writers.folded import lines

SAMPLES = Path(__file__).parent.parent / "fixtures" / "flame" / "formats"
EXPECTED = {
    "chrome.json": ("chrome", ["a 50", "a;b 30", "a;c 15", "a;c;d 5"]),
    "dtrace.txt": (
        "dtrace",
        [
            (
                "0x401234;a.out`main:x;a.out`ns::(anonymous namespace)::run;"
                "libc.so.1`std::vector<int>::push 29"
            ),
            "unix`sys_syscall;genunix`kmem_cache_free;genunix`kmem_cpu_reload 1",
        ],
    ),
    "eu.txt": ("gdb", ["start_thread;read 1", "std::foo(int);g_main;__poll 1"]),
    "gdb.txt": (
        "gdb",
        ["main;??;std::foo<int>::bar(int, char);g_main_loop;__poll 1", "main;read 1"],
    ),
    "faulthandler.txt": (
        "faulthandler",
        ["/a/b.py:9:<module>;/a/b.py:3:inner 1", "/a/thr.py:6:run;/a/thr.py:5:wait 1"],
    ),
    "go.txt": (
        "go",
        ["main.main;main.inlined;main.(*T).mid;main.inner 2", "main.main;runtime.park 5"],
    ),
    "java.txt": ("java", ["com.x.Inner.go 1", "com.x.Main.main;com.x.Foo.bar 1"]),
    "jstack.txt": ("jstack", ["http;com.x.Main.main;com.x.Foo.bar 1"]),
    "systemtap.txt": ("systemtap", ["cpu_idle;default_idle;native_safe_halt 72", "f 3"]),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_samples(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    format_name, expected = EXPECTED[name]
    found = guess(data)
    assert found.name == format_name
    profile = found.read(data.splitlines(keepends=True))
    assert list(lines(profile)) == expected
    assert profile.quality.whole, profile.quality.examples


def test_every_sample_is_expected() -> None:
    assert sorted(path.name for path in SAMPLES.iterdir()) == sorted(EXPECTED)


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: str(each.name))
@given(data=st.binary(max_size=200))
def test_garbage_is_no_crash(each: object, data: bytes) -> None:
    assert each.probe(data) in (True, False, None)  # type: ignore[attr-defined]
    with suppress(FormatError):
        each.read(data.splitlines(keepends=True))  # type: ignore[attr-defined]


def test_options_of_readers() -> None:
    data = (SAMPLES / "eu.txt").read_bytes().splitlines()
    assert list(lines(gdb.read(data, pid=True, tid=True)))[1].startswith("PID=1234;TID=1236;")
    data = (SAMPLES / "jstack.txt").read_bytes().splitlines()
    assert list(lines(jstack.read(data, tid=True, shorten=True))) == [
        "http-1;c.x.Main.main;c.x.Foo.bar 1"
    ]
    assert list(lines(jstack.read(data, tname=False))) == ["com.x.Main.main;com.x.Foo.bar 1"]
    data = (SAMPLES / "dtrace.txt").read_bytes().splitlines()
    assert "genunix`kmem_cache_free+0xce" in list(lines(dtrace.read(data, includeoffset=True)))[1]
