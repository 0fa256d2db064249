"""Where a variable or function of a program lies while it runs, for watchpoints.

``watchpoint:FILE:VARIABLE:LENGTH:MODE`` with ``-p``: the file's symbol table has its address, and
the process's memory map tells where the file was put.
"""

from __future__ import annotations

from prybee.language.registry import ExpandScope, ProbeSyntaxError
from prybee.probes import binaries
from prybee.probes.provider import meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.elf import ElfFile

_FIXED = "EXEC"  # What is linked for one address has this type.


def place(file: str, symbol: str, scope: ExpandScope) -> tuple[str, int]:
    """The path that ``file`` means, and the address of a symbol of it in the traced process.

    Raises:
        ProbeSyntaxError: no process is traced, it has not that file, or the file no such symbol.
    """
    if scope.pid is None:
        raise ProbeSyntaxError(
            f"the variable {symbol} is in the memory of each process that runs {file}",
            "-p PID says which of them is watched",
        )
    ((path, elf),) = binaries.target_files("watchpoint", file, scope) or (("", None),)
    if elf is None:
        raise ProbeSyntaxError("a watchpoint is in one file: it cannot be a pattern")
    address = _linked(path, elf, symbol)
    if elf.type == _FIXED:
        return path, address
    if scope.child:
        raise ProbeSyntaxError(
            f"where {path} will be is not known before it runs: it is not linked for one address",
            "start it first and use -p PID, or link it with -no-pie",
        )
    moved = scope.target.load_offset(path, scope.pid)
    if moved is None:
        raise ProbeSyntaxError(f"process {scope.pid} has not mapped {path}")
    return path, address + moved


def _linked(path: str, elf: ElfFile, symbol: str) -> int:
    """The link-time address of a symbol."""
    found = elf.symbols(symbol)
    if not found:
        stripped = not elf.has_symtab and not elf.further_tables
        hint = (f"'{path}' is stripped: only what it exports has a name",) if stripped else ()
        near = meant(binaries.near(symbol, elf.variable_names()))
        raise ProbeSyntaxError(f"'{path}' has no variable or function '{symbol}'", *hint, *near)
    if all(each.kind == "tls" for each in found):
        raise ProbeSyntaxError(f"every thread of '{path}' has a '{symbol}' of its own")
    return next(each.value for each in found if each.kind != "tls")
