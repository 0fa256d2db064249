"""Parsing of expressions and types: precedence climbing over token lists.

The base of :class:`prybee.language.parser.Parser`, which adds statements and the root.
"""

from __future__ import annotations

from prybee.language import lexer, tree
from prybee.language.lexer import COUNT, END, INTEGER, MAP, NAME, POSITIONAL, SCRATCH, STRING
from prybee.language.types import NAMED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The higher, the tighter. All of these are left-associative.
PRECEDENCE = {
    "||": 1,
    "&&": 2,
    "|": 3,
    "^": 4,
    "&": 5,
    "==": 6,
    "!=": 6,
    "<": 7,
    "<=": 7,
    ">": 7,
    ">=": 7,
    "<<": 8,
    ">>": 8,
    "+": 9,
    "-": 9,
    "*": 10,
    "/": 10,
    "%": 10,
}

# Names of C's fixed-width integers, and of what they are used as: `(u32)-1` is a cast.
_TYPEDEFS = frozenset((
    "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "__u8", "__u16", "__u32", "__u64",
    "__s8", "__s16", "__s32", "__s64", "__be16", "__be32", "__be64", "__le16", "__le32",
    "__le64",
))  # fmt: skip

# Tokens that can only begin an operand: behind `(name)` they make it a cast.
_OPERANDS = frozenset((NAME, INTEGER, STRING, SCRATCH, MAP, POSITIONAL, COUNT, "(", "!", "~",
                       "true", "false", "sizeof", "offsetof", "comptime"))  # fmt: skip
_SIGNS = frozenset("-*&+")
_TYPE_WORDS = frozenset(("struct", "union", "enum", "typeof"))


class Unexpected(Exception):
    """A syntax error at ``start..end``; the text is the message without ``syntax:``."""

    def __init__(self, message: str, start: int, end: int, *hints: str) -> None:
        self.start = start
        self.end = end
        self.hints = hints
        super().__init__(message)


class ExpressionParser:
    """Parses expressions from token lists; ``i`` is the current token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.kinds: list[str] = [END]
        self.starts: list[int] = [0]
        self.ends: list[int] = [0]
        self.i = 0
        self.depth = 0
        # Set while `/ {` ends the expression.
        self.in_predicate = False
        self._deep = False

    # -- tokens --------------------------------------------------------------------------------

    def use(self, tokens: lexer.Tokens) -> None:
        """Go on with another piece of the script."""
        self.kinds = tokens.kinds
        self.starts = tokens.starts
        self.ends = tokens.ends
        self.i = 0
        # A path of the tree has at most some nodes for each token.
        self._deep = self._deep or len(tokens.kinds) > tree.MAX_DEPTH // 3

    def take(self) -> str:
        """The text of the current token, which is passed."""
        i = self.i
        self.i = i + 1
        return self.text[self.starts[i] : self.ends[i]]

    def expect(self, kind: str) -> int:
        """Pass a token that has to be there; the offset behind it."""
        i = self.i
        if self.kinds[i] != kind:
            raise self.unexpected(f"expected '{kind}'")
        self.i = i + 1
        return self.ends[i]

    def unexpected(self, message: str) -> Unexpected:
        """A mistake at the current token."""
        i = self.i
        start, end = self.starts[i], self.ends[i]
        if self.kinds[i] == lexer.ERROR:
            character = self.text[start:end]
            if character.startswith('"'):
                return Unexpected("unterminated string", start, start + 1)
            if character == "$" and "expression" in message:
                message = "expected identifier after '$'"
        elif self.kinds[i] == lexer.END and i and start == len(self.text):
            at = lexer.open_comment(self.text, self.ends[i - 1])
            if at >= 0:
                return Unexpected("unterminated comment", at, at + 2)
        elif self.kinds[i] not in _WORDS:
            # Of an operator the first character, as upstream's parser reads characters.
            end = min(end, start + 1)
        return Unexpected(message, start, end)

    def enter(self) -> None:
        """One level deeper.

        Raises:
            Unexpected: that is too deep.
        """
        self.depth += 1
        if self.depth > tree.MAX_DEPTH // 4:
            self.depth = 0
            raise self.unexpected(f"nested too deeply: {tree.MAX_DEPTH // 4} levels are the most")

    def check_depth(self, root: tree.Node) -> None:
        """Refuse a tree with a path longer than :data:`tree.MAX_DEPTH`.

        Raises:
            Unexpected: there is one; its place is that of the node that is too deep.
        """
        if not self._deep:
            return
        level: list[tree.Node] = [root]
        for _depth in range(tree.MAX_DEPTH):
            level = [below for node in level for below in tree.children(node)]
            if not level:
                return
        raise Unexpected(
            f"nested too deeply: a chain of {tree.MAX_DEPTH} operators is the most",
            level[0].start,
            level[0].end,
            "use a variable for a part of the expression",
        )

    # -- literals ------------------------------------------------------------------------------

    def integer(self) -> tree.Integer:
        """An integer literal."""
        i = self.i
        start, end = self.starts[i], self.ends[i]
        value, suffix = lexer.integer(self.text[start:end])
        if isinstance(value, str):
            assert isinstance(suffix, int)
            raise Unexpected(value, start + suffix, end)
        assert isinstance(suffix, str)
        self.i = i + 1
        return tree.Integer(value, suffix, start, end)

    def string(self) -> tree.String:
        """A string literal."""
        i = self.i
        start, end = self.starts[i], self.ends[i]
        value, mistakes = lexer.unescape(self.text[start + 1 : end - 1])
        self.i = i + 1
        for at, message in mistakes:
            raise Unexpected(message, start + 1 + at, start + 2 + at)
        return tree.String(value, start, end)

    # -- types ---------------------------------------------------------------------------------

    def type(self) -> tree.TypeExpression:
        """A type as written: a name, ``struct x``, ``typeof(…)``, with ``*`` and ``[n]`` behind."""
        kind = self.kinds[self.i]
        start = self.starts[self.i]
        node: tree.TypeExpression
        if kind in ("struct", "union", "enum"):
            self.i += 1
            if self.kinds[self.i] not in _NAMES:
                raise self.unexpected("expected identifier")
            name = self.take()
            node = tree.TypeName(name, kind, start, self.ends[self.i - 1])
        elif kind == "typeof":
            node = self._typeof()
        elif kind == NAME:
            node = tree.TypeName(self.take(), "", start, self.ends[self.i - 1])
        else:
            raise self.unexpected("expected type name")
        return self._type_suffix(node)

    def _type_suffix(self, node: tree.TypeExpression) -> tree.TypeExpression:
        start = node.start
        while True:
            kind = self.kinds[self.i]
            if kind == "*":
                self.i += 1
                node = tree.TypePointer(node, start, self.ends[self.i - 1])
            elif kind == "[":
                self.i += 1
                length: int | None = None
                if self.kinds[self.i] == INTEGER:
                    length = self.integer().value
                end = self.expect("]")
                node = tree.TypeArray(node, length, start, end)
            else:
                return node

    def _typeof(self) -> tree.Typeof:
        start = self.starts[self.i]
        self.i += 1
        self.expect("(")
        subject = self._subject()
        return tree.Typeof(subject, start, self.expect(")"))

    def _subject(self) -> tree.Expression | tree.TypeExpression:
        """What ``sizeof`` and its kind take: a type or an expression."""
        self.in_predicate, outer = False, self.in_predicate
        i = self.i
        kind = self.kinds[i]
        subject: tree.Expression | tree.TypeExpression
        if kind in _TYPE_WORDS or (kind == NAME and self._is_type(i)):
            subject = self.type()
        else:
            subject = self.expression()
        self.in_predicate = outer
        return subject

    def _is_type(self, i: int) -> bool:
        """Whether a type stands at token ``i``, a name, in a place that also takes expressions."""
        word = self.text[self.starts[i] : self.ends[i]]
        following = self.kinds[i + 1]
        if word in NAMED or word in _TYPEDEFS:
            return following != "("
        while self.kinds[i + 1] == "*":
            i += 1
            if self.kinds[i + 1] in (")", ","):
                return True
        return False

    # -- expressions -----------------------------------------------------------------------------

    def expression(self) -> tree.Expression:
        """An expression, the ternary operator included."""
        self.enter()
        condition = self.binary(1)
        kind = self.kinds[self.i]
        if kind == "?":
            self.i += 1
            then = self.expression()
            self.expect(":")
            otherwise = self.expression()
            condition = tree.Ternary(condition, then, otherwise, condition.start, otherwise.end)
        elif kind == "?:":
            self.i += 1
            otherwise = self.expression()
            condition = tree.Ternary(condition, None, otherwise, condition.start, otherwise.end)
        self.depth -= 1
        return condition

    def binary(self, least: int) -> tree.Expression:
        """Operands and the operators between them that bind at least as tightly as ``least``."""
        left = self.unary()
        precedence_of = PRECEDENCE.get
        while True:
            i = self.i
            op = self.kinds[i]
            precedence = precedence_of(op, 0)
            if precedence < least or not precedence:
                return left
            if op == "/" and self.in_predicate and self.kinds[i + 1] == "{":
                return left
            self.i = i + 1
            at = self.starts[i]  # a block among the operands makes other tokens
            right = self.binary(precedence + 1)
            left = tree.Binary(op, left, right, at, left.start, right.end)

    def unary(self) -> tree.Expression:
        """An operand with the operators before and behind it."""
        parse = _PREFIX.get(self.kinds[self.i])
        if parse is None:
            raise self.unexpected("expected expression")
        return parse(self)

    def _postfix(self, node: tree.Expression) -> tree.Expression:
        """``node`` with field accesses, indexes and increments behind it."""
        while True:
            i = self.i
            kind = self.kinds[i]
            if kind == "." or kind == "->":
                node = self._access(node)
            elif kind == "[":
                node = self._index(node)
            elif kind == "++" or kind == "--":
                if not isinstance(node, tree.Scratch | tree.Map | tree.MapAccess):
                    return node
                self.i = i + 1
                return tree.IncDec(kind, False, node, node.start, self.ends[i])
            else:
                return node

    def _access(self, node: tree.Expression) -> tree.Expression:
        i = self.i + 1
        kind = self.kinds[i]
        at, end = self.starts[i], self.ends[i]
        self.i = i
        if kind == INTEGER:
            text = self.text[at:end]
            if not text.isdecimal():
                raise self.unexpected("expected a number")
            self.i = i + 1
            return tree.TupleAccess(node, int(text), node.start, end)
        if kind not in _NAMES:
            operator = self.text[self.starts[i - 1] : self.ends[i - 1]]
            raise self.unexpected(f"expected field name after '{operator}'")
        self.i = i + 1
        return tree.FieldAccess(node, self.text[at:end], at, node.start, end)

    def _index(self, node: tree.Expression) -> tree.Expression:
        start = self.starts[self.i]
        self.i += 1
        self.in_predicate, outer = False, self.in_predicate
        key = self.expression()
        if isinstance(node, tree.Map):
            if self.kinds[self.i] == ",":
                elements = [key]
                while self.kinds[self.i] == ",":
                    self.i += 1
                    elements.append(self.expression())
                key = tree.TupleLiteral(elements, start, self.ends[self.i])
            end = self.expect("]")
            self.in_predicate = outer
            return tree.MapAccess(node, key, node.start, end)
        end = self.expect("]")
        self.in_predicate = outer
        return tree.Index(node, key, node.start, end)

    # -- what an operand may begin with ----------------------------------------------------------

    def _name(self) -> tree.Expression:
        i = self.i
        start, end = self.starts[i], self.ends[i]
        name = self.text[start:end]
        self.i = i + 1
        node: tree.Expression
        if self.kinds[i + 1] == "(":
            node = self._call(name, start, end)
        elif lexer.is_builtin(name):
            node = tree.Builtin(name, start, end)
        else:
            node = tree.Identifier(name, start, end)
        return self._postfix(node)

    def _call(self, name: str, start: int, name_end: int) -> tree.Call:
        self.i += 1
        self.in_predicate, outer = False, self.in_predicate
        args: list[tree.Expression | tree.TypeExpression] = []
        if self.kinds[self.i] != ")":
            while True:
                kind = self.kinds[self.i]
                if kind in _TYPE_WORDS:
                    args.append(self.type())
                else:
                    args.append(self.expression())
                if self.kinds[self.i] != ",":
                    break
                self.i += 1
        end = self.expect(")")
        self.in_predicate = outer
        return tree.Call(name, args, name_end, start, end)

    def _integer(self) -> tree.Expression:
        return self._postfix(self.integer())

    def _string(self) -> tree.Expression:
        return self._postfix(self.string())

    def _boolean(self) -> tree.Expression:
        start, end = self.starts[self.i], self.ends[self.i]
        return tree.Boolean(self.take() == "true", start, end)

    def _scratch(self) -> tree.Expression:
        i = self.i
        start, end = self.starts[i], self.ends[i]
        self.i = i + 1
        return self._postfix(tree.Scratch(self.text[start:end], start, end))

    def _map(self) -> tree.Expression:
        i = self.i
        start, end = self.starts[i], self.ends[i]
        self.i = i + 1
        return self._postfix(tree.Map(self.text[start:end], start, end))

    def _positional(self) -> tree.Expression:
        start, end = self.starts[self.i], self.ends[self.i]
        number = int(self.take()[1:])
        if number == 0:
            raise Unexpected("param $0 is out of integer range [1, 2147483647]", start, end)
        return self._postfix(tree.Positional(number, start, end))

    def _count(self) -> tree.Expression:
        start, end = self.starts[self.i], self.ends[self.i]
        self.i += 1
        return tree.PositionalCount(start, end)

    def _operator(self) -> tree.Expression:
        self.enter()
        start = self.starts[self.i]
        op = self.take()
        operand = self.unary()
        self.depth -= 1
        return tree.Unary(op, operand, start, operand.end)

    def _increment(self) -> tree.Expression:
        start = self.starts[self.i]
        op = self.take()
        if self.kinds[self.i] not in (SCRATCH, MAP):
            raise self.unexpected("increment/decrement requires a variable or map")
        at, end = self.starts[self.i], self.ends[self.i]
        scratch = self.kinds[self.i] == SCRATCH
        name = self.take()
        target: tree.Expression = (tree.Scratch if scratch else tree.Map)(name, at, end)
        if not scratch and self.kinds[self.i] == "[":
            target = self._index(target)
        return tree.IncDec(op, True, target, start, target.end)

    def _address_of(self) -> tree.Expression:
        start = self.starts[self.i]
        self.i += 1
        kind = self.kinds[self.i]
        if kind not in (SCRATCH, MAP):
            raise self.unexpected("address-of operator (&) can only be used on a map or variable")
        at, end = self.starts[self.i], self.ends[self.i]
        target = (tree.Scratch if kind == SCRATCH else tree.Map)(self.take(), at, end)
        return tree.AddressOf(target, start, end)

    def _sizeof(self) -> tree.Expression:
        start = self.starts[self.i]
        self.i += 1
        self.expect("(")
        subject = self._subject()
        return tree.Sizeof(subject, start, self.expect(")"))

    def _typeinfo(self) -> tree.Expression:
        start = self.starts[self.i]
        self.i += 1
        self.expect("(")
        subject = self._subject()
        return self._postfix(tree.Typeinfo(subject, start, self.expect(")")))

    def _offsetof(self) -> tree.Expression:
        start = self.starts[self.i]
        self.i += 1
        self.expect("(")
        subject = self._subject()
        self.expect(",")
        path_start = self.starts[self.i]
        path: list[str] = []
        while True:
            if self.kinds[self.i] not in _NAMES:
                raise self.unexpected("expected field name")
            path.append(self.take())
            if self.kinds[self.i] != ".":
                break
            self.i += 1
        return tree.Offsetof(subject, path, path_start, start, self.expect(")"))

    def _comptime(self) -> tree.Expression:
        start = self.starts[self.i]
        self.i += 1
        self.enter()
        operand = self.unary()
        self.depth -= 1
        return tree.Comptime(operand, start, operand.end)

    def _typeof_value(self) -> tree.Expression:
        raise self.unexpected("expected expression")

    def _if(self) -> tree.Expression:
        start = self.starts[self.i]
        self.i += 1
        self.in_predicate, outer = False, self.in_predicate
        condition = self.expression()
        then = self.block(value=True)
        otherwise: tree.Block | tree.If | None = None
        end = then.end
        if self.kinds[self.i] == "else":
            self.i += 1
            if self.kinds[self.i] == "if":
                chained = self._if()
                assert isinstance(chained, tree.If)
                otherwise = chained
            else:
                otherwise = self.block(value=True)
            end = otherwise.end
        self.in_predicate = outer
        return tree.If(condition, then, otherwise, start, end)

    def _block(self) -> tree.Expression:
        return self.block(value=True)

    def block(self, value: bool) -> tree.Block:
        """A block of statements."""
        raise NotImplementedError

    # -- parentheses -----------------------------------------------------------------------------

    def _parenthesis(self) -> tree.Expression:
        i = self.i
        start = self.starts[i]
        if self._is_cast(i + 1):
            self.i = i + 1
            self.enter()
            target = self.type()
            target_end = self.expect(")")
            operand = self.unary()
            self.depth -= 1
            return tree.Cast(target, operand, target_end, start, operand.end)
        self.i = i + 1
        self.in_predicate, outer = False, self.in_predicate
        kind = self.kinds[i + 1]
        node: tree.Expression
        if kind == ")":
            self.i = i + 2
            node = tree.TupleLiteral([], start, self.ends[i + 1])
        elif kind == NAME and self.kinds[i + 2] == "=":
            node = self._record(start)
        else:
            node = self.expression()
            if self.kinds[self.i] == ",":
                elements = [node]
                while self.kinds[self.i] == ",":
                    self.i += 1
                    if self.kinds[self.i] == ")":
                        break
                    elements.append(self.expression())
                node = tree.TupleLiteral(elements, start, self.expect(")"))
            else:
                self.expect(")")
        self.in_predicate = outer
        return self._postfix(node)

    def _record(self, start: int) -> tree.Expression:
        fields: list[tree.RecordField] = []
        names: set[str] = set()
        while True:
            at = self.starts[self.i]
            if self.kinds[self.i] != NAME:
                raise self.unexpected("expected identifier")
            name = self.take()
            if name in names:
                raise Unexpected(f"duplicate field '{name}' in record", at, self.ends[self.i - 1])
            names.add(name)
            self.expect("=")
            value = self.expression()
            fields.append(tree.RecordField(name, value, at, value.end))
            if self.kinds[self.i] != ",":
                break
            self.i += 1
            if self.kinds[self.i] == ")":
                break
        return tree.RecordLiteral(fields, start, self.expect(")"))

    def _is_cast(self, i: int) -> bool:
        """Whether ``(`` before token ``i`` begins a cast."""
        kinds = self.kinds
        kind = kinds[i]
        if kind in _TYPE_WORDS:
            return True
        if kind != NAME:
            return False
        word = self.text[self.starts[i] : self.ends[i]]
        i += 1
        suffixed = False
        while kinds[i] == "*" or kinds[i] == "[":
            if kinds[i] == "[":
                i += 1
                if kinds[i] == INTEGER:
                    i += 1
                if kinds[i] != "]":
                    return False
            else:
                suffixed = True
            i += 1
        if kinds[i] != ")":
            return False
        if suffixed or word in NAMED or word in _TYPEDEFS:
            return True
        following = kinds[i + 1]
        return following in _OPERANDS or (word.endswith("_t") and following in _SIGNS)


_NAMES = lexer.KEYWORDS | {NAME}
# Shown whole in messages.
_WORDS = _NAMES | {INTEGER, SCRATCH, MAP, POSITIONAL, COUNT}

_PREFIX: dict[str, Callable[[ExpressionParser], tree.Expression]] = {
    NAME: ExpressionParser._name,
    INTEGER: ExpressionParser._integer,
    STRING: ExpressionParser._string,
    SCRATCH: ExpressionParser._scratch,
    MAP: ExpressionParser._map,
    POSITIONAL: ExpressionParser._positional,
    COUNT: ExpressionParser._count,
    "true": ExpressionParser._boolean,
    "false": ExpressionParser._boolean,
    "-": ExpressionParser._operator,
    "!": ExpressionParser._operator,
    "~": ExpressionParser._operator,
    "*": ExpressionParser._operator,
    "++": ExpressionParser._increment,
    "--": ExpressionParser._increment,
    "&": ExpressionParser._address_of,
    "(": ExpressionParser._parenthesis,
    "{": ExpressionParser._block,
    "if": ExpressionParser._if,
    "sizeof": ExpressionParser._sizeof,
    "offsetof": ExpressionParser._offsetof,
    "typeinfo": ExpressionParser._typeinfo,
    "typeof": ExpressionParser._typeof_value,
    "comptime": ExpressionParser._comptime,
}
