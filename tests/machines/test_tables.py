"""Tables of machines: whole, found by all their names, and used by their own only."""

from __future__ import annotations

import pkgutil

import pytest

import prybee.machines
from prybee.machines import ELF_MACHINES, machine, registers, running
from prybee.machines.syscall_names import syscall_names

NAMES = sorted(
    found.name
    for found in pkgutil.iter_modules(prybee.machines.__path__)
    if hasattr(__import__(f"prybee.machines.{found.name}", fromlist=["MACHINE"]), "MACHINE")
)


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_found_by_its_name(name: str) -> None:
    found = machine(name)
    assert found is not None
    assert found.name == name
    assert found.calls.bpf > 0
    assert name.removesuffix("le") in ELF_MACHINES.values()
    assert not (found.instruction and found.lengths)
    if found.operands is not None and found.registers is not None:
        assert set(found.operands.names.values()) <= set(found.registers.operands)


def test_other_names() -> None:
    assert "x86_64" in NAMES
    assert machine("arm64") is machine("aarch64")
    assert machine("i686") is machine("i386")
    assert machine("armv7l") is machine("arm")
    assert running() is not None


@pytest.mark.parametrize("name", ["", "vax", "machine", "x86", "syscall_names", "x86_length"])
def test_what_is_no_machine(name: str) -> None:
    assert machine(name) is None
    assert registers(name) is None
    assert syscall_names(name) == {}


@pytest.mark.parametrize(
    ("name", "number", "call"),
    [
        ("x86_64", 0, "read"), ("x86_64", 110, "getppid"), ("x86_64", 321, "bpf"),
        ("x86_64", 298, "perf_event_open"), ("x86_64", 202, "futex"),
        ("aarch64", 63, "read"), ("arm64", 173, "getppid"), ("aarch64", 280, "bpf"),
        ("aarch64", 241, "perf_event_open"), ("aarch64", 98, "futex"), ("aarch64", 260, "wait4"),
        ("riscv64", 280, "bpf"), ("x86_64", 439, "faccessat2"), ("aarch64", 439, "faccessat2"),
    ],
)  # fmt: skip
def test_names_of_system_calls(name: str, number: int, call: str) -> None:
    assert syscall_names(name)[number] == call


@pytest.mark.parametrize("name", ["x86_64", "aarch64"])
def test_names_and_numbers_agree(name: str) -> None:
    """The numbers of the calls that we make are in the table of all."""
    found, names = machine(name), syscall_names(name)
    assert found is not None
    calls = found.calls
    ours = [names[number] for number in (calls.bpf, calls.perf_event_open, calls.futex)]
    assert ours == ["bpf", "perf_event_open", "futex"]


def test_words_of_system_calls_are_no_arguments_of_functions() -> None:
    """The fourth argument of a system call on x86-64 is not where a function's is."""
    x86, arm = registers("x86_64"), registers("aarch64")
    assert x86 is not None
    assert arm is not None
    assert x86.arguments[3] == "cx"
    assert x86.syscall_arguments[3] == "r10"
    assert arm.syscall_arguments == arm.arguments[:6]
