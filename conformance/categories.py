"""What tests need of kernel and machine, told from their text, and the bounds we hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from conformance.suite import Case


@dataclass
class Category:
    """Tests that need the same things.

    Attributes:
        title: how tables name it.
        bound: share of the eligible that must pass, in percent; None: no bound.
        eligible: whether they are run without being asked for.
    """

    title: str
    bound: float | None
    eligible: bool


CORE = "core"
DWARF = "dwarf"
KPROBE = "kprobe"
HARDWARE = "hardware"
FENTRY = "fentry"

CATEGORIES = {
    CORE: Category("neither kprobes, PMU, fentry nor DWARF", 97.0, True),
    DWARF: Category("DWARF", 80.0, True),
    KPROBE: Category("kprobes", None, False),
    HARDWARE: Category("hardware counters and breakpoints", None, False),
    FENTRY: Category("fentry and fexit", None, False),
}

# A provider where an attach point may begin, and what may follow it (bitfields have numbers there).
_PROVIDER = r"(?:^|(?<=[\s,;}}'\"])){}:(?=[a-z_*$]|0x)"
# First match counts.  Features are those of REQUIRES_FEATURE, files those of tests/runtime.
_RULES: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    (KPROBE, "(?:kprobe|kretprobe|kr?)", ("kprobe_multi", "kprobe_session"), ()),
    (HARDWARE, "(?:hardware|h|watchpoint|asyncwatchpoint|w|aw)", (), ("watchpoint",)),
    (FENTRY, "(?:fentry|fexit|kfunc|kretfunc|fr?)", ("fentry", "dpath"), ()),
    (DWARF, "", ("dwarf", "dwunwind", "blazesym"), ("dwarf", "dwunwind")),
)


def category(case: Case) -> str:
    """The category of a test."""
    return _category(case.program, set(case.words("REQUIRES_FEATURE")), case.file)


# Groups of tests (one may be in several), and what a kernel that has everything must pass of each,
# in percent.
GROUPS = ("kprobe", "fentry", "iter", "btf")
GROUP_BOUND = 95.0
_PROVIDER_OF = {
    "kprobe": "(?:kprobe|kretprobe|kr?)",
    "fentry": "(?:fentry|fexit|kfunc|kretfunc|fr?)",
    "iter": "(?:iter|it)",
}
_NEEDED = {
    "kprobe": {"kprobe_multi", "kprobe_session"},
    "fentry": {"fentry", "dpath"},
    "iter": {"iter"},
    "btf": {"btf"},
}


def groups(case: Case) -> tuple[str, ...]:
    """The groups of a test: by the providers it names, the features it asks for, and its file."""
    features = set(case.words("REQUIRES_FEATURE"))
    return tuple(
        name
        for name in GROUPS
        if case.file == name
        or features & _NEEDED[name]
        or (name in _PROVIDER_OF and _names(case.program, _PROVIDER_OF[name]))
    )


def _names(text: str, providers: str) -> bool:
    return re.search(_PROVIDER.format(providers), text, re.M) is not None


def program_category(text: str) -> str:
    """The category of a script."""
    return _category(text, set(), "")


def _category(text: str, features: set[str], file: str) -> str:
    for name, providers, needed, files in _RULES:
        if features & set(needed) or file in files:
            return name
        if providers and _names(text, providers):
            return name
    return CORE
