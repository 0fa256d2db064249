"""Maps and scratch variables: what a script's names hold; and the messages."""

from __future__ import annotations

from prybee.diagnostics import ERROR, WARNING, Diagnostic
from prybee.language import tree
from prybee.language.checking.rules import (
    CAST_WARNING,
    article,
    fits_declared,
    holds,
    meant,
    plain,
    storable,
)
from prybee.language.script import MapSymbol, VariableSymbol
from prybee.language.types import (
    INT64,
    NONE,
    NOWHERE,
    UINT64,
    AggregationType,
    HistType,
    LhistType,
    NoneType,
    PointerType,
    TseriesType,
    Type,
    aggregation_value,
    as_integer,
    is_castable_aggregation,
    is_integer,
    promote,
    settled,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.diagnostics import Source, Span
    from prybee.language.config_table import Config
    from prybee.language.kernel_types import TypeTable
    from prybee.language.registry import ProbeContext, Registry
    from prybee.language.script import Parameters, Variant
    from prybee.plan.target import Target

# Aggregations that are laid out by their arguments, which must be equal all over a map: what
# bpftrace calls these arguments.
_SHAPED: dict[type[Type], str] = {
    HistType: "bits in a single hist",
    LhistType: "lhist bounds in a single map",
    TseriesType: "tseries bounds in a single map",
}


class Names:
    """What is known of a script's maps and variables while it is checked."""

    def __init__(
        self,
        source: Source,
        target: Target,
        config: Config,
        registry: Registry,
        types: TypeTable,
        parameters: Parameters,
        unsafe: bool = False,
        child: int | None = None,
    ) -> None:
        self.source = source
        self.target = target
        self.config = config
        self.registry = registry
        self.types = types
        self.parameters = parameters
        self.unsafe = unsafe
        # Process id of the child of -c.
        self.child = child
        self.maps: dict[str, MapSymbol] = {}
        self.errors: dict[tuple[str, int, int], Diagnostic] = {}
        self.warnings: dict[tuple[str, int, int], Diagnostic] = {}
        # For each place with mistakes: the handlers in which it is wrong, and what the first says.
        self._wrong: dict[tuple[int, int], dict[Variant, str]] = {}
        self.changed = False
        self.variant: Variant
        # Visible scratch variables, innermost block last: (id of the block, its names).
        self._scopes: list[tuple[int, dict[str, VariableSymbol]]] = []
        self._depth = 0
        self._loops = 0
        # Functions of the script; those whose body was checked for this handler, and whether they
        # can be called; those being checked, outermost first; what the innermost returns.
        self.subprograms: dict[str, tree.Subprogram] = {}
        self._checked: dict[str, bool] = {}
        self._calling: list[str] = []
        self._returns: Type | None = None
        # How often each builtin is used in the handler, for those worth fetching once.
        self.final = False
        # The expression right of a plain `@x =`: the only place for an aggregation.
        self.assigned_to_map: tree.Expression | None = None

    # -- what the classes below add ------------------------------------------------------------

    def expression(self, node: tree.Expression) -> Type:
        """Check an expression and set its type; :data:`NONE` where that is not known (yet)."""
        raise NotImplementedError

    def type_expression(self, node: tree.TypeExpression) -> Type:
        """The type that a type name means; :data:`NONE`, with an error, where there is none."""
        raise NotImplementedError

    def block(self, node: tree.Block) -> Type:
        """Check a block in a scope of its own; its value's type."""
        raise NotImplementedError

    def decide(self, node: tree.If) -> bool:
        """Whether compiling decides the condition of ``node``: then ``node.decided`` is set."""
        raise NotImplementedError

    def answer(self, node: tree.Expression) -> bool | None:
        """What a condition is that asks of the kernel; None for any other."""
        raise NotImplementedError

    # -- messages ------------------------------------------------------------------------------

    def error(
        self, node: tree.Node, message: str, *hints: str, notes: tuple[tuple[str, Span], ...] = ()
    ) -> None:
        """Note a mistake at ``node``; a second one with the same text and place is the same."""
        message = plain(message)
        variants = self._wrong.setdefault((node.start, node.end), {self.variant: message})
        if self.variant not in variants:
            # A handler of many probes: each has fields of its own, and one message is enough.
            variants[self.variant] = message
            return
        span = node.span(self.source)
        self.errors[message, node.start, node.end] = Diagnostic(ERROR, message, span, hints, notes)

    def refuse(self, node: tree.Node, message: str) -> None:
        """Note a mistake that is not the script's; ``node`` is what asks for it."""
        notes = (("asked for here", node.span(self.source)),)
        self.errors[message, node.start, node.end] = Diagnostic(ERROR, message, None, (), notes)

    def warn(self, node: tree.Node, message: str, *hints: str) -> None:
        """Note something that works but may not be meant."""
        message = plain(message)
        span = node.span(self.source)
        self.warnings[message, node.start, node.end] = Diagnostic(WARNING, message, span, hints)

    def warn_unstable(self, feature: str) -> None:
        """Say that a script uses something that may change."""
        message = (
            f"Script is using an unstable feature: {feature}. To prevent this warning you must "
            f"explicitly enable it in the config e.g. unstable_{feature}=enable"
        )
        self.warnings[message, 0, 0] = Diagnostic(WARNING, message)

    @property
    def context(self) -> ProbeContext:
        """What the handler being checked finds when its probe fires."""
        return self.variant.context

    # -- maps ----------------------------------------------------------------------------------

    def map(self, node: tree.Map) -> MapSymbol:
        """The map that ``node`` names."""
        symbol = self.maps.get(node.name)
        if symbol is None:
            symbol = self.maps[node.name] = MapSymbol(node.name)
        if symbol.span is None:
            symbol.span = node.span(self.source)
        return symbol

    def _first_place(self, symbol: MapSymbol) -> tuple[tuple[str, Span], ...]:
        return (("first used here", symbol.span),) if symbol.span is not None else ()

    def map_scalar(self, node: tree.Map) -> MapSymbol:
        """The map named by ``node``, used without a key."""
        symbol = self.map(node)
        if symbol.keyed is None:
            symbol.keyed = False
            self.changed = True
        elif symbol.keyed:
            self.error(
                node,
                f"{symbol.name} used as a map without an explicit key (scalar map), previously "
                "used with an explicit key (non-scalar map)",
                notes=self._first_place(symbol),
            )
        return symbol

    def map_key(self, node: tree.Map, key: tree.Expression) -> MapSymbol:
        """The map named by ``node``, used with ``key``: its key type grows to take it."""
        symbol = self.map(node)
        type_ = self.expression(key)
        if symbol.keyed is None:
            symbol.keyed = True
            self.changed = True
        elif not symbol.keyed:
            self.error(
                node,
                f"{symbol.name} used as a map with an explicit key (non-scalar map), previously "
                "used without an explicit key (scalar map)",
                notes=self._first_place(symbol),
            )
            return symbol
        if isinstance(type_, NoneType):
            return symbol
        if not storable(type_):
            self.error(key, f"{article(type_)} cannot be used as a map key")
            return symbol
        known = symbol.key_type
        if known is None:
            symbol.key_type = type_
            self.changed = True
            return symbol
        joined = promote(known, type_)
        if joined is None:
            self.error(
                key,
                f"Argument mismatch for {symbol.name}: trying to access with arguments: "
                f"'{type_}' when map expects arguments: '{known}'",
            )
        else:
            self._warn_sign(key, type_, joined)
            symbol.key_type = joined
            if joined != known:
                self.changed = True
        return symbol

    def map_value(self, symbol: MapSymbol, type_: Type, node: tree.Node) -> None:
        """``symbol`` gets a value of ``type_`` at ``node``: its value type grows to take it."""
        if isinstance(type_, NoneType):
            return
        symbol.written = True
        known = symbol.value_type
        if known is None:
            symbol.value_type = type_
            self.changed = True
            return
        joined = promote(known, type_)
        if joined is None and type(known) is type(type_) and type(known) in _SHAPED:
            value = node.value if isinstance(node, tree.AssignMap) else node
            self.error(value, f"Different {_SHAPED[type(known)]} unsupported")
            return
        if joined is None:
            self.error(
                node,
                f"Type mismatch for {symbol.name}: trying to assign value of type '{type_}' "
                f"when map already has a type '{known}'",
            )
            return
        self._warn_sign(node, type_, joined)
        symbol.value_type = joined
        if joined != known:
            self.changed = True

    def _warn_sign(self, node: tree.Node, have: Type, want: Type) -> None:
        if have == UINT64 and want == INT64:
            self.warn(node, CAST_WARNING.format(have, want))

    def map_read(self, node: tree.Map | tree.MapAccess) -> Type:
        """The type that reading a map's value gives, where an aggregation counts as its integer."""
        type_ = settled(self.map_reference(node))
        if isinstance(type_, NoneType):
            self.map(node.map if isinstance(node, tree.MapAccess) else node).read_before = True
        if not isinstance(type_, AggregationType):
            return type_
        if is_castable_aggregation(type_):
            return aggregation_value(type_)
        return type_

    def map_reference(self, node: tree.Map | tree.MapAccess) -> Type:
        """The value type of a map as it is, aggregations included; sets ``node.type``."""
        if isinstance(node, tree.MapAccess):
            symbol = self.map_key(node.map, node.key)
        else:
            symbol = self.map_scalar(node)
        node.type = symbol.value_type or NONE
        return node.type

    # -- scratch variables ---------------------------------------------------------------------

    def _find(self, name: str) -> VariableSymbol | None:
        for _block, names in reversed(self._scopes):
            found = names.get(name)
            if found is not None:
                if found.scope < self._depth:
                    found.captured = True
                return found
        return None

    def _declare(self, node: tree.Scratch) -> VariableSymbol:
        block, names = self._scopes[-1]
        symbol = self.variant.symbols.get((block, node.name))
        if symbol is None:
            symbol = VariableSymbol(node.name, node.span(self.source))
            self.variant.symbols[block, node.name] = symbol
        symbol.scope = self._depth
        names[node.name] = symbol
        return symbol

    def _assign(
        self, symbol: VariableSymbol, type_: Type, node: tree.Node, value: tree.Expression
    ) -> None:
        """Give a variable a value of ``type_``: its type grows, or must fit where declared."""
        symbol.assigned = True
        if isinstance(type_, NoneType):
            if isinstance(value, tree.Call) and self._is_void(value):
                self.error(node, "Value 'void' cannot be assigned to a scratch variable.")
            return
        if isinstance(type_, HistType | LhistType | TseriesType) or (
            isinstance(type_, AggregationType) and not is_castable_aggregation(type_)
        ):
            self.error(node, f"Value '{type_}' cannot be assigned to a scratch variable.")
            return
        known = symbol.type
        if known is None:
            symbol.type = type_
            self.changed = True
            return
        joined = promote(known, type_)
        if symbol.fixed and is_integer(known) and is_integer(type_) and joined is not None:
            if not isinstance(value, tree.Integer):
                if joined != known:
                    self.warn(value, CAST_WARNING.format(type_, known))
                return
            fits = holds(as_integer(known), value.value)
        else:
            fits = joined is not None and (not symbol.fixed or fits_declared(type_, known))
        if not fits or joined is None:
            self.error(
                node,
                f"Type mismatch for {symbol.name}: trying to assign value of type '{type_}' "
                f"when variable already has a type '{known}'",
            )
            return
        if symbol.fixed:
            if isinstance(known, PointerType) and isinstance(type_, PointerType):
                self._settle(symbol, known, type_)
            return
        self._warn_sign(node, type_, joined)
        symbol.type = joined
        if joined != known:
            self.changed = True

    def _settle(self, symbol: VariableSymbol, declared: PointerType, given: PointerType) -> None:
        """A declaration says what a pointer points to, the first value where that is."""
        if declared.space == NOWHERE and given.space != NOWHERE:
            symbol.type = declared.replace(space=given.space, trusted=False)
            self.changed = True

    def _is_void(self, call: tree.Call) -> bool:
        function = self.registry.functions.get(call.name)
        return function is not None and function.statement

    def _undefined(self, node: tree.Scratch) -> None:
        visible = [name for _block, names in self._scopes for name in names]
        hints = meant(node.name, visible)
        if any(name == node.name for _block, name in self.variant.symbols):
            hint = f"{node.name} ends with the block that assigns it; `let {node.name};` in front "
            hints = (f"{hint}of the block makes it last",)
        self.error(node, f"Undefined or undeclared variable: {node.name}", *hints)
