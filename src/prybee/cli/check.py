"""``prybee check``: what is wrong with scripts, without running them."""

from __future__ import annotations

import sys

from prybee.cli.options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.plan.target import Target

USAGE = """\
usage: prybee check [--target FILE] [--json] [--unsafe] SCRIPT... [-- PARAMETER...]

Compiles scripts and says what is wrong with them; nothing runs, and no rights are needed.

  --target FILE  for the kernel that `prybee target save FILE` has saved, not for this one
  --json         one JSON object a line: file, severity, message, line, column, end_line,
                 end_column, hints
  --unsafe       functions that change the system are allowed
  -h             this text

exit status: 0 without errors, 1 with
"""


def main(words: Sequence[str]) -> int:
    """Check scripts; 1 where one has errors.

    Raises:
        UsageError: an unknown option, no script.
        SavedTargetError: the file holds no target.
    """
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(USAGE)
        return 0
    pending = list(words)
    saved = ""
    flags: set[str] = set()
    names: list[str] = []
    parameters: list[str] = []
    while pending:
        word = pending.pop(0)
        if word == "--":
            parameters, pending = pending, []
        elif word == "--target":
            if not pending:
                raise UsageError("prybee check: --target needs a file")
            saved = pending.pop(0)
        elif word in ("--json", "--unsafe"):
            flags.add(word)
        elif word.startswith("-") and word != "-":
            raise UsageError(f"prybee check: unknown option '{word}'\n{USAGE.rstrip()}")
        else:
            names.append(word)
    if not names:
        raise UsageError(f"prybee check: which script?\n{USAGE.rstrip()}")
    target = find_target(saved)
    return max([_check(name, target, flags, parameters) for name in names])


def find_target(saved: str) -> Target:
    """The kernel in the file ``saved``, or with an empty name the running one.

    Raises:
        SavedTargetError: the file holds no target.
    """
    if saved:
        from prybee.engines.saved import SavedTarget

        return SavedTarget(saved)
    from prybee.engines.live import LiveTarget

    return LiveTarget()


def _check(name: str, target: Target, flags: set[str], parameters: Sequence[str]) -> int:
    from prybee import functions, probes
    from prybee.diagnostics import ERROR, ScriptError
    from prybee.language.diagnosing import as_json, diagnose
    from prybee.language.frontend import CompileOptions
    from prybee.language.lexer import read_source
    from prybee.language.registry import Registry

    if name == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(name, "rb") as file:
            data = file.read()
    shown = "stdin" if name == "-" else name
    options = CompileOptions(
        positional=tuple([word for word in parameters if not word.startswith("--")]),
        named=dict(_named(word) for word in parameters if word.startswith("--")),
        unsafe="--unsafe" in flags,
        careful=True,
    )
    registry = Registry(functions.TABLE, probes.TABLE)
    try:
        found = diagnose(read_source(data, shown), target, registry, options)
    except ScriptError as error:
        found = list(error.diagnostics)
    for diagnostic in found:
        if "--json" in flags:
            import json

            print(json.dumps(as_json(diagnostic, shown)))
        else:
            print(diagnostic.render())
    return int(any(diagnostic.severity == ERROR for diagnostic in found))


def _named(word: str) -> tuple[str, str | None]:
    name, equals, value = word[2:].partition("=")
    return name, value if equals else None
