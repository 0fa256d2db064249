"""Files of ``perf record``: made by hand, and by perf where there is one."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prybee.flame.formats import guess
from prybee.flame.perf_data import records
from prybee.flame.perf_data.reader import probe, read
from prybee.flame.perf_data.records import PerfDataError
from prybee.flame.writers.folded import lines

SAMPLE_TYPE = records.IP | records.TID | records.TIME | records.PERIOD | records.CALLCHAIN
KERNEL, USER = (1 << 64) - 128, (1 << 64) - 512


def record(kind: int, content: bytes, misc: int = 2) -> bytes:
    content += bytes(-len(content) % 8)
    return struct.pack("<IHH", kind, misc, 8 + len(content)) + content


def trailer(time: int) -> bytes:
    return struct.pack("<IIQ", 1, 1, time)


def comm(pid: int, tid: int, name: str, time: int, misc: int = 0) -> bytes:
    text = name.encode() + b"\0"
    text += bytes(-len(text) % 8)
    return record(records.COMM, struct.pack("<II", pid, tid) + text + trailer(time), misc)


def mmap(pid: int, start: int, size: int, path: str, time: int) -> bytes:
    text = path.encode() + b"\0"
    text += bytes(-len(text) % 8)
    head = struct.pack("<IIQQQ", pid, pid, start, size, 0) + bytes(32)
    return record(records.MMAP2, head + text + trailer(time))


def sample(pid: int, tid: int, time: int, chain: list[int], period: int = 1) -> bytes:
    head = struct.pack("<QIIQQQ", chain[-1], pid, tid, time, period, len(chain))
    return record(records.SAMPLE, head + struct.pack(f"<{len(chain)}Q", *chain))


def file(*content: bytes) -> bytes:
    attr = struct.pack("<IIQQQQQ", 1, 112, 0, 0, SAMPLE_TYPE, 0, 1 << 18).ljust(112, b"\0")
    data = b"".join(content)
    head = struct.pack(
        "<8sQQQQQQQQ4Q", b"PERFILE2", 104, 128, 104, 128, 232, len(data), 0, 0, *[0] * 4
    )
    return head + attr + struct.pack("<QQ", 0, 0) + data


def folded(data: bytes, *, pid: bool = False, tid: bool = False) -> list[str]:
    return list(lines(read([data], pid=pid, tid=tid)))


def test_samples() -> None:
    data = file(comm(7, 7, "two words", 1), sample(7, 8, 5, [USER, 0x10, 0x20], 3))
    assert probe(data)
    assert guess(data).name == "perf.data"
    # The thread's name is not told: the process has one.
    assert folded(data) == ["two_words;[unknown];[unknown] 3"]
    assert folded(data, pid=True) == ["two_words-7;[unknown];[unknown] 3"]
    assert folded(data, tid=True) == ["two_words-7/8;[unknown];[unknown] 3"]


def test_records_are_put_in_order() -> None:
    """What one CPU has stands before what another had earlier."""
    data = file(
        sample(7, 7, 30, [USER, 0x1500]),
        comm(7, 7, "late", 20, misc=1 << 13),
        sample(7, 7, 10, [USER, 0x1500]),
        mmap(7, 0x1000, 0x1000, "/nonexistent/a", 5),
        comm(7, 7, "early", 1),
    )
    # An exec forgets what was mapped.
    assert folded(data) == ["early;[a] 1", "late;[unknown] 1"]


def test_children_have_what_their_parents_had() -> None:
    fork = record(records.FORK, struct.pack("<IIIIQ", 9, 7, 9, 7, 6) + trailer(6))
    data = file(
        comm(7, 7, "a", 1), mmap(7, 0x1000, 0x1000, "/nonexistent/x.so", 2), fork,
        sample(9, 9, 8, [USER, 0x1800]),
    )  # fmt: skip
    assert folded(data) == ["a;[x.so] 1"]


def test_what_was_lost() -> None:
    lost = record(records.LOST, struct.pack("<QQ", 1, 44) + trailer(3))
    profile = read([file(lost, sample(1, 1, 4, [USER, 1]))])
    assert profile.quality.lost == 44


def test_functions_of_a_file(tmp_path: Path) -> None:
    source = tmp_path / "a.c"
    source.write_text("void first(void){} void second(void){} int main(void){return 0;}\n")
    program = tmp_path / "a"
    subprocess.run(["gcc", "-O0", "-no-pie", "-o", program, source], check=True)
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    at = {
        line.split()[-1]: int(line.split()[0], 16) for line in symbols.splitlines() if " T " in line
    }
    base = 0x400000
    data = file(
        comm(7, 7, "a", 1),
        mmap(7, base, 0x10000, str(program), 2),
        sample(7, 7, 3, [USER, at["second"] + 1, at["main"] + 1]),
    )
    assert folded(data) == ["a;main;second 1"]


def test_inlined_functions(tmp_path: Path) -> None:
    source = tmp_path / "a.c"
    source.write_text(
        "volatile int sum;\n"
        "static inline __attribute__((always_inline)) void inner(int n) { sum += n; }\n"
        "__attribute__((noinline)) void outer(int n) { inner(n); }\n"
        "int main(int n, char **words) { outer(n); return 0; }\n"
    )
    program = tmp_path / "a"
    subprocess.run(["gcc", "-g", "-O1", "-no-pie", "-o", program, source], check=True)
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    outer = next(int(line.split()[0], 16) for line in symbols.splitlines() if " T outer" in line)
    data = file(
        comm(7, 7, "a", 1),
        mmap(7, 0x400000, 0x10000, str(program), 2),
        # The first instruction of the function is the inlined one's.
        *(sample(7, 7, 3, [USER, outer + at]) for at in (0, 2)),
        sample(7, 7, 4, [USER, 0x77]),
    )

    def read_with(**options: bool) -> set[str]:
        return {line.rpartition(" ")[0] for line in lines(read([data], **options), ["inlined"])}

    assert read_with() == {"a;outer", "a;[unknown]"}
    assert "a;outer;inner_[i]" in read_with(inline=True)
    assert "a;outer:a.c:3;inner:a.c:2_[i]" in read_with(inline=True, context=True)
    assert read_with(addrs=True) == {"a;outer", "a;[unknown <77>]"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PERFILE1" + bytes(200), "no file of perf record"),
        (b"PERFILE2", "damaged"),
        (file()[:150], "damaged"),
        (file(record(81, bytes(16))), "compressed"),
    ],
)
def test_files_that_cannot_be_read(data: bytes, said: str) -> None:
    with pytest.raises(PerfDataError, match=said):
        read([data])


def test_no_such_event() -> None:
    with pytest.raises(PerfDataError, match="no event 'x'"):
        read([file()], event_filter="x")


GOOD = file(
    comm(7, 7, "a", 1), mmap(7, 0x1000, 4096, "/x", 2), sample(7, 7, 3, [KERNEL, 1, USER, 2])
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8))
def test_damage_is_no_crash(at: int, what: bytes) -> None:
    data = (GOOD[:at] + what + GOOD[at + len(what) :])[: len(GOOD)]
    try:
        read([data])
    except PerfDataError:
        pass


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("perf"), reason="there is no perf")
def test_beside_perf(tmp_path: Path) -> None:
    """The functions of a program with frame pointers, by us and by `perf script`."""
    source = tmp_path / "busy.c"
    source.write_text(
        "volatile unsigned x; __attribute__((noinline)) void inner(void)"
        "{for (int i = 0; i < 300000000; i++) x += i;}"
        "__attribute__((noinline)) void outer(void) {inner(); x++;}"
        "int main(void) {outer(); x++; return 0;}"
    )
    program = tmp_path / "busy"
    subprocess.run(
        [
            "gcc",
            "-O1",
            "-fno-omit-frame-pointer",
            "-mno-omit-leaf-frame-pointer",
            "-o",
            program,
            source,
        ],
        check=True,
    )
    data = tmp_path / "perf.data"
    subprocess.run(
        ["perf", "record", "-e", "cpu-clock:u", "-g", "-o", data, program],
        check=True, capture_output=True,
    )  # fmt: skip
    script = subprocess.run(["perf", "script", "-i", data], capture_output=True, check=True)
    prybee = [sys.executable, "-m", "prybee", "flame", "collapse"]
    ours = subprocess.run([*prybee, data], capture_output=True, check=True, text=True).stdout
    theirs = subprocess.run(
        [*prybee, "-"], input=script.stdout, capture_output=True, check=True
    ).stdout.decode()

    def inner(text: str) -> list[str]:
        return sorted(line for line in text.splitlines() if ";main;" in line and "inner" in line)

    assert inner(ours)
    assert inner(ours) == inner(theirs)
