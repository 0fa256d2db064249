"""Call frames: against what readelf makes of real files, against a model, and of damaged bytes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.dwarf.call_frames import MACHINES, OTHER, UNDEFINED, Common
from prybee.dwarf.eh_frame import EhFrame
from prybee.dwarf.sections import DwarfError
from prybee.elf import ElfError, ElfFile

X86 = MACHINES["x86_64"]
PROGRAM = r"""
#include <stdlib.h>
#include <string.h>
volatile int sink;
__attribute__((noinline)) int leaf(int n) { return sink + n; }
__attribute__((noinline)) int saves(int a, int b, int c)
{
	int x = leaf(a), y = leaf(b), z = leaf(c);
	if (x > y) return leaf(x * z) + y;
	return leaf(x) + leaf(y) + leaf(z);
}
__attribute__((noinline)) int grows(int n) { char *p = __builtin_alloca(n); memset(p, n, n); return leaf(p[n / 2]); }
__attribute__((noinline)) int aligned(int n) { int v[16] __attribute__((aligned(64))); v[n & 15] = n; return saves(v[0], v[1], leaf(n)) + (int)(long)memchr(v, 3, 9); }
int main(int argc, char **argv) { return saves(argc, 2, 3) + grows(argc + 40) + aligned(argc); }
"""  # noqa: E501
IN_REGISTER = re.compile(r"r\d+ \((\w+)\)")
ROW = re.compile(r"^[0-9a-f]{16} ")
FDE = re.compile(
    r"^[0-9a-f]+ [0-9a-f]+ [0-9a-f]+ FDE cie=([0-9a-f]+) pc=([0-9a-f]+)\.\.([0-9a-f]+)$"
)


def by_readelf(path: str) -> dict[tuple[int, int], dict[int, tuple[str, str, str]]]:
    """For each function and address: CFA, frame pointer and return address, in readelf's words."""
    # Its status is 1 where a separate debug file cannot be found.
    done = subprocess.run(
        ["readelf", "--debug-dump=frames-interp", path], capture_output=True, text=True, check=False
    )
    found: dict[tuple[int, int], dict[int, tuple[str, str, str]]] = {}
    # What holds at the begin of a function, by the common description; readelf prints no rows of
    # functions where nothing changes.
    initial: dict[str, tuple[str, str, str]] = {}
    rows: dict[int, tuple[str, str, str]] = {}
    columns: list[str] = []
    common = ""
    for line in done.stdout.splitlines():
        if line.startswith("Contents of") and found:
            break  # of another section, or another file
        words = IN_REGISTER.sub(r"\1", line).split()
        match = FDE.match(line)
        if match:
            start = int(match[2], 16)
            rows = found.setdefault((start, int(match[3], 16)), {})
            common = ""
            if match[1] in initial:
                rows[start] = initial[match[1]]
        elif "CIE" in words:
            common = words[0]
        elif words[:1] == ["LOC"]:
            columns = words[2:]
        elif ROW.match(line):
            values = dict(zip(columns, words[2:], strict=True))
            row = (words[1], values.get("rbp", "u"), values.get("ra", "u"))
            if common:
                initial[common] = row
            else:
                rows[int(words[0], 16)] = row
    return found


def ours(path: str) -> dict[tuple[int, int], dict[int, tuple[str, str, str]]]:
    """The same by our reader."""
    names = [
        "rax",
        "rdx",
        "rcx",
        "rbx",
        "rsi",
        "rdi",
        "rbp",
        "rsp",
        *(f"r{n}" for n in range(8, 16)),
    ]

    def place(value: int | bytes | str | None) -> str:
        if isinstance(value, int):
            return f"c{value:+d}"
        if isinstance(value, bytes):
            return "exp"
        return {None: "u", UNDEFINED: "u", OTHER: "?"}[value]

    found = {}
    with ElfFile.open(path) as elf:
        for function in EhFrame(elf).functions():
            found[function.start, function.end] = {
                function.start + at: (
                    f"{names[cfa[0]]}{cfa[1]:+d}" if isinstance(cfa, tuple) else "exp",
                    place(fp),
                    place(ra),
                )
                for at, cfa, fp, ra in function.rows()
            }
    return found


def compare(path: str) -> int:
    """Every row of a file, but those in which something is computed in words of readelf alone."""
    want, have = by_readelf(path), ours(path)
    assert set(have) == set(want)
    count = 0
    for where, rows in want.items():
        assert set(have[where]) == set(rows), f"{where[0]:#x}"
        for address, row in rows.items():
            mine = have[where][address]
            for word, our in zip(row, mine, strict=True):
                assert our == word or our == "?" or (word == "s" and our == "u"), (
                    f"{address:#x}: {mine} instead of {row}"
                )
            count += 1
    return count


@pytest.mark.skipif(not shutil.which("readelf"), reason="needs readelf")
@pytest.mark.parametrize("flags", [["-O2"], ["-O0"], ["-O2", "-fno-omit-frame-pointer", "-static"]])
def test_programs_against_readelf(tmp_path: Path, flags: list[str]) -> None:
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    (tmp_path / "program.c").write_text(PROGRAM)
    path = str(tmp_path / "program")
    subprocess.run(["gcc", *flags, "-o", path, tmp_path / "program.c"], check=True)
    assert compare(path) > (2000 if "-static" in flags else 20)


@pytest.mark.skipif(not shutil.which("readelf"), reason="needs readelf")
def test_the_loader_against_readelf() -> None:
    with ElfFile.open("/proc/self/exe") as elf:
        loader = elf.interpreter
    if not loader:
        pytest.skip("a static interpreter")
    assert compare(loader) > 500


def test_without_headers_and_tables(tmp_path: Path) -> None:
    """The same functions by the table, by the section alone, and without section headers."""
    with ElfFile.open("/proc/self/exe") as elf:
        loader = elf.interpreter
    if not loader:
        pytest.skip("a static interpreter")
    whole = ours(loader)
    bare = tmp_path / "bare"
    data = bytearray(Path(loader).read_bytes())
    data[40:48] = bytes(8)  # e_shoff
    data[60:64] = bytes(4)  # e_shnum, e_shstrndx
    bare.write_bytes(data)
    assert ours(str(bare)) == whole
    with ElfFile.open(loader) as elf:
        frames = EhFrame(elf)
        frames._scan()
        assert len(frames) == len(whole)
        some = sorted(whole)[len(whole) // 2]
        asked = [(f.start, f.end) for f in frames.functions(some[0] + 1, some[1])]
        assert asked[-1] == some


STEPS = st.lists(
    st.tuples(
        st.integers(1, 3000),  # bytes of code
        st.sampled_from(("push", "pop", "save", "restore", "by fp", "by sp")),
        st.integers(0, 4000),
    ),
    max_size=30,
)


@given(STEPS)
def test_a_model(steps: list[tuple[int, str, int]]) -> None:
    """Programs as compilers write them, beside the states that they stand for."""
    code = bytearray()
    cfa = (X86.sp, 8)
    fp: int | None = None
    here = 0
    want: dict[int, tuple[tuple[int, int], int | None]] = {0: (cfa, None)}

    def leb(value: int) -> bytes:
        out = bytearray()
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        return bytes((*out, value))

    for distance, what, number in steps:
        here += distance
        if distance < 64:
            code.append(0x40 | distance)
        elif distance < 256:
            code += bytes((2, distance))
        else:
            code += b"\3" + distance.to_bytes(2, "little")
        if what in ("push", "pop"):
            cfa = (cfa[0], number)
            code += b"\x0e" + leb(number)
        elif what == "save":
            fp = -8 * number
            code += bytes((0x80 | X86.fp,)) + leb(number)
        elif what == "restore":
            fp = None
            code.append(0xC0 | X86.fp)
        else:
            register = X86.fp if what == "by fp" else X86.sp
            cfa = (register, cfa[1])
            code += b"\x0d" + leb(register)
        want[here] = (cfa, fp)
    common = Common(1, -8, 0x1B, True, False, b"\x0c\x07\x08\x90\x01", X86)
    rows = common.run(bytes(code))
    assert {at: row for at, *row in rows} == {at: [*row, -8] for at, row in want.items()}
    assert [at for at, *_ in rows] == sorted(want)


@given(st.binary(max_size=40))
def test_damaged_programs(code: bytes) -> None:
    common = Common(1, -8, 0x1B, True, False, b"\x0c\x07\x08\x90\x01", X86)
    try:
        rows = common.run(code)
    except DwarfError:
        return
    assert [at for at, *_ in rows] == sorted({at for at, *_ in rows})


@given(st.data())
def test_damaged_files(loader_bytes: bytes, data: st.DataObject) -> None:
    """Whatever is overwritten in the tables, it is refused or read, without any other failure."""
    damaged = bytearray(loader_bytes)
    with ElfFile(bytes(loader_bytes)) as elf:
        section = elf.section(data.draw(st.sampled_from((".eh_frame", ".eh_frame_hdr"))))
        assert section is not None
    at = section.offset + data.draw(st.integers(0, min(section.size, 600) - 9))
    damaged[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
    try:
        frames = EhFrame(ElfFile(bytes(damaged)))
        for number, function in enumerate(frames.functions()):
            if number > 30:
                break
            try:
                function.rows()
            except DwarfError:
                pass
    except (DwarfError, ElfError):
        pass


@pytest.fixture(scope="module")
def loader_bytes() -> bytes:
    with ElfFile.open("/proc/self/exe") as elf:
        loader = elf.interpreter
    if not loader:
        pytest.skip("a static interpreter")
    with open(loader, "rb") as file:
        return file.read()


def test_other_machines_are_refused() -> None:
    with ElfFile.open("/proc/self/exe") as elf:
        elf.machine = "ppc64"
        with pytest.raises(DwarfError, match="of call frames is not read for ppc64"):
            EhFrame(elf)
