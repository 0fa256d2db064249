"""Reads samples that ``xctrace export`` wrote as XML.

A row is a sample; its stack has the leaf first. Elements are written once, and then are referred
to by their numbers::

    <row><weight id="9" fmt="1.00 ms">1000000</weight>
    <backtrace id="10"><frame id="11" name="f" addr="0x1"/><frame ref="7"/></backtrace></row>
"""

from __future__ import annotations

import re
from xml.parsers import expat

from prybee.flame.profile import Profile
from prybee.flame.readers.names import repaired

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?\s*(<\?xml[^>]*>)?\s*<trace-query-result\b")


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a file does."""
    return _BEGIN.match(head) is not None


def read(lines: Iterable[bytes], *, compat: str = "") -> Profile:
    """Reads samples.

    Args:
        lines: of the text.
        compat: of a program whose names these are to be.
    """
    profile = Profile()
    parser = expat.ParserCreate()
    reader = _Reader(profile, parser, compat)
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.buffer_text = True
    try:
        for line in lines:
            parser.Parse(line)
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        profile.quality.reject(parser.CurrentLineNumber, f"no well-formed XML: {error}")
    return profile


class _Reader:
    """What has been told of numbers so far, and the row that is read."""

    def __init__(self, profile: Profile, parser: expat.XMLParserType, compat: str) -> None:
        self._profile = profile
        self._parser = parser
        self._compat = compat
        self._modules: dict[str, str] = {}
        self._frames: dict[str, int | None] = {}
        self._stacks: dict[str, list[int | None]] = {}
        self._row: list[int | None] | None = None
        self._empty = False
        # Of the element that is open: its number, and what is in it.
        self._stack: tuple[str, list[int | None]] | None = None
        self._frame: tuple[str, str] | None = None
        self._module = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        number = attributes.get("id", "")
        if tag == "row":
            self._row, self._empty = None, False
        elif tag == "sentinel":
            self._empty = True
        elif tag == "backtrace":
            reference = attributes.get("ref")
            if reference is not None:
                self._row = self._stacks.get(reference, [None])
            else:
                self._row = self._stacks[number] = []
                self._stack = number, self._row
        elif tag == "frame" and self._stack is not None:
            reference = attributes.get("ref")
            if reference is not None:
                self._stack[1].append(self._frames.get(reference))
            else:
                self._frame = number, attributes.get("name") or attributes.get("addr") or "?"
                self._module = ""
        elif tag == "binary":
            if number:
                name = attributes.get("path") or attributes.get("name") or ""
                self._modules[number] = name
            self._module = self._modules.get(attributes.get("ref", number), "")

    def end(self, tag: str) -> None:
        """An element ends."""
        if tag == "frame" and self._frame is not None and self._stack is not None:
            number, name = self._frame
            name = repaired(name, self._compat).replace(";", ":")
            frame = self._frames[number] = self._profile.frame(name, module=self._module)
            self._stack[1].append(frame)
            self._frame = None
        elif tag == "backtrace":
            self._stack = None
        elif tag == "row":
            self._add()

    def _add(self) -> None:
        if self._row is None:
            # It is told why there is no stack, or the row is another table's.
            self._profile.quality.stackless += self._empty
            return
        known = [frame for frame in reversed(self._row) if frame is not None]
        if len(known) == len(self._row):
            self._profile.add(known)
        else:
            where = self._parser.CurrentLineNumber
            self._profile.quality.reject(where, "a stack refers to what is not there")
