"""``comptime``, ``typeinfo``, and branches that are not part of the program."""

from __future__ import annotations

from prybee.language import tree
from prybee.language.checking.constants import constant, literal
from prybee.language.checking.rules import LOGICAL
from prybee.language.checking.values import Values
from prybee.language.types import (
    NONE,
    ArrayType,
    EnumType,
    IntType,
    NoneType,
    PointerType,
    StructType,
    TupleType,
    Type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.checker import Checker

_UNRESOLVED = "Unable to resolve comptime expression"


class CompileTime(Values):
    """Checks what compiling decides."""

    def _comptime(self, node: tree.Comptime) -> Type:
        operand = node.operand
        type_ = self.expression(operand)
        if isinstance(operand, tree.TupleLiteral | tree.RecordLiteral):
            for part in operand.elements:
                self._known(part.value if isinstance(part, tree.RecordField) else part)
            return type_
        value = self._known(operand)
        if value is None:
            return type_
        node.value = literal(value, node)
        return self.expression(node.value)

    def _known(self, node: tree.Expression) -> int | bool | str | None:
        """The value of a checked expression; a mistake is noted where it is not known."""
        checker: Checker = self  # type: ignore[assignment]
        value = constant(node, checker)
        if value is None:
            self.error(node, _UNRESOLVED)
        return value

    def decide(self, node: tree.If) -> bool:
        """Whether compiling decides the condition of ``node``: it begins with ``comptime``, or
        asks of the kernel. Then ``node.decided`` is set to what it is, or a mistake noted."""
        condition = node.condition
        if not isinstance(condition, tree.Comptime):
            node.decided = self.answer(condition)
            return node.decided is not None
        checker: Checker = self  # type: ignore[assignment]
        self.expression(condition.operand)
        value = constant(condition.operand, checker)
        node.decided = None if value is None else bool(value)
        if value is None:
            self.error(condition, _UNRESOLVED)
        return True

    def answer(self, node: tree.Expression) -> bool | None:
        """What a condition is that is made of questions to the kernel, such as
        ``field_exists()``; None for any other, and where they alone do not decide it."""
        if isinstance(node, tree.Unary):
            held = self.answer(node.operand) if node.op == "!" else None
            return None if held is None else not held
        if isinstance(node, tree.Binary):
            if node.op not in LOGICAL:
                return None
            left = self.answer(node.left)
            if left is None or left == (node.op == "||"):
                return left
            return self.answer(node.right)
        if not isinstance(node, tree.Call):
            return None
        checker: Checker = self  # type: ignore[assignment]
        function = checker.registry.functions.get(node.name)
        if function is None or not function.asks:
            return None
        self.expression(node)
        value = constant(node, checker)
        return None if value is None else bool(value)

    def _typeinfo(self, node: tree.Typeinfo) -> Type:
        policy = self.config.unstable_typeinfo
        if policy == "error":
            self.error(
                node,
                "typeinfo feature is not enabled by default. To enable this unstable feature, set "
                "the config flag to enable. unstable_typeinfo=enable",
            )
            return NONE
        if policy == "warn":
            self.warn_unstable("typeinfo")
        subject = node.subject
        type_ = (
            self.type_expression(subject)
            if isinstance(subject, tree.TypeExpression)
            else self.expression(subject)
        )
        if isinstance(type_, NoneType):
            return NONE
        parts = (
            ("btf_id", self.types.btf_id(type_)),
            ("base_type", base_type(type_)),
            ("full_type", str(type_)),
        )
        start, end = node.start, node.end
        node.value = tree.RecordLiteral(
            [tree.RecordField(name, literal(value, node), start, end) for name, value in parts],
            start,
            end,
        )
        return self.expression(node.value)


# What bpftrace calls the kinds of types; others are called what they are.
_KINDS: tuple[tuple[type[Type], str], ...] = (
    (IntType, "int"),
    (PointerType, "pointer"),
    (ArrayType, "array"),
    (StructType, "c_type"),
    (EnumType, "int"),
)


def base_type(type_: Type) -> str:
    """The word for a type's kind: ``int``, ``string``, ``tuple``, ``record``, ``c_type`` …"""
    if isinstance(type_, TupleType):
        return "record" if type_.names else "tuple"
    for kind, word in _KINDS:
        if isinstance(type_, kind):
            return word
    return str(type_).partition("[")[0].partition(" ")[0]
