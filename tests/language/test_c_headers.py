"""Headers of this machine: their constants and types against gcc's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from prybee.diagnostics import Source
from prybee.language.c.headers import COMPILERS, Search
from prybee.language.c.layout import alignment
from prybee.language.c.part import CPart
from prybee.language.parser import parse
from prybee.language.types import StructType

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = """
errno.h stdint.h stddef.h limits.h stdio.h stdlib.h fcntl.h unistd.h dirent.h pwd.h signal.h time.h
pthread.h elf.h link.h netdb.h poll.h termios.h sys/types.h sys/stat.h sys/socket.h sys/un.h
sys/epoll.h sys/mman.h sys/resource.h sys/wait.h sys/xattr.h sys/ptrace.h sys/mount.h
netinet/in.h netinet/tcp.h netinet/ip.h
asm/unistd.h linux/xattr.h linux/fs.h linux/bpf.h linux/perf_event.h linux/futex.h
linux/rtnetlink.h linux/io_uring.h linux/input.h linux/kvm.h linux/if_packet.h
"""
HEADERS = _NAMES.split()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to compare with"),
    pytest.mark.skipif(
        not os.path.exists("/usr/include/linux/bpf.h") or os.uname().machine != "x86_64",
        reason="needs the headers of the C library and of Linux",
    ),
]


def part_of(header: str) -> CPart:
    source = Source("stdin", f"#include <{header}>\nbegin {{ }}")
    part = CPart(source, lambda _tag, _name: None, lambda _name: None, lambda: False, Search())
    part.run(parse(source).c_part)
    return part


def run(tmp_path: Path, program: str) -> list[str]:
    """Output lines of a C program."""
    (tmp_path / "t.c").write_text(program)
    subprocess.run(["gcc", "-w", "-o", str(tmp_path / "t"), str(tmp_path / "t.c")], check=True)
    done = subprocess.run([str(tmp_path / "t")], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def compiles(tmp_path: Path, program: str) -> set[int]:
    """The lines that gcc has errors in."""
    done = subprocess.run(
        ["gcc", "-w", "-fsyntax-only", "-fmax-errors=0", "-x", "c", "-"],
        input=program, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {int(line) for line in re.findall(r"^<stdin>:(\d+):.*error", done.stderr, re.MULTILINE)}


@pytest.mark.parametrize("header", [name for name in HEADERS if name not in COMPILERS])
def test_macros_are_those_of_gcc(header: str, tmp_path: Path) -> None:
    part = part_of(header)
    ours = {
        name
        for name, macro in part.included.macros.items()
        if macro.place >= 0
        and part.source.span(macro.place, macro.place).source.name.startswith("/usr/include/")
    }
    done = subprocess.run(
        ["gcc", "-dD", "-E", "-x", "c", "-"],
        input=f"#include <{header}>\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = set()
    own = False
    for line in done.stdout.splitlines():
        match = re.match(r'#(?: \d+ "(.*?)"|(define|undef) (\w+))', line)
        if match is None:
            continue
        if match[1]:
            own = match[1].startswith("/usr/include/")
        elif match[2] == "undef":
            theirs.discard(match[3])
        elif own:
            theirs.add(match[3])
    # gcc reads this one before anything else.
    first = ("__STDC_", "_STDC_")
    assert {n for n in ours ^ theirs if not n.startswith(first)} == set()


@pytest.mark.parametrize("header", HEADERS)
def test_constants_are_those_of_gcc(header: str, tmp_path: Path) -> None:
    part = part_of(header)
    ours: dict[str, int] = {}
    for name, macro in part.included.macros.items():
        if macro.parameters is None and not name.startswith("__") and macro.place >= 0:
            value = part.of_headers(name, macro.kernel)
            if isinstance(value, int):
                ours[name] = value
    for name in part.included.types._enumerated:
        found = part.included.types.enumerator(name)
        assert found is not None, name
        ours[name] = found[0]
    start = f"#include <{header}>\n#include <stdio.h>\nint main(void) {{\n"
    lines = [f'printf("{name} %llu\\n", (unsigned long long)(long long)({name}));' for name in ours]
    wrong = compiles(tmp_path, start + "\n".join(lines) + "\n}\n")
    assert len(wrong) < 5, wrong
    kept = [line for at, line in enumerate(lines, 4) if at not in wrong]
    for line in run(tmp_path, start + "\n".join(kept) + "\n}\n"):
        name, value = line.split()
        # A script's numbers have 64 bits: a shift into an int's sign stays what it says.
        assert ours[name] & 0xFFFFFFFF == int(value) & 0xFFFFFFFF, name
        if ours[name] != 1 << 31:
            assert ours[name] % (1 << 64) == int(value), name


@pytest.mark.parametrize("header", HEADERS)
def test_types_are_those_of_gcc(header: str, tmp_path: Path) -> None:
    part = part_of(header)
    types = part.included.types
    assert types._headers.problems == []
    ours: list[str] = []
    lines: list[str] = []
    for key in types._declared:
        tag, _blank, name = key.rpartition(" ")
        found = types.find(tag, name)
        assert found is not None, (key, types.failures)
        if not found.size:
            continue
        ours.append(f"{key} {found.size}")
        lines.append(f'printf("{key} %zu\\n", sizeof({key}));')
        if isinstance(found, StructType):
            ours.append(f"{key} {alignment(found)}")
            lines.append(f'printf("{key} %zu\\n", _Alignof({key}));')
            for member in found.members.values():
                if member.bit_size:
                    continue
                ours.append(f"{key}.{member.name} {member.offset}")
                lines.append(
                    f'printf("{key}.{member.name} %zu\\n", __builtin_offsetof({key}, {member.name}'
                    "));"
                )
    start = f"#include <{header}>\n#include <stdio.h>\nint main(void) {{\n"
    assert compiles(tmp_path, start + "\n".join(lines) + "\n}\n") == set()
    assert run(tmp_path, start + "\n".join(lines) + "\n}\n") == ours
    assert types.failures == {}
