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
        reader: module with the reader.
        samples: the reader has the option ``samples``, which keeps them one by one.
    """

    name: str
    what: str
    reader: str
    samples: bool = False

    def probe(self, head: bytes) -> bool | None:
        """Whether a text that begins so is of the format; None if that cannot be told.

        Args:
            head: the first bytes, at most ``HEAD``.
        """
        found: bool | None = import_module(self.reader).probe(head)
        return found

    def read(self, lines: Iterable[bytes], **options: Any) -> Profile:
        """The profile in a text; the options are the reader's."""
        profile: Profile = import_module(self.reader).read(lines, **options)
        return profile


# In the order of asking: those that are easily told apart are asked first.
FORMATS = (
    Format("perf.data", "the file of `perf record`", "prybee.flame.perf_data.reader", True),
    Format("pprof", "pprof's profile.proto, gzipped or not", "prybee.flame.readers.pprof"),
    Format("speedscope", "speedscope's JSON", "prybee.flame.readers.speedscope", True),
    Format("perf", "the text of `perf script`", "prybee.flame.readers.perf_script", True),
    Format(
        "bpftrace",
        "maps with stacks, as prybee and bpftrace print them",
        "prybee.flame.readers.bpftrace",
    ),
    Format("chrome", "Chrome's trace events", "prybee.flame.readers.chrome_trace", True),
    Format("faulthandler", "Python's faulthandler", "prybee.flame.readers.faulthandler"),
    Format("jstack", "thread dumps of a JVM", "prybee.flame.readers.jstack"),
    Format("gdb", "backtraces of gdb and eu-stack", "prybee.flame.readers.gdb"),
    Format("go", "`go tool pprof -raw`", "prybee.flame.readers.go_raw"),
    Format("systemtap", "SystemTap's stacks with counts", "prybee.flame.readers.systemtap"),
    Format("dtrace", "DTrace's stack() and ustack()", "prybee.flame.readers.dtrace"),
    Format("java", "stack traces of Java's exceptions", "prybee.flame.readers.java_exceptions"),
    Format("folded", "folded stacks: frame;frame;frame weight", "prybee.flame.readers.folded"),
)
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
