"""The other end of :mod:`tests.vm.standing`: runs in a guest and takes commands over TCP.

A connection is one command. The host says in one line of JSON what to run, then sends a tar archive
of what changed since the guest was booted. It gets frames: a letter (``o``utput, ``e``rrors,
``s``tatus), four bytes of length, the content. When the host goes away, so does the command.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import tarfile
import threading
from typing import IO, Any

PORT = 7000

_extracting = threading.Lock()


class Command(socketserver.StreamRequestHandler):
    """One command."""

    def handle(self) -> None:
        """Takes a request, runs it, and passes on what it says."""
        said = self.rfile.readline()
        if not said.strip():
            return
        request = json.loads(said)
        with _extracting:
            for path in request["removed"]:
                with contextlib.suppress(OSError):
                    os.unlink(path)
            with tarfile.open(fileobj=self.rfile, mode="r|") as files:
                _extract(files)
        try:
            child = subprocess.Popen(
                request["command"],
                cwd=request["folder"],
                env=request["environment"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            self._send(b"e", f"{error}\n".encode())
            self._send(b"s", b"127")
            return
        try:
            self._pump(child)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def _pump(self, child: subprocess.Popen[bytes]) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ, b"")
            selector.register(child.stdout or 0, selectors.EVENT_READ, b"o")
            selector.register(child.stderr or 0, selectors.EVENT_READ, b"e")
            while len(selector.get_map()) > 1:
                # Somebody in the background may have the pipes after the command has ended.
                ready = selector.select(0.2)
                if not ready and child.poll() is not None:
                    break
                for key, _ in ready:
                    if not key.data:
                        return  # The host says nothing more but that it goes.
                    data = os.read(key.fd, 1 << 16)
                    if data:
                        self._send(key.data, data)
                    else:
                        selector.unregister(key.fileobj)
        status = child.wait()
        self._send(b"s", str(status if status >= 0 else 128 - status).encode())

    def _send(self, kind: bytes, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.connection.sendall(kind + struct.pack(">I", len(data)) + data)


def _extract(files: tarfile.TarFile) -> None:
    """Each file appears whole: others may be reading the one it takes the place of."""
    for member in files:
        path = "/" + member.name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        source: IO[bytes] | None = files.extractfile(member)
        if source is None:
            continue
        beside = f"{path}.{os.getpid()}"
        with open(beside, "wb") as target:
            shutil.copyfileobj(source, target)
        os.chmod(beside, member.mode)
        os.utime(beside, (member.mtime, member.mtime))
        os.replace(beside, path)


class Server(socketserver.ThreadingTCPServer):
    """All commands, side by side."""

    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What went wrong with one command is seen on the console, and nothing ends."""
        print(f"agent: {sys.exc_info()[1]!r}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    socket.setdefaulttimeout(None)
    with Server(("", PORT), Command) as server:
        server.serve_forever()
