"""kprobe, kretprobe, fentry and fexit: read, checked, listed, and refused when run."""

from __future__ import annotations

import pytest

from prybee import functions, probes
from prybee.btf import Btf, BtfBuilder
from prybee.diagnostics import ScriptError, Source
from prybee.language import attach_point
from prybee.language.config_table import Config
from prybee.language.frontend import CompileOptions, compile_script
from prybee.language.registry import ExpandScope, ProbeSyntaxError, Registry
from prybee.linux import traceable
from prybee.plan.plan import KprobeAttach
from prybee.probes.listing import list_probes
from tests.fixtures.table_target import TableTarget
from tests.probes.conftest import expand, provider

FUNCTIONS = (
    ("ext4", "ext4_sync"),
    ("nobtf", "nobtf_work"),
    ("vmlinux", "do_work"),
    ("vmlinux", "do_work.part.0"),
    ("vmlinux", "ext4_sync"),
    ("vmlinux", "untyped"),
    ("vmlinux", "vfs_read"),
)


def types(*names: str) -> Btf:
    """Types that know some functions: ``long NAME(struct file *file, int count)``."""
    builder = BtfBuilder()
    number, result = builder.int("int", 4), builder.int("long", 8)
    pointer = builder.ptr(builder.struct("file", 8, [("f_mode", number, 0)]))
    proto = builder.func_proto(result, [("file", pointer), ("count", number)])
    for name in names:
        builder.func(name, proto, 0)
    builder.func("do_work", builder.func_proto(0, []), 0)
    return Btf(builder.build())


def program_types(*names: str) -> Btf:
    """Types of a program: ``int NAME(void *ctx, u64 more)``."""
    builder = BtfBuilder()
    result, more = builder.int("int", 4), builder.int("u64", 8)
    proto = builder.func_proto(result, [("ctx", builder.ptr(0)), ("more", more)])
    for name in names:
        builder.func(name, proto, 0)
    return Btf(builder.build())


@pytest.fixture(scope="module")
def kernel() -> TableTarget:
    return TableTarget(
        types("vfs_read", "ext4_sync", "do_work.part.0"),
        kernel_functions=FUNCTIONS,
        modules={
            "ext4": types("ext4_sync"),
            "bpf:12": program_types("mine", "mixed"),
            "bpf:13": program_types("mine"),
        },
        bpf_programs=((12, "mine"), (12, "mixed"), (13, "mine")),
        features=("kprobe", "fentry", "helper:get_func_ret"),
    )


SEARCHES = [
    ("kprobe:*", "do_work ext4:ext4_sync ext4_sync nobtf:nobtf_work untyped vfs_read"),
    ("k:vfs_*", "vfs_read"),
    ("kretprobe:do*", "do_work"),
    ("kprobe:vmlinux:*read", "vmlinux:vfs_read"),
    ("kprobe:ext4:*", "ext4:ext4_sync"),
    ("kprobe:ext4_sync", "ext4:ext4_sync ext4_sync"),
    ("kprobe:nosuch", ""),
    ("kprobe:vmlinux:a:b", ""),
    ("fentry:*", "ext4:ext4_sync vmlinux:do_work vmlinux:ext4_sync vmlinux:vfs_read"),
    ("fexit:e*:*", "ext4:ext4_sync"),
    ("kfunc:vfs_read", "vmlinux:vfs_read"),
    ("fentry:bpf:*", "bpf:12:mine bpf:12:mixed bpf:13:mine"),
    ("fexit:bpf:12:*", "bpf:12:mine bpf:12:mixed"),
]


@pytest.mark.parametrize(("search", "expected"), SEARCHES)
def test_searches(kernel: TableTarget, search: str, expected: str) -> None:
    name = provider(search.partition(":")[0]).name
    assert list(list_probes(search, kernel)) == [f"{name}:{each}" for each in expected.split()]


def test_a_search_of_all_types_shows_what_is_entered(kernel: TableTarget) -> None:
    assert list(list_probes("vfs_read", kernel)) == ["fentry:vmlinux:vfs_read", "kprobe:vfs_read"]
    assert list(list_probes("k*:vfs_read", kernel)) == ["kprobe:vfs_read"]
    assert list(list_probes("kret*:vfs_read", kernel)) == ["kretprobe:vfs_read"]


def test_arguments(kernel: TableTarget) -> None:
    searches = "k:vfs_read,kr:vfs_read,f:vfs_read,fr:vfs_read,f:ext4:*,fr:do_work,k:untyped"
    assert list(list_probes(searches, kernel, verbose=True)) == [
        "kprobe:vfs_read",
        "    struct file * arg0",
        "    int arg1",
        "kretprobe:vfs_read",
        "    long retval",
        "fentry:vmlinux:vfs_read",
        "    struct file * file",
        "    int count",
        "fexit:vmlinux:vfs_read",
        "    struct file * file",
        "    int count",
        "    long retval",
        "fentry:ext4:ext4_sync",
        "    struct file * file",
        "    int count",
        "fexit:vmlinux:do_work",
        "kprobe:untyped",
    ]


POINTS = [
    ("kprobe:vfs_read", "kprobe:vfs_read"),
    ("k:vmlinux:vfs_read", "kprobe:vmlinux:vfs_read"),
    ("k:ext4:ext4_sync", "kprobe:ext4:ext4_sync"),
    ("k:vfs_read+0x10", "kprobe:vfs_read+16"),
    ("k:vfs_*", "kprobe:vfs_read"),
    ("k:*:ext4*", "kprobe:ext4:ext4_sync kprobe:vmlinux:ext4_sync"),
    ("k:nosuch", ""),
    ("k:vmlinux:nobtf_work", ""),
    ("kr:vfs_read", "kretprobe:vfs_read"),
    ("f:vfs_read", "fentry:vmlinux:vfs_read"),
    ("f:untyped", ""),
    ("fexit:ext4:*", "fexit:ext4:ext4_sync"),
    ("f:bpf:12:mine", "fentry:bpf:12:mine"),
    ("f:bpf:mine", "fentry:bpf:12:mine fentry:bpf:13:mine"),
    ("f:bpf:1*:mi*", "fentry:bpf:12:mine fentry:bpf:12:mixed fentry:bpf:13:mine"),
    ("f:bpf:14:mine", ""),
    ("f:bpf:no*", ""),
]


@pytest.mark.parametrize(("text", "expected"), POINTS)
def test_what_attach_points_stand_for(kernel: TableTarget, text: str, expected: str) -> None:
    assert [match.name for match in expand(text, kernel)] == expected.split()


def test_addresses_need_unsafe(kernel: TableTarget) -> None:
    with pytest.raises(ProbeSyntaxError, match="Probing by address requires --unsafe"):
        expand("k:0xffffffff81000000", kernel)
    (match,) = expand("k:0xffffffff81000000", kernel, unsafe=True)
    assert match.name == f"kprobe:{0xFFFFFFFF81000000}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kprobe:", "kprobes should be attached to a function or an address"),
        ("kretprobe:", "kprobes should be attached to a function or an address"),
        ("kprobe:+4", "kprobes should be attached to a function or an address"),
        ("fentry:", "fentry/fexit should specify a function"),
        ("fentry:a:b:c", "fentry probe type requires 1 or 2 or 3 arguments, found 3"),
        ("kretprobe:vfs_read+4", "Offset not allowed"),
        ("kprobe:vfs_*+4", "Cannot use a wildcard and an offset together"),
        ("kprobe:vfs_read+x", "Invalid offset: invalid integer: x"),
    ],
)
def test_mistakes(kernel: TableTarget, text: str, message: str) -> None:
    with pytest.raises(ProbeSyntaxError) as caught:
        expand(text, kernel)
    assert str(caught.value) == message


def test_what_may_have_been_meant(kernel: TableTarget) -> None:
    point = attach_point.parse("kprobe:vfs_raed")
    found = provider("kprobe").missing(point, ExpandScope(kernel, Config()))
    assert found == ("No matches for kprobe vfs_raed.", ("did you mean 'vfs_read'?",))


def test_programs_are_entered_and_left(kernel: TableTarget) -> None:
    registry = Registry(functions.TABLE, probes.TABLE)
    source = Source("stdin", "fentry:bpf:12:mi* { @[probe, arg1] = 1; } f:bpf:mine { @x = 2; }")
    made = compile_script(source, kernel, registry, CompileOptions())
    names = [f"fentry:bpf:{name}" for name in ("12:mine", "12:mixed", "12:mine", "13:mine")]
    assert [probe.name for probe in made.plan.probes] == names
    found = [(program.attach_module, program.attach_to) for program in made.plan.programs]
    assert found == [tuple(name[len("fentry:") :].rsplit(":", 1)) for name in names]
    source = Source("stdin", "fexit:bpf:13:mine /retval < 0/ { @ = retval; }")
    (program,) = compile_script(source, kernel, registry, CompileOptions()).plan.programs
    assert (program.attach_type, program.attach_module) == ("trace_fexit", "bpf:13")


def test_what_programs_do_not_tell(kernel: TableTarget) -> None:
    message, hint = refusal("fentry:bpf:mine { @ = args.ctx; }", kernel)
    assert message == "The args builtin cannot be used for 'fentry/fexit:bpf' probes"
    assert hint == "arg0, arg1 … are the arguments as numbers"
    message, hint = refusal("fentry:bpf:mien { }", kernel)
    assert message == "No matches for fentry bpf:mien."
    assert hint == "did you mean 'mine' or 'mixed'?"
    older = TableTarget(
        modules={"bpf:12": program_types("mine")},
        bpf_programs=((12, "mine"),),
        features=("fentry",),
    )
    message, hint = refusal("fexit:bpf:mine { @ = retval; }", older)
    assert message == (
        "this kernel does not tell what programs return (bpf_get_func_ret, Linux 5.17)"
    )
    assert hint == "arg0, arg1 … are there"
    without = TableTarget(features=("kprobe",), bpf_programs=((12, "mine"),))
    assert refusal("fentry:bpf:mine { }", without)[0] == f"fentry probes: {_NO_FENTRY}"


# -- refused -------------------------------------------------------------------------------------

LACKING = TableTarget(features=())
_NO_KPROBES = "this kernel is built without kprobes (CONFIG_KPROBE_EVENTS)"
_NO_FENTRY = (
    "this kernel cannot run programs where functions are entered or left "
    "(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)"
)


def refusal(script: str, target: TableTarget) -> tuple[str, str]:
    registry = Registry(functions.TABLE, probes.TABLE)
    with pytest.raises(ScriptError) as caught:
        compile_script(Source("stdin", script), target, registry, CompileOptions())
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.message, "".join(diagnostic.hints[:1])


@pytest.mark.parametrize(
    ("point", "message", "hint"),
    [
        ("kprobe:vfs_read", f"kprobe probes: {_NO_KPROBES}", "use a tracepoint or raw"),
        ("kr:vfs_*", f"kretprobe probes: {_NO_KPROBES}", "use a tracepoint that reports"),
        ("fentry:vfs_read", f"fentry probes: {_NO_FENTRY}", "use a tracepoint or raw"),
        ("fexit:vmlinux:vfs_read", f"fexit probes: {_NO_FENTRY}", "use a tracepoint that"),
    ],
)
def test_what_the_kernel_lacks(point: str, message: str, hint: str) -> None:
    found, first = refusal(f"{point} {{ }}", LACKING)
    assert found == message
    assert first.startswith(hint)


def test_functions_need_types_to_be_entered_with_typed_arguments() -> None:
    untyped = TableTarget(features=("fentry",))
    message, _hint = refusal("fentry:vfs_read { }", untyped)
    assert message == ("the kernel's types do not tell the arguments of fentry:vmlinux:vfs_read")


# -- attached ------------------------------------------------------------------------------------

WAYS = [
    ("k:vfs_read", KprobeAttach("vfs_read")),
    ("kr:vfs_read", KprobeAttach("vfs_read", returns=True)),
    ("k:vfs_read+0x10", KprobeAttach("vfs_read", 16)),
    ("k:ext4:ext4_sync", KprobeAttach("ext4:ext4_sync")),
    ("k:0xffffffff81000000", KprobeAttach("", address=0xFFFFFFFF81000000)),
]


@pytest.mark.parametrize(("point", "way"), WAYS)
def test_how_kprobes_are_attached(kernel: TableTarget, point: str, way: KprobeAttach) -> None:
    registry = Registry(functions.TABLE, probes.TABLE)
    source = Source("stdin", f"{point} {{ @ = {'retval' if way.returns else 'arg0'}; }}")
    made = compile_script(source, kernel, registry, CompileOptions(unsafe=True))
    assert [probe.attach for probe in made.plan.probes] == [way]
    assert [program.type for program in made.plan.programs] == ["kprobe"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("kprobe:vfs_read { @ = retval; }", "retval"),
        ("kretprobe:vfs_read { @ = arg0; }", "arg0"),
    ],
)
def test_what_registers_do_not_tell(kernel: TableTarget, script: str, message: str) -> None:
    assert message in refusal(script, kernel)[0]


def test_patterns_need_a_list() -> None:
    target = TableTarget(features=("kprobe",))
    message, _hint = refusal("kprobe:vfs_* { }", target)
    assert "nothing tells which functions can be probed" in message


@pytest.mark.parametrize("point", ["k:vfs_read", "kr:vfs_*", "f:vfs_read"])
def test_a_script_may_do_without(point: str) -> None:
    source = Source("stdin", f"config = {{ missing_probes = warn }} {point} {{ }} begin {{ }}")
    registry = Registry(functions.TABLE, probes.TABLE)
    made = compile_script(source, LACKING, registry, CompileOptions())
    assert [probe.name for probe in made.plan.probes] == ["begin"]
    assert made.plan.skipped[0][0] == point
    assert any("Skipping." in warning.message for warning in made.warnings)


def test_listings_say_what_the_kernel_lacks() -> None:
    said: list[str] = []
    assert list(list_probes("kprobe:*,fexit:vfs_*", LACKING, warnings=said.append)) == []
    assert said == [f"kprobe: {_NO_KPROBES}", f"fexit: {_NO_FENTRY}"]
    said.clear()
    list(list_probes("vfs_*", LACKING, warnings=said.append))
    assert said == []
    unknown = TableTarget(features=("kprobe",))
    list(list_probes("kprobe:*", unknown, warnings=said.append))
    assert len(said) == 1
    assert "--traceable-functions FILE" in said[0]


# -- the kernel's own lists ----------------------------------------------------------------------


def test_the_list_of_function_tracing() -> None:
    text = "vfs_read\n__ftrace_invalid_address___4\next4_sync [ext4]\nvfs_read\n\na.part.0\n"
    assert traceable.from_list(text) == [
        ("ext4", "ext4_sync"),
        ("vmlinux", "a.part.0"),
        ("vmlinux", "vfs_read"),
    ]


def test_all_code_but_what_kprobes_keep_out_of() -> None:
    symbols = (
        "ffffffff81000000 T _text\n"
        "ffffffff81000010 T __pfx_vfs_read\n"
        "ffffffff81000020 T vfs_read\n"
        "ffffffff81000030 t do_int3\n"
        "ffffffff81000040 D jiffies\n"
        "ffffffffc0000000 t ext4_sync\t[ext4]\n"
        "ffffffff8\n"
    )
    excluded = "0xffffffff81000030-0xffffffff81000040\tdo_int3\n"
    assert traceable.from_symbols(symbols, traceable.excluded(excluded)) == [
        ("ext4", "ext4_sync"),
        ("vmlinux", "_text"),
        ("vmlinux", "vfs_read"),
    ]
