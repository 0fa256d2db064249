"""``prybee flame cpu``, ``off`` and the other kinds of profiles: trace, then draw."""

from __future__ import annotations

import os
import sys

from prybee.cli.options import UsageError
from prybee.diagnostics import PrybeeError, Source
from prybee.flame.profile import Profile
from prybee.flame.profiling import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from prybee.flame.profiling import Kind

# The longest that is traced, in milliseconds.
_LONGEST = (1 << 31) - 1


def options(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds a command for each kind of profile."""
    for kind in KINDS:
        parser = commands.add_parser(
            kind.name, help=f"trace, and show {kind.help}", description=f"Show {kind.help}."
        )
        parser.add_argument("-p", "--pid", type=int, help="only this process")
        parser.add_argument("-c", "--cmd", default="", help="run this, and trace until its end")
        parser.add_argument("-d", "--duration", default="", help="10s, 500ms, 2m; default: Ctrl-C")
        if kind.name in ("cpu", "wall"):
            parser.add_argument("-F", "--frequency", type=int, default=99, help="a second (99)")
        parser.add_argument(
            "-o", "--output", metavar="FILE",
            help="its end says the format; default: folded stacks on standard output",
        )  # fmt: skip
        parser.add_argument("--title", default="")
        parser.add_argument("--strict", action="store_true", help="status 1 if anything was lost")
        parser.set_defaults(run=run, kind=kind)


def run(given: argparse.Namespace, opened: object) -> int:
    """Traces, and writes what was found.

    Raises:
        UsageError: options that make no sense.
        PrybeeError: it cannot be traced.
    """
    from prybee.cli import flame_draw, flame_files
    from prybee.flame import outputs

    kind: Kind = given.kind
    output = flame_draw.of(given.output, outputs.FOLDED)
    if given.pid and given.cmd:
        raise UsageError(f"prybee flame {kind.name}: either -p or -c")
    if given.pid is not None and not os.path.exists(f"/proc/{given.pid}"):
        raise PrybeeError(f"no such process: {given.pid}")
    profile = Profile(kind.unit)
    status = _trace(given, kind, profile)
    if status:
        return status
    if not profile.weights:
        print("nothing was seen", file=sys.stderr)
    title = given.title or f"{kind.help[0].upper()}{kind.help[1:]}"
    flame_draw.save(profile, output, given.output, title)
    return flame_files.report(profile.quality, given.strict)


def _trace(given: argparse.Namespace, kind: Kind, profile: Profile) -> int:
    from prybee.cli import live
    from prybee.cli.options import Arguments
    from prybee.cli.times import Times
    from prybee.flame.gathering import Gatherer
    from prybee.language.frontend import CompileOptions

    with open(kind.script, encoding="utf-8") as file:
        text = file.read()
    if given.duration:
        text += f"\ninterval:ms:{_milliseconds(given.duration)} {{ exit(); }}\n"
    frequency = getattr(given, "frequency", 0)
    if frequency < 0 or frequency > 100_000 or (kind.name in ("cpu", "wall") and not frequency):
        raise UsageError(f"-F {frequency}: from 1 to 100000 samples a second")
    arguments = Arguments()
    arguments.values["quiet"] = True
    if given.cmd:
        arguments.values["cmd"] = given.cmd
    return live.trace(
        Source(kind.script, text),
        CompileOptions(
            positional=(str(frequency), str(given.pid or 0)),
            pid=None if kind.own_filter else given.pid,
            environment=os.environ,
        ),
        arguments,
        (),
        Times(False),
        lambda out, errors, names: Gatherer(kind, profile, out, errors, names),
        given.pid,
    )


def _milliseconds(text: str) -> int:
    """A duration: a number with a unit, or of seconds.

    Raises:
        UsageError: it is none.
    """
    from prybee.tools.timing import milliseconds

    try:
        found = milliseconds(text, "-d")
    except PrybeeError:
        found = 0
    if not 0 < found <= _LONGEST:
        raise UsageError(f"-d {text}: no duration: 10s, 500ms, 2m")
    return found
