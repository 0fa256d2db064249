"""From addresses to names, and from names to binaries.

A script that names a library must not pay for the reading of stacks: each name is imported when
it is first asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.symbols import binaries
    from prybee.symbols.demangling import demangle
    from prybee.symbols.frames import Frame
    from prybee.symbols.kernel import KernelSymbols
    from prybee.symbols.recorder import Recorder
    from prybee.symbols.user import UserSymbols

__all__ = ["Frame", "KernelSymbols", "Recorder", "UserSymbols", "binaries", "demangle"]

_MODULES = {
    "Frame": "frames",
    "KernelSymbols": "kernel",
    "Recorder": "recorder",
    "UserSymbols": "user",
    "demangle": "demangling",
}


def __getattr__(name: str) -> object:
    # __import__, because importlib itself costs a millisecond.
    if name == "binaries":
        return __import__("prybee.symbols.binaries", fromlist=("",))
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = __import__(f"prybee.symbols.{_MODULES[name]}", fromlist=("",))
    value = globals()[name] = getattr(module, name)
    return value
