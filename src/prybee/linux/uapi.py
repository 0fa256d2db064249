"""Names and numbers of the kernel's interface (include/uapi/linux/bpf.h, perf_event.h; Linux 6.18).

Names are those of UAPI without their prefix, in lower case, as plans and users write them:
``percpu_hash`` is BPF_MAP_TYPE_PERCPU_HASH.  The tables are in numeric order from 0; where UAPI has
a renamed or deprecated twin, the name that older headers know is used.
"""

from __future__ import annotations

from prybee.diagnostics import PrybeeError, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COMMANDS = _names(
    """
    map_create map_lookup_elem map_update_elem map_delete_elem map_get_next_key prog_load obj_pin
    obj_get prog_attach prog_detach prog_test_run prog_get_next_id map_get_next_id
    prog_get_fd_by_id map_get_fd_by_id obj_get_info_by_fd prog_query raw_tracepoint_open btf_load
    btf_get_fd_by_id task_fd_query map_lookup_and_delete_elem map_freeze btf_get_next_id
    map_lookup_batch map_lookup_and_delete_batch map_update_batch map_delete_batch link_create
    link_update link_get_fd_by_id link_get_next_id enable_stats iter_create link_detach
    prog_bind_map token_create prog_stream_read_by_fd
    """
)

MAP_TYPE_NAMES = _names(
    """
    unspec hash array prog_array perf_event_array percpu_hash percpu_array stack_trace
    cgroup_array lru_hash lru_percpu_hash lpm_trie array_of_maps hash_of_maps devmap sockmap cpumap
    xskmap sockhash cgroup_storage reuseport_sockarray percpu_cgroup_storage queue stack sk_storage
    devmap_hash struct_ops ringbuf inode_storage task_storage bloom_filter user_ringbuf
    cgrp_storage arena
    """
)

PROGRAM_TYPE_NAMES = _names(
    """
    unspec socket_filter kprobe sched_cls sched_act tracepoint xdp perf_event cgroup_skb
    cgroup_sock lwt_in lwt_out lwt_xmit sock_ops sk_skb cgroup_device sk_msg raw_tracepoint
    cgroup_sock_addr lwt_seg6local lirc_mode2 sk_reuseport flow_dissector cgroup_sysctl
    raw_tracepoint_writable cgroup_sockopt tracing struct_ops ext lsm sk_lookup syscall netfilter
    """
)

ATTACH_TYPE_NAMES = _names(
    """
    cgroup_inet_ingress cgroup_inet_egress cgroup_inet_sock_create cgroup_sock_ops
    sk_skb_stream_parser sk_skb_stream_verdict cgroup_device sk_msg_verdict cgroup_inet4_bind
    cgroup_inet6_bind cgroup_inet4_connect cgroup_inet6_connect cgroup_inet4_post_bind
    cgroup_inet6_post_bind cgroup_udp4_sendmsg cgroup_udp6_sendmsg lirc_mode2 flow_dissector
    cgroup_sysctl cgroup_udp4_recvmsg cgroup_udp6_recvmsg cgroup_getsockopt cgroup_setsockopt
    trace_raw_tp trace_fentry trace_fexit modify_return lsm_mac trace_iter
    cgroup_inet4_getpeername cgroup_inet6_getpeername cgroup_inet4_getsockname
    cgroup_inet6_getsockname xdp_devmap cgroup_inet_sock_release xdp_cpumap sk_lookup xdp
    sk_skb_verdict sk_reuseport_select sk_reuseport_select_or_migrate perf_event
    trace_kprobe_multi lsm_cgroup struct_ops netfilter tcx_ingress tcx_egress trace_uprobe_multi
    cgroup_unix_connect cgroup_unix_sendmsg cgroup_unix_recvmsg cgroup_unix_getpeername
    cgroup_unix_getsockname netkit_primary netkit_peer trace_kprobe_session trace_uprobe_session
    """
)

LINK_TYPE_NAMES = _names(
    """
    unspec raw_tracepoint tracing cgroup iter netns xdp perf_event kprobe_multi struct_ops
    netfilter tcx uprobe_multi netkit sockmap
    """
)

PERF_SOFTWARE_NAMES = _names(
    """
    cpu_clock task_clock page_faults context_switches cpu_migrations page_faults_min
    page_faults_maj alignment_faults emulation_faults dummy bpf_output cgroup_switches
    """
)

PERF_HARDWARE_NAMES = _names(
    """
    cpu_cycles instructions cache_references cache_misses branch_instructions branch_misses
    bus_cycles stalled_cycles_frontend stalled_cycles_backend ref_cpu_cycles
    """
)

MAP_TYPES = {name: number for number, name in enumerate(MAP_TYPE_NAMES)}
PROGRAM_TYPES = {name: number for number, name in enumerate(PROGRAM_TYPE_NAMES)}
ATTACH_TYPES = {name: number for number, name in enumerate(ATTACH_TYPE_NAMES)}

# Map creation flags.
F_NO_PREALLOC = 1
F_NO_COMMON_LRU = 1 << 1
F_NUMA_NODE = 1 << 2
F_RDONLY = 1 << 3
F_WRONLY = 1 << 4
F_STACK_BUILD_ID = 1 << 5
F_ZERO_SEED = 1 << 6
F_RDONLY_PROG = 1 << 7
F_WRONLY_PROG = 1 << 8
F_MMAPABLE = 1 << 10
F_INNER_MAP = 1 << 12

# Element update flags.
ANY = 0
NOEXIST = 1
EXIST = 2
F_LOCK = 4

# Program load flags.
F_STRICT_ALIGNMENT = 1
F_ANY_ALIGNMENT = 2
F_TEST_RND_HI32 = 4
F_TEST_STATE_FREQ = 8
F_SLEEPABLE = 16

# Bits of log_level.
LOG_BRANCHES = 1
LOG_INSTRUCTIONS = 2
LOG_STATISTICS = 4

PERF_TYPE_HARDWARE = 0
PERF_TYPE_SOFTWARE = 1
PERF_TYPE_TRACEPOINT = 2
PERF_TYPE_HW_CACHE = 3
PERF_TYPE_RAW = 4
PERF_TYPE_BREAKPOINT = 5


def number(kind: str, table: Mapping[str, int], name: str | int) -> int:
    """The number of a UAPI name; a number is passed through, so that newer types can be asked for.

    Args:
        kind: what is looked up, for the message: ``map type``.
        table: one of this module's name-to-number tables.

    Raises:
        PrybeeError: the name is not in the table.
    """
    if isinstance(name, int):
        return name
    try:
        return table[name]
    except KeyError:
        near = did_you_mean(name, table)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise PrybeeError(f"unknown {kind} {name!r}{hint}") from None


def label(names: tuple[str, ...], value: int) -> str:
    """The UAPI name of a number, or the number as text where this table does not know it."""
    return names[value] if 0 <= value < len(names) else str(value)
