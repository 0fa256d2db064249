"""The command line of a trace: bpftrace's options, as one table, and a reader for them.

The reader does what getopt_long(3) does (short options in clusters, values attached or apart,
unambiguous beginnings of long ones, options after operands), and suggests the nearest option for
an unknown one.  ``argparse`` would cost more than half of what is left for the whole start.
"""

from __future__ import annotations

from prybee.diagnostics import PrybeeError, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class UsageError(PrybeeError):
    """A command line that cannot be understood; the text says what is wrong with it."""


class UnknownOption(UsageError):
    """An option that does not exist, or no program: the forms of the command are shown then."""


class Option:
    """One option.

    Args:
        names: ``-e`` and ``--long`` forms, the canonical name last.
        value: the value's name in help texts, with its form; empty for a switch.
        help: what it does.
        many: may be given several times; values are gathered in a list.
        hidden: accepted without effect, for scripts and habits that come from bpftrace.
        bare: accepted without effect where no value follows.
    """

    __slots__ = ("bare", "help", "hidden", "key", "many", "names", "value")

    def __init__(
        self,
        names: str,
        value: str = "",
        help: str = "",  # noqa: A002 - what it is
        many: bool = False,
        hidden: bool = False,
        bare: bool = False,
    ) -> None:
        self.names = tuple(names.split())
        self.key = self.names[-1].lstrip("-").replace("-", "_")
        self.value = value
        self.help = help
        self.many = many
        self.hidden = hidden
        self.bare = bare

    def __repr__(self) -> str:
        return f"Option({' '.join(self.names)})"


# Group title, then its options, in the order of the help text.
OPTIONS: tuple[tuple[str, tuple[Option, ...]], ...] = (
    (
        "what to trace",
        (
            Option("-e --program", "PROGRAM", "run this program"),
            Option("-l --list", "", "list probes that match SEARCH, or those of a program"),
            Option("-p --pid", "PID", "trace this process only, and end with it"),
            Option("-c --cmd", "COMMAND", "run COMMAND once probes are attached, and end with it"),
            Option("--unsafe", "", "allow functions that change the system: system(), signal()"),
            Option("--dry-run", "", "end after attaching all probes"),
        ),
    ),
    (
        "output",
        (
            Option("-o --output", "FILE", "write output to FILE"),
            Option("-f --format", "FORMAT", "output format: text or json (one object a line)"),
            Option("-B --buffering", "MODE", "output buffering: line, full or none"),
            Option("-q --quiet", "", "print no banner"),
            Option("-v --verbose", "", "say more; with -l, show the arguments of probes"),
            Option("-k --warnings", "", "warn when a probe's read of memory fails"),
            Option("--no-warnings", "", "print no warnings"),
        ),
    ),
    (
        "scripts",
        (
            Option("-I", "DIR", "look for imports and C headers in DIR too", many=True),
            Option("--include", "FILE", "read this C header before the script", many=True),
            # bpftrace's has no value, and no effect.
            Option("--btf", "FILE", "the kernel's types: raw BTF, or a vmlinux with it", bare=True),
            Option("--no-feature", "LIST", "do without these kernel features (comma-separated)"),
            Option("--traceable-functions", "FILE", "kernel functions that there are, one a line"),
            Option("--debuginfo", "DIR", "look for programs' debug files in DIR first", many=True),
        ),
    ),
    (
        "tests and benchmarks",
        (
            Option("--test", "", "run the test: probes of a script, and tell which fail"),
            Option("--bench", "", "run the bench: probes of a script, and tell how long they take"),
            Option("--mode", "MODE", "test or bench: the same as --test or --bench"),
            Option("--probe-filter", "REGEX", "run only those whose name matches REGEX"),
        ),
    ),
    (
        "information",
        (
            Option("--info", "", "what this kernel can do, as bpftrace prints it"),
            Option("-d --debug", "STAGE", "print a stage of compilation (prybee -d help)"),
            Option("-h --help", "", "show this text"),
            Option("-V --version", "", "show the version"),
        ),
    ),
    (
        "accepted for bpftrace's sake, without effect",
        (
            Option("-b", hidden=True),
            Option("--verify-llvm-ir", hidden=True),
            Option("--usdt-file-activation", hidden=True),
        ),
    ),
)

_BY_NAME: dict[str, Option] = {
    name: option for _title, options in OPTIONS for option in options for name in option.names
}


class Arguments:
    """A command line taken apart.

    Attributes:
        values: option key (its long name, ``_`` for ``-``) to its value; switches are ``True``.
        operands: what is not an option, in order.
        parameters: what stands behind ``--``; None where there is no ``--``.
    """

    __slots__ = ("operands", "parameters", "values")

    def __init__(self) -> None:
        self.values: dict[str, str | bool | list[str]] = {}
        self.operands: list[str] = []
        self.parameters: list[str] | None = None

    def text(self, key: str, default: str = "") -> str:
        """The value of an option that takes one."""
        value = self.values.get(key, default)
        assert isinstance(value, str)
        return value

    def flag(self, key: str) -> bool:
        """Whether a switch was given."""
        return bool(self.values.get(key))

    def all(self, key: str) -> list[str]:
        """The values of an option that may be repeated."""
        value = self.values.get(key, [])
        assert isinstance(value, list)
        return value


def read(words: Sequence[str]) -> Arguments:
    """Take a command line apart.

    Args:
        words: the arguments without the program's name.

    Raises:
        UsageError: an unknown option, a missing value, a value where none goes.
    """
    found = Arguments()
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if word == "--":
            found.parameters = list(words[index:])
            break
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            option = _long(name)
            if option.value and not equals:
                if option.bare and (index >= len(words) or words[index].startswith("-")):
                    continue
                if index >= len(words):
                    raise UsageError(f"option '{name}' needs a value: {name} {option.value}")
                value = words[index]
                index += 1
            elif equals and not option.value:
                raise UsageError(f"option '{name}' takes no value")
            _set(found, option, value)
        elif word.startswith("-") and len(word) > 1:
            index = _cluster(found, word, words, index)
        else:
            found.operands.append(word)
    return found


def _cluster(found: Arguments, word: str, words: Sequence[str], index: int) -> int:
    """Short options written together, the last perhaps with its value; the next word's index."""
    at = 1
    while at < len(word):
        name = f"-{word[at]}"
        at += 1
        option = _BY_NAME.get(name)
        if option is None:
            raise UnknownOption(f"unrecognized option '{name}'{_meant(word)}")
        if not option.value:
            _set(found, option, "")
            continue
        value = word[at:]
        if not value:
            if index >= len(words):
                raise UsageError(f"option '{name}' needs a value: {name} {option.value}")
            value = words[index]
            index += 1
        _set(found, option, value)
        break
    return index


def _set(found: Arguments, option: Option, value: str) -> None:
    if not option.value:
        found.values[option.key] = True
    elif option.many:
        found.values.setdefault(option.key, [])
        found.all(option.key).append(value)
    else:
        found.values[option.key] = value


def _long(name: str) -> Option:
    option = _BY_NAME.get(name)
    if option is not None:
        return option
    starting = [known for known in _BY_NAME if known.startswith(name) and known.startswith("--")]
    if len(starting) == 1:
        return _BY_NAME[starting[0]]
    if starting:
        raise UsageError(f"option '{name}' is ambiguous: {', '.join(sorted(starting))}")
    raise UnknownOption(f"unrecognized option '{name}'{_meant(name)}")


def _meant(word: str) -> str:
    near = did_you_mean(word, [name for name in _BY_NAME if name.startswith("--")], limit=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def help_text() -> str:
    """The options as aligned lines, group by group."""
    lines = []
    for title, options in OPTIONS:
        shown = [option for option in options if not option.hidden]
        if not shown:
            continue
        lines.append(f"{title}:")
        for option in shown:
            names = ", ".join(option.names)
            left = f"  {names} {option.value}".rstrip()
            if len(left) > 27:
                lines.append(left)
                left = ""
            lines.append(f"{left:<28}{option.help}")
        lines.append("")
    return "\n".join(lines)
