"""``prybee fmt``: scripts in one style."""

from __future__ import annotations

import sys

from prybee.cli.options import UsageError
from prybee.diagnostics import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.language import tree
    from prybee.language.kernel_types import TypeTable

USAGE = """\
usage: prybee fmt [options] FILE...
       prybee fmt [options] - | -e SCRIPT
       prybee --fmt FILE | -

Writes scripts in one style: comments stay, and so does what the script means. Files are changed in
place; `-` reads from standard input, and prints, as `-e` and `--fmt` do.

  --check      change nothing; say which files would change, and exit with status 1 if any
  --diff       change nothing; show what would change
  --modernize  rewrite old idioms as well: BEGIN, x->y, delete(@x[k]), kfunc, renamed settings …
  -e SCRIPT    the text of a script
  -h           this text

exit status: 0, or 1 for a script with syntax errors (which stays as it is)
"""
FLAGS = ("--check", "--diff", "--modernize")


def main(words: Sequence[str]) -> int:
    """Format scripts.

    Raises:
        UsageError: an unknown option, or no script.
        ScriptError: a syntax error in the text of ``-e`` or standard input.
    """
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(USAGE)
        return 0
    given: set[str] = set()
    scripts: list[tuple[str, str | None]] = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word in FLAGS or word == "--stdout":
            given.add(word)
        elif word == "-e":
            if not pending:
                raise UsageError("prybee fmt: -e needs the text of a script")
            scripts.append(("stdin", pending.pop(0)))
        elif word.startswith("-") and word != "-":
            raise UsageError(f"prybee fmt: unknown option '{word}'\n{USAGE.rstrip()}")
        else:
            scripts.append((word, None))
    if not scripts:
        raise UsageError(f"prybee fmt: which script?\n{USAGE.rstrip()}")
    return max([_format(name, text, given) for name, text in scripts])


def printed(words: Sequence[str]) -> int:
    """``--fmt``: print the formatted script, as bpftrace does."""
    return main(["--stdout", *words])


def _format(name: str, text: str | None, given: set[str]) -> int:
    """Format one script: the exit status."""
    from prybee.diagnostics import ScriptError
    from prybee.language.formatting import changed_lines, format_script
    from prybee.language.lexer import read_source
    from prybee.language.modern import modernize
    from prybee.language.parser import parse

    prints = name == "-" or text is not None or "--stdout" in given
    if text is not None:
        source = Source("stdin", text)
    elif name == "-":
        source = read_source(sys.stdin.buffer.read(), "stdin")
    else:
        with open(name, "rb") as file:
            source = read_source(file.read(), name)
    try:
        before = source
        if "--modernize" in given:
            program = parse(source)
            before = Source(source.name, modernize(source, program, _types(source, program)))
        after = format_script(before)
    except ScriptError as error:
        print(error, file=sys.stderr)
        return 1
    changed = after != source.text
    if "--diff" in given:
        sys.stdout.writelines(changed_lines(source.text, after, name))
    if "--check" in given:
        if changed:
            print(f"{name} is not formatted", file=sys.stderr)
        return int(changed)
    if "--diff" in given:
        return 0
    if prints:
        sys.stdout.write(after)
    elif changed:
        _write(name, after)
    return 0


def _types(source: Source, program: tree.Program) -> TypeTable:
    """The types that a script means, as far as this machine knows them."""
    from prybee.engines.live import LiveTarget
    from prybee.language.kernel_types import TypeTable

    return TypeTable(lambda: LiveTarget().btf, source, program.c_part)


def _write(name: str, text: str) -> None:
    """Replace a file's text at once: no other program ever sees half of it."""
    import os
    import tempfile

    path = os.path.realpath(name)
    mode = os.stat(path).st_mode & 0o7777
    handle, new = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".prybee-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(new, mode)
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise
