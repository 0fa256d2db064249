"""prybee: see inside a running Linux system.

The rooms of the house, lowest first, are described in ``docs/architecture.md``.
"""

__version__ = "0.1.0"
# The release of bpftrace whose language this is.
BPFTRACE_VERSION = "0.27.1"
