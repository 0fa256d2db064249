"""Checks of statements, and the scopes that blocks open."""

from __future__ import annotations

from prybee.diagnostics import WARNING, Diagnostic
from prybee.language import tree
from prybee.language.checking.compile_time import CompileTime
from prybee.language.checking.rules import CAST_WARNING, article, first_use, plain, storable
from prybee.language.types import (
    INT64,
    NONE,
    NOWHERE,
    UINT64,
    AggregationType,
    NoneType,
    PointerType,
    TupleType,
    Type,
    VoidType,
    aggregation_value,
    as_integer,
    common_integer,
    int_type,
    is_castable_aggregation,
    is_integer,
    promote,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Statements(CompileTime):
    """Checks statements."""

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
                message = plain(f"Variable {symbol.name} was never assigned to.")
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
            if expression.value is not None:
                # A macro's argument that has become a statement: so does its last expression.
                value, expression.value = expression.value, None
                last = tree.ExpressionStatement(value, value.start, value.end)
                expression.statements.append(last)
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
                notes=first_use(earlier, "This is the initial declaration."),
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
            if isinstance(declared, PointerType) and declared.space == NOWHERE:
                # An earlier round may know already where its values point.
                known = symbol.type
                if isinstance(known, PointerType) and known.target == declared.target:
                    declared = known
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
        last = node.value.result if isinstance(node.value, tree.Block) else node.value
        self.assigned_to_map = last
        value = self.expression(node.value)
        if isinstance(value, AggregationType) and not isinstance(last, tree.Call):
            self.error(node, f"Map value '{value}' cannot be assigned from one map to another.")
            return
        if (
            not isinstance(value, NoneType)
            and not storable(value)
            and not isinstance(value, AggregationType)
        ):
            self.error(node, f"{article(value)} cannot be stored in a map")
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
            if isinstance(symbol.value_type, AggregationType) and not is_castable_aggregation(
                symbol.value_type
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
                notes=first_use(earlier, "This is the initial assignment."),
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
            if self._returns is not None:
                self._return_own(node, type_, self._returns)
            elif not is_integer(type_) and not isinstance(type_, NoneType):
                self.error(node, f"Probe return values can only be integers. Found {type_}")
            elif self.context.decides and not self.unsafe and not _is_zero(node.value):
                self.error(
                    node,
                    f"{self.context.provider} handlers that return anything but 0 change what the "
                    "system does. To use that you need the --unsafe flag.",
                )

    def _return_own(self, node: tree.Return, type_: Type, wanted: Type) -> None:
        """``return value`` of a function of the script."""
        if isinstance(type_, NoneType) or (is_integer(type_) and is_integer(wanted)):
            return
        if isinstance(wanted, VoidType) or promote(wanted, type_) is None:
            self.error(node, f"The function returns {wanted}, not {type_}")

    def _nothing(self, node: tree.Statement) -> None:
        self.error(node, "import statements only work at the top of a script")


def _is_zero(value: tree.Expression) -> bool:
    return isinstance(value, tree.Integer) and value.value == 0


def _leaves(statement: tree.Statement) -> bool:
    """Whether nothing after ``statement`` in its block is reached."""
    if isinstance(statement, tree.Return | tree.Break | tree.Continue):
        return True
    return (
        isinstance(statement, tree.ExpressionStatement)
        and isinstance(statement.expression, tree.Call)
        and statement.expression.name == "exit"
    )


_STATEMENTS: dict[type[tree.Statement], Callable[[Statements, Any], None]] = {
    tree.ExpressionStatement: Statements._expression_statement,
    tree.AssignScratch: Statements._assign_scratch,
    tree.AssignMap: Statements._assign_map,
    tree.Declaration: Statements._declaration,
    tree.Discard: Statements._discard,
    tree.While: Statements._while,
    tree.Unroll: Statements._unroll,
    tree.For: Statements._for,
    tree.Break: Statements._jump,
    tree.Continue: Statements._jump,
    tree.Return: Statements._return,
    tree.Import: Statements._nothing,
}
