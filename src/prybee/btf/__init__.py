"""Kernel and program types (BTF): a lazy reader, a builder, and C text.

Pure: no kernel, and no file opened unless asked.
"""

from prybee.btf.format import BtfError
from prybee.btf.reader import Btf
from prybee.btf.records import IntInfo, Member, Parameter, SectionVariable, Tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.btf.builder import BtfBuilder

__all__ = [
    "Btf",
    "BtfBuilder",
    "BtfError",
    "IntInfo",
    "Member",
    "Parameter",
    "SectionVariable",
    "Tag",
]


def __getattr__(name: str) -> object:
    # Reading types is on the way of every start, building them is not.
    if name == "BtfBuilder":
        from prybee.btf.builder import BtfBuilder

        return BtfBuilder
    raise AttributeError(f"module 'prybee.btf' has no attribute {name!r}")
