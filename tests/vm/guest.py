"""A guest: one boot of a kernel, with one command in it."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tests.vm import initramfs, roots
from tests.vm.emulator import Programs, accelerator, busybox
from tests.vm.machines import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.vm.kernels import Kernel

# Statuses of our own, as timeout(1) and others use them.
TIMED_OUT = 124
NO_STATUS = 125

_PORTS = ("stdout", "stderr", "status")
# Of the host's environment the command sees these.
_PASSED = ("PATH", "HOME", "TERM", "LANG", "LC_ALL", "PYTHONPATH", "CI")


def seen(more: Mapping[str, str] | None) -> dict[str, str]:
    """The environment that a command in a guest sees: some of this one, and ``more``."""
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return {**passed, **(more or {})}


def run(
    kernel: Kernel,
    command: Sequence[str],
    *,
    cpus: int = 2,
    memory: str = "1G",
    timeout: float = 600,
    append: str = "",
    folder: str = "",
    environment: Mapping[str, str] | None = None,
    writable: Sequence[str] = (),
    forward: tuple[int, int] | None = None,
    stdout: BinaryIO | None = None,
    stderr: BinaryIO | None = None,
) -> int:
    """Boots a kernel and runs a command as root in it.

    Args:
        kernel: which.
        command: program and arguments.
        cpus, memory: of the guest; the memory as QEMU takes it.
        timeout: seconds, boot included.
        append: more words for the kernel's command line.
        folder: where the command starts; empty for where we are.
        environment: more of it for the command.
        writable: folders of the host that the guest writes to; all others are behind an overlay.
        forward: a port of this machine, and the guest's TCP port that it leads to.
        stdout, stderr: where the command's output goes, as it comes.

    Returns:
        The command's status; 124 after the time limit, 125 where the guest told none (its console
        is shown then).
    """
    stdout = stdout or sys.stdout.buffer
    stderr = stderr or sys.stderr.buffer
    machine = kernel.machine
    programs = Programs(machine)
    root = roots.fetch(machine) if machine.root else Path("/")
    # What of this machine's files a guest with a root of its own sees.
    views = {f"/lib/modules/{kernel.release}": kernel.modules, str(ROOT): ROOT}
    shares = {f"share{number}": os.path.abspath(path) for number, path in enumerate(writable)}
    image = initramfs.build(
        kernel,
        busybox(root) if machine.root else programs.busybox,
        command,
        os.path.abspath(folder or os.getcwd()),
        machine.environment(seen(environment)),
        shares,
        views if machine.root else {},
        {} if machine.root else programs.tools(),
    )
    with tempfile.TemporaryDirectory(prefix="prybee-vm-") as name:
        place = Path(name)
        (place / "initramfs").write_bytes(image)
        listeners = {port: _listen(place / port) for port in _PORTS}
        start, qemu_environment = programs.qemu()
        arguments = _arguments(kernel, place, cpus, memory, append)
        arguments += _folders(root, views if machine.root else {}, shares)
        arguments += _network(forward) if forward is not None else []
        qemu = subprocess.Popen(
            [*start, *arguments],
            env=qemu_environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            status = _pump(qemu, listeners, timeout, {"stdout": stdout, "stderr": stderr})
        finally:
            qemu.kill()
            said = qemu.communicate()[0]
            for listener in listeners.values():
                listener.close()
        if status == NO_STATUS:
            console = (place / "console").read_bytes() if (place / "console").exists() else b""
            stderr.write(said + console[-8000:])
        return status


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    return listener


def _arguments(kernel: Kernel, place: Path, cpus: int, memory: str, append: str) -> list[str]:
    machine = kernel.machine
    how = accelerator(machine)
    # An emulated processor does not speculate: guarding against that costs half of the time.
    words = f"console={machine.console} loglevel=4 panic=-1 mitigations=off {append}"
    threads = ",thread=multi" if how == "tcg" else ""
    given = [
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
        *machine.arguments, "-accel", how + threads,
        "-cpu", "host" if how == "kvm" else machine.processor,
        "-smp", str(cpus), "-m", memory,
        "-kernel", str(kernel.image), "-initrd", str(place / "initramfs"),
        "-append", words.strip(),
        "-serial", f"file:{place / 'console'}",
        "-device", "virtio-rng-pci",
        "-device", "virtio-serial-pci",
    ]  # fmt: skip
    for number, port in enumerate(_PORTS, 1):
        given += [
            "-chardev", f"socket,id={port},path={place / port}",
            "-device", f"virtserialport,nr={number},chardev={port},name={port}",
        ]  # fmt: skip
    return given


def _folders(root: Path, views: Mapping[str, Path], shares: Mapping[str, str]) -> list[str]:
    read = {"root": root, **{f"view{number}": path for number, path in enumerate(views.values())}}
    given: list[str] = []
    for tag, path in read.items():
        what = f"local,path={path},mount_tag={tag},security_model=none,readonly=on"
        given += ["-virtfs", f"{what},multidevs=remap"]
    for tag, folder in shares.items():
        given += ["-virtfs", f"local,path={folder},mount_tag={tag},security_model=none"]
    return given


def _network(forward: tuple[int, int]) -> list[str]:
    """A network that leads nowhere but through one port."""
    here, there = forward
    return [
        "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{here}-:{there}",
        "-device", "virtio-net-pci,netdev=net,romfile=",
    ]  # fmt: skip


def _pump(
    qemu: subprocess.Popen[bytes],
    listeners: Mapping[str, socket.socket],
    timeout: float,
    sinks: Mapping[str, BinaryIO],
) -> int:
    """Passes on what comes from the ports until QEMU ends: the status."""
    deadline = time.monotonic() + timeout
    status = b""
    with selectors.DefaultSelector() as selector:
        for port, listener in listeners.items():
            selector.register(listener, selectors.EVENT_READ, port)
        opened: list[socket.socket] = []
        try:
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    return TIMED_OUT
                for key, _ in selector.select(min(left, 0.5)):
                    port, source = key.data, key.fileobj
                    assert isinstance(source, socket.socket)
                    if source is listeners[port]:
                        connection, _ = source.accept()
                        opened.append(connection)
                        selector.unregister(source)
                        selector.register(connection, selectors.EVENT_READ, port)
                        continue
                    data = source.recv(1 << 16)
                    if not data:
                        selector.unregister(source)
                    elif port == "status":
                        status += data
                    else:
                        sinks[port].write(data)
                        sinks[port].flush()
                if qemu.poll() is not None and len(opened) < len(listeners):
                    break  # It never got so far as to connect.
        finally:
            for connection in opened:
                connection.close()
    text = status.strip()
    return int(text) if text.isdigit() else NO_STATUS
