"""USDT probes: the notes, and the operands of every machine."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.elf import ElfFile, UsdtArgument
from prybee.elf.operands import OperandError, parse_arguments
from tests.elf.conftest import USDT_HEADER
from tests.elf.writer import elf as make_elf
from tests.elf.writer import usdt_note


@pytest.mark.parametrize("kind", ["pie", "fixed", "static", "shared", "prelinked-looking"])
def test_probes_of_a_program(program, kind):
    with ElfFile.open(program(kind)) as elf:
        probes = [p for p in elf.usdt_probes() if p.provider in ("app", "other")]
        assert sorted((p.provider, p.name) for p in probes) == [
            ("app", "constant"),
            ("app", "plain"),
            ("app", "plain"),
            ("app", "ready"),
            ("other", "ready"),
        ]
        for probe in probes:
            assert elf.read(probe.offset, 1) in (b"\x90", b"\x1f")  # nop
            assert elf.virtual_address(probe.offset) == probe.address
            assert elf.function_at(probe.address)[0].name in ("shown_function", "second_place")
            assert probe.problem == ""
        by_name = {(p.provider, p.name): p for p in probes}
        ready = by_name["app", "ready"]
        (semaphore,) = elf.symbols("ready_semaphore")
        assert ready.semaphore == elf.file_offset(semaphore.value) != 0
        number, text = ready.arguments
        assert (number.size, number.signed, number.kind) == (4, True, "register")
        assert (text.size, text.signed, text.kind) == (8, False, "register")
        assert [a.value for a in by_name["app", "constant"].arguments] == [-7, 42]
        (stacked,) = by_name["other", "ready"].arguments
        assert (stacked.kind, stacked.size) == ("memory", 4)
        assert by_name["other", "ready"].semaphore == 0


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_addresses_are_adjusted_by_the_base(bits, order):
    """prelink moves the file, and .stapsdt.base with it, but not the notes."""
    notes = usdt_note(order, bits, 0x10100, 0x11800, 0x10200, "p", "n", "")
    elf = ElfFile(
        make_elf(bits, order, notes=notes, base_address=0x2800, load=(0x1000, 0x1000, 0x2000))
    )
    (probe,) = elf.usdt_probes()
    assert (probe.address, probe.offset, probe.semaphore) == (0x1100, 0x1100, 0x1200)
    assert probe.arguments == ()


def test_broken_notes_and_places():
    good = usdt_note("<", 64, 0x1100, 0x2000, 0, "p", "good", "8@%rax")
    nowhere = usdt_note("<", 64, 0x900000, 0x2000, 0, "p", "nowhere", "")
    strange = usdt_note("<", 64, 0x1104, 0x2000, 0, "p", "strange", "8@%xmm0 4@$1")
    data = make_elf(notes=nowhere + good + strange + good[:-9])
    probes = ElfFile(data).usdt_probes()
    assert [p.name for p in probes] == ["good", "strange"]
    assert probes[0].arguments == (UsdtArgument(8, False, "register", register="rax"),)
    assert probes[1].arguments is None
    assert probes[1].problem == "operand '%xmm0' of argument '8@%xmm0' was not understood"


def constant(size, signed, value, **more):
    return UsdtArgument(size, signed, "constant", value, **more)


def register(size, signed, name, **more):
    return UsdtArgument(size, signed, "register", register=name, **more)


def memory(size, signed, offset, base="", index="", scale=1, **more):
    return UsdtArgument(size, signed, "memory", offset, base, index, scale, **more)


X86 = {
    "8@$42": constant(8, False, 42),
    "-4@$-7": constant(4, True, -7),
    "4@$-1": constant(4, False, 0xFFFFFFFF),
    "-1@$255": constant(1, True, -1),
    "8@$0x1f": constant(8, False, 31),
    "-4@$0": constant(4, True, 0),
    "8@%rdi": register(8, False, "rdi"),
    "-4@%eax": register(4, True, "rax"),
    "2@%cx": register(2, False, "rcx"),
    "1@%dil": register(1, False, "rdi"),
    "-1@%bl": register(1, True, "rbx"),
    "1@%ah": register(1, False, "rax", high_byte=True),
    "4@%r8d": register(4, False, "r8"),
    "2@%r15w": register(2, False, "r15"),
    "1@%r10b": register(1, False, "r10"),
    "8@%rip": register(8, False, "rip"),
    "8@(%rsp)": memory(8, False, 0, "rsp"),
    "-4@-20(%rbp)": memory(4, True, -20, "rbp"),
    "8@0x10(%rax)": memory(8, False, 16, "rax"),
    "8@16+8(%rax)": memory(8, False, 24, "rax"),
    "8@16-8(%rax)": memory(8, False, 8, "rax"),
    "8@(%rax,%rdx)": memory(8, False, 0, "rax", "rdx"),
    "4@8(%rax,%rdx,4)": memory(4, False, 8, "rax", "rdx", 4),
    "-2@-8(%rax,%r9,8)": memory(2, True, -8, "rax", "r9", 8),
    "8@64(,%rdx,8)": memory(8, False, 64, "", "rdx", 8),
    "4@4210752": memory(4, False, 4210752, relocated=True),
    "%rdi": register(8, False, "rdi"),
    "$5": constant(8, False, 5),
    "8f@%rax": register(8, False, "rax", floating=True),
    "-4f@8(%rsp)": memory(4, True, 8, "rsp", floating=True),
}
ARM64 = {
    "8@x0": register(8, False, "x0"),
    "-4@w30": register(4, True, "x30"),
    "8@sp": register(8, False, "sp"),
    "8@xzr": constant(8, False, 0),
    "-4@wzr": constant(4, True, 0),
    "-4@42": constant(4, True, 42),
    "8@-1": constant(8, False, (1 << 64) - 1),
    "-4@#7": constant(4, True, 7),
    "8@[x29]": memory(8, False, 0, "x29"),
    "-4@[sp, 60]": memory(4, True, 60, "sp"),
    "-4@[sp,-16]": memory(4, True, -16, "sp"),
    "8@[x19, #8]": memory(8, False, 8, "x19"),
    "8@[x1, x2]": memory(8, False, 0, "x1", "x2"),
    "8@[x1, x2, lsl 3]": memory(8, False, 0, "x1", "x2", 8),
    "8@[x1,x2,lsl #2]": memory(8, False, 0, "x1", "x2", 4),
}
RISCV = {
    "8@a0": register(8, False, "a0"),
    "-4@s11": register(4, True, "s11"),
    "8@8(sp)": memory(8, False, 8, "sp"),
    "-4@-20(s0)": memory(4, True, -20, "s0"),
    "8@(fp)": memory(8, False, 0, "s0"),
    "-4@99": constant(4, True, 99),
    "8@zero": constant(8, False, 0),
}
S390 = {
    "8@%r2": register(8, False, "r2"),
    "-4@160(%r15)": memory(4, True, 160, "r15"),
    "8@8(%r1,%r2)": memory(8, False, 8, "r2", "r1"),
    "-4@-1": constant(4, True, -1),
}
I386 = {
    "-4@%eax": register(4, True, "eax"),
    "4@8(%ebp)": memory(4, False, 8, "ebp"),
    "4@(%esp,%ecx,2)": memory(4, False, 0, "esp", "ecx", 2),
    "$5": constant(4, False, 5),
}
TABLE = [
    (machine, text, argument)
    for machine, rows in (
        ("x86_64", X86),
        ("aarch64", ARM64),
        ("riscv64", RISCV),
        ("s390x", S390),
        ("i386", I386),
    )
    for text, argument in rows.items()
]


@pytest.mark.parametrize(("machine", "text", "argument"), TABLE, ids=lambda v: str(v)[:40])
def test_operands(machine, text, argument):
    assert parse_arguments(text, machine) == (argument,)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_several_arguments(machine):
    rows = X86 if machine == "x86_64" else ARM64
    picked = list(rows.items())[:12]
    assert parse_arguments("  ".join(text for text, _ in picked), machine) == tuple(
        argument for _, argument in picked
    )
    assert parse_arguments("", machine) == parse_arguments(" ", machine) == ()


@pytest.mark.parametrize(
    ("machine", "text", "message"),
    [
        ("x86_64", "8@%xmm0", "operand '%xmm0' of argument '8@%xmm0' was not understood"),
        ("x86_64", "8@counter(%rax)", "operand 'counter(%rax)' of argument"),
        ("x86_64", "8@(%rax,%rdx,3)", "was not understood"),
        ("x86_64", "8@()", "was not understood"),
        ("x86_64", "3@%rax", "argument '3@%rax' has a size that is not 1, 2, 4 or 8 bytes"),
        ("x86_64", "@%rax", "has a size that is not"),
        ("x86_64", "8@", "has a size that is not"),
        ("x86_64", "8@x0", "was not understood"),
        ("aarch64", "8@%rax", "was not understood"),
        ("aarch64", "8@x31", "was not understood"),
        ("aarch64", "8@[x1, w2]", "was not understood"),
        ("aarch64", "8@[xzr]", "was not understood"),
        ("riscv64", "8@r7", "was not understood"),
        ("mips", "8@$1", "USDT arguments of mips are not supported"),
        ("x86_64", "8@$1 " * 13, "13 arguments, more than the 12 possible"),
    ],
)
def test_operands_that_are_none(machine, text, message):
    with pytest.raises(OperandError, match=re.escape(message)):
        parse_arguments(text, machine)


@given(
    st.text("0123456789-@%$()[], rawxsplepif#+,", max_size=30),
    st.sampled_from(["x86_64", "aarch64", "riscv64", "s390x", "i386"]),
)
def test_any_text_is_arguments_or_refused(text, machine):
    try:
        arguments = parse_arguments(text, machine)
    except OperandError:
        return
    for argument in arguments:
        assert argument.kind in ("constant", "register", "memory")
        assert argument.size in (1, 2, 4, 8)
        assert argument.register or argument.kind != "register"


def test_symbols_as_places():
    (plain,) = parse_arguments("-4@counter(%rip)", "x86_64")
    assert (plain.symbol, plain.value, plain.relocated, plain.register) == ("counter", 0, True, "")
    (beyond,) = parse_arguments("8@_ZN1a1bE-0x10(%rip)", "x86_64")
    assert (beyond.symbol, beyond.value) == ("_ZN1a1bE", -16)
    with pytest.raises(OperandError):
        parse_arguments("8@counter(%rax)", "x86_64")


def test_symbols_become_addresses(build):
    source = (
        USDT_HEADER
        + r"""
        static long counted[4] __attribute__((used)) = {1, 2, 3, 4};
        int main(void)
        {
            PROBE_NOTE("app", "here", "0", "-8@counted+8(%rip)");
            PROBE_NOTE("app", "nowhere", "0", "8@nosuch(%rip)");
            return 0;
        }
    """
    )
    with ElfFile.open(build("symbols", source)) as elf:
        probes = {probe.name: probe for probe in elf.usdt_probes()}
        (counted,) = elf.symbols("counted")
        (argument,) = probes["here"].arguments
        assert (argument.symbol, argument.value) == ("", counted.value + 8)
        assert probes["nowhere"].arguments is None
        assert probes["nowhere"].problem == (
            "the address of 'nosuch' is not in the file's symbol table (stripped?)"
        )
