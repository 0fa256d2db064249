"""The C part of a script, read from top to bottom: conditionals, macros, headers, definitions."""

from __future__ import annotations

import os
import re

from prybee.diagnostics import ERROR, Diagnostic, ScriptError
from prybee.language import tree
from prybee.language.c.declarations import Types
from prybee.language.c.expansion import Macro, defined, expand
from prybee.language.c.expressions import Evaluator
from prybee.language.c.headers import KERNEL_FOLDERS, Found, Search
from prybee.language.c.included import Included
from prybee.language.c.lexer import CError, Token, joined, tokens
from prybee.language.c.preprocessor import HAVE_BTF, Conditionals, header_name, holds, predefined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prybee.diagnostics import Source
    from prybee.language.types import Type

_CONDITIONALS = ("if", "ifdef", "ifndef", "elif", "elifdef", "elifndef", "else", "endif")
_IGNORED = ("pragma", "warning", "line", "ident", "")


class CText(str):
    """What a macro stands for, as a text in the language of scripts."""

    __slots__ = ()


class CPart:
    """Reads one C part: :meth:`run`. After that it answers for names.

    Args:
        source: the script.
        outer: gives the kernel's own types; None where there is no such type.
        outer_value: the value of an enumerator of the kernel; None where there is none.
        have_types: says whether the kernel's own types are known.
        search: finds headers.

    Attributes:
        types: what the script defines.
        included: what its headers have.
        macros: its own; None for what it undefines.
    """

    def __init__(
        self,
        source: Source,
        outer: Callable[[str, str], Type | None],
        outer_value: Callable[[str], int | None],
        have_types: Callable[[], bool],
        search: Search,
    ) -> None:
        self.source = source
        self.included = Included(source, search, outer, have_types)
        self.types = Types(self._constant, self.outside)
        self.macros: dict[str, Macro | None] = {}
        self.errors: list[Diagnostic] = []
        self._outer = outer
        self._outer_value = outer_value
        self._have_types = have_types
        self._predefined = predefined(search.machine)
        self._groups = Conditionals(self._condition)
        self._pending: set[str] = set()
        self._node: tree.Node | None = None

    def run(self, c_part: Sequence[tree.CDirective | tree.CDefinition]) -> None:
        """Read everything.

        Raises:
            ScriptError: all mistakes found.
        """
        for node in c_part:
            self._node = node
            try:
                if isinstance(node, tree.CDirective):
                    self._directive(node)
                elif self._groups.active:
                    self._definition(node)
            except CError as failure:
                self._error(node, str(failure), failure.place)
        if self._groups:
            self._error(c_part[-1], "a conditional is not closed: #endif is missing")
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

    # -- definitions ---------------------------------------------------------------------------

    def _definition(self, node: tree.CDefinition) -> None:
        parts = tokens(node.text, node.start)
        table = {name: macro for name, macro in self.macros.items() if macro is not None}
        before = dict(self.types.types)
        try:
            self.types.parse(expand(parts, table))
        except CError:
            if not self.included:
                raise
            self.types.types = before
            # Attributes and the like may be macros of headers.
            self.types.parse(expand(parts, {**self.included.macros, **table}))

    def outside(self, tag: str, name: str) -> Type | None:
        """A type that the script does not define."""
        found = self.included.type_(tag, name, False)
        if found is None:
            found = self._outer(tag, name)
        return found if found is not None else self.included.type_(tag, name, True)

    # -- directives ----------------------------------------------------------------------------

    def _directive(self, node: tree.CDirective) -> None:
        kind, text, place = node.kind, node.text, node.text_start
        if kind in _CONDITIONALS:
            self._groups.directive(kind, text, place)
        elif not self._groups.active:
            return
        elif kind == "define":
            macro = defined(text, place)
            self.macros[macro.name] = macro
        elif kind == "undef":
            self.macros[text] = None
        elif kind == "import":
            self._import(node)
        elif kind in ("include", "include_next", "--include"):
            self._include(node)
        elif kind == "error":
            raise CError(f"#error {text}")
        elif kind not in _IGNORED:
            raise CError(f"unknown preprocessor directive '#{kind}'")

    def _condition(self, kind: str, text: str, place: int) -> bool:
        words = re.findall(r"[A-Za-z_$][\w$]*", text)
        table = {
            name: macro for name in self._reach(words) if (macro := self.lookup(name)) is not None
        }
        search = self.included.search
        return holds(
            kind,
            text,
            place,
            table,
            lambda name: self.lookup(name) is not None,
            lambda name, quoted: search.find(name, "" if quoted else None) is not None,
        )

    def _reach(self, words: list[str]) -> set[str]:
        """Names that expanding ``words`` may come across."""
        found: set[str] = set()
        while words:
            word = words.pop()
            macro = self.lookup(word) if word not in found and word != "defined" else None
            if macro is not None:
                found.add(word)
                words += [text for kind, text, _place in macro.body if kind == "word"]
        return found

    def _include(self, node: tree.CDirective) -> None:
        text = node.text.strip()
        table = {name: macro for name, macro in self.macros.items() if macro is not None}
        name = header_name(text, node.text_start, table)
        quoted = not text.startswith("<")
        file = self.source.span(node.start, node.end).source.name
        beside = None
        if quoted:
            beside = os.path.dirname(file) if os.path.isfile(file) else ""
        found = self.included.search.find(name, beside)
        if found is not None:
            self.included.add(found, self.macros)
            return
        looked = self.included.search.looked(name, beside)
        if name.partition("/")[0] in KERNEL_FOLDERS and self._have_types():
            # What it would define is in the kernel's types; unless it is a macro.
            self.included.missing[name] = looked
            return
        hints = [f"looked in: {looked}"]
        if node.kind == "--include":
            message = f"'{name}' file not found"
            self.errors.append(Diagnostic(ERROR, message, None, tuple(hints)))
            return
        line, column = self.source.span(node.start, node.end).source.position(
            self.source.span(node.text_start, node.text_start).start
        )
        if name.partition("/")[0] in KERNEL_FOLDERS:
            hints.append(
                "install the headers of this kernel, or set BPFTRACE_KERNEL_SOURCE; or define "
                "the structs and constants that are used in the script itself"
            )
        elif name.endswith(".h"):
            hints.append("-I DIR adds a folder; structs and constants can stand in the script, too")
        # A compiler reads the script as a file with one line in front; scripts look for its words.
        message = "a header is missing:\n"
        message += f"definitions.h:{line + 1}:{column}: fatal error: '{name}' file not found"
        self.errors.append(Diagnostic(ERROR, message, node.span(self.source), tuple(hints)))

    def _import(self, node: tree.CDirective) -> None:
        """A header that the script imports: it must be understood as a whole."""
        shown, _blank, path = node.text[1:].partition('" ')
        used = (node.start, node.end)
        self.included.add(Found(path, None, False, False, -1, shown, used), self.macros)
        for place, message in self.included.mistakes(path):
            self._error(node, message, place)

    # -- names ---------------------------------------------------------------------------------

    def lookup(self, name: str) -> Macro | None:
        """The macro of that name: the script's own, a predefined one, or a header's."""
        if name in self.macros:
            return self.macros[name]
        found = self._predefined.get(name)
        if found is None and name == HAVE_BTF and self._have_types():
            return Macro(name, None, "1")
        if found is None and self.included:
            found = self.included.macro(name)
        return found

    def own(self, name: str) -> int | str | None:
        """What a macro of the script stands for: a number, a string, or :class:`CText`."""
        macro = self.macros.get(name)
        return self._meaning(macro) if macro is not None else None

    def of_headers(self, name: str, kernel: bool) -> int | str | None:
        """What a macro of the headers stands for; of the kernel's, or of the others."""
        if not self.included or name in self.macros or not (kernel or self.included.of_programs):
            return None
        macro = self.included.macro(name)
        if macro is None or macro.kernel != kernel or name in self._predefined:
            return None
        return self._meaning(macro)

    def enumerator(self, name: str, kernel: bool) -> tuple[int, Type] | None:
        """An enumerator of the headers; of the kernel's, or of the others."""
        return self.included.enumerator(name, kernel)

    def _meaning(self, macro: Macro) -> int | str | None:
        if macro.parameters is not None or not macro.text:
            return None
        value = self._number(macro)
        # The language's `~` gives what has no sign: it is left to it.
        if value is not None and (value >= 0 or "~" not in macro.text):
            return value
        expanded = self._expanded(macro)
        if expanded and all(kind == "string" for kind, _text, _place in expanded):
            from prybee.language.lexer import unescape

            # Strings side by side are one.
            return "".join(unescape(text[text.index('"') + 1 : -1])[0] for _, text, _ in expanded)
        return CText(joined(expanded))

    def _expanded(self, macro: Macro) -> list[Token]:
        """A macro's text with those in it replaced, as far as the script itself has them."""
        table = {name: found for name, found in self.macros.items() if found is not None}
        if macro.kernel or macro.name not in table:
            table = {**self.included.macros, **table}
        try:
            return expand([("word", macro.name, macro.place)], table)
        except CError:
            return macro.body

    def _number(self, macro: Macro) -> int | None:
        if macro.name in self._pending:
            return None
        self._pending.add(macro.name)
        try:
            table: dict[str, Macro] = {}
            for name in self._reach([macro.name]):
                found = self.lookup(name)
                if found is not None:
                    table[name] = found
            parts = expand([("word", macro.name, macro.place)], table)
            evaluator = Evaluator(self._enumerated, self._type_at, self.types.layout, wide=True)
            return evaluator.evaluate(parts)
        except CError:
            return None
        finally:
            self._pending.discard(macro.name)

    def _type_at(self, parts: Sequence[Token], at: int) -> tuple[Type, int] | None:
        return self.types.type_at(parts, at)

    def _enumerated(self, name: str) -> int | None:
        """The value of an enumerator: the script's, the kernel's or a header's."""
        found = self.types.enumerators.get(name)
        if found is not None:
            return found[0]
        found = self.included.enumerator(name, False)
        if found is not None:
            return found[0]
        value = self._outer_value(name)
        if value is None:
            found = self.included.enumerator(name, True)
            value = found[0] if found is not None else None
        return value

    def _constant(self, name: str) -> int | None:
        """The value of a macro or of an outer enumerator, in definitions."""
        macro = self.lookup(name)
        return self._number(macro) if macro is not None else self._enumerated(name)

    def hints(self, name: str) -> tuple[str, ...]:
        """What to do where a name is not known that a header may have."""
        found = [
            f"{self.source.span(place, place).location().rpartition('-')[0]}: {message}: "
            f"'{name}' was not understood; the kernel's type of the same name, or a definition "
            "in the script, can take its place"
            for place, message in self.included.problems(name)
        ]
        own = self.macros.get(name)
        if own is not None and not own.text:
            found.append(f"#define {name} stands for nothing")
        elif own is not None and own.parameters is not None:
            found.append(f"#define {name} wants arguments: {name}({', '.join(own.parameters)})")
        for header, looked in self.included.missing.items():
            found.append(
                f"<{header}> was not found (looked in: {looked}): types come from the kernel, but "
                "its macros are not known; define it in the script"
            )
        return tuple(found[:2])

    # -- macros with arguments -----------------------------------------------------------------

    def call(self, name: str, arguments: Sequence[str]) -> str | None:
        """The text that a macro with arguments becomes; None where there is no such macro.

        Raises:
            CError: the arguments do not fit.
        """
        macro = self.lookup(name)
        if macro is None or macro.parameters is None:
            return None
        text = f"{name}({', '.join(arguments)})"
        table: dict[str, Macro] = {}
        for word in self._reach(re.findall(r"[A-Za-z_$][\w$]*", text)):
            found = self.lookup(word)
            if found is not None and (word == name or not found.kernel):
                table[word] = found
        return joined(expand(tokens(text), table))
