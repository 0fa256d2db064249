"""The C part of a script, read from top to bottom: conditionals, constants, definitions."""

from __future__ import annotations

import re

from prybee.diagnostics import ERROR, Diagnostic, ScriptError
from prybee.language import tree
from prybee.language.c_types import CError, Definitions, Evaluator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.diagnostics import Source
    from prybee.language.kernel_types import TypeTable

# Predefined where the kernel has type information, as upstream does.
HAVE_BTF = "BPFTRACE_HAVE_BTF"

_DEFINE = re.compile(r"([A-Za-z_]\w*)(\([^)]*\))?\s*(.*)", re.DOTALL)
_STRING = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*\Z')


class CPart:
    """Reads one C part into a table of types: :meth:`run`."""

    def __init__(self, types: TypeTable, source: Source) -> None:
        self.types = types
        self.definitions = Definitions(self._value, types.kernel_type)
        self.source = source
        self.macros: dict[str, str] = {}
        self.errors: list[Diagnostic] = []
        if types.btf is not None:
            self.macros[HAVE_BTF] = "1"
        self._predefined = set(self.macros)
        # For each open conditional: this branch is taken, one was taken already.
        self._open: list[list[bool]] = []
        self._pending: set[str] = set()

    def run(self, c_part: Sequence[tree.CDirective | tree.CDefinition]) -> None:
        """Read everything.

        Raises:
            ScriptError: all mistakes found.
        """
        for node in c_part:
            if isinstance(node, tree.CDirective):
                self._directive(node)
            elif all(taken for taken, _before in self._open):
                try:
                    self.definitions.parse(node.text)
                except CError as failure:
                    self._error(node, str(failure), node.start + failure.offset)
        if self._open:
            self._error(c_part[-1], "a conditional is not closed: #endif is missing")
        for name, text in self.macros.items():
            if name not in self._predefined:
                self._constant(name, text)
        if self.errors:
            raise ScriptError(self.errors)

    def _error(self, node: tree.Node, message: str, at: int = -1, *hints: str) -> None:
        if at >= 0:
            start = self.source.span(at, at)
            word = re.compile(r"\w+|.|\Z", re.DOTALL).match(start.source.text, start.start)
            end = word.end() if word is not None else start.start
            span = self.source.span(at, at + end - start.start)
        else:
            span = node.span(self.source)
        self.errors.append(Diagnostic(ERROR, f"syntax: {message}", span, hints))

    def _directive(self, node: tree.CDirective) -> None:
        kind, text = node.kind, node.text
        if kind in ("if", "ifdef", "ifndef"):
            taken = all(taken for taken, _before in self._open) and self._condition(node)
            self._open.append([taken, taken])
        elif kind in ("elif", "else", "endif"):
            self._branch(node)
        elif not all(taken for taken, _before in self._open):
            return
        elif kind == "define":
            match = _DEFINE.match(text)
            if match is None:
                self._error(node, "#define wants a name")
            elif match[2] is None:
                self.macros[match[1]] = match[3]
        elif kind == "undef":
            self.macros.pop(text, None)
        elif kind == "include":
            self._include(node)
        elif kind == "error":
            self._error(node, f"#error {text}")
        elif kind not in ("pragma", "warning", "line", ""):
            self._error(node, f"unknown preprocessor directive '#{kind}'")

    def _include(self, node: tree.CDirective) -> None:
        if self.types.btf is not None:
            return  # What it would define is in the kernel's types.
        self._error(
            node,
            f"#include {node.text}: there is no C compiler in prybee, and this kernel offers "
            "no types (no BTF)",
            -1,
            "define the structs and constants that the script uses in the script itself",
        )

    def _condition(self, node: tree.CDirective) -> bool:
        if node.kind != "if":
            return (node.text in self.macros) == (node.kind == "ifdef")
        return self._evaluate(node)

    def _evaluate(self, node: tree.CDirective) -> bool:
        # A name that is not defined counts as 0, but not for defined().
        text = re.sub(
            r"defined\s*(?:\(\s*(\w+)\s*\)|(\w+))",
            lambda m: str(int((m[1] or m[2]) in self.macros)),
            node.text,
        )
        try:
            return bool(Evaluator(lambda name: self._value(name) or 0).evaluate(text))
        except CError as failure:
            self._error(node, f"#{node.kind}: {failure}")
            return False

    def _branch(self, node: tree.CDirective) -> None:
        if not self._open:
            self._error(node, f"#{node.kind} without #if")
            return
        if node.kind == "endif":
            self._open.pop()
            return
        current = self._open[-1]
        outside = all(taken for taken, _before in self._open[:-1])
        if current[1] or not outside:
            current[0] = False
        else:
            current[0] = node.kind == "else" or self._evaluate(node)
        current[1] = current[1] or current[0]

    def _value(self, name: str) -> int | None:
        """The integer that a macro or enumerator stands for."""
        text = self.macros.get(name)
        if text is None:
            found = self.types.enumerator(name)
            return found[0] if found is not None else None
        if name in self._pending:
            return None
        self._pending.add(name)
        try:
            return Evaluator(self._value).evaluate(text)
        except CError:
            return None
        finally:
            self._pending.discard(name)

    def _constant(self, name: str, text: str) -> None:
        value = self._value(name)
        if value is not None:
            self.types.constants[name] = value
            return
        string = _STRING.match(text)
        if string is not None:
            from prybee.language.lexer import unescape

            self.types.constants[name] = unescape(string[1])[0]
        elif text in self.types.constants:
            self.types.constants[name] = self.types.constants[text]
        elif text:
            self.types.expressions[name] = text
