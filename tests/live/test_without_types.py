"""Kernels that show no types (BTF): what works all the same, what is said, types from files."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from prybee.engines.types_file import OWN
from prybee.linux import features
from tests.live.corpus import ENVIRONMENT, PRYBEE

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not os.path.exists(OWN), reason="this kernel shows no types to hide"),
    pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed"),
]

# Seconds: guests are slow, the more the more of them run.
LIMIT = 120
_HIDE = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'


def run(*arguments: str, hide: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run prybee, by default where the kernel's types are hidden."""
    command = [*PRYBEE, *arguments]
    if hide:
        command = ["unshare", "-m", "sh", "-c", _HIDE, "sh", *command]
    return subprocess.run(
        command, capture_output=True, text=True, env={**ENVIRONMENT, **variables},
        timeout=LIMIT, check=False,
    )  # fmt: skip


def script(text: str, *arguments: str, hide: bool = True, **variables: str) -> tuple[str, str]:
    """What a script prints, and what is said to standard error."""
    done = run("-q", *arguments, "-e", text, hide=hide, **variables)
    return done.stdout.strip(), done.stderr.strip()


# All of these run at once.
WORKING = {
    "tracepoint:sched:sched_switch": "args.next_pid >= 0",
    "tracepoint:sched:sched_wakeup": "strlen(args.comm) > 0",
    "tracepoint:syscalls:sys_enter_read": "args.buf != 0",
    "tracepoint:syscalls:sys_exit_read": "args.ret >= -4095",
    "rawtracepoint:sched_switch": "arg1 != 0",
    "rawtracepoint:sys_enter": "arg0 != 0",
    "uprobe:libc:malloc": 'arg0 > 0 && reg("ip") != 0',
    "uretprobe:libc:malloc": "retval != 0",
    "profile:hz:99": 'cpu < ncpus && comm != ""',
    "interval:ms:10": "pid == pid && elapsed > 0",
    "software:cpu-clock:1000000": "nsecs > 0",
}


def test_what_needs_no_kernel_struct() -> None:
    working = dict(WORKING)
    if features.probe("kprobe"):
        working |= {"kprobe:vfs_read": "arg0 != 0", "kretprobe:vfs_read": "retval != 0 || 1"}
    handlers = [
        f"{probe} {{ @ok[{number}] = {value}; }}"
        for number, (probe, value) in enumerate(working.items())
    ]
    all_seen = " && ".join([f"@ok[{number}]" for number in range(len(working))])
    text = (
        f"{' '.join(handlers)} interval:ms:100 /{all_seen}/ {{ exit(); }} "
        "interval:s:60 { exit(); }"
    )
    # Mostly one process, which profile sees, and some short ones.
    child = (
        "sh -c 'while true; do for i in 1 2 3 4 5 6 7 8 9; do read x < /etc/passwd; done; "
        "x=$(head -c 10 /etc/passwd); done'"
    )
    out, err = script(text, "-c", child)
    found = dict(line.split(": ") for line in out.splitlines() if line.startswith("@ok["))
    names = [*working]
    assert {names[int(key[4:-1])]: value for key, value in found.items()} == dict.fromkeys(
        working, "true"
    ), err


def test_builtins_and_types_of_the_script() -> None:
    text = """
        struct pair { int first; int second; };
        begin {
            $p = (struct pair *)curtask;
            print((comm, pid, uid, sizeof(struct pair), offsetof(struct pair, second)));
            print(field_exists(struct task_struct, pid) ? ((struct task_struct *)1).pid : 0);
            print((ntop(0x0100007f), func_exists(vfs_read), kaddr("vfs_read") != 0));
            exit();
        }"""
    out, err = script(text)
    first, second, third = out.splitlines()
    assert first.endswith(f", {os.getuid()}, 8, 4)")
    assert (second, third, err) == ("0", "(127.0.0.1, true, true)", "")


FILE_HINT = "--btf FILE"
REFUSED = {
    "begin { print(((struct task_struct *)curtask).pid); }": (
        'Cannot resolve unknown type "struct task_struct"',
        FILE_HINT,
    ),
    "begin { print(curtask.pid); }": ("Can not access field 'pid'", FILE_HINT),
    "begin { print(ppid); }": ("ppid needs the kernel's types", FILE_HINT),
    "rawtracepoint:sched_switch { print(args.preempt); }": (
        "args of rawtracepoint:vmlinux:sched_switch is told by the kernel's types (BTF)",
        "arg0 … are the arguments as numbers",
    ),
    "rawtracepoint:no_such { }": ("Probe has no valid attach points", ""),
    "iter:task { }": ("iter task not available", "the kernel's types (BTF) name its iterators"),
}


@pytest.mark.slow
@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    message, hint = REFUSED[text]
    done = run("-e", text)
    assert done.returncode == 1
    assert message in done.stderr
    assert hint in done.stderr


def test_lists() -> None:
    assert "rawtracepoint:vmlinux:sched_switch\n" in run("-l", "rawtracepoint:sched_*").stdout
    assert "pid_t next_pid" in run("-lv", "tracepoint:sched:sched_switch").stdout


# -- types from files ------------------------------------------------------------------------------

READ = "begin { print((curtask.pid == tid, ppid > 0)); exit(); }"
RIGHT = "(true, true)"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the kernel's types."""
    path = tmp_path_factory.mktemp("types") / "kernel.btf"
    path.write_bytes(Path(OWN).read_bytes())
    return path


def test_a_copy_will_do(copy: Path) -> None:
    assert script(READ, "--btf", str(copy)) == (RIGHT, "")
    assert script(READ, PRYBEE_BTF=str(copy)) == (RIGHT, "")
    assert script(READ, BPFTRACE_BTF=str(copy)) == (RIGHT, "")
    assert script(READ, f"--btf={copy}", hide=False) == (RIGHT, "")
    listed = run("--btf", str(copy), "-lv", "rawtracepoint:sched_switch")
    assert "struct task_struct * prev" in listed.stdout


@pytest.mark.slow
def test_an_object_file_with_types(copy: Path, tmp_path: Path) -> None:
    from tests.elf.writer import elf

    path = tmp_path / "vmlinux"
    data = elf(notes=copy.read_bytes())
    # The section of notes becomes one of types.
    path.write_bytes(data.replace(b".note.stapsdt\0", b".BTF".ljust(14, b"\0")))
    assert script(READ, "--btf", str(path)) == (RIGHT, "")


def test_args_of_raw_tracepoints_by_types_from_a_file(copy: Path) -> None:
    text = """
        rawtracepoint:sched_switch /args.next.pid != 0 && args.next.comm != ""/ {
            @ = (args.prev != args.next, args.prev.real_parent.pid >= 0, !args.preempt || 1);
            exit();
        }"""
    # Another processor may switch before this one has said that it is over: a map, not a line.
    assert script(text, "--btf", str(copy)) == ("@: (true, true, true)", "")
    done = run("runqlat", "-d", "1s", PRYBEE_BTF=str(copy))
    assert done.returncode == 0, done.stderr
    assert "@usecs" in done.stdout


def test_types_from_a_file_attach_nothing(copy: Path) -> None:
    done = run("--btf", str(copy), "-e", "iter:task { print(ctx.task.pid); }")
    assert done.returncode == 255
    assert "types (BTF), which this kernel does not show" in done.stderr


@pytest.mark.slow
def test_types_of_another_kernel(tmp_path: Path) -> None:
    from prybee.btf import BtfBuilder

    builder = BtfBuilder()
    proto = builder.func_proto(0, [])
    for number in range(50):
        builder.func(f"prybee_no_such_{number}", proto)
    path = tmp_path / "other.btf"
    path.write_bytes(builder.build())
    for hide in (True, False):
        text = "begin { print(field_exists(struct nothing, a)); exit(); }"
        out, err = script(text, "--btf", str(path), hide=hide)
        assert out == "false"
        assert err.startswith(f"WARNING: --btf: {path} has the types of another kernel")


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 3]


def _shuffled(data: bytes) -> bytes:
    changed = bytearray(data)
    for at in random.Random(7).sample(range(24, len(data) // 2), 2000):
        changed[at] ^= 0x5A
    return bytes(changed)


DAMAGED = {
    "cut": (_cut, "reach beyond the"),
    "shuffled": (_shuffled, "holds no types of a kernel: type "),
    "noise": (lambda _: b"noise, no types at all\n" * 9, "which is not BTF's magic number"),
    "empty": (lambda _: b"", "0 bytes are too few for a BTF header"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files(kind: str, copy: Path, tmp_path: Path) -> None:
    damage, words = DAMAGED[kind]
    path = tmp_path / "damaged"
    path.write_bytes(damage(copy.read_bytes()))
    done = run("--btf", str(path), "-e", READ, hide=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"ERROR: --btf: {path} holds no types of a kernel: ")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_files_that_are_not_there() -> None:
    assert script(READ, "--btf", "/no/such", hide=False)[1].startswith(
        "ERROR: --btf: cannot read /no/such: No such file or directory"
    )
    assert "PRYBEE_BTF: cannot read /tmp: Is a directory" in script(READ, PRYBEE_BTF="/tmp")[1]
    err = script(READ, "--btf", "/bin/sh", hide=False)[1]
    assert err.startswith("ERROR: --btf: /bin/sh has no section .BTF: it was built without types")


def test_the_kernels_own_types_are_damaged(tmp_path: Path) -> None:
    """As far as that can be had: another file in their place."""
    path = tmp_path / "vmlinux"
    path.write_bytes(_cut(Path(OWN).read_bytes()))
    command = ["unshare", "-m", "sh", "-c", f'mount --bind {path} {OWN} && exec "$@"', "sh",
               *PRYBEE, "-q", "-e", 'interval:ms:10 { printf("%d\\n", pid); exit(); }']  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT,
                          timeout=LIMIT, check=False)  # fmt: skip
    assert done.stdout.strip().isdecimal(), done.stderr
