"""The tools' headers, their scripts, and the search among them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from docs import tools_page
from prybee.diagnostics import PrybeeError, Source
from prybee.engines.live import LiveTarget
from prybee.functions import TABLE as FUNCTIONS
from prybee.language import tree
from prybee.language.frontend import CompileOptions, compile_script
from prybee.language.registry import Registry
from prybee.probes import TABLE as PROBES
from prybee.tools import catalogue, filters, operands, options, search, support
from prybee.tools.help import text as help_text
from tests.tools.running import prybee

# As issue 3 lists them.
PROMISED = re.findall(
    "[a-z]+",
    "execsnoop exitsnoop opensnoop statsnoop killsnoop syscount biolatency biosnoop biotop "
    "bitesize runqlat runqlen cpudist offcputime profile threadsnoop tcpconnect tcpaccept "
    "tcplife tcpstates tcpdrop tcpretrans gethostlatency filetop mountsnoop syncsnoop "
    "bashreadline funclatency argdist capable ",
)
TOOLS = catalogue.load_all()
ALL = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


def test_all_that_were_promised() -> None:
    assert set(PROMISED) <= set(catalogue.names())
    assert len(set(PROMISED)) == 30


@ALL
def test_header(tool: catalogue.Tool) -> None:
    assert tool.summary.endswith(".")
    assert tool.description.endswith(".")
    assert len(tool.keywords) >= 4
    assert tool.examples
    for command, _output in tool.examples:
        assert command.startswith(f"prybee {tool.name}")
    assert tool.needs or tool.operands
    assert re.match(r"\d\.\d", tool.kernel)
    own = {option.long[2:] for option in options.own(tool, options.program_of(tool))}
    shared = {option.key for option in options.shared(tool)}
    assert set(tool.letters.values()) <= own | shared
    assert set(tool.choices) <= own
    # Letters mean one thing.
    letters = [name for option in options.shared(tool) for name in option.names if len(name) == 2]
    letters += [f"-{letter}" for letter, long in tool.letters.items() if long in own]
    letters += tool.shown
    assert len(set(letters)) == len(letters)
    assert all(len(line) <= 100 for line in tool.description.splitlines())


@ALL
def test_examples_are_understood(tool: catalogue.Tool) -> None:
    import shlex

    for command, _output in tool.examples:
        words = shlex.split(command)[2:]
        # The processes of examples do not run here.
        words = [str(os.getpid()) if before == "-p" else word
                 for before, word in zip(["", *words], words, strict=False)]  # fmt: skip
        settings = options.read(tool, words)
        program = options.program_of(tool)
        options.edit(tool, settings, program)


@ALL
def test_header_line_shows_the_columns(tool: catalogue.Tool) -> None:
    """What ``begin`` or a table prints first has the names that JSON and CSV use, in order."""
    if not tool.columns:
        return
    texts = [
        node.args[0].value
        for node in tree.walk(options.program_of(tool))
        if isinstance(node, tree.Call)
        and node.name == "printf"
        and len(node.args) == 1
        and isinstance(node.args[0], tree.String)
    ]
    assert any(tuple(text.split()) == tool.columns for text in texts), texts
    assert len(set(tool.keys)) == len(tool.columns)


@ALL
def test_rows_have_as_many_values_as_columns(tool: catalogue.Tool) -> None:
    for node in tree.walk(options.program_of(tool)):
        if isinstance(node, tree.Call) and node.name == "printf":
            assert len(node.args) - 1 in (0, len(tool.columns))


@ALL
def test_internal_maps_are_cleared(tool: catalogue.Tool) -> None:
    """All maps are results, or are empty when maps are printed."""
    program = options.program_of(tool)
    maps = {
        node.name
        for probe in program.probes
        for node in tree.walk(probe)
        if isinstance(node, tree.Map)
    }
    cleared = {
        node.args[0].name
        for node in tree.walk(program)
        if isinstance(node, tree.Call)
        and node.name == "clear"
        and isinstance(node.args[0], tree.Map)
    }
    assert maps - cleared <= set(tool.prints)


@ALL
@pytest.mark.live
def test_compiles_here(tool: catalogue.Tool, target: LiveTarget) -> None:
    answer = support.ask(tool, target, Registry(FUNCTIONS, PROBES))
    assert answer.works, answer.why


@ALL
@pytest.mark.live
def test_compiles_with_every_option(tool: catalogue.Tool, target: LiveTarget) -> None:
    """All switches, a filter of every kind, a duration and an interval: no errors, no warnings."""
    words = ("libc:malloc", "arg0")[: len(tool.operands)]
    own = options.own(tool, options.program_of(tool))
    named = {
        each.name: None if not each.value else str((*each.choices, each.default)[0] or 1)
        for each in own
    }
    everything = filters.Filter(1, 2, 3, "comm", (1, 2), 4, 0)
    wanted = everything if "pid" in tool.filters else filters.Filter(net_namespace=5)
    settings = options.Settings(
        words, named, wanted, 1000, 500 if tool.interval or tool.prints else 0
    )
    source = Source(tool.path, tool.read().decode())
    compilation = compile_script(
        source,
        target,
        Registry(FUNCTIONS, PROBES),
        CompileOptions(named=named, edit=lambda each: options.edit(tool, settings, each)),
    )
    assert not [warning.message for warning in compilation.warnings]
    assert any(probe.name.startswith("interval:ms:1000") for probe in compilation.plan.probes)


@ALL
def test_help(tool: catalogue.Tool) -> None:
    text = help_text(tool)
    assert tool.summary in text
    assert "--json" in text
    assert ("--interval" in text) == bool(tool.interval or tool.prints)
    assert all(
        len(line) <= 100 for line in text.splitlines() if not line.startswith(("needs:", "taken,"))
    )


# -- headers that are wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("begin { }", "summary"),
        ("// One line\n// and another", "summary"),
        ("// Sum.\n//\n// filters: nobody\n// columns: A", "no filter 'nobody'"),
        ("// Sum.\n//\n// columns: A B\n// order: C", "none of the columns"),
        ("// Sum.\n//\n// keywords: a", "what does the tool show"),
    ],
)
def test_wrong_headers(header: str, message: str) -> None:
    with pytest.raises(catalogue.HeaderError, match=re.escape(message)):
        catalogue.parse("x", "x.bt", header)


def test_fields() -> None:
    tool = catalogue.parse(
        "x",
        "x.bt",
        "#!/usr/bin/env prybee\n// Sum.\n//\n// One.\n//\n// Two.\n//\n// needs: a:b | c:d\n"
        "// needs: e:f\n// columns: TIME LAT(us) R(kB)\n// order: LAT(us)\n// interval: 2\n"
        "// example: prybee x -d 1\n//   TIME\n//   12\n// example: prybee x\n\nbegin { }\n",
    )
    assert tool.description == "One.\n\nTwo."
    assert tool.needs == (("a:b", "c:d"), ("e:f",))
    assert tool.keys == ("time", "lat_us", "r_kb")
    assert tool.interval == 2
    assert tool.examples == (("prybee x -d 1", "TIME\n12"), ("prybee x", ""))


def test_unknown_tool() -> None:
    with pytest.raises(PrybeeError, match=r"no tool called 'opensnop'\nHINT: did you mean 'open"):
        catalogue.load("opensnop")
    assert not catalogue.exists("../tools/opensnoop")


# -- search --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("who opens my files?", {"opensnoop"}),
        ("disk", {"biosnoop", "biolatency", "biotop", "bitesize"}),
        ("why is the disk slow", {"biosnoop", "biolatency", "biotop"}),
        ("which process was killed", {"exitsnoop", "killsnoop"}),
        ("dns", {"gethostlatency"}),
        ("packet loss", {"tcpdrop", "tcpretrans"}),
        ("new processes", {"execsnoop", "threadsnoop"}),
        ("flame", {"profile"}),
        ("TCP connections", {"tcpconnect", "tcpaccept", "tcplife", "tcpstates"}),
        ("permission denied", {"capable", "opensnoop"}),
    ],
)
def test_search(question: str, first: set[str]) -> None:
    found = search.find(question, TOOLS)
    assert found
    assert found[0].name in first
    assert first & {tool.name for tool in found[: len(first) + 1]}


def test_search_without_an_answer() -> None:
    assert search.find("xylophone", TOOLS) == []
    assert search.find("", TOOLS) == []


# -- the command ---------------------------------------------------------------------------------


def test_list() -> None:
    done = prybee("tools")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == catalogue.names()
    assert done.returncode == 0


def test_search_by_command() -> None:
    assert prybee("tools", "-k", "who", "opens").stdout.startswith("opensnoop ")
    done = prybee("tools", "-k", "xylophone")
    assert done.returncode == 1
    assert "no tool has to do with 'xylophone'" in done.stderr


def test_source_is_the_file() -> None:
    tool = catalogue.load("opensnoop")
    expected = Path(tool.path).read_text()
    assert prybee("tools", "opensnoop", "--source").stdout == expected
    assert prybee("opensnoop", "--source").stdout == expected


def test_help_by_command() -> None:
    expected = help_text(catalogue.load("argdist"))
    assert prybee("tools", "argdist").stdout == expected
    assert prybee("argdist", "--help").stdout == expected


def test_a_name_that_is_nearly_right() -> None:
    done = prybee("opensnop")
    assert done.returncode == 1
    assert "did you mean 'opensnoop'?" in done.stderr


@pytest.mark.live
def test_a_file_goes_before_a_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "opensnoop").write_text('begin { printf("mine\\n"); exit() }')
    monkeypatch.chdir(tmp_path)
    assert prybee("opensnoop").stdout.startswith("mine")


@pytest.mark.live
def test_doctor_tells_of_each_tool() -> None:
    import json

    rows = [json.loads(line) for line in prybee("doctor", "--json").stdout.splitlines()]
    told = {row["name"]: row for row in rows if row["group"] == "tools"}
    assert sorted(told) == catalogue.names()
    assert all(row["state"] == "ok" or row["detail"] for row in told.values())


# -- what is missing -----------------------------------------------------------------------------


@pytest.mark.live
@pytest.mark.parametrize(
    ("needs", "script", "why"),
    [
        ("tracepoint:nothing:nothing", "begin { }", "has no tracepoint:nothing:nothing"),
        ("rawtracepoint:a | uprobe:/nothing:f", "begin { }", "rawtracepoint:a or uprobe:/nothing"),
        ("tracepoint:sched:sched_switch", "begin { curtask.nothing }", "nothing"),
    ],
)
def test_why_a_tool_does_not_work(
    tmp_path: Path, target: LiveTarget, needs: str, script: str, why: str
) -> None:
    path = tmp_path / "x.bt"
    path.write_text(f"// Sum.\n//\n// columns: A\n// needs: {needs}\n{script}\n")
    tool = catalogue.parse("x", str(path), path.read_text())
    answer = support.ask(tool, target, Registry(FUNCTIONS, PROBES))
    assert not answer.works
    assert why in answer.why


# -- operands ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "entry", "leave"),
    [
        ("libc:malloc", "uprobe:libc:malloc", "uretprobe:libc:malloc"),
        ("/bin/x:f", "uprobe:/bin/x:f", "uretprobe:/bin/x:f"),
        ("u:libc:malloc", "u:libc:malloc", "uretprobe:libc:malloc"),
        ("t:syscalls:sys_enter_read", "t:syscalls:sys_enter_read", None),
        ("kprobe:vfs_read", "kprobe:vfs_read", "kretprobe:vfs_read"),
        ("fentry:vfs_read", "fentry:vfs_read", "fexit:vfs_read"),
        ("ksyscall:read", "ksyscall:read", "kretsyscall:read"),
    ],
)
def test_points(text: str, entry: str, leave: str | None) -> None:
    assert operands.point(text) == entry
    assert operands.returning(entry) == (leave or "tracepoint:syscalls:sys_exit_read")


@pytest.mark.parametrize("text", ["malloc", ":malloc", "libc:", "a:b:c"])
def test_no_points(text: str) -> None:
    with pytest.raises(PrybeeError, match="is no function and no probe"):
        operands.point(text)


@pytest.mark.parametrize("text", ["tracepoint:sched:sched_switch", "profile:hz:99"])
def test_no_return(text: str) -> None:
    with pytest.raises(PrybeeError, match="has no return"):
        operands.returning(text)


# -- the manual ----------------------------------------------------------------------------------


def test_the_page_of_the_manual_is_up_to_date() -> None:
    """`python docs/tools_page.py` writes it."""
    docs = Path(__file__).parent.parent.parent / "docs"
    assert (docs / "tools.md").read_text() == tools_page.page()
