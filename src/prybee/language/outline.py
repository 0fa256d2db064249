"""The parts of a script, found in its text alone: an editor asks about scripts that are half
written, which no parser takes.

Comments and strings are blanked (:func:`mask`), and what is left has braces: an item is what stands
outside of all braces, with the body that follows it.
"""

from __future__ import annotations

import re

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PROBE, MACRO, FUNCTION, TYPE, MAP, CONFIG, IMPORT = (
    "probe", "macro", "fn", "type", "map", "config", "import",
)  # fmt: skip

# A path in an attach point may look like a comment: uprobe:/opt/*/bin/x:main.
_OPAQUE = re.compile(
    r"[A-Za-z]\w*:/[^\s,{\"]*|//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:[^\"\\\n]|\\.)*\"?", re.DOTALL
)
_MARK = re.compile(r"[{};]|^[ \t]*#[^\n]*", re.MULTILINE)
_HEADS = (
    (MACRO, re.compile(r"macro\s+(\w+)")),
    (FUNCTION, re.compile(r"fn\s+(\w+)")),
    (TYPE, re.compile(r"(?:struct|union|enum)\s+(\w+)")),
    (MAP, re.compile(r"let\s+(@\w*)")),
    (CONFIG, re.compile(r"(config)\b")),
    (IMPORT, re.compile(r"import\b\s*\"?([^\";]*)")),
)
_NAME = re.compile(r"[@$]?[A-Za-z_]\w*|@(?!\w)")


class Item(Data):
    """Something at the root of a script.

    Attributes:
        kind: one of the words above.
        name: a probe's attach points, a macro's name, a map with its ``@``, an import's path.
        start, end: all of it, body included; up to the end of the text where that is not closed.
        head_end: where its body begins, or ``end``.
        name_start, name_end: its name; for probes all attach points.
        closed: it has a body that ends before ``end``.
    """

    kind: str
    name: str
    start: int
    end: int
    head_end: int
    name_start: int
    name_end: int
    closed: bool = False


def mask(text: str) -> str:
    """``text`` with blanks for what comments and strings contain; of the same length."""

    def blanked(match: re.Match[str]) -> str:
        found = match[0]
        if found[0] not in '/"':
            return found
        return re.sub(r"[^\n\"]", " ", found) if found[0] == '"' else re.sub(r"[^\n]", " ", found)

    return _OPAQUE.sub(blanked, text)


def is_text(text: str, offset: int) -> bool:
    """Whether ``offset`` is inside of a comment or a string."""
    for match in _OPAQUE.finditer(text, text.rfind("\n}", 0, offset) + 1):
        if match.start() >= offset:
            return False
        found = match[0]
        if found.startswith("//"):
            ended = False
        elif found[0] == '"':
            ended = len(found) > 1 and found.endswith('"')
        else:
            ended = found.endswith("*/") or found[0] not in "/"
        if offset < match.end() or (offset == match.end() and not ended):
            return found[0] in '/"'
    return False


def items(text: str, masked: str = "") -> list[Item]:
    """What a script has at its root, in order.

    Args:
        text: the script.
        masked: what :func:`mask` makes of it, where that is at hand.
    """
    masked = masked or mask(text)
    found: list[Item] = []
    depth, begin, head_end = 0, 0, -1
    for mark in _MARK.finditer(masked):
        what = mark[0]
        if what == "{":
            if depth == 0:
                head_end = mark.start()
            depth += 1
        elif what == "}":
            depth = max(depth - 1, 0)
            if depth == 0:
                found += _item(text, masked, begin, head_end, mark.end(), closed=True)
                begin, head_end = mark.end(), -1
        elif depth == 0:
            # A preprocessor line stands for itself.
            end = mark.start() if what != ";" else mark.end()
            found += _item(text, masked, begin, -1, end)
            begin = mark.end()
    found += _item(text, masked, begin, head_end, len(text))
    return found


def _item(
    text: str, masked: str, begin: int, head_end: int, end: int, closed: bool = False
) -> Iterator[Item]:
    stop = head_end if head_end >= 0 else end
    head = masked[begin:stop]
    start = begin + len(head) - len(head.lstrip())
    if masked.startswith(";", start):
        return
    end = start + len(masked[start:end].rstrip()) if head_end < 0 else end
    if start >= end:
        return
    stop = min(stop, end)
    for kind, pattern in _HEADS:
        match = pattern.match(text, start, stop)
        if match is not None:
            yield Item(kind, match[1], start, end, stop, *match.span(1), closed)
            return
    # The predicate begins at the first slash that is not inside of an attach point.
    points = re.split(r"\s/", masked[start:stop], maxsplit=1)[0].rstrip()
    name = text[start : start + len(points)]
    yield Item(PROBE, " ".join(name.split()), start, end, stop, start, start + len(name), closed)


def item_at(found: list[Item], offset: int) -> Item | None:
    """The item that ``offset`` is in, or right behind of where a body does not end it."""
    for item in found:
        if item.start <= offset and (offset < item.end or (offset == item.end and not item.closed)):
            return item
    return None


def name_at(masked: str, offset: int) -> tuple[str, int]:
    """The name that ``offset`` touches, and where it begins; empty where there is none."""
    start = masked.rfind("\n", 0, offset) + 1
    for match in _NAME.finditer(masked, start):
        if match.start() > offset:
            break
        if offset <= match.end():
            return match[0], match.start()
    return "", offset


def occurrences(text: str, offset: int) -> list[tuple[int, int]]:
    """All places of the variable, map, macro or function at ``offset``: (start, end) each.

    A variable's are those in its probe, function or macro, and so are a macro's maps, which are
    its parameters; a map's are those in the whole script, a macro's its definitions and calls.
    """
    masked = mask(text)
    name, at = name_at(masked, offset)
    found = items(text, masked)
    if not name or _is_field(masked, at):
        return []
    first, last = 0, len(text)
    here = item_at(found, at)
    inside = here is not None and here.kind in (MACRO, FUNCTION)
    if name[0] == "$" or (name[0] == "@" and inside):
        if here is None:
            return []
        first, last = here.start, here.end
    elif name[0] != "@" and not any(
        each.name == name and each.kind in (MACRO, FUNCTION) for each in found
    ):
        return []
    pattern = re.compile(rf"(?<![\w@$]){re.escape(name)}(?!\w)")
    places = [match.span() for match in pattern.finditer(masked, first, last)]
    if name[0] == "@":
        places = [
            (start, end)
            for start, end in places
            if inside or (item := item_at(found, start)) is None or item.kind != MACRO
        ]
    return [(start, end) for start, end in places if not _is_field(masked, start)]


def _is_field(masked: str, at: int) -> bool:
    before = masked[max(at - 40, 0) : at].rstrip()
    return before.endswith(("->", ".")) and not before.endswith("..")


def call_at(masked: str, offset: int) -> tuple[str, int]:
    """The innermost call whose parentheses ``offset`` is in, and which of its arguments.

    Returns:
        The name, empty without a call; and the argument's number, from 0.
    """
    depth, argument = 0, 0
    for at in range(offset - 1, max(offset - 4000, -1), -1):
        letter = masked[at]
        if letter in ")]":
            depth += 1
        elif letter == "[" and depth:
            depth -= 1
        elif letter == "[":
            # An index of a map: its commas are not the call's.
            argument = 0
        elif letter == "(":
            if depth:
                depth -= 1
                continue
            match = re.search(r"(\w+)\s*$", masked[max(at - 80, 0) : at])
            if match is not None:
                return match[1], argument
            argument = 0
        elif letter == "," and depth == 0:
            argument += 1
        elif letter in "{};" and depth == 0:
            break
    return "", 0


def comment_above(text: str, offset: int) -> str:
    """What the comment right above the line of ``offset`` says."""
    lines: list[str] = []
    at = text.rfind("\n", 0, offset)
    while at > 0:
        begin = text.rfind("\n", 0, at) + 1
        line = text[begin:at].strip()
        if not line.startswith("//"):
            break
        lines.append(line.lstrip("/").strip())
        at = begin - 1
    return "\n".join(reversed(lines))
