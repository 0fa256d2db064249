"""Traces that are interrupted, killed, overrun or misled: each ends as it should."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prybee.diagnostics import KernelError
from prybee.linux import attributes, features
from prybee.linux.attributes import bpf
from tests.live.corpus import ENVIRONMENT, PRYBEE
from tests.live.tracing import Trace, run

pytestmark = pytest.mark.live

QUIET = 'tracepoint:syscalls:sys_enter_syncfs { @z = 1 } end { printf("end\\n") }'


def start(*arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start the command, without waiting for anything."""
    return subprocess.Popen(
        [*PRYBEE, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**ENVIRONMENT, **(env or {})},
    )  # fmt: skip


def gone_within(process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, bytes]:
    """What it printed; fails when it does not end in time."""
    try:
        return process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"still there after {seconds} s") from None


# -- signals -------------------------------------------------------------------------------------


def our_own(process: subprocess.Popen[bytes]) -> None:
    """Wait until the interpreter has started, and prybee has taken SIGINT from it.

    The interpreter ignores SIGPIPE from its start on, and then catches SIGINT at once.
    """
    end = time.monotonic() + 20
    taken = 0
    while time.monotonic() < end:
        status = Path(f"/proc/{process.pid}/status").read_text()
        ignored, caught = (
            int(re.search(rf"^{name}:\s*(\w+)", status, re.M)[1], 16)  # type: ignore[index]
            for name in ("SigIgn", "SigCgt")
        )
        started = ignored >> (signal.SIGPIPE - 1) & 1 and not caught >> (signal.SIGINT - 1) & 1
        taken = taken + 1 if started else 0
        if taken == 10:
            return
        time.sleep(0.001)
    process.kill()
    process.communicate()
    raise AssertionError("the command does not begin")


@pytest.mark.real_start
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_signals_during_the_start(number: signal.Signals) -> None:
    """At whatever moment it comes: an end within a second, without a word about Python."""
    for delay in (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3):
        process = start("-e", QUIET)
        our_own(process)
        time.sleep(delay)
        process.send_signal(number)
        out, err = gone_within(process, 3)
        assert b"internal error" not in err
        assert b"Traceback" not in err, (delay, err)
        # killed by it, or ended in order
        assert process.returncode in (-number, 0), (delay, err)
        assert out in (b"", b"end\n\n\n"), (delay, out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_signal_while_attached(number: signal.Signals) -> None:
    """Probes are detached, ``end`` runs, maps are printed; no timer of 60 seconds is waited for."""
    with Trace("-e", 'begin { @a = 5; @b["x"] = 6 } interval:s:60 { } ' + QUIET) as trace:
        assert trace.finish(number) == "end\n\n\n@a: 5\n@b[x]: 6\n"


def test_two_signals_at_once() -> None:
    """The second one may cut the end short; nothing hangs, nothing is said about it."""
    for pause in (0.0, 0.001, 0.01):
        with Trace("-e", QUIET) as trace:
            trace.process.send_signal(signal.SIGINT)
            time.sleep(pause)
            trace.process.send_signal(signal.SIGINT)
            out, err = gone_within(trace.process, 2)
            assert trace.process.returncode in (0, 130, -signal.SIGINT)
            assert b"Traceback" not in err
            assert out in (b"", b"end\n", b"end\n\n\n")


def test_second_signal_while_maps_are_printed() -> None:
    """Maps into a pipe that nobody reads: the first signal cannot end that, the second does."""
    script = "begin { for ($i : 0..4000) { @[$i] = $i } } " + QUIET
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen(
        [*PRYBEE, "-e", script],
        stdin=subprocess.DEVNULL, stdout=write, stderr=subprocess.PIPE, env=ENVIRONMENT,
    )  # fmt: skip
    os.close(write)
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"Attached")
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.4)
    _out, err = gone_within(process, 2)
    os.close(read)
    assert process.returncode in (130, -signal.SIGINT)
    assert b"Traceback" not in err


def test_interrupted_map_printing_is_whole() -> None:
    """One signal only, while maps are printed: they are printed to their end."""
    # More than a pipe holds, so that it cannot be done before the signal comes; and no more
    # rounds than kernels without bpf_loop take.
    text = 70 * "x"
    script = f'begin {{ for ($i : 0..4000) {{ @[$i, "{text}"] = $i }} exit() }} '
    process = start("-e", script)
    assert process.stdout is not None
    head = os.read(process.stdout.fileno(), 1000)
    process.send_signal(signal.SIGINT)
    out, err = gone_within(process, 5)
    assert process.returncode == 0, err
    assert (head + out).count(b"\n") == 4002


def test_user_signal() -> None:
    """SIGUSR1 runs ``self:signal:SIGUSR1`` blocks, each time; others leave the trace alone."""
    script = (
        'self:signal:SIGUSR1 { @n++; printf("got %d\\n", @n) } self:signal:SIGUSR1 { @m++ } '
        + QUIET
    )
    with Trace("-e", script) as trace:
        for _ in range(3):
            trace.process.send_signal(signal.SIGUSR1)
            time.sleep(0.1)
        out = trace.finish()
    assert out == "got 1\ngot 2\ngot 3\nend\n\n\n@m: 3\n@n: 3\n"
    with Trace("-e", QUIET) as trace:
        trace.process.send_signal(signal.SIGUSR1)
        assert trace.finish() == "end\n\n\n"


def test_child_is_terminated() -> None:
    """The child of -c gets SIGTERM when the trace ends first; one that is held never runs."""
    # The child sleeps when it has set its trap.
    script = 't:syscalls:sys_enter_clock_nanosleep /comm == "sleep" && ppid == cpid/ { exit() }'
    command = "sh -c 'trap \"echo stopped; exit 0\" TERM; while :; do sleep 0.05; done'"
    done = run("-q", "-c", command, "-e", script)
    assert done.returncode == 0
    assert "stopped" in done.stdout
    held = run("-c", "echo ran", "-e", "begin { nosuch() }")
    assert "ran" not in held.stdout


def test_killed_by_force(tmp_path: Path) -> None:
    """After kill -9 no program and no link is left, and a held child does not run."""
    with Trace("-e", "profile:hz:5 { @[kstack] = count() } uprobe:libc:getenv { } " + QUIET) as t:
        programs, links = kernel_ids(t.process.pid)
        assert len(programs) >= 3
        assert links or not features.probe("perf_link")
        assert all(program_there(each) for each in programs)
        t.process.kill()
        t.process.communicate()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        left = [each for each in programs if program_there(each)]
        left += [each for each in links if link_there(each)]
        if not left:
            return
        time.sleep(0.05)
    raise AssertionError(f"left in the kernel: {left}")


def kernel_ids(pid: int) -> tuple[set[int], set[int]]:
    """The programs and links that a process holds, by /proc."""
    programs, links = set(), set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            text = Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
        except OSError:
            continue
        programs |= {int(n) for n in re.findall(r"^prog_id:\t(\d+)", text, re.M)}
        links |= {int(n) for n in re.findall(r"^link_id:\t(\d+)", text, re.M)}
    return programs, links


def program_there(number: int) -> bool:
    """Whether the kernel still has the program with this id."""
    try:
        os.close(bpf(attributes.PROG_GET_FD_BY_ID, "", prog_id=number))
    except KernelError:
        return False
    return True


def link_there(number: int) -> bool:
    """Whether the kernel still has the link with this id."""
    try:
        os.close(bpf(attributes.LINK_GET_FD_BY_ID, "", link_id=number))
    except KernelError:
        return False
    return True


# -- pipes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["line", "full", "none"])
def test_reader_goes(mode: str) -> None:
    """``prybee … | head -1`` ends quietly, with status 0."""
    script = 'interval:ms:1 { printf("%s\\n", "some text that is printed again and again") }'
    process = start("-B", mode, "-e", script)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 0
    assert err == b"Attached 1 probe\n"


def test_reader_goes_while_nothing_happens() -> None:
    """A trace without events notices it too."""
    process = start("-e", QUIET)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stderr.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(2) == 0


@pytest.mark.parametrize("words", [("-l", "t:*"), ("-h",), ("doctor",), ("-d", "asm", "-e", QUIET)])
def test_reader_goes_of_other_commands(words: tuple[str, ...]) -> None:
    """So do the commands that only print."""
    process = start(*words)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(5) == 0
    assert err in (b"", b"Attached 2 probes\n")


def test_reader_of_errors_goes() -> None:
    """Nobody reads messages: the trace goes on."""
    process = start("-e", 'begin { warnf("x\\n"); printf("y\\n"); exit() }')
    assert process.stderr is not None
    process.stderr.close()
    assert process.stdout is not None
    out = process.stdout.read()
    process.stdout.close()
    assert process.wait(5) == 0
    assert out == b"y\n\n\n"


# -- losses --------------------------------------------------------------------------------------


def test_a_burst_into_a_tiny_ring() -> None:
    """Each event is delivered or counted as lost: the sum is what was generated."""
    count = 30000
    code = f"import os\nfor _ in range({count}): os.getppid()"
    script = (
        "tracepoint:syscalls:sys_enter_getppid /pid == cpid/ { @generated = count(); "
        'printf("%100d\\n", nsecs) }'
    )
    process = start(
        "-c", f"{sys.executable} -S -c '{code}'", "-e", script, env={"BPFTRACE_PERF_RB_PAGES": "1"}
    )
    out, err = gone_within(process, 30)
    assert process.returncode == 0, err
    text, errors = out.decode(), err.decode()
    generated = int(re.search(r"@generated: (\d+)", text)[1])  # type: ignore[index]
    delivered = sum(len(line) == 100 for line in text.splitlines())
    assert generated >= count
    lost = sum(map(int, re.findall(r"^Lost (\d+) events$", errors, re.M)))
    assert delivered + lost == generated, errors
    assert lost > 0, "a ring of one page should have been too small"
    assert f"Total lost event count: {lost}" in errors


def test_full_map() -> None:
    """A map that is full says so once, with its place; what was in it stays."""
    done = run(
        "-e",
        "config = { max_map_keys = 10 } begin { for ($i : 0..50) { @[$i] = $i + 1 } exit() }",
    )
    assert done.returncode == 0
    assert len(re.findall(r"^@\[\d+\]: \d+$", done.stdout, re.M)) == 10
    assert "Map full; can't update element. Try increasing max_map_keys config" in done.stderr
    assert "(40 times)" in done.stderr
    assert done.stderr.count("Map full") <= 2


RUNTIME = [
    # script, printed, what is told without -k, what is told with -k
    ("begin { @[1] = 1; delete(@, 2); delete(@, 1); exit() }", "", "", ""),
    ("begin { @[1] = 1; print(delete(@, 2)); print(delete(@, 1)); exit() }", "false\ntrue", "", ""),
    (
        "begin { $z = nsecs * 0; print(7 / $z); print(7 % $z); print(-7 / (int64)$z); exit() }",
        None,
        "Divide or modulo by 0 detected",
        "Divide or modulo by 0 detected",
    ),
    (
        "begin { $a = (1, 2); let $b: int32[4]; $i = nsecs * 0 + 9; print($b[$i]); exit() }",
        "0",
        "Array access out of bounds",
        "Array access out of bounds",
    ),
    (
        "begin { @[1] = 1; print(@[2]); exit() }",
        "0\n\n\n@[1]: 1",
        "",
        "",
    ),
]


@pytest.mark.parametrize("case", RUNTIME, ids=lambda case: case[0][:40])
def test_faults_at_run_time(case: tuple[str, str | None, str, str]) -> None:
    """The program goes on; the fault is told where it was, once, and with -k more of them."""
    script, printed, told, told_more = case
    done = run("-e", script)
    assert done.returncode == 0, done.stderr
    if printed is not None:
        assert done.stdout.strip() == printed
    if told:
        assert told in done.stderr
        assert "stdin:1:" in done.stderr
    else:
        assert "WARNING" not in done.stderr
    more = run("-k", "-e", script)
    assert told_more in more.stderr


def test_truncated_strings() -> None:
    """A string that does not fit shows the trailer, in text, keys and comparisons' operands."""
    script = (
        'config = { max_strlen = 16; str_trunc_trailer = ".." } begin '
        "{ $s = str($1); print($s); @[$s] = 1; exit() }"
    )
    done = run("-e", script, "abcdefghijklmnopqrstuvwxyz")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert lines[0].startswith("abcdefghijklmn"), lines
    assert len(lines[0]) <= 26
    small = run("-e", script, "abc")
    assert small.stdout == "abc\n\n\n@[abc]: 1\n"


# -- misuse --------------------------------------------------------------------------------------

# Where there is one, it takes the place of the other.
neither = pytest.mark.skipif(
    bool(features.probe("kprobe") or features.probe("fentry")),
    reason="this kernel has kprobes or fentry",
)
MISTAKES = [
    ("begin { prnt(1) }", "Unknown function: 'prnt'", "printf"),
    ("begn { }", "Invalid probe type: begn", "begin"),
    ("t:syscalls:sys_enter_opn { }", "No matches for tracepoint", "sys_enter_open"),
    ("t:sched:sched_switch { print(args.prevcomm) }", "no field|does not contain", "prev_comm"),
    ("begin { print(curtask.pidd) }", "does not contain a field named 'pidd'", "pid"),
    ("begin { print(((struct task_strct *)1).pid) }", "unknown type", "task_struct"),
    ("begin { print(pidd) }", "Unknown identifier: 'pidd'", "pid"),
    ("rawtracepoint:sched_swtch { }", "no valid attach points", "sched_switch"),
    ("iter:tsk { }", "iter tsk not available", "task"),
    ("software:cpu-clok:1 { }", "cpu-clok is not a software probe", "cpu-clock"),
    ("uprobe:libc:mallocc { }", "No matches for uprobe", "malloc"),
    ("uprobe:libcc:malloc { }", "does not exist|No matches", ""),
    ("config = { max_strln = 3 } begin { }", "max_strln: not a known configuration", "max_strlen"),
    pytest.param("kprobe:vfs_read { }", "kprobe", "tracepoint", marks=neither),
    pytest.param("fentry:vfs_read { }", "fentry", "rawtracepoint", marks=neither),
    ("interval:parsecs:1 { }", "not an accepted unit", "ms"),
    ("profile:hz:0 { }", "positive", ""),
    ("begin", "syntax", ""),
    ("begin {", "syntax", ""),
    ("{ }", "syntax", ""),
    ('begin { print("', "unterminated string", ""),
    ("begin { /* }", "unterminated comment", ""),
    ('begin { @x = 1; @x = "a" }', "Type mismatch", ""),
    ("begin { $x = 99999999999999999999999 }", "", ""),
]


@pytest.mark.parametrize("script", ["", " \n\t // nothing"])
def test_nothing_to_do(script: str) -> None:
    """Nothing is wrong with such a script, nothing is left to do: bpftrace's words; status 1."""
    done = run("-e", script)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "No probes to attach\n")


@pytest.mark.parametrize(("script", "message", "meant"), MISTAKES, ids=lambda v: str(v)[:30])
def test_mistakes(script: str, message: str, meant: str) -> None:
    """One message, with what was probably meant, in a few lines; status 1."""
    done = run("-e", script)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert re.search(message, done.stderr), done.stderr
    assert "ERROR: " in done.stderr
    assert meant in done.stderr
    assert len(done.stderr.splitlines()) <= 5, done.stderr
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr


def files(folder: Path) -> Iterator[tuple[str, bytes, str]]:
    """Files that are no scripts: name, content, message."""
    yield "latin.bt", b'begin { print("\xfc") }', "not UTF-8: byte 0xfc in line 1"
    yield "binary", Path(sys.executable).read_bytes()[:100_000], "not UTF-8|NUL byte"
    yield "zeros", bytes(1000), "NUL byte"
    yield "huge.bt", b"begin { exit() } //" + b"x" * 10_000_000, "too large: 10000019 bytes"
    yield "many.bt", b"begin { " + b"print(1); " * 1_000_000 + b"}", "too large"
    yield "deep.bt", b"begin { print(" + b"(" * 100_000 + b"1" + b")" * 100_000 + b") }", "nested"
    yield "chain.bt", b"begin { print(" + b"1 + " * 100_000 + b"1) }", "nested"
    yield "blocks.bt", b"begin { " + b"if (1) {" * 50_000 + b"}" * 50_000 + b"}", "nested"
    yield "probes.bt", b"begin { }\n" * 20_000, "which exceeds the current limit of 1024"
    yield "noise.bt", b"%&$# \\ \n" * 20_000, "syntax"
    yield "unary.bt", b"begin { print(" + b"!" * 100_000 + b"1) }", "nested"
    yield "empty.bt", b"", ""


@pytest.mark.parametrize("index", range(12))
def test_files_that_are_no_scripts(index: int, tmp_path: Path) -> None:
    """Refused with few lines, before the deadline."""
    name, content, message = list(files(tmp_path))[index]
    file = tmp_path / name
    file.write_bytes(content)
    done = run(str(file), limit=60)
    assert done.returncode == 1, done.stderr[:500]
    assert re.search(message, done.stderr), done.stderr[:500]
    assert len(done.stderr.splitlines()) <= 5, done.stderr[:500]
    assert len(done.stderr) < 2000
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder, a missing file with the name that was meant, a loop of links."""
    (tmp_path / "right.bt").write_text("begin { }")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, message in (
        (tmp_path, "Is a directory"),
        (tmp_path / "rihgt.bt", "No such file or directory\nHINT: did you mean 'right.bt'?"),
        (tmp_path / "loop", "Too many levels of symbolic links"),
        (tmp_path / "right.bt/x", "Not a directory"),
    ):
        done = run(str(name))
        assert done.returncode == 1
        assert done.stderr == f"ERROR: failed to open file '{name}': {message}\n"


@pytest.mark.slow
def test_long_program() -> None:
    """Thousands of statements in one probe are compiled, or refused by the kernel, in seconds."""
    done = run("--dry-run", "-e", "begin { " + "print(1); " * 1000 + "}", limit=20)
    assert done.returncode == 0, done.stderr


# -- without rights ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command as nobody runs it: the interpreter may stand where only root comes, so it is
    mounted elsewhere first, in a mount namespace of its own."""
    place = tmp_path_factory.mktemp("python")
    for folder in (place, *place.parents):
        if str(folder) in ("/", "/tmp"):
            break
        folder.chmod(0o755)
    source = Path(__file__).parents[2] / "src"
    binary = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    script = (
        f"mount --bind {sys.base_prefix} {place} && exec setpriv --reuid=65534 --regid=65534 "
        f'--clear-groups env -i PYTHONPATH={source} {place}/bin/{binary.name} -B -m prybee "$@"'
    )
    command = ["unshare", "-m", "sh", "-c", script, "sh"]
    if subprocess.run([*command, "-V"], capture_output=True, check=False).returncode:
        pytest.skip("another user cannot be played here (unshare, setpriv, mount)")
    return command


def as_nobody(nobody: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run it."""
    return subprocess.run(
        [*nobody, *words], capture_output=True, text=True, timeout=60, check=False
    )


REFUSED = (
    "ERROR: tracing needs CAP_BPF and CAP_PERFMON, which this process does not have "
    "(it runs as uid 65534)\n"
    "HINT: run it as root: sudo prybee …; prybee doctor says what works here\n"
)


@pytest.mark.parametrize(
    "words",
    [
        ("-e", "begin { exit() }"),
        ("-e", "t:sched:sched_switch { }"),
        ("-e", "uprobe:libc:malloc { }"),
        ("-c", "ls", "-e", "begin { }"),
    ],
    ids=lambda v: v[-1],
)
def test_without_root(nobody: list[str], words: tuple[str, ...]) -> None:
    """What is missing and how to get it, in two lines; status 1; a child never runs."""
    done = as_nobody(nobody, *words)
    assert done.stderr == REFUSED
    assert (done.stdout, done.returncode) == ("", 1)


def test_what_works_without_root(nobody: list[str]) -> None:
    """Help, version, doctor; listing works where anybody may look, or says that it cannot."""
    assert as_nobody(nobody, "-V").returncode == 0
    assert as_nobody(nobody, "-h").returncode == 0
    listed = as_nobody(nobody, "-l", "t:sched:*")
    if os.stat("/sys/kernel/tracing").st_mode & 0o001:
        assert "tracepoint:sched:sched_switch" in listed.stdout.split()
    else:
        assert "cannot be read: run it as root" in listed.stderr
    shown = as_nobody(nobody, "-d", "asm", "-e", "begin { exit() }")
    assert "-- asm" in shown.stdout
    assert shown.returncode == 1
    assert "CAP_BPF" in shown.stderr
    doctor = as_nobody(nobody, "doctor")
    assert doctor.returncode == 1
    assert "uid 65534, without CAP_BPF and CAP_PERFMON" in doctor.stdout
    assert as_nobody(nobody, "--info").returncode == 0


def test_root_without_capabilities() -> None:
    """Root in a container that has them not: the kernel's refusal, explained."""
    done = subprocess.run(
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *PRYBEE, "-e", "begin { exit() }"],
        capture_output=True, text=True, env=ENVIRONMENT, timeout=30, check=False,
    )  # fmt: skip
    if "setpriv" in done.stderr:
        pytest.skip("capabilities cannot be dropped here")
    assert done.returncode == 1, done.stderr
    assert "EPERM" in done.stderr
    assert "root without CAP_BPF and CAP_PERFMON" in done.stderr
    assert len(done.stderr.splitlines()) <= 4


def test_without_kernel_types() -> None:
    """No BTF: what needs it says so, the rest works."""
    missing = {"PRYBEE_BTF": "/nonexistent"}
    env = {**ENVIRONMENT, **missing}

    def traced(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PRYBEE, "-e", script],
            capture_output=True,
            text=True,
            env=env,
            timeout=30,
            check=False,
        )

    assert traced("begin { print(1); exit() }").returncode == 0
    works = traced("t:sched:sched_switch { print(args.next_pid); exit() }")
    assert works.returncode == 0, works.stderr
    for script in (
        "rawtracepoint:sched_switch { print(args.next.pid) }",
        "iter:task { }",
        "begin { print(((struct task_struct *)1).pid) }",
        "begin { print(curtask.pid) }",
    ):
        done = traced(script)
        assert done.returncode == 1, script
        assert "BTF" in done.stderr, (script, done.stderr)
        assert len(done.stderr.splitlines()) <= 5
        assert "internal error" not in done.stderr


def test_readable_soon() -> None:
    """Output of ``begin`` appears at once, before anything else happens."""
    process = start("-e", 'begin { printf("now\\n") } ' + QUIET)
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 5)[0]
    assert process.stdout.readline() == b"now\n"
    process.send_signal(signal.SIGTERM)
    gone_within(process, 2)
