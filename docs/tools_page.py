"""Writes ``docs/tools.md`` from the headers of the tools: ``python docs/tools_page.py``.

A test compares the page with what this makes, so that it never lags behind the tools.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from prybee.tools import catalogue, options

PAGE = Path(__file__).parent / "tools.md"

# Heading → the tools below it; a tool that is missing here is an error.
GROUPS = {
    "Processes": "execsnoop exitsnoop threadsnoop killsnoop capable bashreadline",
    "Files": "opensnoop statsnoop filetop syncsnoop mountsnoop",
    "Block devices": "biolatency biosnoop biotop bitesize",
    "CPUs": "profile offcputime runqlat runqlen cpudist syscount",
    "Network": "tcpconnect tcpaccept tcplife tcpstates tcpdrop tcpretrans gethostlatency",
    "Anything": "funclatency argdist",
}

HEAD = """\
# Tools

Thirty ready-made tools come with prybee. Each is one script in the language that you can read
(`prybee tools NAME --source`), run as it is, or copy and change.

    prybee tools                       list all of them
    prybee tools -k who opens files    which of them answer a question
    prybee tools opensnoop             what a tool shows, and its options
    prybee opensnoop -p 123 -d 10      run one
    prybee doctor                      which of them work on this machine, and why not

They use tracepoints, BTF-typed raw tracepoints and uprobes, so that they need neither kprobes nor
kernel headers: Linux 6.1 or newer with BTF, and root (or CAP_BPF and CAP_PERFMON). What each needs
besides is said with it.

A word on the command line is the name of a tool only where no file of that name is there: a script
of your own goes first.

## Options of all tools

The filters (`--pid` to `--container`) are tested in the kernel, before anything is sent to prybee:
what is not wanted costs next to nothing. They can be combined.

Who knows BCC's tools finds their letters: `execsnoop -x -n nginx`, `runqlat -P 1 5`,
`offcputime -f 10`, `tcplife -L 443`. Numbers are the interval and the count, or the duration of
`profile` and `offcputime`; switches can be written together (`-xT`). What BCC's tools show on
request (`-T`, `-U`) is always shown; such letters are taken and do nothing. `-d` is the duration
everywhere; a disk is `--disk`.

"""

FORMATS = """\
With `--json`, each row is one object on a line of its own, whose names are those of the columns in
lower case: `LAT(us)` is `lat_us`. They are made of the kernel's records, not of the text, so that
nothing is cut or rounded. Maps and histograms are objects of the form
`{"type": "hist", "data": {"@usecs": [{"min": 64, "max": 127, "count": 3}]}}`, and a tool that
prints every so often says `{"type": "time", "data": "12:00:01"}` before. With `--csv`, rows have a
header line with the same names; maps become lines of `map,key,value`, histograms lines of
`map,key,min,max,count`.

## Headers of tools

A script in the folder of the tools becomes a tool by its header, the comment at its top: a summary,
paragraphs, and lines that tell the runner what it needs to know. These lines are listed at the top
of `src/prybee/tools/catalogue.py`. A tool whose events are not about the current process says where
a filter belongs: the body of its macro `wanted()`, or `wanted_task(task)` for a
`struct task_struct *`, is replaced by the conditions that were asked for.
"""


def page() -> str:
    """The whole page."""
    tools = {tool.name: tool for tool in catalogue.load_all()}
    parts = [HEAD + _shared() + "\n" + FORMATS]
    for heading, names in GROUPS.items():
        parts.append(f"## {heading}\n")
        parts += [_tool(tools.pop(name)) for name in names.split()]
    if tools:
        raise SystemExit(f"in no group of docs/tools_page.py: {', '.join(tools)}")
    return "\n".join(parts)


def _shared() -> str:
    lines = ["| option | what it does |", "|---|---|"]
    for option in options.SHARED:
        value = f" {option.value}" if option.value else ""
        names = ", ".join(f"`{name}{value}`" for name in option.names)
        where = {
            "periodic": "; for tables and histograms",
            "order": "; for tables",
            "stacks": "; for `profile` and `offcputime`",
        }
        lines.append(f"| {names} | {option.help}{where.get(option.only, '')} |")
    return "\n".join(lines) + "\n"


def _tool(tool: catalogue.Tool) -> str:
    parts = [f"### {tool.name}", tool.summary]
    if tool.description:
        parts.append(tool.description)
    own = options.own(tool, options.program_of(tool))
    if own:
        lines = []
        for option in own:
            value = f" {option.value}" if option.value else ""
            default = f" (default {option.default})" if option.value and option.default else ""
            if option.choices:
                default = f" ({', '.join(option.choices)})"
            short = f"`-{option.letter}{value}`, " if option.letter else ""
            lines.append(f"- {short}`{option.long}{value}`: {option.help}{default}")
        parts.append("\n".join(lines))
    parts += _letters(tool)
    # Those that show nothing first: they are short.
    examples = sorted(tool.examples, key=lambda each: bool(each[1]))
    shown = [f"# {command}" + (f"\n{output}" if output else "") for command, output in examples]
    parts.append("```text\n" + "\n".join(shown) + "\n```")
    needed = [" or ".join(f"`{point}`" for point in group) for group in tool.needs]
    parts.append(f"Needs Linux {tool.kernel}" + "".join(f", {each}" for each in needed) + ".")
    if tool.columns:
        parts.append("Names in JSON and CSV: " + ", ".join(f"`{key}`" for key in tool.keys) + ".")
    return "\n\n".join(parts) + "\n"


def _letters(tool: catalogue.Tool) -> list[str]:
    """What is different from other tools on its command line."""
    own = {option.long[2:] for option in options.own(tool, options.program_of(tool))}
    said = [f"`-{short}` is `--{long}`" for short, long in tool.letters.items() if long not in own]
    missing = [name for name in catalogue.FILTERS if name not in tool.filters]
    if missing:
        names = ", ".join(f"`--{name}`" for name in missing)
        said.append(f"there is no {names}: {tool.unfiltered}")
    if tool.numbers:
        said.append("numbers are " + " and ".join(name.upper() for name in tool.numbers))
    text = "; ".join(said)
    return [text[0].upper() + text[1:] + "."] if text else []


if __name__ == "__main__":
    PAGE.write_text(page())
