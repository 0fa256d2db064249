"""Tools that are told what to look at: ``prybee funclatency FUNCTION``, ``argdist PROBE VALUE``.

The script of such a tool has attach points ``uprobe:$1:$2`` and ``uretprobe:$1:$2``, and perhaps a
macro ``value()``; here the user's own words take their places.  Where the value is an aggregation,
such as ``hist(arg0)``, the probe's body becomes ``@distribution = hist(arg0)``.
"""

from __future__ import annotations

from prybee.diagnostics import PrybeeError
from prybee.language import tree
from prybee.language.parser import expression_of
from prybee.probes import TABLE
from prybee.tools.filters import placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

ENTRY, RETURN = "uprobe:$1:$2", "uretprobe:$1:$2"
_AGGREGATIONS = frozenset(("hist", "lhist", "sum", "avg", "stats", "min", "max"))
_RETURNS = {
    "uprobe": "uretprobe",
    "kprobe": "kretprobe",
    "fentry": "fexit",
    "ksyscall": "kretsyscall",
}
_ENTER, _EXIT = "sys_enter_", "sys_exit_"


def point(text: str) -> str:
    """An attach point; ``BINARY:FUNCTION`` is one of a program.

    Raises:
        PrybeeError: it is neither.
    """
    provider, colon, _rest = text.partition(":")
    if colon and TABLE.canonical(provider) is not None:
        return text
    if text.count(":") != 1 or text.startswith(":") or text.endswith(":"):
        raise PrybeeError(
            f"'{text}' is no function and no probe; write BINARY:FUNCTION, as in libc:malloc, or "
            "an attach point, as in tracepoint:syscalls:sys_enter_read"
        )
    return f"uprobe:{text}"


def returning(entry: str) -> str:
    """The attach point where that of ``entry`` returns.

    Raises:
        PrybeeError: there is no such thing.
    """
    provider, _colon, rest = entry.partition(":")
    name = TABLE.canonical(provider) or ""
    if name in _RETURNS:
        return f"{_RETURNS[name]}:{rest}"
    if name == "tracepoint" and f":{_ENTER}" in rest:
        return f"{name}:{rest.replace(_ENTER, _EXIT)}"
    raise PrybeeError(
        f"'{entry}' has no return; functions have, and tracepoint:syscalls:{_ENTER}NAME"
    )


def apply(program: tree.Program, operands: Sequence[str]) -> None:
    """Put operands into a tool's tree.

    Raises:
        PrybeeError: they are not of the form that the tool takes.
    """
    entry = point(operands[0])
    if len(operands) > 1:
        _value(program, operands[1])
    for probe in program.probes:
        for each in probe.attach_points:
            if each.raw == ENTRY:
                each.raw = entry
            elif each.raw == RETURN:
                each.raw = returning(entry)


def _value(program: tree.Program, text: str) -> None:
    """Put what is to be counted into a tool's tree."""
    found = expression_of(text)
    if found is None:
        raise PrybeeError(
            f"'{text}' is no expression; write what a script would: arg0, hist(args.ret), str(arg0)"
        )
    for macro in program.macros:
        if macro.name == "value":
            macro.body.value = placed(text, macro.body)
    if isinstance(found, tree.Call) and found.name in _AGGREGATIONS:
        program.items = [item for item in program.items if not isinstance(item, tree.Macro)]
        for probe in program.probes:
            at = probe.body
            target = tree.Map("@distribution", at.start, at.end)
            value = placed(text, at)
            at.statements = [tree.AssignMap(target, "", value, at.start, at.end)]
