"""A trace: from the command line to the end of the session."""

from __future__ import annotations

import os
import sys

from prybee.cli import fail
from prybee.cli.options import Arguments, UnknownOption, UsageError, read
from prybee.cli.times import Times
from prybee.diagnostics import PrybeeError, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


FORMATS = ("text", "json")
BUFFERING = ("line", "full", "none")
# bpftrace's names of stages, and ours for what they show.
STAGES = {
    "ast": ("ast",),
    "parse": ("ast",),
    "types": ("types",),
    "ssa": ("ssa",),
    "codegen": ("ssa",),
    "codegen-opt": ("ssa",),
    "asm": ("asm",),
    "dis": ("asm",),
    "plan": ("plan",),
    "verifier": ("verifier",),
    "libbpf": ("verifier",),
    "times": ("times",),
    "all": ("ast", "types", "ssa", "asm", "plan", "verifier"),
}
ATTACH_FAILED = 255
MODES = ("test", "bench")


def main(words: Sequence[str]) -> int:
    """Run a trace, or one of the options that stand for something else."""
    try:
        arguments = read(words)
        if arguments.flag("help"):
            from prybee.cli.help import text

            sys.stdout.write(text())
            return 0
        if arguments.flag("version"):
            print(_version())
            return 0
        if arguments.text("debug") == "help":
            from prybee.cli.help import stages

            sys.stdout.write(stages(STAGES))
            return 0
        if arguments.text("no_feature"):
            from prybee.linux.switches import switch_off

            switch_off(arguments.text("no_feature"), "--no-feature")
        if arguments.flag("info"):
            from prybee.cli.info import print_info

            return print_info()
        _check(arguments)
        return _run(arguments)
    except UnknownOption as error:
        from prybee.cli.help import SHORT

        return fail(f"{error}\n{SHORT}\nHINT: prybee --help lists the options")
    except UsageError as error:
        return fail(f"{error}\nHINT: prybee --help lists the options")


def _version() -> str:
    """What ``-V`` prints; programs that call us bpftrace look for a version of bpftrace's."""
    from prybee import BPFTRACE_VERSION, __version__

    if os.path.basename(sys.argv[0]) == "bpftrace":
        return f"bpftrace v{BPFTRACE_VERSION} (prybee {__version__})"
    return f"prybee {__version__}"


def _check(arguments: Arguments) -> None:
    """What can be said of the options alone.

    Raises:
        UsageError: values that do not exist, options that exclude each other.
    """
    kind = arguments.text("format", "text")
    if kind not in FORMATS:
        raise UsageError(f'Invalid output format "{kind}"\nValid formats: {_quoted(FORMATS)}')
    mode = arguments.text("buffering", "line")
    if mode not in BUFFERING:
        raise UsageError("USAGE: -B must be either 'line', 'full', or 'none'.")
    if arguments.text("pid") and arguments.text("cmd"):
        raise UsageError("USAGE: Cannot use both -c and -p.")
    stage = arguments.text("debug")
    if stage and stage not in STAGES:
        raise UsageError(f"USAGE: invalid option for -d: {stage} (-d help lists them)")


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _pid(arguments: Arguments) -> int | None:
    """The process of ``-p``.

    Raises:
        UsageError: it is no pid, or no such process runs.
    """
    text = arguments.text("pid")
    if not text:
        return None
    try:
        pid = int(text, 0)
    except ValueError:
        wrong = "trailing bytes" if text[0].isdigit() else "integer"
        raise UsageError(f"Failed to parse pid: invalid {wrong}: {text}") from None
    if not 0 < pid <= 4194304:  # PID_MAX_LIMIT, include/linux/threads.h
        raise UsageError(f"Pid out of range: {text}")
    if not os.path.exists(f"/proc/{pid}"):
        raise PrybeeError(f"Failed to attach to pid {pid}: no such process")
    return pid


def _named(words: Sequence[str] | None) -> dict[str, str | None]:
    """Parameters behind ``--``: ``--name=value`` or ``--name``; other words are positional."""
    found: dict[str, str | None] = {}
    for word in words or ():
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if not name:
                raise UsageError(f"named parameters have the form --name=value, not '{word}'")
            found[name] = value if equals else None
    return found


def _source(arguments: Arguments) -> tuple[Source | None, list[str]]:
    """The script, and the positional parameters behind it; None where only a search is given.

    Raises:
        ScriptError: the file cannot be read, or is no text.
    """
    operands = list(arguments.operands)
    if "program" in arguments.values:
        return Source("stdin", arguments.text("program")), operands
    if not operands:
        return None, operands
    name = operands[0]
    if arguments.flag("list") and name != "-" and not _is_script(name):
        return None, operands
    from prybee.language.lexer import read_source

    return read_source(_read(name), "stdin" if name == "-" else name), operands[1:]


def _is_script(name: str) -> bool:
    """Whether ``name`` is that of a file, and no program: one of those is searched for probes."""
    try:
        with open(name, "rb") as file:
            return file.read(4) != b"\x7fELF"
    except OSError:
        return os.path.isfile(name)


def _read(name: str) -> bytes:
    """The bytes of a file, or of standard input.

    Raises:
        PrybeeError: it cannot be read.
    """
    try:
        if name == "-":
            return sys.stdin.buffer.read()
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        near = _files_like(name) if isinstance(error, FileNotFoundError) else ""
        raise PrybeeError(f"failed to open file '{name}': {error.strerror}{near}") from None


def _files_like(name: str) -> str:
    from prybee.cli import COMMANDS
    from prybee.diagnostics import did_you_mean
    from prybee.tools.catalogue import names

    folder = os.path.dirname(name) or "."
    try:
        known = [*COMMANDS, *names(), *os.listdir(folder)]
    except OSError:
        return ""
    near = did_you_mean(os.path.basename(name), known, limit=1)
    return f"\nHINT: did you mean '{near[0]}'?" if near else ""


def _mode(arguments: Arguments) -> str:
    """``test``, ``bench``, or empty for a trace.

    Raises:
        UsageError: there is no such mode, the filter is no regular expression.
    """
    mode = arguments.text("mode")
    if mode and mode not in MODES:
        raise UsageError(f"--mode: no mode '{mode}' (there are {', '.join(MODES)})")
    pattern = arguments.text("probe_filter")
    if pattern:
        import re

        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"Invalid --probe-filter regex '{pattern}': {error}") from None
    for each in MODES:
        if arguments.flag(each):
            mode = each
    return mode


def _run(arguments: Arguments) -> int:
    stages = STAGES.get(arguments.text("debug"), ())
    times = Times("times" in stages)
    pid = _pid(arguments)
    source, positional = _source(arguments)
    named = _named(arguments.parameters)
    positional += [word for word in arguments.parameters or () if not word.startswith("--")]
    if source is None:
        if arguments.flag("list"):
            from prybee.cli.listing import list_search

            return list_search(arguments, pid)
        raise UnknownOption("no program: prybee -e 'PROGRAM', or prybee FILE")
    from prybee.language.frontend import CompileOptions

    options = CompileOptions(
        positional=tuple(positional),
        named=named,
        pid=pid,
        unsafe=arguments.flag("unsafe"),
        misses=arguments.flag("warnings"),
        environment=os.environ,
        folders=tuple(arguments.all("I")),
        mode=_mode(arguments),
        probe_filter=arguments.text("probe_filter"),
        headers=tuple(arguments.all("include")),
        stages=tuple(stage for stage in stages if stage in ("ast", "types", "ssa", "asm")),
    )
    if arguments.flag("list"):
        from prybee.cli.listing import list_program

        functions = arguments.text("traceable_functions")
        return list_program(
            source,
            options,
            arguments.flag("verbose"),
            functions,
            arguments.all("debuginfo"),
            arguments.text("btf"),
        )
    from prybee.cli.live import trace

    return trace(source, options, arguments, stages, times)
