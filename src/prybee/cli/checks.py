"""What ``prybee doctor`` looks at: each check asks the machine, and says what its answer means."""

from __future__ import annotations

import os
import sys

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prybee.linux.features import Feature
    from prybee.linux.privileges import Privileges

OK = "ok"
LIMITED = "limited"
NO = "no"
UNKNOWN = "unknown"


class Finding(Data):
    """One line of the report.

    Attributes:
        group: the heading it stands under.
        name: what was looked at.
        state: :data:`OK`, :data:`LIMITED`, :data:`NO` or :data:`UNKNOWN`.
        detail: the fact that was found.
        means: what does not work because of it; empty where all is well.
        change: how that can be changed; empty where it cannot, or need not be.
    """

    group: str
    name: str
    state: str
    detail: str = ""
    means: str = ""
    change: str = ""


def findings() -> Iterator[Finding]:
    """All findings about this machine, in the order of the report."""
    from prybee.linux import privileges

    rights = privileges.read()
    for check in (_system, _privileges, _files, _probes, _features, _symbols, _extras, _tools):
        yield from check(rights)


# -- the machine ---------------------------------------------------------------------------------


def _system(_rights: Privileges) -> Iterator[Finding]:
    from prybee import __version__
    from prybee.linux import cpus

    name = os.uname()
    yield Finding("system", "kernel", OK, f"{name.sysname} {name.release} {name.machine}")
    yield Finding(
        "system", "CPUs", OK, f"{len(cpus.online())} online, {len(cpus.possible())} possible"
    )
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("system", "prybee", OK, f"{__version__}, Python {version} ({sys.executable})")


# -- what we may do ------------------------------------------------------------------------------


def _privileges(rights: Privileges) -> Iterator[Finding]:
    group = "privileges"
    missing = rights.missing
    if missing:
        names = " and ".join(f"CAP_{name.upper()}" for name in missing)
        yield Finding(
            group, "capabilities", NO, f"uid {rights.uid}, without {names}",
            "programs cannot be loaded, probes cannot be attached",
            "run prybee as root (sudo), or start the container with these capabilities",
        )  # fmt: skip
    else:
        yield Finding(group, "capabilities", OK, f"uid {rights.uid}, CAP_BPF and CAP_PERFMON")
    if not rights.initial_user_namespace:
        yield Finding(
            group, "user namespace", NO, "not the initial one",
            "root here is not the real root: tracing is refused", "run it on the host",
        )  # fmt: skip
    if rights.container:
        yield Finding(
            group, "container", LIMITED, rights.container,
            "only files of this container are seen; names of others' programs may be missing",
            "mount the host's / and run with its pid namespace, or run it on the host",
        )  # fmt: skip
    if rights.seccomp:
        yield Finding(
            group, "seccomp", LIMITED, "a filter is in force",
            "bpf(2) and perf_event_open(2) may be hidden",
            "run the container with a profile that allows them",
        )  # fmt: skip
    mode = rights.lockdown
    if mode and mode != "none":
        state = NO if mode == "confidentiality" else LIMITED
        yield Finding(
            group, "lockdown", state, mode,
            "kernel memory cannot be read" if state == NO else "user memory cannot be written",
            "boot without lockdown= (and without Secure Boot)",
        )  # fmt: skip
    hidden = rights.kptr_restrict == 2
    yield Finding(
        group, "kernel addresses", LIMITED if hidden else OK,
        f"kptr_restrict {_setting(rights.kptr_restrict)}",
        "kernel stacks show addresses only" if hidden else "",
        "sysctl kernel.kptr_restrict=1" if hidden else "",
    )  # fmt: skip
    yield Finding(
        group, "settings", OK,
        f"unprivileged_bpf_disabled {_setting(rights.unprivileged_bpf_disabled)}, "
        f"perf_event_paranoid {_setting(rights.perf_event_paranoid)}, "
        f"bpf_jit_enable {_setting(rights.jit_enabled)}",
    )  # fmt: skip


def _setting(value: int | None) -> str:
    return "not there" if value is None else str(value)


# -- what the kernel shows in files --------------------------------------------------------------


def _files(rights: Privileges) -> Iterator[Finding]:
    group = "files"
    yield _btf()
    yield _tracefs()
    from prybee.symbols import KernelSymbols

    symbols = KernelSymbols()
    address = symbols.address("schedule")
    if address:
        yield Finding(group, "kernel symbols", OK, "/proc/kallsyms")
    else:
        yield Finding(
            group, "kernel symbols", LIMITED, "/proc/kallsyms hides addresses",
            "kernel stacks and ksym() show addresses only",
            "run as root; see kernel addresses above",
        )  # fmt: skip
    unified = _cgroup()
    yield Finding(
        group, "cgroup v2", OK if unified else LIMITED, unified or "not mounted",
        "" if unified else "cgroup ids cannot be resolved to paths",
        "" if unified else "mount -t cgroup2 none /sys/fs/cgroup",
    )  # fmt: skip


def _btf() -> Finding:
    import time

    from prybee.btf import Btf, BtfError

    begin = time.perf_counter()
    try:
        types = Btf.vmlinux()
    except (BtfError, OSError) as error:
        return Finding(
            "files", "kernel types (BTF)", NO, str(error),
            "no kernel structs, no fentry and no iter; tracepoints and uprobes work",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF, or name a file with its types (--btf)",
        )  # fmt: skip
    types.find("task_struct", "struct")
    spent = (time.perf_counter() - begin) * 1e3
    return Finding(
        "files", "kernel types (BTF)", OK, f"{len(types):,} types, opened in {spent:.0f} ms"
    )


def _tracefs() -> Finding:
    from prybee.diagnostics import PrybeeError
    from prybee.linux.tracefs import Tracefs

    try:
        with Tracefs() as files:
            count = len(list(files.events()))
            if not count:
                raise PrybeeError("it cannot be read")
    except (PrybeeError, OSError) as error:
        return Finding(
            "files", "tracefs", NO, str(error).splitlines()[0],
            "tracepoints cannot be listed nor attached",
            "run as root, or mount -t tracefs nodev /sys/kernel/tracing",
        )  # fmt: skip
    return Finding("files", "tracefs", OK, f"{count:,} tracepoints")


def _cgroup() -> str:
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                words = line.split()
                if words[2] == "cgroup2":
                    return words[1]
    except OSError:
        pass
    return ""


# -- what the kernel can do ----------------------------------------------------------------------


def _probes(_rights: Privileges) -> Iterator[Finding]:
    yield from _probed("probe types", lambda feature: feature.group == "probes")


def _features(_rights: Privileges) -> Iterator[Finding]:
    wanted = ("instructions", "maps", "links", "other", "types")
    yield from _probed("kernel features", lambda feature: feature.group in wanted)
    yield _together("helper functions", "helper:")
    yield _together("map types", "map:")


def _probed(group: str, choose: Callable[[Feature], bool]) -> Iterator[Finding]:
    from prybee.linux import features, substitutes

    for feature in features.TABLE:
        if not choose(feature):
            continue
        answer = features.probe(feature.name)
        if answer:
            yield Finding(group, feature.name, OK, feature.summary)
            continue
        state = UNKNOWN if answer.state == features.UNKNOWN else NO
        instead = substitutes.of(feature.name)
        detail = f"{feature.summary}: {answer.why}" if answer.why else feature.summary
        does = instead.does
        if instead.by and not features.probe(instead.by):
            does = f"{feature.summary} are refused"
        yield Finding(group, feature.name, state, detail, does, instead.advice)


def _together(name: str, prefix: str) -> Finding:
    """All features of a kind as one line: those that are missing are named."""
    from prybee.linux import features

    names = [f.name for f in features.TABLE if f.name.startswith(prefix)]
    answers = {each: features.probe(each) for each in names}
    absent = [each.removeprefix(prefix) for each in names if not answers[each]]
    if not absent:
        return Finding("kernel features", name, OK, f"all {len(names)} that prybee can use")
    unknown = all(answers[prefix + each].state == features.UNKNOWN for each in absent)
    return Finding(
        "kernel features", name, UNKNOWN if unknown else LIMITED,
        f"{len(names) - len(absent)} of {len(names)}; not: {', '.join(absent)}",
        "functions that need them are refused with a message",
    )  # fmt: skip


# -- names of user programs ----------------------------------------------------------------------


def _symbols(rights: Privileges) -> Iterator[Finding]:
    scope = rights.ptrace_scope
    if scope and "sys_ptrace" not in rights.effective and rights.uid != 0:
        yield Finding(
            "symbols", "other processes", LIMITED, f"ptrace_scope {scope}",
            "memory maps of other users' processes cannot be read: their stacks show addresses",
            "run as root",
        )  # fmt: skip
    from prybee.symbols import binaries

    libc = binaries.resolve("libc")
    if libc:
        yield Finding("symbols", "libraries by short name", OK, f"libc is {libc[0]}")
    else:
        yield Finding(
            "symbols", "libraries by short name", LIMITED, "no libc in the loader's cache",
            "uprobe:libc:… is not found", "give the whole path: uprobe:/lib/…/libc.so.6:…",
        )  # fmt: skip


# -- extras --------------------------------------------------------------------------------------

EXTRAS = {
    "tui": ("rich", "textual"),
    "data": ("nanoarrow", "duckdb"),
    "export": ("prometheus_client", "opentelemetry", "perfetto"),
    "web": ("jinja2", "starlette", "uvicorn"),
    "notebook": ("anywidget", "IPython"),
    "lsp": ("pygls",),
    "guard": ("msgspec", "yaml"),
    "sigma": ("sigma",),
    "k8s": ("lightkube",),
    "fleet": ("nats", "cryptography"),
}


def _extras(_rights: Privileges) -> Iterator[Finding]:
    from importlib.util import find_spec

    there: list[str] = []
    absent: list[str] = []
    for extra, modules in EXTRAS.items():
        complete = all(find_spec(module) is not None for module in modules)
        (there if complete else absent).append(extra)
    detail = f"installed: {', '.join(there) or 'none'}"
    if absent:
        detail += f"; not: {', '.join(absent)}"
    yield Finding("extras", "optional parts", OK, detail)


# -- the ready-made tools ------------------------------------------------------------------------


def _tools(_rights: Privileges) -> Iterator[Finding]:
    from prybee.engines.live import LiveTarget
    from prybee.functions import TABLE as FUNCTIONS
    from prybee.language.registry import Registry
    from prybee.probes import TABLE as PROBES
    from prybee.tools import catalogue, support

    with LiveTarget() as target:
        registry = Registry(FUNCTIONS, PROBES)
        for tool in catalogue.load_all():
            answer = support.ask(tool, target, registry)
            if answer.works:
                yield Finding("tools", tool.name, OK, tool.summary)
            else:
                yield Finding("tools", tool.name, NO, answer.why, "", f"needs Linux {tool.kernel}")
