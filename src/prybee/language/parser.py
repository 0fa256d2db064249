"""Tokens to a tree: the whole grammar, by recursive descent.

Mistakes are collected: after one, parsing goes on behind the statement (or root item) it is in, so
that one run shows several.  The words of messages are bpftrace's: they start with ``syntax:``.
"""

from __future__ import annotations

import re
import sys

from prybee.diagnostics import ERROR as SEVERITY
from prybee.diagnostics import Diagnostic, ScriptError, Source, Span
from prybee.language import lexer, tree
from prybee.language.expression_parser import Unexpected
from prybee.language.lexer import END, INTEGER, MAP, NAME, SCRATCH, STRING
from prybee.language.statement_parser import StatementParser

# More mistakes than this say nothing new.
MAX_ERRORS = 20

# Read raw: up to a blank, `{` or `,`; a `/` ends it before the first colon, so that
# `begin/1/{}` has a predicate and `uprobe:/bin/x:f` a path. Quotes hide all of these.
_ATTACH_POINT = re.compile(r"""(?:"[^"]*"?|[^\s{},"/:])*(?::(?:"[^"]*"?|[^\s{,"])*)?""")
_ROOT_WORD = re.compile(r"(?:config|macro|fn|let|import|struct|union|enum)\b")


def parse(source: Source) -> tree.Program:
    """The tree of a script.

    Raises:
        ScriptError: all syntax errors found.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, tree.RECURSION_LIMIT))
    try:
        return Parser(source).program()
    finally:
        sys.setrecursionlimit(limit)


def expression_of(text: str) -> tree.Expression | None:
    """The expression that ``text`` is; None where it is none. Places count from its start."""
    parser = Parser(Source("", text))
    parser.use(lexer.tokenize(text, 0, whole=True))
    try:
        expression = parser.expression()
    except Unexpected:
        return None
    return expression if parser.kinds[parser.i] == END and not parser.errors else None


class Parser(StatementParser):
    """Parses one script. Use :func:`parse`."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.text)
        self.source = source

    # -- messages ------------------------------------------------------------------------------

    def note(self, failure: Unexpected) -> None:
        """Keep a mistake."""
        from prybee.language import slips

        span = Span(self.source, failure.start, failure.end)
        hints = failure.hints or slips.syntax(self.text, str(failure), failure.start)
        notes: tuple[tuple[str, Span], ...] = ()
        if str(failure) == "expected '}'":
            opening = slips.unclosed(self.text, 0)
            if opening >= 0:
                brace = Span(self.source, opening, opening + 1)
                notes = (("this '{' is not closed", brace),)
        self.errors.append(Diagnostic(SEVERITY, f"syntax: {failure}", span, hints, notes))
        if len(self.errors) >= MAX_ERRORS:
            raise ScriptError(self.errors)

    def at_word(self, message: str, at: int) -> Unexpected:
        """A mistake at the word that begins at offset ``at`` of the text."""
        word = re.compile(r"[$@]?\w+|.", re.DOTALL).match(self.text, at)
        return Unexpected(message, at, word.end() if word is not None else at)

    # -- the root ------------------------------------------------------------------------------

    def program(self) -> tree.Program:
        """The whole script.

        Raises:
            ScriptError: all syntax errors found.
        """
        text = self.text
        at = 0
        if text.startswith("#!"):
            at = text.find("\n")
            at = len(text) if at < 0 else at
        at = lexer.skip_blanks(text, at)
        program = tree.Program([], None, [], [], at, at, len(text))
        while at < len(text):
            try:
                at = self._item(program, at)
            except Unexpected as failure:
                self.note(failure)
                at = failure.end if text[at] == "}" else self._next_item(failure.end)
                self.depth = 0
                self.in_predicate = False
            at = lexer.skip_blanks(text, at)
        if not self.errors:
            try:
                self.check_depth(program)
            except Unexpected as failure:
                self.note(failure)
        if self.errors:
            raise ScriptError(self.errors)
        return program

    def _next_item(self, at: int) -> int:
        """Where parsing goes on after a mistake at the root: behind the next ``}``."""
        return lexer.tokenize(self.text, at).ends[-1]

    def _item(self, program: tree.Program, at: int) -> int:
        """Parse what begins at ``at`` into ``program``; the offset behind it."""
        text = self.text
        if text[at] == "#":
            return self._directive(program, at)
        match = _ROOT_WORD.match(text, at)
        word = match[0] if match is not None else ""
        following = lexer.skip_blanks(text, at + len(word))
        if word in ("struct", "union", "enum") and text[following : following + 1] not in (":", ""):
            return self._c_definition(program, at, word)
        # `config` alone may be an attach point's name one day.
        if word in _ROOT and (word != "config" or text[following : following + 1] in ("=", "{")):
            self.use(lexer.tokenize(text, at))
            _ROOT[word](self, program)
            return self.ends[self.i - 1]
        return self._probe(program, at)

    def _early(self, program: tree.Program, what: str, start: int, end: int) -> None:
        if program.items:
            self.note(Unexpected(f"{what} must appear before probes and functions", start, end))

    def _directive(self, program: tree.Program, at: int) -> int:
        from prybee.language import c_part

        node = c_part.directive(self.text, at)
        self._early(program, "C definitions", at, node.end)
        program.c_part.append(node)
        return node.end

    def _c_definition(self, program: tree.Program, at: int, kind: str) -> int:
        """A struct, union or enum definition: skipped here, read by ``language/c/``."""
        from prybee.language import c_part

        node = c_part.definition(self.text, at, kind)
        if isinstance(node, tuple):
            raise self.at_word(*node)
        self._early(program, "C definitions", at, node.end)
        program.c_part.append(node)
        return node.end

    def _import(self, program: tree.Program) -> None:
        start = self.starts[self.i]
        self._early(program, "root imports", start, start + len("import"))
        self.i += 1
        if self.kinds[self.i] != STRING:
            raise self.unexpected("expected string after 'import'")
        path = self.string()
        if self.kinds[self.i] != ";":
            raise self.unexpected("expected ';' after import")
        self.i += 1
        program.imports.append(tree.Import(path.value, start, path.end))

    def _config(self, program: tree.Program) -> None:
        start, end = self.starts[0], self.ends[0]
        self._early(program, "config", start, end)
        if program.config is not None:
            self.note(Unexpected("duplicate config block", start, end))
        self.i += 1
        self.expect("=")
        self.expect("{")
        block = tree.ConfigBlock([], start, end)
        program.config = block
        while self.kinds[self.i] != "}":
            block.assignments.append(self._setting())
            if self.kinds[self.i] == ";":
                self.i += 1
            elif self.kinds[self.i] != "}":
                raise self.unexpected("expected ';'")
        block.end = self.ends[self.i]
        self.i += 1

    def _setting(self) -> tree.ConfigAssignment:
        start = self.starts[self.i]
        if self.kinds[self.i] != NAME:
            raise self.unexpected("expected config key")
        name = self.take()
        self.expect("=")
        value_start = self.starts[self.i]
        kind = self.kinds[self.i]
        value: int | str | bool
        if kind == STRING:
            value = self.string().value
        elif kind == INTEGER:
            value = self.integer().value
        elif kind in ("true", "false"):
            value = self.take() == "true"
        elif kind == NAME:
            value = self.take()
        else:
            raise self.unexpected("expected string, int, boolean, or ident")
        return tree.ConfigAssignment(name, value, value_start, start, self.ends[self.i - 1])

    def _map_declaration(self, program: tree.Program) -> None:
        start = self.starts[self.i]
        self.i += 1
        if self.kinds[self.i] != MAP:
            raise Unexpected(
                "root-level let statements need to be map declarations, e.g. let @a = hash(2);",
                start,
                start + len("let"),
            )
        name = self.take()
        self.expect("=")
        if self.kinds[self.i] != NAME:
            raise self.unexpected("expected a map type")
        kind = self.take()
        self.expect("(")
        if self.kinds[self.i] != INTEGER:
            raise self.unexpected("expected positive integer for map declaration max entries")
        capacity = self.integer().value
        end = self.expect(")")
        if self.kinds[self.i] == ";":
            self.i += 1
        program.items.append(tree.MapDeclaration(name, kind, capacity, start, end))

    def _macro(self, program: tree.Program) -> None:
        start = self.starts[self.i]
        self.i += 1
        if self.kinds[self.i] != NAME:
            raise self.unexpected("expected macro name")
        end = self.ends[self.i]
        name = self.take()
        self.expect("(")
        parameters: list[tree.Scratch | tree.Map | tree.Identifier] = []
        while self.kinds[self.i] != ")":
            kind = self.kinds[self.i]
            node = _PARAMETERS.get(kind)
            if node is None:
                raise self.unexpected(
                    "expected macro argument ($var, @map, or identifier)"
                    if kind != "{"
                    else "expected ')'"
                )
            at = self.starts[self.i]
            parameters.append(node(self.take(), at, self.ends[self.i - 1]))
            if self.kinds[self.i] != ",":
                break
            self.i += 1
        self.expect(")")
        body = self.block(value=True)
        program.items.append(tree.Macro(name, parameters, body, start, end))

    def _subprogram(self, program: tree.Program) -> None:
        start = self.starts[self.i]
        self.i += 1
        if self.kinds[self.i] != NAME:
            raise self.unexpected("expected function name")
        end = self.ends[self.i]
        name = self.take()
        self.expect("(")
        parameters: list[tree.Parameter] = []
        while self.kinds[self.i] != ")":
            if self.kinds[self.i] != SCRATCH:
                raise self.unexpected("expected variable in function argument")
            at = self.starts[self.i]
            variable = tree.Scratch(self.take(), at, self.ends[self.i - 1])
            self.expect(":")
            annotation = self.type()
            parameters.append(tree.Parameter(variable, annotation, at, annotation.end))
            if self.kinds[self.i] != ",":
                break
            self.i += 1
        self.expect(")")
        self.expect(":")
        returns = self.type()
        body = self.block(value=False)
        program.items.append(tree.Subprogram(name, parameters, returns, body, start, end))

    # -- probes --------------------------------------------------------------------------------

    def _probe(self, program: tree.Program, at: int) -> int:
        text = self.text
        points: list[tree.AttachPoint] = []
        instead = False
        while True:
            match = _ATTACH_POINT.match(text, at)
            assert match is not None
            end = match.end()
            if end == at:
                if points and not instead and at < len(text) and text[at] in "{/":
                    break  # A comma behind the last one, as upstream allows.
                stray = text.startswith("}", at)
                raise self.at_word("unexpected '}'" if stray else "expected attach point", at)
            points.append(tree.AttachPoint(match[0], at, end, instead))
            at = lexer.skip_blanks(text, end)
            instead = text.startswith("||", at)
            if not instead and not text.startswith(",", at):
                break
            at = lexer.skip_blanks(text, at + 1 + instead)
        opening = text[at] if at < len(text) else ""
        if opening not in ("{", "/"):
            failure = self.at_word("expected '{'", at)
            if "/" in points[-1].raw.rpartition(":")[2]:
                failure.hints = ("put a blank before the '/' that begins a predicate",)
            raise failure
        self.use(lexer.tokenize(text, at))
        predicate = self._predicate() if opening == "/" else None
        if self.kinds[self.i] != "{":
            raise self.unexpected("expected '{'")
        body = self.block(value=False)
        program.items.append(tree.Probe(points, predicate, body, points[0].start, points[-1].end))
        return self.ends[self.i - 1]

    def _predicate(self) -> tree.Expression:
        self.i += 1
        self.in_predicate = True
        expression = self.expression()
        self.in_predicate = False
        if self.kinds[self.i] != "/":
            raise self.unexpected("expected '/' to close predicate")
        self.i += 1
        return expression


_PARAMETERS: dict[str, type[tree.Scratch | tree.Map | tree.Identifier]] = {
    SCRATCH: tree.Scratch,
    MAP: tree.Map,
    NAME: tree.Identifier,
}

_ROOT = {
    "config": Parser._config,
    "macro": Parser._macro,
    "fn": Parser._subprogram,
    "let": Parser._map_declaration,
    "import": Parser._import,
}
