"""Lengths of instructions, against objdump on real code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from shutil import which

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.elf import ElfFile
from prybee.machines import i386_length
from prybee.machines.x86_length import UnknownInstruction, begins_at, length

_LINE = re.compile(r"^\s+([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*(.*)$")


@pytest.mark.parametrize(
    "code",
    [
        "90", "c3", "55", "4889e5", "f30f1efa", "e800000000", "0f8400000000", "7405",
        "48b80102030405060708", "b801000000", "66b80100", "c20800", "c8100000",
        "48833d0000000000", "8b0425d2040000", "488b44242a", "488d80ff000000", "f6c101",
        "f7c100010000", "f7d8", "66f7c10001", "48a11122334455667788", "67a111223344",
        "660f6fc1", "660f3a0fc108", "660f3800c1", "c5f877", "c5f96fc1", "c4e3790fc108",
        "c4e27900c1", "62f17c4810c1", "62f37d4825c1ff", "f0480fb10f", "65488b042528000000",
        "0f05", "0fa2", "0f1f440000", "66662e0f1f840000000000", "d9c0", "69c0e8030000",
        "6bc00a", "cc", "cd80", "0fbae003", "f20f10c1", "0fc2c100", "66480f7ec0", "8fe97812c1",
        "e2fe", "a804", "a900010000", "c70001000000", "66c7000100", "0f0dc8",
    ],
)  # fmt: skip
def test_one_instruction(code: str) -> None:
    data = bytes.fromhex(code)
    assert length(data + b"\x90" * 15) == len(data)
    with pytest.raises(UnknownInstruction):
        length(data[:-1])


@pytest.mark.parametrize("code", ["06", "82c001", "0f04", "66" * 20, "", "48"])
def test_no_instruction(code: str) -> None:
    with pytest.raises(UnknownInstruction):
        length(bytes.fromhex(code))


@given(st.binary(max_size=20))
def test_any_bytes_have_a_length_or_none(code: bytes) -> None:
    try:
        assert 0 < length(code) <= len(code)
    except UnknownInstruction:
        pass


def test_where_instructions_begin() -> None:
    code = bytes.fromhex("554889e5c3")
    assert [begins_at(code, offset) for offset in range(5)] == [True, True, False, False, True]


@pytest.mark.parametrize("path", ["/bin/bash", "/lib/x86_64-linux-gnu/libc.so.6"])
def test_real_code(path: str) -> None:
    if which("objdump") is None or not Path(path).exists():
        pytest.skip(f"compares with objdump on {path}")
    with ElfFile.open(path) as elf:
        if elf.machine != "x86_64":
            pytest.skip(f"{path} is {elf.machine}")
        text = elf.section(".text")
        assert text is not None
        start = text.address + text.size // 2
    command = [
        "objdump", "-d", "-w", "-j", ".text",
        f"--start-address={start}", f"--stop-address={start + 60_000}", path,
    ]  # fmt: skip
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    compared = 0
    # The range may begin and end within an instruction.
    for line in lines.splitlines()[20:-4]:
        found = _LINE.match(line)
        if found is None or "(bad)" in found[3]:
            continue
        data = bytes.fromhex(found[2])
        compared += 1
        assert length(data) == len(data), line
    assert compared > 10_000


@pytest.mark.parametrize(
    "code",
    [
        "40", "4f", "06", "60", "61", "ce", "d40a", "9a0000000000aa", "669a00000000",
        "ea112233445566",
        "a111223344", "a011223344", "82c001", "66e80000", "e800000000", "6201", "c401", "c54504",
        "c5f877", "c4e3790fc108", "62f17c4810c1", "0fb6450c", "8b5520", "55", "89e5",
    ],
)  # fmt: skip
def test_one_instruction_of_32_bits(code: str) -> None:
    data = bytes.fromhex(code)
    assert length(data + b"\x90" * 15, 0, 32) == len(data)
    with pytest.raises(UnknownInstruction):
        length(data[:-1], 0, 32)


def test_addresses_of_16_bits_are_not_known() -> None:
    with pytest.raises(UnknownInstruction):
        length(bytes.fromhex("678b00"), 0, 32)


@given(st.binary(max_size=20))
def test_any_bytes_have_a_length_of_32_bits_or_none(code: bytes) -> None:
    try:
        assert 0 < length(code, 0, 32) <= len(code)
    except UnknownInstruction:
        pass


def test_where_instructions_of_32_bits_begin() -> None:
    code = bytes.fromhex("40408b4508c3")
    assert [i386_length.begins_at(code, offset) for offset in range(6)] == [
        True, True, True, False, False, True
    ]  # fmt: skip


def test_any_code_as_that_of_32_bits(tmp_path: Path) -> None:
    """Bytes of a library, which objdump takes for code of i386."""
    path = "/lib/x86_64-linux-gnu/libc.so.6"
    if which("objdump") is None or not Path(path).exists():
        pytest.skip(f"compares with objdump on {path}")
    with ElfFile.open(path) as elf:
        text = elf.section(".text")
        assert text is not None
        (tmp_path / "code").write_bytes(bytes(elf.data(text))[400_000:440_000])
    command = ["objdump", "-D", "-w", "-b", "binary", "-m", "i386", str(tmp_path / "code")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    compared = 0
    for line in lines.splitlines()[10:-3]:
        found = _LINE.match(line)
        if found is None or "(bad)" in found[3] or "addr16" in found[3] or found[2][:2] == "67":
            continue
        data = bytes.fromhex(found[2])
        compared += 1
        assert length(data, 0, 32) == len(data), line
    assert compared > 8_000
