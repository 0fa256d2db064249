"""Probes at a line of the source: ``uprobe:FILE@SOURCE:LINE`` or ``…:LINE:COLUMN``.

The compiler's line table says where the code of a line is.  A line that was copied (an inlined
function, a template) has code in several places: all of them are probed, each once.
"""

from __future__ import annotations

from prybee.diagnostics import PrybeeError, did_you_mean
from prybee.language.registry import ExpandScope, ProbeSyntaxError
from prybee.probes.patterns import is_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.dwarf import DebugInfo


def split(parts: Sequence[str]) -> tuple[str, str, int, int] | None:
    """(file, source, line, column or 0) of an attach point; None where it names no line."""
    file, at, source = parts[0].rpartition("@")
    if not at or not file or not source or not all(part.isdecimal() for part in parts[1:]):
        return None
    return file, source, int(parts[1]), int(parts[2]) if len(parts) > 2 else 0


def addresses(path: str, source: str, line: int, column: int, scope: ExpandScope) -> list[int]:
    """Link-time addresses at which the code of a line starts.

    Args:
        path: the object file.
        source: the end of the source file's path.
        line: the line, from 1.
        column: the column, from 1; 0 for any.
        scope: for the target.

    Raises:
        ProbeSyntaxError: there is no debug information, no such file, or no code of that line.
    """
    try:
        info = scope.target.debug_info(path)
        if info is None:
            raise ProbeSyntaxError(
                f"No DWARF debug info found for '{path}', cannot attach by source code location.",
                "compile it with -g, or install its debug file",
            )
        return _find(info, source, line, column)
    except PrybeeError as error:
        raise ProbeSyntaxError(str(error)) from None


def _find(info: DebugInfo, source: str, line: int, column: int) -> list[int]:
    files = info.source_files(source)
    if not files:
        known = {name.rpartition("/")[2] for name in info.source_names()}
        near = did_you_mean(source.rpartition("/")[2], known)
        raise ProbeSyntaxError(
            f"DWARF error: No compilation unit matches {source}",
            *((f"did you mean {' or '.join(map(repr, near))}?",) if near else ()),
        )
    if len(files) > 1:
        raise ProbeSyntaxError(
            "DWARF error: Ambiguous source path, matches multiple files: " + ", ".join(files),
            "write more of the path",
        )
    ((path, units),) = files.items()
    found: dict[tuple[int, ...], int] = {}
    columns: set[int] = set()
    lines: set[int] = set()
    for row_line, row_column, address in info.line_addresses(units, path):
        lines.add(row_line)
        if row_line == line:
            columns.add(row_column)
            if not column or row_column == column:
                found.setdefault(info.copy_at(address), address)
    if found:
        # A compiler that moves code about leaves rows of an inlined function in front of it.
        with_copies = {copy[0] for copy in found if len(copy) > 1}
        return [at for copy, at in found.items() if len(copy) > 1 or copy[0] not in with_copies]
    where = f"{source}:{line}" + (f":{column}" if column else "")
    raise ProbeSyntaxError(
        f"DWARF error: Unable to map '{where}' to address", _nearest(line, lines, columns)
    )


def _nearest(line: int, lines: set[int], columns: set[int]) -> str:
    if columns:
        return f"line {line} has code at column {', '.join(map(str, sorted(columns)))}"
    before = max((each for each in lines if 0 < each < line), default=0)
    after = min((each for each in lines if each > line), default=0)
    near = " and ".join(str(each) for each in (before, after) if each)
    return f"no code comes from that line; the nearest that have some: {near or 'none'}"


def of_inlined(path: str, function: str, scope: ExpandScope) -> tuple[str, ...]:
    """What to do about a function that the compiler has inlined everywhere; nothing for others."""
    if is_pattern(function):
        return ()
    try:
        info = scope.target.debug_info(path)
        copies = info.inlined(function) if info is not None else []
        if info is None or not copies:
            return ()
        line = info.frames(copies[0].address)[0]
    except PrybeeError:
        return ()
    inside = sorted({copy.inside for copy in copies})
    shown = ", ".join(inside[:3]) + (" and others" if len(inside) > 3 else "")
    source = line.file.rpartition("/")[2]
    return (f"it is inlined, into {shown}; probe a line of it: uprobe:{path}@{source}:{line.line}",)
