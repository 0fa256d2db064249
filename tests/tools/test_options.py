"""What a tool's command line may say, and what is said of one that makes no sense."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prybee.diagnostics import PrybeeError, Source
from prybee.language import tree
from prybee.language.parser import parse
from prybee.tools import catalogue, containers, filters, options, timing
from tests.tools.running import Tool, prybee

OPEN = catalogue.load("opensnoop")
COUNT = catalogue.load("syscount")
ME = os.getpid()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], options.Settings()),
        (["--failed"], options.Settings(named={"failed": None})),
        (["-p", str(ME)], options.Settings(wanted=filters.Filter(ME))),
        ([f"-p{ME}"], options.Settings(wanted=filters.Filter(ME))),
        ([f"--pid={ME}"], options.Settings(wanted=filters.Filter(ME))),
        (["--comm", "cat"], options.Settings(wanted=filters.Filter(comm="cat"))),
        (["--cgroup", "17"], options.Settings(wanted=filters.Filter(cgroups=(17,)))),
        (["-d", "10"], options.Settings(duration=10_000)),
        (["--duration=1.5"], options.Settings(duration=1500)),
        (["-d", "2m"], options.Settings(duration=120_000)),
        (["--json"], options.Settings(format="json")),
        (["--csv", "-o", "file"], options.Settings(format="csv", output="file")),
        (["--source"], options.Settings(show="source")),
        (["--failed", "-h"], options.Settings(show="help")),
        (["-x"], options.Settings(named={"failed": None})),
        (["-xT"], options.Settings(named={"failed": None})),
        (["-T", "-U"], options.Settings()),
        (["-n", "cat"], options.Settings(named={"name": "cat"})),
        (["-f", "O_CREAT"], options.Settings(named={"flag": "O_CREAT"})),
        (["-t", str(ME)], options.Settings(wanted=filters.Filter(tid=ME))),
        (["-u", "root"], options.Settings(wanted=filters.Filter(uid=0))),
        (["--user", "17"], options.Settings(wanted=filters.Filter(uid=17))),
    ],
)
def test_understood(words: list[str], expected: options.Settings) -> None:
    assert options.read(OPEN, words) == expected


@pytest.mark.parametrize(
    ("name", "words", "expected"),
    [
        ("runqlat", ["-Pm"], options.Settings(named={"processes": None, "milliseconds": None})),
        ("runqlat", ["2"], options.Settings(interval=2000)),
        ("runqlat", ["1", "5"], options.Settings(interval=1000, duration=4980)),
        ("runqlat", ["500ms", "2"], options.Settings(interval=500, duration=980)),
        ("profile", ["10", "-f"], options.Settings(duration=10_000, format="folded")),
        ("profile", ["-L", str(ME)], options.Settings(wanted=filters.Filter(tid=ME))),
        ("offcputime", ["-u"], options.Settings(named={"user-threads-only": None})),
        ("tcplife", ["-s", "-4"], options.Settings(named={"ipv4": None}, format="csv")),
        ("biolatency", ["-j"], options.Settings(format="json")),
        ("syscount", ["-T", "5"], options.Settings(rows=5)),
        ("syscount", ["--sort", "time"], options.Settings(sort="TIME(us)")),
        ("filetop", ["-s", "r_kb", "-C"], options.Settings(sort="R(kB)")),
    ],
)
def test_letters_of_tools(name: str, words: list[str], expected: options.Settings) -> None:
    assert options.read(catalogue.load(name), words) == expected


def test_tables() -> None:
    settings = options.read(COUNT, ["-i", "500ms", "--rows", "3", "--processes"])
    assert (settings.interval, settings.rows, settings.named) == (500, 3, {"processes": None})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fail"], "unknown option '--fail'\nHINT: did you mean '--failed'?"),
        (["-z"], "unknown option '-z'"),
        (["-p"], "option '-p' needs a value: -p PID"),
        (["-p", "x"], "--pid: 'x' is no number"),
        (["-p", "0"], "--pid: 0 is not between"),
        (["-p", "4194303"], "no process 4194303 is running"),
        (["--failed=1"], "option '--failed' takes no value"),
        (["--json=1"], "option '--json' takes no value"),
        (["--json", "--csv"], "--json and --csv exclude each other"),
        (["-d", "x"], "--duration: 'x' is no time"),
        (["-d", "-1"], "--duration: '-1' is too short"),
        (["-d", "0"], "--duration: '0' is too short"),
        (["-d", "nan"], "is no time"),
        (["-d", "1e300"], "is too long"),
        (["-i", "1"], "there is no --interval: it prints each event as it comes"),
        (["-r", "1"], "there is no --rows: it has no table"),
        (["--comm", "a-name-of-16-byte"], "--comm: the kernel keeps 15 characters of a name"),
        (["--comm", ""], "--comm: the kernel keeps 15"),
        (["--cgroup", "/no/such"], "--cgroup: no cgroup '/no/such'"),
        (["--container", "0badcafe0bad"], "no process of a container '0badcafe0bad'"),
        (["x"], "what is 'x'?"),
    ],
)
def test_refused(words: list[str], message: str) -> None:
    with pytest.raises(PrybeeError, match=re.escape(message)):
        options.read(OPEN, words)


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        (
            "tcpdrop",
            ["-p", "1"],
            "there is no --pid: a packet that is dropped belongs to no process;",
        ),
        ("biosnoop", ["--min", "x"], "biosnoop: --min: 'x' is no number"),
        ("biosnoop", ["--min", "-5"], "is not between"),
        ("syscount", ["-r", "0"], "--rows: 0 is not between"),
        ("opensnoop", ["-f", "O_X"], "--flag: 'O_X' is none of O_WRONLY"),
        ("opensnoop", ["-u", "no such user"], "--user: there is no user 'no such user'"),
        ("opensnoop", ["-t", "4194303"], "--tid: no thread 4194303 is running"),
        ("opensnoop", ["--folded"], "there is no --folded: it shows no stacks"),
        ("opensnoop", ["10"], "what is '10'?"),
        ("opensnoop", ["-xq"], "unknown option '-q'"),
        ("profile", ["-f", "--json"], "--json and --folded exclude each other"),
        ("profile", ["10", "20"], "what is '20'?"),
        ("profile", ["10", "-d", "5"], "'10' is its duration, and so is --duration"),
        ("runqlat", ["1", "5", "-d", "5"], "a count and --duration exclude each other"),
        ("runqlat", ["1", "x"], "what is 'x'?"),
        ("syscount", ["--sort", "x"], "--sort: there is no column 'x', but NAME, COUNT, TIME(us)"),
        ("argdist", [], "PROBE is missing: prybee argdist PROBE VALUE"),
        ("argdist", ["t:a:b"], "VALUE is missing"),
        ("argdist", ["t:a:b", "x", "y"], "what is 'y'?"),
    ],
)
def test_refused_by_others(name: str, words: list[str], message: str) -> None:
    with pytest.raises(PrybeeError, match=re.escape(message)):
        options.read(catalogue.load(name), words)


def test_errors_of_the_command() -> None:
    done = prybee("opensnoop", "--nonsense")
    assert done.returncode == 1
    assert done.stderr.startswith("ERROR: opensnoop: unknown option '--nonsense'\nHINT: ")
    done = prybee("argdist", "libc:malloc", "arg0 +")
    assert done.returncode == 1
    assert "'arg0 +' is no expression" in done.stderr


# -- edits of the tree ---------------------------------------------------------------------------


def program(text: str) -> tree.Program:
    return parse(Source("x", text))


def predicate(text: str) -> tree.Expression | None:
    return program(f"begin /{text}/ {{ }}").probes[0].predicate


def test_filter_before_each_predicate() -> None:
    made = program("begin { } tracepoint:a:b /arg0/ { } interval:s:1 { } uprobe:x:f { }")
    filters.apply(made, filters.Filter(7, 8, 9, 'a"b', (1, 2), 3))
    begin, first, timer, second = made.probes
    condition = (
        'pid == 7 && tid == 8 && uid == 9 && comm == "a\\"b" && (cgroup == 1 || cgroup == 2) && '
        "curtask.nsproxy.pid_ns_for_children.ns.inum == 3"
    )
    assert begin.predicate is None
    assert timer.predicate is None
    assert tree.equal(second.predicate, predicate(condition))
    assert tree.equal(first.predicate, predicate(f"({condition}) && arg0"))
    assert all(node.start == second.start for node in tree.walk(second.predicate))


def test_filter_in_macros() -> None:
    made = program(
        "macro wanted() { true } macro wanted_task(t) { true } "
        "tracepoint:a:b /wanted()/ { } tracepoint:c:d { }"
    )
    filters.apply(made, filters.Filter(7))
    first, second = made.macros
    assert tree.equal(first.body.value, predicate("pid == 7"))
    assert tree.equal(second.body.value, predicate("t.tgid == 7"))
    assert made.probes[1].predicate is None


def test_filter_of_sockets() -> None:
    def condition(wanted: filters.Filter) -> tree.Expression | None:
        made = program("macro wanted_socket(@o, sk) { true } t:a:b { }")
        filters.apply(made, wanted)
        return made.macros[0].body.value

    tracked = predicate("has_key(@o, (uint64)sk)")
    assert tree.equal(condition(filters.Filter(pid=7)), tracked)
    assert tree.equal(condition(filters.Filter(comm="x", pid_namespace=3)), tracked)
    # By the socket itself, where that can be told.
    group = predicate(
        "((field_exists(struct sock_cgroup_data, cgroup) ? sk.sk_cgrp_data.cgroup.kn.id : "
        "((struct cgroup *)(sk.sk_cgrp_data.val & 0xfffffffffffffffc)).kn.id) == 5)"
    )
    assert tree.equal(condition(filters.Filter(cgroups=(5,))), group)
    network = predicate("sk.__sk_common.skc_net.net.ns.inum == 9")
    assert tree.equal(condition(filters.Filter(pid_namespace=3, net_namespace=9)), network)


def test_filter_of_packets() -> None:
    made = program("macro wanted_packet(skb) { true } t:a:b { }")
    with pytest.raises(PrybeeError, match="no network namespace of its own"):
        filters.apply(made, filters.Filter(pid_namespace=3))
    filters.apply(made, filters.Filter(pid_namespace=3, net_namespace=9))
    wanted = predicate("skb.dev.nd_net.net.ns.inum == 9")
    assert tree.equal(made.macros[0].body.value, wanted)


def test_no_filter_changes_nothing() -> None:
    made, other = program("tracepoint:a:b { }"), program("tracepoint:a:b { }")
    filters.apply(made, filters.Filter())
    assert tree.equal(made, other)


def test_times() -> None:
    made = program("interval:s:1 { @x = 1; }")
    assert timing.retime(made, 250)
    timing.end_after(made, 1000)
    timing.print_every(made, 500, ["@x", "@absent"])
    raws = [point.raw for probe in made.probes for point in probe.attach_points]
    assert raws == ["interval:ms:250", "interval:ms:1000", "interval:ms:500"]
    names = [node.name for node in tree.walk(made.probes[2].body) if isinstance(node, tree.Map)]
    assert names == ["@x", "@x"]


# -- cgroups and containers ----------------------------------------------------------------------

ID = "feedface" * 8


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup named as container runtimes do, with one below it."""
    root = containers.cgroup_root()
    if not root or os.geteuid():
        pytest.skip("needs root and a cgroup v2 tree")
    path = Path(root) / f"prybee-test-{os.getpid()}-{ID}.scope"
    try:
        (path / "inner").mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"no cgroups can be made here: {error}")
    yield path
    (path / "inner").rmdir()
    path.rmdir()


def run_in(cgroup: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a command in a cgroup."""
    script = 'echo $$ > "$0"/cgroup.procs && exec "$@"'
    return subprocess.Popen(["/bin/sh", "-c", script, str(cgroup), *words])


def test_cgroup_ids(cgroup: Path) -> None:
    inner = (cgroup / "inner").stat().st_ino
    expected = (cgroup.stat().st_ino, inner)
    assert containers.cgroup_ids(str(cgroup)) == expected
    assert containers.cgroup_ids("/" + cgroup.name) == expected
    assert containers.cgroup_ids(f"{cgroup.name}/inner") == (inner,)


@pytest.mark.live
def test_cgroup_filter(cgroup: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with Tool("opensnoop", "--cgroup", cgroup.name) as tool:
        subprocess.run(["cat", file], check=True)
        inside = run_in(cgroup / "inner", "cat", str(file))
        inside.wait()
        tool.wait(lambda row: row["path"] == str(file))
        assert {row["pid"] for row in tool.rows()} == {inside.pid}


@pytest.mark.live
def test_container_filter(cgroup: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    go = tmp_path / "go"
    wait = f"until [ -e {go} ]; do sleep 0.05; done; cat {file}"
    words = ["unshare", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", wait]
    inside = run_in(cgroup / "inner", *words)
    try:
        # The sleep is a child of the shell in the new namespace.
        assert wait_for(lambda: len((cgroup / "inner/cgroup.procs").read_text().split()) >= 3)
        # The namespace of its innermost processes is what counts.
        with Tool("opensnoop", "--container", ID[:12]) as tool:
            subprocess.run(["cat", file], check=True)
            go.touch()
            row = tool.wait(lambda row: row["path"] == str(file))
            assert row["comm"] == "cat"
            rows = [row for row in tool.rows() if row["path"] == str(file)]
            assert len(rows) == 1
    finally:
        inside.kill()
        inside.wait()
        assert wait_for(lambda: not (cgroup / "inner/cgroup.procs").read_text())


# Brings up the loopback device of a new network namespace (SIOCSIFFLAGS, IFF_UP), and once the file
# is there, has a connection refused.
REFUSED = """
import fcntl, os, socket, struct, sys, time
with socket.socket() as made:
    fcntl.ioctl(made, 0x8914, struct.pack("16sh14x", b"lo", 1))
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
with socket.socket() as made:
    made.connect_ex(("127.0.0.1", 9))
time.sleep(60)
"""


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("name", ["tcpdrop", "tcpstates"])
def test_container_of_its_own_network(cgroup: Path, tmp_path: Path, name: str) -> None:
    """Packets and sockets are told by the network namespace."""
    go = tmp_path / "go"
    words = ["unshare", "--net", "--pid", "--fork", "--kill-child", sys.executable, "-c", REFUSED]
    inside = run_in(cgroup / "inner", *words, str(go))
    try:
        assert wait_for(lambda: len((cgroup / "inner/cgroup.procs").read_text().split()) >= 2)
        with Tool(name, "--container", ID[:12]) as tool:
            with socket.socket() as ours:
                assert ours.connect_ex(("127.0.0.1", 11)) != 0
            go.touch()
            tool.wait(lambda row: row["dport" if name == "tcpdrop" else "rport"] == 9)
            ports = {row["dport" if name == "tcpdrop" else "rport"] for row in tool.rows()}
            assert 11 not in ports
    finally:
        inside.kill()
        inside.wait()
        assert wait_for(lambda: not (cgroup / "inner/cgroup.procs").read_text())


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether a condition comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_container_by_files(tmp_path: Path) -> None:
    """Two containers whose ids begin alike."""
    for pid, name in (("10", "ab12c" * 12), ("11", "ab12d" * 12), ("12", "ab12c" * 12)):
        (tmp_path / pid).mkdir()
        text = f"12:cpu:/x\n0::/system.slice/docker-{name}aaaa.scope\n"
        (tmp_path / pid / "cgroup").write_text(text)
    with pytest.raises(PrybeeError, match=r"fits several: ab12cab12c.*, ab12dab12d"):
        containers.find("ab12", str(tmp_path))
    with pytest.raises(PrybeeError, match="no process of a container 'ab1'"):
        containers.find("ab1", str(tmp_path))
    # It has no namespace here, and its cgroup does not exist.
    with pytest.raises(PrybeeError, match=r"no cgroup '/system.slice/docker-ab12c"):
        containers.find("ab12c", str(tmp_path))
