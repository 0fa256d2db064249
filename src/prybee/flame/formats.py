"""The formats that are read: their names, and finding the one of a file.

To add one: a module in ``readers`` with ``probe`` and ``read``, and its line here.
"""

from __future__ import annotations

from importlib import import_module

from prybee.data import Data
from prybee.flame.profile import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from prybee.flame.profile import Profile

__all__ = ["BY_NAME", "FORMATS", "HEAD", "Format", "FormatError", "guess"]

# A probe looks at so many bytes at the beginning.
HEAD = 1 << 16


class Format(Data):
    """A format.

    Attributes:
        name: as it is given on the command line.
        what: where it comes from.
        reader: module with the reader, in ``prybee.flame``.
        options: what its reader takes beside the text. ``samples`` keeps samples one by one.
    """

    name: str
    what: str
    reader: str
    options: tuple[str, ...] = ()

    @property
    def samples(self) -> bool:
        """Whether its reader can keep samples one by one."""
        return "samples" in self.options

    def probe(self, head: bytes) -> bool | None:
        """Whether a text that begins so is of the format; None if that cannot be told.

        Args:
            head: the first bytes, at most ``HEAD``.
        """
        found: bool | None = self._module.probe(head)
        return found

    def read(self, lines: Iterable[bytes], **options: Any) -> Profile:
        """The profile in a text.

        Args:
            lines: of the text, with their ends; for binary formats in any pieces.
            **options: of readers. What this one does not know has no meaning for it.

        Raises:
            FormatError: it cannot be read at all, or has not what an option asks for.
        """
        value = options.get("value")
        if value and self.values and value not in self.values:
            there = ", ".join(self.values)
            raise FormatError(f"{self.name} has no '{value}' (there are: {there})")
        own = {name: value for name, value in options.items() if name in self.options}
        profile: Profile = self._module.read(lines, **own)
        return profile

    @property
    def values(self) -> tuple[str, ...]:
        """What may count, where a sample has several values; the usual one first."""
        return tuple(getattr(self._module, "VALUES", ()))

    @property
    def _module(self) -> Any:
        return import_module(f"prybee.flame.{self.reader}")


_PERF = ("pid", "tid", "event_filter", "addrs", "inline", "context", "samples")
_JAVA = ("shorten", "no_pkgs")

# In the order of asking: what comes often is asked first, so that little has to be loaded. No two
# probes take the same text.
FORMATS = (
    Format("perf.data", "the file of `perf record`", "perf_data.reader", _PERF),
    Format("pprof", "pprof's profile.proto, gzipped or not", "readers.pprof", ("value", "samples")),
    Format("folded", "folded stacks: frame;frame;frame weight", "readers.folded"),
    Format(
        "perf-sched", "the text of `perf script` with events of sleeps", "readers.perf_sched",
        ("tid", "wake_stack", "recurse", "compat"),
    ),
    Format(
        "perf", "the text of `perf script`", "readers.perf_script",
        (*_PERF, "srcline", "compat"),
    ),
    Format(
        "bpftrace", "maps with stacks, as prybee and bpftrace print them", "readers.bpftrace",
        ("map",),
    ),
    Format("firefox", "profiles of profiler.firefox.com", "readers.firefox", ("samples",)),
    Format("speedscope", "speedscope's JSON", "readers.speedscope", ("samples",)),
    Format("xctrace", "samples of `xctrace export`", "readers.xctrace", ("compat",)),
    Format("chrome", "Chrome's trace events", "readers.chrome_trace", ("samples",)),
    Format("vtune", "call trees of VTune as CSV", "readers.vtune", ("value", "modules", "compat")),
    Format(
        "vsprof", "call trees of Visual Studio as CSV", "readers.visual_studio",
        ("value", "compat"),
    ),
    Format("ghcprof", "profiles of Haskell programs", "readers.ghc_prof", ("value",)),
    Format("xdebug", "PHP's traces by Xdebug", "readers.xdebug", ("value",)),
    Format("sample", "call trees of macOS's sample", "readers.macos_sample", ("modules", "compat")),
    Format("instruments", "call trees out of Xcode's Instruments", "readers.instruments"),
    Format("pmc", "call graphs of `pmcstat -G`", "readers.pmc"),
    Format("wcp", "reports of wallClockProfiler", "readers.wall_clock", ("srcline",)),
    Format("faulthandler", "Python's faulthandler", "readers.faulthandler"),
    Format("javacore", "thread dumps of IBM's JVM", "readers.javacore", (*_JAVA, "tname", "tid")),
    Format("jstack", "thread dumps of a JVM", "readers.jstack", (*_JAVA, "tname", "tid")),
    Format("gdb", "backtraces of gdb and eu-stack", "readers.gdb", ("pid", "tid")),
    Format("go", "`go tool pprof -raw`", "readers.go_raw"),
    Format("systemtap", "SystemTap's stacks with counts", "readers.systemtap"),
    Format(
        "dtrace", "DTrace's stack() and ustack()", "readers.dtrace", ("includeoffset", "compat")
    ),
    Format("java", "stack traces of Java's exceptions", "readers.java_exceptions", _JAVA),
    Format("ljp", "traces of the lightweight Java profiler", "readers.ljp"),
    Format(
        "procstack", "stacks of AIX's procstack, Solaris' pstack", "readers.procstack",
        ("pid", "tid"),
    ),
)  # fmt: skip
BY_NAME = {each.name: each for each in FORMATS}


def guess(head: bytes) -> Format:
    """The format of a text that begins so.

    Args:
        head: the first bytes, at most ``HEAD``.

    Raises:
        FormatError: no reader takes it, or none can tell.
    """
    uncertain = []
    for each in FORMATS:
        found = each.probe(head)
        if found:
            return each
        if found is None:
            uncertain.append(each)
    if len(uncertain) == 1:
        return uncertain[0]
    names = ", ".join(each.name for each in uncertain or FORMATS)
    raise FormatError(f"the format is not one that is known\nHINT: --format says it: {names}")
