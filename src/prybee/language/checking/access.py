"""Types of what is reached through names: variables, fields, elements, pointers."""

from __future__ import annotations

from prybee.language import tree
from prybee.language.checking.operators import Operators
from prybee.language.checking.rules import meant
from prybee.language.types import (
    BPF,
    INT8,
    INT64,
    NONE,
    NOWHERE,
    UINT64,
    AggregationType,
    ArrayType,
    IntType,
    Member,
    NoneType,
    PointerType,
    StringType,
    StructType,
    TupleType,
    Type,
    VoidType,
    int_type,
    is_integer,
    settled,
)


class Access(Operators):
    """Checks accesses."""

    def _scratch(self, node: tree.Scratch) -> Type:
        symbol = self._find(node.name)
        if symbol is None:
            self._undefined(node)
            return NONE
        symbol.read = True
        node.variable = symbol
        if symbol.declared and not symbol.assigned:
            self.warn(node, f"Variable used before it was assigned: {node.name}")
        return settled(symbol.type or NONE)

    def _map(self, node: tree.Map) -> Type:
        return self.map_read(node)

    def _map_access(self, node: tree.MapAccess) -> Type:
        return self.map_read(node)

    def _field(self, node: tree.FieldAccess) -> Type:
        subject = self.expression(node.subject)
        name = node.field
        if isinstance(subject, PointerType):
            subject = subject.target
        if isinstance(subject, TupleType) and subject.names:
            if name in subject.names:
                return subject.elements[subject.names.index(name)]
            self.error(
                node,
                f"Record does not contain a field named '{name}'",
                *meant(name, subject.names),
            )
            return NONE
        if isinstance(subject, StructType):
            member = self.member(subject, name)
            if member is None:
                message = (
                    f"Struct/union of type '{subject}' does not contain a field named '{name}'"
                )
                hints = meant(name, list(subject.members))
                if not hints:
                    from prybee.language import slips

                    hints = slips.fields(list(subject.members))
                if isinstance(node.subject, tree.Call):
                    own = self.context.missing_member(name)
                    message, hints = (own[0], own[1:]) if own else (message, hints)
                self.error(node, message, *hints)
                return NONE
            return self._member_type(node, member)
        if not isinstance(subject, NoneType):
            self.error(
                node,
                f"Can not access field '{name}' on expression of type '{subject}'",
            )
        return NONE

    def member(self, struct: StructType, name: str) -> Member | None:
        """The member of a struct, completing a forward declaration from the kernel's types."""
        return struct.members.get(name)

    def _member_type(self, node: tree.FieldAccess, member: Member) -> Type:
        """A member's type; a pointer inherits where it points from what it was found in."""
        type_ = member.type
        if isinstance(type_, PointerType) and type_.space == NOWHERE:
            space, trusted = self.space(node.subject)
            # The verifier follows pointers to structs; others are numbers to it (btf_struct_walk).
            trusted = trusted and isinstance(type_.target, StructType)
            return type_.replace(space=space, trusted=trusted)
        return type_

    def space(self, node: tree.Expression) -> tuple[str, bool]:
        """Address space that an expression's memory lies in, and whether loads need no helper."""
        type_ = node.type
        if isinstance(type_, PointerType):
            return type_.space, type_.trusted
        if isinstance(node, tree.FieldAccess | tree.Index | tree.TupleAccess):
            return self.space(node.subject)
        if isinstance(node, tree.Unary) and node.op == "*":
            return self.space(node.operand)
        return self.context.space, False

    def _tuple_access(self, node: tree.TupleAccess) -> Type:
        subject = self.expression(node.subject)
        if isinstance(subject, NoneType):
            return NONE
        if not isinstance(subject, TupleType) or subject.names:
            hints: tuple[str, ...] = ()
            if isinstance(node.subject, tree.Integer):
                hints = ("there are only integers: multiply first, as in `n * 3 / 2` for 1.5",)
            self.error(
                node,
                f"Can not access index '{node.index}' on expression of type '{subject}'",
                *hints,
            )
            return NONE
        return self._element(node, subject, node.index)

    def _element(self, node: tree.Expression, tuple_: TupleType, index: int) -> Type:
        if index < len(tuple_.elements):
            return tuple_.elements[index]
        count = len(tuple_.elements)
        self.error(node, f"Invalid tuple index: {index}. Found {count} elements in tuple.")
        return NONE

    def _index(self, node: tree.Index) -> Type:
        subject = self.expression(node.subject)
        index = self.expression(node.index)
        if isinstance(subject, NoneType):
            return NONE
        literal = node.index.value if isinstance(node.index, tree.Integer) else None
        if not isinstance(index, NoneType) and (
            not is_integer(index) or (literal is not None and literal < 0)
        ):
            self.error(
                node,
                "The array index operator [] only accepts non-negative integer indices. "
                f"Got: {index}",
            )
            return NONE
        if isinstance(subject, ArrayType):
            if literal is not None and subject.count and literal >= subject.count:
                self.error(
                    node,
                    f"the index {literal} is out of bounds for array of size {subject.count}",
                )
            return self._element_type(node, subject.element)
        if isinstance(subject, TupleType) and literal is not None:
            return self._element(node, subject, literal)
        if isinstance(subject, StringType):
            if literal is not None and literal >= subject.capacity > 0:
                self.error(
                    node,
                    f"the index {literal} is out of bounds for array of size {subject.capacity}",
                )
            return INT8
        if isinstance(subject, PointerType):
            if isinstance(subject.target, VoidType):
                self.error(node, "Can not index a pointer to void; cast it first")
                return NONE
            return self._element_type(node, subject.target)
        self.error(
            node,
            "The array index operator [] can only be used on arrays, pointers, and tuples, found "
            f"{subject}.",
        )
        return NONE

    def _element_type(self, node: tree.Index, element: Type) -> Type:
        if isinstance(element, PointerType) and element.space == NOWHERE:
            space, _trusted = self.space(node.subject)
            return element.replace(space=space, trusted=False)
        return element

    def _incdec(self, node: tree.IncDec) -> Type:
        target = node.target
        if isinstance(target, tree.Scratch):
            type_ = self.expression(target)
            symbol = target.variable
            if isinstance(type_, NoneType):
                return NONE
            if isinstance(type_, PointerType):
                return type_
            if not isinstance(type_, IntType):
                self.error(
                    node,
                    f"The {node.op} operator can not be used on expressions of types '{type_}'",
                )
                return NONE
            if symbol is not None and not symbol.fixed and type_.width < 8:
                grown = int_type(8, type_.signed)
                symbol.type = grown
                self.changed = True
                return grown
            return type_
        assert isinstance(target, tree.Map | tree.MapAccess)
        self.map_reference(target)
        map_symbol = self.map(target.map if isinstance(target, tree.MapAccess) else target)
        if map_symbol.value_type is None:
            self.map_value(map_symbol, UINT64 if node.op == "++" else INT64, node)
        known = map_symbol.value_type
        if isinstance(known, PointerType):
            return known
        if isinstance(known, AggregationType) or not is_integer(known):
            self.error(
                node,
                f"Type mismatch for {map_symbol.name}: trying to assign value of type 'uint64' "
                f"when map already has a type '{known}'",
            )
            return NONE
        assert isinstance(known, IntType)
        if known.width < 8:
            self.map_value(map_symbol, int_type(8, known.signed or node.op == "--"), node)
        target.type = map_symbol.value_type or NONE
        return target.type

    def _address_of(self, node: tree.AddressOf) -> Type:
        target = node.target
        if isinstance(target, tree.Map):
            symbol = self.map_scalar(target)
            return PointerType(symbol.value_type or NONE, BPF)
        type_ = self.expression(target)
        if target.variable is not None:
            target.variable.captured = True
            target.variable.assigned = True
        return PointerType(type_, BPF)
