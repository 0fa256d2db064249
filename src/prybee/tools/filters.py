"""``-p``, ``--comm``, ``--cgroup``, ``--container``: conditions that the kernel tests.

A tool whose events happen on behalf of the current process needs nothing for them: the condition
stands before each of its predicates.  A tool that knows better defines a macro, whose body is then
replaced:

``macro wanted() { true }``
    called where the current process is the one that the event is about;
``macro wanted_task(task) { true }``
    called with a ``struct task_struct *``, such as the next one of ``sched_switch``.
"""

from __future__ import annotations

from prybee.data import Data
from prybee.language import tree
from prybee.language.parser import expression_of

# Where no process is: these run in prybee itself, or whenever a timer wants.
_APART = frozenset(("begin", "end", "self", "interval", "i", "test", "bench"))
HOOKS = ("wanted", "wanted_task")


class Filter(Data):
    """What events are wanted; empty fields want all.

    Attributes:
        pid: of this process.
        comm: of threads with this name.
        cgroups: of tasks in one of these cgroups (their ids).
        pid_namespace: of tasks in the pid namespace with this inode number.
    """

    pid: int | None = None
    comm: str | None = None
    cgroups: tuple[int, ...] = ()
    pid_namespace: int = 0

    @property
    def text(self) -> str:
        """The condition for the current process; empty where all are wanted."""
        return self._join(
            "pid",
            "comm",
            "cgroup",
            "curtask.nsproxy.pid_ns_for_children.ns.inum",
        )

    def of_task(self, task: str) -> str:
        """The condition for the task that the expression ``task`` points to."""
        return self._join(
            f"{task}.tgid",
            f"{task}.comm",
            f"{task}.cgroups.dfl_cgrp.kn.id",
            f"{task}.nsproxy.pid_ns_for_children.ns.inum",
        )

    def _join(self, pid: str, comm: str, cgroup: str, namespace: str) -> str:
        parts = []
        if self.pid is not None:
            parts.append(f"{pid} == {self.pid}")
        if self.comm is not None:
            parts.append(f"{comm} == {quoted(self.comm)}")
        if self.cgroups:
            parts.append("(" + " || ".join(f"{cgroup} == {each}" for each in self.cgroups) + ")")
        if self.pid_namespace:
            parts.append(f"{namespace} == {self.pid_namespace}")
        return " && ".join(parts)


def quoted(text: str) -> str:
    """``text`` as a string of the language."""
    shown = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{shown}"'


def hooked(program: tree.Program) -> bool:
    """Whether a tool says itself where a filter belongs."""
    return any(macro.name in HOOKS for macro in program.macros)


def apply(program: tree.Program, wanted: Filter) -> None:
    """Put a filter into a tool's tree: into its macros, or before all of its predicates."""
    if not wanted.text:
        return
    if hooked(program):
        for macro in program.macros:
            if macro.name == "wanted":
                _replace(macro, wanted.text)
            elif macro.name == "wanted_task":
                parameter = macro.parameters[0]
                _replace(macro, wanted.of_task(parameter.name))
        return
    for probe in program.probes:
        if not all(_apart(point) for point in probe.attach_points):
            condition = placed(wanted.text, probe)
            if probe.predicate is not None:
                condition = _both(condition, probe.predicate, probe)
            probe.predicate = condition


def _apart(point: tree.AttachPoint) -> bool:
    return point.raw.partition(":")[0].lower() in _APART


def _replace(macro: tree.Macro, condition: str) -> None:
    body = macro.body
    body.statements = []
    body.value = placed(condition, body)


def _both(left: tree.Expression, right: tree.Expression, at: tree.Node) -> tree.Expression:
    return tree.Binary("&&", left, right, at.start, at.start, at.end)


def placed(text: str, at: tree.Node) -> tree.Expression:
    """The expression ``text``, as if it stood where ``at`` is: that is what messages show."""
    made = expression_of(text)
    assert made is not None, f"a condition that is none: {text}"
    for node in tree.walk(made):
        for base in type(node).__mro__:
            for name in base.__dict__.get("__slots__", ()):
                if name in ("start", "end") or name.endswith(("_start", "_end")):
                    setattr(node, name, at.start)
        node.end = at.end
    return made
