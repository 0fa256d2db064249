"""``prybee -l``: the probes that fit a search, those of a program, or definitions of types."""

from __future__ import annotations

import sys

from prybee.cli.options import Arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.diagnostics import Source
    from prybee.language.frontend import CompileOptions


def list_search(arguments: Arguments, pid: int | None) -> int:
    """Print what fits the search among the operands (everything without one).

    Returns:
        The exit status: 0, also where nothing fits.
    """
    from prybee.engines.live import LiveTarget
    from prybee.probes.listing import list_probes

    pattern = ",".join(arguments.operands)
    _hint_at_file(pattern)
    with LiveTarget() as target:
        lines = list(list_probes(pattern, target, arguments.flag("verbose"), pid=pid))
        if not target.tracefs.events():
            from prybee.cli.rights import NO_TRACEPOINTS

            print(f"WARNING: {NO_TRACEPOINTS}", file=sys.stderr)
    if lines:
        lines.append("")
    sys.stdout.write("\n".join(lines))
    return 0


def list_program(source: Source, options: CompileOptions, verbose: bool) -> int:
    """Print the probes that a program would attach to."""
    from prybee.engines.live import LiveTarget
    from prybee.functions import TABLE as FUNCTIONS
    from prybee.language.frontend import Front
    from prybee.language.registry import Registry
    from prybee.probes import TABLE as PROBES

    registry = Registry(FUNCTIONS, PROBES)
    with LiveTarget() as target:
        front = Front(source, target, registry, options)
        for warning in front.warnings:
            print(warning.render(), file=sys.stderr)
        expansion = front.expansion
        for block in expansion.blocks:
            for found in block.found:
                print(found.match.name)
                if verbose:
                    for line in found.provider.describe(found.match, expansion.scope):
                        print(f"    {line}")
    return 0


def _hint_at_file(pattern: str) -> None:
    """A word that looks like a script's name, but is none, is taken as a search: say so."""
    if "." in pattern and ":" not in pattern and "*" not in pattern:
        print(
            f"WARNING: It appears that '{pattern}' is a filename but the file does not exist. "
            f"Treating '{pattern}' as a search pattern.",
            file=sys.stderr,
        )
