"""Taking features of the kernel off (``--no-feature``, PRYBEE_NO_FEATURE), by the names of users.

bpftrace's names of features are names here too; any of :data:`prybee.linux.features.TABLE` is one
but those that have nothing to take their place.
"""

from __future__ import annotations

from prybee.diagnostics import PrybeeError, did_you_mean
from prybee.linux import features
from prybee.linux.switched_off import OFF

# A list for all commands and tools.
VARIABLE = "PRYBEE_NO_FEATURE"

# Used without asking, as every kernel has them: without one, no trace of that kind at all.
_NEEDED = """
    large_programs tracepoint raw_tracepoint uprobe profile hardware watchpoint map_mmap
    statistics
    map:hash map:array map:percpu_hash map:percpu_array map:stack_trace map:perf_event_array
    helper:probe_read helper:probe_read_str helper:perf_event_output helper:get_stackid
"""
_WITHOUT_SUBSTITUTE = frozenset(_NEEDED.split())

# Other names: as bpftrace has them in --info, or as people say.
ALIASES = {
    "kprobes": "kprobe",
    "fexit": "fentry",
    "bpf_loop": "helper:loop",
    "cookies": "helper:get_attach_cookie",
    "lookup_percpu_elem": "helper:map_lookup_percpu_elem",
    "get_tai_ns": "helper:ktime_get_tai_ns",
    "links": "perf_link",
}

# What goes with a feature: none of these is there without it.
_WITH: dict[str, tuple[str, ...]] = {
    "kprobe": ("kprobe_multi", "kprobe_session"),
    "kprobe_multi": ("kprobe_session",),
    "ringbuf": ("map:ringbuf", "helper:ringbuf_output"),
    "btf": ("module_btf", "rawtracepoint", "iter", "fentry", "lsm", "fmod_ret"),
    "perf_link": ("helper:get_attach_cookie",),
}


class UnknownFeature(PrybeeError):
    """No feature is named so."""


def names() -> tuple[str, ...]:
    """All that may be taken off: features by their plain names, in the order they are listed."""
    found = [f.name for f in features.TABLE if f.name not in _WITHOUT_SUBSTITUTE]
    return tuple(dict.fromkeys([_plain(name) for name in found]))


def _plain(name: str) -> str:
    return name.removeprefix("helper:")


def switch_off(words: str, said_by: str = VARIABLE) -> None:
    """Take features off, for all of this process.

    Args:
        words: their names, with commas between them.
        said_by: the option or variable that has them, for messages.

    Raises:
        UnknownFeature: a word names none.
    """
    for word in words.replace(",", " ").split():
        try:
            name = _feature(word)
        except UnknownFeature as error:
            raise UnknownFeature(f"{said_by}: {error}") from None
        OFF.update((name, *_WITH.get(name, ())))


def switch_on() -> None:
    """Undo it all: for tests."""
    OFF.clear()


def _feature(word: str) -> str:
    """The feature that a word names.

    Raises:
        UnknownFeature: there is none, or none that can be taken off.
    """
    known = names()
    name = ALIASES.get(word, word)
    if _plain(name) in known:
        # Helpers are asked for with their prefix; probe_read_kernel by the compiler without it.
        return f"helper:{name}" if name in features.HELPERS else name
    if name in _WITHOUT_SUBSTITUTE or f"helper:{name}" in _WITHOUT_SUBSTITUTE:
        raise UnknownFeature(f"nothing takes the place of the feature '{word}'")
    near = did_you_mean(word, [*known, *ALIASES])
    hint = f"did you mean {' or '.join(near)}?" if near else "prybee --info lists them"
    raise UnknownFeature(f"no feature '{word}'\nHINT: {hint}")


__all__ = ["ALIASES", "VARIABLE", "UnknownFeature", "names", "switch_off", "switch_on"]
