"""override(): where it works, and what is said where it does not."""

from __future__ import annotations

import pytest

from prybee import functions, probes
from prybee.btf import Btf, BtfBuilder
from prybee.diagnostics import ScriptError, Source
from prybee.language.frontend import Compilation, CompileOptions, compile_script
from prybee.language.registry import Registry
from prybee.plan.plan import KprobeAttach
from tests.fixtures.table_target import TableTarget

FUNCTIONS = tuple(("vmlinux", n) for n in ("security_file_open", "should_failslab", "vfs_read"))
HELPER = ("kprobe", "kprobe_multi", "helper:override_return")


def compiled(point: str, features: tuple[str, ...]) -> Compilation:
    kernel = TableTarget(
        kernel_functions=FUNCTIONS,
        overridable_functions=("should_failslab",),
        features=features,
    )
    source = Source("stdin", f"{point} {{ override(-12); }}")
    registry = Registry(functions.TABLE, probes.TABLE)
    return compile_script(source, kernel, registry, CompileOptions(unsafe=True))


def test_a_function_that_may_fail() -> None:
    made = compiled("k:should_failslab", HELPER)
    assert [probe.attach for probe in made.plan.probes] == [KprobeAttach("should_failslab")]


@pytest.mark.parametrize(
    ("point", "features", "message", "hint"),
    [
        (
            "k:vfs_read",
            HELPER,
            (
                "kprobe:vfs_read: the kernel does not let vfs_read be overridden "
                "(/sys/kernel/debug/error_injection/list has the functions that may be)"
            ),
            (
                "fmod_ret:FUNCTION { return VALUE; } decides at the functions that ask security "
                "modules (prybee -l 'fmod_ret:*'), without kprobes"
            ),
        ),
        (
            "k:security_file_open",
            ("kprobe",),
            (
                "kprobe:security_file_open: this kernel lets no program override a result "
                "(CONFIG_BPF_KPROBE_OVERRIDE)"
            ),
            "use fmod_ret:security_file_open { return VALUE; }",
        ),
        (
            "k:should_failslab+4",
            HELPER,
            "kprobe:should_failslab+4: override() works at a function's start only",
            "use kprobe:should_failslab",
        ),
        (
            "k:*",
            HELPER,
            (
                "kprobe:security_file_open: the kernel does not let security_file_open be "
                "overridden (/sys/kernel/debug/error_injection/list has the functions that may be)"
            ),
            "use fmod_ret:security_file_open { return VALUE; }",
        ),
    ],
)
def test_what_else_there_is(point: str, features: tuple[str, ...], message: str, hint: str) -> None:
    with pytest.raises(ScriptError) as caught:
        compiled(point, features)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.message, diagnostic.hints) == (message, (hint,))


def test_trampolines_in_the_place_of_kprobes() -> None:
    builder = BtfBuilder()
    builder.func("vfs_read", builder.func_proto(0, []), 0)
    kernel = TableTarget(Btf(builder.build()), kernel_functions=FUNCTIONS, features=("fentry",))
    source = Source("stdin", "k:vfs_read { override(1); }")
    registry = Registry(functions.TABLE, probes.TABLE)
    with pytest.raises(ScriptError, match="lets no program override"):
        compile_script(source, kernel, registry, CompileOptions(unsafe=True))
