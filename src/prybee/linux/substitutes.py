"""What is done where the kernel lacks a feature: for ``--info``, ``prybee doctor`` and the manual.

Each entry is a name of :data:`prybee.linux.features.TABLE`, what prybee does without it, and what
its user can do.  Where the first says *refused*, a script that asks for it is told so, with the
place in it; all else happens by itself.
"""

from __future__ import annotations

from prybee.data import Data


class Substitute(Data):
    """What takes a feature's place.

    Attributes:
        does: what prybee does without the feature.
        advice: what its user can do; empty where nothing is needed.
        by: the feature that takes its place; without that one, too, nothing does.
    """

    does: str
    advice: str = ""
    by: str = ""


_ENTRIES = """
v4 | older instructions do the same, a few more of them |
jmp32 | 64-bit comparisons of extended values |
atomics | atomic additions only: what needs others is refused |
unaligned | memory is read and written in aligned pieces |
large_programs | programs of more than 4,096 instructions are refused | make the script smaller
btf | tracepoint, uprobe, usdt, profile and interval work; kernel structs, rawtracepoint, iter, \
fentry and lsm need types | --btf FILE (or PRYBEE_BTF) supplies types
module_btf | types and typed arguments of modules are not known | use kprobe:MODULE:FUNCTION
tracepoint | tracepoint is refused | run as root, with tracefs mounted
raw_tracepoint | rawtracepoint is refused |
rawtracepoint | arguments of rawtracepoint are numbers (arg0 …); args is refused |
kprobe | kprobe and kretprobe run as fentry and fexit, with arguments by position, where the \
kernel's types know the function | use tracepoint or rawtracepoint | fentry
kprobe_multi | kprobes with wildcards attach one by one |
kprobe_session | kprobe and kretprobe on the same functions are two programs |
fentry | fentry and fexit run as kprobe and kretprobe: fexit has no arguments then | \
use tracepoint or rawtracepoint | kprobe
lsm | lsm is refused | boot a kernel that has CONFIG_BPF_LSM with bpf among its lsm=…
fmod_ret | fmod_ret is refused |
uprobe | uprobe, uretprobe and usdt are refused |
uprobe_multi | uprobes with wildcards attach one by one |
uprobe_session | uprobe and uretprobe on the same functions are two programs |
uprobe_refcount | usdt probes with a semaphore are refused unless -p names the process | use -p PID
profile | profile and interval are refused |
hardware | hardware is refused | use software:cpu-clock or profile
watchpoint | watchpoint is refused |
iter | iter is refused | use an interval probe, or read /proc
ringbuf | a perf buffer for each CPU; records are put in order by their time |
large_keys | maps with long keys are kept by digests of them |
map_batch | elements are read one by one |
map_mmap | needed (Linux 5.5) |
perf_link | probes attach in the old way, through the perf event itself |
statistics | run times of programs are not shown |
map:lru_hash | declared maps of that type are refused |
map:lru_percpu_hash | declared maps of that type are refused |
map:percpu_hash | needed |
helper:override_return | override is refused | it takes CONFIG_BPF_KPROBE_OVERRIDE
helper:loop | loops over ranges run in line; at most 512 rounds, told when it is so, where the end \
is not a constant |
helper:for_each_map_elem | in begin, end and interval prybee walks over maps itself, in other \
probes for loops over maps are refused; len() of a map is counted as it is written | \
print(@map) shows a map everywhere
helper:map_lookup_percpu_elem | a map that is read by key is kept for all CPUs together; min() and \
max() that are read by key are refused |
helper:get_current_task_btf | the running task is read through its address |
helper:get_func_ip | func is refused where many functions share a program |
helper:get_func_arg | arguments of programs (fentry:bpf) are read where their types say |
helper:get_func_ret | retval of programs (fexit:bpf) is refused |
helper:get_attach_cookie | a handler that uses probe is one program for each attach point |
helper:probe_read_kernel | needed (Linux 5.5) |
helper:probe_read_user | needed (Linux 5.5) |
"""
_KINDS = {
    "helper:": "functions that need it are refused",
    "map:": "maps of that type are refused",
}
# For programs that others have compiled: the language's need none of these.
_OF_OTHERS = """
    probe_read_str task_pt_regs ktime_get_coarse_ns get_stackid find_vma seq_write
    snprintf strncmp get_task_stack copy_from_user cgrp_storage_get task_storage_get
"""

_ENTRIES += "".join(f"helper:{name} | no script needs it |\n" for name in _OF_OTHERS.split())

TABLE: dict[str, Substitute] = {
    name: Substitute(*rest)
    for name, *rest in (
        [part.strip() for part in line.split("|")] for line in _ENTRIES.strip().splitlines()
    )
}


def of(feature: str) -> Substitute:
    """What takes the place of a feature of :data:`prybee.linux.features.TABLE`."""
    found = TABLE.get(feature)
    if found is not None:
        return found
    for prefix, does in _KINDS.items():
        if feature.startswith(prefix):
            return Substitute(does)
    raise LookupError(feature)
