"""The command line as users have it: every option by running the command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live.corpus import ENVIRONMENT, PRYBEE
from tests.live.tracing import run

pytestmark = pytest.mark.live

HELLO = 'begin { printf("hello\\n"); exit(); }'
ONE = "Attached 1 probe\n"


def pipe(*arguments: str, data: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run the command with something on its standard input."""
    return subprocess.run(
        [*PRYBEE, *arguments],
        input=data, capture_output=True, env=ENVIRONMENT, timeout=60, check=False,
    )  # fmt: skip


# -- where the program comes from ----------------------------------------------------------------


def test_program_file_and_standard_input(tmp_path: Path) -> None:
    """The same program in three ways; a file may begin with a #! line."""
    file = tmp_path / "hello.bt"
    file.write_text(f"#!/usr/bin/env prybee\n{HELLO}\n")
    done = run("-e", HELLO)
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n\n\n", ONE, 0)
    done = run(str(file))
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n\n\n", ONE, 0)
    piped = pipe("-", data=HELLO.encode())
    assert (piped.stdout, piped.returncode) == (b"hello\n\n\n", 0)


PARAMETERS = [
    # words, what is printed
    (("5", "two words"), "5 two words n=7 on=0\n"),
    (("-5", "-q"), "error"),
    (("0x10", "b", "--", "--n=9"), "16 b n=9 on=0\n"),
    (("1", "b", "--", "--n=0x1F", "--on"), "1 b n=31 on=1\n"),
    (("1", "b", "--", "--on=false"), "1 b n=7 on=0\n"),
]


@pytest.mark.parametrize(("words", "printed"), PARAMETERS, ids=lambda v: " ".join(v))
def test_parameters(words: tuple[str, ...], printed: str) -> None:
    """Positional ones, and named ones behind ``--``."""
    script = (
        'begin { printf("%d %s n=%d on=%d\\n", $1, str($2), getopt("n", 7, "how many"), '
        'getopt("on", false)); exit(); }'
    )
    done = run("-e", script, *words)
    if printed == "error":
        assert done.returncode == 1
        assert done.stderr.startswith("ERROR: unrecognized option '-5'")
    else:
        assert (done.stdout, done.returncode) == (printed + "\n\n", 0), done.stderr


def test_number_of_parameters() -> None:
    """``$#``, and parameters that are not given."""
    done = run("-e", 'begin { printf("%d %d [%s]\\n", $#, $3, str($4)); exit(); }', "a", "b")
    assert done.stdout == "2 0 []\n\n\n"


def test_help_of_a_script() -> None:
    """``-- --help`` shows what the script asks for, and traces nothing."""
    script = 'begin { print(getopt("count", 7, "how many")); print(getopt("name", "x")); exit() }'
    done = run("-e", script, "--", "--help")
    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout == (
        "HINT: expected program options:\n"
        "--count: how many\n"
        "    default: 7\n"
        "--name\n"
        "    default: x\n"
    )


WRONG_PARAMETERS = [
    ("--nn=9", ("unexpected program command line options: --nn", "expected program options: --n")),
    ("--n=many", ("program command line option --n invalid integer (value: many)",)),
    ("--n", ("program command line option --n expects an integer",)),
    ("--", ("named parameters have the form --name=value, not '--'",)),
]


def test_positional_parameters_on_both_sides() -> None:
    """Words behind ``--`` that name nothing are positional."""
    script = 'begin { print(($1, getopt("n", 7), $2, $#)); exit() }'
    done = run("-q", "-e", script, "one", "--", "--n=9", "two")
    assert (done.stdout.strip(), done.returncode) == ("(one, 9, two, 2)", 0)


def test_name() -> None:
    """Called as bpftrace it has the version that callers look for."""
    code = "import sys; sys.argv[0] = '/x/bpftrace'; import prybee.cli; sys.exit(prybee.cli.main())"
    done = subprocess.run([sys.executable, "-c", code, "-V"], capture_output=True, text=True)
    assert re.fullmatch(r"bpftrace v0\.\d+\.\d+ \(prybee .+\)\n", done.stdout)


@pytest.mark.parametrize(("word", "messages"), WRONG_PARAMETERS)
def test_wrong_parameters(word: str, messages: tuple[str, ...]) -> None:
    """Names and values that the script does not take."""
    done = run("-e", 'begin { print(getopt("n", 7)); exit() }', "--", word)
    assert done.returncode == 1
    assert done.stdout == ""
    for message in messages:
        assert message in done.stderr


# -- output --------------------------------------------------------------------------------------


def test_output_file_has_normal_output_only(tmp_path: Path) -> None:
    """-o: events and maps go to the file, the run's own words stay."""
    file = tmp_path / "out"
    script = 'begin { printf("x\\n"); errorf("bad\\n"); @a = 5; exit() }'
    done = run("-o", str(file), "-e", script)
    assert done.returncode == 0
    assert file.read_text() == "x\n\n\n@a: 5\n"
    assert done.stdout == ""
    assert ONE in done.stderr
    assert "ERROR: bad" in done.stderr


def test_output_file_is_replaced(tmp_path: Path) -> None:
    """What was in the file before is gone; JSON goes there whole."""
    file = tmp_path / "out"
    file.write_text("old " * 1000)
    done = run("-f", "json", "-o", str(file), "-e", HELLO)
    assert (done.stdout, done.stderr) == ("", "")
    kinds = [json.loads(line)["type"] for line in file.read_text().splitlines()]
    assert kinds == ["attached_probes", "printf"]


def test_json() -> None:
    """-f json: one object a line."""
    done = run("-f", "json", "-e", 'begin { @m["a", 1] = 2; print("v"); printf("x"); exit() }')
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"type": "attached_probes", "count": 1, "data": {"probes": 1}},
        {"type": "value", "data": "v"},
        {"type": "printf", "data": "x"},
        {"type": "map", "data": {"@m": {"a,1": 2}}},
    ]
    assert done.stderr == ""


def test_quiet() -> None:
    """-q: no banner."""
    done = run("-q", "-e", HELLO)
    assert (done.stdout, done.stderr) == ("hello\n\n\n", "")


def reads(mode: str) -> list[tuple[float, bytes]]:
    """What is read from the output, and when, while 3 lines come 200 ms apart."""
    script = 'interval:ms:200 { @n++; printf("a\\n"); printf("b\\n"); if (@n == 3) { exit() } }'
    end, write = os.pipe()
    process = subprocess.Popen(
        [*PRYBEE, "-q", "-B", mode, "-e", script],
        stdout=write, stdin=subprocess.DEVNULL, env=ENVIRONMENT,
    )  # fmt: skip
    os.close(write)
    found = []
    while True:
        piece = os.read(end, 65536)
        found.append((time.monotonic(), piece))
        if not piece:
            break
    os.close(end)
    assert process.wait(10) == 0
    return found


def test_buffering_line() -> None:
    """Lines appear when their events happen."""
    found = reads("line")
    assert b"".join(piece for _, piece in found) == b"a\nb\n" * 3 + b"\n\n@n: 3\n"
    assert found[0][1] == b"a\nb\n"
    assert found[-1][0] - found[0][0] > 0.3


def test_buffering_full() -> None:
    """Everything appears together."""
    found = reads("full")
    assert b"".join(piece for _, piece in found) == b"a\nb\n" * 3 + b"\n\n@n: 3\n"
    assert found[0][1].startswith(b"a\nb\na\nb\na\nb\n")


def test_buffering_none() -> None:
    """Each message is written by itself (seen by strace's eyes: one write for each)."""
    script = 'begin { printf("a\\n"); printf("b\\n"); printf("c\\n"); exit() }'
    sizes = {}
    for mode in ("line", "none"):
        # A socket that keeps messages apart shows the writes as they were made.
        import socket

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            done = subprocess.run(
                [*PRYBEE, "-q", "-B", mode, "-e", script],
                stdout=theirs, stdin=subprocess.DEVNULL, env=ENVIRONMENT, timeout=30, check=False,
            )  # fmt: skip
            theirs.close()
            assert done.returncode == 0
            pieces = []
            while piece := ours.recv(65536):
                pieces.append(piece)
        sizes[mode] = pieces
    assert sizes["none"][:3] == [b"a\n", b"b\n", b"c\n"]
    assert sizes["line"][0] == b"a\nb\nc\n"


def test_no_warnings() -> None:
    """Warnings of the compiler, of the run and of the script are left out."""
    script = 'begin { @m[1] = 2; $z = @m[7]; @d = 5 / $z; warnf("w\\n"); exit(); print(1); }'
    told = run("-e", script)
    assert told.returncode == 0
    for part in ("Unreachable statement", "Divide or modulo by 0", "WARNING: w"):
        assert part in told.stderr + told.stdout
    silent = run("--no-warnings", "-e", script)
    assert silent.returncode == 0
    assert "WARNING" not in silent.stderr + silent.stdout


def test_failed_reads_are_told_on_request() -> None:
    """-k names the helper and its code, beside the place."""
    script = "begin { $p = *kptr((uint64 *)16); print($p); exit(); }"
    silent = run("-e", script)
    assert (silent.stdout, silent.stderr) == ("0\n\n\n", ONE)
    told = run("-k", "-e", script)
    assert told.stdout == "0\n\n\n"
    lines = told.stderr.splitlines()
    assert lines[1] == "stdin:1:14-33: WARNING: Numerical result out of range"
    assert lines[2] == "Additional Info - helper: probe_read_kernel, retcode: -34"
    objects = run("-k", "-f", "json", "-e", script).stdout.splitlines()
    errors = [each for each in map(json.loads, objects) if each["type"] == "helper_error"]
    assert errors[0]["helper"] == "probe_read_kernel"
    assert errors[0]["retcode"] == -34
    assert errors[0]["line"] == 1


@pytest.mark.slow
def test_verbose_shows_the_verifiers_words() -> None:
    """A refused program: in the script's terms, and with -v in the kernel's too."""
    script = "begin { $i = (uint64)0; while ($i < nsecs) { $i++; @ = $i } }"
    short = run("-e", script)
    assert short.returncode == 255
    assert "ERROR: the kernel refused" in short.stderr
    assert "-v shows the kernel's own words" in short.stderr
    assert len(short.stderr[short.stderr.index("ERROR") :].splitlines()) <= 5
    whole = run("-v", "-e", script)
    assert whole.returncode == 255
    assert "processed " in whole.stderr


# -- what is done --------------------------------------------------------------------------------


def test_dry_run() -> None:
    """All is attached, nothing runs."""
    script = 'begin { printf("x\\n"); @ = 1 } end { printf("y\\n") } t:sched:sched_switch { @++ }'
    done = run("--dry-run", "-e", script)
    assert (done.stdout, done.returncode) == ("", 0)
    assert run("--dry-run", "-e", "tracepoint:nosuch:event { }").returncode == 1


UNSAFE = [
    ('system("echo hi")', "system() is an unsafe function being used in safe mode"),
    ('signal("KILL")', "signal() is unsafe. To use you need the --unsafe flag"),
]


@pytest.mark.parametrize(("call", "message"), UNSAFE)
def test_unsafe_is_refused(call: str, message: str) -> None:
    """Without --unsafe: an error with a hint."""
    done = run("-e", f"interval:s:1 {{ {call}; exit(); }}")
    assert done.returncode == 1
    assert message in done.stderr
    assert "--unsafe" in done.stderr


def test_unsafe() -> None:
    """With --unsafe it runs."""
    done = run("--unsafe", "-e", 'begin { system("echo %s", "hi"); exit(); }')
    assert (done.stdout, done.returncode) == ("hi\n\n\n", 0)


def test_information() -> None:
    """--info, -V, -h."""
    info = run("--info")
    assert info.returncode == 0
    assert "Probe types" in info.stdout
    version = run("-V")
    assert version.stdout.startswith("prybee 0.")
    helped = run("-h")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "--dry-run" in helped.stdout
    assert run("--help").stdout == helped.stdout


STAGES = [
    ("ast", ("-- ast", "Program", "Call printf")),
    ("types", ("-- types",)),
    ("ssa", ("-- ssa", "entry:")),
    ("codegen", ("-- ssa",)),
    ("asm", ("-- asm", "exit")),
    ("dis", ("-- asm",)),
    ("plan", ("-- plan", "  probe begin")),
    ("verifier", ("-- verifier: begin_1", "processed ")),
    ("libbpf", ("-- verifier",)),
    ("all", ("-- ast", "-- types", "-- ssa", "-- asm", "-- plan", "-- verifier")),
]


@pytest.mark.parametrize(("stage", "parts"), STAGES, ids=lambda v: v if isinstance(v, str) else "")
def test_stages(stage: str, parts: tuple[str, ...]) -> None:
    """-d shows what it says, and the trace runs."""
    done = run("-d", stage, "-e", HELLO)
    assert done.returncode == 0, done.stderr
    for part in parts:
        assert part in done.stdout
    assert "hello\n" in done.stdout


def test_times_and_list_of_stages() -> None:
    """-d times on standard error; -d help lists them all."""
    done = run("-d", "times", "-e", HELLO)
    assert done.stdout == "hello\n\n\n"
    assert {"interpreter", "import", "compile", "load", "attach", "all"} <= {
        line.split()[1] for line in done.stderr.splitlines() if line.startswith("time: ")
    }
    listed = run("-d", "help")
    assert listed.returncode == 0
    for stage, _parts in STAGES:
        assert stage in listed.stdout


# -- mistakes ------------------------------------------------------------------------------------

USAGE = [
    ((), "ERROR: no program"),
    (("-e",), "ERROR: option '-e' needs a value: -e PROGRAM"),
    (("--fromat", "x"), "ERROR: unrecognized option '--fromat'; did you mean '--format'?"),
    (("-Z",), "ERROR: unrecognized option '-Z'"),
    (("-f", "xml", "-e", HELLO), 'ERROR: Invalid output format "xml"'),
    (("-B", "some", "-e", HELLO), "ERROR: USAGE: -B must be either 'line', 'full', or 'none'."),
    (("-d", "nope", "-e", HELLO), "ERROR: USAGE: invalid option for -d: nope"),
    (("-p", "1", "-c", "true", "-e", HELLO), "ERROR: USAGE: Cannot use both -c and -p."),
    (("-p", "abc", "-e", HELLO), "ERROR: Failed to parse pid: invalid integer: abc"),
    (("-p", "0", "-e", HELLO), "ERROR: Pid out of range: 0"),
    (("-p", "4194305", "-e", HELLO), "ERROR: Pid out of range: 4194305"),
    (("-p", "-1", "-e", HELLO), "ERROR: Pid out of range: -1"),
    (("--no-feature", "telepathy", "-e", HELLO), "ERROR: --no-feature: no feature 'telepathy'"),
    (("-c", "no-such-program", "-e", HELLO), "ERROR: cannot run 'no-such-program'"),
    (("-c", "/etc/passwd", "-e", HELLO), "ERROR: cannot run '/etc/passwd'"),
    (("-c", "/etc", "-e", HELLO), "ERROR: cannot run '/etc'"),
    (("-c", "sh -c 'x", "-e", HELLO), "ERROR: -c: No closing quotation"),
    (("-c", " ", "-e", HELLO), "ERROR: -c: no command"),
    (("-o", "/no/such/folder/x", "-e", HELLO), "ERROR: Failed to open output file"),
    (("/no/such/script.bt",), "ERROR: failed to open file '/no/such/script.bt'"),
    (("docter",), "ERROR: failed to open file 'docter'"),
]


@pytest.mark.parametrize(("words", "message"), USAGE, ids=lambda v: " ".join(v)[:40])
def test_usage(words: tuple[str, ...], message: str) -> None:
    """Status 1, the message, at most four lines, nothing on standard output."""
    done = run(*words)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) <= 4


def test_full_disk() -> None:
    """Output that cannot be written ends the trace, with a message."""
    done = run("-o", "/dev/full", "-e", 'interval:ms:10 { printf("x\\n") }', limit=10)
    assert done.returncode == 1
    assert "ERROR: cannot write output: No space left on device" in done.stderr


def test_closed_streams() -> None:
    """With its streams closed the command works, and writes into no file of its own."""
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *PRYBEE, "-q", "-e", HELLO],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (closed, done.stderr)
        assert done.stdout == ("" if ">&-" in closed.split() else "hello\n\n\n")


# -- exit status ---------------------------------------------------------------------------------

STATUS = [
    ("begin { exit() }", 0),
    ("begin { exit(3) }", 3),
    ("begin { exit(255) }", 255),
    ("begin { exit(256) }", 0),
    ("begin { exit(-1) }", 255),
    ("interval:ms:1 { exit(7) }", 7),
    ("begin { exit(2) } end { exit(5) }", 5),
    ("end { exit(4) }", 4),
    ("begin { exit(1); exit(2) }", 1),
    ("begin { ", 1),
    ("begin { nosuch() }", 1),
    ("kprobe:no_such_function_anywhere { }", 1),
    ("uprobe:/bin/bash:no_such_function { }", 1),
]


@pytest.mark.parametrize(("script", "status"), STATUS, ids=lambda v: str(v)[:45])
def test_status(script: str, status: int) -> None:
    """Statuses of docs/command.md."""
    done = run("-e", script)
    assert done.returncode == status, done.stderr


# -- -c and -p -----------------------------------------------------------------------------------


def test_command_with_quotes() -> None:
    """The command is split as a shell splits it; its output is its own."""
    done = run("-q", "-c", """sh -c 'printf "%s\\n" "a  b"'""", "-e", "begin { }")
    assert done.stdout == "a  b\n\n\n"
    assert done.returncode == 0


def test_failing_command() -> None:
    """The trace ends with its child, and that it failed is not the trace's failure."""
    done = run("-c", "sh -c 'exit 3'", "-e", 'end { printf("end\\n") }')
    assert (done.stdout, done.returncode) == ("end\n\n\n", 0)


def test_command_that_the_kernel_refuses(tmp_path: Path) -> None:
    """An executable file that is no program: one message, nothing attached any more."""
    file = tmp_path / "text"
    file.write_bytes(b"\1\2\3\4")
    file.chmod(0o755)
    done = run("-c", str(file), "-e", 'end { printf("end\\n") }')
    assert done.returncode == 1
    assert f"ERROR: cannot run '{file}': it is neither a program" in done.stderr
    assert len(done.stderr.splitlines()) <= 4


def test_missing_process() -> None:
    """-p of a process that is gone."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    done = run("-p", str(gone.pid), "-e", "begin { }")
    assert done.returncode == 1
    assert done.stderr == f"ERROR: Failed to attach to pid {gone.pid}: no such process\n"


def test_process_that_dies() -> None:
    """-p ends when the process ends."""
    sleeper = subprocess.Popen(["sleep", "1"])
    done = run("-p", str(sleeper.pid), "-e", 'interval:s:60 { } end { printf("end\\n") }')
    assert done.returncode == 0
    assert done.stdout == "end\n\n\n"
    assert sleeper.wait() == 0


def test_programs_of_python_without_bytecode() -> None:
    """The command needs neither a writable cache nor a home."""
    done = subprocess.run(
        ["env", "-i", sys.executable, "-B", "-m", "prybee", "-e", HELLO],
        capture_output=True, text=True, timeout=30, check=False, cwd="/",
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("hello\n\n\n", 0), done.stderr


def test_exit_is_the_end_of_a_fast_clock() -> None:
    """Ticks that come before exit() is heard of run nothing any more."""
    done = run("-q", "-e", "interval:us:50 { @ticks = count(); exit(); }")
    assert (done.stdout.strip(), done.returncode) == ("@ticks: 1", 0)


def test_a_walk_goes_on_to_its_end() -> None:
    """exit() in an iterator ends the trace behind the walk, with its status."""
    done = run("-q", "-e", 'iter:task { printf("%d\\n", ctx.task.pid); exit(3); }')
    assert done.returncode == 3
    assert str(os.getpid()) in done.stdout.split()
