"""Control groups: ``cgroup``, ``cgroupid``, ``cgroup_path``."""

from __future__ import annotations

from prybee.functions.arguments import (
    aliased,
    expression,
    literal_text,
    text_of,
    want_integer,
    want_string,
)
from prybee.language import tree
from prybee.language.lower.operands import Scalar
from prybee.language.registry import Function
from prybee.language.types import UINT64, CgroupPathType, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


class CurrentCgroup(Function):
    """``cgroup``: the cgroup v2 that the process is in."""

    name = signature = "cgroup"
    summary = "id of the process's cgroup (v2)"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.b.call("get_current_cgroup_id"), UINT64)


class CgroupId(Function):
    """``cgroupid()``: the id of a cgroup directory, looked up when compiling."""

    name = "cgroupid"
    signature = "cgroupid(path)"
    summary = "id of a cgroup directory"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        path = literal_text(call, 0, checker)
        if path is not None and checker.target.cgroup_id(path) is None:
            checker.error(
                call,
                f'Failed to get `cgroupid` for path: "{path}"',
                "it must be a directory of the cgroup v2 file system",
            )
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        number = handler.script.target.cgroup_id(text_of(call, 0)) or 0
        return Scalar(handler.const(number), UINT64)


class CgroupPath(Function):
    """``cgroup_path()``: an id that prints as a path."""

    name = "cgroup_path"
    signature = "cgroup_path(id[, hierarchies])"
    summary = "path of a cgroup, for hierarchies that match a pattern"
    arguments = (1, 2)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        want_integer(call, 0, checker)
        want_string(call, 1, checker)
        glob = expression(call, 1) if len(call.args) > 1 else None
        return CgroupPathType(glob.value if isinstance(glob, tree.String) else "")

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.lower_integer(expression(call, 0)), call.type)


FUNCTIONS = aliased(CurrentCgroup(), CgroupId(), CgroupPath())
