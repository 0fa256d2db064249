"""``prybee --info``: what this kernel can do, with the names and the form of bpftrace's report.

Scripts that ask for a feature look for ``name: yes`` in it; so a line is there only for what prybee
makes use of, and says ``yes`` only where it was tried; ``unknown`` where it may not be tried.
Behind ``no`` stands what is done instead.
"""

from __future__ import annotations

import os

# Heading, then (bpftrace's name, our feature's); an empty one: no, whatever the kernel can.
_REPORT: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Kernel helpers",
        (
            ("get_tai_ns", "helper:ktime_get_tai_ns"),
            ("get_func_ip", "helper:get_func_ip"),
            ("lookup_percpu_elem", "helper:map_lookup_percpu_elem"),
            ("loop", "helper:loop"),
            ("send_signal", "helper:send_signal"),
            ("jiffies64", "helper:jiffies64"),
            ("probe_read_kernel", "helper:probe_read_kernel"),
            ("for_each_map_elem", "helper:for_each_map_elem"),
        ),
    ),
    (
        "Kernel features",
        (
            ("btf", "btf"),
            ("module btf", "module_btf"),
            ("map batch", "map_batch"),
            ("dpath", "helper:d_path"),
            ("skboutput", "helper:skb_output"),
        ),
    ),
    ("Map types", tuple((name, f"map:{name}") for name in ("hash", "percpu_hash", "ringbuf"))),
    (
        "Probe types",
        (
            ("tracepoint", "tracepoint"),
            ("rawtracepoint", "rawtracepoint"),
            ("uprobe", "uprobe"),
            ("kprobe", "kprobe"),
            ("kprobe_multi", "kprobe_multi"),
            ("kprobe_session", "kprobe_session"),
            ("fentry", "fentry"),
            ("uprobe_multi", "uprobe_multi"),
            ("profile", "profile"),
            ("iter", "iter"),
        ),
    ),
    (
        "By other names that scripts look for",
        (
            ("Loop support", "large_programs"),
            ("get_ktime_ns", "helper:ktime_get_tai_ns"),
            ("bcc library path resolution", "uprobe"),
        ),
    ),
)


def print_info() -> int:
    """Print the report."""
    from textwrap import wrap

    from prybee import BPFTRACE_VERSION, __version__
    from prybee.linux.switches import names

    system = os.uname()
    print("System")
    print(f"  OS: {system.sysname} {system.release} {system.version}")
    print(f"  Arch: {system.machine}")
    print("\nBuild")
    print(f"  version: v{__version__} (prybee, for scripts of bpftrace {BPFTRACE_VERSION})")
    # Readers of our own, always there, by the names of the libraries that scripts look for.
    print("  libdw (DWARF support): yes")
    print("  blazesym (advanced symbolization): yes")
    for title, rows in _REPORT:
        print(f"\n{title}")
        for name, feature in rows:
            print(f"  {name}: {_answer(feature)}")
    print("\nFeatures that --no-feature can take off")
    for line in wrap(" ".join(names()), 90, break_on_hyphens=False):
        print(f"  {line}")
    print("\nprybee doctor says why a feature is missing, and what that means.")
    return 0


def _answer(feature: str) -> str:
    from prybee.linux import features, substitutes

    if not feature:
        return "no"
    answer = features.probe(feature)
    if answer or answer.state == features.UNKNOWN:
        return "yes" if answer else "unknown"
    instead = substitutes.of(feature)
    if instead.by and not features.probe(instead.by):
        return "no"
    return f"no ({instead.does})"
