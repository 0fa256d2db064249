"""``python -m conformance.load TARGET SCRIPT``: compile for a saved kernel, load into this one.

Nothing is attached: the verifier of the running kernel judges programs that it has no probes for.
"""

from __future__ import annotations

import sys
from pathlib import Path

from prybee import functions, probes
from prybee.diagnostics import PrybeeError, Source
from prybee.engines.kernel import KernelEngine
from prybee.engines.saved import SavedTarget
from prybee.language.frontend import CompileOptions, compile_script
from prybee.language.registry import Registry


def main(saved: str, script: str) -> int:
    """1 where the script has mistakes, or a program is refused."""
    registry = Registry(functions.TABLE, probes.TABLE)
    source = Source(script, Path(script).read_text())
    target = SavedTarget(saved)
    try:
        made = compile_script(source, target, registry, CompileOptions(unsafe=True))
        with KernelEngine(made.plan) as engine:
            engine.load()
    except PrybeeError as error:
        print(error)
        return 1
    finally:
        target.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
