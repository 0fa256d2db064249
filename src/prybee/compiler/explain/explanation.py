"""Putting an explanation together: message, place, path and suggestion."""

from __future__ import annotations

from prybee.compiler.explain import history, messages
from prybee.compiler.explain.log import read_log
from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.compiler.explain.history import Event
    from prybee.compiler.explain.log import Log, Step
    from prybee.diagnostics import Span, VerifierRejected

_MOST_TEXT = 50  # characters of the script quoted in a sentence
_MOST_BRANCHES = 4  # the last ones are told, those before are seldom to the point


class Explanation(Data):
    """Why a program was refused.

    Attributes:
        category: a word or two: ``out of bounds``, ``complexity`` …
        reason: what is wrong, in the script's terms.
        span: the place in the script, or None.
        path: how execution came there and where the value came from, oldest first.
        suggestion: what to change.
        message: the kernel's own words.
        insn: the instruction, -1 where the log names none.
    """

    category: str
    reason: str
    span: Span | None
    path: tuple[str, ...]
    suggestion: str
    message: str
    insn: int

    def error(self, program: str, log: str) -> VerifierRejected:
        """The exception that says so; ``log`` is kept for ``-v``."""
        from prybee.diagnostics import VerifierRejected

        return VerifierRejected(
            self.reason,
            program,
            self.span,
            self.path,
            self.suggestion,
            log,
            plain=self.category == messages.FORBIDDEN,
        )


def explain(log: str, places: Sequence[tuple[int, Span]] = (), errno: int = 0) -> Explanation:
    """Explain a refusal.

    Args:
        log: the verifier's log, at level 1 or 2, of any kernel; its tail will do.
        places: (instruction, span) wherever the place in the script changes, ascending
            (``Compiled.spans``, ``ProgramSpec.places``).
        errno: what BPF_PROG_LOAD failed with; tells something where the log is empty.
    """
    found = read_log(log)
    row = messages.find(found.messages)
    path = history.path_of(found)
    insn = found.insn
    fields: dict[str, str] = {}
    if row is not None:
        meaning, match, message = row
        fields = {name: value for name, value in match.groupdict().items() if value is not None}
        if "insn" in fields:
            insn = int(fields["insn"])
        elif insn < 0 and "from" in fields:
            insn = int(fields["from"])
    else:
        message = found.messages[0] if found.messages else ""
    span = _span(places, insn)
    register = _register(fields, path, message)
    events = history.origin(path, register) if register is not None else []
    story = _story(events, history.branches(path), places)
    report = found.report
    if row is None:
        return _unknown(found, message, errno, span, story, insn)
    fields.update(_context(fields, found, path, register, span, events))
    suggestion = meaning.suggestion
    if suggestion is messages.OURS and report is not None and report.suggestion and not fields:
        suggestion = report.suggestion
    return Explanation(
        meaning.category,
        meaning.reason.format_map(_Blanks(fields)),
        span,
        story or (report.path if report is not None else ()),
        suggestion.format_map(_Blanks(fields)),
        message,
        insn,
    )


def _unknown(
    log: Log, message: str, errno: int, span: Span | None, story: tuple[str, ...], insn: int
) -> Explanation:
    """A message the table does not have: the kernel's own words must do."""
    report = log.report
    if report is not None:
        return Explanation(
            report.category.lower(), report.reason or message, span, story or report.path,
            report.suggestion, message, insn,
        )  # fmt: skip
    if message:
        return Explanation(
            "other", message, span, story, "see the kernel's log with -v", message, insn
        )
    from prybee.diagnostics import error_text

    reason, suggestion = _SILENT.get(errno, ("the kernel gave no reason", ""))
    if errno:
        reason = f"{reason} ({error_text(errno)})"
    return Explanation("no log", reason, span, (), suggestion or "run it with -v", "", insn)


# What an errno means when the log is empty.
_SILENT = {
    1: (
        "the kernel's policy forbids programs of this type",
        "prybee doctor tells what is allowed here (lockdown, seccomp, capabilities)",
    ),
    7: ("the program is larger than the kernel takes", "split the probe"),
    12: ("the kernel has no memory for the program", "make the maps smaller"),
    22: (
        "the kernel does not know this type of program, or an option of it",
        "prybee doctor tells what this kernel can do",
    ),
    28: ("the kernel's log did not fit", "run it with -v"),
}


class _Blanks(dict[str, str]):
    """Fields that a message did not fill read as nothing."""

    def __missing__(self, key: str) -> str:
        return ""


def _span(places: Sequence[tuple[int, Span]], insn: int) -> Span | None:
    """The place in the script that an instruction belongs to."""
    span = None
    for at, place in places:
        if at > insn:
            break
        span = place
    return span


def _register(fields: dict[str, str], path: list[Step], message: str) -> int | None:
    """The register whose value is at fault."""
    if message.startswith("math between") and path:
        # `r0 += r6`: the pointer is r0, the number r6
        words = path[-1].text.split()
        if len(words) == 3 and words[2][1:].isdigit():
            return int(words[2][1:])
    if message.startswith("invalid access to map value") and path:
        import re

        base = re.search(r"\(r(\d+) ", path[-1].text)
        if base is not None:
            return int(base[1])
    if fields.get("reg"):
        return int(fields["reg"])
    return None


def _context(
    fields: dict[str, str],
    log: Log,
    path: list[Step],
    register: int | None,
    span: Span | None,
    events: list[Event],
) -> dict[str, str]:
    """The fields that do not stand in the message."""
    made = {"here": _quoted(span), "map": _map(path, events, register), "limit": "a million"}
    if "size" in fields and "width" in fields:
        made["last"] = str(max(0, int(fields["size"]) - int(fields["width"])))
    if "off" in fields and "width" in fields:
        made["end"] = str(int(fields["off"]) + int(fields["width"]))
    if register is not None and path:
        made["known"] = _known(path, register)
        made["nth"] = fields.get("nth") or str(register)
    if path:
        call = path[-1].text
        if call.startswith("call "):
            made["helper"] = call[5:].split("#")[0].removeprefix("bpf_")
    if "," in fields.get("want", ""):
        made["want"] = "memory"  # the list of all kinds of it
    number = fields.get("number") or fields.get("old_number")
    name = fields.get("func") or fields.get("old") or ""
    if number and (not name or name == "unknown"):
        from prybee.compiler.helpers import helper_name

        name = helper_name(int(number)) or f"number {number}"
    made["name_of_helper"] = name.removeprefix("bpf_")
    return made


def _known(path: list[Step], register: int) -> str:
    """What the verifier knew of a number, as `` (it is 0 to 31)``."""
    import re

    for step in reversed(path[:-1]):
        state = step.state.get(f"R{register}")
        if state is None:
            continue
        low = re.search(r"smin\w*(?:=[a-z]\w*)*=(-?\d+)", state)
        high = re.search(r"umax\w*(?:=[a-z]\w*)*=(-?\d+)", state)
        if low and high:
            return f" (it is from {low[1]} to {high[1]})"
        if high:
            return f" (it is at most {high[1]})"
        return ""
    return ""


def _map(path: list[Step], events: list[Event], register: int | None) -> str:
    """The script's name of the map that a value belongs to."""
    import re

    texts = [event.state for event in events]
    if register is not None:
        texts += [step.state.get(f"R{register}", "") for step in reversed(path)]
    for text in texts:
        name = re.search(r"map=([^,)]+)", text)
        if name is not None:
            return "@" + name[1].removeprefix("AT_")
    return "the map"


def _quoted(span: Span | None) -> str:
    if span is None:
        return "the program"
    text = " ".join(span.text.split())
    return f"'{text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + '…'}'"


def _story(
    events: list[Event], ways: list[Event], places: Sequence[tuple[int, Span]]
) -> tuple[str, ...]:
    """The causal path as sentences, oldest first."""
    told = sorted([*events, *ways[-_MOST_BRANCHES:]], key=lambda event: event.insn)
    lines = []
    for event in told:
        span = _span(places, event.insn)
        place = ""
        if span is not None and event.insn >= 0:
            line, column = span.source.position(span.start)
            place = f"{line}:{column} {_quoted(span)}: "
        lines.append(place + _tell(event))
    return tuple(dict.fromkeys(lines))


_BASES = {
    "ctx": "read from the probe's arguments",
    "map_value": "read from a map's value",
    "fp": "read from the program's memory",
}


def _tell(event: Event) -> str:
    """An event as a clause."""
    kind = event.kind
    if kind == "load":
        return f"the value is {_BASES.get(event.what, 'read from memory')}{_as(event.state)}"
    if kind == "call":
        return f"the value is the result of {event.what}{_as(event.state)}"
    if kind == "constant":
        return f"the value is the constant {event.what}"
    if kind == "change":
        return f"the value is computed{_as(event.state)}"
    if kind == "branch":
        return f"the way taken when the value is {event.what}"
    return "nothing on this way sets the value"


def _as(state: str) -> str:
    """A value's description by the verifier, where it says something."""
    kind = state.split("(", 1)[0]
    if kind.endswith("_or_null"):
        return ", and may be NULL"
    if kind == "scalar" and "umax" not in state:
        return ", and may be any number"
    return ""
