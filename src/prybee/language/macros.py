"""Macros: which definition a call means, and what the call becomes.

A definition is chosen by its signature: the number of parameters and their kinds (``$variable``,
``@map``, or any expression or type).  Definitions of the script come first, then those of the
library (``library.py``), then the functions.  What is inside of a macro of the library means the
library's own names, whatever the script defines.

Expansion is hygienic: a macro's own variables get names of their own, and it sees no maps but
those that are passed.  The nodes of an expanded body keep the place in the macro's text; where it
was used is known to the source (:meth:`prybee.diagnostics.Source.include`), which shows it as
``expanded from``.
"""

from __future__ import annotations

from prybee.diagnostics import ERROR, Diagnostic, ScriptError
from prybee.language import tree
from prybee.language.library import Library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.diagnostics import Source, Span
    from prybee.language.registry import Registry

Argument = tree.Expression | tree.TypeExpression

# Nodes that all expansions of a script may make: macros that double their argument, nested, would
# fill any memory.
MOST_NODES = 1_000_000


class Macros:
    """The macros of one script."""

    def __init__(
        self,
        source: Source,
        registry: Registry,
        definitions: Sequence[tree.Macro],
        errors: list[Diagnostic],
    ) -> None:
        self.source = source
        self.registry = registry
        self.errors = errors
        self.library = Library(source)
        # Inside of a macro of the library.
        self.in_library = False
        self._own: dict[str, list[tree.Macro]] = {}
        # Macros being expanded, outermost first.
        self._chain: list[tree.Macro] = []
        self._expansions = 0
        self._nodes = 0
        for macro in definitions:
            self._define(macro)

    def _define(self, macro: tree.Macro) -> None:
        known = self._own.setdefault(macro.name, [])
        signature = _signature(macro)
        for other in known:
            if _signature(other) == signature:
                notes = (("This is the original definition.", other.span(self.source)),)
                self._error(macro, f"Redefinition of macro: {macro.name}", notes)
                return
        known.append(macro)

    def _error(
        self, node: tree.Node, message: str, notes: tuple[tuple[str, Span], ...] = ()
    ) -> None:
        self.errors.append(Diagnostic(ERROR, message, node.span(self.source), (), notes))

    # -- which one -----------------------------------------------------------------------------

    def find(self, call: tree.Call) -> tree.Macro | None:
        """The macro that ``call`` means; None where it means a function.

        A call that fits none of its macros, and no function, is noted as a mistake.
        """
        name = call.name
        own = None if self.in_library else self._own.get(name)
        found = _best(own, call) if own else None
        if found is not None:
            return found
        library = self.library.macros(name)
        found = _best(library, call) if library else None
        if found is not None:
            return found
        candidates = own or library
        if candidates and not self._is_function(call):
            self._no_macro(call, candidates)
        return None

    def has(self, name: str) -> bool:
        """Whether there is a macro of that name."""
        return name in self._own or self.library.has(name)

    def names_one(self, name: str) -> bool:
        """Whether ``name`` alone, without parentheses, is a macro."""
        if (self.in_library or name not in self._own) and not self.library.has(name):
            return False
        own = () if self.in_library else self._own.get(name, ())
        return any(not macro.parameters for macro in (*own, *self.library.macros(name)))

    def _is_function(self, call: tree.Call) -> bool:
        function = self.registry.functions.get(call.name)
        if function is None:
            return False
        least, most = function.arguments
        return len(call.args) >= least and (most is None or len(call.args) <= most)

    def _no_macro(self, call: tree.Call, candidates: Sequence[tree.Macro]) -> None:
        notes: list[tuple[str, Span]] = []
        closest = next((m for m in candidates if len(m.parameters) == len(call.args)), None)
        if closest is None:
            closest = candidates[0]
            expected, given = len(closest.parameters), len(call.args)
            text = (
                f"The closest definition of {call.name}() has a different number of "
                f"arguments. Expected: {expected} but got {given}"
            )
            notes.append((text, closest.span(self.source)))
        else:
            for parameter, argument in zip(closest.parameters, call.args, strict=True):
                if isinstance(parameter, tree.Identifier) or type(argument) is type(parameter):
                    continue
                wanted = "a variable" if isinstance(parameter, tree.Scratch) else "a map"
                text = (
                    f"Mismatched arg. {call.name}() expects {wanted} for arg "
                    f"{parameter.name} but got {_kind(argument)}."
                )
                notes.append((text, argument.span(self.source)))
                text = "This is the argument in the closest definition."
                notes.append((text, parameter.span(self.source)))
        message = f"Call to {call.name}() has arguments that do not match any definition."
        self._error(call, message, tuple(notes))

    # -- what it becomes -----------------------------------------------------------------------

    def enter(self, call: tree.Call, macro: tree.Macro) -> Expanded | None:
        """The body of ``macro`` with the arguments of ``call``; None, with a mistake noted, where
        that cannot be.  :meth:`leave` must follow when what is inside has been resolved.

        Raises:
            ScriptError: the script grows without end.
        """
        if any(each is macro for each in self._chain):
            names = " > ".join([m.name for m in self._chain] + [macro.name])
            self._error(call, f"Recursive macro call detected. Call chain: {names}")
            return None
        self._expansions += 1
        span = self.source.include(
            macro.start, macro.body.end - macro.start, (call.start, call.end)
        )
        substitution = _Substitution(macro, call, self._expansions, span - macro.start)
        body = substitution.apply(tree.copy(macro.body))
        assert isinstance(body, tree.Block)
        for node, message in substitution.mistakes:
            self._error(node, message)
        self._nodes += substitution.nodes
        if self._nodes > MOST_NODES:
            # Nothing else that could be said of what there is by now would help.
            message = f"Macros make this script larger than {MOST_NODES} nodes"
            raise ScriptError([Diagnostic(ERROR, message, call.span(self.source))])
        self._chain.append(macro)
        expanded = Expanded(body, substitution.given, self.in_library)
        self.in_library = self.in_library or self.library.owns(macro)
        return expanded

    def leave(self, expanded: Expanded) -> None:
        """The body of the macro entered last has been resolved."""
        self._chain.pop()
        self.in_library = expanded.outer_in_library


class Expanded:
    """A macro's body at one place of use.

    Attributes:
        body: the nodes, arguments in the place of parameters.
        given: the arguments in it, by their ids; they are resolved already.
        outer_in_library: whether the place of use lies in a macro of the library.
    """

    __slots__ = ("body", "given", "outer_in_library")

    def __init__(
        self, body: tree.Block, given: dict[int, Argument], outer_in_library: bool
    ) -> None:
        self.body = body
        self.given = given
        self.outer_in_library = outer_in_library


def _signature(macro: tree.Macro) -> tuple[type, ...]:
    return tuple(type(parameter) for parameter in macro.parameters)


def _best(candidates: Sequence[tree.Macro], call: tree.Call) -> tree.Macro | None:
    """The definition that fits; of several, the one with most ``$`` and ``@`` parameters."""
    best, most = None, -1
    for macro in candidates:
        if not _accepts(macro, call):
            continue
        exact = sum(not isinstance(parameter, tree.Identifier) for parameter in macro.parameters)
        if exact > most:
            best, most = macro, exact
    return best


def _accepts(macro: tree.Macro, call: tree.Call) -> bool:
    if len(macro.parameters) != len(call.args):
        return False
    return all(
        isinstance(parameter, tree.Identifier) or type(argument) is type(parameter)
        for parameter, argument in zip(macro.parameters, call.args, strict=True)
    )


def _kind(node: tree.Node) -> str:
    if isinstance(node, tree.TypeExpression):
        return "a type"
    if isinstance(node, tree.Scratch):
        return "a variable"
    return "a map" if isinstance(node, tree.Map) else "an expression"


class _Substitution:
    """Puts arguments in the place of a macro's parameters; other variables get new names."""

    def __init__(self, macro: tree.Macro, call: tree.Call, number: int, distance: int) -> None:
        self.arguments: dict[str, Argument] = {
            parameter.name: argument
            for parameter, argument in zip(macro.parameters, call.args, strict=True)
        }
        # No name that can be written in a script; messages leave it out (rules.plain()).
        self.suffix = f".{number}"
        self.distance = distance
        self.given: dict[int, Argument] = {}
        self.nodes = 0
        self.mistakes: list[tuple[tree.Node, str]] = []

    def apply(self, node: tree.Node) -> tree.Node:
        """``node`` with parameters replaced, in place where the node stays."""
        self.nodes += 1
        if isinstance(node, tree.Identifier | tree.Scratch | tree.Map):
            argument = self.arguments.get(node.name)
            if argument is not None:
                return self._argument(argument)
            tree.shift(node, self.distance)
            if isinstance(node, tree.Scratch):
                node.name += self.suffix
            elif isinstance(node, tree.Map):
                message = (
                    f"Unhygienic access to map: {node.name}. Maps must be passed into the macro "
                    "as arguments."
                )
                self.mistakes.append((node, message))
            return node
        if isinstance(node, tree.TypeName) and not node.tag:
            argument = self.arguments.get(node.name)
            if argument is not None:
                if isinstance(argument, tree.TypeExpression):
                    return self._argument(argument)
                return tree.Typeof(self._expression(argument), argument.start, argument.end)
        tree.shift(node, self.distance)
        if isinstance(node, tree.Return):
            self.mistakes.append((node, "'return' statement is not allowed in a macro"))
        self._below(node)
        return self._typed_index(node) if isinstance(node, tree.Index) else node

    def _argument(self, argument: Argument) -> Argument:
        """A copy of an argument for one place of its parameter."""
        fresh = tree.copy(argument)
        self.given[id(fresh)] = fresh
        self.nodes += sum(1 for _each in tree.walk(fresh))
        return fresh

    def _expression(self, argument: tree.Expression) -> tree.Expression:
        fresh = self._argument(argument)
        assert isinstance(fresh, tree.Expression)
        return fresh

    def _typed_index(self, node: tree.Index) -> tree.Node:
        """``t[2]`` where ``t`` turned out to be a type is an array's type."""
        subject: tree.Node = node.subject
        if not isinstance(subject, tree.TypeExpression) or not isinstance(node.index, tree.Integer):
            return node
        return tree.TypeArray(subject, node.index.value, node.start, node.end)

    def _below(self, node: tree.Node) -> None:
        for name in node.fields:
            value = getattr(node, name)
            if isinstance(value, tree.Node):
                setattr(node, name, self.apply(value))
            elif isinstance(value, list):
                for index, element in enumerate(value):
                    if isinstance(element, tree.Node):
                        value[index] = self.apply(element)
