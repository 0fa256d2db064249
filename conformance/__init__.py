"""bpftrace's own tests, run against prybee: ``make conformance SUITE=DIR`` (docs/compatibility.md).

Nothing of bpftrace is here: the suite is read from a checkout, its programs are built from there,
and its own engine runs them.
"""
