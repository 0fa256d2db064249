"""``-p``, ``--comm``, ``--cgroup``, ``--container``: conditions that the kernel tests.

A tool whose events happen on behalf of the current process needs nothing for them: the condition
stands before each of its predicates.  A tool that knows better defines a macro, whose body is then
replaced:

``macro wanted() { true }``
    called where the current process is the one that the event is about;
``macro wanted_task(task) { true }``
    called with a ``struct task_struct *``, such as the next one of ``sched_switch``;
``macro wanted_socket(@owner, sk) { true }``
    called with a ``struct sock *``, and a map that has a key for each socket whose owner is wanted
    (found where ``wanted()`` is called); cgroups and containers are told by the socket itself;
``macro wanted_packet(skb) { true }``
    called with a ``struct sk_buff *``, which is told by its network namespace only.
"""

from __future__ import annotations

from prybee.data import Data
from prybee.diagnostics import PrybeeError
from prybee.language import tree
from prybee.language.parser import expression_of

# Where no process is: these run in prybee itself, or whenever a timer wants.
_APART = frozenset(("begin", "end", "self", "interval", "i", "test", "bench"))
HOOKS = ("wanted", "wanted_task", "wanted_socket", "wanted_packet")


class Filter(Data):
    """What events are wanted; empty fields want all.

    Attributes:
        pid: of this process.
        tid: of this thread.
        uid: of processes of this user (effective id).
        comm: of threads with this name.
        cgroups: of tasks in one of these cgroups (their ids).
        pid_namespace: of tasks in the pid namespace with this inode number.
        net_namespace: of sockets in the network namespace with this one, where that says the same.
    """

    pid: int | None = None
    tid: int | None = None
    uid: int | None = None
    comm: str | None = None
    cgroups: tuple[int, ...] = ()
    pid_namespace: int = 0
    net_namespace: int = 0

    @property
    def text(self) -> str:
        """The condition for the current process; empty where all are wanted."""
        return " && ".join(
            [
                *self._owned("pid", "tid", "uid", "comm"),
                *self._cgroup("cgroup"),
                *self._namespace("curtask.nsproxy.pid_ns_for_children.ns.inum"),
            ]
        )

    def of_task(self, task: str) -> str:
        """The condition for the task that the expression ``task`` points to."""
        return " && ".join(
            [
                *self._owned(
                    f"{task}.tgid", f"{task}.pid", f"{task}.cred.euid.val", f"{task}.comm"
                ),
                *self._cgroup(f"{task}.cgroups.dfl_cgrp.kn.id"),
                *self._namespace(f"{task}.nsproxy.pid_ns_for_children.ns.inum"),
            ]
        )

    def of_socket(self, owner: str, socket: str) -> str:
        """The condition for the ``struct sock`` that the expression ``socket`` points to.

        Args:
            owner: the map that has the addresses of sockets whose owners are wanted.
            socket: the socket.
        """
        tracked = self._owned("", "", "", "")
        data = f"{socket}.sk_cgrp_data"
        # Before 5.15 the address shares its word with marks (struct sock_cgroup_data).
        address = f"((struct cgroup *)({data}.val & 0xfffffffffffffffc)).kn.id"
        parts = self._cgroup(
            f"(field_exists(struct sock_cgroup_data, cgroup) ? {data}.cgroup.kn.id : {address})"
        )
        if self.net_namespace:
            parts.append(f"{socket}.__sk_common.skc_net.net.ns.inum == {self.net_namespace}")
        elif self.pid_namespace:
            tracked.append("")
        if tracked:
            parts.append(f"has_key({owner}, (uint64){socket})")
        return " && ".join(parts)

    def of_packet(self, packet: str) -> str:
        """The condition for the ``struct sk_buff`` that the expression ``packet`` points to."""
        return f"{packet}.dev.nd_net.net.ns.inum == {self.net_namespace}"

    def _owned(self, pid: str, tid: str, uid: str, comm: str) -> list[str]:
        parts = []
        if self.pid is not None:
            parts.append(f"{pid} == {self.pid}")
        if self.tid is not None:
            parts.append(f"{tid} == {self.tid}")
        if self.uid is not None:
            parts.append(f"{uid} == {self.uid}")
        if self.comm is not None:
            parts.append(f"{comm} == {quoted(self.comm)}")
        return parts

    def _cgroup(self, cgroup: str) -> list[str]:
        if not self.cgroups:
            return []
        return ["(" + " || ".join(f"{cgroup} == {each}" for each in self.cgroups) + ")"]

    def _namespace(self, namespace: str) -> list[str]:
        return [f"{namespace} == {self.pid_namespace}"] if self.pid_namespace else []


def quoted(text: str) -> str:
    """``text`` as a string of the language."""
    shown = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{shown}"'


def hooked(program: tree.Program) -> bool:
    """Whether a tool says itself where a filter belongs."""
    return any(macro.name in HOOKS for macro in program.macros)


def apply(program: tree.Program, wanted: Filter) -> None:
    """Put a filter into a tool's tree: into its macros, or before all of its predicates.

    Raises:
        PrybeeError: packets are to be told by a container that shares a network.
    """
    if not wanted.text:
        return
    if hooked(program):
        for macro in program.macros:
            if macro.name == "wanted":
                _replace(macro, wanted.text)
            elif macro.name == "wanted_task":
                parameter = macro.parameters[0]
                _replace(macro, wanted.of_task(parameter.name))
            elif macro.name == "wanted_socket":
                owner, socket = macro.parameters
                _replace(macro, wanted.of_socket(owner.name, socket.name))
            elif macro.name == "wanted_packet":
                if not wanted.net_namespace:
                    raise PrybeeError(
                        "--container: it has no network namespace of its own: its packets cannot "
                        "be told from others"
                    )
                _replace(macro, wanted.of_packet(macro.parameters[0].name))
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
