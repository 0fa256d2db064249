"""Running compiled programs in the live kernel, as raw tracepoint programs by PROG_TEST_RUN.

Deliberately thin, over the attribute layouts alone: the compiler's tests shall not depend on the
rooms above it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import resource
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from prybee.compiler.machine import PSEUDO_FUNC
from prybee.linux import attributes, syscalls, uapi
from prybee.linux.attributes import Attributes
from tests.conftest import need

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prybee.compiler.compile import Compiled, Relocation

ARGUMENTS = 12  # MAX_BPF_FUNC_ARGS: a raw tracepoint's context is that many u64


class Refused(AssertionError):
    """The verifier refused a program."""

    def __init__(self, errno: int, log: str) -> None:
        super().__init__(f"{os.strerror(errno)}\n{log}")
        self.errno = errno
        self.log = log


class Map:
    """A map and its file descriptor."""

    def __init__(
        self, kind: str, key: int, value: int, entries: int, flags: int = 0, name: str = ""
    ) -> None:
        self.kind = kind
        self.key_size = key
        self.value_size = value
        self.fd = Attributes(
            attributes.MAP_CREATE,
            map_type=uapi.MAP_TYPE_NAMES.index(kind),
            key_size=key, value_size=value, max_entries=entries, map_flags=flags,
            map_name=name.encode(),
        ).call()  # fmt: skip
        assert self.fd >= 0, os.strerror(-self.fd)

    def _call(self, command: int, key: bytes, value: bytearray | bytes | None = None) -> int:
        attrs = Attributes(
            attributes.MAP_ELEM, map_fd=self.fd, key=bytearray(key) if key else None, value=value
        )
        return syscalls.kernel.bpf(command, attrs.address, 32)

    def __getitem__(self, key: bytes) -> bytes | None:
        size = self.value_size
        if self.kind.startswith("percpu") or "_percpu" in self.kind:
            size = (size + 7) // 8 * 8 * possible_cpus()
        value = bytearray(size)
        return bytes(value) if self._call(1, key, value) == 0 else None

    def __setitem__(self, key: bytes, value: bytes) -> None:
        result = self._call(2, key, bytearray(value))
        assert result == 0, os.strerror(-result)

    def items(self) -> list[tuple[bytes, bytes]]:
        """All entries."""
        found = []
        key, first = bytearray(self.key_size), True
        while True:
            after = bytearray(self.key_size)
            attrs = Attributes(
                attributes.MAP_ELEM, map_fd=self.fd, key=None if first else key, value=after
            )
            if syscalls.kernel.bpf(4, attrs.address, 32) != 0:
                return found
            key, first = after, False
            found.append((bytes(key), self[bytes(key)] or b""))

    def close(self) -> None:
        os.close(self.fd)


def possible_cpus() -> int:
    with open("/sys/devices/system/cpu/possible") as file:
        return int(file.read().strip().split("-")[-1]) + 1


def relocate(insns: bytes, relocations: Iterable[Relocation], maps: Mapping[str, Map]) -> bytearray:
    """The instructions with the maps' descriptors filled in."""
    image = bytearray(insns)
    for r in relocations:
        assert r.kind in ("map", "map_value"), r
        struct.pack_into("<i", image, r.insn * 8 + 4, maps[r.symbol].fd)
    return image


class Program:
    """A loaded program."""

    def __init__(
        self,
        insns: bytes | bytearray,
        type_: int = 17,
        btf: bytes = b"",
        functions: bytes = b"",
        lines: bytes = b"",
        level: int = 0,
        license: bytes = b"GPL\0",  # noqa: A002
        **more: int,
    ) -> None:
        btf_fd = load_btf(btf) if btf else 0
        values = {
            "prog_type": type_, "insns": bytearray(insns), "insn_cnt": len(insns) // 8,
            "license": license, "prog_btf_fd": btf_fd, "func_info": functions,
            "func_info_rec_size": 8 if functions else 0, "func_info_cnt": len(functions) // 8,
            "line_info": lines, "line_info_rec_size": 16 if lines else 0,
            "line_info_cnt": len(lines) // 16, **more,
        }  # fmt: skip
        self.log = ""
        self.fd = -1
        if level == 0:
            self.fd = Attributes(attributes.PROG_LOAD, **values).call()
        if self.fd < 0:
            log = bytearray(1 << 18)
            self.fd = Attributes(
                attributes.PROG_LOAD, log_level=level or 1, log_buf=log, log_size=len(log), **values
            ).call()
            self.log = log.split(b"\0", 1)[0].decode("utf-8", "replace")
        if btf_fd:
            os.close(btf_fd)
        if self.fd < 0:
            raise Refused(-self.fd, self.log)

    def run(self, arguments: Sequence[int] = ()) -> int:
        """Run once; the low 32 bits of r0."""
        ctx = bytearray(
            struct.pack(f"<{ARGUMENTS}Q", *arguments, *[0] * (ARGUMENTS - len(arguments)))
        )
        attrs = Attributes(
            attributes.PROG_TEST_RUN, prog_fd=self.fd, ctx_in=ctx, ctx_size_in=len(ctx)
        )
        result = attrs.call()
        assert result == 0, os.strerror(-result)
        return attrs["retval"]

    def close(self) -> None:
        os.close(self.fd)


def load_btf(data: bytes) -> int:
    """A descriptor of a program's BTF."""
    log = bytearray(1 << 16)
    fd = Attributes(
        attributes.BTF_LOAD, btf=bytearray(data), btf_size=len(data), btf_log_buf=log,
        btf_log_size=len(log), btf_log_level=1,
    ).call()  # fmt: skip
    if fd < 0:
        raise Refused(-fd, log.split(b"\0", 1)[0].decode())
    return fd


def load(compiled: Compiled, maps: Mapping[str, Map], level: int = 0) -> Program:
    """Load what the compiler made, with its debug information.

    Skips the test where it has callbacks and the kernel knows none.
    """
    from prybee.compiler.debug_info import debug_info

    image = relocate(compiled.insns, compiled.relocations, maps)
    if PSEUDO_FUNC in (image[at + 1] >> 4 for at in range(0, len(image), 8) if image[at] == 0x18):
        need("helper:for_each_map_elem")  # the first that takes a function
    info = debug_info([compiled])
    functions, lines = info.programs[compiled.name]
    return Program(image, btf=info.btf, functions=functions, lines=lines, level=level)


def can_load() -> bool:
    """Whether this process may load programs here."""
    # Before Linux 5.11 maps and programs count as locked memory of the process.
    with suppress(ValueError):  # only who may raise the limit needs to
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
    insns = bytes.fromhex("b700000000000000 9500000000000000")
    try:
        Program(insns).close()
    except (Refused, OSError):
        return False
    return True


@functools.cache
def reads_what_was_overwritten() -> bool:
    """Whether a word of the stack can be read after a part of it was written somewhere.

    Linux 6.18.15 refuses that where it knows the word's value: the rest of it counts as a spilled
    register still (check_stack_write_var_off); 6.12 and 6.18.44 do not.
    """
    # r2 = *(u64 *)(r1 + 0); r2 &= 8; *(u64 *)(r10 - 16) = 0; *(u64 *)(r10 - 8) = 0;
    # r3 = r10; r3 += -16; r3 += r2; *(u16 *)(r3 + 0) = r2; r0 = *(u64 *)(r10 - 8); exit
    insns = bytes.fromhex(
        "7912000000000000 5702000008000000 7a0af0ff00000000 7a0af8ff00000000"
        "bfa3000000000000 07030000f0ffffff 0f23000000000000 6b23000000000000"
        "79a0f8ff00000000 9500000000000000"
    )
    try:
        Program(insns).close()
    except Refused:
        return False
    return True


_can: list[bool] = []


def needs_kernel() -> None:
    """Skip the test where programs cannot be loaded."""
    if not _can:
        _can.append(hasattr(ctypes, "CDLL") and os.geteuid() == 0 and can_load())
    if not _can[0]:
        pytest.skip("needs root and a kernel that loads eBPF programs")
