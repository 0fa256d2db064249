"""Functions of the script (``fn``): their calls, and their bodies.

A body is checked for each handler that calls it, in that handler's context: ``args`` means there
what it means in the handler.
"""

from __future__ import annotations

from prybee.language import tree
from prybee.language.checking.statements import Statements
from prybee.language.types import NONE, NoneType, Type, VoidType, is_integer, is_scalar, promote

# BPF functions take five registers; the first one is the probe's context.
MOST_PARAMETERS = 4


class Subprograms(Statements):
    """Checks functions."""

    def own_call(self, node: tree.Call, subprogram: tree.Subprogram) -> Type:
        """Check a call of a function of the script; the type of what it returns."""
        name, parameters = subprogram.name, subprogram.parameters
        given = [
            self.expression(argument)
            if isinstance(argument, tree.Expression)
            else self.type_expression(argument)
            for argument in node.args
        ]
        if len(given) != len(parameters):
            self.error(
                node,
                f"{name}() requires {len(parameters)} arguments ({len(given)} provided)",
                notes=(("It is defined here.", subprogram.span(self.source)),),
            )
            return NONE
        if name in self._calling:
            chain = " > ".join((*self._calling, name))
            self.error(node, f"Functions cannot call themselves. Call chain: {chain}")
            return NONE
        if not self._body(subprogram):
            return NONE
        for argument, type_, parameter in zip(node.args, given, parameters, strict=True):
            wanted = parameter.annotation.type
            if isinstance(type_, NoneType) or (is_integer(type_) and is_integer(wanted)):
                continue
            if promote(wanted, type_) is None:
                self.error(
                    argument,
                    f"{name}() expects {wanted} for {parameter.variable.name}, not {type_}",
                )
        returns = subprogram.returns.type
        return NONE if isinstance(returns, VoidType) else returns

    def _body(self, subprogram: tree.Subprogram) -> bool:
        """Check a function's body once for the handler; false where it cannot be a function."""
        name = subprogram.name
        if name in self._checked:
            return self._checked[name]
        self._checked[name] = False
        if not self._signature(subprogram):
            return False
        outer = self._scopes, self._depth, self._loops, self._returns
        self._scopes, self._depth, self._loops = [(id(subprogram), {})], 0, 0
        self._returns = subprogram.returns.type
        self._calling.append(name)
        for parameter in subprogram.parameters:
            symbol = self._declare(parameter.variable)
            symbol.type = parameter.annotation.type
            symbol.fixed = symbol.assigned = True
            parameter.variable.variable = symbol
        self.block(subprogram.body)
        self._calling.pop()
        self._scopes, self._depth, self._loops, self._returns = outer
        self._checked[name] = True
        return True

    def _signature(self, subprogram: tree.Subprogram) -> bool:
        fits = True
        if len(subprogram.parameters) > MOST_PARAMETERS:
            self.error(
                subprogram,
                f"Functions take up to {MOST_PARAMETERS} arguments",
                "write it as a macro",
            )
            fits = False
        for parameter in subprogram.parameters:
            type_ = self.type_expression(parameter.annotation)
            if not is_scalar(type_):
                fits = False
                if not isinstance(type_, NoneType):
                    self._no_scalar(parameter.annotation, type_, "take")
        type_ = self.type_expression(subprogram.returns)
        if not is_scalar(type_) and not isinstance(type_, VoidType):
            fits = False
            if not isinstance(type_, NoneType):
                self._no_scalar(subprogram.returns, type_, "return")
        return fits

    def _no_scalar(self, node: tree.Node, type_: Type, verb: str) -> None:
        self.error(
            node,
            f"Functions {verb} numbers and pointers only, not {type_}",
            "write it as a macro, which takes anything",
        )
