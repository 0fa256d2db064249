"""Our ELF reader beside pyelftools, on the symbols of libc."""

from __future__ import annotations

import time
from pathlib import Path

from bench.report import Row, compare
from bench.tracer import Tracer

TITLE = "symbols of libc, beside pyelftools"


def measure(_ours: Tracer, _peer: Tracer, rounds: int) -> list[Row]:
    """Milliseconds from a cold reader, in turn."""
    path = next(Path("/lib").glob("*/libc.so.6"))
    rows = []
    for what, ours, theirs in (
        ("all names, and malloc", _with_prybee, _with_pyelftools),
        ("malloc alone", _one_with_prybee, _one_with_pyelftools),
    ):
        own: list[float] = []
        other: list[float] = []
        for _ in range(rounds):
            own.append(_time(ours, path))
            other.append(_time(theirs, path))
        rows.append(compare(what, "ms", own, other, bound=0.1))
    return rows


def _time(action: object, path: Path) -> float:
    begin = time.perf_counter()
    assert callable(action)
    action(path)
    return (time.perf_counter() - begin) * 1e3


def _with_prybee(path: Path) -> None:
    from prybee.elf import ElfFile

    with ElfFile.open(str(path)) as file:
        assert file.symbols("malloc")[0].value
        assert "malloc" in file.function_names()


def _with_pyelftools(path: Path) -> None:
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with open(path, "rb") as stream:
        names = {}
        for section in ELFFile(stream).iter_sections():
            if isinstance(section, SymbolTableSection):
                for symbol in section.iter_symbols():
                    names[symbol.name] = symbol["st_value"]
        assert names["malloc"]


def _one_with_prybee(path: Path) -> None:
    from prybee.elf import ElfFile

    with ElfFile.open(str(path)) as file:
        assert file.symbols("malloc")[0].value


def _one_with_pyelftools(path: Path) -> None:
    from elftools.elf.elffile import ELFFile

    with open(path, "rb") as stream:
        table = ELFFile(stream).get_section_by_name(".dynsym")
        assert table.get_symbol_by_name("malloc")[0]["st_value"]
