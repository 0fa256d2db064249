"""``prybee tools``: list and search the ready-made tools; ``prybee NAME``: run one."""

from __future__ import annotations

import os
import sys

from prybee.cli import fail
from prybee.diagnostics import PrybeeError, Source
from prybee.tools import catalogue, options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.language import tree
    from prybee.tools.catalogue import Tool

USAGE = """\
usage: prybee tools [-k WORDS]
       prybee tools NAME [--source | --help]
       prybee NAME [options]

Lists the ready-made tools, searches them, or shows one.

  -k, --keyword WORDS   tools that have to do with WORDS; a question will do
      --source          print the tool's script
  -h, --help            print the tool's page, or this text
"""


def main(words: Sequence[str]) -> int:
    """List, search or show tools.

    Raises:
        PrybeeError: no such option, no such tool.
    """
    rest = list(words)
    question: list[str] = []
    name = ""
    show = ""
    while rest:
        word = rest.pop(0)
        if word in ("-k", "--keyword"):
            if not rest:
                raise PrybeeError("prybee tools: -k needs words to look for: -k disk")
            question += rest
            rest = []
        elif word in ("-h", "--help", "--source"):
            show = word.lstrip("-")[0]
        elif word.startswith("-"):
            raise PrybeeError(f"prybee tools: unknown option '{word}'\n{USAGE.rstrip()}")
        elif name:
            raise PrybeeError(f"prybee tools: one tool at a time, not '{name}' and '{word}'")
        else:
            name = word
    if name:
        return _show(catalogue.load(name), "source" if show == "s" else "help")
    if show:
        sys.stdout.write(USAGE)
        return 0
    return _list(" ".join(question))


def _list(question: str) -> int:
    """Print tools and what they are for; 1 where none was found."""
    found = catalogue.load_all()
    if question:
        from prybee.tools.search import find

        found = find(question, found)
        if not found:
            return fail(
                f"no tool has to do with '{question}'\nHINT: prybee tools lists all of them"
            )
    width = max(len(tool.name) for tool in found) + 2
    for tool in found:
        print(f"{tool.name:<{width}}{tool.summary}")
    if sys.stdout.isatty():
        print("\nprybee tools NAME tells of one; prybee doctor, which of them work here.")
    return 0


def _show(tool: Tool, what: str) -> int:
    if what == "source":
        sys.stdout.write(tool.read().decode())
        return 0
    from prybee.tools.help import text

    sys.stdout.write(text(tool))
    return 0


def run(words: Sequence[str]) -> int:
    """Run the tool ``words[0]`` with the options behind it.

    Raises:
        PrybeeError: its options make no sense, or what they name is not there.
    """
    tool = catalogue.load(words[0])
    settings = options.read(tool, words[1:])
    if settings.show:
        return _show(tool, settings.show)
    from prybee.cli import live
    from prybee.cli.options import Arguments
    from prybee.cli.times import Times
    from prybee.language.frontend import CompileOptions
    from prybee.tools import filters, rows

    own = filters.hooked(options.program_of(tool))
    pid = settings.wanted.pid
    if not own:
        # The tool's events are of the current process: the language's own filter will do, which
        # the kernel applies before the program runs where it can.
        settings = settings.replace(wanted=settings.wanted.replace(pid=None))

    def edit(program: tree.Program) -> None:
        options.edit(tool, settings, program)

    arguments = Arguments()
    arguments.values["quiet"] = True
    if settings.output:
        arguments.values["output"] = settings.output
    make = rows.FORMATS[settings.format]
    if settings.sort:
        tool = tool.replace(order=settings.sort)
    return live.trace(
        Source(tool.path, tool.read().decode()),
        CompileOptions(
            named=settings.named,
            pid=None if own else pid,
            environment=os.environ,
            edit=edit,
        ),
        arguments,
        (),
        Times(False),
        lambda out, errors, names: make(tool, settings.rows, out, errors, names),
        pid,
    )
