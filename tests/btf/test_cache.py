# ruff: noqa: A001 - "id" and "type" are the words of BTF
from __future__ import annotations

import os
import stat
import struct

import pytest

from prybee.btf import Btf, BtfError, cache
from tests.counting import calls

from .conftest import VMLINUX, zoo


@pytest.fixture
def blob(tmp_path):
    path = tmp_path / "kernel.btf"
    path.write_bytes(zoo()[0].build())
    return str(path)


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "cache"
    path.mkdir(mode=0o700)
    return path


def files(directory):
    return sorted(p.name for p in directory.iterdir())


def answers(btf: Btf) -> list[object]:
    return [
        [btf.find(name) for name in ("node", "color", "lookup", "other", "nothing", "")],
        btf.find_all("int"), btf.names("struct"), btf.names("typedef", "btf_*"),
        btf.names("enum", "b*"), [btf.enumerator(n) for n in ("RED", "LAST", "ALL", "X", "")],
        btf.tracepoint_parameters("visit"), [btf.definition(id) for id in range(len(btf))],
        list(btf.ids("struct")), list(btf.ids("enum")),
    ]  # fmt: skip


def test_with_and_without_the_cache_the_same(blob, directory):
    plain = Btf.vmlinux(blob, cache="")
    assert plain._index is None
    made = Btf.vmlinux(blob, cache=str(directory))
    loaded = Btf.vmlinux(blob, cache=str(directory))
    assert made._index is not None
    assert loaded._index is not None
    assert answers(plain) == answers(made) == answers(loaded) == answers(Btf.open(blob))
    (name,) = files(directory)
    assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600


def test_second_time_nothing_is_made(blob, directory, monkeypatch):
    Btf.vmlinux(blob, cache=str(directory))
    monkeypatch.setattr(cache, "_make", lambda *_: pytest.fail("made again"))
    assert Btf.vmlinux(blob, cache=str(directory)).find("node")


def test_other_content_other_index(blob, directory):
    Btf.vmlinux(blob, cache=str(directory))
    builder, _ = zoo()
    added = builder.struct("added", 4, [])
    with open(blob, "wb") as file:
        file.write(builder.build())
    assert Btf.vmlinux(blob, cache=str(directory)).find("added") == added
    assert len(files(directory)) == 2


def damage(raw: bytes, how: str) -> bytes:
    match how:
        case "empty":
            return b""
        case "short":
            return raw[:40]
        case "cut":
            return raw[:-1]
        case "longer":
            return raw + b"\0"
        case "flipped":
            return raw[:100] + bytes([raw[100] ^ 1]) + raw[101:]
        case "magic":
            return b"x" + raw[1:]
        case "key":
            return raw[:20] + b"\xff" * 8 + raw[28:]
        case "counts":
            return raw[:48] + struct.pack("III", 1 << 31, 1 << 31, 1 << 31) + raw[60:]
    return os.urandom(len(raw))


@pytest.mark.parametrize(
    "how", ["empty", "short", "cut", "longer", "flipped", "magic", "key", "counts", "random"]
)
def test_damaged_files_are_replaced(blob, directory, how):
    good = answers(Btf.vmlinux(blob, cache=str(directory)))
    (name,) = files(directory)
    raw = (directory / name).read_bytes()
    (directory / name).write_bytes(damage(raw, how))
    assert answers(Btf.vmlinux(blob, cache=str(directory))) == good
    assert (directory / name).read_bytes() == raw
    assert files(directory) == [name]


def test_files_of_others_are_not_trusted(blob, directory):
    Btf.vmlinux(blob, cache=str(directory))
    (name,) = files(directory)
    path = directory / name
    path.chmod(0o666)
    assert cache._load(str(path), b"", 10) is None
    path.chmod(0o600)
    link = directory / "link"
    link.symlink_to(path)
    assert cache._load(str(link), b"", 10) is None
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
        key = path.read_bytes()[16:48]
        assert cache._load(str(path), key, 1 << 30) is None
        os.chown(path, 0, 0)
        assert cache._load(str(path), key, 1 << 30) is not None


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_directories_others_can_write_are_not_used(blob, directory, mode):
    directory.chmod(mode)
    btf = Btf.vmlinux(blob, cache=str(directory))
    assert btf.find("node")
    assert files(directory) == []


def test_directories_that_do_not_work(blob, tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("file", "none/below", "file/below"):
        assert Btf.vmlinux(blob, cache=str(tmp_path / name)).find("node")
    made = tmp_path / "made"
    assert Btf.vmlinux(blob, cache=str(made)).find("node")
    assert len(files(made)) == 1


def test_a_directory_that_cannot_be_written_saves_the_sorting(blob, directory, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(cache, "_make", lambda *_: pytest.fail("sorted for nothing"))
    assert Btf.vmlinux(blob, cache=str(directory)).find("node")


def test_a_full_disk_only_costs_time(blob, directory, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    assert Btf.vmlinux(blob, cache=str(directory)).find("node")
    assert files(directory) == []


def test_where_it_lies(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    assert cache.cache_directory(None) == ""
    monkeypatch.undo()
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.cache_directory(None) == f"{home}/.cache/prybee"
    xdg = tmp_path / "xdg"
    monkeypatch.setenv("XDG_CACHE_HOME", str(xdg))
    assert cache.cache_directory(None) == f"{xdg}/prybee"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.cache_directory(None) == f"{home}/.cache/prybee"


def test_a_users_home_is_left_alone_by_root(tmp_path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("needs root to make somebody else's home")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", f"{home}/.cache")
    assert not cache.cache_directory(None).startswith(str(tmp_path))
    assert list(home.iterdir()) == []


def test_old_kernels_indexes_go(blob, directory):
    for number in range(6):
        builder, _ = zoo()
        builder.struct(f"added{number}", 4, [])
        with open(blob, "wb") as file:
            file.write(builder.build())
        Btf.vmlinux(blob, cache=str(directory))
    (directory / "other.txt").write_text("mine")
    Btf.vmlinux(blob, cache=str(directory))
    assert len(files(directory)) == 4 + 1


def test_damaged_btf_is_an_error_not_an_index(blob, directory):
    raw = bytearray(zoo()[0].build())
    raw[24 + 4 : 24 + 8] = struct.pack("I", 77 << 24)
    with open(blob, "wb") as file:
        file.write(raw)
    with pytest.raises(BtfError, match=r"kernel\.btf: type 1 has unknown kind 77"):
        Btf.vmlinux(blob, cache=str(directory))
    assert files(directory) == []
    with pytest.raises(BtfError, match="cannot read /nonexistent: No such file"):
        Btf.vmlinux("/nonexistent")


def test_build_id_of_the_running_kernel():
    if not os.access("/sys/kernel/notes", os.R_OK):
        pytest.skip("the kernel shows no notes")
    assert len(cache._build_id()) == 20


def test_a_warm_start_walks_nothing(vmlinux_bytes, directory):
    """A struct with a member, and a tracepoint: some bisecting, nothing for each of the types."""

    def start():
        btf = Btf.vmlinux(VMLINUX, cache=str(directory))
        task = btf.find("task_struct", "struct")
        assert btf.member(task, "comm")
        assert btf.find("btf_trace_sched_switch")

    cold, warm = calls(start), calls(start)
    assert warm < 6000
    assert cold > 20 * warm
