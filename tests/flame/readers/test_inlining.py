"""Inlined functions in the stacks of perf, beside what addr2line tells."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from prybee.elf import ElfFile
from prybee.flame.inlining import Inlining
from prybee.flame.readers import perf_script
from prybee.flame.readers.perf_frames import with_marks
from prybee.flame.writers.folded import lines

SOURCE = """\
volatile unsigned long sum;
static inline __attribute__((always_inline)) void deep(unsigned n)
{ for (unsigned i = 0; i < n; i++) sum += i * i; }
static inline __attribute__((always_inline)) void mid(unsigned n)
{ deep(n); sum ^= 1; }
__attribute__((noinline)) void work(unsigned n)
{ mid(n); mid(n / 2); }
int main(int count, char **words)
{ work(count); return 0; }
"""
needs_tools = pytest.mark.skipif(
    not shutil.which("gcc") or not shutil.which("addr2line"), reason="no gcc, or no addr2line"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inlining")
    source = folder / "busy.c"
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-g", "-O1", "-o", folder / "busy", source], check=True)
    return folder / "busy"


def told(program: Path, addresses: list[int]) -> list[list[tuple[str, str]]]:
    """What addr2line tells: function and place, the outermost first."""
    shown = subprocess.run(
        ["addr2line", "-a", "-i", "-f", "-s", "-e", program, *map(hex, addresses)],
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    found: list[list[tuple[str, str]]] = []
    for part in shown.split("0x0")[1:]:
        words = part.splitlines()[1:]
        places = [place.partition(" (")[0] for place in words[1::2]]
        found.append(list(zip(words[0::2], places, strict=True))[::-1])
    return found


@needs_tools
def test_every_address_of_a_function(program: Path) -> None:
    with ElfFile.open(str(program)) as elf:
        (symbol,) = elf.symbols("work")
    addresses = list(range(symbol.value, symbol.value + symbol.size))
    inlining = Inlining()
    ours = [
        [
            (name, place.rpartition("/")[2])
            for name, place in inlining.functions(str(program), 0, "work", address - symbol.value)
        ]
        for address in addresses
    ]
    inlining.close()
    assert ours == told(program, addresses)
    assert max(map(len, ours)) == 3


@needs_tools
def test_stacks(program: Path) -> None:
    with ElfFile.open(str(program)) as elf:
        (work,) = elf.symbols("work")
        (main,) = elf.symbols("main")
    inside = next(
        address
        for address in range(work.value, work.value + work.size)
        if len(told(program, [address])[0]) == 3
    )
    # The call of `work` ends before this place.
    back = next(
        address + 5
        for address in range(main.value, main.value + main.size)
        if told(program, [address])[0][-1][1] == "busy.c:9"
    )
    offset = f"+0x{inside - work.value:x}"
    text = (
        f"busy 1 3.5: cycles: \n\t {inside:x} work{offset} ({program})\n"
        f"\t {back:x} main+0x{back - main.value:x} ({program})\n\t 7f00 start (/nonexistent)\n\n"
    )

    def folded(**options: bool) -> list[str]:
        profile = perf_script.read(text.encode().splitlines(True), **options)
        return list(lines(profile, ["inlined"]))

    assert folded() == ["busy;start;main;work 1"]
    assert folded(inline=True) == ["busy;start;main;work;mid_[i];deep_[i] 1"]
    (line,) = folded(inline=True, context=True)
    assert line.startswith("busy;start;main:busy.c:9;work:busy.c:7;mid:busy.c:5_[i];deep:busy.c:3")
    # Without its offset the function's address tells as well.
    text = text.replace(offset, "")
    assert folded(inline=True) == ["busy;start;main;work;mid_[i];deep_[i] 1"]


def test_what_perf_has_told_itself() -> None:
    text = (
        b"busy 1 3.5: cycles: \n\t 10 deep (inlined)\n\t 10 mid (inlined)\n\t 10 work (/bin/x)\n\n"
    )
    for inline in (False, True):
        profile = perf_script.read(text.splitlines(True), inline=inline)
        assert list(lines(profile, ["inlined"])) == ["busy;work;mid_[i];deep_[i] 1"]


@pytest.mark.parametrize("path", ["/nonexistent", "[vdso]", "/etc/passwd", "relative"])
def test_files_that_tell_nothing(path: str) -> None:
    inlining = Inlining()
    assert inlining.functions(path, 0x1000, "f", 4) == []
    inlining.close()


def test_addresses_of_calls() -> None:
    """Only where a call returns to is a byte further than the code that led there."""
    text = (
        b"busy 1 3.5: cycles: \n\t 10 inner ([kernel.kallsyms])\n\t 11 entry ([kernel.kallsyms])\n"
        b"\t 12 read (/bin/x)\n\t 13 main (/bin/x)\n\n\t 14 other (/bin/x)\n"
    )
    marked = [line[-2:-1] == b"\1" for line in with_marks(text.splitlines(keepends=True))]
    assert marked == [False, False, False, False, True, False, False]
