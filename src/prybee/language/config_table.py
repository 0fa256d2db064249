"""Settings: the ``config`` block of a script, and environment variables, which win over it.

:data:`TABLE` says what there is; a :class:`Config` has one attribute for each name in it.  In a
script a name may be written ``max_strlen``, ``MAX_STRLEN`` or ``BPFTRACE_MAX_STRLEN``; in the
environment it is ``PRYBEE_MAX_STRLEN`` or ``BPFTRACE_MAX_STRLEN`` (the first wins).
"""

from __future__ import annotations

from prybee.data import Data
from prybee.diagnostics import ERROR, WARNING, Diagnostic, ScriptError, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from prybee.diagnostics import Source, Span
    from prybee.language import tree

    Value = int | str | bool

NUMBER = "number"
BOOL = "bool"
TEXT = "text"
CHOICE = "choice"
LICENSE = "license"
PREFIXES = ("PRYBEE_", "BPFTRACE_")


class Setting(Data):
    """One row of the table. ``choices`` are for :data:`CHOICE`, as they are to be stored."""

    name: str
    kind: str
    default: Value
    summary: str
    choices: tuple[str, ...] = ()


LICENSES = (
    "Dual MIT/GPL",
    "Dual BSD/GPL",
    "Dual MPL/GPL",
    "GPL and additional rights",
    "GPL v2",
    "GPL",
)
STABILITY = ("error", "warn", "enable")

TABLE: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            "cache_user_symbols", CHOICE, "PER_PID",
            "what user symbols are cached by", ("PER_PID", "PER_PROGRAM", "NONE"),
        ),
        Setting("cpp_demangle", BOOL, True, "show C++ and Rust names as their authors wrote them"),
        Setting("lazy_symbolication", BOOL, True, "look symbols up when they are printed"),
        Setting("license", LICENSE, "GPL", "the programs' license, which helpers ask for"),
        Setting("log_size", NUMBER, 1_000_000, "bytes of the verifier's log"),
        Setting("max_bpf_progs", NUMBER, 1024, "programs that a script may become"),
        Setting("max_cat_bytes", NUMBER, 10240, "bytes that cat() prints of a file"),
        Setting("max_map_keys", NUMBER, 4096, "keys that a map has room for"),
        Setting("max_probes", NUMBER, 1024, "probes that a script may attach to"),
        Setting("max_strlen", NUMBER, 1024, "bytes of a string that str() makes"),
        Setting(
            "missing_probes", CHOICE, "error",
            "what to do about probes that do not exist", ("ignore", "warn", "error"),
        ),
        Setting("on_stack_limit", NUMBER, 32, "bytes; larger objects go to per-CPU memory"),
        Setting("perf_rb_pages", NUMBER, 0, "pages of the ring buffer; 0: by the memory there is"),
        Setting("print_maps_on_exit", BOOL, True, "print all maps at the end"),
        Setting("show_debug_info", BOOL, False, "show file, line and inlined functions of symbols"),
        Setting(
            "stack_mode", CHOICE, "bpftrace",
            "how stacks are printed", ("bpftrace", "raw", "perf", "build_id"),
        ),
        Setting("str_trunc_trailer", TEXT, "..", "printed behind a string that was cut"),
        Setting(
            "unwind", CHOICE, "fp",
            "how ustack walks: by frame pointers, or by .eh_frame where there is any",
            ("fp", "eh_frame"),
        ),
        Setting("use_blazesym", BOOL, True, "accepted; symbols are always prybee's own"),
        Setting("unstable_tseries", CHOICE, "warn", "whether tseries() may be used", STABILITY),
        Setting("unstable_dw_ustack", CHOICE, "warn", "whether dw_ustack may be used", STABILITY),
        Setting(
            "unstable_import_statement", CHOICE, "error",
            "whether import may be used in blocks", STABILITY,
        ),
        Setting("unstable_typeinfo", CHOICE, "error", "whether typeinfo may be used", STABILITY),
    )
}  # fmt: skip

RENAMED = {
    "strlen": "max_strlen",
    "no_cpp_demangle": "cpp_demangle",
    "cat_bytes_max": "max_cat_bytes",
    "map_keys_max": "max_map_keys",
}
WITHOUT_EFFECT = frozenset(
    (
        "symbol_source", "max_type_res_iterations", "unstable_addr", "unstable_import",
        "unstable_macro", "unstable_map_decl", "ast_max_nodes", "max_ast_nodes", "debug_output",
    )
)  # fmt: skip
# Environment variables of old releases that nothing replaces: what to do instead.
_GONE = {"no_user_symbols": "ustack(raw) shows addresses instead of symbols"}
ENVIRONMENT_ONLY = frozenset(
    ("btf", "kernel_build", "kernel_source", "vmlinux", "color", "dummy_ts_map")
)


def plain_name(written: str) -> str:
    """A setting's name as a script may write it, in the form of the table."""
    return written.lower().removeprefix("bpftrace_").removeprefix("prybee_")


def is_off(value: Value) -> bool:
    """Whether a value of a setting that is on or off means off."""
    return value in (False, 0, "", "0") or str(value).lower() == "false"


class ConfigError(Exception):
    """A value that a setting does not take; the text names the setting."""


class Config:
    """The settings of a run. Make one with :func:`load`, or with values by name in tests."""

    cache_user_symbols: str
    cpp_demangle: bool
    lazy_symbolication: bool
    license: str
    log_size: int
    max_bpf_progs: int
    max_cat_bytes: int
    max_map_keys: int
    max_probes: int
    max_strlen: int
    missing_probes: str
    on_stack_limit: int
    perf_rb_pages: int
    print_maps_on_exit: bool
    show_debug_info: bool
    stack_mode: str
    str_trunc_trailer: str
    unwind: str
    use_blazesym: bool
    unstable_tseries: str
    unstable_dw_ustack: str
    unstable_import_statement: str
    unstable_typeinfo: str

    def __init__(self, **values: Value) -> None:
        for setting in TABLE.values():
            setattr(self, setting.name, setting.default)
        # For tests: a map of the script that tells tseries() the time. The environment sets it.
        self.dummy_ts_map = ""
        # Names that the script or the environment has set.
        self.given: set[str] = set()
        for name, value in values.items():
            self.set(name, value)

    def __repr__(self) -> str:
        body = ", ".join(f"{name}={getattr(self, name)!r}" for name in sorted(self.given))
        return f"Config({body})"

    def set(self, name: str, value: Value) -> None:
        """Set one value, as written in a script or the environment.

        Raises:
            ConfigError: the setting does not take it.
            KeyError: there is no such setting.
        """
        setting = TABLE[name]
        setattr(self, name, _CONVERT[setting.kind](setting, value))
        self.given.add(name)


def load(
    block: tree.ConfigBlock | None, source: Source | None, environment: Mapping[str, str]
) -> tuple[Config, list[Diagnostic]]:
    """The settings of a script, and warnings about it.

    Raises:
        ScriptError: unknown names, wrong values; all of those in the block, each with its place.
    """
    config = Config()
    warnings: list[Diagnostic] = []
    errors: list[Diagnostic] = []
    for assignment in block.assignments if block is not None else ():
        assert source is not None
        _apply(config, assignment, assignment.span(source), warnings, errors)
    if errors:
        raise ScriptError(errors)
    for prefix in reversed(PREFIXES):
        for variable, text in environment.items():
            name = variable[len(prefix) :].lower()
            if not variable.startswith(prefix):
                continue
            if name == "dummy_ts_map":
                config.dummy_ts_map = text
            elif name in TABLE:
                _take(config, name, variable, text)
            else:
                warnings += _take_old(config, prefix, name, variable, text)
    return config, warnings


def _take(config: Config, name: str, variable: str, text: str) -> None:
    """Set what an environment variable says."""
    try:
        config.set(name, text)
    except ConfigError as failure:
        raise ScriptError([Diagnostic(ERROR, f"{variable}: {failure}")]) from None


def _take_old(config: Config, prefix: str, name: str, variable: str, text: str) -> list[Diagnostic]:
    """Set what a variable of an old release says; a warning for it, or for a slip of the pen."""
    renamed = RENAMED.get(name)
    if renamed is not None:
        if name == "no_cpp_demangle":
            config.cpp_demangle = is_off(text)
        else:
            _take(config, renamed, variable, text)
        message = f"{variable} has been renamed, please use {prefix}{renamed.upper()}"
        return [Diagnostic(WARNING, message)]
    if name in WITHOUT_EFFECT or name in _GONE:
        hints = (_GONE[name],) if name in _GONE else ()
        return [Diagnostic(WARNING, f"{variable} is deprecated and has no effect", None, hints)]
    near = did_you_mean(name, TABLE) if name not in ENVIRONMENT_ONLY else ()
    if not near:
        return []
    meant = " or ".join(f"'{prefix}{other.upper()}'" for other in near)
    message = f"{variable}: not a known environment variable"
    return [Diagnostic(WARNING, message, None, (f"did you mean {meant}?",))]


def _apply(
    config: Config,
    assignment: tree.ConfigAssignment,
    span: Span,
    warnings: list[Diagnostic],
    errors: list[Diagnostic],
) -> None:
    written = assignment.name
    name = plain_name(written)
    value = assignment.value
    if name in WITHOUT_EFFECT:
        message = f"{written} is deprecated and has no effect"
        hint = "`prybee fmt --modernize` removes it"
        warnings.append(Diagnostic(WARNING, message, span, (hint,)))
        return
    if name in ENVIRONMENT_ONLY:
        errors.append(
            Diagnostic(ERROR, f"{written}: can only be set as an environment variable", span)
        )
        return
    renamed = RENAMED.get(name)
    if renamed is not None:
        message = f"{written} has been renamed, please use {renamed}"
        hint = "`prybee fmt --modernize` rewrites it"
        warnings.append(Diagnostic(WARNING, message, span, (hint,)))
        if name == "no_cpp_demangle":
            value = is_off(value)
        name = renamed
    if name not in TABLE:
        meant = did_you_mean(name, TABLE)
        hints = (f"did you mean {' or '.join(repr(word) for word in meant)}?",) if meant else ()
        errors.append(
            Diagnostic(ERROR, f"{written}: not a known configuration option", span, hints)
        )
        return
    try:
        config.set(name, value)
    except ConfigError as failure:
        errors.append(Diagnostic(ERROR, str(failure), span))


def _number(setting: Setting, value: Value) -> Value:
    if isinstance(value, str):
        try:
            value = int(value.strip(), 0)
        except ValueError:
            raise ConfigError(f"{setting.name}: expecting a number, got {value}") from None
        if value < 0:
            raise ConfigError(f"{setting.name}: expecting a number from 0, got {value}")
    return int(value)


def _bool(setting: Setting, value: Value) -> Value:
    if isinstance(value, str):
        known = {"true": True, "1": True, "false": False, "0": False}
        if value.lower() not in known:
            raise ConfigError(
                f"{setting.name}: Invalid bool value: valid values are true, false, 1 or 0."
            )
        return known[value.lower()]
    return bool(value)


def _text(setting: Setting, value: Value) -> Value:
    return str(value)


def _choice(setting: Setting, value: Value) -> Value:
    for choice in setting.choices:
        if isinstance(value, str) and value.lower() == choice.lower():
            return choice
    if setting.name == "cache_user_symbols" and value in (0, 1, "0", "1"):
        # The meaning of the variable in old releases.
        return "PER_PID" if int(value) else "NONE"
    *first, last = setting.choices
    raise ConfigError(
        f"{setting.name}: Invalid value for {setting.name}: valid values are "
        f"{', '.join(first)}, and {last}."
    )


def _license(setting: Setting, value: Value) -> Value:
    if value in LICENSES:
        return value
    raise ConfigError(
        f"Invalid value for license. Found: {value}. Valid values: {', '.join(LICENSES)}. "
        "Read more about BPF programs and licensing: "
        "https://docs.kernel.org/bpf/bpf_licensing.html"
        "#using-bpf-programs-in-the-linux-kernel"
    )


_CONVERT = {NUMBER: _number, BOOL: _bool, TEXT: _text, CHOICE: _choice, LICENSE: _license}
