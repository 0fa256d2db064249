"""``prybee flame cpu``, ``off`` and the other kinds of profiles: trace, then draw."""

from __future__ import annotations

import os
import sys

from prybee.cli.options import UsageError
from prybee.diagnostics import PrybeeError, Source
from prybee.flame.profile import Profile
from prybee.flame.profiling import GROUPS, KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

    from prybee.cli.flame_cost import Cost
    from prybee.engines.live import LiveTarget
    from prybee.flame.gathering import Gatherer
    from prybee.flame.profiling import Kind
    from prybee.output.names import Names
    from prybee.output.sink import Sink

# The longest that is traced, in milliseconds.
_LONGEST = (1 << 31) - 1
# Different stacks that there is room for.
_MOST_STACKS = "16384"


def options(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds a command for each kind of profile."""
    for kind in KINDS:
        parser = commands.add_parser(
            kind.name, help=f"trace, and show {kind.help}", description=f"Show {kind.help}."
        )
        parser.add_argument("-p", "--pid", type=int, help="only this process")
        parser.add_argument("-c", "--cmd", default="", help="run this, and trace until its end")
        parser.add_argument(
            "--cgroup", metavar="DIR", default="",
            help="only processes of this control group, and of those below it",
        )  # fmt: skip
        parser.add_argument("-d", "--duration", default="", help="10s, 500ms, 2m; default: Ctrl-C")
        if kind.name in ("cpu", "wall"):
            parser.add_argument("-F", "--frequency", type=int, default=99, help="a second (99)")
        if kind.name == "cpu":
            parser.add_argument(
                "-e", "--event", default="", metavar="EVENT[:COUNT]",
                help="take a stack every so many events instead: cycles, instructions, "
                "cache-misses, context-switches …",
            )  # fmt: skip
        if kind.name in ("cpu", "wall"):
            parser.add_argument(
                "--read-memory", action="store_true",
                help="see only Python functions of one process, by reading its memory: it needs no "
                "eBPF, and no privilege for processes of one's own",
            )  # fmt: skip
        parser.add_argument(
            "-o", "--output", metavar="FILE",
            help="its end says the format; default: folded stacks on standard output",
        )  # fmt: skip
        parser.add_argument(
            "--live", action="store_true",
            help="draw it anew each second, in the terminal or the file of -o: sums only",
        )  # fmt: skip
        parser.add_argument(
            "--no-times", dest="times", action="store_false",
            help="keep only sums. Files that show samples one by one have the time, thread and CPU "
            f"of each otherwise ({_timed()})",
        )  # fmt: skip
        parser.add_argument("--title", default="")
        parser.add_argument(
            "--unwind", choices=("fp", "eh_frame"),
            help="how stacks of programs are walked: by frame pointers; by .eh_frame (the default, "
            "where the kernel can), where there is none by frame pointers",
        )  # fmt: skip
        parser.add_argument(
            "--inline", action="store_true",
            help="show inlined functions, where there is debug information",
        )  # fmt: skip
        parser.add_argument(
            "--no-python", dest="python", action="store_false",
            help="leave out the functions of Python programs",
        )  # fmt: skip
        parser.add_argument(
            "--by", choices=GROUPS, help="with the container, or the control group, at the root",
        )  # fmt: skip
        parser.add_argument("--strict", action="store_true", help="status 1 if anything was lost")
        parser.set_defaults(run=run, kind=kind)


def _timed() -> str:
    from prybee.flame import outputs

    return ", ".join(f".{each.name}" for each in outputs.OUTPUTS if each.samples)


def run(given: argparse.Namespace, opened: object) -> int:
    """Traces, and writes what was found.

    Raises:
        UsageError: options that make no sense.
        PrybeeError: it cannot be traced.
    """
    from prybee.cli import flame_draw, flame_files, flame_live, flame_read
    from prybee.cli.flame_cost import Cost
    from prybee.flame import outputs

    kind: Kind = given.kind
    output = flame_draw.of(given.output, outputs.FOLDED)
    if sum(map(bool, (given.pid, given.cmd, given.cgroup))) > 1:
        raise UsageError(f"prybee flame {kind.name}: either -p or -c or --cgroup")
    if given.live and not given.output and not sys.stdout.isatty():
        raise UsageError(f"prybee flame {kind.name} --live: to a terminal, or with -o FILE")
    if given.pid is not None and not os.path.exists(f"/proc/{given.pid}"):
        raise PrybeeError(f"no such process: {given.pid}")
    # What grows as it is looked at is sums only.
    times = output.samples and given.times and not given.live
    profile = Profile(kind.unit)
    title = given.title or f"{kind.help[0].upper()}{kind.help[1:]}"
    show = flame_live.shower(given, profile, output, title) if given.live else None
    if flame_read.wanted(
        kind.name, getattr(given, "read_memory", False), bool(given.pid or given.cmd)
    ):
        if given.by:
            raise UsageError(f"prybee flame {kind.name} --by {given.by}: it takes eBPF")
        seconds = _milliseconds(given.duration) / 1000 if given.duration else 0
        frequency = _frequency(given, kind)
        if times:
            from prybee.flame.samples import Samples

            profile.samples = Samples(spans=kind.spans)
        cost = flame_read.read(
            profile, kind.name, given.pid, given.cmd, frequency, seconds, given.read_memory
        )
    else:
        traced = Cost(profile)
        status = _trace(given, kind, profile, traced, show, times)
        if status:
            return status
        cost = traced.text()
    if not profile.weights:
        print("nothing was seen", file=sys.stderr)
    if show is not None:
        show()
    else:
        flame_draw.save(profile, output, given.output, title)
    print(cost, file=sys.stderr)
    return flame_files.report(profile.quality, given.strict)


def _environment(given: argparse.Namespace) -> dict[str, str]:
    """Settings of the trace; those of the user win."""
    settings = {"PRYBEE_UNWIND": given.unwind or "eh_frame", "PRYBEE_MAX_MAP_KEYS": _MOST_STACKS}
    if given.inline:
        settings["PRYBEE_SHOW_DEBUG_INFO"] = "1"
    if given.unwind:
        return {**os.environ, **settings}
    return {**settings, **os.environ}


def _check_unwind(target: LiveTarget) -> None:
    """Refuses what was asked for and cannot be had."""
    from prybee.functions.unwinding import why_not

    if reason := why_not(target):
        raise PrybeeError(f"--unwind eh_frame: {reason}; --unwind fp follows frame pointers")


def _trace(
    given: argparse.Namespace,
    kind: Kind,
    profile: Profile,
    cost: Cost,
    changed: Callable[[], None] | None,
    times: bool,
) -> int:
    from prybee.cli import live
    from prybee.cli.options import Arguments
    from prybee.cli.times import Times
    from prybee.flame import scripting
    from prybee.flame.gathering import Gatherer
    from prybee.language.frontend import CompileOptions

    frequency = _frequency(given, kind)
    text = scripting.text(
        kind,
        pid=0 if given.cmd else given.pid,
        cgroup=given.cgroup,
        event=getattr(given, "event", ""),
        frequency=frequency,
        duration=_milliseconds(given.duration) if given.duration else 0,
        python=given.python,
        group=bool(given.by),
        refresh=given.live,
        times=times,
    )
    if given.unwind == "eh_frame":
        from prybee.engines.live import LiveTarget

        with LiveTarget() as target:
            _check_unwind(target)
    groups = None
    if given.by:
        from prybee.flame.groups import Groups

        groups = Groups(given.by, scripting.unified())
    arguments = Arguments()
    arguments.values["quiet"] = True
    if given.cmd:
        arguments.values["cmd"] = given.cmd

    def make(out: Sink, errors: Sink, names: Names) -> Gatherer:
        cost.output = Gatherer(kind, profile, out, errors, names, changed, times, groups)
        return cost.output

    return live.trace(
        Source(kind.script, text),
        CompileOptions(
            positional=(str(frequency),),
            pid=None if kind.own_filter else given.pid,
            environment=_environment(given),
            patient=times,
        ),
        arguments,
        (),
        Times(False),
        make,
        given.pid,
        cost.take,
    )


def _frequency(given: argparse.Namespace, kind: Kind) -> int:
    """Samples a second; 0 for kinds that take none.

    Raises:
        UsageError: it is none.
    """
    frequency: int = getattr(given, "frequency", 0)
    if frequency < 0 or frequency > 100_000 or (kind.name in ("cpu", "wall") and not frequency):
        raise UsageError(f"-F {frequency}: from 1 to 100000 samples a second")
    return frequency


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
