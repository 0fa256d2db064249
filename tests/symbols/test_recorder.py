"""Recording what real processes map."""

import mmap
import os
import subprocess

import pytest

from prybee.linux import process_events
from prybee.linux.process_events import ProcessEvents
from prybee.symbols import Recorder, UserSymbols

pytestmark = pytest.mark.live


class Listener:
    """Notes what it is told of some process and its children."""

    def __init__(self, pid):
        self.told = []
        self.pids = {pid}

    def forked(self, pid, parent):
        if parent in self.pids:
            self.pids.add(pid)
            self.told.append("forked")

    def executed(self, pid):
        if pid in self.pids:
            self.told.append("executed")

    def mapped(self, pid, start, end, offset, file):
        if pid in self.pids:
            assert start < end
            assert offset % 4096 == 0 or not file[2]
            self.told.append(os.path.basename(file[3].decode()))

    def exited(self, pid):
        if pid in self.pids:
            self.told.append("exited")


@pytest.mark.parametrize("scope", ["all", "child"])
def test_what_the_kernel_tells(build, scope):
    path = build("static", "-static")
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(read, 1)
        os.execl(path, path)
    listener = Listener(pid)
    with ProcessEvents(pid if scope == "child" else -1) as events:
        events.tell(listener)
        os.write(write, b"x")
        while "static" not in listener.told:
            events.tell(listener)
        os.kill(pid, 15)
        os.waitpid(pid, 0)
        events.tell(listener)
        assert events.lost == 0
        assert len(events.filenos()) == os.cpu_count()
    os.close(read)
    os.close(write)
    told = [word for word in listener.told if not word.startswith("[") and word]
    assert told[0] == "executed"
    assert told[1] == "static"
    assert told[-1] == "exited"


def test_losses_are_counted(monkeypatch):
    """More than fits, while nobody reads."""
    monkeypatch.setattr(process_events, "_PAGES", 1)
    listener = Listener(0)
    with ProcessEvents() as events:
        script = "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done"
        subprocess.run(["sh", "-c", script], check=True)
        assert events.tell(listener) > 20
        # The kernel says how many it dropped when there is room again.
        subprocess.run(["sh", "-c", "/bin/true; /bin/true"], check=True)
        events.tell(listener)
        assert events.lost > 20
    assert "ProcessEvents(all processes" in repr(events)


def test_programs_that_ended_before_anybody_looked(build):
    path = build("pie", "-pie", "-fPIE")
    with UserSymbols() as symbols, Recorder(symbols) as recorder:
        told = []
        for _ in range(3):
            process = subprocess.Popen(
                [path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
            )
            out, _ = process.communicate()
            told.append((process.pid, dict(line.split() for line in out.splitlines())))
        recorder.drain()
        for pid, addresses in told:
            assert not os.path.exists(f"/proc/{pid}")
            for name in ("inner", "outer", "main", "malloc"):
                frame = symbols.resolve(pid, int(addresses[name], 16) + 1)
                assert (frame.symbol, frame.offset) == (name, 1)
        assert recorder.lost == 0


def test_programs_that_were_there_before(build, start):
    program = start(build("pie", "-pie", "-fPIE"))
    with UserSymbols() as symbols, Recorder(symbols) as recorder:
        slices = 1
        while recorder.survey():
            slices += 1
        assert slices >= len([name for name in os.listdir("/proc") if name.isdecimal()]) / 8 - 2
        program.end()
        recorder.drain()
        assert symbols.resolve(program.pid, program.addresses["outer"]).symbol == "outer"
        assert not recorder.survey()
    # One alone is read at once.
    program = start(build("pie", "-pie", "-fPIE"))
    with UserSymbols() as symbols, Recorder(symbols, only=program.pid) as recorder:
        assert len(symbols.processes) == 1
        program.end()
        recorder.drain()
        assert symbols.resolve(program.pid, program.addresses["inner"]).symbol == "inner"
        assert not recorder.survey()


def test_nothing_stays_open(build):
    with UserSymbols() as symbols, Recorder(symbols) as recorder:
        recorder.drain()
    before = len(os.listdir("/proc/self/fd"))
    with UserSymbols() as symbols, Recorder(symbols) as recorder:
        while recorder.survey():
            pass
        recorder.drain()
        assert "all processes" in repr(recorder)
        recorder.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_short_lived_program_in_other_mounts(build, tmp_path):
    """Its parent is there, and was seen before."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    path = build("pie", "-pie", "-fPIE")
    script = (
        f'mount -t tmpfs none "{mounted}" && cp "$0" "{mounted}/app" && echo && read x && '
        f'"{mounted}/app" < /dev/null && echo; read x'
    )
    with UserSymbols() as symbols, Recorder(symbols) as recorder:
        process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", script, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if process.stdout.readline() != "\n":
            pytest.skip("cannot make a mount namespace here")
        recorder.drain()
        process.stdin.write("\n")
        process.stdin.flush()
        addresses = dict(line.split() for line in iter(process.stdout.readline, "\n"))
        recorder.drain()
        pids = [pid for pid in range(process.pid, process.pid + 50) if pid in symbols.processes]
        frames = [symbols.resolve(pid, int(addresses["outer"], 16)) for pid in pids]
        process.communicate("\n")
    found = [frame for frame in frames if frame and frame.symbol == "outer"]
    assert [frame.module for frame in found] == [f"{mounted}/app"]


def test_one_process_alone():
    """What others do meanwhile is not told."""
    own = Listener(os.getpid())
    with ProcessEvents() as events:
        subprocess.run(["/bin/true"], check=True)
        mmap.mmap(-1, 8192, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()
        assert events.tell(own, os.getpid()) == 1
    assert own.told == ["//anon"] or own.told == ["zero (deleted)"]
