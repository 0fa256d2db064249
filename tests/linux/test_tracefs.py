"""tracefs: the parser, and the running kernel's events."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from prybee.linux import mounts, syscalls
from prybee.linux.tracefs import EventField, Tracefs, parse_format
from tests.counting import calls

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = """\
name: example
ID: 365
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:__data_loc char[] filename;	offset:8;	size:4;	signed:0;
	field:pid_t pid;	offset:12;	size:4;	signed:1;
	field:const char * path;	offset:16;	size:8;	signed:0;
	field:char comm[16];	offset:24;	size:16;	signed:0;
	field:unsigned long args[6];	offset:40;	size:48;	signed:0;
	field:__rel_loc u64[] lengths;	offset:88;	size:4;	signed:0;
	field:__data_loc cpumask_t cpumask;	offset:92;	size:4;	signed:0;
	field:void (*action)(struct softirq_action *);	offset:96;	size:8;	signed:0;
	field:char name[TASK_COMM_LEN];	offset:104;	size:16;	signed:0;
	field:u8 matrix[2][3];	offset:120;	size:6;	signed:0;

print fmt: "filename=%s pid=%d", __get_str(filename), REC->pid
"""


def test_parse_format() -> None:
    assert parse_format(FORMAT) == (
        EventField("filename", "char", 8, 4, False, -1, "__data_loc"),
        EventField("pid", "pid_t", 12, 4, True),
        EventField("path", "const char *", 16, 8, False),
        EventField("comm", "char", 24, 16, False, 16),
        EventField("args", "unsigned long", 40, 48, False, 6),
        EventField("lengths", "u64", 88, 4, False, -1, "__rel_loc"),
        EventField("cpumask", "cpumask_t", 92, 4, False, -1, "__data_loc"),
        EventField("action", "void *", 96, 8, False),
        EventField("name", "char", 104, 16, False, 16),
        EventField("matrix", "u8", 120, 6, False, 6),
    )
    assert parse_format("") == ()


@pytest.fixture
def tree(tmp_path: Path) -> str:
    directory = tmp_path / "events" / "sched" / "example"
    directory.mkdir(parents=True)
    (directory / "format").write_text(FORMAT)
    (directory / "id").write_text("365\n")
    (tmp_path / "events" / "enable").write_text("X")
    return str(tmp_path)


def test_from_directories(tree: str) -> None:
    tracefs = Tracefs(tree)
    assert tracefs.events() == [("sched", "example")]
    assert tracefs.event_id("sched", "example") == 365
    assert tracefs.event_id("sched", "other") is None
    assert tracefs.format("sched", "other") is None
    assert len(tracefs.format("sched", "example") or ()) == 10
    assert tracefs.print_format("sched", "example").startswith('"filename=%s pid=%d", __get')
    assert tracefs.print_format("sched", "other") == ""


def test_a_long_list_is_one_file(tmp_path: Path) -> None:
    """No directory is read, and few steps are taken for each event."""
    (tmp_path / "available_events").write_text(
        "".join(f"category{i % 100}:event{i}\n" for i in range(2500))
    )
    tracefs = Tracefs(str(tmp_path))
    assert calls(tracefs.events) < 3 * 2500
    assert len(tracefs.events()) == 2500


@pytest.mark.parametrize("name", ["..", "../sched", ".", "a/b", "a\0b"])
def test_names_stay_inside(tree: str, name: str) -> None:
    tracefs = Tracefs(tree)
    assert tracefs.event_id(name, "example") is None
    assert tracefs.format("sched", name) is None


class NoMounts(syscalls.Kernel):
    """A kernel before 5.2, or one that forbids it."""

    def call(self, number: int, *arguments: object) -> int:
        return -1 if number == syscalls.FSOPEN else super().call(number, *arguments)


def test_without_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prybee.linux.tracefs._PLACES", ())
    with syscalls.replaced(NoMounts()), Tracefs() as tracefs:
        assert tracefs.events() == []
        assert tracefs.format("sched", "sched_switch") is None
        assert mounts.read_private("tracefs", "README") is None


@pytest.mark.live
def test_private_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prybee.linux.tracefs._PLACES", ())
    before = len(os.listdir("/proc/self/fd"))
    with Tracefs() as tracefs:
        assert tracefs.private is False
        assert ("sched", "sched_switch") in tracefs.events()
        assert tracefs.private
        fields = tracefs.format("sched", "sched_switch")
        assert fields is not None
        assert [f.name for f in fields][:2] == ["prev_comm", "prev_pid"]
        assert (fields[0].type, fields[0].array) == ("char", 16)
        assert tracefs.event_id("sched", "sched_switch")
    assert len(os.listdir("/proc/self/fd")) == before
    assert "private" not in repr(tracefs)


@pytest.mark.live
def test_all_events_of_this_kernel() -> None:
    with Tracefs() as tracefs:
        events = tracefs.events()
        assert len(events) > 1000
        assert ("syscalls", "sys_enter_openat") in events
        # The directories agree, but for ftrace's own events, which nobody can attach to.
        assert {e for e in tracefs._scan() if e[0] != "ftrace"} == {
            e for e in events if e[0] != "ftrace"
        }
        for category, event in events[::10]:
            for field in tracefs.format(category, event) or ():
                assert field.type
                assert field.offset >= 8
                assert field.location or field.array >= 0
