"""Types of everything in a script, and what is wrong with it.

The checker walks the resolved tree (names already stand for what they mean, see ``resolve.py``) of
each variant of each probe, sets ``type`` on every expression, and learns the types of scratch
variables and maps.  A map may be read before the line that tells its type, so the walk is repeated
until nothing changes; types only ever grow (:func:`~prybee.language.types.promote`).
"""

from __future__ import annotations

from prybee.diagnostics import ERROR, WARNING, Diagnostic, ScriptError
from prybee.language import tree
from prybee.language.checking.nothing import used_as_values
from prybee.language.checking.rules import TYPE_AS_VALUE, meant
from prybee.language.checking.subprograms import Subprograms
from prybee.language.checking.unlikely import unlikely
from prybee.language.checking.values import offset_in
from prybee.language.library import INDEX as LIBRARY
from prybee.language.script import MapSymbol
from prybee.language.types import INT64, NONE, AggregationType, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from prybee.language.registry import Function
    from prybee.language.script import Variant

# More rounds than this mean that types chase each other; upstream's limit as well.
MAX_ROUNDS = 50

# bpftrace's words for functions, and for the macros of its library.
_UNSAFE_WORDS = (
    "is an unsafe function being used in safe mode",
    "is unsafe. To use you need the --unsafe flag",
)
_UNSAFE_MACROS = frozenset(("override", "signal", "signal_thread", "write_user"))

# As declared: `let @x = lruhash(100);`
MAP_KINDS = ("percpulruhash", "percpuhash", "lruhash", "hash")


class Checker(Subprograms):
    """Checks one script for one target. Use :meth:`check_all`."""

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
            self._wrong.clear()
            for variant in variants:
                self.check_variant(variant)
            if not self.changed and not self._default_maps():
                break
        self._check_maps()
        if not self.errors:
            for variant in variants:
                for node, name in used_as_values(variant.probe):
                    self.error(node, f"{name} gives nothing: it cannot be used as a value")
                for unit, message, hint in unlikely(variant.probe, self.source):
                    self.warn(unit, message, *([hint] if hint else []))
        if self.errors:
            raise ScriptError(sorted(map(self._counted, self.errors.items()), key=_place))

    def tell_unused(self, variants: Sequence[Variant]) -> None:
        """Warn of variables that get a value which nothing looks at."""
        for variant in variants:
            for symbol in variant.symbols.values():
                # Those of loops and parameters have their place by the form of the language.
                given = symbol.fixed and not symbol.declared
                if symbol.read or given or symbol.span is None or "." in symbol.name:
                    continue
                message = f"Variable {symbol.name} is never used."
                key = (message, symbol.span.start, symbol.span.end)
                hint = "`_ = …;` is a value that nobody wants"
                self.warnings[key] = Diagnostic(WARNING, message, symbol.span, (hint,))

    def _counted(self, error: tuple[tuple[str, int, int], Diagnostic]) -> Diagnostic:
        """A mistake, and for how many probes it is one where a handler stands for several."""
        (message, start, end), diagnostic = error
        variants = self._wrong.get((start, end), {})
        if len(variants) < 2 or next(iter(variants.values())) != message:
            return diagnostic
        hint = f"the same is wrong for {len(variants) - 1} more of the probes that match here"
        return diagnostic.replace(hints=(*diagnostic.hints, hint))

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
        self._checked = {}
        probe = variant.probe
        if probe.predicate is not None:
            variant.never = self.answer(probe.predicate) is False
            if variant.never:
                return
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
                    ERROR, message, symbol.span, meant(symbol.name, known)
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

    # -- expressions ---------------------------------------------------------------------------

    def expression(self, node: tree.Expression) -> Type:
        """Check an expression and set its type; :data:`NONE` where that is not known (yet)."""
        type_ = _EXPRESSIONS.get(type(node), Checker._type_as_value)(self, node)
        node.type = type_
        return type_

    def _event_fields(self) -> list[str]:
        """The fields of the tracepoint being handled, the first of several."""
        kind, *names = self.variant.matches[0].name.split(":")
        if kind != "tracepoint" or len(names) != 2:
            return []
        return [field.name for field in self.target.tracepoint_format(*names) or ()]

    def _identifier(self, node: tree.Identifier) -> Type:
        enumerator = self.types.enumerator(node.name)
        if enumerator is not None:
            return enumerator[1]
        hints = self.types.hints(node.name)
        if not hints:
            from prybee.language import slips

            hints = slips.name(
                node.name,
                [*self.registry.functions.names(), *LIBRARY],
                self.types.constants,
                self._event_fields(),
                self.types.btf,
            )
        self.error(node, f"Unknown identifier: '{node.name}'", *hints)
        return NONE

    def _type_as_value(self, node: tree.Expression) -> Type:
        """A macro's type parameter, where a value is wanted."""
        self.error(node, TYPE_AS_VALUE)
        return NONE

    def _call(self, node: tree.Call) -> Type:
        subprogram = self.subprograms.get(node.name)
        if subprogram is not None:
            return self.own_call(node, subprogram)
        function = self.registry.functions.get(node.name)
        if function is None:
            for argument in node.args:
                if isinstance(argument, tree.Expression) and not isinstance(argument, tree.Map):
                    self.expression(argument)
            self.error(
                node,
                f"Unknown function: '{node.name}'",
                *meant(node.name, [*self.registry.functions.names(), *LIBRARY]),
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
                f"{node.name}() {_UNSAFE_WORDS[node.name in _UNSAFE_MACROS]}",
                "run with --unsafe to allow it",
            )
        if function.probes and self.context.provider not in function.probes:
            self._wrong_probe(node, function)
            return NONE
        if not function.raw_arguments:
            values = True
            for argument in node.args:
                if isinstance(argument, tree.Expression):
                    self.expression(argument)
                else:
                    values = False
                    self.error(argument, TYPE_AS_VALUE)
            if not values:
                return NONE
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


def _place(diagnostic: Diagnostic) -> tuple[int, int]:
    span = diagnostic.span
    return span.place if span is not None else (0, 0)


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

__all__ = ["Checker", "offset_in"]
