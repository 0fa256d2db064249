"""Handlers that use all arguments of an event are accepted by the running kernel's verifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prybee import functions, probes
from prybee.diagnostics import PrybeeError, Source
from prybee.engines.kernel import KernelEngine
from prybee.engines.live import LiveTarget
from prybee.language.frontend import compile_script
from prybee.language.registry import Registry
from prybee.probes.typed_arguments import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live

# One in so many events is tried, and those after which something went wrong once.
STEP = 20
CHOSEN = {
    "task:task_rename", "block:block_rq_insert", "tcp:tcp_cong_state_set", "fib:fib_table_lookup",
    "csd_function_exit", "mm_lru_insertion", "kfree_skb", "consume_skb", "sched_switch",
    "neigh_create", "kfree",
}  # fmt: skip
# Members of a struct that are looked at.
MEMBERS = 4


@pytest.fixture(scope="module")
def target() -> Iterator[LiveTarget]:
    with LiveTarget() as made:
        yield made


def refused(scripts: Iterator[str], target: LiveTarget) -> list[tuple[str, str]]:
    registry = Registry(functions.TABLE, probes.TABLE)
    found = []
    for text in scripts:
        plan = compile_script(Source("test", text), target, registry).plan
        with KernelEngine(plan, target) as engine:
            try:
                engine.load()
            except PrybeeError as error:
                found.append((text, str(error)))
    return found


def test_records(target: LiveTarget) -> None:
    def scripts() -> Iterator[str]:
        for number, (category, event) in enumerate(target.tracepoints()):
            if number % STEP and f"{category}:{event}" not in CHOSEN:
                continue
            fields = target.tracepoint_format(category, event) or ()
            named = [f.name for f in fields if f.array >= 0 or f.location]
            if named:
                body = " ".join(f"@m{i} = args.{name};" for i, name in enumerate(named))
                yield f"tracepoint:{category}:{event} {{ {body} @all = args; }}"

    assert refused(scripts(), target) == []


def test_typed_arguments(target: LiveTarget) -> None:
    btf = target.btf
    if btf is None:
        pytest.skip("needs the kernel's types")

    def scripts() -> Iterator[str]:
        for number, event in enumerate(target.raw_tracepoints()):
            parameters = btf.tracepoint_parameters(event)
            if not parameters or (number % STEP and event not in CHOSEN):
                continue
            paths = []
            for index, parameter in enumerate(parameters):
                called = name_of(parameter, index)
                paths.append(called)
                plain = btf.strip(parameter.type)
                struct = btf.strip(btf.target(plain)) if btf.kind(plain) == "ptr" else 0
                if struct and btf.kind(struct) == "struct" and btf.size(struct):
                    members = [m for m in btf.flat_members(struct) if m.name]
                    simple = ("int", "ptr", "enum")
                    named = [m.name for m in members if btf.kind(btf.strip(m.type)) in simple]
                    paths += [f"{called}->{name}" for name in named[:MEMBERS]]
            body = " ".join(f"@m{i} = args.{path};" for i, path in enumerate(paths))
            yield f"rawtracepoint:{event} {{ {body} }}"

    assert refused(scripts(), target) == []
