"""The text of an attach point, taken apart: ``uprobe:/bin/bash:readline`` and its like.

What the parts mean is the provider's matter (``probes/``); here are quotes, positional parameters
and the places of it all.
"""

from __future__ import annotations

import re

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# For those that are not plain; compiled when first wanted.
_PIECE = r'"((?:[^"\\]|\\.)*)"|(:)|\$([0-9]+)|([^":$]+|(?s:.))'
_PREFIX = r"([A-Za-z_][A-Za-z0-9_]*)="


class AttachPointError(Exception):
    """An attach point whose text makes no sense whatever its provider is."""


class AttachPoint(Data):
    """An attach point in parts.

    Attributes:
        raw: the text as written, or as given to ``-l``.
        provider: what stands before the first colon, in lower case unless it is one letter
            (``U`` is not ``u``); alias or not.
        parts: what stands behind it, cut at colons outside of quotes; quotes are gone.
        start: offset of the text in the script.
        starts: offset of each of ``parts`` in the script.
        name: the name before ``=`` (reserved: nothing uses it yet), or empty.
    """

    raw: str
    provider: str
    parts: tuple[str, ...] = ()
    start: int = 0
    starts: tuple[int, ...] = ()
    name: str = ""

    @property
    def end(self) -> int:
        """Offset behind the text in the script."""
        return self.start + len(self.raw)

    def __str__(self) -> str:
        return ":".join((self.provider, *self.parts))


def parse(raw: str, start: int = 0, positional: Sequence[str] = ()) -> AttachPoint:
    """Take an attach point apart.

    Args:
        raw: its text, without blanks around it.
        start: where in the script it begins.
        positional: the parameters that ``$1`` and so on stand for; a missing one is empty.

    Raises:
        AttachPointError: a quote is not closed, or ``$0`` is used.
    """
    if not ('"' in raw or "$" in raw or "=" in raw):
        return _plain(raw, start)
    prefix = re.match(_PREFIX, raw)
    at = prefix.end() if prefix is not None else 0
    parts = [""]
    starts = [start + at]
    for match in re.compile(_PIECE).finditer(raw, at):
        quoted, colon, number, plain = match.groups()
        if colon:
            parts.append("")
            starts.append(start + match.end())
        elif quoted is not None:
            parts[-1] += re.sub(r'\\(["\\])', r"\1", quoted) if "\\" in quoted else quoted
        elif number is not None:
            index = int(number)
            if index == 0:
                raise AttachPointError("param $0 is out of integer range [1, 2147483647]")
            if index <= len(positional):
                first, *rest = [positional[index - 1]]
                if len(parts) == 1:
                    # `$1` may stand for a probe type and what follows it.
                    first, *rest = first.split(":")
                parts[-1] += first
                parts += rest
                starts += [start + match.start()] * len(rest)
        elif plain == '"':
            raise AttachPointError(f"the quote is not closed: {raw}")
        else:
            parts[-1] += plain
    return AttachPoint(
        raw,
        _provider(parts[0]),
        tuple(parts[1:]),
        start,
        tuple(starts[1:]),
        prefix[1] if prefix is not None else "",
    )


def _plain(raw: str, start: int) -> AttachPoint:
    first, *parts = raw.split(":")
    starts = []
    at = start + len(first) + 1
    for part in parts:
        starts.append(at)
        at += len(part) + 1
    return AttachPoint(raw, _provider(first), tuple(parts), start, tuple(starts))


def _provider(text: str) -> str:
    return text if len(text) == 1 else text.lower()
