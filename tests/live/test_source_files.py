"""Probes at all functions of a source file, in a program and in the kernel."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from shutil import which

import pytest

from prybee.linux import features
from tests.live.tracing import PATIENCE, run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(which("gcc") is None, reason="builds programs to probe: needs gcc"),
]

KEPT = '__attribute__((noinline)) int {}(int x) {{ __asm__ volatile(""); return x + 1; }}\n'


def build(folder: Path, files: dict[str, str], *options: str) -> str:
    """One program of several source files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    path = str(folder / "vmlinux")
    subprocess.run(["gcc", "-g", "-O1", *options, "-o", path, *files], cwd=folder, check=True)
    return path


def test_of_a_program(tmp_path: Path) -> None:
    main = "int one(int); int two(int); int main(void) { return one(two(3)) > 100; }"
    files = {"main.c": main, "lib/some.c": KEPT.format("one") + KEPT.format("two")}
    path = build(tmp_path, files)
    done = run("-q", "-e", f"uprobe:{path}@lib/some.c {{ @[probe] = count(); }}", "-c", path)
    assert done.returncode == 0, done.stderr
    assert sorted(re.findall(r"@\[uprobe:\S+:(\w+)\]: 1", done.stdout)) == ["one", "two"]
    listed = run("-l", f"uprobe:{path}@*.c:*o*").stdout.split()
    assert listed == [f"uprobe:{path}:one", f"uprobe:{path}:two"]


@pytest.mark.skipif(not features.probe("kprobe"), reason="this kernel has no kprobes")
def test_of_the_kernel(tmp_path: Path) -> None:
    """By a file that stands for the kernel's debug information: it has no build id that differs."""
    text = "".join(map(KEPT.format, ("vfs_read", "vfs_write", "no_such_function_there")))
    main = "int main(void) { return 0; }"
    build(tmp_path, {"fs/read_write.c": text, "main.c": main}, "-Wl,--build-id=none")
    script = "kprobe:@fs/read_write.c /pid == cpid/ { @[probe] = count(); }"
    command = ("-c", "sh -c 'read line </etc/passwd; echo $line >/dev/null'")
    done = run("-q", "--debuginfo", str(tmp_path), "-e", script, *command, limit=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert sorted(re.findall(r"@\[(\S+)\]", done.stdout)) == ["kprobe:vfs_read", "kprobe:vfs_write"]


@pytest.mark.skipif(not features.probe("kprobe"), reason="this kernel has no kprobes")
def test_of_a_module(tmp_path: Path) -> None:
    """By a file that was not linked, as modules are."""
    if "9pnet " not in Path("/proc/modules").read_text():
        pytest.skip("the module 9pnet is not loaded")
    source = tmp_path / "client.c"
    source.write_text(KEPT.format("p9_client_walk") + KEPT.format("no_such_function_there"))
    path = tmp_path / "9pnet.ko"
    subprocess.run(["gcc", "-g", "-c", "-o", path, source], cwd=tmp_path, check=True)
    done = run("--debuginfo", str(tmp_path), "-l", "kprobe:9pnet@client.c", limit=PATIENCE)
    assert done.stdout.split() == ["kprobe:9pnet:p9_client_walk"]


@pytest.mark.skipif(not features.probe("kprobe"), reason="this kernel has no kprobes")
def test_without_the_kernels_debug_information(tmp_path: Path) -> None:
    done = run("--debuginfo", str(tmp_path), "-e", "kprobe:@fs/read_write.c { }", limit=PATIENCE)
    assert done.returncode == 1
    assert "is told by the kernel's debug information, and there is none" in done.stderr
    assert f"HINT: it was looked for at {tmp_path}/vmlinux-" in done.stderr
    assert "kprobe:NAME*" in done.stderr
