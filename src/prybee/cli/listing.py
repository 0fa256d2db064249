"""``prybee -l``: the probes that fit a search, those of a program, or definitions of types."""

from __future__ import annotations

import os
import sys

from prybee.cli.options import Arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.diagnostics import Source
    from prybee.language.frontend import CompileOptions


def list_search(arguments: Arguments, pid: int | None) -> int:
    """Print what fits the search among the operands (everything without one).

    Returns:
        The exit status: 0, also where nothing fits.
    """
    from prybee.engines.live import LiveTarget
    from prybee.probes.listing import list_probes

    pattern = ",".join(map(_search_of, arguments.operands))
    _hint_at_file(pattern)
    warnings: list[str] = []
    listed, types = arguments.text("traceable_functions"), arguments.text("btf")
    with LiveTarget(functions=listed, types=types) as target:
        target.debug_directories = arguments.all("debuginfo")
        lines = list(
            list_probes(
                pattern, target, arguments.flag("verbose"), pid=pid, warnings=warnings.append
            )
        )
        if not target.tracefs.events():
            from prybee.cli.rights import NO_TRACEPOINTS

            warnings.append(NO_TRACEPOINTS)
    for warning in warnings:
        print(f"WARNING: {warning}", file=sys.stderr)
    if lines:
        lines.append("")
    sys.stdout.write("\n".join(lines))
    return 0


def list_program(
    source: Source,
    options: CompileOptions,
    verbose: bool,
    functions: str = "",
    debug_directories: Sequence[str] = (),
    types: str = "",
) -> int:
    """Print the probes that a program would attach to.

    Args:
        source: the program.
        options: how it would be compiled.
        verbose: with the arguments of its probes.
        functions: a list of the kernel functions that can be probed; empty for the kernel's own.
        debug_directories: where debug files of programs are looked for first.
        types: a file with the kernel's types; empty for the kernel's own.
    """
    from prybee.engines.live import LiveTarget
    from prybee.functions import TABLE as FUNCTIONS
    from prybee.language.frontend import Front
    from prybee.language.registry import Registry
    from prybee.probes import TABLE as PROBES
    from prybee.probes.provider import ProbeType

    registry = Registry(FUNCTIONS, PROBES)
    with LiveTarget(functions=functions, types=types) as target:
        target.debug_directories = debug_directories
        front = Front(source, target, registry, options)
        for warning in front.warnings:
            print(warning.render(), file=sys.stderr)
        expansion = front.expansion
        for block in expansion.blocks:
            for found in block.found:
                assert isinstance(found.provider, ProbeType)
                name = found.provider.listed(found.match)
                if name:
                    print(name)
                if name and verbose:
                    for line in found.provider.describe(found.match, expansion.scope):
                        print(f"    {line}")
    return 0


def _search_of(word: str) -> str:
    """An operand as a search: a program's path stands for all of its probes."""
    return f'*:"{os.path.join(".", word)}":*' if os.path.isfile(word) else word


def _hint_at_file(pattern: str) -> None:
    """A word that looks like a script's name, but is none, is taken as a search: say so."""
    if "." in pattern and ":" not in pattern and "*" not in pattern:
        print(
            f"WARNING: It appears that '{pattern}' is a filename but the file does not exist. "
            f"Treating '{pattern}' as a search pattern.",
            file=sys.stderr,
        )
