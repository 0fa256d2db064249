"""prybee beside bpftrace, measured in the same run: ``make bench`` (see README.md)."""
