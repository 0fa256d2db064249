"""Types of everything in a script, and what is wrong with it.

The checker walks the resolved tree (names already stand for what they mean, see ``resolve.py``) of
each variant of each probe, sets ``type`` on every expression, and learns the types of scratch
variables and maps.  A map may be read before the line that tells its type, so the walk is repeated
until nothing changes; types only ever grow (:func:`~prybee.language.types.promote`).
"""

from __future__ import annotations

from prybee.diagnostics import ERROR, WARNING, Diagnostic, ScriptError, did_you_mean
from prybee.language import tree
from prybee.language.script import MapSymbol, VariableSymbol
from prybee.language.types import (
    BOOL,
    BPF,
    INT8,
    INT64,
    KERNEL,
    NONE,
    NOWHERE,
    UINT8,
    UINT64,
    USER,
    AggregationType,
    ArrayType,
    BoolType,
    BufferType,
    EnumType,
    HistType,
    IntType,
    LhistType,
    Member,
    NoneType,
    PointerType,
    StackType,
    StringType,
    StructType,
    TimestampType,
    TseriesType,
    TupleType,
    Type,
    VoidType,
    aggregation_value,
    as_integer,
    common_integer,
    int_type,
    is_castable_aggregation,
    is_integer,
    is_scalar,
    literal_type,
    promote,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from prybee.diagnostics import Source, Span
    from prybee.language.config_table import Config
    from prybee.language.kernel_types import TypeTable
    from prybee.language.registry import Function, ProbeContext, Registry
    from prybee.language.script import Parameters, Variant
    from prybee.plan.target import Target

# More rounds than this mean that types chase each other; upstream's limit as well.
MAX_ROUNDS = 50

# As declared: `let @x = lruhash(100);`
MAP_KINDS = ("percpulruhash", "percpuhash", "lruhash", "hash")

CAST_WARNING = (
    "Expression of type: {} being cast to type: {}. This may cause unexpected results. "
    "Use an explicit cast to suppress this warning."
)


class Checker:
    """Checks one script for one target. Use :meth:`check_all`."""

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
        self.changed = False
        self.variant: Variant
        # Visible scratch variables, innermost block last: (id of the block, its names).
        self._scopes: list[tuple[int, dict[str, VariableSymbol]]] = []
        self._depth = 0
        self._loops = 0
        # How often each builtin is used in the handler, for those worth fetching once.
        self.final = False
        # The expression right of a plain `@x =`: the only place for an aggregation.
        self.assigned_to_map: tree.Expression | None = None

    # -- messages ------------------------------------------------------------------------------

    def error(
        self, node: tree.Node, message: str, *hints: str, notes: tuple[tuple[str, Span], ...] = ()
    ) -> None:
        """Note a mistake at ``node``; a second one with the same text and place is the same."""
        span = node.span(self.source)
        self.errors[message, node.start, node.end] = Diagnostic(ERROR, message, span, hints, notes)

    def warn(self, node: tree.Node, message: str, *hints: str) -> None:
        """Note something that works but may not be meant."""
        span = node.span(self.source)
        self.warnings[message, node.start, node.end] = Diagnostic(WARNING, message, span, hints)

    # -- whole scripts -------------------------------------------------------------------------

    def check_all(self, variants: Sequence[Variant]) -> None:
        """Check all handlers until types are settled.

        Raises:
            ScriptError: there are mistakes; all of those found in the last round.
        """
        for _round in range(MAX_ROUNDS):
            self.changed = False
            self.errors.clear()
            self.warnings.clear()
            for variant in variants:
                self.check_variant(variant)
            if not self.changed and not self._default_maps():
                break
        self._check_maps()
        if self.errors:
            raise ScriptError(sorted(self.errors.values(), key=_place))

    def _default_maps(self) -> bool:
        """Maps that are read and never written hold nothing: they read as zero."""
        changed = False
        for symbol in self.maps.values():
            if symbol.value_type is None and symbol.read_before:
                symbol.value_type = INT64
                symbol.unwritten = changed = True
        return changed

    def declare_maps(self, declarations: Sequence[tree.MapDeclaration]) -> None:
        """Take in the ``let @x = hash(100);`` of the script.

        Raises:
            ScriptError: a kind that does not exist, a map declared twice, no room in it.
        """
        errors = []
        for node in declarations:
            span = node.span(self.source)
            if node.kind not in MAP_KINDS:
                errors.append(
                    Diagnostic(
                        ERROR,
                        f"Invalid bpf map type: {node.kind}",
                        span,
                        (f"Valid map types: {', '.join(MAP_KINDS)}",),
                    )
                )
            if node.capacity < 1:
                errors.append(Diagnostic(ERROR, "A map has room for one entry at least", span))
            if node.name in self.maps:
                errors.append(Diagnostic(ERROR, f"Map {node.name} is declared twice", span))
            symbol = self.maps[node.name] = MapSymbol(node.name)
            symbol.declared_kind = node.kind
            symbol.declared_entries = node.capacity
            symbol.declared_span = span
        if errors:
            raise ScriptError(errors)

    def check_variant(self, variant: Variant) -> None:
        """Check one handler, with what is known of the maps so far."""
        self.variant = variant
        self._scopes = []
        self._depth = 0
        self._loops = 0
        probe = variant.probe
        if probe.predicate is not None:
            self.condition(probe.predicate, probe.predicate)
        self.block(probe.body)

    def _check_maps(self) -> None:
        for symbol in self.maps.values():
            if symbol.declared_span is not None:
                self._check_declaration(symbol)
            if symbol.unwritten and symbol.span is not None:
                message = f"Map {symbol.name} is read but never assigned a value."
                key = (message, symbol.span.start, symbol.span.end)
                self.warnings[key] = Diagnostic(WARNING, message, symbol.span)
            if symbol.written and self.errors:
                continue  # What is wrong with its values was said.
            if symbol.value_type is None and symbol.span is not None:
                message = f"Undefined map: {symbol.name}"
                key = (message, symbol.span.start, symbol.span.end)
                known = [m.name for m in self.maps.values() if m.value_type is not None]
                self.errors[key] = Diagnostic(
                    ERROR, message, symbol.span, _meant(symbol.name, known)
                )

    def _check_declaration(self, symbol: MapSymbol) -> None:
        span = symbol.declared_span
        assert span is not None
        key = (symbol.name, span.start, span.end)
        if symbol.span is None:
            self.warnings[key] = Diagnostic(WARNING, f"Unused map: {symbol.name}", span)
            return
        if symbol.value_type is None:
            return
        per_cpu = symbol.declared_kind.startswith("percpu")
        if per_cpu != symbol.is_aggregation:
            fitting = "percpuhash or percpulruhash" if symbol.is_aggregation else "hash or lruhash"
            self.errors[key] = Diagnostic(
                ERROR,
                f"Type mismatch for {symbol.name}: values of type '{symbol.value_type}' cannot "
                f"be kept in a {symbol.declared_kind}",
                span,
                (f"declare it as {fitting}",),
            )

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
            )
            return symbol
        if isinstance(type_, NoneType):
            return symbol
        if not _storable(type_):
            self.error(key, f"{_article(type_)} cannot be used as a map key")
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
            if joined != known:
                symbol.key_type = joined
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
            symbol.value_span = node.span(self.source)
            self.changed = True
            return
        joined = promote(known, type_)
        if joined is None:
            self.error(
                node,
                f"Type mismatch for {symbol.name}: trying to assign value of type '{type_}' "
                f"when map already has a type '{known}'",
            )
            return
        self._warn_sign(node, type_, joined)
        if joined != known:
            symbol.value_type = joined
            self.changed = True

    def _warn_sign(self, node: tree.Node, have: Type, want: Type) -> None:
        if have == UINT64 and want == INT64:
            self.warn(node, CAST_WARNING.format(have, want))

    def map_read(self, node: tree.Map | tree.MapAccess) -> Type:
        """The type that reading a map's value gives, where an aggregation counts as its integer."""
        type_ = self.map_reference(node)
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
            fits = _holds(as_integer(known), value.value)
        else:
            fits = joined is not None and (not symbol.fixed or _fits(type_, known))
        if not fits or joined is None:
            self.error(
                node,
                f"Type mismatch for {symbol.name}: trying to assign value of type '{type_}' "
                f"when variable already has a type '{known}'",
            )
            return
        if symbol.fixed:
            return
        self._warn_sign(node, type_, joined)
        if joined != known:
            symbol.type = joined
            self.changed = True

    # -- statements ----------------------------------------------------------------------------

    def block(self, node: tree.Block) -> Type:
        """Check a block in a scope of its own; its value's type."""
        self._scopes.append((id(node), {}))
        unreachable = False
        for statement in node.statements:
            if unreachable:
                self.warn(statement, "Unreachable statement.")
                unreachable = False
            self.statement(statement)
            if _leaves(statement):
                unreachable = True
        node.type = self.expression(node.value) if node.value is not None else NONE
        _block, names = self._scopes.pop()
        for symbol in names.values():
            if symbol.declared and not symbol.assigned and symbol.span is not None:
                message = f"Variable {symbol.name} was never assigned to."
                key = (message, symbol.span.start, symbol.span.end)
                self.warnings[key] = Diagnostic(WARNING, message, symbol.span)
        return node.type

    def statement(self, node: tree.Statement) -> None:
        """Check one statement."""
        _STATEMENTS[type(node)](self, node)

    def _expression_statement(self, node: tree.ExpressionStatement) -> None:
        expression = node.expression
        if isinstance(expression, tree.If):
            self._if(expression, used=False)
        elif isinstance(expression, tree.Block):
            self.block(expression)
        else:
            type_ = self.expression(expression)
            if not isinstance(type_, NoneType) and not self._has_effect(expression):
                self.warn(node, "Return value discarded.")

    def _has_effect(self, node: tree.Expression) -> bool:
        """Whether an expression is of use even where its value is not used."""
        if isinstance(node, tree.Call):
            function = self.registry.functions.get(node.name)
            return function is None or function.statement or function.effect
        return isinstance(node, tree.IncDec | tree.Map | tree.MapAccess)

    def _assign_scratch(self, node: tree.AssignScratch) -> None:
        name = node.target.name
        symbol = self._find(name)
        if node.op:
            if symbol is None:
                self._undefined(node.target)
                self.expression(node.value)
                return
            node.target.variable = symbol
            node.target.type = symbol.type or NONE
            symbol.read = True
            result = self._arithmetic(node, node.op, node.target, node.value)
            if symbol.fixed and is_integer(symbol.type) and is_integer(result):
                if result != symbol.type:
                    self.warn(node, CAST_WARNING.format(result, symbol.type))
                symbol.assigned = True
                return
            self._assign(symbol, result, node, node.value)
            return
        value = self.expression(node.value)
        if symbol is None:
            symbol = self._declare(node.target)
        node.target.variable = symbol
        self._assign(symbol, value, node, node.value)
        node.target.type = symbol.type or NONE

    def _declaration(self, node: tree.Declaration) -> None:
        name = node.variable.name
        earlier = self._find(name)
        if earlier is not None:
            self.error(
                node,
                f"Variable {name} was already declared. Variable shadowing is not allowed.",
                notes=_first(earlier, "This is the initial declaration."),
            )
        value = self.expression(node.value) if node.value is not None else None
        symbol = self._declare(node.variable)
        symbol.assigned = False
        symbol.declared = True
        node.variable.variable = symbol
        if node.annotation is not None:
            declared = self.type_expression(node.annotation)
            if value is not None and declared.size == 0:
                # `string` without a size takes the one of its value.
                declared = value if type(value) is type(declared) else declared
            symbol.fixed = True
            if symbol.type != declared and not isinstance(declared, NoneType):
                symbol.type = declared
                self.changed = True
        if value is not None and node.value is not None:
            self._assign(symbol, value, node, node.value)
        node.variable.type = symbol.type or NONE

    def _assign_map(self, node: tree.AssignMap) -> None:
        target = node.target
        if node.op:
            self.map_reference(target)
            symbol = self.map(target.map if isinstance(target, tree.MapAccess) else target)
            if symbol.value_type is None:
                # `@x += e` may be all that is said of @x.
                self.map_value(symbol, INT64 if node.op == "-" else UINT64, node)
            target.type = symbol.value_type or NONE
            self.map_value(symbol, self._arithmetic(node, node.op, target, node.value), node)
            return
        if isinstance(target, tree.MapAccess):
            symbol = self.map_key(target.map, target.key)
        else:
            symbol = self.map_scalar(target)
        symbol.written = True
        self.assigned_to_map = node.value
        value = self.expression(node.value)
        if isinstance(value, AggregationType) and not isinstance(node.value, tree.Call):
            self.error(node, f"Map value '{value}' cannot be assigned from one map to another.")
            return
        if (
            not isinstance(value, NoneType)
            and not _storable(value)
            and not isinstance(value, AggregationType)
        ):
            self.error(node, f"{_article(value)} cannot be stored in a map")
            return
        self.map_value(symbol, value, node)
        target.type = symbol.value_type or NONE

    def _discard(self, node: tree.Discard) -> None:
        self.expression(node.value)

    def _while(self, node: tree.While) -> None:
        self.warn(
            node,
            "While loops are deprecated and may be removed in the future.",
            "For loops support ranges (e.g. `for ($x : $start..$end) { ... }`), and can be used "
            "in place of while. These are more easily proven to be bounded by the verifier.",
        )
        self.condition(node.condition, node)
        self._loops += 1
        self.block(node.body)
        self._loops -= 1

    def _unroll(self, node: tree.Unroll) -> None:
        self.expression(node.count)
        count = node.count
        if not isinstance(count, tree.Integer):
            self.error(node, "invalid unroll value")
        elif count.value < 1:
            self.error(node, "unroll minimum value is 1")
        elif count.value > 100:
            self.error(node, "unroll maximum value is 100")
        self._loops += 1
        self.block(node.body)
        self._loops -= 1

    def _for(self, node: tree.For) -> None:
        iterable = node.iterable
        element: Type
        if isinstance(iterable, tree.Range):
            first = self.expression(iterable.first)
            limit = self.expression(iterable.limit)
            for bound, type_, word in (
                (iterable.first, first, "start"),
                (iterable.limit, limit, "end"),
            ):
                if not is_integer(type_) and not isinstance(type_, NoneType):
                    self.error(bound, f"Loop range requires an integer for the {word} value")
            element = INT64
            joined = (
                common_integer(as_integer(first), as_integer(limit))
                if is_integer(first) and is_integer(limit)
                else None
            )
            if joined is not None and not isinstance(iterable.first, tree.Integer):
                element = joined if joined.width == 8 else int_type(8, joined.signed)
        else:
            symbol = self.map(iterable)
            if symbol.keyed is None:
                symbol.keyed = True
                self.changed = True
            elif not symbol.keyed:
                self.error(
                    iterable,
                    f"{symbol.name} has no explicit keys (scalar map), and cannot be used for "
                    "iteration",
                )
            if isinstance(symbol.value_type, HistType | LhistType | StackType | TseriesType) and (
                isinstance(symbol.value_type, AggregationType)
            ):
                self.error(iterable, f"Loop expression does not support type: {symbol.value_type}")
            value = symbol.value_type or NONE
            if isinstance(value, AggregationType) and is_castable_aggregation(value):
                value = aggregation_value(value)
            iterable.type = symbol.value_type or NONE
            element = TupleType((symbol.key_type or NONE, value))
        earlier = self._find(node.variable.name)
        if earlier is not None:
            self.error(
                node.variable,
                f"Loop declaration shadows existing variable: {node.variable.name}",
                notes=_first(earlier, "This is the initial assignment."),
            )
        # The loop's variable lives in a scope around the body.
        self._scopes.append((id(node), {}))
        self._depth += 1
        loops, self._loops = self._loops, 1
        symbol_ = self._declare(node.variable)
        node.variable.variable = symbol_
        symbol_.fixed = True
        symbol_.assigned = True
        if symbol_.type != element:
            symbol_.type = element
            self.changed = True
        node.variable.type = element
        self.block(node.body)
        self._loops = loops
        self._depth -= 1
        self._scopes.pop()

    def _jump(self, node: tree.Break | tree.Continue) -> None:
        if not self._loops:
            word = "break" if isinstance(node, tree.Break) else "continue"
            self.error(node, f"'{word}' statement is not allowed in a probe")

    def _return(self, node: tree.Return) -> None:
        if node.value is not None:
            type_ = self.expression(node.value)
            if not is_integer(type_) and not isinstance(type_, NoneType):
                self.error(node, f"Probe return values can only be integers. Found {type_}")

    def _nothing(self, node: tree.Statement) -> None:
        self.error(node, "import statements only work at the top of a script")

    # -- expressions ---------------------------------------------------------------------------

    def expression(self, node: tree.Expression) -> Type:
        """Check an expression and set its type; :data:`NONE` where that is not known (yet)."""
        type_ = _EXPRESSIONS[type(node)](self, node)
        node.type = type_
        return type_

    def condition(self, node: tree.Expression, where: tree.Node) -> None:
        """Check an expression that decides."""
        type_ = self.expression(node)
        if not (is_integer(type_) or isinstance(type_, PointerType | NoneType)):
            kind = "string" if isinstance(type_, StringType) else str(type_)
            self.error(where, f"Invalid condition: {kind}")

    def _integer(self, node: tree.Integer) -> Type:
        suffix = node.suffix
        if suffix in ("u", "ul", "ull"):
            return UINT64 if suffix != "u" or node.value >> 32 else int_type(4, False)
        if suffix in ("l", "ll"):
            return INT64
        return literal_type(node.value)

    def _string(self, node: tree.String) -> Type:
        return StringType(len(node.data) + 1)

    def _boolean(self, node: tree.Boolean) -> Type:
        return BOOL

    def _identifier(self, node: tree.Identifier) -> Type:
        enumerator = self.types.enumerator(node.name)
        if enumerator is not None:
            return enumerator[1]
        known = [*self.registry.functions.names(), *self.types.constants]
        self.error(node, f"Unknown identifier: '{node.name}'", *_meant(node.name, known))
        return NONE

    def _scratch(self, node: tree.Scratch) -> Type:
        symbol = self._find(node.name)
        if symbol is None:
            self._undefined(node)
            return NONE
        symbol.read = True
        node.variable = symbol
        if symbol.declared and not symbol.assigned:
            self.warn(node, f"Variable used before it was assigned: {node.name}")
        return symbol.type or NONE

    def _is_void(self, call: tree.Call) -> bool:
        function = self.registry.functions.get(call.name)
        return function is not None and function.statement

    def _undefined(self, node: tree.Scratch) -> None:
        visible = [name for _block, names in self._scopes for name in names]
        self.error(
            node, f"Undefined or undeclared variable: {node.name}", *_meant(node.name, visible)
        )

    def _map(self, node: tree.Map) -> Type:
        return self.map_read(node)

    def _map_access(self, node: tree.MapAccess) -> Type:
        return self.map_read(node)

    def _field(self, node: tree.FieldAccess) -> Type:
        subject = self.expression(node.subject)
        name = node.field
        if isinstance(subject, PointerType):
            subject = subject.target
        if isinstance(subject, TupleType) and subject.names:
            if name in subject.names:
                return subject.elements[subject.names.index(name)]
            self.error(
                node,
                f"Record does not contain a field named '{name}'",
                *_meant(name, subject.names),
            )
            return NONE
        if isinstance(subject, StructType):
            member = self.member(subject, name)
            if member is None:
                self.error(
                    node,
                    f"Struct/union of type '{subject}' does not contain a field named '{name}'",
                    *_meant(name, list(subject.members)),
                )
                return NONE
            return self._member_type(node, member)
        if not isinstance(subject, NoneType):
            self.error(
                node,
                f"Can not access field '{name}' on expression of type '{subject}'",
            )
        return NONE

    def member(self, struct: StructType, name: str) -> Member | None:
        """The member of a struct, completing a forward declaration from the kernel's types."""
        return struct.members.get(name)

    def _member_type(self, node: tree.FieldAccess, member: Member) -> Type:
        """A member's type; a pointer inherits where it points from what it was found in."""
        type_ = member.type
        if isinstance(type_, PointerType) and type_.space == NOWHERE:
            space, trusted = self.space(node.subject)
            return PointerType(type_.target, space, trusted)
        return type_

    def space(self, node: tree.Expression) -> tuple[str, bool]:
        """Address space that an expression's memory lies in, and whether loads need no helper."""
        type_ = node.type
        if isinstance(type_, PointerType):
            return type_.space, type_.trusted
        if isinstance(node, tree.FieldAccess | tree.Index | tree.TupleAccess):
            return self.space(node.subject)
        if isinstance(node, tree.Unary) and node.op == "*":
            return self.space(node.operand)
        return self.context.space, False

    def _tuple_access(self, node: tree.TupleAccess) -> Type:
        subject = self.expression(node.subject)
        if isinstance(subject, NoneType):
            return NONE
        if not isinstance(subject, TupleType) or subject.names:
            self.error(
                node, f"Can not access index '{node.index}' on expression of type '{subject}'"
            )
            return NONE
        return self._element(node, subject, node.index)

    def _element(self, node: tree.Expression, tuple_: TupleType, index: int) -> Type:
        if index < len(tuple_.elements):
            return tuple_.elements[index]
        count = len(tuple_.elements)
        self.error(node, f"Invalid tuple index: {index}. Found {count} elements in tuple.")
        return NONE

    def _index(self, node: tree.Index) -> Type:
        subject = self.expression(node.subject)
        index = self.expression(node.index)
        if isinstance(subject, NoneType):
            return NONE
        literal = node.index.value if isinstance(node.index, tree.Integer) else None
        if not isinstance(index, NoneType) and (
            not is_integer(index) or (literal is not None and literal < 0)
        ):
            self.error(
                node,
                "The array index operator [] only accepts non-negative integer indices. "
                f"Got: {index}",
            )
            return NONE
        if isinstance(subject, ArrayType):
            if literal is not None and subject.count and literal >= subject.count:
                self.error(
                    node,
                    f"the index {literal} is out of bounds for array of size {subject.count}",
                )
            return self._element_type(node, subject.element)
        if isinstance(subject, TupleType) and literal is not None:
            return self._element(node, subject, literal)
        if isinstance(subject, StringType):
            if literal is not None and literal >= subject.capacity > 0:
                self.error(
                    node,
                    f"the index {literal} is out of bounds for array of size {subject.capacity}",
                )
            return INT8
        if isinstance(subject, PointerType):
            if isinstance(subject.target, VoidType):
                self.error(node, "Can not index a pointer to void; cast it first")
                return NONE
            return self._element_type(node, subject.target)
        self.error(
            node,
            "The array index operator [] can only be used on arrays, pointers, and tuples, found "
            f"{subject}.",
        )
        return NONE

    def _element_type(self, node: tree.Index, element: Type) -> Type:
        if isinstance(element, PointerType) and element.space == NOWHERE:
            space, _trusted = self.space(node.subject)
            return PointerType(element.target, space)
        return element

    def _incdec(self, node: tree.IncDec) -> Type:
        target = node.target
        if isinstance(target, tree.Scratch):
            type_ = self.expression(target)
            symbol = target.variable
            if isinstance(type_, NoneType):
                return NONE
            if isinstance(type_, PointerType):
                return type_
            if not isinstance(type_, IntType):
                self.error(
                    node,
                    f"The {node.op} operator can not be used on expressions of types '{type_}'",
                )
                return NONE
            if symbol is not None and not symbol.fixed and type_.width < 8:
                grown = int_type(8, type_.signed)
                symbol.type = grown
                self.changed = True
                return grown
            return type_
        assert isinstance(target, tree.Map | tree.MapAccess)
        self.map_reference(target)
        map_symbol = self.map(target.map if isinstance(target, tree.MapAccess) else target)
        if map_symbol.value_type is None:
            self.map_value(map_symbol, UINT64 if node.op == "++" else INT64, node)
        known = map_symbol.value_type
        if isinstance(known, PointerType):
            return known
        if isinstance(known, AggregationType) or not is_integer(known):
            self.error(
                node,
                f"Type mismatch for {map_symbol.name}: trying to assign value of type 'uint64' "
                f"when map already has a type '{known}'",
            )
            return NONE
        assert isinstance(known, IntType)
        if known.width < 8:
            self.map_value(map_symbol, int_type(8, known.signed or node.op == "--"), node)
        target.type = map_symbol.value_type or NONE
        return target.type

    def _call(self, node: tree.Call) -> Type:
        function = self.registry.functions.get(node.name)
        if function is None:
            for argument in node.args:
                if isinstance(argument, tree.Expression) and not isinstance(argument, tree.Map):
                    self.expression(argument)
            self.error(
                node,
                f"Unknown function: '{node.name}'",
                *_meant(node.name, self.registry.functions.names()),
            )
            return NONE
        least, most = function.arguments
        given = len(node.args)
        if given < least or (most is not None and given > most):
            self._wrong_count(node, function, given)
            return NONE
        if function.unsafe and not self.unsafe:
            self.error(
                node,
                f"{node.name}() is an unsafe function being used in safe mode",
                "run with --unsafe to allow it",
            )
        if function.probes and self.context.provider not in function.probes:
            self._wrong_probe(node, function)
        if not function.raw_arguments:
            for argument in node.args:
                if isinstance(argument, tree.Expression):
                    self.expression(argument)
                else:
                    self.error(argument, f"{node.name}() does not take a type")
        type_ = function.check(node, self)
        if isinstance(type_, AggregationType) and self.assigned_to_map is not node:
            self.error(node, f"{node.name}() must be assigned directly to a map")
            return NONE
        return type_

    def _wrong_count(self, node: tree.Call, function: Function, given: int) -> None:
        least, most = function.arguments
        if function.variable and most == 0:
            self.error(node, f"{node.name} takes no arguments ({given} provided)")
            return
        if least == most:
            wanted = "one argument" if least == 1 else f"{least} arguments"
            wanted = "no arguments" if least == 0 else wanted
            text = f"{node.name}() requires {wanted} ({given} provided)"
        elif given < least:
            wanted = "one argument" if least == 1 else f"{least} arguments"
            text = f"{node.name}() requires at least {wanted} ({given} provided)"
        else:
            wanted = "one argument" if most == 1 else f"{most} arguments"
            text = f"{node.name}() takes up to {wanted} ({given} provided)"
        self.error(node, text, f"usage: {function.signature}")

    def _wrong_probe(self, node: tree.Call, function: Function) -> None:
        name = node.name if function.variable else f"{node.name}()"
        self.error(
            node,
            f'{name} can not be used with "{self.context.provider}" probes',
            f"it works in: {', '.join(function.probes)}",
        )

    def _unary(self, node: tree.Unary) -> Type:
        type_ = self.expression(node.operand)
        if isinstance(type_, NoneType):
            return NONE
        if node.op == "!":
            if not (is_integer(type_) or isinstance(type_, PointerType)):
                return self._bad_operand(node, type_)
            return BOOL
        if node.op == "*":
            return self._dereference(node, type_)
        if not is_integer(type_):
            return self._bad_operand(node, type_)
        integer = as_integer(type_)
        return INT64 if integer.signed else int_type(integer.width, False)

    def _bad_operand(self, node: tree.Unary, type_: Type) -> Type:
        self.error(node, f"The {node.op} operator can not be used on expressions of type '{type_}'")
        return NONE

    def _dereference(self, node: tree.Unary, type_: Type) -> Type:
        if isinstance(type_, PointerType):
            target = type_.target
            if isinstance(target, VoidType):
                self.error(node, "Can not dereference a pointer to void; cast it first")
                return NONE
            if isinstance(target, PointerType) and target.space == NOWHERE:
                return PointerType(target.target, type_.space)
            return target
        if is_integer(type_):
            # `*addr` of a plain number: one 8-byte word, as upstream has it.
            return UINT64
        self.error(node, f"Can not dereference type '{type_}'. It's not a pointer.")
        return NONE

    def _address_of(self, node: tree.AddressOf) -> Type:
        target = node.target
        if isinstance(target, tree.Map):
            symbol = self.map_scalar(target)
            return PointerType(symbol.value_type or NONE, BPF)
        type_ = self.expression(target)
        if target.variable is not None:
            target.variable.captured = True
            target.variable.assigned = True
        return PointerType(type_, BPF)

    def _binary(self, node: tree.Binary) -> Type:
        return self._arithmetic(node, node.op, node.left, node.right)

    def _arithmetic(
        self, node: tree.Node, op: str, left: tree.Expression, right: tree.Expression
    ) -> Type:
        """The type of ``left op right``; both sides are checked here."""
        a = self._operand(left)
        b = self._operand(right)
        if isinstance(a, NoneType) or isinstance(b, NoneType):
            return BOOL if op in _LOGICAL or op in _COMPARE else NONE
        if op in _LOGICAL:
            for side, type_ in ((left, a), (right, b)):
                if not (is_integer(type_) or isinstance(type_, PointerType)):
                    self.error(
                        side,
                        f"The {op} operator can not be used on expressions of types "
                        f"'{a}' and '{b}'",
                    )
            return BOOL
        if isinstance(a, PointerType) or isinstance(b, PointerType):
            return self._pointer_arithmetic(node, op, a, b)
        if is_integer(a) and is_integer(b):
            return self._integer_arithmetic(node, op, left, right, as_integer(a), as_integer(b))
        if op in ("==", "!=") and self._comparable(a, b):
            return BOOL
        if isinstance(a, TimestampType) and isinstance(b, TimestampType) and op == "-":
            return INT64
        if type(a) is not type(b):
            self.error(
                node,
                f"Type mismatch for '{op}': comparing {a} with {b}",
                notes=(
                    (f"left ({a})", left.span(self.source)),
                    (f"right ({b})", right.span(self.source)),
                ),
            )
        else:
            self.error(
                node,
                f"The {op} operator can not be used on expressions of types '{a}' and '{b}'",
            )
        return BOOL if op in _COMPARE else NONE

    def _operand(self, node: tree.Expression) -> Type:
        if isinstance(node, tree.Map | tree.MapAccess):
            return self.map_read(node)
        return self.expression(node)

    def _comparable(self, a: Type, b: Type) -> bool:
        if isinstance(a, StringType) and isinstance(b, StringType):
            return True
        if isinstance(a, ArrayType) and isinstance(b, ArrayType):
            return a.count == b.count and is_integer(a.element) and a.element == b.element
        if isinstance(a, TupleType) and isinstance(b, TupleType):
            return promote(a, b) is not None
        return isinstance(a, BufferType) and isinstance(b, BufferType)

    def _pointer_arithmetic(self, node: tree.Node, op: str, a: Type, b: Type) -> Type:
        if op in _COMPARE:
            both = isinstance(a, PointerType) and isinstance(b, PointerType)
            if both or is_integer(a) or is_integer(b):
                return BOOL
        elif op == "+" and isinstance(a, PointerType) and is_integer(b):
            return a
        elif op == "+" and is_integer(a) and isinstance(b, PointerType):
            return b
        elif op == "-" and isinstance(a, PointerType) and is_integer(b):
            return a
        elif op == "-" and isinstance(a, PointerType) and isinstance(b, PointerType):
            return INT64
        elif (is_integer(a) or isinstance(a, PointerType)) and (
            is_integer(b) or isinstance(b, PointerType)
        ):
            return UINT64
        self.error(
            node, f"The {op} operator can not be used on expressions of types '{a}' and '{b}'"
        )
        return NONE

    def _integer_arithmetic(
        self,
        node: tree.Node,
        op: str,
        left: tree.Expression,
        right: tree.Expression,
        a: IntType,
        b: IntType,
    ) -> Type:
        # A literal that is not negative takes the other side's sign.
        signed_a = a.signed and not (_natural(left) and not b.signed)
        signed_b = b.signed and not (_natural(right) and not a.signed)
        mixed = signed_a != signed_b
        if op in _COMPARE:
            if mixed:
                self._warn_mixed(left, right, a, b)
            return BOOL
        if op == "-":
            if mixed:
                self._warn_mixed(left, right, a, b)
            return INT64
        if mixed:
            self._warn_mixed(left, right, a, b)
            return INT64
        if a.tag and a.tag == b.tag:
            return IntType(8, signed_a, a.tag)
        if (a.tag or b.tag) and op in "+-":
            return IntType(8, False, a.tag or b.tag)
        return INT64 if signed_a or signed_b else UINT64

    def _warn_mixed(
        self, left: tree.Expression, right: tree.Expression, a: IntType, b: IntType
    ) -> None:
        for side, type_ in ((left, a), (right, b)):
            if type_ == UINT64:
                self.warn(side, CAST_WARNING.format(type_, INT64))

    def _ternary(self, node: tree.Ternary) -> Type:
        self.condition(node.condition, node)
        then = self.expression(node.then) if node.then is not None else node.condition.type
        otherwise = self.expression(node.otherwise)
        return self._join(node, then, otherwise)

    def _if(self, node: tree.If, used: bool = True) -> Type:
        self.condition(node.condition, node)
        then = self.block(node.then)
        otherwise: Type = NONE
        if isinstance(node.otherwise, tree.If):
            otherwise = self._if(node.otherwise, used)
        elif node.otherwise is not None:
            otherwise = self.block(node.otherwise)
        node.type = self._join(node, then, otherwise) if used else NONE
        return node.type

    def _join(self, node: tree.Node, then: Type, otherwise: Type) -> Type:
        if isinstance(then, NoneType) or isinstance(otherwise, NoneType):
            return NONE
        joined = promote(then, otherwise)
        if joined is None:
            self.error(
                node,
                "Branches must return the same type or compatible types: have "
                f"'{then}' and '{otherwise}'",
            )
            return NONE
        return joined

    def _cast(self, node: tree.Cast) -> Type:
        have = self.expression(node.operand)
        want = self.type_expression(node.target)
        if isinstance(have, NoneType) or isinstance(want, NoneType):
            return want
        if isinstance(want, ArrayType) and want.count == 0:
            want = self._sized_array(node, want, have)
        if isinstance(want, StringType) and want.capacity == 0 and isinstance(have, StringType):
            want = have
        if self._same_type(node.operand, have, want):
            self.warn(node, f"Unnecessary cast: expression is already of type {want}")
        if isinstance(want, PointerType) and want.space == NOWHERE:
            if isinstance(have, PointerType):
                space = have.space
                trusted = have.trusted and have.target == want.target
            else:
                # kptr() and uptr() tag plain numbers, too.
                space, trusted = self.context.space, False
                if isinstance(have, IntType) and have.tag in (KERNEL, USER):
                    space = have.tag
            return PointerType(want.target, space, trusted)
        if isinstance(want, PointerType):
            return want
        if not self._castable(have, want):
            self.error(node, f'Cannot cast from "{have}" to "{want}"')
        return want

    def _same_type(self, operand: tree.Expression, have: Type, want: Type) -> bool:
        """Whether a cast changes nothing; of an aggregation it asks for the value."""
        if isinstance(operand, tree.Map | tree.MapAccess):
            map_ = operand.map if isinstance(operand, tree.MapAccess) else operand
            if self.map(map_).is_aggregation:
                return False
        if isinstance(have, PointerType) and isinstance(want, PointerType):
            return have.target == want.target and not isinstance(want.target, VoidType)
        return have == want and not isinstance(want, StringType)

    def _sized_array(self, node: tree.Cast, want: ArrayType, have: Type) -> Type:
        element = want.element.size
        if element and have.size and have.size % element == 0:
            return ArrayType(want.element, have.size // element)
        self.error(node, f'Cannot determine size of "{want}" from "{have}"')
        return want

    def _castable(self, have: Type, want: Type) -> bool:
        if is_integer(want):
            if is_integer(have) or isinstance(have, PointerType | TimestampType):
                return True
            if isinstance(have, ArrayType) and is_integer(have.element):
                return have.size == want.size or (have.size <= 8 and want.size == have.size)
            return is_scalar(have) and want.size == 8
        if isinstance(want, ArrayType):
            if is_integer(have):
                return want.size in (1, 2, 4, 8) and want.size >= have.size
            if isinstance(have, StringType):
                return want.element in (INT8, UINT8) and want.count >= have.capacity
            return isinstance(have, ArrayType) and want.size == have.size
        if isinstance(want, StringType):
            return isinstance(have, StringType) and want.capacity >= have.capacity
        if isinstance(want, BufferType):
            return isinstance(have, BufferType | ArrayType | StringType)
        if isinstance(want, StructType):
            return have == want
        return type(have) is type(want)

    def _sizeof(self, node: tree.Sizeof) -> Type:
        subject = node.subject
        if isinstance(subject, tree.TypeExpression):
            subject.type = self.type_expression(subject)
        else:
            self.expression(subject)
        return UINT64

    def _offsetof(self, node: tree.Offsetof) -> Type:
        subject = node.subject
        if isinstance(subject, tree.TypeExpression):
            type_ = subject.type = self.type_expression(subject)
        else:
            type_ = self.expression(subject)
        offset_in(self, node, type_)
        return UINT64

    def _tuple(self, node: tree.TupleLiteral) -> Type:
        elements = tuple(self._part(element) for element in node.elements)
        return TupleType(elements) if not any(isinstance(e, NoneType) for e in elements) else NONE

    def _record(self, node: tree.RecordLiteral) -> Type:
        elements = tuple(self._part(field.value) for field in node.elements)
        if any(isinstance(e, NoneType) for e in elements):
            return NONE
        return TupleType(elements, tuple(field.name for field in node.elements))

    def _part(self, node: tree.Expression) -> Type:
        type_ = self.expression(node)
        if isinstance(type_, AggregationType):
            self.error(node, f"Map type {type_} cannot exist inside a tuple.")
            return NONE
        if isinstance(type_, NoneType):
            if isinstance(node, tree.Call) and not self.errors:
                self.error(node, "Tuple cannot contain a function that returns nothing")
            return NONE
        return type_

    def _comptime(self, node: tree.Comptime) -> Type:
        type_ = self.expression(node.operand)
        if not isinstance(node.operand, tree.Integer | tree.Boolean | tree.String):
            self.error(node, "Unable to resolve comptime expression")
        return type_

    def _typeinfo(self, node: tree.Typeinfo) -> Type:
        self.error(
            node,
            "typeinfo is not available in this release",
            "compare sizes with sizeof(), or use a cast",
        )
        return NONE

    def type_expression(self, node: tree.TypeExpression) -> Type:
        """The type that a type name means; :data:`NONE`, with an error, where there is none."""
        if isinstance(node, tree.Typeof):
            subject = node.subject
            type_ = (
                self.type_expression(subject)
                if isinstance(subject, tree.TypeExpression)
                else self.expression(subject)
            )
        else:
            type_ = self.types.resolve(node, self)
        node.type = type_
        return type_


_LOGICAL = frozenset(("&&", "||"))
_COMPARE = frozenset(("==", "!=", "<", ">", "<=", ">="))


def _place(diagnostic: Diagnostic) -> tuple[int, int]:
    span = diagnostic.span
    return (span.start, span.end) if span is not None else (0, 0)


def _meant(word: str, known: Any) -> tuple[str, ...]:
    found = did_you_mean(word, known)
    return (f"did you mean {' or '.join(repr(name) for name in found)}?",) if found else ()


def _natural(node: tree.Expression) -> bool:
    return isinstance(node, tree.Integer) and node.value >= 0 and not node.suffix.endswith("l")


def _storable(type_: Type) -> bool:
    return not isinstance(type_, NoneType | VoidType | AggregationType) and type_.size > 0


def _article(type_: Type) -> str:
    return f"A value of type '{type_}'"


def _fits(type_: Type, declared: Type) -> bool:
    """Whether a value of ``type_`` can go, unchanged, where ``declared`` is."""
    return promote(declared, type_) == declared or (
        isinstance(declared, PointerType) and isinstance(type_, PointerType)
    )


def _holds(type_: IntType, value: int) -> bool:
    """Whether an integer type has ``value`` among its values."""
    bits = type_.width * 8
    if type_.signed:
        return -(1 << (bits - 1)) <= value < 1 << (bits - 1)
    return 0 <= value < 1 << bits


def _first(symbol: VariableSymbol, text: str) -> tuple[tuple[str, Span], ...]:
    return ((text, symbol.span),) if symbol.span is not None else ()


def _leaves(statement: tree.Statement) -> bool:
    """Whether nothing after ``statement`` in its block is reached."""
    if isinstance(statement, tree.Return | tree.Break | tree.Continue):
        return True
    return (
        isinstance(statement, tree.ExpressionStatement)
        and isinstance(statement.expression, tree.Call)
        and statement.expression.name == "exit"
    )


def offset_in(checker: Checker, node: tree.Offsetof, type_: Type) -> int:
    """The byte offset that an ``offsetof`` means; errors go to the checker."""
    total = 0
    for name in node.path:
        if isinstance(type_, PointerType):
            type_ = type_.target
        if isinstance(type_, TupleType) and name in type_.names:
            index = type_.names.index(name)
            total += type_.offsets[index]
            type_ = type_.elements[index]
            continue
        if not isinstance(type_, StructType):
            if not isinstance(type_, NoneType):
                checker.error(node, f"'{type_}' is not a C type.")
            return 0
        member = type_.members.get(name)
        if member is None:
            checker.error(
                node,
                f"'{type_}' has no field named '{name}'",
                *_meant(name, list(type_.members)),
            )
            return 0
        if member.bit_size:
            checker.error(node, f"'{name}' is a bitfield: it has no offset in bytes")
        total += member.offset
        type_ = member.type
    return total


_STATEMENTS: dict[type[tree.Statement], Callable[[Checker, Any], None]] = {
    tree.ExpressionStatement: Checker._expression_statement,
    tree.AssignScratch: Checker._assign_scratch,
    tree.AssignMap: Checker._assign_map,
    tree.Declaration: Checker._declaration,
    tree.Discard: Checker._discard,
    tree.While: Checker._while,
    tree.Unroll: Checker._unroll,
    tree.For: Checker._for,
    tree.Break: Checker._jump,
    tree.Continue: Checker._jump,
    tree.Return: Checker._return,
    tree.Import: Checker._nothing,
}

_EXPRESSIONS: dict[type[tree.Expression], Callable[[Checker, Any], Type]] = {
    tree.Integer: Checker._integer,
    tree.String: Checker._string,
    tree.Boolean: Checker._boolean,
    tree.Identifier: Checker._identifier,
    tree.Scratch: Checker._scratch,
    tree.Map: Checker._map,
    tree.MapAccess: Checker._map_access,
    tree.FieldAccess: Checker._field,
    tree.TupleAccess: Checker._tuple_access,
    tree.Index: Checker._index,
    tree.IncDec: Checker._incdec,
    tree.Call: Checker._call,
    tree.Unary: Checker._unary,
    tree.AddressOf: Checker._address_of,
    tree.Binary: Checker._binary,
    tree.Ternary: Checker._ternary,
    tree.If: Checker._if,
    tree.Block: Checker.block,
    tree.Cast: Checker._cast,
    tree.Sizeof: Checker._sizeof,
    tree.Offsetof: Checker._offsetof,
    tree.Typeinfo: Checker._typeinfo,
    tree.Comptime: Checker._comptime,
    tree.TupleLiteral: Checker._tuple,
    tree.RecordLiteral: Checker._record,
}

__all__ = ["BoolType", "Checker", "EnumType", "offset_in"]
