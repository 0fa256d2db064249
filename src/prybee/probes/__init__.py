"""The probe types: one module each, found by name when a script (or a listing) names one.

To add a probe type, write a module with ``PROVIDERS`` and give it a line in the table below.
"""

from __future__ import annotations

from prybee.language.registry import ProviderTable

# Canonical name → module of this package whose ``PROVIDERS`` has it.
_MODULES = {
    "begin": "special",
    "end": "special",
    "self": "special",
    "interval": "timers",
    "profile": "timers",
    "software": "events",
    "hardware": "events",
    "tracepoint": "tracepoint",
    "rawtracepoint": "rawtracepoint",
    "uprobe": "uprobe",
    "uretprobe": "uprobe",
    "usdt": "usdt",
    "iter": "iterator",
    "kprobe": "kernel_functions",
    "kretprobe": "kernel_functions",
    "fentry": "kernel_functions",
    "fexit": "kernel_functions",
    "ksyscall": "syscalls",
    "kretsyscall": "syscalls",
    "lsm": "hooks",
    "fmod_ret": "hooks",
    "watchpoint": "watchpoint",
    "test": "special",
    "bench": "special",
}

_ALIASES = {
    "i": "interval",
    "p": "profile",
    "s": "software",
    "h": "hardware",
    "t": "tracepoint",
    "rt": "rawtracepoint",
    "u": "uprobe",
    "ur": "uretprobe",
    "U": "usdt",
    "it": "iter",
    "k": "kprobe",
    "kr": "kretprobe",
    "f": "fentry",
    "kfunc": "fentry",
    "fr": "fexit",
    "kretfunc": "fexit",
    "w": "watchpoint",
}

TABLE = ProviderTable("prybee.probes", _MODULES, _ALIASES)
