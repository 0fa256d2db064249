"""POWER with 64 bits, the most significant byte first."""

from __future__ import annotations

from prybee.machines import ppc64le

MACHINE = ppc64le.MACHINE.replace(name="ppc64", big_endian=True, libraries="powerpc64-linux-gnu")
