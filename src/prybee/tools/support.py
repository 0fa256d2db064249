"""Whether a tool works on this machine: its probes are there, and its script compiles."""

from __future__ import annotations

from prybee.data import Data
from prybee.diagnostics import NotSupported, PrybeeError, Source
from prybee.language import attach_point
from prybee.language.config_table import Config
from prybee.language.frontend import CompileOptions, compile_script
from prybee.language.registry import ExpandScope, ProbeSyntaxError
from prybee.tools import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.registry import Registry
    from prybee.plan.target import Target
    from prybee.tools.catalogue import Tool

# What tools that are told what to look at are tried with.
_TRIED = {1: ("libc:malloc",), 2: ("libc:malloc", "arg0")}


class Answer(Data):
    """Whether a tool works.

    Attributes:
        works: it does.
        why: what is missing; empty where nothing is.
    """

    works: bool
    why: str = ""


def ask(tool: Tool, target: Target, registry: Registry) -> Answer:
    """Whether ``tool`` works on ``target``; nothing is loaded for that."""
    scope = ExpandScope(target, Config())
    missing = [group for group in tool.needs if not any(_there(p, scope, registry) for p in group)]
    if missing:
        names = ", ".join(" or ".join(group) for group in missing)
        return Answer(False, f"the kernel or the machine has no {names}")
    settings = options.Settings(_TRIED.get(len(tool.operands), ()))
    compile_options = CompileOptions(edit=lambda tree: options.edit(tool, settings, tree))
    try:
        source = Source(tool.path, tool.read().decode())
        plan = compile_script(source, target, registry, compile_options).plan
    except PrybeeError as error:
        return Answer(False, str(error).splitlines()[0])
    if plan.skipped and not plan.probes:
        return Answer(False, plan.skipped[0][1])
    return Answer(True)


def _there(text: str, scope: ExpandScope, registry: Registry) -> bool:
    """Whether an attach point has matches that can be attached."""
    point = attach_point.parse(text)
    provider = registry.providers.get(point.provider)
    assert provider is not None, f"a header names the probe type of {text}"
    if not provider.attaches:
        return False
    try:
        return bool(provider.expand(point, scope))
    except (ProbeSyntaxError, NotSupported):
        return False
