"""The kernel's BPF helpers: names, numbers, what each returns and does to memory.

Names and numbers are those of ``enum bpf_func_id`` in Linux 6.18 (211 helpers, the set is closed
since 6.2: newer kernels add kfuncs instead).  Effects are stated only where the compiler gains by
them; a helper without a row may read and write whatever it is given a pointer to.
"""

from __future__ import annotations

from prybee.compiler.ir import BTF, I32, I64, MAP_VALUE, MEM, CompilerError, Ptr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Type

# In the order of their numbers, from 1.
_IN_ORDER = """
map_lookup_elem map_update_elem map_delete_elem probe_read ktime_get_ns trace_printk
get_prandom_u32 get_smp_processor_id skb_store_bytes l3_csum_replace l4_csum_replace tail_call
clone_redirect get_current_pid_tgid get_current_uid_gid get_current_comm get_cgroup_classid
skb_vlan_push skb_vlan_pop skb_get_tunnel_key skb_set_tunnel_key perf_event_read redirect
get_route_realm perf_event_output skb_load_bytes get_stackid csum_diff skb_get_tunnel_opt
skb_set_tunnel_opt skb_change_proto skb_change_type skb_under_cgroup get_hash_recalc
get_current_task probe_write_user current_task_under_cgroup skb_change_tail skb_pull_data
csum_update set_hash_invalid get_numa_node_id skb_change_head xdp_adjust_head probe_read_str
get_socket_cookie get_socket_uid set_hash setsockopt skb_adjust_room redirect_map sk_redirect_map
sock_map_update xdp_adjust_meta perf_event_read_value perf_prog_read_value getsockopt
override_return sock_ops_cb_flags_set msg_redirect_map msg_apply_bytes msg_cork_bytes
msg_pull_data bind xdp_adjust_tail skb_get_xfrm_state get_stack skb_load_bytes_relative fib_lookup
sock_hash_update msg_redirect_hash sk_redirect_hash lwt_push_encap lwt_seg6_store_bytes
lwt_seg6_adjust_srh lwt_seg6_action rc_repeat rc_keydown skb_cgroup_id get_current_cgroup_id
get_local_storage sk_select_reuseport skb_ancestor_cgroup_id sk_lookup_tcp sk_lookup_udp
sk_release map_push_elem map_pop_elem map_peek_elem msg_push_data msg_pop_data rc_pointer_rel
spin_lock spin_unlock sk_fullsock tcp_sock skb_ecn_set_ce get_listener_sock skc_lookup_tcp
tcp_check_syncookie sysctl_get_name sysctl_get_current_value sysctl_get_new_value
sysctl_set_new_value strtol strtoul sk_storage_get sk_storage_delete send_signal tcp_gen_syncookie
skb_output probe_read_user probe_read_kernel probe_read_user_str probe_read_kernel_str
tcp_send_ack send_signal_thread jiffies64 read_branch_records get_ns_current_pid_tgid xdp_output
get_netns_cookie get_current_ancestor_cgroup_id sk_assign ktime_get_boot_ns seq_printf seq_write
sk_cgroup_id sk_ancestor_cgroup_id ringbuf_output ringbuf_reserve ringbuf_submit ringbuf_discard
ringbuf_query csum_level skc_to_tcp6_sock skc_to_tcp_sock skc_to_tcp_timewait_sock
skc_to_tcp_request_sock skc_to_udp6_sock get_task_stack load_hdr_opt store_hdr_opt reserve_hdr_opt
inode_storage_get inode_storage_delete d_path copy_from_user snprintf_btf seq_printf_btf
skb_cgroup_classid redirect_neigh per_cpu_ptr this_cpu_ptr redirect_peer task_storage_get
task_storage_delete get_current_task_btf bprm_opts_set ktime_get_coarse_ns ima_inode_hash
sock_from_file check_mtu for_each_map_elem snprintf sys_bpf btf_find_by_name_kind sys_close
timer_init timer_set_callback timer_start timer_cancel get_func_ip get_attach_cookie task_pt_regs
get_branch_snapshot trace_vprintk skc_to_unix_sock kallsyms_lookup_name find_vma loop strncmp
get_func_arg get_func_ret get_func_arg_cnt get_retval set_retval xdp_get_buff_len xdp_load_bytes
xdp_store_bytes copy_from_user_task skb_set_tstamp ima_file_hash kptr_xchg map_lookup_percpu_elem
skc_to_mptcp_sock dynptr_from_mem ringbuf_reserve_dynptr ringbuf_submit_dynptr
ringbuf_discard_dynptr dynptr_read dynptr_write dynptr_data tcp_raw_gen_syncookie_ipv4
tcp_raw_gen_syncookie_ipv6 tcp_raw_check_syncookie_ipv4 tcp_raw_check_syncookie_ipv6
ktime_get_tai_ns user_ringbuf_drain cgrp_storage_get cgrp_storage_delete
"""
NAMES = tuple(_IN_ORDER.split())

NUMBERS = {name: number for number, name in enumerate(NAMES, 1)}

# One letter per argument:
#   m map   k key of that map, read   v value of that map, read   c context   s number or address
#   r memory read, its size is the next argument      z memory read up to its NUL
#   W memory wholly written, its size is the next argument (also when the helper fails)
#   w memory perhaps written in part, its size is the next argument
#   o 8 bytes wholly written when the helper succeeds  f callback  x read and written, any extent
# Kinds:
#   pure   the same result all through one run of the program: may be shared, moved, dropped
#   query  no effect but its result (or the memory it writes): may be dropped when unused
#   act    everything else
# Results are 64 bits wide, with one exception: operations on maps are called without the wrapper
# that other helpers have (the verifier puts the map's own function there), and those functions
# returned an int before Linux 6.4. So of their results the low 32 bits count.
PURE = "pure"
QUERY = "query"
ACT = "act"

_VALUE = Ptr(MAP_VALUE)
_MEM = Ptr(MEM)
_BTF = Ptr(BTF)

EFFECTS: dict[str, tuple[str, str, Type]] = {
    "map_lookup_elem": ("mk", QUERY, _VALUE),
    "map_lookup_percpu_elem": ("mks", QUERY, _VALUE),
    "map_update_elem": ("mkvs", ACT, I32),
    "map_delete_elem": ("mk", ACT, I32),
    "map_push_elem": ("mvs", ACT, I32),
    "map_pop_elem": ("mx", ACT, I32),
    "map_peek_elem": ("mx", ACT, I32),
    "for_each_map_elem": ("mfxs", ACT, I32),
    "loop": ("sfxs", ACT, I64),
    "find_vma": ("ssfxs", ACT, I64),
    "probe_read": ("Wss", QUERY, I64),
    "probe_read_kernel": ("Wss", QUERY, I64),
    "probe_read_user": ("Wss", QUERY, I64),
    "probe_read_str": ("wss", QUERY, I64),
    "probe_read_kernel_str": ("wss", QUERY, I64),
    "probe_read_user_str": ("wss", QUERY, I64),
    "copy_from_user": ("Wss", QUERY, I64),
    "copy_from_user_task": ("Wssss", QUERY, I64),
    "probe_write_user": ("srs", ACT, I64),
    "ktime_get_ns": ("", QUERY, I64),
    "ktime_get_boot_ns": ("", QUERY, I64),
    "ktime_get_coarse_ns": ("", QUERY, I64),
    "ktime_get_tai_ns": ("", QUERY, I64),
    "jiffies64": ("", QUERY, I64),
    "get_prandom_u32": ("", QUERY, I64),
    "get_smp_processor_id": ("", PURE, I64),
    "get_numa_node_id": ("", PURE, I64),
    "get_current_pid_tgid": ("", PURE, I64),
    "get_current_uid_gid": ("", PURE, I64),
    "get_current_comm": ("ws", QUERY, I64),
    "get_current_task": ("", PURE, I64),
    "get_current_task_btf": ("", PURE, _BTF),
    "get_current_cgroup_id": ("", PURE, I64),
    "get_current_ancestor_cgroup_id": ("s", PURE, I64),
    "get_ns_current_pid_tgid": ("ssws", QUERY, I64),
    "current_task_under_cgroup": ("ms", QUERY, I64),
    "get_func_ip": ("c", PURE, I64),
    "get_attach_cookie": ("c", PURE, I64),
    "get_func_arg": ("cso", QUERY, I64),
    "get_func_ret": ("co", QUERY, I64),
    "get_func_arg_cnt": ("c", PURE, I64),
    "task_pt_regs": ("s", PURE, _BTF),
    "get_stackid": ("cms", ACT, I64),
    "get_stack": ("cwss", QUERY, I64),
    "get_task_stack": ("swss", QUERY, I64),
    "read_branch_records": ("cwss", QUERY, I64),
    "get_branch_snapshot": ("wss", QUERY, I64),
    "perf_event_read": ("ms", QUERY, I64),
    "perf_event_read_value": ("msWs", QUERY, I64),
    "perf_prog_read_value": ("cWs", QUERY, I64),
    "perf_event_output": ("cmsrs", ACT, I64),
    "skb_output": ("cmsrs", ACT, I64),
    "xdp_output": ("cmsrs", ACT, I64),
    "ringbuf_output": ("mrss", ACT, I64),
    "ringbuf_reserve": ("mss", ACT, _MEM),
    "ringbuf_submit": ("ss", ACT, I64),
    "ringbuf_discard": ("ss", ACT, I64),
    "ringbuf_query": ("ms", QUERY, I64),
    "trace_printk": ("rssss", ACT, I64),
    "trace_vprintk": ("rsrs", ACT, I64),
    "seq_printf": ("srsrs", ACT, I64),
    "seq_write": ("srs", ACT, I64),
    "snprintf": ("wszrs", QUERY, I64),
    "strncmp": ("rsz", QUERY, I64),
    "strtol": ("rsso", QUERY, I64),
    "strtoul": ("rsso", QUERY, I64),
    "d_path": ("sws", QUERY, I64),
    "send_signal": ("s", ACT, I64),
    "send_signal_thread": ("s", ACT, I64),
    "override_return": ("cs", ACT, I64),
    "tail_call": ("cms", ACT, I64),
    "task_storage_get": ("msvs", ACT, _VALUE),
    "cgrp_storage_get": ("msvs", ACT, _VALUE),
    "sk_storage_get": ("msvs", ACT, _VALUE),
    "inode_storage_get": ("msvs", ACT, _VALUE),
    "get_local_storage": ("ms", QUERY, _VALUE),
    "per_cpu_ptr": ("ss", QUERY, _BTF),
    "this_cpu_ptr": ("s", QUERY, _BTF),
    "skb_load_bytes": ("csWs", QUERY, I64),
    "dynptr_data": ("xss", QUERY, _MEM),
}


class Helper:
    """A helper: ``name`` without the ``bpf_`` prefix, UAPI ``number``, effects as tabled above."""

    __slots__ = ("args", "kind", "name", "number", "result")

    def __init__(self, name: str, number: int, args: str, kind: str, result: Type) -> None:
        self.name = name
        self.number = number
        self.args = args
        self.kind = kind
        self.result = result

    def __repr__(self) -> str:
        return f"Helper({self.name}#{self.number})"


_known: dict[str, Helper] = {}


def helper(name: str) -> Helper:
    """The helper of that UAPI name (``map_lookup_elem``).

    Raises:
        CompilerError: no kernel has such a helper; the text names the nearest.
    """
    found = _known.get(name)
    if found is None:
        number = NUMBERS.get(name)
        if number is None:
            from prybee.diagnostics import did_you_mean

            near = ", ".join(did_you_mean(name, NAMES)) or "none is near"
            raise CompilerError(f"no BPF helper is named {name!r} (nearest: {near})")
        args, kind, result = EFFECTS.get(name, ("xxxxx", ACT, I64))
        found = _known[name] = Helper(name, number, args, kind, result)
    return found


def helper_name(number: int) -> str:
    """The name of helper ``number``, or ``""`` where 6.18 has none."""
    return NAMES[number - 1] if 0 < number <= len(NAMES) else ""
