"""Raw tracepoints with arguments that may be NULL, or an error number in a pointer's place.

The verifier knows them by name (kernel/bpf/btf.c, ``raw_tp_null_args``, since 6.14) and refuses
plain loads through such an argument, and arithmetic on it; neither can be seen in BTF.  Arguments
of the events named here are read by helpers instead, which always works and costs a call each.

The single names were found by loading a program for each argument of each event on 6.18 and 7.3
(tests/probes/test_nullable.py does so again on the running kernel).  The families are those of
subsystems with such events of which not all are in that kernel's configuration.
"""

from __future__ import annotations

_EVENTS = frozenset(
    [
        "fcntl_setlk",
        "fib_table_lookup",
        "flock_lock_inode",
        "folio_wait_writeback",
        "generic_delete_lease",
        "hugetlbfs_alloc_inode",
        "kfree_skb",
        "locks_remove_posix",
        "mm_collapse_huge_page_isolate",
        "posix_lock_inode",
        "qdisc_dequeue",
        "sched_pi_setprio",
        "sched_process_wait",
        "sched_stick_numa",
        "sched_swap_numa",
        "signal_deliver",
        "signal_generate",
        "tcp_send_reset",
        "tcp_sendmsg_locked",
        "time_out_leases",
        "tmigr_update_events",
        "writeback_dirty_folio",
    ]
)
_FAMILIES = (
    "afs_", "amdgpu_", "bpf_testmod_", "break_lease_", "cachefiles_", "erofs_", "ext4_mballoc_",
    "host1x_", "jbd2_", "mei_", "mlxsw_", "mm_khugepaged_", "mm_page_", "mr_", "netfs_", "nfs",
    "rxrpc_", "tegra_", "xfs_", "xprt_", "xs_",
)  # fmt: skip


def may_lack_arguments(event: str) -> bool:
    """Whether some pointer argument of a raw tracepoint may be no pointer."""
    return event in _EVENTS or event.startswith(_FAMILIES)
