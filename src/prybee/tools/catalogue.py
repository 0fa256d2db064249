"""The tools that there are, and what their headers say.

A header is the comment at the top of a script.  Its first line sums the tool up, paragraphs
describe it, and lines of the form ``word: value`` say what the runner needs to know:

``keywords``
    words that people may look for, the most fitting first.
``needs``
    attach points without which the tool has nothing to show; ``|`` between alternatives.  May be
    repeated.
``columns``
    the names of the columns of a row, as the tool's header line prints them: a ``printf`` with as
    many values is a row.  A unit stands in parentheses: ``LAT(us)``.
``order``
    the column that rows of a table are sorted by, largest first; a table ends where text without
    values is printed.
``prints``
    maps that the tool prints at its end, and with ``-i`` every so often.
``interval``
    seconds between two tables, where the script has an ``interval`` probe; ``-i`` changes them.
``operands``
    names of what has to be given besides options: a function or probe first.
``letters``
    short forms of options, the tool's own and the shared ones: ``x=failed t=tid``.
``choices``
    values that an option takes: ``flag=O_RDWR|O_CREAT``.
``shown``
    short options that BCC's tool of this name needs for what is always shown here: they are taken,
    and do nothing.
``numbers``
    what numbers on the command line mean: ``duration``, or ``interval count`` (so it is where a
    tool prints every so often, unless it is said).
``kernel``
    the oldest release of Linux that has all that the tool needs, and what it must be built with.
``filters``
    which of ``pid tid user comm cgroup container`` can be asked for; all, unless it is said.
``unfiltered``
    why the others cannot, and what to use instead.
``example``
    a command; lines indented below it are what it printed once.
"""

from __future__ import annotations

import os
import re

from prybee.data import Data
from prybee.diagnostics import PrybeeError, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FOLDER = os.path.dirname(os.path.abspath(__file__))
SUFFIX = ".bt"
FILTERS = ("pid", "tid", "user", "comm", "cgroup", "container")

_FIELD = re.compile(
    r"(keywords|needs|columns|order|prints|interval|operands|filters|unfiltered|letters|choices|"
    r"shown|numbers|kernel|example): *(.*)"
)
_KEY = re.compile(r"[^a-z0-9]+")


class HeaderError(PrybeeError):
    """A header that does not follow the form above."""


class Tool(Data):
    """What is known of a tool without running it.

    Attributes:
        name: how it is called.
        path: its script.
        summary: one sentence.
        description: paragraphs, separated by empty lines.
        keywords: what else it may be looked for by.
        needs: attach points, each a tuple of alternatives.
        columns: names of the columns of a row; empty where the tool prints maps only.
        order: the column that decides which rows of a table come first; empty: as they come.
        prints: maps that are the result.
        interval: seconds between tables; 0 where there is none.
        operands: what has to be given besides options.
        filters: the filters that can be used with it.
        unfiltered: why not the others.
        letters: short form of an option → its long form, both without dashes.
        choices: the values that an option takes.
        shown: short options that are taken, and do nothing.
        numbers: what numbers on the command line mean.
        kernel: the oldest release that will do, and what it needs.
        examples: (command, what it printed).
    """

    name: str
    path: str
    summary: str
    description: str = ""
    keywords: tuple[str, ...] = ()
    needs: tuple[tuple[str, ...], ...] = ()
    columns: tuple[str, ...] = ()
    order: str = ""
    prints: tuple[str, ...] = ()
    interval: int = 0
    operands: tuple[str, ...] = ()
    filters: tuple[str, ...] = FILTERS
    unfiltered: str = ""
    letters: Mapping[str, str] = {}
    choices: Mapping[str, tuple[str, ...]] = {}
    shown: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    kernel: str = ""
    examples: tuple[tuple[str, str], ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns' names in JSON and CSV: ``LAT(us)`` is ``lat_us``."""
        return tuple(key(column) for column in self.columns)

    def read(self) -> bytes:
        """The script."""
        with open(self.path, "rb") as file:
            return file.read()


def key(column: str) -> str:
    """A column's name in JSON and CSV."""
    return _KEY.sub("_", column.lower()).strip("_")


def names() -> list[str]:
    """The names of all tools, sorted."""
    found = [name.removesuffix(SUFFIX) for name in os.listdir(FOLDER) if name.endswith(SUFFIX)]
    return sorted(found)


def exists(name: str) -> bool:
    """Whether there is a tool of this name."""
    return name.isalnum() and os.path.isfile(os.path.join(FOLDER, name + SUFFIX))


def load(name: str) -> Tool:
    """What is known of a tool.

    Raises:
        PrybeeError: there is no such tool.
        HeaderError: its header has not the form it should have.
    """
    if not exists(name):
        near = did_you_mean(name, names(), limit=1)
        hint = f"\nHINT: did you mean '{near[0]}'?" if near else ""
        raise PrybeeError(f"there is no tool called '{name}'{hint}")
    path = os.path.join(FOLDER, name + SUFFIX)
    with open(path, encoding="utf-8") as file:
        return parse(name, path, file.read())


def load_all() -> list[Tool]:
    """All tools, by name."""
    return [load(name) for name in names()]


def parse(name: str, path: str, text: str) -> Tool:
    """Read the header of a script.

    Raises:
        HeaderError: no header, an unknown filter, an order that is no column, or the like.
    """
    prose: list[str] = []
    fields: dict[str, list[str]] = {}
    examples: list[tuple[str, list[str]]] = []
    for line in _header(text):
        match = _FIELD.fullmatch(line)
        if match is not None and match[1] == "example":
            examples.append((match[2], []))
        elif match is not None:
            fields.setdefault(match[1], []).append(match[2])
        elif examples:
            examples[-1][1].append(line.removeprefix("  "))
        else:
            prose.append(line)
    if not prose or not prose[0] or (len(prose) > 1 and prose[1]):
        raise HeaderError(f"{path}: the first line of the header has to be a summary of its own")
    words = {word: tuple(" ".join(lines).split()) for word, lines in fields.items()}
    periodic = "interval" in words or "prints" in words
    operands = words.get("operands", ())
    tool = Tool(
        name,
        path,
        prose[0],
        "\n".join(prose[1:]).strip(),
        words.get("keywords", ()),
        tuple(tuple(part.strip() for part in line.split("|")) for line in fields.get("needs", ())),
        words.get("columns", ()),
        " ".join(words.get("order", ())),
        words.get("prints", ()),
        int("".join(words.get("interval", ("0",)))),
        operands,
        words.get("filters", FILTERS),
        " ".join(words.get("unfiltered", ())),
        dict(_pairs(words.get("letters", ()))),
        {name: tuple(value.split("|")) for name, value in _pairs(words.get("choices", ()))},
        words.get("shown", ()),
        words.get("numbers", ("interval", "count") if periodic and not operands else ()),
        " ".join(words.get("kernel", ())),
        tuple((command, "\n".join(lines).strip("\n")) for command, lines in examples),
    )
    if tool.order and tool.order not in tool.columns:
        raise HeaderError(f"{path}: order '{tool.order}' is none of the columns")
    for each in tool.filters:
        if each not in (*FILTERS, "none"):
            raise HeaderError(f"{path}: there is no filter '{each}'")
    if not tool.columns and not tool.prints:
        raise HeaderError(f"{path}: neither columns nor prints: what does the tool show?")
    return tool


def _pairs(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """``name=value`` words taken apart."""
    for word in words:
        name, _equals, value = word.partition("=")
        yield name, value


def _header(text: str) -> list[str]:
    """The lines of the first comment, without their marks."""
    lines = []
    for line in text.splitlines():
        if line.startswith("#!"):
            continue
        if not line.startswith("//"):
            break
        lines.append(line[2:].removeprefix(" ").rstrip())
    return lines
