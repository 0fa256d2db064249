"""Scripts for arm64, compiled on any machine with a target in a file: where their values come from.

The listings are what the kernel is given.  Places in the context are those of user_pt_regs: x0 to
x30 at 8 bytes each, sp at 248, pc at 256, pstate at 264 (arch/arm64/include/uapi/asm/ptrace.h).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prybee import functions, probes, tools
from prybee.cli import main
from prybee.diagnostics import ScriptError, Source
from prybee.engines.saved import SavedTarget, save
from prybee.isa import disassemble
from prybee.language.frontend import CompileOptions, compile_script
from prybee.language.registry import Registry
from tests.elf.writer import elf, usdt_note
from tests.fixtures.table_target import TableTarget

ARM64 = 183
ARGUMENTS = "-4@[sp, 12] 8@x0 4@[x1, 8] -2@w30 8@[x2, x3, lsl 3] 8@#42 8@xzr 1@[x29, -16]"


def _saved(folder: Path, arch: str) -> str:
    path = folder / f"{arch}.target"
    made = TableTarget(
        arch=arch,
        release="6.12.0",
        features=("kprobe", "v4", "jmp32", "atomics", "probe_read_kernel", "ringbuf", "perf_link"),
        kernel_functions=[("vmlinux", "vfs_read"), ("vmlinux", f"__{arch}_sys_openat")],
    )
    save(made, str(path), b"")
    return str(path)


@pytest.fixture
def arm64(tmp_path: Path) -> str:
    return _saved(tmp_path, "aarch64")


@pytest.fixture
def program(tmp_path: Path) -> str:
    note = usdt_note("<", 64, 0x1004, 0x2000, 0, "app", "place", ARGUMENTS)
    path = tmp_path / "program"
    path.write_bytes(elf(machine=ARM64, notes=note))
    path.chmod(0o755)
    return str(path)


def listing(path: str, text: str) -> list[str]:
    """The instructions of a script's only program."""
    target = SavedTarget(path)
    try:
        registry = Registry(functions.TABLE, probes.TABLE)
        made = compile_script(Source("test", text), target, registry, CompileOptions())
    finally:
        target.close()
    (found,) = made.plan.programs
    return [line.strip() for line in disassemble(found.insns)]


_HELPER = re.compile(r"; r2 = \d; call (\d+); r0 = \*\((\w+) \*\)\(r10 - 8\)")


def reads(path: str, text: str) -> str:
    """The instructions that make the value of ``@ = …``."""
    lines = listing(path, text)
    stored = next(n for n, line in enumerate(lines) if " + 72) = " in line)
    left = ("map_val", "if r0 s<", "r1 = r10", "r1 += -8", " + 72) = r0")
    text = "; ".join([x for x in lines[: stored + 1] if not any(word in x for word in left)])
    return _HELPER.sub(r"; r0 = \2 by \1", text)


# 112 is probe_read_user, 113 probe_read_kernel.
READS = {
    "kprobe:vfs_read { @ = arg0; }": "r0 = *(u64 *)(r1 + 0)",
    "kprobe:vfs_read { @ = arg7; }": "r0 = *(u64 *)(r1 + 56)",
    "kretprobe:vfs_read { @ = retval; }": "r0 = *(u64 *)(r1 + 0)",
    'kprobe:vfs_read { @ = reg("r30"); }': "r0 = *(u64 *)(r1 + 240)",
    'kprobe:vfs_read { @ = reg("sp"); }': "r0 = *(u64 *)(r1 + 248)",
    'kprobe:vfs_read { @ = reg("pc"); }': "r0 = *(u64 *)(r1 + 256)",
    'kprobe:vfs_read { @ = reg("pstate"); }': "r0 = *(u64 *)(r1 + 264)",
    "kprobe:vfs_read { @ = sarg0; }": "r3 = *(u64 *)(r1 + 248); r0 = u64 by 113",
    "kprobe:vfs_read { @ = sarg1; }": "r3 = *(u64 *)(r1 + 248); r3 += 8; r0 = u64 by 113",
    "ksyscall:openat { @ = arg3; }": "r3 = *(u64 *)(r1 + 0); r3 += 24; r0 = u64 by 113",
}


@pytest.mark.parametrize("text", READS)
def test_registers(arm64: str, text: str) -> None:
    assert reads(arm64, text) == READS[text]


def test_usermode(arm64: str) -> None:
    """The exception level: 0 is user space."""
    found = reads(arm64, "profile:hz:99 { @ = usermode; }")
    assert "r0 = *(u64 *)(r1 + 264); w0 &= 15; r5 = 1; if r0 == 0 goto +1; r5 = 0" in found


# The arguments of ARGUMENTS, in order.
OPERANDS = [
    "r3 = *(u64 *)(r1 + 248); r3 += 12; r0 = s32 by 112",
    "r0 = *(u64 *)(r1 + 0)",
    "r3 = *(u64 *)(r1 + 8); r3 += 8; r0 = u32 by 112",
    "r0 = *(u64 *)(r1 + 240); r0 = (s16)r0",
    "r3 = *(u64 *)(r1 + 16); r0 = *(u64 *)(r1 + 24); r0 <<= 3; r3 += r0; r0 = u64 by 112",
    "*(u64 *)(r0 + 72) = 42",
    "*(u64 *)(r0 + 72) = 0",
    "r3 = *(u64 *)(r1 + 232); r3 += -16; r0 = u8 by 112",
]


@pytest.mark.parametrize("index", range(len(OPERANDS)))
def test_usdt(arm64: str, program: str, index: int) -> None:
    found = reads(arm64, f"usdt:{program}:app:place {{ @ = arg{index}; }}")
    assert found == OPERANDS[index]


@pytest.mark.parametrize(
    ("arch", "function", "flag", "bit"),
    [
        ("x86_64", "__x64_sys_openat", "O_DIRECT", 0o40000),
        ("x86_64", "__x64_sys_openat", "O_DIRECTORY", 0o200000),
        ("aarch64", "__arm64_sys_openat", "O_DIRECT", 0o200000),
        ("aarch64", "__arm64_sys_openat", "O_DIRECTORY", 0o40000),
    ],
)
def test_flags_of_open(arch: str, function: str, flag: str, bit: int) -> None:
    """``opensnoop --flag``: the numbers are not the same everywhere (asm/fcntl.h)."""
    target = TableTarget(arch=arch, kernel_functions=[("vmlinux", function)])
    text = (Path(tools.__file__).parent / "opensnoop.bt").read_text()
    registry, options = (
        Registry(functions.TABLE, probes.TABLE),
        CompileOptions(named={"flag": flag}),
    )
    plan = compile_script(Source("opensnoop", text), target, registry, options).plan
    lines = [line for program in plan.programs for line in disassemble(program.insns)]
    assert [line for line in lines if re.search(r"if r0 & (16384|65536) ", line)] == [
        line for line in lines if f"if r0 & {bit} " in line
    ]
    assert any(f"if r0 & {bit} " in line for line in lines)


def test_a_script_is_checked_for_arm64(
    arm64: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.bt"
    script.write_text('kprobe:vfs_read { print((arg6, reg("r29"))); }')
    assert main(["check", "--target", arm64, str(script)]) == 0
    script.write_text('kprobe:vfs_read { print(reg("x29")); }')
    assert main(["check", "--target", arm64, str(script)]) == 1
    assert "'x29' is not a valid register on this architecture (aarch64)" in capsys.readouterr().out


KPROBES = (
    "handlers that use no arguments, results and registers work, and so do tracepoints and fentry, "
    "whose arguments have names"
)
UNKNOWN = {
    "kprobe:vfs_read { @ = arg0; }": (
        "where functions have their arguments on loongarch64 is not known here",
        KPROBES,
    ),
    "kretprobe:vfs_read { @ = retval; }": (
        "where functions have their results on loongarch64 is not known here",
        KPROBES,
    ),
    'kprobe:vfs_read { @ = reg("pc"); }': (
        "'pc' is not a valid register on this architecture (loongarch64)",
        "the registers of this program are not known here",
    ),
    "profile:hz:99 { @ = usermode; }": (
        "'usermode' builtin is only supported on x86_64 and arm64",
        "",
    ),
}


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_machine_whose_registers_are_not_known(tmp_path: Path, text: str) -> None:
    path = _saved(tmp_path, "loongarch64")
    with pytest.raises(ScriptError) as caught:
        listing(path, text)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.message, " ".join(diagnostic.hints)) == UNKNOWN[text]
    assert listing(path, text.partition("{")[0] + "{ @ = count(); }")
