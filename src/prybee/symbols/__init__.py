"""From addresses to names, and from names to binaries."""

from prybee.symbols import binaries
from prybee.symbols.demangling import demangle
from prybee.symbols.frames import Frame
from prybee.symbols.kernel import KernelSymbols
from prybee.symbols.user import UserSymbols

__all__ = ["Frame", "KernelSymbols", "UserSymbols", "binaries", "demangle"]
