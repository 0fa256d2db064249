"""Registers of a probe's context, per machine."""

from prybee.machines import Registers, registers

__all__ = ["Registers", "registers"]
