"""Which file a name means."""

import os
import struct
import subprocess
import sys
from time import monotonic, sleep

import pytest

from prybee.symbols import binaries, ld_cache


@pytest.fixture
def tree(tmp_path):
    """Executables and links in a folder."""
    for name in ("one", "two", "libx.so.1"):
        path = tmp_path / name
        path.write_bytes(b"\x7fELF")
        path.chmod(0o755)
    (tmp_path / "link").symlink_to("one")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nothing")
    return tmp_path


def test_paths_and_globs(tree):
    path = str(tree)
    assert binaries.resolve(f"{path}/one") == [f"{path}/one"]
    assert binaries.resolve(f"{path}/link") == [f"{path}/link"]
    assert binaries.resolve(f"{path}/t*") == [f"{path}/two"]
    # A link and its target are one file: it is attached to once.
    assert binaries.resolve(f"{path}/*") == [f"{path}/libx.so.1", f"{path}/link", f"{path}/two"]
    assert binaries.resolve(f"{path}/[ot]*") == [f"{path}/one", f"{path}/two"]
    for nothing in ("", "a\0b", f"{path}/folder", f"{path}/dangling", f"{path}/no*", path):
        assert binaries.resolve(nothing) == []


def test_relative_paths(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert binaries.resolve("./one") == ["./one"]
    assert binaries.resolve("one") == ["one"]
    assert binaries.resolve("../" + tree.name + "/two") == ["../" + tree.name + "/two"]


def test_names_with_glob_characters(tree):
    odd = tree / "odd[1]"
    odd.write_bytes(b"x")
    assert binaries.resolve(str(odd)) == [str(odd)]


def test_commands(tree, monkeypatch):
    monkeypatch.setenv("PATH", f"/nonexistent:relative:{tree}:/usr/bin:/bin")
    assert binaries.resolve("one") == [f"{tree}/one"]
    assert binaries.resolve("tw?") == [f"{tree}/two"]
    assert binaries.resolve("sh")[0].endswith("bin/sh")
    (tree / "plain").write_text("not executable")
    assert binaries.resolve("plain") == []
    monkeypatch.delenv("PATH")
    assert binaries.resolve("sh")[0].endswith("bin/sh")


def test_libraries():
    (libc,) = binaries.resolve("libc")
    assert os.path.realpath(libc) == os.path.realpath(_mapped("libc"))
    assert binaries.resolve("libc.so.6") in ([libc], [])
    assert binaries.resolve("libnothing_of_this_name") == []
    assert libc in [os.path.realpath(p) for p in binaries.resolve("libc.so*")] + [libc]


def _mapped(name):
    with open("/proc/self/maps") as file:
        for line in file:
            path = line.rstrip("\n").partition("/")[2]
            if path and ld_cache.is_library(path.rpartition("/")[2], name):
                return "/" + path
    pytest.skip(f"{name} is not mapped here")


@pytest.mark.parametrize(
    ("file", "name", "yes"),
    [
        ("libc.so.6", "libc", True),
        ("libc.so", "libc", True),
        ("libc-2.31.so", "libc", True),
        ("libc.so.6", "libc.so.6", True),
        ("libc.so.6", "libc.so", True),
        ("libcrypt.so.1", "libc", False),
        ("libc-client.so", "libc", False),
        ("libc.a", "libc", False),
        ("libcxso.6", "libc", False),
        ("libc", "libc", False),
    ],
)
def test_short_names(file, name, yes):
    assert ld_cache.is_library(file, name) is yes


def cache(entries, order="<", before=b""):
    """A loader cache in format 1.1."""
    table = b""
    places = {}
    strings_at = 48 + 24 * len(entries)
    for text in [text for entry in entries for text in entry]:
        if text not in places:
            places[text] = strings_at + len(table)
            table += text.encode() + b"\0"
    head = b"glibc-ld.so.cache1.1" + struct.pack(
        order + "IIBxxxIIII", len(entries), len(table), 3 if order == ">" else 2, 0, 0, 0, 0
    )
    rows = b"".join(
        struct.pack(order + "iIIIQ", 0x303, places[name], places[path], 0, 0)
        for name, path in entries
    )
    return before + head + rows + table


ENTRIES = [("libz.so.2", "/lib/libz.so.2"), ("libz.so.1", "/lib/libz.so.1")]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("before", [b"", b"ld.so-1.7.0\0" + bytes(12)])
def test_the_cache_format(order, before):
    assert ld_cache.parse(cache(ENTRIES, order, before)) == ENTRIES


def test_damaged_caches():
    data = cache(ENTRIES)
    assert ld_cache.parse(b"") == ld_cache.parse(b"something else") == []
    for length in range(len(data)):
        assert isinstance(ld_cache.parse(data[:length]), list)
    huge = data[:20] + struct.pack("<I", 0xFFFFFFFF) + data[24:]
    assert isinstance(ld_cache.parse(huge), list)


def test_the_cache_of_another_root(tmp_path):
    """A container's own libraries, its links followed within it."""
    with open(sys.executable, "rb") as file:
        program = file.read(4096)
    for folder in ("etc", "lib", "opt"):
        (tmp_path / folder).mkdir()
    (tmp_path / "etc/ld.so.cache").write_bytes(cache(ENTRIES))
    (tmp_path / "opt/libz.so.2.0").write_bytes(program)
    (tmp_path / "lib/libz.so.2").symlink_to("/opt/libz.so.2.0")
    root = str(tmp_path)
    assert ld_cache.find("libz", root) == "/lib/libz.so.2"
    assert ld_cache.matching("libz*", root) == ["/lib/libz.so.2"]
    assert binaries.under(root, "/lib/libz.so.2") == f"{root}/opt/libz.so.2.0"
    assert binaries.under(root, "/../../lib/./libz.so.2") == f"{root}/opt/libz.so.2.0"
    assert binaries.under("", "/lib/x") == "/lib/x"


def test_links_that_go_in_circles(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert binaries.under(str(tmp_path), "/a").startswith(str(tmp_path))
    assert binaries.resolve(f"{tmp_path}/a") == []


def test_with_a_process_in_our_own_mounts():
    pid = os.getpid()
    assert binaries.process_root(pid) == ""
    assert binaries.resolve("sh", pid) == binaries.resolve("sh")
    (libc,) = binaries.resolve("libc", pid)
    assert os.path.samefile(libc, binaries.resolve("libc")[0])
    assert binaries.process_root(1 << 30) == ""


@pytest.mark.live
def test_with_a_process_in_other_mounts(tmp_path):
    """The process sees a file that we do not: the path goes through its root."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    script = (
        f"mount -t tmpfs none {mounted} && cp /bin/sleep {mounted}/dozer && exec {mounted}/dozer 10"
    )
    process = subprocess.Popen(["unshare", "-m", "sh", "-c", script])
    try:
        deadline = monotonic() + 10
        while monotonic() < deadline and not os.readlink(f"/proc/{process.pid}/exe").endswith(
            "dozer"
        ):
            if process.poll() is not None:
                pytest.skip("cannot make a mount namespace here")
            sleep(0.02)
        root = f"/proc/{process.pid}/root"
        assert binaries.resolve(f"{mounted}/dozer") == []
        assert binaries.resolve(f"{mounted}/dozer", process.pid) == [f"{root}{mounted}/dozer"]
        assert binaries.resolve(f"{mounted}/*", process.pid) == [f"{root}{mounted}/dozer"]
        assert binaries.resolve("./nothing", process.pid) == []
        (libc,) = binaries.resolve("libc", process.pid)
        assert libc.startswith(root + "/")
        assert os.path.isfile(libc)
    finally:
        process.kill()
        process.wait()
