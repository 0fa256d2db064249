"""What is said of probes that could not be attached."""

from __future__ import annotations

from prybee.diagnostics import KernelError, Source, Span
from prybee.engines.kernel import AttachFailure, AttachReport
from prybee.plan.plan import KprobeAttach, ProbeSpec
from prybee.session.attaching import of_patterns

SOURCE = Source("stdin", "kprobe:vfs_*, kprobe:do_exit { }")
PATTERN, NAME = Span(SOURCE, 0, 12), Span(SOURCE, 14, 28)


def probe(function: str, span: Span) -> ProbeSpec:
    return ProbeSpec(f"kprobe:{function}", "p", KprobeAttach(function), span)


def failure(function: str, span: Span) -> AttachFailure:
    return AttachFailure(probe(function, span), KernelError("perf_event_open", 22))


def test_some_that_a_pattern_found() -> None:
    attached = (probe("vfs_read", PATTERN).replace(count=5), probe("do_exit", NAME))
    missing = tuple(failure(f"vfs_{name}", PATTERN) for name in "abcd")
    named, warnings = of_patterns(AttachReport(attached, missing))
    assert named == []
    said = (
        "WARNING: 4 of the 9 probes of kprobe:vfs_* could not be attached: kprobe:vfs_a, "
        "kprobe:vfs_b, kprobe:vfs_c and 1 more\nperf_event_open: EINVAL: Invalid argument"
    )
    assert warnings == [said]


def test_all_that_a_pattern_found() -> None:
    missing = (failure("vfs_a", PATTERN), failure("vfs_b", PATTERN))
    named, warnings = of_patterns(AttachReport((probe("do_exit", NAME),), missing))
    assert (tuple(named), warnings) == (missing, [])


def test_what_is_named() -> None:
    missing = (failure("do_exit", NAME),)
    named, warnings = of_patterns(AttachReport((probe("vfs_read", PATTERN),), missing))
    assert (tuple(named), warnings) == (missing, [])
