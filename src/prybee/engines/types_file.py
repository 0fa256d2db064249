"""Where the kernel's types come from: the kernel itself, or a file.

A file holds raw BTF, or is an object file (a ``vmlinux``, a module) with a section ``.BTF``.  The
user names one (``--btf``, PRYBEE_BTF, BPFTRACE_BTF); without, and where the kernel shows no types,
the places are tried where distributions put a ``vmlinux``.
"""

from __future__ import annotations

import os

from prybee.btf import Btf, BtfError
from prybee.diagnostics import PrybeeError

OWN = "/sys/kernel/btf/vmlinux"

# Where a vmlinux may be, by the kernel's release: those that libbpf looks at (tools/lib/bpf/btf.c).
USUAL = (
    "/boot/vmlinux-{}",
    "/lib/modules/{}/vmlinux-{}",
    "/lib/modules/{}/build/vmlinux",
    "/usr/lib/modules/{}/kernel/vmlinux",
    "/usr/lib/debug/boot/vmlinux-{}",
    "/usr/lib/debug/boot/vmlinux-{}.debug",
    "/usr/lib/debug/lib/modules/{}/vmlinux",
)

_ELF = b"\x7fELF"
# So many functions are looked up to tell one kernel's types from another's.
_SAMPLE = 500


class TypesError(PrybeeError):
    """The file that the user has named for the kernel's types cannot be used."""


def usual(release: str) -> str:
    """The file with the types of the kernel ``release`` in one of the usual places, or empty."""
    for place in USUAL:
        path = place.replace("{}", release)
        if os.path.isfile(path) and _section(path):
            return path
    return ""


def load(path: str, said_by: str, cache: str | None = None) -> Btf:
    """The types in a file that the user has named.

    Args:
        path: the file.
        said_by: the option or variable that names it, for messages.
        cache: as :meth:`prybee.btf.Btf.vmlinux` takes it.

    Raises:
        TypesError: it cannot be read, or holds no types.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(4)
        if start != _ELF:
            return Btf.vmlinux(path, cache)
        data = _section(path)
        if not data:
            raise TypesError(
                f"{said_by}: {path} has no section .BTF: it was built without types\n"
                "HINT: `pahole -J FILE` adds them to a vmlinux that has debug information"
            )
        return Btf(data)
    except OSError as error:
        raise TypesError(f"{said_by}: cannot read {path}: {error.strerror}") from None
    except BtfError as error:
        what = str(error).removeprefix(f"{path}: ")
        raise TypesError(
            f"{said_by}: {path} holds no types of a kernel: {what}\n"
            "HINT: a copy of /sys/kernel/btf/vmlinux will do, or a vmlinux with a section .BTF"
        ) from None


def _section(path: str) -> bytes:
    """The raw types in an object file; empty where it has none, or is no object file."""
    from prybee.elf import ElfError, ElfFile

    try:
        with ElfFile.open(path) as elf:
            section = elf.section(".BTF")
            return bytes(elf.data(section)) if section is not None else b""
    except (ElfError, OSError):
        return b""


def of_another_kernel(btf: Btf, path: str) -> bool:
    """Whether types from a file are, as far as can be told, not those of the running kernel.

    Where the kernel shows its own, they are compared.  Where not, functions are looked up among
    its symbols: of its own types' 3 of 100 are not there (inlined or removed when it was linked),
    of the types of another release 25.
    """
    own = _read(OWN)
    if own:
        return (_section(path) if _read(path, 4) == _ELF else _read(path)) != own
    known = {line.split(None, 3)[2] for line in _read("/proc/kallsyms").splitlines()}
    names = btf.names("func")
    some = names[:: max(1, len(names) // _SAMPLE)]
    missing = sum(name.encode() not in known for name in some)
    return bool(known) and missing > len(some) // 10


def _read(path: str, size: int = -1) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""
