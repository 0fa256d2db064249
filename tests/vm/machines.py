"""Machines that guests can be: how each is emulated, and where its programs come from.

A guest of this machine's own kind sees this machine's files. One of another kind cannot run them:
it gets a root of Debian packages, unpacked into the cache, with the project's folder in it.
"""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
# Where Debian's packages have modules for Python.
_PACKAGES = "/usr/lib/python3/dist-packages"


@dataclass(frozen=True)
class Machine:
    """One kind of machine.

    Attributes:
        name: as uname(2) says it.
        debian: as Debian says it.
        emulator: QEMU's program.
        packages: QEMU and what it needs, which run here.
        arguments: for QEMU: the board.
        processor: a plain one. Without the wide vectors that libraries would use and the pointer
            authentication that kernels would, both of which cost more than they are worth here.
        console: the guest's first serial port.
        suite: of the archive, where its root's packages are; they have this Python's version.
        root: packages of its root; empty where it sees this machine's files.
    """

    name: str
    debian: str
    emulator: str
    packages: tuple[str, ...]
    arguments: tuple[str, ...]
    processor: str
    console: str
    suite: str = ""
    root: tuple[str, ...] = ()

    @property
    def python(self) -> str:
        """The interpreter in its root; empty for this one."""
        return "/usr/bin/python3" if self.root else ""

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """What a command gets of an environment that was made for this machine."""
        if not self.root:
            return dict(given)
        # pytest is pure Python, so that the one installed here will do; hypothesis is not.
        path = [*given.get("PYTHONPATH", "").split(":"), _PACKAGES, sysconfig.get_path("purelib")]
        return {
            **given,
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PYTHONPATH": ":".join(part for part in path if part),
        }


# busybox is the guest's first program; zstd unpacks kernels; kmod loads modules.
_ALWAYS = ("busybox-static", "zstd", "kmod")
AMD64 = Machine(
    "x86_64",
    "amd64",
    "qemu-system-x86_64",
    ("qemu-system-x86", "seabios", *_ALWAYS),
    ("-machine", "q35"),
    "Nehalem",
    "ttyS0",
)
ARM64 = Machine(
    "aarch64",
    "arm64",
    "qemu-system-aarch64",
    ("qemu-system-arm", *_ALWAYS),
    ("-machine", "virt,gic-version=3"),
    "cortex-a72",
    "ttyAMA0",
    "bookworm",
    (
        "base-files", "base-passwd", "bash", "binutils", "busybox-static", "coreutils", "dash",
        "findutils", "grep", "iproute2", "kmod", "libc-bin", "libc6-dbg", "mount", "procps",
        "python3", "python3-hypothesis", "sed", "util-linux",
    ),
)  # fmt: skip
# How a kernel's name says which it is for.
MACHINES = {"": AMD64, "amd64": AMD64, "arm64": ARM64}


def split(kernel: str) -> tuple[Machine, str]:
    """The machine and the version that ``arm64:6.12`` means; ``6.12`` is for this machine.

    Raises:
        ValueError: there is no such machine.
    """
    name, _, version = kernel.rpartition(":")
    if name not in MACHINES:
        known = ", ".join(each for each in MACHINES if each)
        raise ValueError(f"{name}: no machine that is known here ({known})")
    return MACHINES[name], version
