"""``prybee script.bt -- --help``: the named parameters that a script asks for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.diagnostics import Source
    from prybee.language.frontend import CompileOptions
    from prybee.language.registry import Registry
    from prybee.plan.target import Target


def print_parameters(
    source: Source, target: Target, registry: Registry, options: CompileOptions
) -> None:
    """Print each parameter's name, description and default, in bpftrace's form."""
    from prybee.language.frontend import compile_script

    named = {name: value for name, value in options.named.items() if name != "help"}
    found = compile_script(source, target, registry, options.replace(named=named))
    described = found.parameters.described
    if not described:
        print("HINT: no custom program options defined.")
        return
    print("HINT: expected program options:")
    for name, (default, text) in described.items():
        print(f"--{name}: {text}" if text else f"--{name}")
        if default:
            print(f"    default: {default}")
