"""Guests that stay: booted once, then given one command after the other.

A boot takes most of the time that a single test needs. A guest sees the files as they were when it
was booted, so with each command goes what has changed since in the folders that are worked in.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tests.vm import agent, guest, kernels
from tests.vm.archive import ArchiveError, cache, locked
from tests.vm.machines import split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]
# What is worked in, of the project.
FOLDERS = ("src", "tests", "conformance", "docs", "demo", "dev", "pyproject.toml", "README.md")
BOOT = 240  # seconds
STAY = 12 * 3600  # seconds


def run(
    version: str,
    command: Sequence[str],
    *,
    send: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    timeout: float = 600,
    memory: str = "2G",
    stdout: BinaryIO | None = None,
    stderr: BinaryIO | None = None,
) -> int:
    """Runs a command in the standing guest of a kernel, which is booted if there is none.

    Args:
        version: of the kernel, as :func:`kernels.fetch` takes it.
        command: program and arguments; it starts in the current folder.
        send: more files and folders whose present state the guest is to see.
        environment: more of it.
        timeout: seconds for the command.
        memory: of a guest that must be booted.
        stdout, stderr: where the output goes as it comes.

    Returns:
        The command's status; 124 after the time limit.

    Raises:
        ArchiveError: there is no such kernel, or it does not boot.
    """
    sinks = {b"o": stdout or sys.stdout.buffer, b"e": stderr or sys.stderr.buffer}
    state = _start(version, memory)
    removed, archive = _changes(version, state, [*(ROOT / name for name in FOLDERS), *send])
    request = {
        "command": list(command),
        "folder": os.getcwd(),
        "environment": split(version)[0].environment(guest.seen(environment)),
        "removed": removed,
    }
    deadline = time.monotonic() + timeout
    with socket.create_connection(("127.0.0.1", state["port"])) as connection:
        connection.sendall(json.dumps(request).encode() + b"\n" + archive)
        for kind, data in _frames(connection, deadline):
            if kind == b"s":
                return int(data)
            sinks[kind].write(data)
            sinks[kind].flush()
    return guest.TIMED_OUT if time.monotonic() >= deadline else guest.NO_STATUS


def down(version: str) -> bool:
    """Ends the standing guest of a kernel; whether there was one."""
    with locked(f"standing-{version}"):
        state = _alive(version)
        if state is None:
            return False
        os.killpg(state["process"], signal.SIGKILL)
        _state_file(version).unlink()
        return True


def stand(version: str, port: int) -> int:
    """Boots a guest and stays with it: what the process behind a standing guest does."""
    kernel = kernels.fetch(version)
    return guest.run(
        kernel,
        [kernel.machine.python or sys.executable, "-m", "tests.vm.agent"],
        folder=str(ROOT),
        memory=os.environ.get("PRYBEE_VM_MEMORY", "2G"),
        timeout=STAY,
        forward=(port, agent.PORT),
    )


def _start(version: str, memory: str) -> dict[str, int]:
    with locked(f"standing-{version}"):
        state = _alive(version)
        if state is not None:
            return state
        kernels.fetch(version)
        begun = time.time()
        known = sorted(str(path) for path, _ in _files(ROOT / name for name in FOLDERS))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        log = cache() / f"standing-{version}.log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.vm", "stand", version, str(port)],
                cwd=ROOT,
                env={**os.environ, "PRYBEE_VM_MEMORY": memory},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + BOOT
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise ArchiveError(f"the guest with kernel {version} does not come up: {log}")
            time.sleep(0.5)
        state = {"port": port, "process": process.pid, "begun": int(begun)}
        _state_file(version).write_text(json.dumps(state))
        _known_file(version).write_text("\n".join(known))
        return state


def _state_file(version: str) -> Path:
    return cache() / f"standing-{version}.json"


def _known_file(version: str) -> Path:
    return cache() / f"standing-{version}.files"


def _alive(version: str) -> dict[str, int] | None:
    """What is known of a guest that answers."""
    try:
        state: dict[str, int] = json.loads(_state_file(version).read_text())
        os.kill(state["process"], 0)
    except (OSError, ValueError):
        return None
    if not _answers(state["port"], seconds=30):
        os.killpg(state["process"], signal.SIGKILL)
        return None
    return state


def _answers(port: int, seconds: float = 5) -> bool:
    """Whether the agent is there: QEMU takes the connection before it is, and then drops it."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
            connection.sendall(b"\n")
            # The agent closes; without one the connection is reset or never answered.
            closed = connection.recv(1) == b""
            return closed and not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except OSError:
        return False


def _files(places: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for place in places:
        for path in _below(place) if place.is_dir() else [place]:
            try:
                found = path.stat()
            except OSError:
                continue  # It went away while we looked.
            yield path, found


def _below(folder: Path) -> Iterator[Path]:
    """The files in a folder, without what is made from the rest."""
    for inside, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in ("__pycache__", "_build", "results")]
        yield from [Path(inside) / name for name in names]


def _changes(
    version: str, state: Mapping[str, int], places: Sequence[str | Path]
) -> tuple[list[str], bytes]:
    """What was removed since the guest was booted, and an archive of what was written."""
    known = set(_known_file(version).read_text().splitlines())
    there: set[str] = set()
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w|") as archive:
        for path, found in _files([Path(place).absolute() for place in places]):
            there.add(str(path))
            if max(found.st_mtime, found.st_ctime) < state["begun"] and str(path) in known:
                continue
            member = tarfile.TarInfo(str(path).lstrip("/"))
            member.mode, member.mtime = found.st_mode & 0o7777, int(found.st_mtime)
            try:
                content = path.read_bytes()
            except OSError:
                continue
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    _known_file(version).write_text("\n".join(sorted(known | there)))
    return sorted(known - there), data.getvalue()


def _frames(connection: socket.socket, deadline: float) -> Iterator[tuple[bytes, bytes]]:
    held = b""
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            data = connection.recv(1 << 16)
        except TimeoutError:
            return
        if not data:
            return
        held += data
        while len(held) >= 5:
            (size,) = struct.unpack_from(">I", held, 1)
            if len(held) < 5 + size:
                break
            yield held[:1], held[5 : 5 + size]
            held = held[5 + size :]
