"""Samples one by one in profiles of this machine: their times, threads, CPUs and states."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from prybee.cli import main
from prybee.flame import outputs
from prybee.flame.gathering import Gatherer
from prybee.flame.profile import Profile
from prybee.flame.profiling import KINDS, Kind
from prybee.flame.readers import chrome_trace, speedscope
from prybee.flame.recording import Recorder, state_name
from prybee.flame.timeline import tracks
from prybee.flame.writers.page_data import payload
from prybee.output.names import Names
from prybee.output.sink import Sink
from prybee.plan import layouts
from prybee.plan.layouts import Field, IntLayout, StackLayout, StringLayout, TupleLayout
from prybee.plan.plan import RecordSpec, ScriptMap
from tests.patience import FACTOR

MS = 1_000_000
PHASE = 250 * MS
PROGRAM = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KEEP __attribute__((noinline))
volatile unsigned sink;
void *volatile framed;
static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}
static inline __attribute__((always_inline)) void burn(void) {
    framed = __builtin_frame_address(0);  /* A leaf, too, has a frame then. */
    for (int i = 0; i < 20000; i++) sink += i;
}
KEEP void even(void) { burn(); sink++; }
KEEP void odd(void) { burn(); sink++; }
KEEP void *one_works(void *end) { while (now() < (long)end) even(); return end; }
KEEP void *two_works(void *end) { while (now() < (long)end) odd(); return end; }
KEEP void sleeper(void) {
    struct timespec nap = {0, 300000000};
    register long r10 __asm__("r10") = 0;
    long result;
    __asm__ volatile("syscall" : "=a"(result)
        : "0"((long)SYS_nanosleep), "D"(&nap), "S"(0L), "d"(0L), "r"(r10) : "rcx", "r11", "memory");
    sink++;
}
static void pair(void) {
    pthread_t threads[2];
    void *(*works[])(void *) = {one_works, two_works};
    const char *names[] = {"one", "two"};
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], 0, works[i], (void *)(now() + SPAN));
        pthread_setname_np(threads[i], names[i]);
    }
    for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
}
int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "phases"))
        for (long end = now() + 2000000000L; now() < end;)
            if (now() / 250000000 % 2) odd(); else even();
    if (!strcmp(what, "threads")) pair();
    if (!strcmp(what, "crowd")) {
        cpu_set_t first;
        CPU_ZERO(&first);
        CPU_SET(0, &first);
        sched_setaffinity(0, sizeof first, &first);
        pair();
    }
    if (!strcmp(what, "sleep")) {
        long begin = now();
        sleeper();
        FILE *f = fopen(argv[2], "w");
        fprintf(f, "%ld %ld\n", begin, now());
        fclose(f);
    }
    if (!strcmp(what, "calls"))
        for (int i = 0; i < 100000; i++) syscall(SYS_getppid);
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    (folder / "known.c").write_text(PROGRAM)
    command = [
        "gcc",
        f"-DSPAN={int(1e9 * FACTOR)}L",
        "-O1",
        "-g",
        "-fno-omit-frame-pointer",
        "-fno-optimize-sibling-calls",
    ]
    subprocess.run([*command, "-pthread", "-o", folder / "known", folder / "known.c"], check=True)
    return folder / "known"


@pytest.fixture
def traced(program: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Traced:
    """A function: a kind and what the program is to do → the profile as a writer gets it."""
    found: list[Profile] = []

    def content(profile: Profile, *_: object) -> list[str]:
        found.append(profile)
        return []

    def trace(kind: str, what: str, *words: str) -> Profile:
        out = str(tmp_path / "out.html")
        assert main(["flame", kind, "-c", f"{program} {what}", "-o", out, *words]) == 0
        return found.pop()

    monkeypatch.setattr(outputs, "content", content)
    return trace


Traced = Callable[..., Profile]


def rows(profile: Profile) -> list[tuple[set[str], float, int, str, int, str]]:
    """Functions, weight, time, name of the thread, CPU and state of each sample."""
    samples = profile.samples
    assert samples is not None
    names = [{profile.frames[frame].name for frame in stack} for stack in samples.stacks]
    return [
        (names[stack], weight, when, samples.threads[thread].name, cpu, labels.get("state", ""))
        for stack, weight, when, thread, cpu, labels in samples.rows()
    ]


def sums(profile: Profile) -> dict[tuple[int, ...], float]:
    """Stacks and the weights of their samples."""
    samples = profile.samples
    assert samples is not None
    found: dict[tuple[int, ...], float] = {}
    for stack, weight, *_ in samples.rows():
        key = samples.stacks[stack]
        found[key] = found.get(key, 0) + weight
    return found


@pytest.mark.live
class TestOnThisMachine:
    @staticmethod
    def sums_are_those_of_samples(profile: Profile) -> None:
        assert sums(profile) == profile.weights

    def test_phases_are_at_their_times(self, traced: Traced) -> None:
        profile = traced("cpu", "phases", "-F", "499")
        self.sums_are_those_of_samples(profile)
        inside = [(fs, when) for fs, _, when, *_ in rows(profile) if fs & {"even", "odd"}]
        assert len(inside) > 30  # of a thousand, where nothing else runs
        right = sum(("odd" in fs) == (when // PHASE % 2 == 1) for fs, when in inside)
        # A call that began in time ends a moment late.
        assert right > 0.98 * len(inside), (right, len(inside))
        assert len({when // PHASE for _, when in inside}) >= 6

    def test_threads_are_told_apart(self, traced: Traced) -> None:
        profile = traced("cpu", "threads", "-F", "499")
        seen = {"one": 0, "two": 0}
        for functions, _, _, name, cpu, _ in rows(profile):
            for thread, work in (("one", "one_works"), ("two", "two_works")):
                if work in functions and name == thread:
                    seen[thread] += 1
                    assert cpu >= 0
                # Before it has its name it has that of the program.
                assert work not in functions or name in (thread, "known")
        assert min(seen.values()) > 20, seen
        threads = [each for each in profile.samples.threads if each.name in seen]
        assert len({each.tid for each in threads}) == 2
        assert len({each.pid for each in threads}) == 1
        assert all(each.tid != each.pid for each in threads)

    def test_a_sleep_has_its_begin_length_and_state(self, traced: Traced, tmp_path: Path) -> None:
        profile = traced("off", f"sleep {tmp_path}/when")
        self.sums_are_those_of_samples(profile)
        begin, end = map(int, (tmp_path / "when").read_text().split())
        found = [row for row in rows(profile) if "sleeper" in row[0] and row[1] > 290 * MS]
        ((_, weight, when, name, _, state),) = found
        assert begin <= when
        assert when + weight <= end
        assert weight >= 300 * MS
        assert (name, state) == ("known", "sleeping")

    def test_who_waits_for_the_cpu_is_runnable(self, traced: Traced) -> None:
        profile = traced("off", "crowd")
        waits = [row for row in rows(profile) if row[0] & {"one_works", "two_works"}]
        told = [row for row in waits if row[-1] == "runnable"]
        assert sum(row[1] for row in told) > 300 * MS
        assert sum(row[1] for row in told) > 0.9 * sum(row[1] for row in waits)

    def test_both_in_one(self, traced: Traced, tmp_path: Path) -> None:
        profile = traced("wall", f"sleep {tmp_path}/when")
        found = rows(profile)
        assert {"off CPU" in row[0] for row in found if row[-1] == "sleeping"} == {True}
        assert all(("on CPU" in row[0]) == (row[-1] == "on CPU") for row in found)
        assert sum(row[1] for row in found if "sleeper" in row[0]) >= 300 * MS

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
    def test_every_kind_has_them(self, kind: Kind, traced: Traced) -> None:
        profile = traced(kind.name, "threads")
        if kind.name not in ("alloc", "lock"):
            assert profile.weights
        if profile.weights:
            self.sums_are_those_of_samples(profile)
            assert profile.samples.spans == (profile.unit == "ns")

    def test_every_writer_gets_them(self, traced: Traced) -> None:
        profile = traced("cpu", "threads", "-F", "499")
        data = payload(profile)
        head = json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])
        names = {name for _, _, name in head["samples"]["threads"]}
        assert {"one", "two"} <= names
        assert head["samples"]["clock"] == "ns"
        assert head["samples"]["cpus"]
        assert head["samples"]["count"] == [len(profile.samples), 0]
        assert {"one", "two"} <= {track.name for track in tracks(profile)}
        shown = [each for each in outputs.OUTPUTS if each.samples and each is not outputs.HTML]
        written = {each.name: whole(each, profile) for each in shown}
        assert [*written] == ["speedscope.json", "firefox.json", "trace.json", "pftrace"]
        for name, text in written.items():
            assert re.search(rb"\bone\b", text), name
            assert re.search(rb"\btwo\b", text), name
        assert speedscope.read([written["speedscope.json"]]).total == profile.total
        again = chrome_trace.read([written["trace.json"]], samples=True).samples
        assert again is not None
        assert {"one", "two"} <= {each.name for each in again.threads}

    def test_what_is_lost_is_counted(self, program: Path, tmp_path: Path) -> None:
        out = tmp_path / "calls.trace.json"
        command = [sys.executable, "-m", "prybee", "flame", "syscall", "-c", f"{program} calls"]
        done = subprocess.run(
            [*command, "-o", str(out)], capture_output=True, text=True, check=True,
            env={"PRYBEE_PERF_RB_PAGES": "1", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        lost = int(re.search(r"; (\d+) samples lost", done.stderr)[1])  # type: ignore[index]
        assert lost > 0
        done = subprocess.run(
            [*command, "-o", str(out)], capture_output=True, text=True, check=True
        )
        assert "no samples lost" in done.stderr
        profile = chrome_trace.read([out.read_bytes()], samples=True)
        assert "getppid" in {frame.name for frame in profile.frames}

    def test_nothing_is_lost_at_a_thousand_a_second(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "prybee", "flame", "cpu", "-F", "999", "-d", "1s"]
        out = str(tmp_path / "cpu.html")
        done = subprocess.run([*command, "-o", out], capture_output=True, text=True, check=True)
        assert "no samples lost" in done.stderr

    @pytest.mark.parametrize("lacking", ["ringbuf", "ringbuf,large_keys,loop,for_each_map_elem"])
    def test_on_older_kernels(self, lacking: str, program: Path, tmp_path: Path) -> None:
        out = tmp_path / "off.trace.json"
        when = tmp_path / "when"
        command = [sys.executable, "-m", "prybee", "flame", "off", "-o", str(out)]
        subprocess.run(
            [*command, "-c", f"{program} sleep {when}"],
            check=True, env={**os.environ, "PRYBEE_NO_FEATURE": lacking},
        )  # fmt: skip
        begin, end = (int(text) / 1000 for text in when.read_text().split())
        events = json.loads(out.read_text())["traceEvents"]
        ((at, length),) = [
            (each["ts"], each["dur"])
            for each in events
            if each.get("name") == "sleeper" and each["dur"] > 290_000
        ]
        # The format has microseconds with fractions, of which doubles keep some.
        assert begin - 1 <= at
        assert at + length <= end + 1

    @pytest.mark.parametrize("words", [["--no-times"], ["--live"]])
    def test_only_sums(self, words: list[str], traced: Traced) -> None:
        profile = traced("cpu", "threads", *words)
        assert profile.samples is None
        assert profile.total > 5


def whole(output: outputs.Output, profile: Profile) -> bytes:
    """What a file of a format has."""
    written = import_module(output.writer).write(profile, "T")
    parts = [written] if isinstance(written, (str, bytes)) else written
    return b"".join(part.encode() if isinstance(part, str) else part for part in parts)


PYTHON = "import time; e = time.monotonic() + 0.3\nwhile time.monotonic() < e: sum(range(99))"


@pytest.mark.parametrize("kind", ["cpu", "wall"])
def test_by_reading_memory(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Profile] = []
    monkeypatch.setattr(outputs, "content", lambda profile, *_: found.append(profile) or [])
    script = tmp_path / "busy.py"
    script.write_text(f"{PYTHON}\ntime.sleep(0.2)\n")
    command = f"{sys.executable} {script}"
    words = ["--read-memory", "-c", command, "-o", str(tmp_path / "o.html"), "-F", "199"]
    assert main(["flame", kind, *words]) == 0
    (profile,) = found
    assert profile.weights
    assert sums(profile) == profile.weights
    inside = [row for row in rows(profile) if "<module>" in row[0]]
    states = {row[-1] for row in inside}
    assert states == ({"on CPU", "off CPU"} if kind == "wall" else {""})
    times = [row[2] for row in inside]
    assert max(times) - min(times) > 100 * MS


# -- without a kernel ---------------------------------------------------------------------------

U64 = IntLayout(8, signed=False)
COLUMNS = [U64] * 7 + [StringLayout(16)]
SAMPLE = RecordSpec(
    1, "print_value", 80, (
        (8, TupleLayout(72, tuple(Field("", 8 * at, each) for at, each in enumerate(COLUMNS)))),
    ),
)  # fmt: skip
KEY = TupleLayout(80, (
    Field("", 0, StringLayout(16)),
    Field("", 16, StackLayout(64, user=False, mode="bpftrace", limit=6)),
))  # fmt: skip


def record(number: int, weight: int, time: int, state: int, thread: int, name: bytes) -> bytes:
    row = number, weight, time, state, 7, thread, 1, name
    return struct.pack("<II7Q16s", 1, 0, *row) + bytes(8)


def gathered(profile: Profile, records: bytes, most: int = 100) -> Gatherer:
    """The output of a trace that sent records of two stacks: those with the numbers 5 and 6."""
    output = Gatherer(KINDS[0], profile, Sink(1), Sink(2), Names(), times=True)
    output._recorder = Recorder(most)
    output.value(SAMPLE)(memoryview(records))
    output.before_maps()
    keys = [name.ljust(80, b"\0") for name in (b"read", b"write")]
    items = [(key, number.to_bytes(8, "little")) for number, key in enumerate(keys, 5)]
    output.map(ScriptMap("@stacks", KEY, U64, "AT_stacks"), items)
    return output


def test_records_become_samples() -> None:
    profile = Profile()
    gathered(
        profile,
        record(5, 2, 1000, 0x2, 8, b"main\0rest") + record(6, 3, 2000, 0, 9, b"other")
        + record(5, 4, 3000, 0x20000, 8, b"main") + record(4, 1, 4000, 0, 8, b"main"),
    )  # fmt: skip
    assert rows(profile) == [
        ({"main", "read"}, 2, 1000, "main", 1, "disk"),
        ({"other", "write"}, 3, 2000, "other", 1, "runnable"),
        ({"main", "read"}, 4, 3000, "main", 1, ""),
    ]
    assert [*profile.weights.values()] == [6, 3]
    # Of a stack that nothing is known of.
    assert profile.quality.lost == 1


def test_too_many_samples_are_summed_up() -> None:
    profile = Profile()
    records = record(5, 2, 1000, 0, 8, b"main") + record(5, 3, 2000, 0, 8, b"main")
    gathered(profile, records + record(6, 1, 3000, 0, 8, b"main"), most=2)
    assert profile.samples is None
    assert [*profile.weights.values()] == [5, 1]
    (note,) = profile.quality.notes
    assert note.startswith("there were too many samples to keep each of them")


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (0, "runnable"), (0x1, "sleeping"), (0x2, "disk"), (0x102, "disk"), (0x402, "idle"),
        (0x4, "stopped"), (0x8, "stopped"), (0x10, "ended"), (0x80, "ended"), (0x40, "parked"),
        (0x1001, "lock"), (0x2001, "sleeping"), (0x10000, "on CPU"), (0x20000, ""),
    ],
)  # fmt: skip
def test_states(state: int, name: str) -> None:
    assert state_name(state) == name


def test_layouts_are_taken_as_they_are() -> None:
    """Whatever types the columns have."""
    columns = [U64, IntLayout(4, signed=True), U64, *[IntLayout(1, signed=False)] * 4]
    offsets = [0, 8, 16, 24, 25, 26, 27, 28]
    fields = tuple(
        Field("", at, each) for at, each in zip(offsets, [*columns, StringLayout(16)], strict=True)
    )
    spec = RecordSpec(1, "print_value", 56, ((8, layouts.TupleLayout(48, fields)),))
    recorder = Recorder()
    packed = struct.pack("<8xQi4xQBBBB16s4x8x", 5, -3, 9, 0, 1, 2, 3, b"a")
    recorder.taker(spec)(memoryview(packed))
    assert [*recorder.rows()] == [(5, -3, 9, 0, 1, 2, 3, b"a".ljust(16, b"\0"))]
