"""What the user has set: ``config`` and ``getopt``."""

from __future__ import annotations

from prybee.functions.arguments import aliased, expression
from prybee.language import tree
from prybee.language.lower.operands import Place, Scalar, Text
from prybee.language.registry import Function
from prybee.language.types import (
    BOOL,
    BPF,
    INT64,
    NONE,
    UINT64,
    BoolType,
    StringType,
    TupleType,
    Type,
    literal_type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.checker import Checker
    from prybee.language.config_table import Config
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

# The settings that scripts may read, in the order that they print.
_READABLE = (
    "cpp_demangle", "lazy_symbolication", "print_maps_on_exit", "use_blazesym", "show_debug_info",
    "log_size", "max_bpf_progs", "max_cat_bytes", "max_map_keys", "max_probes", "max_strlen",
    "on_stack_limit", "perf_rb_pages", "str_trunc_trailer", "unstable_import_statement",
    "unstable_tseries", "unstable_typeinfo", "unstable_dw_ustack", "missing_probes", "stack_mode",
    "license",
)  # fmt: skip

_TRUE = ("true", "1")
_FALSE = ("false", "0")


def _constant(value: bool | int | str, type_: Type, h: Handler) -> Operand:
    if isinstance(value, str):
        return Text(value.encode(), type_)
    return Scalar(h.const(int(value)), type_)


class Settings(Function):
    """``config``: the settings of this run, as a record."""

    name = signature = "config"
    summary = "the settings in effect"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        values = _values(checker.config)
        return TupleType(tuple(_type_of(value) for value in values), _READABLE)

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        type_ = call.type
        assert isinstance(type_, TupleType)
        buffer = handler.slot(type_, "config")
        handler.zero_padding(type_, buffer, 0)
        for value, element, offset in zip(
            _values(handler.script.config), type_.elements, type_.offsets, strict=True
        ):
            handler.store(_constant(value, element, handler), element, buffer, offset)
        return Place(buffer, 0, type_, BPF)


def _values(config: Config) -> list[bool | int | str]:
    return [getattr(config, name) for name in _READABLE]


def _type_of(value: bool | int | str) -> Type:
    if isinstance(value, bool):
        return BOOL
    return literal_type(value) if isinstance(value, int) else StringType(len(value.encode()) + 1)


class NamedParameter(Function):
    """``getopt()``: a parameter given behind ``--`` on the command line."""

    name = "getopt"
    signature = "getopt(name[, default[, description]])"
    summary = "a named parameter of the script"
    arguments = (1, 3)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        name = expression(call, 0)
        default = expression(call, 1) if len(call.args) > 1 else None
        described = expression(call, 2) if len(call.args) > 2 else None
        if not isinstance(name, tree.String):
            checker.error(call, "First argument to 'getopt' must be a string literal.")
            return NONE
        if default is not None and not isinstance(
            default, tree.String | tree.Integer | tree.Boolean
        ):
            checker.error(
                call,
                "Second argument to 'getopt' must be a string literal, integer literal, or a "
                "boolean literal.",
            )
            return NONE
        if described is not None and not isinstance(described, tree.String):
            checker.error(call, "Third argument to 'getopt' must be a string literal.")
            described = None
        parameters = checker.parameters
        text = _shown(default)
        before = parameters.described.get(name.value)
        if before is not None and before[0] != text:
            checker.error(
                call,
                f"Command line option '{name.value}' needs to have the same default value in all "
                f"places it is used. Previous default value: {before[0]}",
            )
        else:
            known = before[1] if before is not None else ""
            parameters.described[name.value] = (
                text,
                described.value if described is not None else known,
            )
        parameters.used.add(name.value)
        value, wrong = _given(name.value, default, checker)
        if wrong:
            checker.refuse(call, wrong)
        if isinstance(value, bool):
            return BOOL
        if isinstance(value, int):
            return INT64 if value < 0 else UINT64
        return StringType(len(value.encode()) + 1)

    def constant(self, call: tree.Call, checker: Checker) -> bool | int | str | None:
        name = expression(call, 0)
        default = expression(call, 1) if len(call.args) > 1 else None
        if not isinstance(name, tree.String):
            return None
        return _given(name.value, default, checker)[0]

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        name = expression(call, 0)
        default = expression(call, 1) if len(call.args) > 1 else None
        assert isinstance(name, tree.String)
        value, _wrong = _given(name.value, default, handler.script.checker)
        type_: Type = call.type
        if isinstance(value, str) and not isinstance(type_, StringType | BoolType):
            type_ = StringType(len(value.encode()) + 1)
        return _constant(value, type_, handler)


def _shown(default: tree.Expression | None) -> str:
    if isinstance(default, tree.Boolean):
        return "true" if default.value else "false"
    if isinstance(default, tree.Integer | tree.String):
        return str(default.value)
    return "false"


def _given(
    name: str, default: tree.Expression | None, checker: Checker
) -> tuple[bool | int | str, str]:
    """The value of a named parameter, and what is wrong with it."""
    named = checker.parameters.named
    text = named.get(name)
    option = f"program command line option --{name}"
    if isinstance(default, tree.Integer):
        if name not in named:
            return default.value, ""
        if text is None:
            return default.value, f"{option} expects an integer (value: true)"
        try:
            return int(text, 0), ""
        except ValueError:
            return default.value, f"{option} invalid integer (value: {text})"
    if isinstance(default, tree.String):
        if name not in named:
            return default.value, ""
        if text is None:
            return default.value, f"{option} expects a string (value: true)"
        return text, ""
    if name not in named:
        return isinstance(default, tree.Boolean) and default.value, ""
    if text is None or text.lower() in _TRUE:
        return True, ""
    if text.lower() in _FALSE:
        return False, ""
    return False, f"{option} expects a boolean (e.g. 'true') (value: {text})"


FUNCTIONS = aliased(Settings(), NamedParameter())
