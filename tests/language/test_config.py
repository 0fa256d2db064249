"""Settings: the block, the environment, and which of them wins."""

from __future__ import annotations

import pytest

from prybee.diagnostics import ScriptError, Source
from prybee.language.config_table import LICENSES, TABLE, Config, load
from prybee.language.parser import parse


def read(block: str, **environment: str) -> tuple[Config, list[str]]:
    source = Source("stdin", f"config = {{ {block} }} begin {{ }}")
    config, warnings = load(parse(source).config, source, environment)
    return config, [warning.message for warning in warnings]


def test_defaults() -> None:
    config, warnings = load(None, None, {})
    assert warnings == []
    assert (config.max_strlen, config.max_map_keys, config.on_stack_limit) == (1024, 4096, 32)
    assert (config.missing_probes, config.stack_mode, config.license) == (
        "error",
        "bpftrace",
        "GPL",
    )
    assert config.print_maps_on_exit is True
    assert config.given == set()
    for name, setting in TABLE.items():
        assert getattr(config, name) == setting.default
        assert setting.summary


@pytest.mark.parametrize(
    ("block", "name", "value"),
    [
        ("max_strlen = 10", "max_strlen", 10),
        ("MAX_STRLEN = 10", "max_strlen", 10),
        ("BPFTRACE_MAX_STRLEN = 10", "max_strlen", 10),
        ('max_strlen = "10"', "max_strlen", 10),
        ("max_strlen = 1; max_strlen = 2", "max_strlen", 2),
        ("missing_probes = warn", "missing_probes", "warn"),
        ('missing_probes = "IGNORE"', "missing_probes", "ignore"),
        ("stack_mode = build_id", "stack_mode", "build_id"),
        ("print_maps_on_exit = false", "print_maps_on_exit", False),
        ("print_maps_on_exit = 0", "print_maps_on_exit", False),
        ('print_maps_on_exit = "1"', "print_maps_on_exit", True),
        ("cache_user_symbols = none", "cache_user_symbols", "NONE"),
        ('str_trunc_trailer = "…"', "str_trunc_trailer", "…"),
        ('license = "GPL v2"', "license", "GPL v2"),
        ("unstable_tseries = enable", "unstable_tseries", "enable"),
    ],
)
def test_block(block: str, name: str, value: object) -> None:
    config, warnings = read(block)
    assert getattr(config, name) == value
    assert name in config.given
    assert warnings == []


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("a = b", "a: not a known configuration option"),
        ('max_strlen = "abc"', "max_strlen: expecting a number, got abc"),
        ('max_strlen = "-1"', "max_strlen: expecting a number from 0, got -1"),
        (
            'missing_probes = "foo"',
            (
                "missing_probes: Invalid value for missing_probes: valid values are ignore, warn, "
                "and error."
            ),
        ),
        (
            'stack_mode = "foo"',
            (
                "stack_mode: Invalid value for stack_mode: valid values are bpftrace, raw, perf, "
                "and build_id."
            ),
        ),
        (
            'cache_user_symbols = "foo"',
            (
                "cache_user_symbols: Invalid value for cache_user_symbols: valid values are "
                "PER_PID, PER_PROGRAM, and NONE."
            ),
        ),
        (
            'license = "MIT"',
            (
                f"Invalid value for license. Found: MIT. Valid values: {', '.join(LICENSES)}. Read "
                "more about BPF programs and licensing: https://docs.kernel.org/bpf/bpf_licensing.html"
                "#using-bpf-programs-in-the-linux-kernel"
            ),
        ),
        ('BPFTRACE_BTF = "x"', "BPFTRACE_BTF: can only be set as an environment variable"),
        (
            'print_maps_on_exit = "no"',
            "print_maps_on_exit: Invalid bool value: valid values are true, false, 1 or 0.",
        ),
    ],
)
def test_wrong_values(block: str, message: str) -> None:
    with pytest.raises(ScriptError) as failure:
        read(block)
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.message == message
    assert diagnostic.span is not None
    assert diagnostic.span.text == block


def test_near_misses_and_several_errors() -> None:
    with pytest.raises(ScriptError) as failure:
        read('max_strlan = 5; license = "no"')
    assert len(failure.value.diagnostics) == 2
    assert failure.value.diagnostics[0].hints == ("did you mean 'max_strlen'?",)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("strlen = 10", "strlen has been renamed, please use max_strlen"),
        ("map_keys_max = 10", "map_keys_max has been renamed, please use max_map_keys"),
        ('symbol_source = "dwarf"', "symbol_source is deprecated and has no effect"),
        ("unstable_macro = enable", "unstable_macro is deprecated and has no effect"),
    ],
)
def test_old_names(block: str, message: str) -> None:
    assert read(block)[1] == [message]


def test_old_names_still_work() -> None:
    assert read("strlen = 10")[0].max_strlen == 10
    assert read("no_cpp_demangle = true")[0].cpp_demangle is False


def test_environment_wins_and_prybees_own_names_most() -> None:
    config, _ = read("max_strlen = 10", BPFTRACE_MAX_STRLEN="20")
    assert config.max_strlen == 20
    config, _ = read("max_strlen = 10", PRYBEE_MAX_STRLEN="30", BPFTRACE_MAX_STRLEN="20")
    assert config.max_strlen == 30
    config, _ = read("", BPFTRACE_NO_CPP_DEMANGLE="1", BPFTRACE_UNKNOWN="x", HOME="/")
    assert config.cpp_demangle is False


def test_wrong_environment() -> None:
    with pytest.raises(ScriptError) as failure:
        read("", BPFTRACE_MAX_STRLEN="abc")
    assert str(failure.value) == (
        "ERROR: BPFTRACE_MAX_STRLEN: max_strlen: expecting a number, got abc"
    )
