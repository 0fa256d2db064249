"""What a run lost, and what went wrong in its programs: counted by them, told here."""

from __future__ import annotations

from prybee.diagnostics import WARNING, Diagnostic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.plan.plan import CounterSpec, Plan
    from prybee.session.ports import Engine, Output

_MAP_FULL = (
    "Map full; can't update element. Try increasing max_map_keys config or manually setting the "
    "max entries in a map declaration e.g. `let @a = hash(5000)`"
)
_DIVISION = (
    "Divide or modulo by 0 detected. This can lead to unexpected results. 1 is being used as the "
    "result."
)
_NOT_THERE = "Can't lookup map element because it does not exist."
_MISSING = "Can't delete map element because it does not exist."
# Kinds that are told only when asked for (-k).
_ON_REQUEST = frozenset(("read", "helper", "delete", "lookup"))


class Losses:
    """Watches the counters in global data.

    Args:
        details: tell of failed helper calls too (``-k``).
    """

    def __init__(self, plan: Plan, engine: Engine, output: Output, details: bool = False) -> None:
        self.plan = plan
        self.engine = engine
        self.output = output
        self.details = details
        # Lost records of each probe block, as told so far.
        self.lost: list[int] = [0] * len(plan.globals.blocks)
        self._told: dict[CounterSpec, int] = {}

    @property
    def total(self) -> int:
        """Records lost so far."""
        return sum(self.lost)

    def check(self) -> None:
        """Tell what is new."""
        now = list(self.engine.lost())
        new = sum(now) - self.total
        if new > 0:
            self.lost = now
            self.output.lost(new)
        for spec, count, code in self.engine.counters():
            if spec in self._told:
                continue
            self._told[spec] = count
            self._tell(spec, code)

    def finish(self) -> None:
        """Tell the totals, at the end of the run."""
        self.check()
        for spec, count, code in self.engine.counters():
            if count > 1:
                self._tell(spec, code, count)
        if self.total:
            self.output.complain(f"WARNING: Total lost event count: {self.total}")
            if len(self.lost) > 1:
                for line in by_probe(self.plan.globals.blocks, self.lost):
                    self.output.complain(line)

    def _tell(self, spec: CounterSpec, code: int, times: int = 0) -> None:
        if spec.kind in _ON_REQUEST and not self.details:
            return
        message, helper = describe(spec, code)
        if times:
            message += f" ({times} times)"
        self.output.runtime(Diagnostic(WARNING, message, spec.span), helper, code)


def by_probe(blocks: Sequence[str], lost: Sequence[int]) -> list[str]:
    """One line for each probe block that lost records."""
    return [f"  {name}: {count}" for name, count in zip(blocks, lost, strict=True) if count]


def describe(spec: CounterSpec, code: int) -> tuple[str, str]:
    """What a counter means: the message, and the helper that failed (empty: none did)."""
    if spec.kind == "map_full":
        return _MAP_FULL, "map_update_elem"
    if spec.kind == "division":
        return _DIVISION, ""
    if spec.kind == "bounds":
        return (
            "Array access out of bounds. This can lead to unexpected results. The array has "
            f"{spec.name} elements; 0 is being used as the result."
        ), ""
    if spec.kind == "rounds":
        return (
            f"The loop ended after {spec.name} rounds: this kernel (before Linux 5.17) walks no "
            "more where the end of the range is known at run time only. Constants have no limit."
        ), ""
    if spec.kind == "delete":
        return _MISSING, "map_delete_elem"
    if spec.kind == "lookup":
        return _NOT_THERE, "map_lookup_elem"
    import os

    return os.strerror(-code) if code < 0 else "A helper function failed", spec.name
