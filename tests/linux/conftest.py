"""Live tests need root; descriptors must not leak from any test of this room."""

from __future__ import annotations

import os
from struct import pack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# One instruction: opcode, registers (src << 4 | dst), offset, immediate.
LDDW, MOV64, EXIT, CALL = 0x18, 0xB7, 0x95, 0x85


def insn(opcode: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    """One 8-byte instruction."""
    return pack("<BBhi", opcode, src << 4 | dst, off, imm)


def lddw(dst: int, imm: int, src: int = 0, second: int = 0) -> bytes:
    """The wide load: with ``src`` 1 of a map, with 2 of a map's value at ``second``."""
    return insn(LDDW, dst, src, 0, imm) + insn(0, 0, 0, 0, second)


def returning(value: int) -> bytes:
    """A program that returns ``value``."""
    return insn(MOV64, 0, imm=value) + insn(EXIT)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker("live"):
                item.add_marker(pytest.mark.skip(reason="needs root"))


def descriptors() -> dict[str, str]:
    """This process's descriptors and what they are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass
    return found


@pytest.fixture(autouse=True)
def no_leak() -> Iterator[None]:
    """Fails a test that leaves descriptors of kernel objects open."""
    before = descriptors()
    yield
    after = descriptors()
    leaked = {k: v for k, v in after.items() if before.get(k) != v and "anon_inode" in v}
    assert not leaked
