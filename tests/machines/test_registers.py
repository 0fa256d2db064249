"""Tables of registers against the kernel's own struct, and against each other."""

from __future__ import annotations

import os
import struct

import pytest

from prybee.btf import Btf, BtfError
from prybee.machines import program_registers, registers


def test_x86_64_is_pt_regs_of_this_kernel() -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the running kernel's pt_regs is another machine's")
    try:
        btf = Btf.vmlinux()
    except BtfError as error:
        pytest.skip(f"needs the kernel's types: {error}")
    known = registers("x86_64")
    assert known is not None
    regs = btf.find("pt_regs", "struct")
    assert btf.size(regs) == known.size
    for name, offset in known.offsets.items():
        member = btf.member(regs, name)
        assert member is not None, name
        assert member.bit_offset == offset * 8, name


def test_aarch64_is_user_pt_regs_of_this_kernel() -> None:
    if os.uname().machine != "aarch64":
        pytest.skip("the running kernel's registers are another machine's")
    try:
        btf = Btf.vmlinux()
    except BtfError as error:
        pytest.skip(f"needs the kernel's types: {error}")
    known = registers("aarch64")
    assert known is not None
    regs = btf.find("user_pt_regs", "struct")
    assert btf.size(regs) == known.size
    for member, name in (("regs", "r0"), ("sp", "sp"), ("pc", "pc"), ("pstate", "pstate")):
        found = btf.member(regs, member)
        assert found is not None
        assert found.bit_offset == known.offsets[name] * 8


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "arm64"])
def test_tables_are_whole(arch: str) -> None:
    known = registers(arch)
    assert known is not None
    word = struct.calcsize("Q")
    names = (*known.arguments, *known.results, known.stack_pointer, known.user_mode[0])
    for name in (*names, *known.syscall_arguments):
        assert name in known.offsets
    for offset in (*known.offsets.values(), *known.operands.values()):
        assert offset % word == 0
        assert 0 <= offset < known.size
    assert known.offset("pc") == known.offset(known.instruction_pointer)
    assert known.offset("nothing") is None


def test_operand_names() -> None:
    x86, arm = registers("x86_64"), registers("aarch64")
    assert x86 is not None
    assert arm is not None
    assert x86.operands["rax"] == x86.offsets["ax"] == 80
    assert x86.operands["r15"] == 0
    assert x86.operands["rip"] == x86.offsets["ip"]
    assert arm.operands["x0"] == arm.offsets["r0"] == 0
    assert arm.operands["sp"] == 248
    assert arm.operands["x29"] == 29 * 8


def test_unknown_machines() -> None:
    assert registers("riscv64") is None


def test_programs_of_32_bits() -> None:
    """Their registers are those of the kernel's machine, by other names."""
    known, wider = program_registers("x86_64", "i386"), registers("x86_64")
    assert known is not None
    assert wider is not None
    assert known.offsets == wider.offsets
    assert known.operands["esp"] == wider.offsets["sp"]
    assert (known.word, known.stack, known.arguments) == (4, 4, ())
    assert program_registers("x86_64", "x86_64") == wider
    assert program_registers("x86_64", "somewhat") == wider
    assert program_registers("aarch64", "arm") is None
    assert program_registers("aarch64", "i386") is None
    assert program_registers("vax", "i386") is None
