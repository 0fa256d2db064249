"""Traces of programs that the tests build: started by -c, running already, or many at once."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.tracing import Trace, run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="builds programs to probe: needs gcc"),
]

FUNCTIONS = 300

# A program that hits its functions and its USDT probe; `work` calls `inner`, for stacks.
SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTE(name, arguments)                                                          \
	__asm__ volatile("990: nop\n"                                                  \
		".pushsection .note.stapsdt,\"?\",\"note\"\n"                          \
		".balign 4\n.4byte 992f-991f, 994f-993f, 3\n"                          \
		"991: .asciz \"stapsdt\"\n992: .balign 4\n"                            \
		"993: .8byte 990b\n.8byte _.stapsdt.base\n.8byte 0\n"                  \
		".asciz \"tests\"\n.asciz \"" name "\"\n.asciz \"" arguments "\"\n"    \
		"994: .balign 4\n.popsection\n" : : "D"(value))
__asm__(".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
	".weak _.stapsdt.base\n.hidden _.stapsdt.base\n"
	"_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n.popsection\n");

__attribute__((noinline)) int leaf(int value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

__attribute__((noinline)) int inner(int value)
{
	NOTE("hit", "-4@%%edi");
	return leaf(value) + 1;
}

__attribute__((noinline)) int work(int value, const char *text)
{
	int result = inner(value) * 2;
	__asm__ volatile("" : "+r"(result));
	return result;
}

#include "many.h"

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1;
	int pause = argc > 2 ? atoi(argv[2]) : 0;
	const volatile char *text = "text";
	(void)*text; /* uprobes read only memory that is there */
	if (argc > 3)
		getchar();
	for (int i = 0; i < rounds; i++) {
		work(i, "text");
		if (pause)
			usleep(pause);
	}
	call_many();
	return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """``program ROUNDS PAUSE_US [WAIT]``."""
    folder = tmp_path_factory.mktemp("target")
    many = [
        f'__attribute__((noinline)) void many_{i}(void) {{ __asm__ volatile(""); }}'
        for i in range(FUNCTIONS)
    ]
    calls = "".join(f" many_{i}();" for i in range(FUNCTIONS))
    (folder / "many.h").write_text(
        "\n".join(many) + f"\nstatic void call_many(void) {{{calls} }}\n"
    )
    (folder / "target.c").write_text(SOURCE)
    path = folder / "target"
    subprocess.run(
        ["gcc", "-O1", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls",
         "-o", path, folder / "target.c"], check=True,
    )  # fmt: skip
    return str(path)


@pytest.fixture
def running(program: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program, doing a round every millisecond."""
    process = subprocess.Popen([program, "1000000", "1000"])
    yield process
    process.kill()
    process.wait()


# -- the child of -c -----------------------------------------------------------------------------


def test_child_from_its_first_instruction(program: str) -> None:
    """Nothing of the child is missed: it is held until all probes are attached."""
    done = run(
        "-q", "-c", f"{program} 5", "-e",
        f'uprobe:{program}:main {{ printf("main %d\\n", pid == cpid) }} '
        f'uprobe:{program}:work {{ printf("work %d %s\\n", arg0, str(arg1)) }} '
        f'uretprobe:{program}:work {{ printf("= %d\\n", retval) }} '
        f'usdt:{program}:tests:hit {{ printf("hit %d\\n", arg0) }} '
        'end { printf("end\\n") }',
    )  # fmt: skip
    expected = ["main 1"]
    for i in range(5):
        expected += [f"work {i} text", f"hit {i}", f"= {(i + 1) * 2}"]
    assert done.stdout.splitlines()[:17] == [*expected, "end"], done.stderr
    assert done.returncode == 0


def test_only_the_child_with_usdt(program: str, running: subprocess.Popen[bytes]) -> None:
    """Probes on a file see every process, unless -c or -p names one."""
    script = f"usdt:{program}:tests:hit {{ @[pid == cpid] = count(); }}"
    done = run("-q", "-c", f"{program} 50 1000", "-e", script)
    assert done.stdout.strip() == "@[true]: 50", done.stderr


def test_stack_of_a_child_that_has_ended(program: str) -> None:
    """Maps are printed when the child is gone: its stacks have names all the same."""
    # At its first instruction a function has no frame yet: the USDT probe stands further on.
    script = f'usdt:{program}:tests:hit {{ @[ustack] = count(); @f[usym(reg("ip"))] = count(); }}'
    done = run("-q", "-c", f"{program} 7", "-e", script)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"@\[\n +inner\+\d+\n +work\+\d+\n +main\+\d+\n(?: +.*\n)*\]: 7\n", done.stdout
    ), done.stdout
    assert "@f[inner]: 7" in done.stdout


def test_short_child_is_seen_to_its_end(program: str) -> None:
    """Records that the child caused just before its end are shown."""
    done = run("-q", "-c", f"{program} 2000", "-e", f"uprobe:{program}:work {{ print(arg0) }}")
    assert done.stdout.split() == [str(i) for i in range(2000)]
    assert "Lost" not in done.stderr


# -- a process of -p -----------------------------------------------------------------------------


def test_only_events_of_the_process(program: str, running: subprocess.Popen[bytes]) -> None:
    """-p: the events of that process, and of no other that runs the same program."""
    other = subprocess.Popen([program, "1000000", "1000"])
    script = (
        f"uprobe:{program}:work {{ @u[pid] = count(); }} "
        f"usdt:{program}:tests:hit {{ @s[pid] = count(); }}"
        "interval:ms:300 { exit() }"
    )
    try:
        done = run("-q", "-p", str(running.pid), "-e", script)
        every = run("-q", "-e", script)
    finally:
        other.kill()
        other.wait()
    keys = re.findall(r"^@([su])\[(\d+)\]: \d+$", done.stdout, re.M)
    assert sorted(keys) == [("s", str(running.pid)), ("u", str(running.pid))], done.stderr
    pids = {int(pid) for _, pid in re.findall(r"^@([su])\[(\d+)\]", every.stdout, re.M)}
    assert pids == {running.pid, other.pid}


def test_stacks_of_a_process(program: str, running: subprocess.Popen[bytes]) -> None:
    """Frames of a process that lives, in each mode."""
    script = (
        f"usdt:{program}:tests:hit {{ @a[ustack(2)] = count(); @p[ustack(perf, 2)] = count(); "
        "@r[ustack(raw, 2)] = count(); @b[ustack(build_id, 2)] = count(); exit() }"
    )
    done = run("-q", "-p", str(running.pid), "-e", script)
    name = re.escape(program)
    assert re.search(r"@a\[\n        inner\+\d+\n        work\+\d+\n\]: ", done.stdout), done.stdout
    assert re.search(rf"@p\[\n\t[0-9a-f]+ inner\+\d+ \({name}\)\n", done.stdout), done.stdout
    assert re.search(r"@r\[\n[0-9a-f]+\n[0-9a-f]+\n\]: ", done.stdout), done.stdout
    assert re.search(r"@b\[\n[0-9a-f]{40} 0x[0-9a-f]+\n", done.stdout), done.stdout


def test_process_ends_while_attaching(program: str) -> None:
    """The target of -p ends at any moment of the start: an orderly end, or one message."""
    for delay in (0.0, 0.1, 0.2, 0.3):
        process = subprocess.Popen(["sleep", str(delay)])
        done = run("-p", str(process.pid), "-e", "interval:s:30 { } end { }", limit=10)
        process.wait()
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr
        assert done.returncode in (0, 1)
        if done.returncode:
            assert "no such process" in done.stderr or "no process with the pid" in done.stderr


# -- many probes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--no-feature", "uprobe_multi")], ids=["multi", "each"])
def test_hundreds_of_probes(program: str, options: tuple[str, ...]) -> None:
    """A wildcard over 300 functions, with a name for each hit, in one link or in 300."""
    script = f"uprobe:{program}:many_* {{ @[probe] = count(); @all = count(); }}"
    done = run(*options, "-c", program, "-e", script)
    assert f"Attached {FUNCTIONS} probes\n" in done.stderr, done.stderr
    assert len(re.findall(rf"^@\[uprobe:{program}:many_\d+\]: 1$", done.stdout, re.M)) == FUNCTIONS
    assert f"@all: {FUNCTIONS}\n" in done.stdout


def test_end_of_many_tracepoints() -> None:
    """With hundreds of tracepoints attached, Ctrl-C ends it and prints what each has counted.

    (How long that takes beside bpftrace is in bench/measures/many.py.)
    """
    with Trace("-e", "t:syscalls:sys_enter_* { @[probe] = count() }") as trace:
        assert "@[tracepoint:syscalls:sys_enter_" in trace.finish()


def test_too_many_probes() -> None:
    """Beyond max_probes: a message that names the setting."""
    script = "config = { max_probes = 10 } t:syscalls:sys_enter_* { }"
    done = run("-e", script)
    assert done.returncode == 1
    assert "BPFTRACE_MAX_PROBES" in done.stderr
    assert len(done.stderr.splitlines()) <= 5


# -- probes that are not there -------------------------------------------------------------------

POLICY = (
    'config = {{ missing_probes = "{policy}" }} uprobe:{program}:work, '
    "uprobe:{program}:no_such_function {{ @ = count() }}"
)


def test_missing_probe_is_an_error(program: str) -> None:
    """By default, and with the policy ``error``: nothing is attached."""
    script = POLICY.format(policy="error", program=program)
    for text in (script, script.partition("} ")[2]):
        done = run("-c", program, "-e", text)
        assert done.returncode == 1, text
        assert "No matches for uprobe" in done.stderr
        assert "no_such_function" in done.stderr
        assert "Attached" not in done.stderr


def test_missing_probe_is_warned_of(program: str) -> None:
    """With ``warn`` the others are attached, with ``ignore`` nothing is said."""
    warned = run("-c", f"{program} 3", "-e", POLICY.format(policy="warn", program=program))
    assert warned.returncode == 0
    assert "WARNING" in warned.stderr
    assert "no_such_function" in warned.stderr
    assert warned.stdout.strip() == "@: 3"
    ignored = run("-c", f"{program} 3", "-e", POLICY.format(policy="ignore", program=program))
    assert ignored.returncode == 0
    assert ignored.stderr == "Attached 1 probe\n"
    assert ignored.stdout.strip() == "@: 3"


@pytest.mark.parametrize("policy", ["warn", "ignore"])
def test_nothing_left_to_attach(program: str, policy: str) -> None:
    """All are missing: that is an error under every policy."""
    script = f'config = {{ missing_probes = "{policy}" }} uprobe:{program}:no_such_* {{ @ = 1 }}'
    done = run("-e", script)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "No probes to attach"
    assert len(done.stderr.splitlines()) <= 6


# -- order ---------------------------------------------------------------------------------------


def test_blocks_on_one_event_run_in_order(program: str) -> None:
    """Two blocks (and a list that names a probe twice) on the same place, in the script's order."""
    point = f"uprobe:{program}:work"
    script = (
        f'{point} {{ printf("a\\n") }} {point} {{ printf("b\\n") }} '
        f'usdt:{program}:tests:hit {{ printf("c\\n") }} '
        f'usdt:{program}:tests:hit {{ printf("d\\n") }} '
    )
    done = run("-q", "-c", f"{program} 2", "-e", script)
    assert done.stdout.split() == ["a", "b", "c", "d"] * 2, done.stderr
    two = "t:syscalls:sys_enter_chdir /pid == cpid/"
    done = run(
        "-q", "-c", "sh -c 'cd /'", "-e",
        f'{two} {{ printf("1\\n") }} {two} {{ printf("2\\n") }} {two} {{ printf("3\\n") }}',
    )  # fmt: skip
    assert done.stdout.split() == ["1", "2", "3"], done.stderr


def test_predicates_share_events(program: str) -> None:
    """Blocks with other predicates on one place see the same events."""
    point = f"uprobe:{program}:work"
    script = (
        f"{point} /arg0 % 2 == 0/ {{ @even = count() }} {point} /arg0 % 2/ {{ @odd = count() }}"
    )
    done = run("-q", "-c", f"{program} 11", "-e", script)
    assert done.stdout.split() == ["@even:", "6", "@odd:", "5"], done.stderr


def test_stripped_program(program: str, tmp_path: Path) -> None:
    """Without symbols: by address it works, by name it says why not."""
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, program], check=True)
    listing = subprocess.run(["nm", program], check=True, capture_output=True, text=True).stdout
    address = next(line.split()[0] for line in listing.splitlines() if line.endswith(" T work"))
    named = run("-e", f"uprobe:{stripped}:work {{ @ = count() }}")
    assert named.returncode == 1
    assert "is stripped" in named.stderr
    script = f"uprobe:{stripped}:0x{address} {{ @ = count() }}"
    refused = run("-e", script)
    assert refused.returncode == 1
    assert "Use --unsafe to force attachment" in refused.stderr
    done = run("-q", "--unsafe", "-c", f"{stripped} 4", "-e", script)
    assert done.stdout.strip() == "@: 4", done.stderr
