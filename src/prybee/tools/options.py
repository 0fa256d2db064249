"""The command line of a tool: what all tools share, and what a tool asks for by ``getopt``."""

from __future__ import annotations

import os

from prybee.data import Data
from prybee.diagnostics import PrybeeError, Source, did_you_mean
from prybee.language import tree
from prybee.language.parser import parse
from prybee.tools import containers, filters, operands, timing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prybee.tools.catalogue import Tool

# The longest name of a thread, as the kernel keeps it (TASK_COMM_LEN less the NUL).
MOST_COMM = 15


class Shared(Data):
    """An option of all tools.

    Attributes:
        names: as written, the long form last.
        value: the value's name in help texts; empty for a switch.
        help: what it does.
        only: which tools have it: a field of :class:`Tool` that must not be empty.
    """

    names: tuple[str, ...]
    value: str
    help: str
    only: str = ""

    @property
    def key(self) -> str:
        """The long name without its dashes."""
        return self.names[-1].lstrip("-")


SHARED: tuple[Shared, ...] = (
    Shared(("-p", "--pid"), "PID", "only this process; end when it does"),
    Shared(("--comm",), "NAME", "only threads with this name"),
    Shared(("--cgroup",), "PATH", "only this cgroup (v2) and those below it"),
    Shared(("--container",), "ID", "only this container: id, its first digits, or host name"),
    Shared(("-d", "--duration"), "TIME", "end after so many seconds (or 500ms, 2m, 1h)"),
    Shared(("-i", "--interval"), "TIME", "print every so often", "periodic"),
    Shared(("-r", "--rows"), "N", "rows of each table (default 20)", "order"),
    Shared(("--json",), "", "one JSON object for each row"),
    Shared(("--csv",), "", "comma-separated values"),
    Shared(("-o", "--output"), "FILE", "write output to FILE"),
    Shared(("--source",), "", "print the tool's script instead"),
    Shared(("-h", "--help"), "", "print this text"),
)


class Own(Data):
    """An option that a tool asks for by ``getopt``.

    Attributes:
        name: without its dashes; ``_`` in it may be written ``-``.
        default: what it is when not given.
        help: what it does.
    """

    name: str
    default: bool | int | str
    help: str

    @property
    def value(self) -> str:
        """The value's name in help texts; empty for a switch."""
        if isinstance(self.default, bool):
            return ""
        return "N" if isinstance(self.default, int) else "TEXT"


class Settings(Data):
    """A tool's command line, understood.

    Attributes:
        operands: what was given besides options.
        named: values for ``getopt``.
        wanted: the filter.
        duration: milliseconds after which it ends; 0: never.
        interval: milliseconds between two tables; 0: as the tool has it.
        format: ``text``, ``json`` or ``csv``.
        rows: most rows of a table.
        output: the file to write to; empty: the standard output.
        show: ``source`` or ``help``, where that is wanted instead of a run.
    """

    operands: tuple[str, ...] = ()
    named: Mapping[str, str | None] = {}
    wanted: filters.Filter = filters.Filter()
    duration: int = 0
    interval: int = 0
    format: str = "text"
    rows: int = 20
    output: str = ""
    show: str = ""


class OptionError(PrybeeError):
    """A command line that a tool cannot understand."""


def own(program: tree.Program) -> list[Own]:
    """The options that a script asks for, in order."""
    found: dict[str, Own] = {}
    for node in tree.walk(program):
        if not isinstance(node, tree.Call) or node.name != "getopt" or not node.args:
            continue
        name, *rest = node.args
        if not isinstance(name, tree.String):
            continue
        default: bool | int | str = False
        if rest and isinstance(rest[0], tree.String | tree.Integer | tree.Boolean):
            default = rest[0].value
        text = rest[1].value if len(rest) > 1 and isinstance(rest[1], tree.String) else ""
        known = found.get(name.value)
        if known is None or (text and not known.help):
            found[name.value] = Own(name.value, default, text)
    return list(found.values())


def shared(tool: Tool) -> list[Shared]:
    """The shared options that make sense for a tool."""
    return [option for option in SHARED if not _unfit(tool, option)]


def _unfit(tool: Tool, option: Shared) -> str:
    """Why a tool has not an option; empty where it has."""
    if option.key in ("pid", "comm", "cgroup", "container") and option.key not in tool.filters:
        return "its events cannot be told apart by that"
    if option.only == "periodic" and not (tool.interval or tool.prints):
        return "it prints each event as it comes"
    if option.only == "order" and not tool.order:
        return "it has no table"
    return ""


def program_of(tool: Tool) -> tree.Program:
    """The tree of a tool's script."""
    return parse(Source(tool.path, tool.read().decode()))


def read(tool: Tool, words: Sequence[str]) -> Settings:
    """Understand a tool's command line.

    Args:
        tool: which.
        words: what stands behind its name.

    Raises:
        OptionError: an unknown option, a missing or wrong value, options that exclude each other.
        PrybeeError: a process, cgroup or container that is not there.
    """
    options = own(program_of(tool))
    named: dict[str, str | None] = {}
    given: dict[str, str] = {}
    found_operands: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") and len(found_operands) < len(tool.operands):
            found_operands.append(word)
            continue
        name, equals, value = word.partition("=")
        if word.startswith("-") and not word.startswith("--") and len(word) > 2:
            # -p123
            name, equals, value = word[:2], "=", word[2:]
        found = _option(tool, options, name)
        if not found.value:
            if equals:
                raise OptionError(f"{tool.name}: option '{name}' takes no value")
        elif not equals:
            value = _next(tool, name, found.value, rest)
        if isinstance(found, Own):
            named[found.name] = value if found.value else None
        else:
            given[found.key] = value
    if "json" in given and "csv" in given:
        raise OptionError(f"{tool.name}: --json and --csv exclude each other")
    if "help" in given or "source" in given:
        return Settings(show="help" if "help" in given else "source")
    if len(found_operands) < len(tool.operands):
        missing = tool.operands[len(found_operands)]
        raise OptionError(
            f"{tool.name}: {missing} is missing: prybee {tool.name} {' '.join(tool.operands)}"
            + (f"\nHINT: {tool.examples[0][0]}" if tool.examples else "")
        )
    for option in options:
        _check_own(tool, option, named)
    return Settings(
        tuple(found_operands),
        named,
        _filter(given),
        timing.milliseconds(given["duration"], "--duration") if "duration" in given else 0,
        timing.milliseconds(given["interval"], "--interval") if "interval" in given else 0,
        "json" if "json" in given else "csv" if "csv" in given else "text",
        _number(given.get("rows", "20"), "--rows", 1, 1 << 31),
        given.get("output", ""),
    )


def _next(tool: Tool, name: str, value: str, rest: Iterator[str]) -> str:
    for word in rest:
        return word
    raise OptionError(f"{tool.name}: option '{name}' needs a value: {name} {value}")


def _option(tool: Tool, options: Sequence[Own], name: str) -> Shared | Own:
    """The option that ``name`` stands for.

    Raises:
        OptionError: there is none.
    """
    if not name.startswith("-"):
        raise OptionError(
            f"{tool.name}: what is '{name}'? prybee {tool.name} --help tells what it takes"
        )
    for option in options:
        if name.replace("-", "_").lstrip("_") == option.name and name.startswith("--"):
            return option
    for each in SHARED:
        if name in each.names:
            unfit = _unfit(tool, each)
            if unfit:
                raise OptionError(f"{tool.name}: there is no {each.names[-1]}: {unfit}")
            return each
    known = [each.names[-1] for each in shared(tool)]
    known += ["--" + option.name.replace("_", "-") for option in options]
    near = did_you_mean(name, known, limit=1)
    hint = f"did you mean '{near[0]}'?" if near else f"prybee {tool.name} --help lists the options"
    raise OptionError(f"{tool.name}: unknown option '{name}'\nHINT: {hint}")


def _check_own(tool: Tool, option: Own, named: Mapping[str, str | None]) -> None:
    value = named.get(option.name)
    if value is not None and option.value == "N":
        _number(value, f"{tool.name}: --{option.name}", 0, (1 << 63) - 1)


def _number(text: str, option: str, least: int, most: int) -> int:
    try:
        found = int(text, 0)
    except ValueError:
        raise OptionError(f"{option}: '{text}' is no number") from None
    if not least <= found <= most:
        raise OptionError(f"{option}: {text} is not between {least} and {most}")
    return found


def _filter(given: Mapping[str, str]) -> filters.Filter:
    """The filter that is asked for.

    Raises:
        OptionError: values that no task can have.
        PrybeeError: no such process, cgroup or container.
    """
    pid = None
    if "pid" in given:
        pid = _number(given["pid"], "--pid", 1, 1 << 22)
        if not os.path.exists(f"/proc/{pid}"):
            raise PrybeeError(f"--pid: no process {pid} is running")
    comm = given.get("comm")
    if comm is not None and not 0 < len(comm.encode()) <= MOST_COMM:
        raise OptionError(
            f"--comm: the kernel keeps {MOST_COMM} characters of a name"
            + (f"; try --comm '{comm[:MOST_COMM]}'" if comm else "")
        )
    cgroups: tuple[int, ...] = ()
    namespace = 0
    if "cgroup" in given:
        cgroups = containers.cgroup_ids(given["cgroup"])
    if "container" in given:
        namespace, inside = containers.find(given["container"])
        cgroups = (
            tuple(each for each in cgroups if each in inside)
            if cgroups and inside
            else (cgroups or inside)
        )
    return filters.Filter(pid, comm, cgroups, namespace)


def edit(tool: Tool, settings: Settings, program: tree.Program) -> None:
    """Put what was asked for into a tool's tree.

    Raises:
        PrybeeError: operands that are not of the form that the tool takes.
    """
    if settings.operands:
        operands.apply(program, settings.operands)
    filters.apply(program, settings.wanted)
    if settings.interval and not timing.retime(program, settings.interval):
        timing.print_every(program, settings.interval, tool.prints)
    if settings.duration:
        timing.end_after(program, settings.duration)
