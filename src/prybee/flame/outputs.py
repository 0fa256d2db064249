"""The formats that are written: how names of files end, and what writes them.

To add one: a module in ``writers`` with ``write(profile, title)``, and its line here.
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


class Output(Data):
    """A format that is written.

    Attributes:
        name: how names of its files end, behind the dot.
        what: what it is.
        writer: module with the writer.
        others: other such ends.
        samples: it shows samples one by one, where they are known.
    """

    name: str
    what: str
    writer: str
    others: tuple[str, ...] = ()
    samples: bool = False

    @property
    def ends(self) -> tuple[str, ...]:
        """All ends of names."""
        return self.name, *self.others


_WRITERS = "prybee.flame.writers"
OUTPUTS = (
    Output("svg", "a picture", f"{_WRITERS}.svg"),
    Output("html", "a page that shows the profile by itself", f"{_WRITERS}.html", samples=True),
    Output("folded", "a line for each stack", f"{_WRITERS}.folded"),
    Output("speedscope.json", "for speedscope", f"{_WRITERS}.speedscope", samples=True),
    Output("pb.gz", "for pprof", f"{_WRITERS}.pprof", ("pb", "pprof")),
    Output("firefox.json", "for profiler.firefox.com", f"{_WRITERS}.firefox", samples=True),
    Output(
        "trace.json", "Chrome's trace events", f"{_WRITERS}.chrome_trace", ("chrome.json",), True
    ),
    Output("pftrace", "for Perfetto", f"{_WRITERS}.perfetto", ("perfetto-trace",), True),
    Output("md", "a summary in Markdown", f"{_WRITERS}.markdown"),
)
# What draws pictures and pages takes more than a title.
SVG, HTML, FOLDED = OUTPUTS[:3]


def of(name: str) -> Output:
    """The format that the end of a file's name says; ``.gz`` may be behind it.

    Raises:
        FormatError: it says none that is known.
    """
    for each in OUTPUTS:
        if name.removesuffix(".gz").endswith(tuple(f".{end}" for end in each.ends)):
            return each
    known = ", ".join(f".{each.name}" for each in OUTPUTS)
    raise FormatError(f"{name}: which format? The end of the name says: {known}")


def content(
    profile: Profile, output: Output, title: str = "", **look: Any
) -> Iterable[str | bytes]:
    """What a file of a format has of a profile, in parts.

    Args:
        profile: what is written.
        output: the format.
        title: of what is shown.
        **look: options of a picture.
    """
    if output is SVG:
        from prybee.flame import drawing

        look.setdefault("countname", profile.unit)
        return drawing.picture(profile, title=title, **look)
    written: str | bytes | Iterable[str | bytes] = import_module(output.writer).write(
        profile, title
    )
    return [written] if isinstance(written, (str, bytes)) else written


def save(name: str, parts: Iterable[str | bytes]) -> None:
    """Writes a file; it is compressed if its name ends so.

    Args:
        name: of the file.
        parts: of the content. Text becomes UTF-8.
    """
    with open(name, "wb") as file:
        encoded = (
            part.encode(errors="surrogateescape") if isinstance(part, str) else part
            for part in parts
        )  # fmt: skip
        if not name.endswith(".gz"):
            file.writelines(encoded)
            return
        import gzip

        first = next(iter(encoded), b"")
        if first[:2] == b"\x1f\x8b":  # The format itself is a compressed one.
            file.write(first)
            file.writelines(encoded)
            return
        with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            packed.write(first)
            packed.writelines(encoded)
