"""Types of operators, conditions and choices."""

from __future__ import annotations

from prybee.language import tree
from prybee.language.checking.names import Names
from prybee.language.checking.rules import CAST_WARNING, COMPARE, LOGICAL, natural
from prybee.language.types import (
    BOOL,
    INT64,
    NONE,
    NOWHERE,
    UINT64,
    ArrayType,
    BufferType,
    IntType,
    NoneType,
    PointerType,
    StringType,
    StructType,
    TimestampType,
    TupleType,
    Type,
    VoidType,
    as_integer,
    int_type,
    is_integer,
    promote,
)

# Structs that are larger, in bytes, are not compared.
MAX_COMPARED = 512


class Operators(Names):
    """Checks what combines values."""

    def _unary(self, node: tree.Unary) -> Type:
        type_ = self.expression(node.operand)
        if isinstance(type_, NoneType):
            return NONE
        if node.op == "!":
            if not (is_integer(type_) or isinstance(type_, PointerType)):
                return self._bad_operand(node, type_)
            return BOOL
        if node.op == "*":
            return self._dereference(node, type_)
        if not is_integer(type_):
            return self._bad_operand(node, type_)
        integer = as_integer(type_)
        return INT64 if integer.signed else int_type(integer.width, False)

    def _bad_operand(self, node: tree.Unary, type_: Type) -> Type:
        self.error(node, f"The {node.op} operator can not be used on expressions of type '{type_}'")
        return NONE

    def _dereference(self, node: tree.Unary, type_: Type) -> Type:
        if isinstance(type_, PointerType):
            target = type_.target
            if isinstance(target, VoidType):
                self.error(node, "Can not dereference a pointer to void; cast it first")
                return NONE
            if isinstance(target, PointerType) and target.space == NOWHERE:
                return target.replace(space=type_.space, trusted=False)
            return target
        if is_integer(type_):
            # `*addr` of a plain number: one 8-byte word, as upstream has it.
            return UINT64
        self.error(node, f"Can not dereference type '{type_}'. It's not a pointer.")
        return NONE

    def _binary(self, node: tree.Binary) -> Type:
        if node.op in LOGICAL:
            node.decided = self.answer(node)
            if node.decided is not None:
                return BOOL
        return self._arithmetic(node, node.op, node.left, node.right)

    def _arithmetic(
        self, node: tree.Node, op: str, left: tree.Expression, right: tree.Expression
    ) -> Type:
        """The type of ``left op right``; both sides are checked here."""
        a = self._operand(left)
        b = self._operand(right)
        if isinstance(a, NoneType) or isinstance(b, NoneType):
            return BOOL if op in LOGICAL or op in COMPARE else NONE
        if op in LOGICAL:
            for side, type_ in ((left, a), (right, b)):
                if not (is_integer(type_) or isinstance(type_, PointerType)):
                    self.error(
                        side,
                        f"The {op} operator can not be used on expressions of types "
                        f"'{a}' and '{b}'",
                    )
            return BOOL
        if isinstance(a, PointerType) or isinstance(b, PointerType):
            return self._pointer_arithmetic(node, op, a, b)
        if is_integer(a) and is_integer(b):
            return self._integer_arithmetic(node, op, left, right, as_integer(a), as_integer(b))
        if op in ("==", "!=") and self._comparable(a, b):
            return BOOL
        if isinstance(a, ArrayType) and isinstance(b, ArrayType):
            self._bad_arrays(node, op, a, b)
            return BOOL if op in COMPARE else NONE
        if isinstance(a, TimestampType) and isinstance(b, TimestampType) and op == "-":
            return INT64
        if type(a) is not type(b) or (isinstance(a, StructType) and op in COMPARE and a != b):
            self.error(
                node,
                f"Type mismatch for '{op}': comparing {a} with {b}",
                notes=(
                    (f"left ({a})", left.span(self.source)),
                    (f"right ({b})", right.span(self.source)),
                ),
            )
        else:
            self.error(
                node,
                f"The {op} operator can not be used on expressions of types '{a}' and '{b}'",
            )
        return BOOL if op in COMPARE else NONE

    def _operand(self, node: tree.Expression) -> Type:
        if isinstance(node, tree.Map | tree.MapAccess):
            return self.map_read(node)
        return self.expression(node)

    def _comparable(self, a: Type, b: Type) -> bool:
        if isinstance(a, StringType) and isinstance(b, StringType):
            return True
        if isinstance(a, ArrayType) and isinstance(b, ArrayType):
            return a.count == b.count and is_integer(a.element) and a.element == b.element
        if isinstance(a, TupleType) and isinstance(b, TupleType):
            return promote(a, b) is not None
        if isinstance(a, StructType):
            return a == b and 0 < a.size <= MAX_COMPARED
        return isinstance(a, BufferType) and isinstance(b, BufferType)

    def _bad_arrays(self, node: tree.Node, op: str, a: ArrayType, b: ArrayType) -> None:
        """Say why arrays cannot be compared, or not combined."""
        if op not in ("==", "!="):
            self.error(node, f"The {op} operator cannot be used on arrays.")
        elif a.count != b.count:
            self.error(node, "Only arrays of same size support comparison operators.")
        else:
            self.error(node, "Only arrays of same sized integer support comparison operators.")

    def _pointer_arithmetic(self, node: tree.Node, op: str, a: Type, b: Type) -> Type:
        if op in COMPARE:
            both = isinstance(a, PointerType) and isinstance(b, PointerType)
            if both:
                self._warn_distinct(node, a, b)
            if both or is_integer(a) or is_integer(b):
                return BOOL
        elif op == "+" and isinstance(a, PointerType) and is_integer(b):
            return a
        elif op == "+" and is_integer(a) and isinstance(b, PointerType):
            return b
        elif op == "-" and isinstance(a, PointerType) and is_integer(b):
            return a
        elif op == "-" and isinstance(a, PointerType) and isinstance(b, PointerType):
            return INT64
        self.error(
            node,
            f"The {op} operator can not be used on expressions of types {a}, {b}",
            "cast the pointer to uint64 first",
        )
        return NONE

    def _warn_distinct(self, node: tree.Node, a: Type, b: Type) -> None:
        """Warn of a comparison of pointers to different things; void is like anything."""
        assert isinstance(a, PointerType)
        assert isinstance(b, PointerType)
        one, other = a.target, b.target
        if one != other and not isinstance(one, VoidType) and not isinstance(other, VoidType):
            self.warn(node, f"comparison of distinct pointer types: {one}, {other}")

    def _integer_arithmetic(
        self,
        node: tree.Node,
        op: str,
        left: tree.Expression,
        right: tree.Expression,
        a: IntType,
        b: IntType,
    ) -> Type:
        # A literal that is not negative takes the other side's sign.
        signed_a = a.signed and not (natural(left) and not b.signed)
        signed_b = b.signed and not (natural(right) and not a.signed)
        mixed = signed_a != signed_b
        if op in COMPARE:
            if mixed:
                self._warn_mixed(left, right, a, b)
            return BOOL
        if op == "-":
            if mixed:
                self._warn_mixed(left, right, a, b)
            return INT64
        if mixed:
            self._warn_mixed(left, right, a, b)
            return INT64
        if a.tag and a.tag == b.tag:
            return IntType(8, signed_a, a.tag)
        if (a.tag or b.tag) and op in "+-":
            return IntType(8, False, a.tag or b.tag)
        return INT64 if signed_a or signed_b else UINT64

    def _warn_mixed(
        self, left: tree.Expression, right: tree.Expression, a: IntType, b: IntType
    ) -> None:
        for side, type_ in ((left, a), (right, b)):
            if type_ == UINT64:
                self.warn(side, CAST_WARNING.format(type_, INT64))

    def _ternary(self, node: tree.Ternary) -> Type:
        node.decided = self.answer(node.condition)
        if node.decided is not None:
            chosen = node.then if node.decided else node.otherwise
            return self.expression(chosen if chosen is not None else node.condition)
        self.condition(node.condition, node)
        then = self.expression(node.then) if node.then is not None else node.condition.type
        otherwise = self.expression(node.otherwise)
        return self._join(node, then, otherwise)

    def _if(self, node: tree.If, used: bool = True) -> Type:
        if self.decide(node):
            node.type = self._decided(node, used)
            return node.type
        self.condition(node.condition, node)
        then = self.block(node.then)
        otherwise: Type = NONE
        if isinstance(node.otherwise, tree.If):
            otherwise = self._if(node.otherwise, used)
        elif node.otherwise is not None:
            otherwise = self.block(node.otherwise)
        node.type = self._join(node, then, otherwise) if used else NONE
        return node.type

    def _decided(self, node: tree.If, used: bool) -> Type:
        """The type of the branch that ``comptime`` chose; the other one is not looked at."""
        if node.decided is None:
            return NONE
        chosen = node.then if node.decided else node.otherwise
        if isinstance(chosen, tree.If):
            return self._if(chosen, used)
        return self.block(chosen) if chosen is not None else NONE

    def _join(self, node: tree.Node, then: Type, otherwise: Type) -> Type:
        if isinstance(then, NoneType) or isinstance(otherwise, NoneType):
            return NONE
        joined = promote(then, otherwise)
        if joined is None:
            self.error(
                node,
                "Branches must return the same type or compatible types: have "
                f"'{then}' and '{otherwise}'",
            )
            return NONE
        return joined

    def condition(self, node: tree.Expression, where: tree.Node) -> None:
        """Check an expression that decides."""
        type_ = self.expression(node)
        if not (is_integer(type_) or isinstance(type_, PointerType | NoneType)):
            kind = "string" if isinstance(type_, StringType) else str(type_)
            self.error(where, f"Invalid condition: {kind}")
