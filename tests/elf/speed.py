"""How much faster than pyelftools libc's symbols are read; run ``python -m tests.elf.speed``."""

import glob
from time import perf_counter

from prybee.elf import ElfFile


def ours(path, name):
    """Opens the file and finds one function."""
    with ElfFile.open(path) as elf:
        return elf.symbols(name)[0].value


def theirs(path, name):
    """The same with pyelftools."""
    from elftools.elf.elffile import ELFFile

    with open(path, "rb") as file:
        table = ELFFile(file).get_section_by_name(".dynsym")
        return table.get_symbol_by_name(name)[0]["st_value"]


def all_ours(path):
    """The names of all functions."""
    with ElfFile.open(path) as elf:
        return set(elf.function_names())


def all_theirs(path):
    """The same with pyelftools."""
    from elftools.elf.elffile import ELFFile

    with open(path, "rb") as file:
        table = ELFFile(file).get_section_by_name(".dynsym")
        return {
            symbol.name
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] in ("STT_FUNC", "STT_LOOS")
            and symbol["st_shndx"] != "SHN_UNDEF"
        }


def best(function, *arguments, rounds=5):
    """Shortest of some runs, in seconds."""
    times = []
    for _ in range(rounds):
        start = perf_counter()
        function(*arguments)
        times.append(perf_counter() - start)
    return min(times)


def compare(path):
    """{what: (our seconds, their seconds)}"""
    return {
        "open and find malloc": (best(ours, path, "malloc"), best(theirs, path, "malloc")),
        "names of all functions": (best(all_ours, path), best(all_theirs, path)),
    }


def main():
    """Prints a line for each measure."""
    path = glob.glob("/lib/*/libc.so.6")[0]
    for what, (mine, other) in compare(path).items():
        print(
            f"{what}: {mine * 1e3:.2f} ms, pyelftools {other * 1e3:.2f} ms,"
            f" {other / mine:.0f} times"
        )


if __name__ == "__main__":
    main()
