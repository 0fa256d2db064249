"""What scripts do to maps as wholes and to their entries."""

from __future__ import annotations

from prybee.compiler.ir import FRAME, I64, MAP, MAP_VALUE, Ptr
from prybee.functions.stacks import stack_length
from prybee.language import tree
from prybee.language.lower import maps as storage
from prybee.language.lower import variables
from prybee.language.lower.operands import Scalar
from prybee.language.registry import Function
from prybee.language.types import BOOL, INT64, NONE, UINT64, StackType, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

_KEYED = "expects a map with explicit keys (non-scalar map)"
_SCALAR = "expects a map without explicit keys (scalar map)"


class WholeMap(Function):
    """``clear()`` and ``zero()``: done by user space, in the order of the records, so that
    what was printed before them is what was there."""

    arguments = (1, 1)
    statement = True
    raw_arguments = True

    def __init__(self, name: str, summary: str) -> None:
        self.name = name
        self.signature = f"{name}(@map)"
        self.summary = summary

    def check(self, call: tree.Call, checker: Checker) -> Type:
        subject = call.args[0]
        if not isinstance(subject, tree.Map):
            checker.error(subject, f"{self.name}() expects a map argument")
            return NONE
        subject.type = checker.map(subject).value_type or NONE
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        subject = call.args[0]
        assert isinstance(subject, tree.Map)
        handler.record(self.name, [], (subject.name,), call)
        return None


def _target(call: tree.Call) -> tree.Map | tree.MapAccess:
    """The entry that a call means: ``f(@x)``, ``f(@x[k])``, ``f(@x, k)``."""
    subject = call.args[0]
    assert isinstance(subject, tree.Map | tree.MapAccess)
    if len(call.args) > 1 and isinstance(subject, tree.Map):
        key = call.args[1]
        assert isinstance(key, tree.Expression)
        access = tree.MapAccess(subject, key, subject.start, key.end)
        access.type = subject.type
        return access
    return subject


def _entry(call: tree.Call, handler: Handler) -> tuple[storage.Storage, Value | None]:
    """Where the map of the entry is kept that a call means, and the entry's key."""
    target = _target(call)
    return handler.script.storage(target), storage.key_of(handler, target)


def _check_entry(call: tree.Call, checker: Checker) -> bool:
    """Check the map and the key of ``f(@x, k)``; false after a complaint."""
    subject, key = call.args[0], call.args[1]
    if not isinstance(subject, tree.Map):
        checker.error(
            subject,
            f"Mismatched arg. {call.name}() expects a map for arg @map but got an expression.",
        )
        return False
    if not isinstance(key, tree.Expression):
        checker.error(key, f"{call.name}() does not take a type")
        return False
    if checker.map(subject).keyed is False:
        name = "delete() with two arguments" if call.name == "delete" else f"{call.name}()"
        checker.error(call, f"call to {name} {_KEYED}")
        return False
    symbol = checker.map_key(subject, key)
    subject.type = symbol.value_type or NONE
    return True


class Delete(Function):
    """``delete()``: whether there was such an entry; removed at once, in the kernel."""

    name = "delete"
    signature = "delete(@map), delete(@map, key) or delete(@map[key])"
    summary = "remove an entry of a map"
    arguments = (1, 2)
    effect = True
    raw_arguments = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        subject = call.args[0]
        if len(call.args) > 1:
            _check_entry(call, checker)
        elif isinstance(subject, tree.MapAccess):
            checker.map_reference(subject)
        elif isinstance(subject, tree.Map):
            symbol = checker.map(subject)
            if symbol.keyed:
                checker.error(call, f"call to delete() with a single argument {_SCALAR}")
            else:
                checker.map_reference(subject)
        else:
            checker.error(call, "delete() expects a map argument")
        return BOOL

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        kept, key = _entry(call, handler)
        return Scalar(kept.delete(handler, key), BOOL)


class HasKey(Function):
    """``has_key()``."""

    name = "has_key"
    signature = "has_key(@map, key)"
    summary = "whether a map has an entry"
    arguments = (2, 2)
    raw_arguments = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        _check_entry(call, checker)
        return BOOL

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        kept, key = _entry(call, handler)
        return Scalar(kept.contains(handler, key), BOOL)


class Find(Function):
    """``find()``: like ``has_key()``, and the value is put into a variable."""

    name = "find"
    signature = "find(@map, key, $variable)"
    summary = "look an entry up: whether it is there, and its value"
    arguments = (3, 3)
    raw_arguments = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        variable = call.args[2]
        if not isinstance(variable, tree.Scratch):
            checker.error(variable, "find() expects a scratch variable for its third argument")
            return BOOL
        if not _check_entry(call, checker):
            return BOOL
        target = _target(call)
        type_ = checker.map_read(target)
        assignment = tree.AssignScratch(variable, "", target, call.start, call.end)
        checker.statement(assignment)
        target.type = type_
        return BOOL

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        h = handler
        variable = call.args[2]
        assert isinstance(variable, tree.Scratch)
        kept, key = _entry(call, h)
        found = kept.contains(h, key)
        h.when(found, lambda: variables.write(h, variable.variable, kept.read(h, key)))
        return Scalar(found, BOOL)


class KeyId(Function):
    """``key_id()``: where in the kernel's memory the key's value lies, which is that address."""

    name = "key_id"
    signature = "key_id(@map, key)"
    summary = "a number that stands for a key, which the map keeps; 0 if it is full"
    arguments = (2, 2)
    raw_arguments = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        subject = call.args[0]
        if _check_entry(call, checker):
            assert isinstance(subject, tree.Map)
            symbol = checker.map(subject)
            checker.map_value(symbol, UINT64, call)
            subject.type = symbol.value_type or NONE
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        kept, key = _entry(call, handler)
        assert isinstance(kept, storage.Hash)
        return Scalar(kept.key_id(handler, key), UINT64)


class Length(Function):
    """``len()``: entries of a map, or frames of a stack."""

    name = "len"
    signature = "len(@map) or len(stack)"
    summary = "number of entries of a map, or of frames of a stack"
    arguments = (1, 1)
    raw_arguments = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        subject = call.args[0]
        if isinstance(subject, tree.Map):
            symbol = checker.map(subject)
            subject.type = symbol.value_type or NONE
            if symbol.keyed is False and not isinstance(symbol.value_type, StackType):
                checker.error(call, f"call to len() {_KEYED}")
            return INT64
        if isinstance(subject, tree.Expression):
            type_ = checker.expression(subject)
            if isinstance(type_, StackType) or type_ == NONE:
                return INT64
        checker.error(call, "call to len() expects a map, ustack, or kstack")
        return INT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        subject = call.args[0]
        assert isinstance(subject, tree.Expression)
        if isinstance(subject, tree.Map) and handler.script.storage(subject).key_type is not None:
            return Scalar(_count(handler, handler.script.storage(subject)), INT64)
        return stack_length(handler, subject)


def _count(h: Handler, map_: storage.Storage) -> Value:
    """Entries of a hash map: what walking over it with an empty callback returns."""
    if not h.script.walks_in_kernel and isinstance(map_, storage.Hash):
        return map_.length(h)
    from prybee.compiler.builder import Builder

    name = f"{h.module.name}_count{len(h.module.functions)}"
    function = h.module.function(name, [Ptr(MAP), Ptr(MAP_VALUE), Ptr(MAP_VALUE), Ptr(FRAME)], I64)
    Builder(function).ret(0)
    callback = h.b.function_address(function)
    return h.b.zext(h.b.call("for_each_map_elem", [h.b.map_ref(map_.spec), callback, 0, 0]), I64)


FUNCTIONS = (
    WholeMap("clear", "remove all entries of a map"),
    WholeMap("zero", "set all values of a map to zero"),
    Delete(),
    HasKey(),
    Find(),
    KeyId(),
    Length(),
)
