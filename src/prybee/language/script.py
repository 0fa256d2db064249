"""What the checker learns of a script: its maps, its variables, and its probes' variants."""

from __future__ import annotations

from prybee.language.types import AggregationType, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.diagnostics import Span
    from prybee.language import tree
    from prybee.language.registry import Match, ProbeContext


class MapSymbol:
    """A map of the script: what keys and values it has, as far as is known."""

    __slots__ = (
        "declared_entries",
        "declared_kind",
        "declared_span",
        "key_type",
        "keyed",
        "name",
        "read_before",
        "span",
        "unwritten",
        "value_type",
        "written",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        # None: not known yet; False: scalar (no key); True: keyed.
        self.keyed: bool | None = None
        self.key_type: Type | None = None
        self.value_type: Type | None = None
        # From `let @x = lruhash(100);`
        self.declared_kind = ""
        self.declared_entries = 0
        self.declared_span: Span | None = None
        self.span: Span | None = None
        # Read while nothing was known of its values.
        self.read_before = False
        self.written = False
        # No value is ever assigned.
        self.unwritten = False

    def __repr__(self) -> str:
        return f"MapSymbol({self.name}[{self.key_type}] = {self.value_type})"

    @property
    def is_aggregation(self) -> bool:
        """Whether values are kept per CPU and merged when read."""
        return isinstance(self.value_type, AggregationType)


class VariableSymbol:
    """A scratch variable of one block of one handler."""

    __slots__ = (
        "assigned",
        "captured",
        "declared",
        "fixed",
        "name",
        "read",
        "scope",
        "span",
        "type",
    )

    def __init__(self, name: str, span: Span | None) -> None:
        self.name = name
        self.span = span
        self.type: Type | None = None
        # The type was declared: assignments convert to it and do not change it.
        self.fixed = False
        # Used in a loop body that becomes a callback, so that it must live in memory.
        self.captured = False
        # Introduced by `let`, so that it may be read before it has a value.
        self.declared = False
        self.assigned = False
        self.read = False
        # Number of callbacks around the declaration.
        self.scope = 0

    def __repr__(self) -> str:
        return f"VariableSymbol({self.name}: {self.type})"


class Variant:
    """One compilation of a probe block: the matches that share one program, and their context."""

    __slots__ = ("context", "index", "matches", "never", "probe", "symbols")

    def __init__(
        self, probe: tree.Probe, index: int, context: ProbeContext, matches: Sequence[Match]
    ) -> None:
        self.probe = probe
        self.index = index
        self.context = context
        self.matches = matches
        # Whether the predicate asks the kernel for something that it has not: nothing ever runs.
        self.never = False
        # (id of the block node, name) → symbol
        self.symbols: dict[tuple[int, str], VariableSymbol] = {}


class Parameters:
    """Positional parameters and the named ones after ``--``."""

    __slots__ = ("described", "named", "positional", "used")

    def __init__(
        self, positional: Sequence[str] = (), named: dict[str, str | None] | None = None
    ) -> None:
        self.positional = tuple(positional)
        self.named = named or {}
        self.used: set[str] = set()
        # name → (default as text, description): for `-- --help`.
        self.described: dict[str, tuple[str, str]] = {}
