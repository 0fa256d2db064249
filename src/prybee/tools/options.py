"""The command line of a tool: what all tools share, and what a tool asks for by ``getopt``."""

from __future__ import annotations

import os

from prybee.data import Data
from prybee.diagnostics import PrybeeError, Source, did_you_mean
from prybee.language import tree
from prybee.language.parser import parse
from prybee.tools import catalogue, containers, filters, operands, timing
from prybee.tools.catalogue import FILTERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prybee.tools.catalogue import Tool

# The longest name of a thread, as the kernel keeps it (TASK_COMM_LEN less the NUL).
MOST_COMM = 15


class Shared(Data):
    """An option of all tools.

    Attributes:
        names: as written, the long form last; a tool may use the short one for something else.
        value: the value's name in help texts; empty for a switch.
        help: what it does.
        only: which tools have it: ``periodic``, ``order`` or ``stacks``; empty for all.
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
    Shared(("--tid",), "TID", "only this thread"),
    Shared(("-u", "--user"), "USER", "only this user's processes: a name or a number"),
    Shared(("--comm",), "NAME", "only threads with this name"),
    Shared(("--cgroup",), "PATH", "only this cgroup (v2) and those below it"),
    Shared(("--container",), "ID", "only this container: id, its first digits, or host name"),
    Shared(("-d", "--duration"), "TIME", "end after so many seconds (or 500ms, 2m, 1h)"),
    Shared(("-i", "--interval"), "TIME", "print every so often", "periodic"),
    Shared(("-r", "--rows"), "N", "rows of each table (default 20)", "order"),
    Shared(("--sort",), "COLUMN", "the column that a table is sorted by, largest first", "order"),
    Shared(("--json",), "", "one JSON object for each row"),
    Shared(("--csv",), "", "comma-separated values"),
    Shared(("--folded",), "", "one line for each stack, as flame graphs are made of", "stacks"),
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
        letter: its short form, without the dash; empty where it has none.
        choices: the values that it takes; empty: any.
    """

    name: str
    default: bool | int | str
    help: str
    letter: str = ""
    choices: tuple[str, ...] = ()

    @property
    def long(self) -> str:
        """The long form as it is written."""
        return "--" + self.name.replace("_", "-")

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
        format: ``text``, ``json``, ``csv`` or ``folded``.
        rows: most rows of a table.
        sort: the column that they are sorted by; empty: as the tool has it.
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
    sort: str = ""
    output: str = ""
    show: str = ""


class OptionError(PrybeeError):
    """A command line that a tool cannot understand."""


def own(tool: Tool, program: tree.Program) -> list[Own]:
    """The options that a tool's script asks for, in order."""
    letters = {long: letter for letter, long in tool.letters.items()}
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
        elif rest and isinstance(rest[0], tree.Unary):
            # Below zero: a number that has to be given.
            default = -1
        text = rest[1].value if len(rest) > 1 and isinstance(rest[1], tree.String) else ""
        known = found.get(name.value)
        if known is None or (text and not known.help):
            letter = letters.get(name.value.replace("_", "-"), "")
            choices = tool.choices.get(name.value, ())
            found[name.value] = Own(name.value, default, text, letter, choices)
    return list(found.values())


def shared(tool: Tool) -> list[Shared]:
    """The shared options that make sense for a tool, with the letters that they have there."""
    found = []
    for option in SHARED:
        if _unfit(tool, option):
            continue
        names = [name for name in option.names if name[1:] not in tool.letters]
        names[:0] = [f"-{letter}" for letter, long in tool.letters.items() if long == option.key]
        found.append(option.replace(names=tuple(names)))
    return found


def _unfit(tool: Tool, option: Shared) -> str:
    """Why a tool has not an option; empty where it has."""
    if option.key in FILTERS and option.key not in tool.filters:
        return tool.unfiltered or "its events cannot be told apart by that"
    if option.only == "periodic" and not (tool.interval or tool.prints):
        return "it prints each event as it comes"
    if option.only == "order" and not tool.order:
        return "it has no table"
    if option.only == "stacks" and "folded" not in tool.letters.values():
        return "it shows no stacks"
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
    options = own(tool, program_of(tool))
    named: dict[str, str | None] = {}
    given: dict[str, str] = {}
    found_operands: list[str] = []
    numbers: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") and len(found_operands) < len(tool.operands):
            found_operands.append(word)
            continue
        if word[:1].isdecimal() and len(numbers) < len(tool.numbers):
            numbers.append(word)
            continue
        if word in tool.shown:
            continue
        name, equals, value = word.partition("=")
        if word.startswith("-") and not word.startswith("--") and len(word) > 2:
            name = word[:2]
            if name in tool.shown or not _option(tool, options, name).value:
                # -xU
                rest[:0] = [name, f"-{word[2:]}"]
                continue
            # -p123
            equals, value = "=", word[2:]
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
    formats = [each for each in ("json", "csv", "folded") if each in given]
    if len(formats) > 1:
        raise OptionError(f"{tool.name}: --{formats[0]} and --{formats[1]} exclude each other")
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
    _take(tool, numbers, given)
    interval = timing.milliseconds(given["interval"], "--interval") if "interval" in given else 0
    duration = timing.milliseconds(given["duration"], "--duration") if "duration" in given else 0
    if "count" in given:
        # The last table is printed at the end, just before it would be due.
        count = _number(given["count"], f"{tool.name}: the count", 1, 1 << 31)
        duration = max(interval * count - min(interval // 10, 20), 1)
    return Settings(
        tuple(found_operands),
        named,
        _filter(given),
        duration,
        interval,
        formats[0] if formats else "text",
        _number(given.get("rows", "20"), "--rows", 1, 1 << 31),
        _column(tool, given["sort"]) if "sort" in given else "",
        given.get("output", ""),
    )


def _take(tool: Tool, numbers: Sequence[str], given: dict[str, str]) -> None:
    """Numbers without an option, as BCC's tools have them: what each means."""
    for name, number in zip(tool.numbers, numbers, strict=False):
        if name in given:
            raise OptionError(f"{tool.name}: '{number}' is its {name}, and so is --{name}")
        given[name] = number
    if "count" in given and "duration" in given:
        raise OptionError(f"{tool.name}: a count and --duration exclude each other")


def _column(tool: Tool, text: str) -> str:
    """The column that ``text`` means: its name, or as JSON or BCC has it (``rbytes``)."""
    for column in tool.columns:
        short = column.lower().split("(")[0]
        if text.lower() in (column.lower(), catalogue.key(column), short, f"{short}bytes"):
            return column
    known = ", ".join(tool.columns)
    raise OptionError(f"{tool.name}: --sort: there is no column '{text}', but {known}")


def _next(tool: Tool, name: str, value: str, rest: list[str]) -> str:
    if rest:
        return rest.pop(0)
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
        if name in (option.long, "--" + option.name, f"-{option.letter}" if option.letter else ""):
            return option
    letter = name[1:] if not name.startswith("--") else ""
    if letter in tool.letters:
        name = f"--{tool.letters[letter]}"
    for each in SHARED:
        if name in each.names:
            unfit = _unfit(tool, each)
            if unfit:
                raise OptionError(f"{tool.name}: there is no {each.names[-1]}: {unfit}")
            return each
    known = [each.names[-1] for each in shared(tool)]
    known += [option.long for option in options]
    near = did_you_mean(name, known, limit=1)
    hint = f"did you mean '{near[0]}'?" if near else f"prybee {tool.name} --help lists the options"
    raise OptionError(f"{tool.name}: unknown option '{name}'\nHINT: {hint}")


def _check_own(tool: Tool, option: Own, named: Mapping[str, str | None]) -> None:
    value = named.get(option.name)
    if value is not None and option.value == "N":
        _number(value, f"{tool.name}: {option.long}", 0, (1 << 63) - 1)
    if value is not None and option.choices and value not in option.choices:
        known = ", ".join(option.choices)
        raise OptionError(f"{tool.name}: {option.long}: '{value}' is none of {known}")


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
    tid = None
    if "tid" in given:
        tid = _number(given["tid"], "--tid", 1, 1 << 22)
        if not os.path.exists(f"/proc/{tid}"):
            raise PrybeeError(f"--tid: no thread {tid} is running")
    comm = given.get("comm")
    if comm is not None and not 0 < len(comm.encode()) <= MOST_COMM:
        raise OptionError(
            f"--comm: the kernel keeps {MOST_COMM} characters of a name"
            + (f"; try --comm '{comm[:MOST_COMM]}'" if comm else "")
        )
    cgroups: tuple[int, ...] = ()
    namespace = network = 0
    if "cgroup" in given:
        cgroups = containers.cgroup_ids(given["cgroup"])
    if "container" in given:
        namespace, inside, network = containers.find(given["container"])
        cgroups = (
            tuple(each for each in cgroups if each in inside)
            if cgroups and inside
            else (cgroups or inside)
        )
    uid = _user(given["user"]) if "user" in given else None
    return filters.Filter(pid, tid, uid, comm, cgroups, namespace, network)


def _user(text: str) -> int:
    """The id of a user, by name or number."""
    if text.isdecimal():
        return _number(text, "--user", 0, (1 << 32) - 1)
    from pwd import getpwnam

    try:
        return getpwnam(text).pw_uid
    except KeyError:
        raise PrybeeError(f"--user: there is no user '{text}'") from None


def edit(tool: Tool, settings: Settings, program: tree.Program) -> None:
    """Put what was asked for into a tool's tree.

    Raises:
        PrybeeError: operands that are not of the form that the tool takes.
    """
    frequency = settings.named.get("frequency")
    if frequency:
        timing.resample(program, int(frequency, 0))
    if settings.operands:
        operands.apply(program, settings.operands)
    filters.apply(program, settings.wanted)
    if settings.interval and not timing.retime(program, settings.interval):
        timing.print_every(program, settings.interval, tool.prints)
    if settings.duration:
        timing.end_after(program, settings.duration)
