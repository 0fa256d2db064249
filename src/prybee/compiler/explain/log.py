"""Reading the verifier's log, in the form of all kernels so far and in that of Linux 7.3.

The old form is a line per instruction checked, with register states behind ``;``, and at the end a
message.  A jump back to a branch not yet explored shows as ``from A to B: …``.  Since 7.3 a report
follows the message: ``Verification failed: category``, then Reason, At, Causal path, Suggestion.
"""

from __future__ import annotations

import re

from prybee.data import Data


class Step(Data):
    """One instruction that the verifier looked at.

    Attributes:
        insn: its number.
        text: its disassembly.
        state: the registers the log shows behind it: name → value.
        parent: index of the step that execution came from; -1 for the first.
        jumped: reached by a branch that was put aside before, not by walking on.
    """

    insn: int
    text: str
    state: dict[str, str]
    parent: int
    jumped: bool


class Report(Data):
    """The report of Linux 7.3, its sections as the kernel wrote them."""

    category: str
    reason: str
    at: str
    path: tuple[str, ...]
    suggestion: str


class Log(Data):
    """A verifier log, read.

    Attributes:
        steps: the instructions, in the order of the log.
        messages: the lines that say what is wrong, first to last.
        insn: the instruction that was looked at last; -1 where none was.
        report: the report of Linux 7.3, or None.
    """

    steps: tuple[Step, ...]
    messages: tuple[str, ...]
    insn: int
    report: Report | None


_STEP = re.compile(
    r"(\d+): \([0-9a-f]{2}\) (.*?)"
    r"(?:\s*; (?:frame\d+: )?(.*)|\s\d+: (?:frame\d+: )?(R\d.*))?$"
)
# Older kernels begin no line for this where they show no registers.
_GLUED = re.compile(
    r"(\d+: \([0-9a-f]{2}\) .*) (infinite loop detected at insn \d+)$", re.MULTILINE
)
_FROM = re.compile(r"from (\d+) to (\d+)(?: \(speculative execution\))?: ?(.*)$")
_STATE = re.compile(r"(?:\d+: )?(?:frame\d+: )?(R\d+(?:_w)?=.*|fp-\d+=.*|\s+R\d+.*)$")
_REGISTER = re.compile(r"(R\d+|fp-\d+)(?:_\w+)?=")
_NOISE = re.compile(
    r"processed \d+ insns|verification time|stack depth|max_states|mark_precise|last_idx|"
    r"regs=|parent |func#\d+ @|Live regs before insn|\s+\d+: [.\d]{10}|; |caller:|callee:|"
    r"returning from callee|to caller at|\d+: safe|propagating|Func#\d+|Validating|"
    r"arg#\d+ reference type|frame\d+: |\d+: (?:R|frame)\d|arena|total_states|\s*$"
)
_INSN = re.compile(r"\binsn (\d+)")
_HEADINGS = ("Reason:", "At:", "Causal path:", "Suggestion:")
_NO_EVENTS = "no retained diagnostic events"


def read_log(text: str) -> Log:
    """Read a log, whole or its tail (which is what the kernel keeps in too small a buffer)."""
    lines = _GLUED.sub(r"\1\n\2", text).splitlines()
    report, lines = _split_report(lines)
    steps: list[Step] = []
    last: dict[int, int] = {}
    messages: list[str] = []
    previous, jumped = -1, False
    for line in lines:
        step = _STEP.match(line)
        if step is not None:
            insn = int(step[1])
            steps.append(
                Step(insn, step[2].strip(), _registers(step[3] or step[4] or ""), previous, jumped)
            )
            previous = last[insn] = len(steps) - 1
            jumped = False
            messages.clear()
            continue
        way = _FROM.match(line)
        if way is not None:
            previous, jumped = last.get(int(way[1]), previous), True
            continue
        if not _NOISE.match(line) and not _STATE.match(line):
            messages.append(line.strip())
    insn = steps[-1].insn if steps else -1
    if report is not None:
        found = _INSN.search(report.at)
        if found is not None:
            insn = int(found[1])
    return Log(tuple(steps), tuple(messages), insn, report)


def _registers(text: str) -> dict[str, str]:
    """``R0=scalar() R1=ctx()`` as a dictionary."""
    marks = list(_REGISTER.finditer(text))
    ends = [*[mark.start() for mark in marks], len(text)][1:]
    return {mark[1]: text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}


def _split_report(lines: list[str]) -> tuple[Report | None, list[str]]:
    """The report of the new form, and the lines of the old form before it."""
    start = next((i for i, line in enumerate(lines) if line.startswith("Verification failed:")), -1)
    if start < 0:
        return None, lines
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines[start + 1 :]:
        if line.strip() in _HEADINGS and not line.startswith(" "):
            current = sections[line.strip()] = []
        elif line.startswith("processed "):
            break
        else:
            current.append(line)
    joined = {
        heading: " ".join(line.strip() for line in body if line.strip())
        for heading, body in sections.items()
    }
    path = [line.strip() for line in sections.get("Causal path:", []) if line.strip()]
    return (
        Report(
            lines[start].split(":", 1)[1].strip(),
            joined.get("Reason:", ""),
            joined.get("At:", ""),
            tuple(line for line in path if not line.startswith(_NO_EVENTS)),
            joined.get("Suggestion:", ""),
        ),
        lines[:start],
    )
