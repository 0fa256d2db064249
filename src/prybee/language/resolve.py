"""Names become what they stand for, and constant expressions become literals.

This is the pass between parsing and checking.  After it, what was a bare name is a call of a
builtin, a literal, or an enumerator; macros are expanded; positional parameters are literals;
``1 + 2`` is ``3``.  An :class:`~prybee.language.tree.Identifier` that is left means nothing, or is
a mode such as ``perf`` in ``kstack(perf)``.
"""

from __future__ import annotations

import re

from prybee.diagnostics import ERROR, WARNING, Diagnostic, ScriptError
from prybee.language import tree
from prybee.language.macros import Macros

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from prybee.diagnostics import Source
    from prybee.language.kernel_types import TypeTable
    from prybee.language.registry import Registry
    from prybee.language.script import Parameters

# A #define that stands for itself is stopped here.
MAX_EXPANSIONS = 100

_INT64_MIN = -(1 << 63)
_UINT64_MAX = (1 << 64) - 1


class Resolver:
    """Resolves one script. Use :meth:`run`."""

    def __init__(
        self,
        source: Source,
        registry: Registry,
        types: TypeTable,
        parameters: Parameters,
        definitions: Sequence[tree.Macro] = (),
        machine: str = "",
    ) -> None:
        self.source = source
        # The target's architecture; by default this machine's.
        self.machine = machine
        # Functions of the script.
        self._own: frozenset[str] = frozenset()
        self.registry = registry
        self.types = types
        self.parameters = parameters
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self.macros = Macros(source, registry, definitions, self.errors)
        # Arguments of the macro being expanded, by their ids: they are resolved already.
        self._resolved: Mapping[int, object] = {}
        self._depth = 0

    def run(self, program: tree.Program) -> None:
        """Resolve all probes of ``program`` in place.

        Raises:
            ScriptError: constants overflow, a macro is misused.
        """
        self._own = frozenset(subprogram.name for subprogram in program.subprograms)
        for probe in program.probes:
            if probe.predicate is not None:
                probe.predicate = self.visit(probe.predicate)
            self.visit(probe.body)
        for subprogram in program.subprograms:
            self.visit(subprogram.body)
        if self.errors:
            raise ScriptError(self.errors)

    def error(self, node: tree.Node, message: str, *hints: str) -> None:
        """Note a mistake."""
        self.errors.append(Diagnostic(ERROR, message, node.span(self.source), hints))

    def visit(self, node: tree.Expression) -> tree.Expression:
        """``node`` with everything below it resolved; perhaps another node in its place."""
        if id(node) in self._resolved:
            return node
        if self.types.has_c and isinstance(node, tree.Call):
            replaced = self._c_call(node)
            if replaced is not None:
                return replaced
        self._below(node)
        change = _CHANGES.get(type(node))
        return change(self, node) if change is not None else node

    def _below(self, node: tree.Node) -> None:
        if isinstance(node, tree.Call):
            function = self.registry.functions.get(node.name)
            if function is not None and function.raw_arguments:
                names = len(node.args) if function.names_from is None else function.names_from
                for index, argument in enumerate(node.args):
                    if index < names or not is_path(argument):
                        node.args[index] = self._raw(argument)
                return
            if node.name == "str" and node.args:
                node.args[0] = self._positional_text(node.args[0]) or node.args[0]
        elif isinstance(node, tree.If) and isinstance(node.condition, tree.Comptime):
            # The word must not go away before _if() has seen it.
            condition = node.condition
            condition.operand = self.visit(condition.operand)
            if _truth(condition.operand) is None:
                self._blocks(node)
            return
        for name in node.fields:
            value = getattr(node, name)
            if isinstance(value, tree.Expression):
                setattr(node, name, self.visit(value))
            elif isinstance(value, tree.Node):
                self._below(value)
            elif isinstance(value, list):
                for index, element in enumerate(value):
                    if isinstance(element, tree.Expression):
                        value[index] = self.visit(element)
                    elif isinstance(element, tree.Node):
                        self._below(element)
        if isinstance(node, tree.Typeof) and isinstance(node.subject, tree.Identifier):
            # No value has that name: it is a type's.
            word = node.subject
            node.subject = tree.TypeName(word.name, "", word.start, word.end)

    def _raw(
        self, node: tree.Expression | tree.TypeExpression
    ) -> tree.Expression | tree.TypeExpression:
        """An argument that may be a mode or a type: a bare name stays one unless it is known."""
        if isinstance(node, tree.Identifier):
            return self._known_name(node) or self._header_constant(node) or node
        if isinstance(node, tree.Expression):
            return self.visit(node)
        return node

    # -- names ---------------------------------------------------------------------------------

    def _identifier(self, node: tree.Identifier) -> tree.Expression:
        found = self._known_name(node)
        if found is not None:
            return found
        constant = self._header_constant(node)
        if constant is not None:
            return constant
        enumerator = self.types.enumerator(node.name)
        if enumerator is not None:
            value, type_ = enumerator
            literal = tree.Integer(value, "", node.start, node.end)
            cast = tree.Cast(
                tree.TypeName("", "enum", node.start, node.end),
                literal,
                node.start,
                node.start,
                node.end,
            )
            cast.target.type = type_
            return cast
        return self._old_name(node) or node

    def _old_name(self, node: tree.Identifier) -> tree.Expression | None:
        """What a name that is gone from the language stands for."""
        from prybee.language import modern

        name = node.name
        text = modern.NAMES.get(name) or modern.stack_argument(name, self.machine)
        return self._c_macro(node, text, name) if text is not None else None

    def _header_constant(self, node: tree.Identifier) -> tree.Expression | None:
        """What a macro of a header stands for; None where there is none, or an enumerator."""
        types = self.types
        if not types.has_c:
            return None
        constant = types.header_constant(node.name, kernel=False)
        if constant is None and types.enumerator(node.name) is None:
            constant = types.header_constant(node.name, kernel=True)
        return self._c_constant(node, constant)

    def _known_name(self, node: tree.Identifier) -> tree.Expression | None:
        name = node.name
        if self.macros.names_one(name):
            call = tree.Call(name, [], node.end, node.start, node.end)
            macro = self.macros.find(call)
            if macro is not None:
                return self._expand(call, macro)
        constant = self._c_constant(node, self.types.constant(name))
        if constant is not None:
            return constant
        function = self.registry.functions.get(name)
        if function is not None and function.variable:
            return tree.Call(name, [], node.end, node.start, node.end)
        return None

    def _c_constant(
        self, node: tree.Identifier, constant: int | str | None
    ) -> tree.Expression | None:
        """What a C macro stands for, as an expression."""
        if constant is None:
            return None
        if isinstance(constant, int):
            return tree.Integer(constant, "", node.start, node.end)
        if type(constant) is str:
            return tree.String(constant, node.start, node.end)
        return self._c_macro(node, constant, f"#define {node.name} {constant}")

    def _c_call(self, node: tree.Call) -> tree.Expression | None:
        """What a C macro with arguments becomes; None where ``node`` is no such macro."""
        from prybee.language.c.lexer import CError

        if node.name not in self.types.constants and not self._is_unknown(node.name):
            return None
        given = [argument.span(self.source).text for argument in node.args]
        try:
            text = self.types.macro_call(node.name, given)
        except CError as failure:
            self.error(node, str(failure))
            return tree.Integer(0, "", node.start, node.end)
        if text is None:
            return None
        return self._c_macro(node, text, f"{node.name}() becomes {text}")

    def _is_unknown(self, name: str) -> bool:
        """Whether no function and no macro has that name."""
        return self.registry.functions.get(name) is None and not self.macros.has(name)

    def _c_macro(
        self, node: tree.Identifier | tree.Call, text: str, what: str
    ) -> tree.Expression | None:
        """What a ``#define`` stands for that is neither a number nor a string."""
        from prybee.language.parser import expression_of

        expression = expression_of(text) if self._depth < MAX_EXPANSIONS else None
        if expression is None:
            self.error(node, f"{what}: this is no expression of the language")
            return tree.Integer(0, "", node.start, node.end)
        for each in tree.walk(expression):
            each.start, each.end = node.start, node.end
        self._depth += 1
        result = self.visit(expression)
        self._depth -= 1
        return result

    def _builtin(self, node: tree.Builtin) -> tree.Expression:
        return tree.Call(node.name, [], node.end, node.start, node.end)

    def _sized(self, node: tree.Sizeof | tree.Offsetof) -> tree.Expression:
        subject = node.subject
        if isinstance(subject, tree.Identifier) and (
            self.types.known(subject.name) or self.types.tag_of(subject.name)
        ):
            node.subject = tree.TypeName(subject.name, "", subject.start, subject.end)
        elif isinstance(subject, tree.Cast) and subject.target_end == subject.start:
            # An enumerator: as upstream has it, it takes eight bytes, whatever its enum takes.
            node.subject = tree.TypeName("uint64", "", subject.start, subject.end)
        return node

    def _call(self, node: tree.Call) -> tree.Expression:
        macro = self.macros.find(node)
        if macro is not None:
            return self._expand(node, macro)
        if node.name == "str" and len(node.args) == 1 and isinstance(node.args[0], tree.String):
            return node.args[0]
        if node.name not in self._own and self._is_unknown(node.name):
            from prybee.language import modern

            node.name = modern.NAMES.get(node.name, node.name)
        return node

    # -- positional parameters -------------------------------------------------------------------

    def _positional(self, node: tree.Positional) -> tree.Expression:
        number = node.number
        given = self.parameters.positional
        if number > len(given):
            self._empty(node)
            return tree.Integer(0, "", node.start, node.end)
        text = given[number - 1]
        value = _number(text)
        if value is None:
            return tree.String(text, node.start, node.end)
        return tree.Integer(value, "", node.start, node.end)

    def _empty(self, node: tree.Positional) -> None:
        message = f"Positional parameter ${node.number} is empty or not provided."
        self.warnings.append(Diagnostic(WARNING, message, node.span(self.source)))

    def _count(self, node: tree.PositionalCount) -> tree.Expression:
        return tree.Integer(len(self.parameters.positional), "", node.start, node.end)

    def _positional_text(
        self, node: tree.Expression | tree.TypeExpression
    ) -> tree.Expression | None:
        """``str($1)`` and ``str($1 + n)``: the parameter's text, whatever it looks like."""
        skip = 0
        at = node
        if isinstance(node, tree.Binary) and node.op == "+":
            at = node.left
            if not isinstance(node.right, tree.Integer):
                return None
            skip = node.right.value
        if not isinstance(at, tree.Positional):
            return None
        given = self.parameters.positional
        if at.number > len(given):
            self._empty(at)
        text = given[at.number - 1] if at.number <= len(given) else ""
        if skip > len(text):
            self.error(
                node,
                f"cannot use offset that exceeds string size ({skip} > {len(text)})",
            )
        return tree.String(text[skip:], node.start, node.end)

    # -- folding ---------------------------------------------------------------------------------

    def _comptime(self, node: tree.Comptime) -> tree.Expression:
        if isinstance(node.operand, tree.Integer | tree.Boolean | tree.String):
            return node.operand
        return node

    def _unary(self, node: tree.Unary) -> tree.Expression:
        operand = node.operand
        if (
            isinstance(operand, tree.Cast)
            and operand.target_end == operand.start
            and node.op in ("-", "~")
        ):
            # An enumerator counts as a number of 64 bits.
            assert isinstance(operand.operand, tree.Integer)
            operand = operand.operand
        if isinstance(operand, tree.Boolean):
            if node.op == "!":
                return tree.Boolean(not operand.value, node.start, node.end)
            return node
        if not isinstance(operand, tree.Integer):
            return node
        value = operand.value
        if node.op == "-":
            if -value < _INT64_MIN:
                return self._overflow(node)
            return tree.Integer(-value, operand.suffix.replace("u", ""), node.start, node.end)
        if node.op == "~":
            return tree.Integer(~value & _UINT64_MAX, "", node.start, node.end)
        if node.op == "!":
            return tree.Boolean(not value, node.start, node.end)
        return node

    def _overflow(self, node: tree.Expression) -> tree.Expression:
        self.error(node, "unable to fold literals due to overflow or underflow")
        return tree.Integer(0, "", node.start, node.end)

    def _binary(self, node: tree.Binary) -> tree.Expression:
        left, right, op = node.left, node.right, node.op
        if isinstance(left, tree.String) and isinstance(right, tree.String):
            compare = COMPARE.get(op)
            if compare is None:
                return node
            return tree.Boolean(compare(left.value, right.value), node.start, node.end)
        if op in ("&&", "||"):
            return _fold_logical(node)
        if isinstance(left, tree.Boolean) and isinstance(right, tree.Boolean):
            if op in ("==", "!="):
                return tree.Boolean(
                    (left.value == right.value) == (op == "=="), node.start, node.end
                )
            return node
        if not isinstance(left, tree.Integer) or not isinstance(right, tree.Integer):
            return node
        a, b = left.value, right.value
        compare_numbers = COMPARE.get(op)
        if compare_numbers is not None:
            return tree.Boolean(compare_numbers(a, b), node.start, node.end)
        value = calculate(op, a, b)
        if value is None or not _INT64_MIN <= value <= _UINT64_MAX:
            return self._overflow(node)
        suffix = left.suffix if left.suffix == right.suffix and value >= 0 else ""
        return tree.Integer(
            value, suffix if suffix in ("u", "ul", "ull") else "", node.start, node.end
        )

    def _ternary(self, node: tree.Ternary) -> tree.Expression:
        truth = _truth(node.condition)
        if truth is None:
            return node
        if truth:
            return node.then if node.then is not None else node.condition
        return node.otherwise

    def _if(self, node: tree.If) -> tree.Expression:
        condition = node.condition
        if not isinstance(condition, tree.Comptime):
            return node
        truth = _truth(condition.operand)
        if truth is None:
            return node  # Types may tell: see the checker.
        if truth:
            return self.visit(node.then)
        if node.otherwise is not None:
            return self.visit(node.otherwise)
        return tree.Block([], None, node.start, node.end)

    def _blocks(self, node: tree.If) -> None:
        """Resolve both branches of an ``if``."""
        self.visit(node.then)
        if node.otherwise is not None:
            otherwise = self.visit(node.otherwise)
            assert isinstance(otherwise, tree.If | tree.Block)
            node.otherwise = otherwise

    def _index(self, node: tree.Index) -> tree.Expression:
        if isinstance(node.subject, tree.String) and isinstance(node.index, tree.Integer):
            data = node.subject.data + b"\0"
            if 0 <= node.index.value < len(data):
                return tree.Integer(data[node.index.value], "", node.start, node.end)
        return node

    # -- macros ----------------------------------------------------------------------------------

    def _expand(self, call: tree.Call, macro: tree.Macro) -> tree.Expression:
        expanded = self.macros.enter(call, macro)
        if expanded is None:
            return tree.Integer(0, "", call.start, call.end)
        outer, self._resolved = self._resolved, expanded.given
        result = self.visit(expanded.body)
        self._resolved = outer
        self.macros.leave(expanded)
        if isinstance(result, tree.Block) and not result.statements:
            # As good as a literal in its place, wherever one is wanted.
            literal = result.result
            if isinstance(literal, tree.String | tree.Integer | tree.Boolean):
                return literal
        return result


def is_path(node: tree.Node) -> bool:
    """Whether ``node`` is written as a name, or names with dots between them."""
    while isinstance(node, tree.FieldAccess):
        node = node.subject
    return isinstance(node, tree.Identifier | tree.Builtin)


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        try:
            # A leading zero means octal, as in C; `08` is no number of that kind.
            return int(text, 8 if re.fullmatch(r"[+-]?0[0-7_]+", text) else 10)
        except ValueError:
            return None


def _truth(node: tree.Expression) -> bool | None:
    if isinstance(node, tree.Boolean | tree.Integer):
        return bool(node.value)
    if isinstance(node, tree.Comptime):
        return _truth(node.operand)
    return None


def _fold_logical(node: tree.Binary) -> tree.Expression:
    left, right = _truth(node.left), _truth(node.right)
    if left is None or right is None:
        return node
    value = (left and right) if node.op == "&&" else (left or right)
    return tree.Boolean(value, node.start, node.end)


COMPARE: dict[str, Callable[[object, object], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,  # type: ignore[operator]
    ">": lambda a, b: a > b,  # type: ignore[operator]
    "<=": lambda a, b: a <= b,  # type: ignore[operator]
    ">=": lambda a, b: a >= b,  # type: ignore[operator]
}


def calculate(op: str, a: int, b: int) -> int | None:
    """``a op b`` as C has it, without a limit; None where there is no result."""
    match op:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/" | "%":
            if b == 0:
                return None
            quotient = abs(a) // abs(b)
            if (a < 0) != (b < 0):
                quotient = -quotient
            return quotient if op == "/" else a - quotient * b
        case "&":
            return a & b
        case "|":
            return a | b
        case "^":
            return a ^ b
        case "<<":
            return a << b if 0 <= b < 64 else None
        case ">>":
            return a >> b if 0 <= b < 64 else None
    return None


_CHANGES: dict[type[tree.Expression], Callable[[Resolver, Any], tree.Expression]] = {
    tree.Identifier: Resolver._identifier,
    tree.Builtin: Resolver._builtin,
    tree.Sizeof: Resolver._sized,
    tree.Offsetof: Resolver._sized,
    tree.Call: Resolver._call,
    tree.Positional: Resolver._positional,
    tree.PositionalCount: Resolver._count,
    tree.Unary: Resolver._unary,
    tree.Binary: Resolver._binary,
    tree.Ternary: Resolver._ternary,
    tree.If: Resolver._if,
    tree.Index: Resolver._index,
}
