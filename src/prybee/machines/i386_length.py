"""Lengths of the instructions of 32-bit x86 code."""

from __future__ import annotations

from prybee.machines import x86_length
from prybee.machines.x86_length import UnknownInstruction

__all__ = ["UnknownInstruction", "begins_at"]


def begins_at(code: bytes, offset: int) -> bool:
    """Whether an instruction begins at ``offset`` when one does at 0.

    Raises:
        UnknownInstruction: the way there cannot be followed.
    """
    return x86_length.begins_at(code, offset, 32)
