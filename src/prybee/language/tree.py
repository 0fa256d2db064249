"""The tree of a script: what the parser makes, the checker annotates and the lowering reads.

Every node knows its place: ``start`` and ``end`` are character offsets into the source, end
exclusive, without surrounding blanks; :meth:`Node.span` makes a :class:`~prybee.diagnostics.Span`
of them when a message needs one.  Nodes are mutable and compared by identity;
:func:`equal` compares shapes.  ``fields`` names, for each class, what makes a node what it is, in
the order of the constructor; :func:`children`, :func:`walk`, :func:`copy` and :func:`equal` are
driven by it.

Expressions (and type expressions) carry ``type``: ``None`` until the checker has set it.

Deviations from the text of a script are few: ``@m[a, b]`` has a :class:`TupleLiteral` as its key,
``->`` is a :class:`FieldAccess` like ``.``, and parentheses leave no node.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeVar

    from prybee.diagnostics import Source, Span
    from prybee.language.types import Type

    N = TypeVar("N", bound="Node")

# No path from the root to a leaf is longer than this: the parser refuses deeper scripts with a
# clear message, so that recursive visitors need no guard of their own beyond a recursion limit
# that suits it (pure Python calls take no C stack since 3.11).
MAX_DEPTH = 1000
RECURSION_LIMIT = 30 * MAX_DEPTH


class Node:
    """Base of all nodes."""

    __slots__ = ("end", "start")
    fields: tuple[str, ...] = ()

    start: int
    end: int

    def span(self, source: Source) -> Span:
        """The node's characters in ``source``."""
        return source.span(self.start, self.end)

    def __repr__(self) -> str:
        body = "".join(f"{name}={getattr(self, name)!r}, " for name in self.fields)
        return f"{type(self).__name__}({body}{self.start}..{self.end})"


class Expression(Node):
    """Base of what has a value. ``type`` is ``None`` until the checker has set it."""

    __slots__ = ("type",)
    type: Type


class Statement(Node):
    """Base of what stands in a block."""

    __slots__ = ()


class TypeExpression(Node):
    """Base of type names as written in a script. ``type`` is ``None`` until resolved."""

    __slots__ = ("type",)
    type: Type


# ``None`` for an attribute that the checker will set and that later stages may rely on.
_UNSET: Any = None


# --- types as written ---------------------------------------------------------------------------


class TypeName(TypeExpression):
    """``int64``, ``string``, or with ``tag`` ``struct x``, ``union x``, ``enum x``."""

    __slots__ = ("name", "tag")
    fields = ("name", "tag")

    def __init__(self, name: str, tag: str, start: int, end: int) -> None:
        self.type = _UNSET
        self.name = name
        self.tag = tag
        self.start = start
        self.end = end


class TypePointer(TypeExpression):
    """``target *``."""

    __slots__ = ("target",)
    fields = ("target",)

    def __init__(self, target: TypeExpression, start: int, end: int) -> None:
        self.type = _UNSET
        self.target = target
        self.start = start
        self.end = end


class TypeArray(TypeExpression):
    """``element[length]``; also the capacity in ``string[64]``. ``length`` None: ``element[]``."""

    __slots__ = ("element", "length")
    fields = ("element", "length")

    def __init__(self, element: TypeExpression, length: int | None, start: int, end: int) -> None:
        self.type = _UNSET
        self.element = element
        self.length = length
        self.start = start
        self.end = end


class Typeof(TypeExpression):
    """``typeof(subject)``. A lone unknown name arrives as :class:`Identifier`: it may be a type."""

    __slots__ = ("subject",)
    fields = ("subject",)

    def __init__(self, subject: Expression | TypeExpression, start: int, end: int) -> None:
        self.type = _UNSET
        self.subject = subject
        self.start = start
        self.end = end


# --- atoms --------------------------------------------------------------------------------------


class Integer(Expression):
    """An integer literal; ``value`` is unsigned and has durations already in nanoseconds.

    ``suffix`` is as written, in lower case: ``u l ul ll ull`` or ``ns us ms s m h d``, or empty.
    """

    __slots__ = ("suffix", "value")
    fields = ("value", "suffix")

    def __init__(self, value: int, suffix: str, start: int, end: int) -> None:
        self.type = _UNSET
        self.value = value
        self.suffix = suffix
        self.start = start
        self.end = end


class String(Expression):
    """A string literal, escapes replaced; bytes that are not UTF-8 are surrogate escapes."""

    __slots__ = ("value",)
    fields = ("value",)

    def __init__(self, value: str, start: int, end: int) -> None:
        self.type = _UNSET
        self.value = value
        self.start = start
        self.end = end

    @property
    def data(self) -> bytes:
        """The exact bytes, without a NUL at the end."""
        return self.value.encode("utf-8", "surrogateescape")


class Boolean(Expression):
    """``true`` or ``false``."""

    __slots__ = ("value",)
    fields = ("value",)

    def __init__(self, value: bool, start: int, end: int) -> None:
        self.type = _UNSET
        self.value = value
        self.start = start
        self.end = end


class Identifier(Expression):
    """A bare name: a macro parameter, a C constant, an enumerator, a mode as in ``kstack(perf)``,
    or a standard-library macro called without parentheses, such as ``comm``."""

    __slots__ = ("name",)
    fields = ("name",)

    def __init__(self, name: str, start: int, end: int) -> None:
        self.type = _UNSET
        self.name = name
        self.start = start
        self.end = end


class Builtin(Expression):
    """One of the names the parser itself knows: ``args``, ``ctx``, ``pid``, ``arg0``,
    ``__builtin_cpu`` … (:data:`prybee.language.lexer.is_builtin`)."""

    __slots__ = ("name",)
    fields = ("name",)

    def __init__(self, name: str, start: int, end: int) -> None:
        self.type = _UNSET
        self.name = name
        self.start = start
        self.end = end


class Positional(Expression):
    """``$1`` and so on; ``number`` counts from 1."""

    __slots__ = ("number",)
    fields = ("number",)

    def __init__(self, number: int, start: int, end: int) -> None:
        self.type = _UNSET
        self.number = number
        self.start = start
        self.end = end


class PositionalCount(Expression):
    """``$#``."""

    __slots__ = ()

    def __init__(self, start: int, end: int) -> None:
        self.type = _UNSET
        self.start = start
        self.end = end


class Scratch(Expression):
    """A scratch variable; ``name`` includes the ``$``. ``variable`` is the checker's to set."""

    __slots__ = ("name", "variable")
    fields = ("name",)

    def __init__(self, name: str, start: int, end: int) -> None:
        self.type = _UNSET
        self.variable: Any = None
        self.name = name
        self.start = start
        self.end = end


class Map(Expression):
    """A whole map (or a scalar one's value); ``name`` includes the ``@``, and may be just that."""

    __slots__ = ("name",)
    fields = ("name",)

    def __init__(self, name: str, start: int, end: int) -> None:
        self.type = _UNSET
        self.name = name
        self.start = start
        self.end = end


# --- postfix ------------------------------------------------------------------------------------


class MapAccess(Expression):
    """``@m[key]``; ``@m[a, b]`` has a tuple literal as key."""

    __slots__ = ("key", "map")
    fields = ("map", "key")

    def __init__(self, map: Map, key: Expression, start: int, end: int) -> None:  # noqa: A002
        self.type = _UNSET
        self.map = map
        self.key = key
        self.start = start
        self.end = end


class FieldAccess(Expression):
    """``subject.field`` or ``subject->field``; the field's own place is ``field_start..end``."""

    __slots__ = ("field", "field_start", "subject")
    fields = ("subject", "field")

    def __init__(
        self, subject: Expression, field: str, field_start: int, start: int, end: int
    ) -> None:
        self.type = _UNSET
        self.subject = subject
        self.field = field
        self.field_start = field_start
        self.start = start
        self.end = end


class TupleAccess(Expression):
    """``subject.0``."""

    __slots__ = ("index", "subject")
    fields = ("subject", "index")

    def __init__(self, subject: Expression, index: int, start: int, end: int) -> None:
        self.type = _UNSET
        self.subject = subject
        self.index = index
        self.start = start
        self.end = end


class Index(Expression):
    """``subject[index]`` on anything but a map."""

    __slots__ = ("index", "subject")
    fields = ("subject", "index")

    def __init__(self, subject: Expression, index: Expression, start: int, end: int) -> None:
        self.type = _UNSET
        self.subject = subject
        self.index = index
        self.start = start
        self.end = end


class IncDec(Expression):
    """``++x``, ``x--`` …; ``target`` is a Scratch, Map or MapAccess, ``op`` is ``++`` or ``--``."""

    __slots__ = ("op", "prefix", "target")
    fields = ("op", "prefix", "target")

    def __init__(self, op: str, prefix: bool, target: Expression, start: int, end: int) -> None:
        self.type = _UNSET
        self.op = op
        self.prefix = prefix
        self.target = target
        self.start = start
        self.end = end


class Call(Expression):
    """``name(args)``; an argument may be a :class:`Typeof`. The name ends at ``name_end``."""

    __slots__ = ("args", "name", "name_end")
    fields = ("name", "args")

    def __init__(
        self,
        name: str,
        args: list[Expression | TypeExpression],
        name_end: int,
        start: int,
        end: int,
    ) -> None:
        self.type = _UNSET
        self.name = name
        self.args = args
        self.name_end = name_end
        self.start = start
        self.end = end


# --- operators ----------------------------------------------------------------------------------


class Unary(Expression):
    """``op operand`` with ``op`` one of ``- ! ~ *``."""

    __slots__ = ("op", "operand")
    fields = ("op", "operand")

    def __init__(self, op: str, operand: Expression, start: int, end: int) -> None:
        self.type = _UNSET
        self.op = op
        self.operand = operand
        self.start = start
        self.end = end


class AddressOf(Expression):
    """``&$x`` or ``&@m``."""

    __slots__ = ("target",)
    fields = ("target",)

    def __init__(self, target: Scratch | Map, start: int, end: int) -> None:
        self.type = _UNSET
        self.target = target
        self.start = start
        self.end = end


class Binary(Expression):
    """``left op right``; the operator itself begins at ``op_start``.

    ``decided`` is set where compiling knows what ``&&`` or ``||`` gives: see :class:`If`.
    """

    __slots__ = ("decided", "left", "op", "op_start", "right")
    fields = ("op", "left", "right")

    def __init__(
        self, op: str, left: Expression, right: Expression, op_start: int, start: int, end: int
    ) -> None:
        self.type = _UNSET
        self.op = op
        self.left = left
        self.right = right
        self.decided: bool | None = None
        self.op_start = op_start
        self.start = start
        self.end = end


class Ternary(Expression):
    """``condition ? then : otherwise``; ``then`` is None for ``condition ?: otherwise``, whose
    condition is to be evaluated once.  ``decided`` as in :class:`If`."""

    __slots__ = ("condition", "decided", "otherwise", "then")
    fields = ("condition", "then", "otherwise")

    def __init__(
        self,
        condition: Expression,
        then: Expression | None,
        otherwise: Expression,
        start: int,
        end: int,
    ) -> None:
        self.type = _UNSET
        self.condition = condition
        self.then = then
        self.otherwise = otherwise
        self.decided: bool | None = None
        self.start = start
        self.end = end


class Cast(Expression):
    """``(target)operand``; the parenthesised type ends at ``target_end``."""

    __slots__ = ("operand", "target", "target_end")
    fields = ("target", "operand")

    def __init__(
        self, target: TypeExpression, operand: Expression, target_end: int, start: int, end: int
    ) -> None:
        self.type = _UNSET
        self.target = target
        self.operand = operand
        self.target_end = target_end
        self.start = start
        self.end = end


class Sizeof(Expression):
    """``sizeof(subject)``. A lone unknown name arrives as :class:`Identifier`: it may be a type."""

    __slots__ = ("subject",)
    fields = ("subject",)

    def __init__(self, subject: Expression | TypeExpression, start: int, end: int) -> None:
        self.type = _UNSET
        self.subject = subject
        self.start = start
        self.end = end


class Offsetof(Expression):
    """``offsetof(subject, a.b)``: ``path`` is ``["a", "b"]``, written at ``path_start``."""

    __slots__ = ("path", "path_start", "subject")
    fields = ("subject", "path")

    def __init__(
        self,
        subject: Expression | TypeExpression,
        path: list[str],
        path_start: int,
        start: int,
        end: int,
    ) -> None:
        self.type = _UNSET
        self.subject = subject
        self.path = path
        self.path_start = path_start
        self.start = start
        self.end = end


class Typeinfo(Expression):
    """``typeinfo(subject)``. ``value`` is the record that it stands for, once types are known."""

    __slots__ = ("subject", "value")
    fields = ("subject",)

    def __init__(self, subject: Expression | TypeExpression, start: int, end: int) -> None:
        self.type = _UNSET
        self.value: RecordLiteral | None = None
        self.subject = subject
        self.start = start
        self.end = end


class Comptime(Expression):
    """``comptime operand``: must fold to a literal, ``value``, which the checker sets."""

    __slots__ = ("operand", "value")
    fields = ("operand",)

    def __init__(self, operand: Expression, start: int, end: int) -> None:
        self.type = _UNSET
        self.value: Integer | Boolean | String | None = None
        self.operand = operand
        self.start = start
        self.end = end


# --- composites ---------------------------------------------------------------------------------


class TupleLiteral(Expression):
    """``(a, b)``, ``(a,)``, ``()``, and the key of ``@m[a, b]``."""

    __slots__ = ("elements",)
    fields = ("elements",)

    def __init__(self, elements: list[Expression], start: int, end: int) -> None:
        self.type = _UNSET
        self.elements = elements
        self.start = start
        self.end = end


class RecordField(Node):
    """``name=value`` in a record literal."""

    __slots__ = ("name", "value")
    fields = ("name", "value")

    def __init__(self, name: str, value: Expression, start: int, end: int) -> None:
        self.name = name
        self.value = value
        self.start = start
        self.end = end


class RecordLiteral(Expression):
    """``(x=1, y=2)``; names are distinct."""

    __slots__ = ("elements",)
    fields = ("elements",)

    def __init__(self, elements: list[RecordField], start: int, end: int) -> None:
        self.type = _UNSET
        self.elements = elements
        self.start = start
        self.end = end


class Block(Expression):
    """``{ statements; value }``.

    Bodies of probes, loops and functions, and of an ``if`` that stands as a statement, never have
    a ``value``: a last expression without semicolon is then an ordinary statement.
    """

    __slots__ = ("statements", "value")
    fields = ("statements", "value")

    def __init__(
        self, statements: list[Statement], value: Expression | None, start: int, end: int
    ) -> None:
        self.type = _UNSET
        self.statements = statements
        self.value = value
        self.start = start
        self.end = end

    @property
    def result(self) -> Expression | None:
        """The expression that gives the value: the last one, of the innermost block."""
        value = self.value
        return value.result if isinstance(value, Block) else value


class If(Expression):
    """``if condition { … } else …``, as a value or (inside an ExpressionStatement) a statement.

    ``otherwise`` is a Block, another If (``else if``), or None.  ``decided`` is what the checker
    finds a ``comptime`` condition to be, or one that asks of the kernel (``field_exists()``): the
    other branch is not part of the program.
    """

    __slots__ = ("condition", "decided", "otherwise", "then")
    fields = ("condition", "then", "otherwise")

    def __init__(
        self,
        condition: Expression,
        then: Block,
        otherwise: Block | If | None,
        start: int,
        end: int,
    ) -> None:
        self.type = _UNSET
        self.condition = condition
        self.then = then
        self.otherwise = otherwise
        self.decided: bool | None = None
        self.start = start
        self.end = end


# --- statements ---------------------------------------------------------------------------------


class ExpressionStatement(Statement):
    """An expression whose value is not used; also an ``if`` or a bare block."""

    __slots__ = ("expression",)
    fields = ("expression",)

    def __init__(self, expression: Expression, start: int, end: int) -> None:
        self.expression = expression
        self.start = start
        self.end = end


class AssignScratch(Statement):
    """``$x = value``; ``op`` is the operator of a compound assignment (``+`` for ``+=``), or
    empty."""

    __slots__ = ("op", "target", "value")
    fields = ("target", "op", "value")

    def __init__(self, target: Scratch, op: str, value: Expression, start: int, end: int) -> None:
        self.target = target
        self.op = op
        self.value = value
        self.start = start
        self.end = end


class AssignMap(Statement):
    """``@m = value`` or ``@m[k] = value``; ``op`` as in :class:`AssignScratch`."""

    __slots__ = ("op", "target", "value")
    fields = ("target", "op", "value")

    def __init__(
        self, target: Map | MapAccess, op: str, value: Expression, start: int, end: int
    ) -> None:
        self.target = target
        self.op = op
        self.value = value
        self.start = start
        self.end = end


class Declaration(Statement):
    """``let $x;``, ``let $x: type;``, ``let $x = value;``, ``let $x: type = value;``."""

    __slots__ = ("annotation", "value", "variable")
    fields = ("variable", "annotation", "value")

    def __init__(
        self,
        variable: Scratch,
        annotation: TypeExpression | None,
        value: Expression | None,
        start: int,
        end: int,
    ) -> None:
        self.variable = variable
        self.annotation = annotation
        self.value = value
        self.start = start
        self.end = end


class Discard(Statement):
    """``_ = value;``."""

    __slots__ = ("value",)
    fields = ("value",)

    def __init__(self, value: Expression, start: int, end: int) -> None:
        self.value = value
        self.start = start
        self.end = end


class While(Statement):
    """``while condition { … }``."""

    __slots__ = ("body", "condition")
    fields = ("condition", "body")

    def __init__(self, condition: Expression, body: Block, start: int, end: int) -> None:
        self.condition = condition
        self.body = body
        self.start = start
        self.end = end


class Unroll(Statement):
    """``unroll(count) { … }``."""

    __slots__ = ("body", "count")
    fields = ("count", "body")

    def __init__(self, count: Expression, body: Block, start: int, end: int) -> None:
        self.count = count
        self.body = body
        self.start = start
        self.end = end


class Range(Node):
    """``first..limit`` of a loop; the limit is not reached."""

    __slots__ = ("first", "limit")
    fields = ("first", "limit")

    def __init__(self, first: Expression, limit: Expression, start: int, end: int) -> None:
        self.first = first
        self.limit = limit
        self.start = start
        self.end = end


class For(Statement):
    """``for $variable : @map { … }`` or ``for $variable : a..b { … }``."""

    __slots__ = ("body", "iterable", "variable")
    fields = ("variable", "iterable", "body")

    def __init__(
        self, variable: Scratch, iterable: Range | Map, body: Block, start: int, end: int
    ) -> None:
        self.variable = variable
        self.iterable = iterable
        self.body = body
        self.start = start
        self.end = end


class Break(Statement):
    """``break``."""

    __slots__ = ()

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end


class Continue(Statement):
    """``continue``."""

    __slots__ = ()

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end


class Return(Statement):
    """``return`` or ``return value``."""

    __slots__ = ("value",)
    fields = ("value",)

    def __init__(self, value: Expression | None, start: int, end: int) -> None:
        self.value = value
        self.start = start
        self.end = end


class Import(Statement):
    """``import "path";`` at the root, or (standard library only) in a block."""

    __slots__ = ("path",)
    fields = ("path",)

    def __init__(self, path: str, start: int, end: int) -> None:
        self.path = path
        self.start = start
        self.end = end


# --- the root -----------------------------------------------------------------------------------


class CDirective(Node):
    """A preprocessor line: ``kind`` is its word (``define``, ``include``, ``ifdef`` …), ``text``
    what follows the word, continuation lines joined; ``text`` begins at ``text_start``."""

    __slots__ = ("kind", "text", "text_start")
    fields = ("kind", "text")

    def __init__(self, kind: str, text: str, text_start: int, start: int, end: int) -> None:
        self.kind = kind
        self.text = text
        self.text_start = text_start
        self.start = start
        self.end = end


class CDefinition(Node):
    """A ``struct``, ``union`` or ``enum`` definition in C, as written; ``kind`` is that word."""

    __slots__ = ("kind", "text")
    fields = ("kind", "text")

    def __init__(self, kind: str, text: str, start: int, end: int) -> None:
        self.kind = kind
        self.text = text
        self.start = start
        self.end = end


class ConfigAssignment(Node):
    """``name = value`` of the config block; the value begins at ``value_start``."""

    __slots__ = ("name", "value", "value_start")
    fields = ("name", "value")

    def __init__(
        self, name: str, value: int | str | bool, value_start: int, start: int, end: int
    ) -> None:
        self.name = name
        self.value = value
        self.value_start = value_start
        self.start = start
        self.end = end


class ConfigBlock(Node):
    """``config = { … }``."""

    __slots__ = ("assignments",)
    fields = ("assignments",)

    def __init__(self, assignments: list[ConfigAssignment], start: int, end: int) -> None:
        self.assignments = assignments
        self.start = start
        self.end = end


class AttachPoint(Node):
    """One attach point as written; :func:`prybee.language.attach_point.parse` takes it apart.

    ``instead``: it stands behind ``||``, and counts only where the one before has no match.
    """

    __slots__ = ("instead", "raw")
    fields = ("raw",)

    def __init__(self, raw: str, start: int, end: int, instead: bool = False) -> None:
        self.raw = raw
        self.instead = instead
        self.start = start
        self.end = end


class Probe(Node):
    """``attach points /predicate/ { … }``; the node's own place is its attach points."""

    __slots__ = ("attach_points", "body", "predicate")
    fields = ("attach_points", "predicate", "body")

    def __init__(
        self,
        attach_points: list[AttachPoint],
        predicate: Expression | None,
        body: Block,
        start: int,
        end: int,
    ) -> None:
        self.attach_points = attach_points
        self.predicate = predicate
        self.body = body
        self.start = start
        self.end = end


class Macro(Node):
    """``macro name($a, @m, expr) { … }``; the node's own place is ``macro name``.

    A parameter is a :class:`Scratch`, a :class:`Map` or an :class:`Identifier`.
    """

    __slots__ = ("body", "name", "parameters")
    fields = ("name", "parameters", "body")

    def __init__(
        self,
        name: str,
        parameters: list[Scratch | Map | Identifier],
        body: Block,
        start: int,
        end: int,
    ) -> None:
        self.name = name
        self.parameters = parameters
        self.body = body
        self.start = start
        self.end = end


class Parameter(Node):
    """``$name: annotation`` of a function."""

    __slots__ = ("annotation", "variable")
    fields = ("variable", "annotation")

    def __init__(self, variable: Scratch, annotation: TypeExpression, start: int, end: int) -> None:
        self.variable = variable
        self.annotation = annotation
        self.start = start
        self.end = end


class Subprogram(Node):
    """``fn name($a: int64): int64 { … }``; the node's own place is ``fn name``."""

    __slots__ = ("body", "name", "parameters", "returns")
    fields = ("name", "parameters", "returns", "body")

    def __init__(
        self,
        name: str,
        parameters: list[Parameter],
        returns: TypeExpression,
        body: Block,
        start: int,
        end: int,
    ) -> None:
        self.name = name
        self.parameters = parameters
        self.returns = returns
        self.body = body
        self.start = start
        self.end = end


class MapDeclaration(Node):
    """``let @name = kind(capacity);`` at the root."""

    __slots__ = ("capacity", "kind", "name")
    fields = ("name", "kind", "capacity")

    def __init__(self, name: str, kind: str, capacity: int, start: int, end: int) -> None:
        self.name = name
        self.kind = kind
        self.capacity = capacity
        self.start = start
        self.end = end


class Program(Node):
    """A whole script. ``items`` are probes, macros, functions and map declarations in order.

    ``header_end`` is where the first thing that is neither blank, comment nor ``#!`` line begins:
    the text before it is what a reader is told first.
    """

    __slots__ = ("c_part", "config", "header_end", "imports", "items")
    fields = ("c_part", "config", "imports", "items")

    def __init__(
        self,
        c_part: list[CDirective | CDefinition],
        config: ConfigBlock | None,
        imports: list[Import],
        items: list[Probe | Macro | Subprogram | MapDeclaration],
        header_end: int,
        start: int,
        end: int,
    ) -> None:
        self.c_part = c_part
        self.config = config
        self.imports = imports
        self.items = items
        self.header_end = header_end
        self.start = start
        self.end = end

    @property
    def probes(self) -> list[Probe]:
        """The probes, in order."""
        return [item for item in self.items if isinstance(item, Probe)]

    @property
    def macros(self) -> list[Macro]:
        """The macro definitions, in order."""
        return [item for item in self.items if isinstance(item, Macro)]

    @property
    def subprograms(self) -> list[Subprogram]:
        """The ``fn`` definitions, in order."""
        return [item for item in self.items if isinstance(item, Subprogram)]

    @property
    def map_declarations(self) -> list[MapDeclaration]:
        """The ``let @m = …`` declarations, in order."""
        return [item for item in self.items if isinstance(item, MapDeclaration)]


# --- over any tree ------------------------------------------------------------------------------


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below ``node``, in the order of ``fields``."""
    for name in node.fields:
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, list):
            for element in value:
                if isinstance(element, Node):
                    yield element


def walk(node: Node) -> Iterator[Node]:
    """``node`` and everything below it, parents first, in order. Does not recurse."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        below = list(children(current))
        below.reverse()
        pending += below


def copy(node: N) -> N:
    """A copy of ``node`` and everything below it; what the checker has set comes along as is."""
    kind = type(node)
    new = kind.__new__(kind)
    names = [name for base in kind.__mro__ for name in base.__dict__.get("__slots__", ())]
    for name in names:
        value = getattr(node, name)
        if name in kind.fields:
            if isinstance(value, Node):
                value = copy(value)
            elif isinstance(value, list):
                value = [copy(each) if isinstance(each, Node) else each for each in value]
        setattr(new, name, value)
    return new


# Attributes that are offsets, by class.
_OFFSETS: dict[type[Node], tuple[str, ...]] = {}


def shift(node: Node, distance: int) -> None:
    """Move a node, without what is below it, by a number of characters."""
    kind = type(node)
    names = _OFFSETS.get(kind)
    if names is None:
        slots = [name for base in kind.__mro__ for name in base.__dict__.get("__slots__", ())]
        names = _OFFSETS[kind] = tuple(n for n in slots if n.endswith(("start", "end")))
    for name in names:
        setattr(node, name, getattr(node, name) + distance)


def equal(left: object, right: object) -> bool:
    """Whether two trees have the same shape, names and values, wherever they were written."""
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, Node):
            pending += [(getattr(one, name), getattr(other, name)) for name in one.fields]
        elif isinstance(one, list):
            assert isinstance(other, list)
            if len(one) != len(other):
                return False
            pending += zip(one, other, strict=True)
        elif one != other:
            return False
    return True
