"""What the running kernel can do, found out by trying.

Each feature has a name and a probe: a tiny program is loaded, a map created, a link asked for that
cannot come about.  The answer is *yes*, *no* or *unknown* (the probe itself was not allowed), and
says why.  Version numbers are never looked at: distributions move features in both directions.

Conclusive answers are kept for the life of the process.  The names:

* ``v4``, ``jmp32``, ``atomics``, ``unaligned``, ``large_programs``: what programs may consist of;
* ``helper:NAME``, ``map:TYPE``, ``program:TYPE``, ``kfunc:NAME``: for any name that
  :data:`HELPERS` or ``uapi`` has, or the kernel's own types;
* the names in :data:`TABLE`: ways of attaching, and the rest.

``probe_read_kernel`` and other plain helper names of :data:`HELPERS` work without their prefix.
"""

from __future__ import annotations

from prybee.data import Data
from prybee.diagnostics import PrybeeError
from prybee.linux import feature_answers, feature_programs
from prybee.linux.feature_answers import NO, UNKNOWN, YES, Answer
from prybee.linux.feature_programs import HELPERS, MAPS
from prybee.linux.switched_off import OFF


class Feature(Data):
    """A feature that can be probed: its name, the group it is listed in, what it is for."""

    name: str
    group: str
    summary: str


_ENTRIES = """
v4 | instructions | sign-extending moves, signed division, 32-bit jumps
jmp32 | instructions | comparisons of 32-bit halves
atomics | instructions | atomic fetch, and, or, exchange
unaligned | instructions | memory at any address
large_programs | instructions | more than 4,096 instructions (up to a million are verified)
btf | types | the kernel shows its types
module_btf | types | modules show their types
tracepoint | probes | tracepoint
raw_tracepoint | probes | untyped raw tracepoints
rawtracepoint | probes | rawtracepoint: BTF-typed raw tracepoints
kprobe | probes | kprobe, kretprobe
kprobe_multi | probes | many kprobes by one link
kprobe_session | probes | kprobe and kretprobe by one program
fentry | probes | fentry, fexit
lsm | probes | lsm
fmod_ret | probes | fmod_ret
uprobe | probes | uprobe, uretprobe, usdt
uprobe_multi | probes | many uprobes by one link
uprobe_session | probes | uprobe and uretprobe by one program
uprobe_refcount | probes | usdt semaphores kept by the kernel
profile | probes | profile, interval
hardware | probes | hardware counters
watchpoint | probes | watchpoint
iter | probes | iter
ringbuf | maps | ring buffer shared by all CPUs
large_keys | maps | keys of more than 512 bytes
map_batch | maps | many elements by one call
map_mmap | maps | arrays as shared memory
perf_link | links | perf events attached by links, with cookies
statistics | other | run time of programs
"""
TABLE: tuple[Feature, ...] = (
    *(
        Feature(*[part.strip() for part in line.split("|")])
        for line in _ENTRIES.strip().splitlines()
    ),
    *(Feature(f"helper:{name}", "helpers", name) for name in HELPERS),
    *(Feature(f"map:{name}", "map types", name) for name in MAPS),
)

_answers: dict[str, Answer] = {}


def probe(name: str) -> Answer:
    """What the kernel says to the feature ``name``; no for a name that means nothing to us.

    A feature that was taken off (:mod:`prybee.linux.switches`) is not there.
    """
    if OFF and (name in OFF or f"helper:{name}" in OFF):
        return Answer(NO, "taken off by --no-feature")
    answer = _answers.get(name)
    if answer is None:
        try:
            answer = _probe(name)
        except PrybeeError as error:
            answer = feature_answers.judge(error)
        if answer.state != UNKNOWN:
            _answers[name] = answer
    return answer


def forget() -> None:
    """Drops what was found out: for those who changed the machine, and for tests."""
    _answers.clear()
    feature_answers.forget()


def _probe(name: str) -> Answer:
    kind, colon, rest = name.partition(":")
    if colon:
        found = feature_programs.KINDS.get(kind)
        return found(rest) if found else Answer(NO, f"no feature is named {name}")
    found_probe = feature_programs.PROBES.get(name)
    if found_probe is None:
        from prybee.linux import feature_attaching

        found_probe = feature_attaching.PROBES.get(name)
    if found_probe is not None:
        return found_probe()
    if name in HELPERS:
        return probe(f"helper:{name}")
    return Answer(NO, f"no feature is named {name}")


__all__ = [
    "HELPERS",
    "MAPS",
    "NO",
    "TABLE",
    "UNKNOWN",
    "YES",
    "Answer",
    "Feature",
    "forget",
    "probe",
]
