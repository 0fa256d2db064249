"""``dw_ustack`` and the setting ``unwind``: what is made of them, and where they cannot be had."""

from __future__ import annotations

from typing import Any

import pytest

from prybee.diagnostics import ScriptError
from tests.language.running import TARGET, compile_text

PAGES = ["unwind_pages", "unwind_processes", "unwind_wanted"]
ENABLED = "config = { unstable_dw_ustack = enable }"


class Without:
    """This machine, but for some features."""

    def __init__(self, *missing: str, arch: str = "x86_64") -> None:
        self.missing = missing
        self.arch = arch

    def has(self, feature: str) -> bool:
        return feature not in ("modern", *self.missing) and TARGET.has(feature)

    def __getattr__(self, name: str) -> Any:
        return getattr(TARGET, name)


def needs(target: Any) -> None:
    if target.arch != "x86_64" or not target.has("helper:loop"):
        pytest.skip("needs a kernel with bpf_loop on x86-64")


def unwinding(plan: Any) -> list[str]:
    return [spec.name for spec in plan.maps if spec.name.startswith("unwind")]


@pytest.mark.parametrize(
    ("text", "walks"),
    [
        (ENABLED + " profile:hz:9 { @[dw_ustack] = count(); }", True),
        (ENABLED + " profile:hz:9 { @[dw_ustack(perf, 3), ustack, kstack] = count(); }", True),
        ("config = { unwind = eh_frame } profile:hz:9 { @[ustack] = count(); }", True),
        ("config = { unwind = eh_frame } profile:hz:9 { @[ustack(build_id)] = count(); }", False),
        ("config = { unwind = eh_frame } profile:hz:9 { @[ustack(0)] = count(); }", False),
        ("config = { unwind = eh_frame } profile:hz:9 { @[kstack] = count(); }", False),
        ("config = { unwind = fp } profile:hz:9 { @[ustack] = count(); }", False),
        ("profile:hz:9 { @[ustack] = count(); }", False),
    ],
)
def test_who_walks(text: str, walks: bool) -> None:
    needs(TARGET)
    plan = compile_text(text).plan
    assert unwinding(plan) == (PAGES if walks else [])
    assert [record.action for record in plan.records] == (["unwind"] if walks else [])


def test_one_walk_for_all_stacks_of_a_size() -> None:
    """A program has one function that walks, however often it is used."""
    needs(TARGET)
    short = "config = { unwind = eh_frame } profile:hz:9 { @[ustack] = count(); }"
    long = short.replace("}", "@x[ustack] = count(); @y[ustack] = count(); }", 2).replace(
        "eh_frame @x[ustack] = count(); @y[ustack] = count(); }", "eh_frame }"
    )
    sizes = [len(compile_text(text).plan.programs[0].insns) for text in (short, long)]
    assert sizes[1] < 2 * sizes[0]


def test_the_setting_is_a_wish() -> None:
    """Where the kernel cannot, ustack walks by frame pointers as always."""
    text = "config = { unwind = eh_frame } profile:hz:9 { @[ustack] = count(); }"
    assert unwinding(compile_text(text, Without("helper:loop")).plan) == []


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (Without("helper:loop"), "the kernel lacks bpf_loop (Linux 5.17)"),
        (Without(arch="aarch64"), "there are no unwind rows for aarch64"),
    ],
)
def test_dw_ustack_is_refused(target: Any, why: str) -> None:
    with pytest.raises(ScriptError, match="dw_ustack is not available here") as caught:
        compile_text(ENABLED + " profile:hz:9 { @[dw_ustack] = count(); }", target)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message.endswith(why)
    assert diagnostic.hints == ("use ustack",)


def test_dw_ustack_is_unstable() -> None:
    """As upstream: a warning, or an error, or neither."""
    needs(TARGET)
    script = "profile:hz:9 { @[dw_ustack] = count(); }"
    (warning,) = compile_text(script).warnings
    assert warning.message.startswith(
        "Script is using an unstable feature: dw_ustack (DWARF stack unwinding)."
    )
    assert not compile_text(f"{ENABLED} {script}").warnings
    with pytest.raises(ScriptError, match="feature is not enabled by default"):
        compile_text("config = { unstable_dw_ustack = error } " + script)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("dw_ustack(build_id)", "'build_id' stack mode can only be used for ustack"),
        ("dw_ustack(2000)", "dw_ustack([int limit]): limit shouldn't exceed 1024, 2000 given"),
        ("dw_ustack(foo)", "Error parsing stack mode: dw_ustack: Invalid value for stack_mode"),
    ],
)
def test_mistakes(call: str, message: str) -> None:
    needs(TARGET)
    with pytest.raises(ScriptError) as caught:
        compile_text(f"{ENABLED} profile:hz:9 {{ @[{call}] = count(); }}")
    assert message in caught.value.diagnostics[0].message
