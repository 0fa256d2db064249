"""``prybee doctor``: what works on this machine, what does not, why, and how to change it."""

from __future__ import annotations

import sys

from prybee.cli import checks
from prybee.cli.options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

USAGE = """\
usage: prybee doctor [--json]

Looks at the kernel, privileges, files and symbols, and says for each what works, what does not,
what that means, and how to change it. Nothing on the machine is changed.

  --json    one JSON object a line: group, name, state (ok, limited, no, unknown), detail, means,
            change
  -h        this text

exit status: 0 when scripts can be traced, 1 when they cannot
"""
_MARKS = {checks.OK: "ok", checks.LIMITED: "limited", checks.NO: "no", checks.UNKNOWN: "unknown"}
# Without these nothing can be traced.
ESSENTIAL = ("capabilities", "user namespace", "tracepoint")


def main(words: Sequence[str]) -> int:
    """Run the checks; 1 where nothing can be traced.

    Raises:
        UsageError: an unknown option.
    """
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(USAGE)
        return 0
    for word in words:
        if word != "--json":
            raise UsageError(f"prybee doctor: unknown option '{word}'\n{USAGE.rstrip()}")
    found = list(checks.findings())
    sys.stdout.write(_json(found) if words else _text(found))
    broken = any(f.name in ESSENTIAL and f.state == checks.NO for f in found)
    return 1 if broken else 0


def _json(found: Iterable[checks.Finding]) -> str:
    import json

    return "".join(
        json.dumps({name: getattr(each, name) for name in each._fields}) + "\n" for each in found
    )


def _text(found: Iterable[checks.Finding]) -> str:
    lines: list[str] = []
    group = ""
    for each in found:
        if each.group != group:
            group = each.group
            lines += ["", group] if lines else [group]
        lines.append(f"  {_MARKS[each.state]:<8} {each.name:<24} {each.detail}".rstrip())
        if each.means and each.means not in each.detail:
            lines.append(f"{'':11}{each.means}")
        if each.change:
            lines.append(f"{'':11}-> {each.change}")
    return "\n".join(lines) + "\n"
