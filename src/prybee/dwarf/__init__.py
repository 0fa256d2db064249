"""Debug information of user programs (DWARF 2 to 5): functions, types, lines.

Own reader, so that no package is needed: it reads units when they are asked about, steps over what
nobody wants, and knows split units, which ``pyelftools`` (tests compare with it) does not.
Pure: opens nothing but split files beside the program, when these are asked for.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.dwarf.info import DebugInfo, Inlined, SourceLine
    from prybee.dwarf.sections import DwarfError
    from prybee.dwarf.types import DwarfTypes

__all__ = ["DebugInfo", "DwarfError", "DwarfTypes", "Inlined", "SourceLine"]

_MODULES = {
    "DebugInfo": "info",
    "DwarfError": "sections",
    "DwarfTypes": "types",
    "Inlined": "info",
    "SourceLine": "info",
}


def __getattr__(name: str) -> object:
    # Few scripts need any of this, so importing the package costs nothing.
    if name in _MODULES:
        module = __import__(f"prybee.dwarf.{_MODULES[name]}", fromlist=[name])
        return getattr(module, name)
    raise AttributeError(f"module 'prybee.dwarf' has no attribute {name!r}")
