"""Programs of i386 on a kernel of x86-64: what handlers see is what the programs had."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.tracing import Trace, run
from tests.probes.running import trace

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).parent / "programs" / "narrow.c"
FLAGS = ("-m32", "-g", "-O1", "-fno-omit-frame-pointer", "-ffreestanding", "-fno-stack-protector",
         "-nostdlib")  # fmt: skip
KINDS = {"fixed": ("-static", "-no-pie", "-fno-pie"), "moved": ("-static-pie", "-fPIE")}

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="runs programs of i386"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="builds programs of i386: needs gcc"),
]


@pytest.fixture(scope="module", params=KINDS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program, loaded where it was linked or anywhere."""
    path = str(tmp_path_factory.mktemp(request.param) / "narrow")
    command = ["gcc", *FLAGS, *KINDS[request.param], "-o", path, str(SOURCE)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"gcc builds no programs of i386: {built.stderr[:200]}")
    try:
        subprocess.run([path], input=b"", check=False)
    except OSError as failure:
        pytest.skip(f"the kernel runs no programs of i386: {failure}")
    return path


def times(path: str, count: int = 1) -> Callable[[], None]:
    """A cause: the program, doing its work so many times."""

    def start() -> None:
        done = subprocess.run([path], input=b"x" * count, capture_output=True, check=False)
        assert done.returncode == 3
        assert done.stdout == b"some text" * count

    return start


def test_arguments_by_position(program: str) -> None:
    """All are on the stack, in words of four bytes; a number of eight takes two."""
    found, _plan = trace(
        f"""uprobe:{program}:six {{
            @a = (int32)arg0; @b = arg1; @c = str(arg2); @d = (int16)arg3; @low = arg4;
            @high = arg5; @x = *(int32 *)arg6; @n = count();
        }}""",
        times(program, 2),
    )
    assert found == {
        "@a": -5, "@b": 200, "@c": "some text", "@d": -300, "@low": 0, "@high": 2, "@x": -3,
        "@n": 2,
    }  # fmt: skip


def test_arguments_by_name(program: str) -> None:
    """Pointers have four bytes, wherever they lie."""
    found, _plan = trace(
        f"""uprobe:{program}:six {{
            @a = args.a; @b = args.b; @c = str(args.c); @d = args.d; @e = args.e;
            @name = str(args.f.name); @big = args.f.big; @second = str(args.f.names[1]);
            @same = (uint64)args.f == arg6; @size = sizeof(struct point); @pointer = sizeof(args.f);
        }}""",
        times(program),
    )
    assert found == {
        "@a": -5, "@b": 200, "@c": "some text", "@d": -300, "@e": 1 << 33, "@name": "some text",
        "@big": 1 << 40, "@second": "text", "@same": True, "@size": 28, "@pointer": 4,
    }  # fmt: skip


def test_structs_as_arguments(program: str) -> None:
    found, _plan = trace(
        f"uprobe:{program}:named {{ @x = args.p.x; @y = args.p.y; @name = str(args.p.name); "
        "@z = args.z; @last = arg7; }",
        times(program),
    )
    assert found == {"@x": -3, "@y": 7, "@name": "some text", "@z": 9, "@last": 9}


def test_results(program: str) -> None:
    """Of four bytes, of eight in two registers, pointers, and structs in memory."""
    found, _plan = trace(
        f"""uretprobe:{program}:negative {{ @negative = retval; }}
            uretprobe:{program}:sum {{ @sum = retval; }}
            uretprobe:{program}:named {{ @named = str(retval); }}
            uretprobe:{program}:make {{ @x = retval.x; @y = retval.y; @big = retval.big; }}
            uretprobe:{program}:nega* {{ @low = retval; }}""",
        times(program),
    )
    assert found == {
        "@negative": -4, "@sum": (1 << 40) + 2, "@named": "some text", "@x": 5, "@y": 7,
        "@big": 1 << 40, "@low": 2**32 - 4,
    }  # fmt: skip


def test_pointers_that_a_script_casts_to(program: str) -> None:
    """A pointer to pointers steps by four bytes."""
    found, _plan = trace(
        f"""uprobe:{program}:six {{
            $names = (char **)(arg6 + 20); @first = str($names[0]); @second = str(*($names + 1));
            @size = sizeof(char *);
        }}""",
        times(program),
    )
    assert found == {"@first": "ome text", "@second": "text", "@size": 4}


def test_maps_and_variables_of_pointers(program: str) -> None:
    found, _plan = trace(
        f"""uprobe:{program}:six {{
            @p = args.f; $name = args.f.name; @[args.f] = 1; @name = str($name);
            @same = @p == args.f; @x = @p.x;
        }}""",
        times(program),
    )
    (key,) = found.pop("@")  # type: ignore[attr-defined]
    assert found.pop("@p") == key
    assert key < 1 << 32
    assert found == {"@name": "some text", "@same": True, "@x": -3}


def test_printed_records(program: str, tmp_path: Path) -> None:
    """Text and JSON read four bytes as well."""
    script = f"uprobe:{program}:six {{ print(args); exit(); }}"
    pattern = (
        r"{ \.a = -5, \.b = 200, \.c = (0x[0-9a-f]+), \.d = -300, \.e = 8589934592, "
        r"\.f = (0x[0-9a-f]+) }"
    )
    with Trace("-e", script) as following:
        subprocess.run([program], input=b"x", check=False, capture_output=True)
        found = re.match(pattern, following.wait())
    assert found
    assert 0 < int(found[1], 16) < int(found[2], 16) < 1 << 32
    (tmp_path / "input").write_bytes(b"x")
    command = f"sh -c 'exec {program} <{tmp_path}/input'"
    printed = run("-f", "json", "-e", script, "-c", command).stdout
    assert '"a": -5, "b": 200' in printed
    assert int(re.findall(r'"f": (\d+)', printed)[0]) < 1 << 32


def test_symbols(program: str) -> None:
    found, _plan = trace(
        f"""uprobe:{program}:leaf {{
            @counter = *uaddr("counter"); @at = reg("ip") == (uint64)uaddr("leaf");
            @code = reg("cs"); @mode = usermode; @frames = len(ustack(10)) >= 3;
        }}""",
        times(program),
    )
    assert found == {"@counter": 42, "@at": True, "@code": 0x23, "@mode": 1, "@frames": True}


def test_stacks(program: str) -> None:
    """Frames lie in words of four bytes, which the kernel knows; names are ours. The frame is made
    by the first two instructions."""
    with Trace("-e", f"uprobe:{program}:middle+3 {{ print(ustack); exit(); }}") as following:
        subprocess.run([program], input=b"x", check=False, capture_output=True)
        lines = following.wait().split()
    assert [line.partition("+")[0] for line in lines[:2]] == ["middle", "start"]


def test_usdt(program: str) -> None:
    found, _plan = trace(
        f"""usdt:{program}:registers {{ @r = (arg0, arg1, arg2, arg3, arg4, arg5, arg6); }}
            usdt:{program}:stack {{ @s = (arg0, arg1, arg2, arg3); }}
            usdt:{program}:memory {{ @m = (arg0, arg1, arg2); }}
            usdt:{program}:symbols {{ @y = (arg0, arg1); }}
            usdt:{program}:guarded {{ @g = arg0; @c = *uaddr("counter"); }}""",
        times(program, 2),
    )
    assert found == {
        "@r": (-1, 2**32 - 1, 0x1234, 0x34, 0x12, -1, 2**32 - 1),
        "@s": (-5, 70000, -7, 5),
        "@m": (11, -33, 22),
        "@y": (11, -33),
        "@g": 99,
        "@c": 43,
    }


def test_numbers_of_system_calls(program: str) -> None:
    """A number means another call for such a program; names are those of its calls."""
    found, _plan = trace(
        """tracepoint:raw_syscalls:sys_enter /comm == "narrow"/ {
               @[args.id, syscall_name(args.id)] = count();
               if (args.id == 4) { @fd = args.args[0]; @length = args.args[2]; }
           }
           tracepoint:raw_syscalls:sys_exit /comm == "narrow"/ {
               @exits[syscall_name(args.id)] = count();
           }""",
        times(program, 2),
    )
    calls = found["@"]
    assert isinstance(calls, dict)
    assert calls.pop((1, "exit")) == 1
    assert calls.pop((3, "read")) == 3
    assert calls.pop((4, "write")) == 2
    # What Python did on the way to the program are calls of 64 bits.
    assert not {name for _number, name in calls} - {"execve", "brk", "arch_prctl"}
    exits = found["@exits"]
    assert isinstance(exits, dict)
    assert (exits["read"], exits["write"]) == (3, 2)
    assert (found["@fd"], found["@length"]) == (1, 9)


MISSED = (
    "WARNING: {} is a program of i386: tracepoint:syscalls:* of x86_64 tells nothing of its "
    "system calls; tracepoint:raw_syscalls:sys_enter and sys_exit do, with syscall_name(args.id)\n"
)


def test_events_that_such_a_program_does_not_cause(program: str) -> None:
    """``sys_enter_write`` is not there for it: a script that follows it is told so."""
    script = "tracepoint:syscalls:sys_enter_write /pid == cpid/ { @ = count(); }"
    done = run("-q", "-e", script, "-c", program)
    assert done.stderr == MISSED.format(program)
    assert "@" not in done.stdout
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        pid = str(process.pid)
        done = run("-q", "--dry-run", "-e", script.replace(" /pid == cpid/", ""), "-p", pid)
        assert done.stderr == MISSED.format(f"process {pid}")
        script = "tracepoint:raw_syscalls:sys_enter { @ = count(); }"
        assert run("-q", "--dry-run", "-e", script, "-p", pid).stderr == ""
        assert process.stdin is not None
        process.stdin.close()


def test_within_an_instruction(program: str) -> None:
    """32-bit code has other lengths: 0x40 is an instruction, not a prefix."""
    listing = subprocess.run(
        ["objdump", "-d", "--disassemble=six", program], capture_output=True, text=True, check=True
    ).stdout
    starts = [int(at, 16) for at in re.findall(r"^\s+([0-9a-f]+):\t", listing, re.M)]
    first = starts[0]
    for offset in range(1, starts[-1] - first):
        done = run("--dry-run", "-e", f"uprobe:{program}:six+{offset} {{ }}")
        begins = first + offset in starts
        assert (done.returncode == 0) == begins, (offset, done.stderr)
        if not begins:
            assert "middle of instruction" in done.stderr
        if offset > 12:
            break


def test_results_in_vector_registers_are_left_alone(program: str) -> None:
    """``st(0)`` cannot be read; a probe there works."""
    found, _plan = trace(f"uretprobe:{program}:half {{ @ = count(); }}", times(program, 2))
    assert found == {"@": 2}
