"""What is recorded of processes, told as the kernel would tell it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.symbols import processes as module
from prybee.symbols.mappings import Mapping, Mappings
from prybee.symbols.processes import Processes

FILES = {name: (254, 1, number, b"/bin/" + name) for number, name in enumerate((b"a", b"b"), 10)}
A, B = FILES.values()
VDSO = (0, 0, 0, b"[vdso]")
ANONYMOUS = (0, 0, 0, b"//anon")


@pytest.fixture
def kept():
    return []


@pytest.fixture
def processes(tmp_path, kept):
    """With nobody alive: /proc is empty."""
    return Processes(lambda process, mapping: kept.append(mapping.path), proc=str(tmp_path))


def path(process, address):
    mapping = process.find(address)
    return mapping.path if mapping else None


def test_a_process_that_is_gone(processes):
    processes.executed(7)
    processes.mapped(7, 0x1000, 0x3000, 0x2000, A)
    processes.mapped(7, 0x9000, 0xA000, 0, VDSO)
    processes.mapped(7, 0xB000, 0xC000, 0xB000, ANONYMOUS)
    processes.exited(7)
    process = processes.get(7)
    mapping = process.find(0x2FFF)
    assert (mapping.path, mapping.offset, mapping.device, mapping.inode) == (
        "/bin/a",
        0x2000,
        "fe:01",
        10,
    )
    assert [path(process, at) for at in (0xFFF, 0x1000, 0x3000, 0x9000, 0xB000)] == [
        None,
        "/bin/a",
        None,
        "[vdso]",
        "",
    ]
    assert not process.find(0xB000).is_file
    assert process.ended


def test_a_copy_has_what_its_parent_had(processes):
    processes.executed(7)
    processes.mapped(7, 0x1000, 0x2000, 0, A)
    processes.forked(8, 7)
    processes.mapped(8, 0x5000, 0x6000, 0, B)
    child, parent = processes.get(8), processes.get(7)
    assert (path(child, 0x1000), path(child, 0x5000)) == ("/bin/a", "/bin/b")
    assert path(parent, 0x5000) is None
    # The parent goes on to something else.
    processes.executed(7)
    processes.mapped(7, 0x1000, 0x2000, 0, B)
    assert (path(child, 0x1000), path(parent, 0x1000)) == ("/bin/a", "/bin/b")


def test_another_program_in_the_same_process(processes):
    processes.executed(7)
    processes.mapped(7, 0x1000, 0x2000, 0, A)
    process = processes.get(7)
    versions = {process.version}
    process.frames[0x1000] = None
    processes.executed(7)
    versions.add(process.version)
    assert not process.frames
    # Until something is mapped there, it is taken to be from before.
    assert path(process, 0x1000) == "/bin/a"
    process.frames[0x1000] = None
    processes.mapped(7, 0x1000, 0x2000, 0, B)
    versions.add(process.version)
    assert path(process, 0x1000) == "/bin/b"
    assert not process.frames
    assert len(versions) == 3
    for _ in range(10):
        processes.executed(7)
    assert len(process.generations) <= 4
    assert path(process, 0x1000) is None


def test_a_pid_that_is_used_again(processes):
    processes.executed(7)
    processes.mapped(7, 0x1000, 0x2000, 0, A)
    before = processes.get(7).version
    processes.exited(7)
    processes.executed(1)
    processes.mapped(1, 0x4000, 0x5000, 0, B)
    processes.forked(7, 1)
    process = processes.get(7)
    assert not process.ended
    assert process.version != before
    assert (path(process, 0x4000), path(process, 0x1000)) == ("/bin/b", "/bin/a")


def test_those_that_have_ended_are_not_kept_for_ever(processes, monkeypatch):
    monkeypatch.setattr(module, "_MOST_ENDED", 10)
    monkeypatch.setattr(module, "_MOST_ASKED", 5)
    for pid in range(100, 200):
        processes.executed(pid)
        processes.mapped(pid, 0x1000, 0x2000, 0, A)
        if pid % 10 == 0:
            processes.get(pid)
        processes.exited(pid)
    # The last ten, and of those before them the last five that someone asked for.
    assert [pid for pid in range(100, 200) if pid in processes] == [
        140,
        150,
        160,
        170,
        180,
        *range(190, 200),
    ]
    assert len(processes) == 15
    # One that is alive again is not dropped at its former turn.
    processes.forked(195, 194)
    for pid in range(300, 340):
        processes.executed(pid)
        processes.exited(pid)
        processes.exited(pid)
    assert 195 in processes
    assert len(processes) == 16


def test_what_has_no_name_any_more_is_kept_at_once(processes, kept):
    processes.mapped(7, 0x1000, 0x2000, 0, (0, 5, 99, b"/memfd:code (deleted)"))
    processes.mapped(7, 0x3000, 0x4000, 0, A)
    processes.mapped(7, 0x5000, 0x6000, 0, (0, 0, 0, b"/dev/zero (deleted)"))
    assert kept == ["/memfd:code (deleted)"]


def test_unknown_processes_that_end(processes):
    processes.exited(12345)
    processes.survey(12345)
    assert 12345 not in processes
    assert processes.get(12345).find(0) is None


RANGES = st.tuples(st.integers(0, 30), st.integers(1, 10), st.integers(0, 1000))


@given(st.lists(RANGES, max_size=20))
def test_what_is_mapped_last_is_there(ranges):
    mappings = Mappings()
    expected = {}
    for number, (start, length, offset) in enumerate(ranges):
        mappings.add(Mapping(start, start + length, offset, "", number, "/x"))
        for address in range(start, start + length):
            expected[address] = number, offset + address - start
    for address in range(-1, 45):
        found = mappings.find(address)
        told = (found.inode, found.offset + address - found.start) if found else None
        assert told == expected.get(address)
