"""The functions and builtin variables of the language, one module per family.

A script loads the modules of the names that it mentions, and no other.  A module's ``FUNCTIONS``
holds an instance for each of its names.
"""

from __future__ import annotations

from prybee.language.registry import FunctionTable

# Module → the names of its values; each exists as ``__builtin_NAME``, too, as in upstream's own
# library.
_FAMILIES = {
    "process": "pid tid uid gid username comm ppid pcomm leader_tid leader_comm curtask cpid "
    "has_cpid",
    "machine": "cpu numaid ncpus jiffies rand usermode",
    "clocks": "nsecs elapsed strftime",
    "stacks": "kstack ustack dw_ustack stack_len",
    "python_stacks": "pystack",
    "context": "args ctx retval reg func probe probetype",
    "symbols": "ksym usym kaddr uaddr percpu_kaddr",
    "strings": "str strlen strcap default_str_length strncmp",
    "search": "strstr strcontains str_concat",
    "memory": "buf kptr uptr bswap memcmp container_of path",
    "network": "ntop pton macaddr",
    "cgroups": "cgroup cgroupid cgroup_path",
    "names": "strerror signal_name syscall_name",
    "settings": "config getopt",
    "compile_time": "is_str is_ptr is_array is_integer is_unsigned_integer is_literal "
    "kfunc_exist kfunc_allowed field_exists func_exists",
    "acting": "signal signal_thread override write_user",
}

# What acts on user space or on maps; upstream has no other names for these.
_ACTIONS = {
    "printing": "printf errorf warnf debugf fail print cat join system time exit",
    "maps": "clear zero delete has_key find key_id len",
    "aggregations": "count sum min max avg stats hist lhist",
    "tseries": "tseries",
    "packets": "skboutput socket_cookie",
    "watching": "unwatch",
}

_INDEX = {
    prefix + name: module
    for module, names in _FAMILIES.items()
    for name in names.split()
    for prefix in ("", "__builtin_")
}
_INDEX.update((name, module) for module, names in _ACTIONS.items() for name in names.split())
_INDEX.update((f"arg{number}", "context") for number in range(64))

TABLE = FunctionTable("prybee.functions", _INDEX)
