"""Output, and other things that user space does when a record arrives."""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.functions.arguments import (
    argument_type,
    expression,
    kind,
    known,
    literal_number,
    literal_text,
    text_of,
    want_integer,
)
from prybee.functions.formats import check_format, send_formatted
from prybee.language import tree
from prybee.language.checking.rules import TYPE_AS_VALUE
from prybee.language.lower import globals as global_data
from prybee.language.lower.operands import Scalar
from prybee.language.registry import Function
from prybee.language.types import (
    INT64,
    NONE,
    NOWHERE,
    UINT64,
    AggregationType,
    ArrayType,
    FloatType,
    HistType,
    IntType,
    LhistType,
    PointerType,
    StringType,
    TseriesType,
    TupleType,
    Type,
    is_castable_aggregation,
)
from prybee.plan.formats import conversions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

# What join() takes at most; bpftrace's limits.
JOIN_STRINGS = 16
JOIN_LENGTH = 1024
_JOINED = TupleType((UINT64, ArrayType(StringType(JOIN_LENGTH), JOIN_STRINGS)))


class Statement(Function):
    """Base of functions that have no value."""

    statement = True


class Formatted(Statement):
    """``printf`` and its kin: a format, then what it prints."""

    arguments = (1, None)

    def __init__(self, name: str, summary: str, unsafe: bool = False) -> None:
        self.name = name
        self.signature = f"{name}(format, ...)"
        self.summary = summary
        self.unsafe = unsafe

    def check(self, call: tree.Call, checker: Checker) -> Type:
        check_format(call, checker)
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        send_formatted(self.name, call, handler)
        return None


class Debugf(Statement):
    """``debugf()``: the kernel's own trace pipe, for debugging."""

    name = "debugf"
    signature = "debugf(format, ...)"
    summary = "write to the kernel's trace pipe"
    arguments = (1, None)
    _most = 3
    _kinds = frozenset("duxps")

    def check(self, call: tree.Call, checker: Checker) -> Type:
        checker.warn(
            call,
            "The debugf() builtin is not recommended for production use. For more information "
            "see bpf_trace_printk in bpf-helpers(7).",
        )
        check_format(call, checker)
        format_ = expression(call, 0)
        if isinstance(format_, tree.String):
            wanted = conversions(format_.value)
            if len(wanted) > self._most:
                checker.error(call, f"cannot use more than {self._most} conversion specifiers")
            for conversion in wanted:
                if conversion.kind not in self._kinds:
                    checker.error(
                        format_, f"Invalid format specifier for `debugf`: {conversion.kind}"
                    )
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        b = handler.b
        data = text_of(call, 0).encode("utf-8", "surrogateescape") + b"\0"
        size = (len(data) + 7) // 8 * 8
        buffer = b.slot(size, 8, "format")
        for at in range(0, size, 8):
            b.store(buffer, at, int.from_bytes(data[at : at + 8], "little"), I64)
        arguments: list[Value | int] = [buffer, len(data)]
        for index in range(1, len(call.args)):
            operand = handler.lower(expression(call, index))
            if isinstance(operand.type, StringType):
                arguments.append(handler.address(handler.in_memory(operand)))
            else:
                arguments.append(handler.number(operand))
        b.call("trace_printk", arguments)
        return None


class Print(Statement):
    """``print()``: a value as it is now, or a map as it is when the record arrives."""

    name = "print"
    signature = "print(value) or print(@map[, top[, div]])"
    summary = "print a value, or a map"
    arguments = (1, 3)
    # Maps are named, not read.
    raw_arguments = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        subject = call.args[0]
        for argument in call.args:
            if isinstance(argument, tree.TypeExpression):
                checker.error(argument, TYPE_AS_VALUE)
                return NONE
        if isinstance(subject, tree.Map):
            self._check_map(call, subject, checker)
            return NONE
        assert isinstance(subject, tree.Expression)
        type_ = (
            checker.map_reference(subject)
            if isinstance(subject, tree.MapAccess)
            else checker.expression(subject)
        )
        if len(call.args) > 1:
            checker.error(call, f"Non-map print() only takes 1 argument, {len(call.args)} found")
        elif isinstance(type_, HistType | LhistType | TseriesType):
            checker.error(
                call,
                f"Map type {type_} cannot print the value of individual keys. You must print "
                "the whole map.",
            )
        elif isinstance(subject, tree.MapAccess) and is_castable_aggregation(type_):
            checker.expression(subject)
        elif isinstance(type_, FloatType):
            hint = f"this is a {type_}: BPF has no floating-point numbers"
            checker.error(call, "none type passed to print() is not printable", hint)
        elif type_.size == 0 and isinstance(subject, tree.Call | tree.TupleLiteral):
            if not checker.errors:
                checker.error(call, "none type passed to print() is not printable")
        elif isinstance(type_, AggregationType) and not isinstance(subject, tree.MapAccess):
            checker.error(call, f"A value of type '{type_}' can only be assigned to a map")
        return NONE

    @staticmethod
    def _check_map(call: tree.Call, subject: tree.Map, checker: Checker) -> None:
        symbol = checker.map(subject)
        subject.type = symbol.value_type or NONE
        for index in range(1, len(call.args)):
            argument = expression(call, index)
            type_ = checker.expression(argument)
            if known(type_) and literal_number(call, index) is None:
                checker.error(call, f"print() expects a int literal ({kind(type_)} provided)")

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        subject = expression(call, 0)
        if isinstance(subject, tree.Map):
            top, div = literal_number(call, 1) or 0, literal_number(call, 2) or 1
            handler.record("print_map", [], (subject.name, max(0, top), max(1, div)), call)
        elif isinstance(subject, tree.MapAccess) and isinstance(subject.type, AggregationType):
            key_type = handler.script.storage(subject).key_type
            assert key_type is not None
            handler.record("print_entry", [(subject.key, key_type)], (subject.map.name,), call)
        else:
            handler.record("print_value", [(subject, subject.type)], (), call)
        return None


class Join(Statement):
    """``join()``: the strings of a ``char *[]``, such as a program's arguments, in one line."""

    name = "join"
    signature = 'join(strings[, separator = " "])'
    summary = "print the strings of an array of pointers in one line"
    arguments = (1, 2)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        type_ = argument_type(call, 0)
        if known(type_) and not isinstance(type_, PointerType | IntType | ArrayType):
            checker.error(
                call, f"join() only supports int or pointer arguments ({kind(type_)} provided)"
            )
        if len(call.args) > 1:
            literal_text(call, 1, checker)
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        separator = text_of(call, 1) if len(call.args) > 1 else " "
        handler.record("join", [(call, _JOINED)], (separator,), call)
        return None

    def lower_into(
        self,
        call: tree.Call,
        handler: Handler,
        type_: Type,
        pointer: Value,
        offset: int,
        pad: bool,
    ) -> bool:
        """The strings straight into the record: their number, then one each 1024 bytes."""
        from prybee.functions.text_memory import address_of, read_text, space_of
        from prybee.language.lower.operands import Place

        h, b = handler, handler.b
        operand = h.lower(expression(call, 0))
        if isinstance(operand, Place):
            array, space = address_of(h, operand)
        else:
            array, space = h.number(operand), space_of(h, operand.type)
        strings = PointerType(IntType(1, True), space if space != NOWHERE else h.context.space)
        b.store(pointer, offset, 0, I64)
        done = h.block("joined")
        for index in range(JOIN_STRINGS):
            address = h.load(Place(b.add(array, 8 * index), 0, strings, space)).value
            following = h.block("join")
            b.branch(b.icmp("ne", address, 0), following, done)
            h.start(following)
            read_text(h, pointer, offset + 8 + JOIN_LENGTH * index, JOIN_LENGTH, address, space)
            b.store(pointer, offset, index + 1, I64)
        b.jump(done)
        h.start(done)
        return True


class Time(Statement):
    """``time()``: the wall clock when the record arrives."""

    name = "time"
    signature = 'time([format = "%H:%M:%S\\n"])'
    summary = "print the time of day"
    arguments = (0, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        if call.args:
            literal_text(call, 0, checker)
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        format_ = text_of(call, 0) if call.args else "%H:%M:%S\n"
        handler.record("time", [], (format_,), call)
        return None


class Exit(Statement):
    """``exit()``: end the trace; nothing of the handler runs after it."""

    name = "exit"
    signature = "exit([code])"
    summary = "end the trace"
    arguments = (0, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        want_integer(call, 0, checker)
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        h = handler
        code = h.lower_integer(expression(call, 0)) if call.args else h.const(0)
        code = h.b.and_(h.plain(code), 0xFF)
        h.at(call)
        h.record("exit", [(Scalar(code, INT64), INT64)], (), call)
        # For the case that there was no room for the record.
        pointer = h.global_pointer(global_data.EXIT)
        h.b.store(pointer, 0, h.b.add(code, 1), I64)
        if h.script.checker.subprograms:
            # For those who called the function that this stands in.
            h.b.atomic_add(h.global_pointer(h.script.exits), 0, h.const(1))
        h.leave(h.const(h.context.return_value))
        return None


class Fail(Statement):
    """``fail()``: an error when compiling, unless the branch that it is in was left out."""

    name = "fail"
    signature = "fail(format, literals...)"
    summary = "refuse the script, when this is reached in compiling it"
    arguments = (1, None)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        text = literal_text(call, 0, checker)
        if text is None:
            return NONE
        values: list[object] = []
        for index in range(1, len(call.args)):
            node = expression(call, index)
            if not isinstance(node, tree.Integer | tree.String | tree.Boolean):
                checker.error(node, "fail() takes literals only")
                return NONE
            values.append(node.value)
        check_format(call, checker)
        checker.error(call, _filled(text, values))
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        return None


def _filled(text: str, values: list[object]) -> str:
    """``text`` with its conversions replaced by literals."""
    from prybee.plan.formats import parse

    rest = iter(values)
    shown = ""
    for piece in parse(text):
        if isinstance(piece, str):
            shown += piece
            continue
        value = next(rest, "")
        if isinstance(value, bool):
            shown += "true" if value else "false"
        elif isinstance(value, int) and piece.kind in "xXo":
            shown += format(value, piece.kind)
        else:
            shown += str(value)
    return shown


FUNCTIONS = (
    Formatted("printf", "print text by a format"),
    Formatted("errorf", "print an error with its place in the script"),
    Formatted("warnf", "print a warning with its place in the script"),
    Formatted("cat", "print a file"),
    Formatted("system", "run a command and print what it prints", unsafe=True),
    Debugf(),
    Print(),
    Join(),
    Time(),
    Exit(),
    Fail(),
)
