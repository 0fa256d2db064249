"""How execution came to a mistake: the branches taken, and where a register's value came from."""

from __future__ import annotations

import re

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.explain.log import Log, Step

_MOVE = re.compile(r"[rw](\d+) = (?:\([su]\d+\))?[rw](\d+)$")
_CONSTANT = re.compile(r"[rw](\d+) = (-?(?:0x)?[0-9a-f]+)(?: ll)?$")
_LOAD = re.compile(r"r(\d+) = \*\([su]\d+ \*\)\(r(\d+) ([+-]\d+)\)$")
_STORE = re.compile(r"\*\([su]\d+ \*\)\(r10 (-\d+)\) = r(\d+)$")
_CHANGE = re.compile(r"[rw](\d+) (?:[-+*/%&|^]|<<|>>|s>>|s/|s%)= ")
_WRITE = re.compile(r"[rw](\d+) = ")
_CALL = re.compile(r"call (\S+?)(?:#(-?\d+))?(?:\s|$)")
_TEST = re.compile(r"if ([rw]\d+) (\S+) (\S+) goto pc([+-]\d+)")


class Event(Data):
    """Something on the way to the mistake.

    Attributes:
        insn: where.
        kind: ``load``, ``call``, ``constant``, ``change``, ``fill`` (of a value kept in the
            frame), ``branch`` or ``never`` (no instruction on the way sets the register).
        what: the helper's name; the memory read; the condition that held.
        state: the value, as the verifier described it.
    """

    insn: int
    kind: str
    what: str
    state: str = ""


def path_of(log: Log) -> list[Step]:
    """The steps of the way on which the mistake was found, first to last."""
    steps: list[Step] = []
    index = len(log.steps) - 1
    while index >= 0:
        steps.append(log.steps[index])
        index = log.steps[index].parent
    steps.reverse()
    return steps


def origin(path: list[Step], register: int) -> list[Event]:
    """Where the value of ``register`` at the end of ``path`` came from, first event first."""
    events: list[Event] = []
    where = f"R{register}"
    for step in reversed(path[:-1]):
        text = step.text
        if where.startswith("fp"):
            store = _STORE.match(text)
            if store is not None and f"fp{store[1]}" == where:
                where = f"R{store[2]}"
            continue
        number = where[1:]
        state = step.state.get(where, "")
        call = _CALL.match(text)
        if call is not None:
            if number == "0":
                events.append(Event(step.insn, "call", call[1].removeprefix("bpf_"), state))
                break
            if number in "12345":
                events.append(Event(step.insn, "never", "", ""))
                break
            continue
        move, load, change = _MOVE.match(text), _LOAD.match(text), _CHANGE.match(text)
        if move is not None and move[1] == number:
            where = f"R{move[2]}"
        elif load is not None and load[1] == number:
            if load[2] == "10":
                where = f"fp{load[3]}"
            else:
                base = _state_before(path, step, f"R{load[2]}")
                events.append(Event(step.insn, "load", base.split("(", 1)[0], state))
                break
        elif change is not None and change[1] == number:
            events.append(Event(step.insn, "change", "", state))
        elif _CONSTANT.match(text) and _CONSTANT.match(text)[1] == number:  # type: ignore[index]
            events.append(Event(step.insn, "constant", text.split(" = ", 1)[1], state))
            break
        elif _WRITE.match(text) and _WRITE.match(text)[1] == number:  # type: ignore[index]
            events.append(Event(step.insn, "change", "", state))
            break
    else:
        # r1 holds the context at the start, r10 the frame
        if where.startswith("R") and where not in ("R1", "R10"):
            events.append(Event(-1, "never", "", ""))
    events.reverse()
    return events


def _state_before(path: list[Step], step: Step, register: str) -> str:
    """What the log last said of a register before a step."""
    for earlier in reversed(path[: path.index(step)]):
        if register in earlier.state:
            return earlier.state[register]
    return "ctx" if register == "R1" else ""


_OPPOSITE = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">",
    "s<": "s>=", "s>=": "s<", "s>": "s<=", "s<=": "s>", "&": "lacks", "lacks": "&",
}  # fmt: skip


def branches(path: list[Step]) -> list[Event]:
    """The conditional jumps on the way, each with the condition that held."""
    events = []
    for index, step in enumerate(path[:-1]):
        following = path[index + 1]
        test = _TEST.match(step.text)
        if test is None:
            continue
        taken = following.insn == step.insn + 1 + int(test[4])
        relation = test[2] if taken else _OPPOSITE.get(test[2], test[2])
        other = test[3] if test[3][0] in "rw" else str(int(test[3], 0))
        events.append(Event(step.insn, "branch", f"{relation} {other}"))
    return events
