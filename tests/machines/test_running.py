"""A program of a few instructions on the running machine: no compiler is asked for.

It puts 42 and -7 into the registers of the first two arguments and 99 into the second word of the
stack, passes a USDT probe's place, and calls a function that returns 5.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from prybee.machines import ELF_MACHINES
from tests.elf.writer import elf, usdt_note
from tests.probes.running import trace

pytestmark = pytest.mark.live

AT = 0x401000
# Code, places of the nop and of the function in it, and the probe's arguments.
CODE = {
    "x86_64": (
        bytes.fromhex(
            "4883ec10"  # sub $16, %rsp
            "bf2a000000"  # mov $42, %edi
            "bef9ffffff"  # mov $-7, %esi
            "48c744240863000000"  # movq $99, 8(%rsp)
            "4889e2"  # mov %rsp, %rdx
            "90"  # nop
            "e80c000000"  # call
            "31ff"  # xor %edi, %edi
            "b83c000000"  # mov $60, %eax
            "0f05"  # syscall
            "0f1f00"  # nop
            "b805000000"  # mov $5, %eax
            "c3"  # ret
        ),
        26,
        44,
        "-4@%esi 8@%rdi 8@8(%rsp) 4@8(%rdx) -1@%sil 2@$300",
    ),
    "aarch64": (
        b"".join(
            word.to_bytes(4, "little")
            for word in (
                0xD10043FF,  # sub sp, sp, #16
                0xD2800540,  # mov x0, #42
                0x128000C1,  # mov w1, #-7
                0xD2800C63,  # mov x3, #99
                0xF90007E3,  # str x3, [sp, #8]
                0x910003E2,  # mov x2, sp
                0xD503201F,  # nop
                0x94000004,  # bl
                0xD2800000,  # mov x0, #0
                0xD2800BA8,  # mov x8, #93
                0xD4000001,  # svc #0
                0xD28000A0,  # mov x0, #5
                0xD65F03C0,  # ret
            )
        ),
        24,
        44,
        "-4@w1 8@x0 8@[sp, 8] 4@[x2, 8] -1@w1 2@300",
    ),
}
MACHINE = os.uname().machine


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    if MACHINE not in CODE:
        pytest.skip(f"no code for {MACHINE}")
    code, place, function, arguments = CODE[MACHINE]
    numbers = {name: number for number, name in ELF_MACHINES.items()}
    data = elf(
        machine=numbers[MACHINE],
        kind=2,
        functions=(("_start", AT, function), ("five", AT + function, len(code) - function)),
        objects=(),
        notes=usdt_note("<", 64, AT + place, 0x2000, 0, "app", "place", arguments),
        load=(0x1000, AT, len(code)),
    )
    path = tmp_path_factory.mktemp("program") / "few"
    path.write_bytes(data[:0x1000] + code)
    path.chmod(0o755)
    return str(path)


def test_registers_and_stack(program: str) -> None:
    found, _plan = trace(
        f"""uprobe:{program}:five {{
                @first = arg0; @second = (int32)arg1; @stack = sarg1;
                @same = reg("pc") == uaddr("five");
            }}
            uretprobe:{program}:five {{ @result = retval; }}
            usdt:{program}:app:place {{
                @usdt = (arg0, arg1, arg2, arg3, arg4, arg5);
            }}""",
        lambda: subprocess.run([program], check=True),
    )
    assert found["@first"] == 42
    assert found["@second"] == -7
    assert found["@stack"] == 99
    assert found["@same"] is True
    assert found["@result"] == 5
    assert found["@usdt"] == (-7, 42, 99, 99, -7, 300)


def test_instructions_of_the_function(program: str) -> None:
    """Its second instruction is a place for a probe; the result is there."""
    second = {"x86_64": 5, "aarch64": 4}[MACHINE]
    register = {"x86_64": "ax", "aarch64": "r0"}[MACHINE]
    found, _plan = trace(
        f'uprobe:{program}:five+{second} {{ @ = reg("{register}"); }}',
        lambda: subprocess.run([program], check=True),
    )
    assert found["@"] == 5


def test_user_code_and_system_calls() -> None:
    """Who was interrupted, when nothing but arithmetic was done; a call's own arguments."""
    with open(__file__, "rb") as file:
        where = Path(__file__).stat().st_size - 1

        def cause() -> None:
            for _ in range(8):
                sum(range(10**6))
            os.lseek(file.fileno(), where, os.SEEK_SET)

        found, _plan = trace(
            f"""profile:hz:99 /pid == {os.getpid()}/ {{ @[usermode] = count(); }}
                ksyscall:lseek /pid == {os.getpid()}/ {{ @lseek = (arg0, arg1, arg2); }}""",
            cause,
        )
        modes = found["@"]
        assert isinstance(modes, dict)
        assert modes[1] > modes.get(0, 0)
        assert found["@lseek"] == (file.fileno(), where, os.SEEK_SET)
