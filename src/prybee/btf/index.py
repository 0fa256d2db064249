"""Finding the types in a BTF section and sorting their names.

A section holds types of varying length one after the other, so the start of each can only be
found by walking.  On the kernel's own (5.5 MB, 126,572 types) the walk takes 25–40 ms, the names
of all types another 8; sorting types and enumerators by name takes 110 ms more, which is why the
sorted result is kept on disk (``cache.py``) and never made without need.
"""

# ruff: noqa: A001, A004 - "id" is the word of BTF
from __future__ import annotations

from array import array

from prybee.btf.format import (
    ENTRY_WORDS,
    ENUM,
    ENUM64,
    FIXED_WORDS,
    KIND_MASK,
    KIND_SHIFT,
    KINDS,
    VLEN_MASK,
    BtfError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class _Lengths(dict[int, int]):
    """Words a type takes, by its info word: computed once for each of the few values there are."""

    def __missing__(self, info: int) -> int:
        kind = info >> KIND_SHIFT & KIND_MASK
        if not 0 < kind < len(KINDS):
            raise BtfError(f"unknown kind {kind}")
        words = 3 + FIXED_WORDS[kind] + ENTRY_WORDS[kind] * (info & VLEN_MASK)
        self[info] = words
        return words


class Texts(dict[int, str]):
    """The strings of a section by offset.

    Splitting the whole section at once is ten times faster than looking for each string's end;
    offsets into the middle of a string (which the format allows) are added when asked for.  The
    text is decoded byte by byte: it is for sorting.

    Raises:
        BtfError: (on look-up) an offset lies outside the section.
    """

    def __init__(self, strings: bytes) -> None:
        from itertools import accumulate

        self._strings = strings
        split = strings.decode("latin-1").split("\0")
        offsets = accumulate((len(text) + 1 for text in split), initial=0)
        super().__init__(zip(offsets, split, strict=False))

    def __missing__(self, offset: int) -> str:
        end = self._strings.find(b"\0", offset)
        if end < 0:
            raise BtfError(
                f"string offset {offset} outside the {len(self._strings)} bytes of strings"
            )
        text = self[offset] = self._strings[offset:end].decode("latin-1")
        return text


def type_starts(words: memoryview) -> array[int]:
    """Where each type starts, in words from the section's start; entry 0 stands for void.

    Args:
        words: the type section as 32-bit words.

    Raises:
        BtfError: a type has an unknown kind or reaches beyond the section.
    """
    lengths = _Lengths()
    starts = [0]
    add = starts.append
    total = len(words)
    at = 0
    try:
        while at < total:
            add(at)
            at += lengths[words[at + 1]]
    except (IndexError, BtfError) as error:
        detail = "is cut off" if isinstance(error, IndexError) else f"has {error}"
        raise BtfError(f"type {len(starts) - 1} {detail} (byte {at * 4} of the types)") from None
    if at != total:
        raise BtfError(
            f"type {len(starts) - 1} reaches {(at - total) * 4} bytes beyond the end of the types"
        )
    return array("I", starts)


def kinds(words: memoryview, starts: Sequence[int]) -> bytes:
    """The kind number of each type, one byte each; 0 for void."""
    return bytes([0, *(words[at + 1] >> KIND_SHIFT & KIND_MASK for at in starts[1:])])


def sorted_names(words: memoryview, starts: Sequence[int], texts: Texts) -> array[int]:
    """The ids (positions in ``starts``) of all named types, sorted by name and then id.

    Raises:
        BtfError: a name lies outside the string section.
    """
    names = ["", *(texts[words[at]] for at in starts[1:])]
    named = [id for id, name in enumerate(names) if name]
    named.sort(key=names.__getitem__)
    return array("I", named)


def sorted_enumerators(
    words: memoryview, starts: Sequence[int], kind_of: bytes, texts: Texts
) -> tuple[array[int], array[int]]:
    """All enumerators sorted by name: the word each starts at, and the id of its enum.

    Raises:
        BtfError: a name lies outside the string section.
    """
    places: list[int] = []
    owners: list[int] = []
    for kind, step in ((ENUM, 2), (ENUM64, 3)):
        for id in each(kind_of, kind):
            at = starts[id]
            count = words[at + 1] & VLEN_MASK
            places.extend(range(at + 3, at + 3 + count * step, step))
            owners.extend([id] * count)
    names = [texts[words[at]] for at in places]
    order = sorted(range(len(places)), key=names.__getitem__)
    return array("I", [places[i] for i in order]), array("I", [owners[i] for i in order])


def name_offsets(words: memoryview, starts: Sequence[int]) -> bytes:
    """The name offset of each type as 32-bit words of this machine; to be searched."""
    return array("I", [0, *(words[at] for at in starts[1:])]).tobytes()


def glob_matcher(pattern: str) -> tuple[str, Callable[[str], object]]:
    """The part of a glob before its first special character, and what decides on a name."""
    from fnmatch import translate
    from re import compile, search

    if pattern == "*":
        return "", bool
    special = search(r"[*?\[]", pattern)
    return pattern[: special.start()] if special else pattern, compile(translate(pattern)).match


def each(kind_of: bytes, kind: int) -> list[int]:
    """The positions of one kind in the result of :func:`kinds`."""
    found = []
    find = kind_of.find
    at = find(kind, 1)
    while at >= 0:
        found.append(at)
        at = find(kind, at + 1)
    return found
