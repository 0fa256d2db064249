"""From addresses to names, and from names to binaries."""

from prybee.symbols import binaries

__all__ = ["binaries"]
