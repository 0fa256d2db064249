"""Text, JSON and CSV: rows, tables, maps; what a trace says of itself."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.tools.running import Tool, prybee

pytestmark = pytest.mark.live
ME = str(os.getpid())
NAME = 'of prybee, "quoted"'


def look_for(folder: Path, name: str, times: int) -> None:
    """Open a file that is not there."""
    for _ in range(times):
        with pytest.raises(FileNotFoundError):
            os.open(folder / name, os.O_RDONLY)


def test_events_as_text(tmp_path: Path) -> None:
    with Tool("opensnoop", "-p", ME, form="") as tool:
        look_for(tmp_path, NAME, 1)
        lines = tool.finish().splitlines()
    assert lines[0] == "TIME     UID     PID     COMM               FD  ERR    FLAGS PATH"
    (line,) = [line for line in lines if NAME in line]
    assert line.split(None, 5)[2:3] == [ME]
    assert line.endswith(f"  -1    2  2000000 {tmp_path / NAME}")
    assert tool.errors == b""


def test_events_as_csv(tmp_path: Path) -> None:
    with Tool("opensnoop", "-p", ME, form="--csv") as tool:
        look_for(tmp_path, NAME, 3)
        rows = list(csv.DictReader(io.StringIO(tool.finish())))
    found = [row for row in rows if row["path"] == str(tmp_path / NAME)]
    assert len(found) == 3
    assert found[0]["pid"] == ME
    assert (found[0]["fd"], found[0]["err"]) == ("-1", "2")


def test_json_is_nothing_but_objects(tmp_path: Path) -> None:
    with Tool("opensnoop", "-p", ME) as tool:
        look_for(tmp_path, "\x01\t\\ ü", 1)
        rows = [json.loads(line) for line in tool.finish().splitlines()]
    assert str(tmp_path / "\x01\t\\ ü") in [row["path"] for row in rows]
    assert all(
        list(row) == ["time", "uid", "pid", "comm", "fd", "err", "flags", "path"] for row in rows
    )


def test_a_table_is_sorted_and_cut() -> None:
    with Tool("syscount", "-p", ME, "--rows", "2", form="") as tool:
        for number in range(300):
            os.getppid()
            if number % 3 == 0:
                os.getuid()
            if number % 10 == 0:
                os.getgid()
        lines = [line.split() for line in tool.finish().splitlines() if line]
    tables = "\n".join(" ".join(line) for line in lines).split("NAME COUNT TIME(us)\n")
    (table,) = [table.split() for table in tables if "getppid" in table][:1]
    assert len(table) == 6
    assert (table[0], table[3]) == ("getppid", "getuid")
    assert int(table[1]) > int(table[4])


def test_a_table_as_csv() -> None:
    with Tool("syscount", "-p", ME, form="--csv") as tool:
        for _ in range(100):
            os.getppid()
        text = tool.finish()
    assert text.startswith("name,count,time_us\n")
    assert text.count("name,count,time_us\n") == 1
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["name"] == "getppid"]
    assert sum(int(row["count"]) for row in rows) >= 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("args.sig", ["map,key,value", "@values,0,4"]),
        ("hist(args.sig)", ["map,key,min,max,count", "@distribution,,0,0,4"]),
        (
            "stats(args.sig + 3)",
            ["map,key,count,average,total", "@distribution,,4,3,12"],
        ),
        ("sum(args.sig + 3)", ["map,key,value", "@distribution,,12"]),
    ],
)
def test_maps_as_csv(value: str, expected: list[str]) -> None:
    words = ("argdist", "tracepoint:syscalls:sys_enter_kill", value, "-p", ME, "-d", "1s")
    with Tool(*words, form="--csv") as tool:
        for _ in range(4):
            os.kill(os.getpid(), 0)
        lines = tool.finish(by=0).splitlines()
    assert lines == expected


@pytest.mark.slow
def test_maps_as_text_every_so_often() -> None:
    words = ("argdist", "tracepoint:syscalls:sys_enter_kill", "args.sig", "-p", ME)
    with Tool(*words, "-i", "0.3", "-d", "1", form="") as tool:
        for _ in range(4):
            os.kill(os.getpid(), 0)
        text = tool.finish(by=0)
    assert text.count("@values[0]: 4\n") == 1
    assert text.count(":") >= 5
    assert tool.errors == b"Tracing; Ctrl-C ends it.\n"


@pytest.mark.slow
def test_times_in_json() -> None:
    with Tool("runqlen", "-i", "0.2", "-d", "0.7") as tool:
        rows = [json.loads(line) for line in tool.finish(by=0).splitlines()]
    kinds = [row["type"] for row in rows]
    assert kinds[:2] == ["time", "hist"]
    assert kinds.count("time") >= 2


def test_duration() -> None:
    done = prybee("opensnoop", "--comm", "of prybee", "-d", "200ms")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("TIME")


@pytest.mark.slow
def test_ends_with_the_process() -> None:
    child = subprocess.Popen(["sleep", "1"])
    with Tool("runqlat", "-p", str(child.pid)) as tool:
        child.wait()
        tool.finish(by=0)


@pytest.mark.slow
def test_output_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    done = prybee("opensnoop", "-d", "200ms", "--csv", "-o", str(path), "-p", ME)
    assert (done.returncode, done.stdout) == (0, "")
    assert path.read_text() == "time,uid,pid,comm,fd,err,flags,path\n"


@pytest.mark.slow
def test_nobody_reads() -> None:
    """`prybee opensnoop | head -1` ends by itself."""
    import sys

    done = subprocess.run(
        f"{sys.executable} -m prybee execsnoop | head -1",
        shell=True, capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.startswith("TIME")
