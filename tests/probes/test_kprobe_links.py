"""How kprobe and kretprobe are attached: many functions by one link, or one by one."""

from __future__ import annotations

import pytest

from prybee import functions, probes
from prybee.diagnostics import ScriptError, Source
from prybee.language.frontend import CompileOptions, compile_script
from prybee.language.registry import Registry
from prybee.linux import traceable
from prybee.plan.plan import AttachSpec, KprobeAttach, KprobeMultiAttach, Plan
from prybee.probes.patterns import matcher
from tests.fixtures.table_target import TableTarget
from tests.probes.conftest import expand

FUNCTIONS = (
    ("ext4", "ext4_read"),
    ("vmlinux", "vfs_read"),
    ("vmlinux", "vfs_readv"),
    ("vmlinux", "vfs_write"),
)
ALL = ("kprobe", "kprobe_multi", "kprobe_session", "helper:get_func_ip")
READS = ("vfs_read", "vfs_readv")


def target(*features: str) -> TableTarget:
    return TableTarget(kernel_functions=FUNCTIONS, features=features)


def plan(script: str, *features: str) -> Plan:
    registry = Registry(functions.TABLE, probes.TABLE)
    options = CompileOptions(unsafe=True)
    return compile_script(Source("stdin", script), target(*features), registry, options).plan


def ways(script: str, *features: str) -> list[AttachSpec]:
    return [probe.attach for probe in plan(script, *features).probes]


ONE_LINK = [
    ("k:vfs_read* { @ = arg0; }", KprobeMultiAttach(READS)),
    ("kr:vfs_read* { @ = retval; }", KprobeMultiAttach(READS, returns=True)),
    ("k:vfs_read,k:vfs_readv { @[func] = count(); }", KprobeMultiAttach(READS)),
    ("k:*:*_read { @ = count(); }", KprobeMultiAttach(("ext4:ext4_read", "vfs_read"))),
    ('k:vfs_read* { @ = reg("di") + reg("pc"); }', KprobeMultiAttach(READS)),
    ('kr:vfs_read* { @ = reg("ax"); }', KprobeMultiAttach(READS, returns=True)),
]


@pytest.mark.parametrize(("script", "way"), ONE_LINK)
def test_one_link_serves_many_functions(script: str, way: KprobeMultiAttach) -> None:
    made = plan(script, *ALL)
    (probe,) = made.probes
    assert probe.attach == way
    assert probe.count == len(way.functions)
    (program,) = made.programs
    assert program.attach_type == "trace_kprobe_multi"


@pytest.mark.parametrize(
    "script",
    [
        'k:vfs_read* { @ = reg("bx"); }',
        'kr:vfs_read* { @ = reg("sp"); }',
        "k:vfs_read* { @ = usermode; }",
    ],
)
def test_registers_that_such_links_have_not(script: str) -> None:
    made = plan(script, *ALL)
    assert len(made.programs) == 1
    assert [program.attach_type for program in made.programs] == [""]
    assert [type(probe.attach) for probe in made.probes] == [KprobeAttach, KprobeAttach]


def test_without_such_links() -> None:
    one_by_one = [KprobeAttach("vfs_read"), KprobeAttach("vfs_readv")]
    assert ways("k:vfs_read* { @ = arg0; }", "kprobe") == one_by_one
    assert len(plan("k:vfs_read* { @ = arg0; }", "kprobe").programs) == 1


def test_names_by_cookies() -> None:
    """One program for all: what it is run for is told by the link."""
    script = "k:vfs_* { @[probe] = count(); }"
    (probe,) = plan(script, *ALL, "helper:get_attach_cookie").probes
    assert probe.attach == KprobeMultiAttach((*READS, "vfs_write"), cookies=(0, 1, 2))
    one_by_one = plan(script, "kprobe", "helper:get_attach_cookie")
    assert len(one_by_one.programs) == 1
    assert [probe.attach for probe in one_by_one.probes] == [
        KprobeAttach("vfs_read", cookie=0),
        KprobeAttach("vfs_readv", cookie=1),
        KprobeAttach("vfs_write", cookie=2),
    ]
    # Without cookies each has its own, by links for one.
    old = plan(script, *ALL)
    assert len(old.programs) == 3
    assert [type(probe.attach) for probe in old.probes] == [KprobeAttach] * 3


def test_places_inside_a_function_stand_alone() -> None:
    script = "k:vfs_read, k:vfs_read+4, k:vfs_write { @ = arg0; }"
    assert ways(script, *ALL) == [
        KprobeMultiAttach(("vfs_read", "vfs_write")),
        KprobeAttach("vfs_read", 4),
    ]


PAIRS = [
    ("k:vfs_read* { @ = arg0; } kr:vfs_read* { @ = retval; }", READS, 2),
    ("kr:vfs_read { @r = retval; } k:vfs_read { @ = arg0; }", ("vfs_read",), 1),
    ("k:ext4:ext4_read { @ = 1; } kr:ext4:ext4_read { @ = 2; }", ("ext4:ext4_read",), 1),
]


@pytest.mark.parametrize(("script", "names", "count"), PAIRS)
def test_both_ends_by_one_program(script: str, names: tuple[str, ...], count: int) -> None:
    made = plan(script, *ALL, "kfunc:bpf_session_is_return")
    (probe,) = made.probes
    assert probe.attach == KprobeMultiAttach(names, session=True)
    assert probe.count == count
    (program,) = made.programs
    assert program.attach_type == "trace_kprobe_session"
    assert program.relocations[0].symbol == "bpf_session_is_return"


NAMED = [
    "k:vfs_read* { @p[probe] = 1; } kr:vfs_read* { @ = retval; }",
    "k:vfs_read* { @ = arg0; } kr:vfs_read* { @p[probe] = 1; }",
    "k:vfs_read* { @p[probe] = 1; } kr:vfs_read* { @[probe] = 1; }",
]


@pytest.mark.parametrize("script", NAMED)
def test_both_ends_with_names(script: str) -> None:
    features = (*ALL, "kfunc:bpf_session_is_return", "helper:get_attach_cookie")
    (probe,) = plan(script, *features).probes
    assert probe.attach == KprobeMultiAttach(READS, session=True, cookies=(0, 1))


def test_programs_with_several_links_are_no_session() -> None:
    """Where functions are attached to one by one, and yet the kernel says that it has sessions."""
    features = ("kprobe", "kprobe_session", "helper:get_func_ip", "kfunc:bpf_session_is_return")
    made = plan("k:vfs_read* { @ = arg0; } kr:vfs_read* { @ = retval; }", *features)
    assert len(made.probes) == 4
    assert len(made.programs) == 2


def test_other_orders_are_no_session() -> None:
    """Cookies that count the same functions otherwise."""
    script = "k:vfs_read* { @[probe] = 1; } kr:vfs_readv, kr:vfs_read { @[probe] = 1; }"
    features = (*ALL, "kfunc:bpf_session_is_return", "helper:get_attach_cookie")
    assert [probe.attach for probe in plan(script, *features).probes] == [
        KprobeMultiAttach(READS, cookies=(0, 1)),
        KprobeMultiAttach(READS[::-1], returns=True, cookies=(0, 1)),
    ]


APART = [
    "k:vfs_read { @ = arg0; } kr:vfs_readv { @ = retval; }",  # Other functions.
    "k:vfs_read* { @ = arg0; } kr:vfs_read { @ = retval; }",
    "k:vfs_read { @ = arg0; } k:vfs_read { @ = 1; } kr:vfs_read { @ = retval; }",  # Their order.
    "k:vfs_read { } k:vfs_read { }",
    'k:vfs_read { @ = reg("bx"); } kr:vfs_read { @ = retval; }',
    "k:vfs_read+4 { @ = arg0; } kr:vfs_read { @ = retval; }",
]


@pytest.mark.parametrize("script", APART)
def test_what_stays_apart(script: str) -> None:
    made = plan(script, *ALL, "kfunc:bpf_session_is_return")
    assert len(made.programs) == len(made.probes) == script.count("{")
    assert "trace_kprobe_session" not in [program.attach_type for program in made.programs]


def test_a_kernel_without_sessions() -> None:
    made = plan(PAIRS[0][0], "kprobe", "kprobe_multi")
    assert [probe.attach for probe in made.probes] == [
        KprobeMultiAttach(READS),
        KprobeMultiAttach(READS, returns=True),
    ]


def test_functions_that_kprobes_keep_out_of() -> None:
    names = (("vmlinux", "do_int3"), ("vmlinux", "do_it"), ("vmlinux", "rcu_do_batch"))
    kernel = TableTarget(
        kernel_functions=names, kprobe_blacklist=("do_int3",), features=("kprobe", "fentry")
    )
    assert [match.name for match in expand("k:do_*", kernel)] == ["kprobe:do_it"]
    assert [match.name for match in expand("k:*", kernel)] == ["kprobe:do_it"]
    assert expand("k:do_int3", kernel) == []
    # Who names one gets it.
    assert [match.name for match in expand("k:rcu_do_batch", kernel)] == ["kprobe:rcu_do_batch"]


def messages(script: str, *features: str, unsafe: bool = False) -> list[str]:
    registry = Registry(functions.TABLE, probes.TABLE)
    options = CompileOptions(unsafe=unsafe)
    try:
        made = compile_script(Source("stdin", script), target(*features), registry, options)
    except ScriptError as failure:
        return [f"{each.severity}: {each.message}" for each in failure.diagnostics]
    return [f"{each.severity}: {each.message}" for each in made.warnings]


_LIKELY = (
    '{} is not traceable (either non-existing, inlined, or marked as "notrace"); attaching to it '
    "will likely fail"
)


def test_what_is_on_no_list() -> None:
    warning = f"WARNING: {_LIKELY.format('nosuch')}"
    found = messages("k:vmlinux:nosuch { }", *ALL)
    assert "ERROR: No matches for kprobe vmlinux:nosuch." in found
    assert warning in found
    # With --unsafe it is tried.
    assert messages("k:vmlinux:nosuch { }", *ALL, unsafe=True) == [warning]


def test_modules_that_are_not_loaded() -> None:
    said = "specified module nosuch in probe kprobe:nosuch:vfs_read is not loaded."
    assert f"ERROR: {said}" in messages("k:nosuch:vfs_read { }", *ALL)


def test_functions_of_kernels_that_do_not_tell_them() -> None:
    """Before Linux 5.15: by the instruction pointer, or by a program for each function."""
    entered = plan("k:vfs_read* { @[func] = count(); }", "kprobe")
    assert len(entered.programs) == 1
    old = TableTarget(
        kernel_functions=FUNCTIONS,
        features=("kprobe",),
        kernel_symbols={"vfs_read": 0x1000, "vfs_readv": 0x2000},
    )
    registry = Registry(functions.TABLE, probes.TABLE)
    source = Source("stdin", "kr:vfs_read* { @[func] = count(); }")
    left = compile_script(source, old, registry, CompileOptions()).plan
    assert len(left.programs) == 2
    assert len(plan(source.text, *ALL).programs) == 1
    assert "use probe" in hints(source.text, "kprobe")


def hints(script: str, *features: str) -> str:
    registry = Registry(functions.TABLE, probes.TABLE)
    with pytest.raises(ScriptError) as caught:
        compile_script(Source("stdin", script), target(*features), registry, CompileOptions())
    return " ".join(hint for each in caught.value.diagnostics for hint in each.hints)


def test_one_by_one_takes_long() -> None:
    names = tuple(("vmlinux", f"do_{number}") for number in range(30))
    kernel = TableTarget(kernel_functions=names, features=("kprobe",))
    registry = Registry(functions.TABLE, probes.TABLE)
    source = Source("stdin", "k:do_* { @ = count(); }")
    (warning,) = compile_script(source, kernel, registry, CompileOptions()).warnings
    assert warning.message == (
        "this kernel has no links for many functions (kprobe_multi, CONFIG_FPROBE): 30 of them are "
        "attached one by one, which takes longer"
    )


def test_names_of_several_functions() -> None:
    text = "twice\nonce\ntwice [ext4]\nonce_more\n"
    assert traceable.repeated(text) == {"twice"}
    assert traceable.is_repeated(text, "twice")
    assert not traceable.is_repeated(text, "once")


@pytest.mark.parametrize("pattern", ["vfs_read", "vfs_*", "*read*", "*", "a.b", "nosuch", "[x]"])
def test_some_of_a_list(pattern: str) -> None:
    """A search in the text finds what a search among all finds."""
    text = "vfs_read\nvfs_readv\n__ftrace_invalid_address___4\nvfs_read [ext4]\na.b\naxb\n"
    fits = matcher(pattern)
    expected = [pair for pair in traceable.from_list(text) if fits(pair[1])]
    assert traceable.from_list(text, pattern) == expected
