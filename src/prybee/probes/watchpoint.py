"""``watchpoint``: memory that is read, written or executed.

Attach points are read and checked; nothing attaches them yet, and a script that runs is told so.
"""

from __future__ import annotations

from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.probes.numbers import NumberError, parse
from prybee.probes.provider import ProbeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.language.attach_point import AttachPoint

_LENGTHS = (1, 2, 4, 8)
# What a machine's breakpoint registers can tell apart, letters in order (x86: Intel SDM volume 3,
# 17.2.4; arm64: the Arm ARM, D2.10). Executing is watched with the length of an instruction.
_MODES = {
    "x86_64": ("x", "w", "rw"),
    "aarch64": ("r", "w", "x", "rw"),
}
_INSTEAD = (
    "probe the functions that use the memory with uprobe, or set missing_probes to 'warn' to go "
    "on without it"
)


class Watchpoint(ProbeType):
    """``watchpoint:address:length:mode``."""

    names = ("watchpoint", "w")
    syntax = ("watchpoint:ADDRESS:LENGTH:MODE",)
    summary = "memory is read, written or executed"
    counts = (3,)
    attaches = False

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        address, length, mode = self.arguments(point)
        where = self._number(address, "address")
        if where == 0:
            raise ProbeSyntaxError("watchpoint must be attached to a non-zero address")
        size = self._number(length, "length")
        if size not in _LENGTHS:
            raise ProbeSyntaxError("watchpoint length must be one of (1,2,4,8)")
        self._check_mode(mode, scope.target.arch)
        if scope.config.missing_probes != "error":
            return []
        return [Match(f"watchpoint:{where:#x}:{size}:{mode}", (self.name,), (where, size, mode))]

    def _check_mode(self, mode: str, arch: str) -> None:
        if not mode or any(letter not in "rwx" for letter in mode):
            raise ProbeSyntaxError("watchpoint mode must be combination of (r,w,x)")
        if len(set(mode)) != len(mode):
            raise ProbeSyntaxError("watchpoint modes may not be duplicated")
        known = _MODES.get(arch)
        if known is not None and "".join(sorted(mode, key="rwx".index)) not in known:
            raise ProbeSyntaxError(
                f"invalid watchpoint mode: {mode}", f"supported modes: {','.join(known)}"
            )

    def _number(self, text: str, what: str) -> int:
        try:
            return parse(text)[0]
        except NumberError as error:
            raise self.malformed(f"Invalid watchpoint {what}: {error}") from None

    def missing(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, tuple[str, ...]]:
        failure = self._cannot()
        return f"{failure}.", failure.hints

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        raise self._cannot()

    def _cannot(self) -> ProbeSyntaxError:
        return ProbeSyntaxError("watchpoint probes: this release cannot attach them yet", _INSTEAD)


PROVIDERS = (Watchpoint(),)
