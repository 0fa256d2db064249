"""Kernel and program types (BTF): a lazy reader, a builder, and C text.

Pure: no kernel, and no file opened unless asked.
"""

from prybee.btf.builder import BtfBuilder
from prybee.btf.format import BtfError
from prybee.btf.reader import Btf
from prybee.btf.records import IntInfo, Member, Parameter, SectionVariable, Tag

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
