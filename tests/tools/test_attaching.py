"""Each tool's programs are taken by this kernel's verifier, and all of its probes attach.

In one process, so that slow guests are soon through; ``test_events`` looks at what tools show.
"""

from __future__ import annotations

import pytest

from prybee.diagnostics import Source
from prybee.engines.kernel import KernelEngine
from prybee.engines.live import LiveTarget
from prybee.functions import TABLE as FUNCTIONS
from prybee.language.frontend import CompileOptions, compile_script
from prybee.language.registry import Registry
from prybee.probes import TABLE as PROBES
from prybee.tools import catalogue, options, support

pytestmark = pytest.mark.live

# For tools that are told what to look at.
OPERANDS = {1: ("libc:malloc",), 2: ("libc:malloc", "arg0")}


@pytest.mark.parametrize("name", catalogue.names())
def test_attaches(name: str, target: LiveTarget) -> None:
    tool = catalogue.load(name)
    registry = Registry(FUNCTIONS, PROBES)
    answer = support.ask(tool, target, registry)
    if not answer.works:
        pytest.skip(answer.why)
    settings = options.Settings(OPERANDS.get(len(tool.operands), ()))
    compile_options = CompileOptions(edit=lambda tree: options.edit(tool, settings, tree))
    source = Source(tool.path, tool.read().decode())
    plan = compile_script(source, target, registry, compile_options).plan
    with KernelEngine(plan, target) as engine:
        engine.load()
        engine.run_special("begin")
        report = engine.attach()
        engine.detach()
    assert [(each.probe.name, str(each.error)) for each in report.failures] == []
    assert report.count >= 1
