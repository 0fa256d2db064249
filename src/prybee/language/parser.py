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
from prybee.language.expression_parser import ExpressionParser, Unexpected
from prybee.language.lexer import END, INTEGER, MAP, NAME, SCRATCH, STRING

# More mistakes than this say nothing new.
MAX_ERRORS = 20

# Read raw: up to a blank, `{` or `,`; a `/` ends it before the first colon, so that
# `begin/1/{}` has a predicate and `uprobe:/bin/x:f` a path. Quotes hide all of these.
_ATTACH_POINT = re.compile(
    r"""(?:[a-z_]+=)?(?:"[^"]*"?|[^\s{},"/:])*(?::(?:"[^"]*"?|[^\s{,"])*)?""", re.IGNORECASE
)
_WORD = re.compile(r"[$@]?\w+|.", re.DOTALL)
_DIRECTIVE = re.compile(r"#[ \t]*(\w*)[ \t]*((?:[^\n\\]|\\\r?\n|\\)*)")
_C_KEYWORD = re.compile(r"(struct|union|enum)\b(?=\s*(?:/\*|//|\w|\{|__attribute__))")
_C_TEXT = re.compile(
    r"""[{}]|//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.DOTALL
)
_C_ATTRIBUTES = re.compile(r"(?:\s*__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\))*\s*;?")
_ROOT_WORD = re.compile(r"(?:config|macro|fn|let|import)\b")
_CONFIG = re.compile(r"config\s*=|config\s*\{")
_SHEBANG = re.compile(r"#![^\n]*")


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


class Parser(ExpressionParser):
    """Parses one script. Use :func:`parse`."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.text)
        self.source = source
        self.errors: list[Diagnostic] = []

    # -- messages ------------------------------------------------------------------------------

    def note(self, failure: Unexpected) -> None:
        """Keep a mistake."""
        span = Span(self.source, failure.start, failure.end)
        self.errors.append(Diagnostic(SEVERITY, f"syntax: {failure}", span, failure.hints))
        if len(self.errors) >= MAX_ERRORS:
            raise ScriptError(self.errors)

    def at_word(self, message: str, at: int) -> Unexpected:
        """A mistake at the word that begins at offset ``at`` of the text."""
        word = _WORD.match(self.text, at)
        return Unexpected(message, at, word.end() if word is not None else at)

    # -- the root ------------------------------------------------------------------------------

    def program(self) -> tree.Program:
        """The whole script.

        Raises:
            ScriptError: all syntax errors found.
        """
        text = self.text
        at = 0
        shebang = _SHEBANG.match(text)
        if shebang is not None:
            at = shebang.end()
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
        keyword = _C_KEYWORD.match(text, at)
        if keyword is not None:
            return self._c_definition(program, at, keyword[1])
        word = _ROOT_WORD.match(text, at)
        if word is not None and (word[0] != "config" or _CONFIG.match(text, at)):
            self.use(lexer.tokenize(text, at))
            _ROOT[word[0]](self, program)
            return self.ends[self.i - 1]
        return self._probe(program, at)

    def _early(self, program: tree.Program, what: str, start: int, end: int) -> None:
        if program.items:
            self.note(Unexpected(f"{what} must appear before probes and functions", start, end))

    def _directive(self, program: tree.Program, at: int) -> int:
        match = _DIRECTIVE.match(self.text, at)
        assert match is not None
        end = match.end()
        self._early(program, "C definitions", at, end)
        body = re.sub(r"\\\r?\n", " ", match[2])
        comment = re.search(r"//|/\*", body)
        if comment is not None and match[1] != "include":
            body = re.sub(r"//.*|/\*.*?\*/", " ", body)
            opened = body.find("/*")
            if opened >= 0:
                # A comment that begins on this line and ends on a later one.
                body = body[:opened]
                closed = self.text.find("*/", match.start(2))
                end = closed + 2 if closed >= 0 else len(self.text)
        program.c_part.append(tree.CDirective(match[1], body.strip(), match.start(2), at, end))
        return end

    def _c_definition(self, program: tree.Program, at: int, kind: str) -> int:
        """A struct, union or enum definition: skipped here, read by ``c_types.py``."""
        text = self.text
        depth = 0
        opened = False
        end = at
        for match in _C_TEXT.finditer(text, at):
            if match[0] == "{":
                opened = True
                depth += 1
            elif match[0] == "}":
                depth -= 1
                if depth <= 0:
                    end = match.end()
                    break
        header = text[at : text.index("{", at)] if opened else text[at:]
        if not opened or ";" in header:
            stop = lexer.skip_blanks(text, at + len(kind))
            name = re.compile(r"\w*").match(text, stop)
            raise self.at_word("expected '{'", name.start() if name is not None else stop)
        if end == at:
            raise self.at_word("expected '}' to close the definition", len(text))
        attributes = _C_ATTRIBUTES.match(text, end)
        assert attributes is not None
        end = attributes.end()
        self._early(program, "C definitions", at, end)
        program.c_part.append(tree.CDefinition(kind, text[at:end].rstrip("; \n\t"), at, end))
        return end

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
        while True:
            match = _ATTACH_POINT.match(text, at)
            assert match is not None
            end = match.end()
            if end == at:
                if points and at < len(text) and text[at] in "{/":
                    break  # A comma behind the last one, as upstream allows.
                stray = text.startswith("}", at)
                raise self.at_word("unexpected '}'" if stray else "expected attach point", at)
            points.append(tree.AttachPoint(match[0], at, end))
            at = lexer.skip_blanks(text, end)
            if at >= len(text) or text[at] != ",":
                break
            at = lexer.skip_blanks(text, at + 1)
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

    # -- blocks and statements -------------------------------------------------------------------

    def block(self, value: bool) -> tree.Block:
        """``{ … }``; with ``value`` its last expression, without a semicolon, is its value."""
        kinds = self.kinds
        if kinds[self.i] != "{":
            raise self.unexpected("expected '{'")
        self.enter()
        depth = self.depth
        start = self.starts[self.i]
        self.i += 1
        outer, self.in_predicate = self.in_predicate, False
        statements: list[tree.Statement] = []
        last: tree.Expression | None = None
        while kinds[self.i] != "}":
            try:
                statement, last = self._statement(value)
                if statement is not None:
                    statements.append(statement)
            except Unexpected as failure:
                self.note(failure)
                self._recover()
                self.depth = depth
                self.in_predicate = False
            if kinds[self.i] == END:
                if not self.errors:
                    raise self.unexpected("expected '}'")
                raise ScriptError(self.errors)
        end = self.ends[self.i]
        self.i += 1
        self.in_predicate = outer
        self.depth = depth - 1
        if outer and kinds[self.i] == END:
            # A block inside of a predicate: the tokens stopped behind it.
            self.use(lexer.tokenize(self.text, end))
        return tree.Block(statements, last, start, end)

    def _recover(self) -> None:
        """Go to where the next statement may begin: behind ``;``, or at this block's ``}``."""
        depth = 0
        while True:
            kind = self.kinds[self.i]
            if kind == END:
                return
            if kind == "{":
                depth += 1
            elif kind == "}":
                if depth == 0:
                    return
                depth -= 1
            elif kind == ";" and depth == 0:
                self.i += 1
                return
            self.i += 1

    def _statement(self, value: bool) -> tuple[tree.Statement | None, tree.Expression | None]:
        """A statement; or, with ``value`` and where nothing follows, the block's value."""
        i = self.i
        kind = self.kinds[i]
        start = self.starts[i]
        special = _STATEMENTS.get(kind)
        if special is not None:
            statement = special(self, start)
            if self.kinds[self.i] == ";" and self.kinds[self.i - 1] == "}":
                self.i += 1
            return statement, None
        if kind == NAME and self.kinds[i + 1] == "=" and self.text[start : self.ends[i]] == "_":
            self.i += 2
            discarded = self.expression()
            return self._ended(tree.Discard(discarded, start, discarded.end)), None
        expression = self.expression()
        operator = self.kinds[self.i]
        if operator in ASSIGNMENTS:
            return self._ended(self._assignment(expression, operator)), None
        following = self.kinds[self.i]
        if isinstance(expression, tree.If | tree.Block):
            if following == ";":
                self.i += 1
            elif value and following == "}" and _has_value(expression):
                return None, expression
            _drop_value(expression)
            return tree.ExpressionStatement(expression, start, expression.end), None
        if following == "}" and value:
            return None, expression
        return self._ended(tree.ExpressionStatement(expression, start, expression.end)), None

    def _ended(self, statement: tree.Statement) -> tree.Statement:
        """``statement``, behind which a semicolon (or the block's end) has to come."""
        kind = self.kinds[self.i]
        if kind == ";":
            self.i += 1
        elif kind != "}":
            raise self.unexpected("expected ';'")
        return statement

    def _assignment(self, target: tree.Expression, operator: str) -> tree.Statement:
        if isinstance(target, tree.FieldAccess | tree.TupleAccess):
            self.i += 1
            self.expression()
            raise Unexpected(
                "Tuples and records are immutable once created. Consider creating a new value "
                "and assigning it instead.",
                target.start,
                self.ends[self.i - 1],
            )
        if not isinstance(target, tree.Scratch | tree.Map | tree.MapAccess):
            raise self.unexpected("expected ';'")
        self.i += 1
        value = self.expression()
        op = operator[:-1]
        if isinstance(target, tree.Scratch):
            return tree.AssignScratch(target, op, value, target.start, value.end)
        return tree.AssignMap(target, op, value, target.start, value.end)

    def _let(self, start: int) -> tree.Statement:
        self.i += 1
        if self.kinds[self.i] != SCRATCH:
            raise self.unexpected("expected variable after 'let'")
        at, end = self.starts[self.i], self.ends[self.i]
        variable = tree.Scratch(self.take(), at, end)
        annotation: tree.TypeExpression | None = None
        value: tree.Expression | None = None
        if self.kinds[self.i] == ":":
            self.i += 1
            annotation = self.type()
            end = annotation.end
        if self.kinds[self.i] == "=":
            self.i += 1
            value = self.expression()
            end = value.end
        return self._ended(tree.Declaration(variable, annotation, value, start, end))

    def _while(self, start: int) -> tree.Statement:
        self.i += 1
        condition = self.expression()
        body = self.block(value=False)
        return tree.While(condition, body, start, body.end)

    def _unroll(self, start: int) -> tree.Statement:
        self.i += 1
        count = self.expression()
        body = self.block(value=False)
        return tree.Unroll(count, body, start, body.end)

    def _for(self, start: int) -> tree.Statement:
        self.i += 1
        parenthesis = self.kinds[self.i] == "("
        if parenthesis:
            self.i += 1
        if self.kinds[self.i] != SCRATCH:
            raise self.unexpected("expected variable in for loop")
        at = self.starts[self.i]
        variable = tree.Scratch(self.take(), at, self.ends[self.i - 1])
        self.expect(":")
        iterable: tree.Range | tree.Map
        first = self.expression()
        if self.kinds[self.i] == "..":
            self.i += 1
            limit = self.expression()
            iterable = tree.Range(first, limit, first.start, limit.end)
        elif isinstance(first, tree.Map):
            iterable = first
        else:
            raise self.unexpected("expected map or range in for loop")
        if parenthesis:
            self.expect(")")
        body = self.block(value=False)
        return tree.For(variable, iterable, body, start, body.end)

    def _break(self, start: int) -> tree.Statement:
        self.i += 1
        return self._ended(tree.Break(start, self.ends[self.i - 1]))

    def _continue(self, start: int) -> tree.Statement:
        self.i += 1
        return self._ended(tree.Continue(start, self.ends[self.i - 1]))

    def _return(self, start: int) -> tree.Statement:
        self.i += 1
        end = self.ends[self.i - 1]
        value: tree.Expression | None = None
        if self.kinds[self.i] not in (";", "}"):
            value = self.expression()
            end = value.end
        return self._ended(tree.Return(value, start, end))

    def _import_statement(self, start: int) -> tree.Statement:
        self.i += 1
        if self.kinds[self.i] != STRING:
            raise self.unexpected("expected string after 'import'")
        path = self.string()
        return self._ended(tree.Import(path.value, start, path.end))


def _has_value(node: tree.If | tree.Block) -> bool:
    """Whether every way through a block or ``if`` ends in a value."""
    if isinstance(node, tree.Block):
        return node.value is not None
    return node.then.value is not None and node.otherwise is not None and _has_value(node.otherwise)


def _drop_value(node: tree.Expression) -> None:
    """Make the last expressions of a block or ``if`` that stands as a statement statements."""
    while isinstance(node, tree.If):
        _drop_value(node.then)
        if node.otherwise is None:
            return
        node = node.otherwise
    assert isinstance(node, tree.Block)
    value = node.value
    if value is not None:
        node.value = None
        if isinstance(value, tree.If | tree.Block):
            _drop_value(value)
        node.statements.append(tree.ExpressionStatement(value, value.start, value.end))


_PARAMETERS: dict[str, type[tree.Scratch | tree.Map | tree.Identifier]] = {
    SCRATCH: tree.Scratch,
    MAP: tree.Map,
    NAME: tree.Identifier,
}

ASSIGNMENTS = frozenset(("=", "<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="))

_STATEMENTS = {
    "let": Parser._let,
    "while": Parser._while,
    "unroll": Parser._unroll,
    "for": Parser._for,
    "break": Parser._break,
    "continue": Parser._continue,
    "return": Parser._return,
    "import": Parser._import_statement,
}

_ROOT = {
    "config": Parser._config,
    "macro": Parser._macro,
    "fn": Parser._subprogram,
    "let": Parser._map_declaration,
    "import": Parser._import,
}
