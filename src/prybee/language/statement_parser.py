"""Parsing of blocks and statements: between the expressions and the root.

After a mistake parsing goes on behind the statement it is in, so that one run shows several.
"""

from __future__ import annotations

from prybee.diagnostics import ScriptError
from prybee.language import lexer, tree
from prybee.language.expression_parser import ExpressionParser, Unexpected
from prybee.language.lexer import END, NAME, SCRATCH, STRING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.diagnostics import Diagnostic


class StatementParser(ExpressionParser):
    """Parses blocks. The base of :class:`prybee.language.parser.Parser`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.errors: list[Diagnostic] = []

    def note(self, failure: Unexpected) -> None:
        """Keep a mistake."""
        raise NotImplementedError

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


ASSIGNMENTS = frozenset(("=", "<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="))

_STATEMENTS = {
    "let": StatementParser._let,
    "while": StatementParser._while,
    "unroll": StatementParser._unroll,
    "for": StatementParser._for,
    "break": StatementParser._break,
    "continue": StatementParser._continue,
    "return": StatementParser._return,
    "import": StatementParser._import_statement,
}
