"""A plugin of pytest: prybee starts from a process that has imported it already.

In an emulated guest a start of the interpreter with prybee's modules takes seconds, what a test is
about takes a fraction of one, and some thousand tests start the command.  So here a server imports
the modules and does nothing else; each ``python -m prybee …`` that a test starts is a copy of it,
which goes on as the interpreter would: streams, environment and folder of its own, prybee's
``__main__``, and the interpreter's ordinary end.  The copy is a child of the test's process, as it
would be: :class:`Popen` is subprocess's own in all else.

A test that is about the start itself is marked ``real_start``.  Where the machine's own tests run
nothing of this is used.
"""

from __future__ import annotations

import array
import ctypes
import inspect
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from tests.patience import FACTOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

COMMAND = [sys.executable, "-m", "prybee"]
# What a trace uses; the modules that its run imports are those that copies find.
TRIAL = """
    begin { @a[1] = count(); @h = hist(3); @[comm] = stats(nsecs); printf("%d %s\\n", 1, comm); }
    tracepoint:sched:sched_switch { @s[kstack(1)] = count(); }
    end { print(@a); exit(); }
"""
TRIALS = (["-e", f"begin {{ exit(); }} {TRIAL}"], ["-e", "begin { $a = nothing.at; }"])

_CLONE_PARENT, _CLONE_CHILD_SETTID = 0x8000, 0x01000000
# Machine: number of clone(2), and where among its arguments the address for the child's id is.
_CLONE = {"x86_64": (56, 3), "aarch64": (220, 4)}


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """subprocess's, with a short way for the command."""

    # Set while a test runs that wants real starts.
    real = False

    def wait(self, timeout: float | None = None) -> int:
        """As long as it takes here."""
        return super().wait(timeout and timeout * FACTOR)

    def communicate(self, input: Any = None, timeout: float | None = None) -> Any:  # noqa: A002
        """As long as it takes here."""
        return super().communicate(input, timeout and timeout * FACTOR)

    def _execute_child(self, *values: Any) -> None:
        given = dict(zip(_PARAMETERS, values, strict=True))
        words, folder = given["args"], given["cwd"] or "."
        environment = {
            os.fsdecode(k): os.fsdecode(v) for k, v in (given["env"] or os.environ).items()
        }
        if (
            Popen.real
            or not isinstance(words, (list, tuple))
            or list(words[:3]) != COMMAND
            or any(given.get(name, plain) != plain for name, plain in _PLAIN.items())
            or not os.path.isdir(folder)
            or _of_the_start(environment) != _of_the_start(os.environ)
        ):
            super()._execute_child(*values)  # type: ignore[misc]
            return
        streams = [given[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        self.pid = server().start(
            [os.fsdecode(word) for word in words[3:]],
            os.path.abspath(folder),
            environment,
            [own if stream == -1 else stream for own, stream in enumerate(streams)],
            given["start_new_session"],
        )
        self._child_created = True
        self._close_pipe_fds(*(given[name] for name in _PIPES))  # type: ignore[attr-defined]


_PARAMETERS = list(inspect.signature(subprocess.Popen._execute_child).parameters)[1:]  # type: ignore[attr-defined]
_PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
# What else may be asked for is for real starts.
_PLAIN: dict[str, Any] = {
    "executable": None, "preexec_fn": None, "pass_fds": (), "shell": False, "gid": None,
    "gids": None, "uid": None, "umask": -1, "process_group": -1,
}  # fmt: skip


def _of_the_start(environment: Mapping[str, str]) -> dict[str, str]:
    """What the interpreter reads when it starts; its path is that of the tests."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(("PYTHON", "LC_", "LANG"))
        and name not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    }


class Server:
    """Our end of the process that copies itself."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.vm.prepared", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        theirs.close()
        self.lock = threading.Lock()

    def start(
        self,
        words: Sequence[str],
        folder: str,
        environment: dict[str, str],
        streams: Sequence[int],
        session: bool,
    ) -> int:
        """Starts the command; its process id."""
        # More than fits a message of a socket goes through a file.
        with open(os.memfd_create("request"), "wb+") as file, self.lock:
            request = [words, folder, environment, session]
            file.write(json.dumps(request).encode("utf-8", "surrogateescape"))
            file.flush()
            fds = array.array("i", [file.fileno(), *streams])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
            self.socket.sendmsg([b"start"], rights)
            said = self.socket.recv(64)
        if not said:
            raise ChildProcessError(f"the prepared process ended: {self.process.wait()}")
        pid: int = int(said)
        return pid

    def close(self) -> None:
        """The process ends when nobody is there."""
        self.socket.close()
        self.process.wait()


_server: Server | None = None


def server() -> Server:
    """The process, which is started with the first that needs it."""
    global _server
    if _server is None:
        _server = Server()
    return _server


# -- the plugin ----------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """From here on the command starts prepared."""
    if platform.machine() in _CLONE:
        subprocess.Popen = Popen  # type: ignore[misc]


def pytest_unconfigure() -> None:
    """Leaves no process behind."""
    global _server
    if _server is not None:
        _server.close()
        _server = None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests may ask for the real thing."""
    Popen.real = item.get_closest_marker("real_start") is not None


# -- the process ---------------------------------------------------------------------------------


class Copier:
    """clone(2) as fork(3) uses it, but for whose child the new process is."""

    def __init__(self) -> None:
        number, place = _CLONE[platform.machine()]
        # With the lock of the interpreter held, so that no other thread is at anything.
        self.python = ctypes.PyDLL(None)
        self.python.syscall.restype = ctypes.c_long
        arguments = [0] * 5
        arguments[0] = _CLONE_PARENT | _CLONE_CHILD_SETTID | signal.SIGCHLD
        arguments[place] = self._own_id()
        self.arguments = [ctypes.c_long(value) for value in (number, *arguments)]

    def _own_id(self) -> int:
        """Where the C library keeps the id of this thread, which fork(3) would set as well."""
        self.python.pthread_self.restype = ctypes.c_ulong
        begin: int = self.python.pthread_self()
        words = (ctypes.c_int * 512).from_address(begin)
        # Behind the header, in which no id is.
        found = next(n for n in range(128, 512) if words[n] == threading.get_native_id())
        return begin + 4 * found

    def copy(self) -> int:
        """0 in the copy, its id here."""
        self.python.PyOS_BeforeFork()
        pid: int = self.python.syscall(*self.arguments)
        if pid == 0:
            self.python.PyOS_AfterFork_Child()
        else:
            self.python.PyOS_AfterFork_Parent()
        return pid


def _import_what_traces_use() -> None:
    """Nothing but imports: what a run leaves behind stays in a process of its own."""
    for words in TRIALS:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            nothing = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(nothing, number)
            try:
                _command(words)
            finally:
                names = [name for name in sys.modules if name != "__main__"]
                os.write(write, "\n".join(names).encode())
                os._exit(0)
        os.close(write)
        with open(read) as pipe:
            for name in pipe.read().split():
                try:
                    __import__(name)
                except ImportError:
                    continue  # Made by a run, and in no file.
        os.waitpid(pid, 0)


def _command(words: Sequence[str]) -> None:
    import runpy

    sys.argv = ["-m", *words]
    runpy.run_module("prybee", run_name="__main__", alter_sys=True)


def _become(message: tuple[int, list[int]]) -> list[str]:
    """Makes of a copy the process that was asked for: the arguments of its command."""
    request, fds = message
    with open(request, "rb") as file:
        file.seek(0)
        words, folder, environment, session = json.loads(
            file.read().decode("utf-8", "surrogateescape")
        )
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    os.closerange(3, max(*fds, request) + 64)
    os.chdir(folder)
    if session:
        os.setsid()
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        stream: Any = open(
            number, "w" if number else "r",
            encoding=old.encoding, errors=old.errors, newline="\n" if number else None,
            closefd=False,
        )  # fmt: skip
        if number == 2:
            stream.reconfigure(line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    return words  # type: ignore[no-any-return]


def _serve(number: int) -> list[str]:
    """Copies itself for each request; comes back in a copy only."""
    copier = Copier()
    with socket.socket(fileno=number) as requests:
        while True:
            fds = array.array("i")
            said, ancillary, _flags, _address = requests.recvmsg(64, socket.CMSG_SPACE(4 * 4))
            if not said:
                raise SystemExit(0)
            for _level, _kind, data in ancillary:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
            pid = copier.copy()
            if pid == 0:
                requests.detach()
                return _become((fds[0], list(fds[1:])))
            requests.send(str(pid).encode())
            for fd in fds:
                os.close(fd)


if __name__ == "__main__":
    _import_what_traces_use()
    _command(_serve(int(sys.argv[1])))
