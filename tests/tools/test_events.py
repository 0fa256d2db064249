"""Each tool on this very kernel: the event is caused, and the row that tells of it is looked at.

Starting a tool and taking it down again are waits for the kernel, half a second together: variants
are marked slow.
"""

from __future__ import annotations

import ctypes
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prybee.engines.live import LiveTarget
from prybee.functions import TABLE as FUNCTIONS
from prybee.language.registry import Registry
from prybee.probes import TABLE as PROBES
from prybee.tools import catalogue, support
from tests.fixtures.block_device import null_device
from tests.tools.running import Tool

pytestmark = pytest.mark.live
ME = os.getpid()


@pytest.fixture(autouse=True)
def works(request: pytest.FixtureRequest, target: LiveTarget) -> None:
    """Skip a tool that has nothing to show on this machine, with the reason."""
    name = request.node.originalname.removeprefix("test_").partition("_")[0]
    if catalogue.exists(name):
        answer = support.ask(catalogue.load(name), target, Registry(FUNCTIONS, PROBES))
        if not answer.works:
            pytest.skip(answer.why)


def busy(seconds: float) -> None:
    """Use the CPU."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


def count(buckets: list[dict[str, int]]) -> int:
    """How many values a histogram has."""
    return sum(bucket["count"] for bucket in buckets)


# -- processes -----------------------------------------------------------------------------------


def test_execsnoop() -> None:
    with Tool("execsnoop") as tool:
        child = subprocess.Popen(["/bin/true", "of", "prybee", "a b"])
        child.wait()
        row = tool.wait(lambda row: row["pid"] == child.pid)
    assert row["args"] == "/bin/true of prybee a b"
    assert (row["comm"], row["ppid"], row["ret"]) == ("true", ME, 0)


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--failed", "-x", ""])
def test_execsnoop_failed(tmp_path: Path, option: str) -> None:
    with Tool("execsnoop", "-P", str(ME), *option.split()) as tool:
        subprocess.run(["/bin/true"], check=True)
        with pytest.raises(FileNotFoundError):
            subprocess.run([str(tmp_path / "nothing"), "x"], check=False)
        tool.finish()
        results = {row["ret"] for row in tool.rows()}
    assert results == {"--failed": {-2}, "-x": {0, -2}, "": {0}}[option]


@pytest.mark.slow
def test_execsnoop_options() -> None:
    with Tool("execsnoop", "-n", "tru", "-l", "prybee", "-P", str(ME), "--max-args", "3") as tool:
        subprocess.run(["/bin/true", "of", "others"], check=True)
        subprocess.run(["/bin/true", "of", "prybee", "and", "more"], check=True)
        row = tool.wait(lambda row: True)
        tool.finish()
        assert len(tool.rows()) == 1
    assert row["args"] == "/bin/true of prybee"


@pytest.mark.slow
def test_execsnoop_by_the_new_name() -> None:
    with Tool("execsnoop", "--comm", "true") as tool:
        subprocess.run(["/bin/false"], check=False)
        child = subprocess.Popen(["/bin/true"])
        child.wait()
        tool.wait(lambda row: row["pid"] == child.pid)
        assert {row["comm"] for row in tool.rows()} == {"true"}


def test_exitsnoop() -> None:
    with Tool("exitsnoop") as tool:
        child = subprocess.Popen(["/bin/sh", "-c", "sleep 0.2; exit 3"])
        killed = subprocess.Popen(["/bin/sleep", "60"])
        killed.kill()
        child.wait()
        killed.wait()
        row = tool.wait(lambda row: row["pid"] == child.pid)
        other = tool.wait(lambda row: row["pid"] == killed.pid)
    assert (row["comm"], row["ppid"], row["code"], row["signal"]) == ("sh", ME, 3, 0)
    assert 200 <= row["age_ms"] < 20000
    assert (other["code"], other["signal"]) == (0, signal.SIGKILL)


def test_threadsnoop() -> None:
    program = "import threading; t = threading.Thread(target=int); t.start(); t.join()"
    with Tool("threadsnoop") as tool:
        child = subprocess.Popen([sys.executable, "-c", program])
        child.wait()
        row = tool.wait(lambda row: row["pid"] == child.pid)
    assert row["tid"] == child.pid
    assert row["function"]


def test_killsnoop() -> None:
    child = subprocess.Popen(["/bin/sleep", "60"])
    try:
        with Tool("killsnoop", "-p", str(ME)) as tool:
            child.send_signal(signal.SIGUSR1)
            with pytest.raises(ProcessLookupError):
                os.kill(1 << 21, 0)
            row = tool.wait(lambda row: row["tpid"] == child.pid)
            other = tool.wait(lambda row: row["tpid"] == 1 << 21)
    finally:
        child.kill()
        child.wait()
    assert (row["call"], row["sig"], row["result"]) == ("kill", signal.SIGUSR1, 0)
    assert row["name"] == "User defined signal 1"
    assert (other["name"], other["result"]) == ("none", -3)


def test_capable(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with Tool("capable", "-p", str(ME)) as tool:
        os.chown(file, 12345, 12345)
        row = tool.wait(lambda row: row["name"] == "CHOWN")
    assert (row["cap"], row["result"], row["uid"]) == (0, 0, os.getuid())


@pytest.mark.slow
@pytest.mark.parametrize(("words", "times"), [((), 1), (("--all",), 3)])
def test_capable_repeated(tmp_path: Path, words: tuple[str, ...], times: int) -> None:
    file = tmp_path / "file"
    file.touch()
    with Tool("capable", "-p", str(ME), *words) as tool:
        for _ in range(3):
            os.chown(file, 12345, 12345)
        tool.wait(lambda row: row["name"] == "CHOWN")
        tool.finish()
        # The kernel asks twice for one call.
        assert [row["name"] for row in tool.rows()].count("CHOWN") in (times, 2 * times)


@pytest.mark.slow
def test_capable_unique(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with Tool("capable", "--unique", "-p", str(ME)) as tool:
        for _ in range(3):
            os.chown(file, 12345, 12345)
        tool.wait(lambda row: row["name"] == "CHOWN")
        tool.finish()
        assert [row["name"] for row in tool.rows()].count("CHOWN") == 1


def test_bashreadline() -> None:
    bash = "/bin/bash"
    if not os.path.exists(bash):
        pytest.skip("no bash on this machine")
    with Tool("bashreadline") as tool:
        ours, theirs = pty.openpty()
        shell = subprocess.Popen(
            [bash, "--norc", "-i"], stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True,
        )  # fmt: skip
        try:
            os.close(theirs)
            os.write(ours, b"echo of prybee\n")
            row = tool.wait(lambda row: row["pid"] == shell.pid)
        finally:
            shell.kill()
            shell.wait()
            os.close(ours)
    assert row["command"] == "echo of prybee"
    assert row["user"]


# -- files ---------------------------------------------------------------------------------------


def test_opensnoop(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with Tool("opensnoop", "-p", str(ME)) as tool:
        fd = os.open(path, os.O_RDONLY)
        os.close(fd)
        with pytest.raises(FileNotFoundError):
            os.open(tmp_path / "nothing", os.O_RDONLY)
        row = tool.wait(lambda row: row["path"] == str(path))
        other = tool.wait(lambda row: row["path"] == str(tmp_path / "nothing"))
    assert (row["pid"], row["fd"], row["err"]) == (ME, fd, 0)
    assert (other["fd"], other["err"]) == (-1, 2)


@pytest.mark.slow
def test_opensnoop_options(tmp_path: Path) -> None:
    path = tmp_path / "file"
    words = ("-f", "O_CREAT", "-n", "", "-t", str(ME), "-u", str(os.getuid()), "-TU")
    with Tool("opensnoop", *words) as tool:
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC))
        os.close(os.open(path, os.O_RDONLY))
        row = tool.wait(lambda row: row["path"] == str(path))
        tool.finish()
        assert [row["path"] for row in tool.rows()].count(str(path)) == 1
    assert row["flags"] & os.O_CREAT
    assert row["uid"] == os.getuid()


@pytest.mark.slow
def test_opensnoop_of_another_user() -> None:
    with Tool("opensnoop", "-p", str(ME), "-u", "4000000000") as tool:
        os.stat("/")
        os.close(os.open("/", os.O_RDONLY))
        tool.finish()
        assert tool.rows() == []


def test_statsnoop(tmp_path: Path) -> None:
    with Tool("statsnoop", "-p", str(ME)) as tool:
        os.stat(tmp_path)
        with pytest.raises(FileNotFoundError):
            os.stat(tmp_path / "nothing")
        os.statvfs(tmp_path)
        row = tool.wait(lambda row: row["path"] == str(tmp_path))
        other = tool.wait(lambda row: row["path"] == str(tmp_path / "nothing"))
        third = tool.wait(lambda row: row["call"] == "statfs")
    assert row["err"] == 0
    assert other["err"] == 2
    assert third["path"] == str(tmp_path)


@pytest.mark.slow
def test_filetop(tmp_path: Path) -> None:
    path = tmp_path / "of-prybee"
    with Tool("filetop", "-p", str(ME), "-i", "0.5") as tool:
        path.write_bytes(bytes(1 << 20))
        path.read_bytes()
        row = tool.wait(lambda row: row["file"] == path.name)
    assert (row["pid"], row["t"]) == (ME, "R")
    assert row["writes"] >= 1 or row["reads"] >= 1
    assert row["all_kb"] == row["r_kb"] + row["w_kb"] >= 1024


def test_syncsnoop(tmp_path: Path) -> None:
    with Tool("syncsnoop", "-p", str(ME)) as tool:
        with open(tmp_path / "of-prybee", "wb") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
            os.fdatasync(file.fileno())
        row = tool.wait(lambda row: row["call"] == "fsync")
        other = tool.wait(lambda row: row["call"] == "fdatasync")
    assert (row["file"], row["ret"]) == ("of-prybee", 0)
    assert row["lat_us"] >= 0
    assert other["file"] == "of-prybee"


def test_mountsnoop(tmp_path: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    target = str(tmp_path / "nothing")
    with Tool("mountsnoop", "-p", str(ME)) as tool:
        assert libc.mount(b"of prybee", target.encode(), b"tmpfs", 0, None) == -1
        assert libc.umount2(target.encode(), 0) == -1
        row = tool.wait(lambda row: row["call"] == "mount")
        other = tool.wait(lambda row: row["call"].startswith("umount"))
    assert (row["ret"], row["type"], row["source"], row["target"]) == (
        -2, "tmpfs", "of prybee", target,
    )  # fmt: skip
    assert (other["ret"], other["target"]) == (-2, target)


# -- block devices -------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path) -> list[str]:
    """A command that writes 256 kB straight to a disk, 64 kB at a time."""
    file = str(tmp_path / "file")
    if os.stat(tmp_path).st_dev >> 8 == 0:
        file = null_device()
        if not file:
            pytest.skip("temporary files are on no block device here, and null_blk cannot be had")
    target = f"of={file}"
    command = ["dd", "if=/dev/zero", target, "bs=64k", "count=4", "oflag=direct", "status=none"]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this file system does not write directly")
    return command


def test_biosnoop(written: list[str]) -> None:
    with Tool("biosnoop", "--comm", "dd") as tool:
        subprocess.run(written, check=True)
        row = tool.wait(lambda row: row["bytes"] == 1 << 16 and row["t"] == "W")
    assert (row["comm"], row["t"]) == ("dd", "W")
    assert row["disk"]
    assert 0 < row["lat_us"] < 10_000_000


@pytest.mark.slow
def test_biotop(written: list[str]) -> None:
    with Tool("biotop", "--comm", "dd", "-i", "500ms") as tool:
        subprocess.run(written, check=True)
        row = tool.wait(lambda row: row["t"] == "W" and row["kbytes"] >= 64)
    assert row["comm"] == "dd"
    assert row["io"] >= 1
    assert row["avg_us"] > 0


def test_biolatency(written: list[str]) -> None:
    with Tool("biolatency", "--comm", "dd") as tool:
        subprocess.run(written, check=True)
        found = tool.maps()
    assert count(found["@usecs"]) >= 4


@pytest.mark.slow
def test_biolatency_kinds(written: list[str]) -> None:
    with Tool("biolatency", "-Fme", "--comm", "dd") as tool:
        subprocess.run(written, check=True)
        found = tool.maps()
    assert sum(count(b) for kind, b in found["@kind_msecs"].items() if "write" in kind) >= 4
    assert found["@usecs_of_all"]["count"] >= 4


@pytest.mark.slow
def test_biolatency_disks(written: list[str]) -> None:
    with Tool("biolatency", "--disks", "--queued", "--comm", "dd") as tool:
        subprocess.run(written, check=True)
        found = tool.maps()
    ((disk, buckets),) = found["@disk_usecs"].items()
    assert disk
    assert count(buckets) >= 4


def test_bitesize(written: list[str]) -> None:
    with Tool("bitesize", "--comm", "dd") as tool:
        subprocess.run(written, check=True)
        found = tool.maps()
    sizes = {bucket["min"]: bucket["count"] for bucket in found["@bytes"]["dd"]}
    assert sizes[1 << 16] >= 4


# -- CPUs ----------------------------------------------------------------------------------------


def test_runqlat() -> None:
    # More often than asked for: who is woken before it has left the processor has not waited.
    with Tool("runqlat", "-p", str(ME)) as tool:
        for _ in range(60):
            time.sleep(0.001)
        found = tool.maps()
    assert count(found["@usecs"]) >= 20


def test_runqlen() -> None:
    with Tool("runqlen") as tool:
        busy(0.3)
        found = tool.maps()
    assert count(found["@length"]) >= 20


@pytest.mark.slow
def test_runqlen_of_a_process() -> None:
    with Tool("runqlen", "-p", str(ME)) as tool:
        busy(0.4)
        mine = count(tool.maps()["@length"])
    # At most the samples of one CPU.
    assert 5 <= mine <= 99


@pytest.mark.slow
def test_runqlen_occupancy() -> None:
    with Tool("runqlen", "-CO") as tool:
        busy(0.3)
        found = tool.maps()
    assert found["@cpu_percent_occupied"]
    assert all(0 <= value <= 100 for value in found["@cpu_percent_occupied"].values())


def test_cpudist() -> None:
    with Tool("cpudist", "-p", str(ME)) as tool:
        for _ in range(20):
            busy(0.001)
            time.sleep(0.001)
        found = tool.maps()
    assert count(found["@usecs"]) >= 15


@pytest.mark.slow
def test_cpudist_off() -> None:
    with Tool("cpudist", "--off", "--processes", "--comm", "sleep") as tool:
        subprocess.run(["sleep", "0.3"], check=True)
        found = tool.maps()
    ((key, buckets),) = found["@process_usecs"].items()
    assert key.startswith("sleep,")
    assert buckets[-1]["min"] >= 1 << 18


def test_offcputime() -> None:
    with Tool("offcputime", "--comm", "sleep") as tool:
        subprocess.run(["sleep", "0.3"], check=True)
        found = tool.maps()
    assert all(key.startswith("sleep,") for key in found["@usecs"])
    stack, usecs = max(found["@usecs"].items(), key=lambda item: item[1])
    assert 300_000 <= usecs < 20_000_000
    assert "nanosleep" in stack


@pytest.mark.slow
def test_offcputime_folded() -> None:
    with Tool("offcputime", "-f", "--comm", "sleep", form="") as tool:
        subprocess.run(["sleep", "0.3"], check=True)
        text = tool.finish()
    lines = [line for line in text.splitlines() if line]
    stack, _space, usecs = max(lines, key=lambda line: int(line.rpartition(" ")[2])).rpartition(" ")
    frames = stack.split(";")
    assert frames[0] == "sleep"
    assert int(usecs) >= 300_000
    # From the outermost on; what the tool itself adds is left out.
    entry = next(at for at, frame in enumerate(frames) if frame.startswith("entry_SYSCALL"))
    assert "nanosleep" in "".join(frames[entry:])
    assert "+" not in stack
    assert frames[-1] in ("schedule", "__schedule")


@pytest.mark.slow
def test_offcputime_of_user_threads() -> None:
    with Tool("offcputime", "-uK", "-m", "1000", "--state", "1") as tool:
        time.sleep(0.3)
        found = tool.maps()
    assert found["@kernel_usecs"]
    assert not [key for key in found["@kernel_usecs"] if key.startswith("kworker")]


@pytest.mark.slow
def test_profile_options() -> None:
    with Tool("profile", "-U", "-F", "499", "-p", str(ME)) as tool:
        busy(0.5)
        found = tool.maps()
    assert list(found) == ["@user_samples"]
    assert sum(found["@user_samples"].values()) >= 60


@pytest.mark.slow
def test_profile() -> None:
    with Tool("profile", "-p", str(ME)) as tool:
        busy(0.5)
        found = tool.maps()
    assert sum(found["@samples"].values()) >= 10


@pytest.mark.slow
def test_syscount_failed() -> None:
    with Tool("syscount", "-p", str(ME), "-x", "-e", "3", "--sort", "time", "-i", "0.5") as tool:
        for _ in range(50):
            os.getppid()
            with pytest.raises(ProcessLookupError):
                os.kill(1 << 21, 0)
        row = tool.wait(lambda row: row.get("name") == "kill")
        tool.finish()
        assert {row["name"] for row in tool.rows() if "name" in row} == {"kill"}
    assert row["count"] >= 1


def test_syscount() -> None:
    with Tool("syscount", "-p", str(ME), "-i", "0.5") as tool:
        for _ in range(5000):
            os.getppid()
        row = tool.wait(lambda row: row.get("name") == "getppid")
        text = tool.finish()
    assert 0 < row["count"] <= 5000
    assert row["time_us"] > 0
    assert text


# -- network -------------------------------------------------------------------------------------


@pytest.fixture(params=["127.0.0.1", pytest.param("::1", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A listening socket."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family) as made:
        try:
            made.bind((request.param, 0))
        except OSError as error:
            pytest.skip(f"no {request.param} here: {error}")
        made.listen()
        yield made


def visit(server: socket.socket) -> int:
    """Connect, send 1000 bytes and get 10; the client's port."""
    with socket.create_connection(server.getsockname()[:2]) as client:
        port: int = client.getsockname()[1]
        accepted, _address = server.accept()
        with accepted:
            client.sendall(bytes(1000))
            left = 1000
            while left:
                left -= len(accepted.recv(left))
            accepted.sendall(bytes(10))
            client.recv(10)
            # The client ends first.
            client.close()
            accepted.recv(1)
    return port


def test_tcpconnect(server: socket.socket) -> None:
    host, port = server.getsockname()[:2]
    with Tool("tcpconnect", "--port", str(port)) as tool:
        visit(server)
        row = tool.wait(lambda row: row["dport"] == port)
    assert (row["pid"], row["daddr"]) == (ME, host)
    assert row["ip"] == (6 if ":" in host else 4)


def test_tcpaccept(server: socket.socket) -> None:
    host, port = server.getsockname()[:2]
    with Tool("tcpaccept", "-p", str(ME)) as tool:
        theirs = visit(server)
        row = tool.wait(lambda row: row["lport"] == port)
    assert (row["pid"], row["raddr"], row["laddr"], row["rport"]) == (ME, host, host, theirs)
    assert row["ip"] == (6 if ":" in host else 4)


def test_tcplife(server: socket.socket) -> None:
    host, port = server.getsockname()[:2]
    with Tool("tcplife", "--port", str(port), "-p", str(ME)) as tool:
        theirs = visit(server)
        row = tool.wait(lambda row: row["lport"] == theirs)
        other = tool.wait(lambda row: row["lport"] == port)
    assert (row["pid"], row["laddr"], row["raddr"], row["rport"]) == (ME, host, host, port)
    # The FIN counts as one byte that is acknowledged or received.
    assert row["tx_bytes"] in (1000, 1001, 1002)
    assert row["rx_bytes"] in (10, 11)
    assert 0 <= row["ms"] < 20000
    assert (other["pid"], other["rx_bytes"] // 1000) == (ME, 1)


@pytest.mark.slow
def test_tcplife_without_a_process(server: socket.socket) -> None:
    """A connection that ends before anybody accepts it is shown, unless a filter is given."""
    host, port = server.getsockname()[:2]
    with Tool("tcplife", "-L", str(port)) as tool:
        with socket.create_connection((host, port)) as client:
            client.sendall(b"x")
            theirs = client.getsockname()[1]
        server.close()
        row = tool.wait(lambda row: row["rport"] == theirs)
    assert (row["pid"], row["comm"]) == (0, "-")


@pytest.mark.slow
def test_tcpconnect_count(server: socket.socket) -> None:
    host, port = server.getsockname()[:2]
    with Tool("tcpconnect", "-c", "-P", str(port)) as tool:
        visit(server)
        visit(server)
        found = tool.maps()
    assert found["@connections"] == {f"{host},{host},{port}": 2}


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("-p", str(ME)), ("--comm", "none of these")])
def test_tcpstates(server: socket.socket, words: tuple[str, ...]) -> None:
    port = server.getsockname()[1]
    with Tool("tcpstates", "--port", str(port), *words) as tool:
        if "--comm" in words:
            visit(server)
            tool.finish()
            assert tool.rows() == []
            return
        theirs = visit(server)
        tool.wait(lambda row: row["lport"] == theirs and row["new"] == "CLOSE")
        rows = tool.rows()
    changes = [(row["old"], row["new"]) for row in rows if row["lport"] == theirs]
    assert ("SYN_SENT", "ESTABLISHED") in changes
    assert ("ESTABLISHED", "FIN_WAIT1") in changes
    accepted = [(row["old"], row["new"]) for row in rows if row["lport"] == port]
    assert ("ESTABLISHED", "CLOSE_WAIT") in accepted
    assert {row["pid"] for row in rows if row["lport"] == theirs} == {ME}


def test_tcpdrop(server: socket.socket) -> None:
    host, port = server.getsockname()[:2]
    server.close()
    with Tool("tcpdrop", "--port", str(port)) as tool:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port))
        row = tool.wait(lambda row: row["dport"] == port)
    assert (row["saddr"], row["daddr"]) == (host, host)
    # Kernels give reasons since 5.17.
    types = Path("/sys/kernel/btf/vmlinux").read_bytes()
    assert ("NO_SOCKET" if b"\0skb_drop_reason\0" in types else "-") in str(row["reason"])
    assert row["flags"] == "S"
    assert "rcv" in row["function"]


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("-p", str(ME)), ("--cgroup", "mine")])
def test_tcpretrans(words: tuple[str, ...]) -> None:
    if "mine" in words:
        words = ("--cgroup", _own_cgroup())
    with socket.socket() as listener, Tool("tcpretrans", *words) as tool:
        listener.bind(("127.0.0.1", 0))
        # One connection fills the queue; the SYN of the next is dropped, and sent again.
        listener.listen(0)
        port = listener.getsockname()[1]
        clients = [socket.socket() for _ in range(4)]
        try:
            for client in clients:
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
            row = tool.wait(lambda row: row["rport"] == port)
        finally:
            for client in clients:
                client.close()
    assert (row["state"], row["pid"], row["ip"]) == ("SYN_SENT", ME, 4)
    assert (row["laddr"], row["raddr"]) == ("127.0.0.1", "127.0.0.1")


def _own_cgroup() -> str:
    """This process's cgroup; skips the test where it is the root or there is none."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::/") and line != "0::/":
            return line[3:]
    pytest.skip("this process is in no v2 cgroup of its own")


@pytest.mark.slow
def test_tcpretrans_of_others() -> None:
    """Another process's retransmissions are not shown."""
    script = (
        "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(0)\n"
        "c = [socket.socket() for _ in range(4)]\n"
        "for each in c: each.setblocking(False); each.connect_ex(s.getsockname())\n"
        "time.sleep(1.6)"
    )
    with Tool("tcpretrans", "-p", str(ME)) as tool:
        subprocess.run([sys.executable, "-c", script], check=True)
        tool.finish()
        assert tool.rows() == []


def test_gethostlatency() -> None:
    program = "import socket; socket.getaddrinfo('localhost', 80)"
    with Tool("gethostlatency") as tool:
        child = subprocess.Popen([sys.executable, "-c", program])
        child.wait()
        row = tool.wait(lambda row: row["pid"] == child.pid)
    assert row["host"] == "localhost"
    assert row["lat_us"] > 0


# -- whatever the user asks for ------------------------------------------------------------------


def test_funclatency_function() -> None:
    libc = ctypes.CDLL(None)
    with Tool("funclatency", "libc:usleep", "-p", str(ME)) as tool:
        for _ in range(5):
            libc.usleep(2000)
        found = tool.maps()
    assert count(found["@nsecs"]) == 5
    assert found["@nsecs"][0]["min"] >= 1 << 20


@pytest.mark.slow
def test_funclatency_units() -> None:
    libc = ctypes.CDLL(None)
    with Tool("funclatency", "libc:uslee*", "-Fu", "-p", str(ME)) as tool:
        for _ in range(5):
            libc.usleep(2000)
        found = tool.maps()
    ((name, buckets),) = found["@function_usecs"].items()
    assert name.endswith(":usleep")
    assert buckets[0]["min"] >= 1 << 10
    assert found["@nsecs_of_all"]["count"] == 5


@pytest.mark.slow
def test_funclatency_syscall() -> None:
    words = ("funclatency", "t:syscalls:sys_enter_clock_nanosleep", "--processes")
    with Tool(*words, "-p", str(ME)) as tool:
        for _ in range(5):
            time.sleep(0.002)
        found = tool.maps()
    ((_comm, buckets),) = found["@process_nsecs"].items()
    assert count(buckets) == 5


def test_argdist_count() -> None:
    with Tool("argdist", "tracepoint:syscalls:sys_enter_kill", "args.sig", "-p", str(ME)) as tool:
        for _ in range(7):
            os.kill(ME, 0)
        found = tool.maps()
    # Another value is the signal that ends the tool.
    assert found["@values"]["0"] == 7


@pytest.mark.slow
def test_argdist_text(tmp_path: Path) -> None:
    words = ("argdist", "t:syscalls:sys_enter_openat", "str(args.filename)", "-p", str(ME))
    with Tool(*words) as tool:
        for _ in range(3):
            with pytest.raises(FileNotFoundError):
                os.open(tmp_path / "nothing", os.O_RDONLY)
        found = tool.maps()
    assert found["@values"][str(tmp_path / "nothing")] == 3


@pytest.mark.slow
def test_argdist_histogram() -> None:
    libc = ctypes.CDLL(None)
    with Tool("argdist", "libc:usleep", "hist(arg0)", "-p", str(ME)) as tool:
        for _ in range(4):
            libc.usleep(1000)
        found = tool.maps()
    assert found["@distribution"] == [{"min": 512, "max": 1023, "count": 4}]


def test_every_tool_has_a_test() -> None:
    names = {name.removeprefix("test_").partition("_")[0] for name in globals()}
    assert set(catalogue.names()) <= names
    assert shutil.which("dd"), "the tests of block devices use dd"
