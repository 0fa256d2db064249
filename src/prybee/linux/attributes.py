"""The structures that bpf(2) and perf_event_open(2) take, as tables; building and reading them.

A :class:`Layout` is the field list of one structure in the order of UAPI, each field a struct code
and its name; offsets follow by natural alignment, as in C.  ``P`` is a pointer held in a u64.  Two
names joined by ``|`` are a union of equal members.  tests/linux/test_attributes.py compares every
offset with the running kernel's own BTF.

An :class:`Attributes` is one such structure, zeroed, filled by name.  Only bytes up to the last
field in use are sent, so that an older kernel, which knows a shorter structure, is content.
"""

from __future__ import annotations

import ctypes
from struct import calcsize, pack_into, unpack_from

from prybee.diagnostics import KernelError
from prybee.linux import syscalls, uapi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]


class Layout:
    """The fields of a C structure.

    Args:
        path: where the fields are in the kernel's BTF: a type's name, then member names.
        text: ``code name`` pairs in order; codes are those of :mod:`struct`, and ``P``.
        command: for members of ``union bpf_attr``: the command they belong to.
        least: bytes to send whatever is set, because the kernel writes results there.
    """

    __slots__ = ("_fields", "_text", "command", "least", "path", "size")

    def __init__(self, path: str, text: str, command: str = "", least: int = 0) -> None:
        self.path = path
        self.command = command
        self.least = least
        self._text = text
        self._fields: dict[str, tuple[int, str]] | None = None
        self.size = 0

    @property
    def fields(self) -> dict[str, tuple[int, str]]:
        """Name to (offset in bytes, struct code or ``P``)."""
        if self._fields is None:
            fields: dict[str, tuple[int, str]] = {}
            words = self._text.split()
            offset = 0
            for code, names in zip(words[::2], words[1::2], strict=True):
                size = 8 if code == "P" else calcsize(code)
                align = 1 if code.endswith("s") else size
                offset = (offset + align - 1) & -align
                for name in names.split("|"):
                    fields[name] = (offset, code)
                offset += size
            self.size = (offset + 7) & -8
            self._fields = fields
        return self._fields

    def decode(self, data: Buffer) -> dict[str, int | bytes]:
        """All fields of a structure as integers, and strings as bytes without their zeros.

        Fields beyond the end of ``data`` (an older kernel's) are left out.
        """
        values: dict[str, int | bytes] = {}
        length = len(memoryview(data))
        for name, (offset, code) in self.fields.items():
            code = "Q" if code == "P" else code
            if offset + calcsize(code) <= length:
                value = unpack_from(code, data, offset)[0]
                values[name] = value.rstrip(b"\0") if code == "16s" else value
        return values

    def __repr__(self) -> str:
        return f"Layout({self.path}, {len(self.fields)} fields)"


_LINK_HEAD = "I prog_fd|map_fd I target_fd|target_ifindex I attach_type I flags "

MAP_CREATE = Layout(
    "bpf_attr",
    "I map_type I key_size I value_size I max_entries I map_flags I inner_map_fd I numa_node "
    "16s map_name I map_ifindex I btf_fd I btf_key_type_id I btf_value_type_id "
    "I btf_vmlinux_value_type_id Q map_extra i value_type_btf_obj_fd i map_token_fd "
    "P excl_prog_hash I excl_prog_hash_size",
    "map_create",
)
# One layout for lookup, update, delete, next key, lookup-and-delete and freeze; the command is
# chosen where it is called (linux.maps).
MAP_ELEM = Layout("bpf_attr", "I map_fd P key P value|next_key Q flags", least=32)
MAP_BATCH = Layout(
    "bpf_attr.batch",
    "P in_batch P out_batch P keys P values I count I map_fd Q elem_flags Q flags",
    least=56,
)
MAP_FREEZE = Layout("bpf_attr", "I map_fd", "map_freeze")
PROG_LOAD = Layout(
    "bpf_attr",
    "I prog_type I insn_cnt P insns P license I log_level I log_size P log_buf I kern_version "
    "I prog_flags 16s prog_name I prog_ifindex I expected_attach_type I prog_btf_fd "
    "I func_info_rec_size P func_info I func_info_cnt I line_info_rec_size P line_info "
    "I line_info_cnt I attach_btf_id I attach_prog_fd|attach_btf_obj_fd I core_relo_cnt "
    "P fd_array P core_relos I core_relo_rec_size I log_true_size i prog_token_fd "
    "I fd_array_cnt P signature I signature_size i keyring_id",
    "prog_load",
)
OBJ_PIN = Layout("bpf_attr", "P pathname I bpf_fd I file_flags i path_fd", "obj_pin")
OBJ_GET = Layout("bpf_attr", "P pathname I bpf_fd I file_flags i path_fd", "obj_get")
PROG_TEST_RUN = Layout(
    "bpf_attr.test",
    "I prog_fd I retval I data_size_in I data_size_out P data_in P data_out I repeat I duration "
    "I ctx_size_in I ctx_size_out P ctx_in P ctx_out I flags I cpu I batch_size",
    "prog_test_run",
    least=40,
)
_ID = "I start_id|prog_id|map_id|btf_id|link_id I next_id I open_flags i fd_by_id_token_fd"
PROG_GET_NEXT_ID = Layout("bpf_attr", _ID, "prog_get_next_id", least=8)
MAP_GET_NEXT_ID = Layout("bpf_attr", _ID, "map_get_next_id", least=8)
BTF_GET_NEXT_ID = Layout("bpf_attr", _ID, "btf_get_next_id", least=8)
LINK_GET_NEXT_ID = Layout("bpf_attr", _ID, "link_get_next_id", least=8)
PROG_GET_FD_BY_ID = Layout("bpf_attr", _ID, "prog_get_fd_by_id")
MAP_GET_FD_BY_ID = Layout("bpf_attr", _ID, "map_get_fd_by_id")
BTF_GET_FD_BY_ID = Layout("bpf_attr", _ID, "btf_get_fd_by_id")
LINK_GET_FD_BY_ID = Layout("bpf_attr", _ID, "link_get_fd_by_id")
OBJ_GET_INFO_BY_FD = Layout(
    "bpf_attr.info", "I bpf_fd I info_len P info", "obj_get_info_by_fd", least=16
)
RAW_TRACEPOINT_OPEN = Layout(
    "bpf_attr.raw_tracepoint", "P name I prog_fd Q cookie", "raw_tracepoint_open", least=12
)
BTF_LOAD = Layout(
    "bpf_attr",
    "P btf P btf_log_buf I btf_size I btf_log_size I btf_log_level I btf_log_true_size "
    "I btf_flags i btf_token_fd",
    "btf_load",
)
TASK_FD_QUERY = Layout(
    "bpf_attr.task_fd_query",
    "I pid I fd I flags I buf_len P buf I prog_id I fd_type Q probe_offset Q probe_addr",
    "task_fd_query",
    least=48,
)
LINK_CREATE_PERF_EVENT = Layout(
    "bpf_attr.link_create+perf_event", _LINK_HEAD + "Q bpf_cookie", "link_create", least=16
)
LINK_CREATE_TRACING = Layout(
    "bpf_attr.link_create+tracing",
    _LINK_HEAD + "I target_btf_id Q cookie",
    "link_create",
    least=16,
)
LINK_CREATE_ITER = Layout(
    "bpf_attr.link_create", _LINK_HEAD + "P iter_info I iter_info_len", "link_create", least=16
)
LINK_CREATE_KPROBE_MULTI = Layout(
    "bpf_attr.link_create+kprobe_multi",
    _LINK_HEAD + "I kprobe_multi.flags I cnt P syms P addrs P cookies",
    "link_create",
)
LINK_CREATE_UPROBE_MULTI = Layout(
    "bpf_attr.link_create+uprobe_multi",
    _LINK_HEAD + "P path P offsets P ref_ctr_offsets P cookies I cnt I uprobe_multi.flags I pid",
    "link_create",
)
LINK_UPDATE = Layout(
    "bpf_attr.link_update",
    "I link_fd I new_prog_fd|new_map_fd I flags I old_prog_fd|old_map_fd",
    "link_update",
)
LINK_DETACH = Layout("bpf_attr.link_detach", "I link_fd", "link_detach")
ENABLE_STATS = Layout("bpf_attr.enable_stats", "I type", "enable_stats", least=4)
ITER_CREATE = Layout("bpf_attr.iter_create", "I link_fd I flags", "iter_create")
PROG_BIND_MAP = Layout("bpf_attr.prog_bind_map", "I prog_fd I map_fd I flags", "prog_bind_map")

PROG_INFO = Layout(
    "bpf_prog_info",
    "I type I id 8s tag I jited_prog_len I xlated_prog_len P jited_prog_insns P xlated_prog_insns "
    "Q load_time I created_by_uid I nr_map_ids P map_ids 16s name I ifindex I gpl_compatible "
    "Q netns_dev Q netns_ino I nr_jited_ksyms I nr_jited_func_lens P jited_ksyms "
    "P jited_func_lens I btf_id I func_info_rec_size P func_info I nr_func_info I nr_line_info "
    "P line_info P jited_line_info I nr_jited_line_info I line_info_rec_size "
    "I jited_line_info_rec_size I nr_prog_tags P prog_tags Q run_time_ns Q run_cnt "
    "Q recursion_misses I verified_insns I attach_btf_obj_id I attach_btf_id",
)
MAP_INFO = Layout(
    "bpf_map_info",
    "I type I id I key_size I value_size I max_entries I map_flags 16s name I ifindex "
    "I btf_vmlinux_value_type_id Q netns_dev Q netns_ino I btf_id I btf_key_type_id "
    "I btf_value_type_id I btf_vmlinux_id Q map_extra",
)
BTF_INFO = Layout("bpf_btf_info", "P btf I btf_size I id P name I name_len I kernel_btf")
LINK_INFO = Layout("bpf_link_info", "I type I id I prog_id")

PERF_EVENT = Layout(
    "perf_event_attr",
    "I type I size Q config Q sample_period|sample_freq Q sample_type Q read_format Q flags "
    "I wakeup_events|wakeup_watermark I bp_type P bp_addr|kprobe_func|uprobe_path|config1 "
    "Q bp_len|kprobe_addr|probe_offset|config2 Q branch_sample_type Q sample_regs_user "
    "I sample_stack_user i clockid Q sample_regs_intr I aux_watermark H sample_max_stack "
    "H __reserved_2 I aux_sample_size I aux_action Q sig_data Q config3",
    least=72,
)

# Bits of PERF_EVENT's flags, by UAPI name; precise_ip is two bits wide.
_PERF_FLAG_NAMES = (
    "disabled inherit pinned exclusive exclude_user exclude_kernel exclude_hv exclude_idle mmap "
    "comm freq inherit_stat enable_on_exec task watermark precise_ip precise_ip_high mmap_data "
    "sample_id_all exclude_host exclude_guest exclude_callchain_kernel exclude_callchain_user "
    "mmap2 comm_exec use_clockid context_switch write_backward namespaces ksymbol bpf_event "
    "aux_output cgroup text_poke build_id inherit_thread remove_on_exec sigtrap"
)
PERF_FLAGS = {name: 1 << bit for bit, name in enumerate(_PERF_FLAG_NAMES.split())}

# struct bpf_attr is 168 bytes in 6.18. The kernel writes some results without looking at the size
# it was given, so a buffer is never smaller than that.
_BUFFER = 256


class Attributes:
    """One structure on its way to the kernel.

    Values are integers, and for pointers anything with a buffer, which is kept alive as long as
    this object; a value that is false (0, empty, None) leaves its field zero and unsent.
    """

    __slots__ = ("_kept", "address", "buffer", "layout", "size")

    def __init__(self, layout: Layout, **values: int | Buffer | None) -> None:
        self.layout = layout
        self.buffer = bytearray(_BUFFER)
        self.address = address(self.buffer)
        self.size = layout.least
        self._kept: list[object] = []
        for name, value in values.items():
            if value:
                self[name] = value

    def __setitem__(self, name: str, value: int | Buffer) -> None:
        offset, code = self.layout.fields[name]
        if code == "P":
            code = "Q"
            if not isinstance(value, int):
                self._kept.append(value)
                value = address(value)
        pack_into(code, self.buffer, offset, value)
        self.size = max(self.size, offset + calcsize(code))

    def __getitem__(self, name: str) -> int:
        offset, code = self.layout.fields[name]
        value: int = unpack_from("Q" if code == "P" else code, self.buffer, offset)[0]
        return value

    def call(self) -> int:
        """bpf(2) with the layout's command: its result, or the negated errno."""
        return syscalls.kernel.bpf(_COMMANDS[self.layout.command], self.address, self.size)

    def __repr__(self) -> str:
        values = self.layout.decode(self.buffer)
        body = ", ".join(f"{name}={value!r}" for name, value in values.items() if value)
        return f"Attributes({self.layout.command or self.layout.path}: {body})"


_COMMANDS = {name: number for number, name in enumerate(uapi.COMMANDS)}


def bpf(layout: Layout, about: str = "", **values: int | Buffer | None) -> int:
    """Fills ``layout``, makes its call and returns the result.

    Args:
        about: what the call was for, put into the error: ``map counts``.

    Raises:
        KernelError: the call failed; the hint says what privilege is missing, if that is it.
    """
    result = Attributes(layout, **values).call()
    if result < 0:
        raise error(layout.command, -result, about)
    return result


def read_info(fd: int, about: str, info: Attributes | bytearray) -> None:
    """Has the kernel write what it knows of an object (BPF_OBJ_GET_INFO_BY_FD) into ``info``.

    Args:
        fd: the object's descriptor.
        about: what the object is, for the error.
        info: all of it may be filled; what is asked for stands in it.

    Raises:
        KernelError: refused, or the descriptor is of another kind.
    """
    if isinstance(info, Attributes):
        size, buffer = info.layout.size, info.buffer
    else:
        size, buffer = len(info), info
    bpf(OBJ_GET_INFO_BY_FD, about, bpf_fd=fd, info_len=size, info=buffer)


def error(command: str, errno: int, about: str = "") -> KernelError:
    """The exception for a failed bpf(2) command, with a hint where privilege is the reason."""
    from prybee.linux.privileges import bpf_hint

    call = f"bpf(BPF_{command.upper()})"
    return KernelError(f"{call} for {about}" if about else call, errno, bpf_hint(errno))


def address(data: Buffer) -> int:
    """The address of a buffer's first byte; the caller keeps the buffer alive and in place."""
    if isinstance(data, bytes):
        # Read-only for the kernel as well: nothing of ours passes bytes to be written to.
        return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
    return ctypes.addressof(ctypes.c_char.from_buffer(data))
