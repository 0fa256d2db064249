"""A BTF blob as a table of types: where each lies, what it is called, and which have a name."""

# ruff: noqa: A001, A002 - "id" and "type" are the words of BTF
from __future__ import annotations

from prybee.btf.format import (
    BIG,
    ENTRY_WORDS,
    ENUM,
    ENUM64,
    ENUMS,
    FWD,
    HEADER_SIZE,
    KIND_FLAG,
    KIND_MASK,
    KIND_NUMBERS,
    KIND_SHIFT,
    KINDS,
    LITTLE,
    MAGIC,
    VERSION,
    BtfError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from mmap import mmap

    from prybee.btf.cache import Index

_SPLIT = 15000  # names beyond which splitting all strings at once is faster than one by one
_TAILS = 65536  # bytes of strings beyond which names are looked for as whole strings only


class Table:
    """The types of a blob, by id and by name; :class:`prybee.btf.reader.Btf` says what they are.

    Args:
        data: a whole BTF blob, of either byte order.
        base: what a split blob (a module's) builds upon: its ids and strings come first.

    Raises:
        BtfError: the header is not that of BTF or does not fit the data.
    """

    def __init__(
        self,
        data: bytes | bytearray | memoryview | mmap,
        base: Table | None = None,
    ) -> None:
        if isinstance(data, bytearray | memoryview):
            data = bytes(data)
        self._data = data
        self._base = base
        self._index: Index | None = None  # from the cache: Btf.vmlinux
        self._words, self._strings_at, self._strings_end = _sections(data)
        # Ids and string offsets below these belong to the base.
        self._first_id = len(base) if base is not None else 1
        self._first_string: int = base.string_limit if base is not None else 0
        # Where the strings of BTF split from this one begin.
        self.string_limit: int = self._first_string + self._strings_end - self._strings_at
        self._starts: Sequence[int] | None = None
        self._offsets: bytes | None = None  # of the names, by type
        self._kinds: bytes | None = None
        self._found: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        """How many ids there are, void and the base's included: ``range(1, len(btf))`` are all."""
        return self._first_id + len(self._index_starts()) - 1

    def __repr__(self) -> str:
        kind = "split BTF" if self._base is not None else "BTF"
        return f"<{kind}, {len(self._words) * 4} bytes of types>"

    # -- places ---------------------------------------------------------------------------------

    def _index_starts(self) -> Sequence[int]:
        starts = self._starts
        if starts is None:
            from prybee.btf.index import type_starts

            starts = self._starts = type_starts(self._words)
        return starts

    def _locate(self, id: int) -> tuple[memoryview, int]:
        """The words a type lies in and where it starts there."""
        local = id - self._first_id + 1
        if local > 0:
            starts = self._starts
            if starts is None:
                starts = self._index_starts()
            if local < len(starts):
                return self._words, starts[local]
        elif self._base is not None and id > 0:
            return self._base._locate(id)
        raise BtfError(f"there is no type {id}")

    def _kind(self, id: int) -> int:
        if id == 0:
            return 0
        words, at = self._locate(id)
        return words[at + 1] >> KIND_SHIFT & KIND_MASK

    def _expect(self, id: int, kinds: frozenset[int], what: str) -> tuple[memoryview, int]:
        """Where a type of one of ``kinds`` starts."""
        if id:
            words, at = self._locate(id)
            if words[at + 1] >> KIND_SHIFT & KIND_MASK in kinds:
                return words, at
        raise BtfError(f"type {id} ({self.kind(id)} {self.name(id)!r}) is not {what}")

    def string(self, offset: int) -> str:
        """The string at an offset of the string section (the base's strings come first).

        Raises:
            BtfError: it lies outside.
        """
        if offset < self._first_string and self._base is not None:
            return self._base.string(offset)
        at = self._strings_at + offset - self._first_string
        end = self._data.find(b"\0", at, self._strings_end) if at < self._strings_end else -1
        if end < 0:
            raise BtfError(f"string offset {offset} outside the {self.string_limit} there are")
        return self._data[at:end].decode("utf-8", "replace")

    # -- look-up by name ------------------------------------------------------------------------

    def find(self, name: str, kind: str = "") -> int:
        """The id of the type with this name, the base's first; 0 where there is none.

        Args:
            name: without ``struct`` and the like; for functions and variables theirs.
            kind: restricts the search; ``enum`` includes ``enum64``. Without it a full type is
                preferred to a forward declaration.

        Raises:
            BtfError: the kind is not one of BTF's.
        """
        wanted = _kind_numbers(kind)
        forward = 0
        for id in self.find_all(name):
            found = self._kind(id)
            if kind:
                if found in wanted:
                    return id
            elif found != FWD:
                return id
            else:
                forward = forward or id
        return forward

    def find_all(self, name: str) -> tuple[int, ...]:
        """The ids of all types with this name, ascending."""
        found = self._found.get(name)
        if found is None:
            below = self._base.find_all(name) if self._base is not None else ()
            found = below + tuple(self._find_own(name)) if _possible(name) else ()
            self._found[name] = found
        return found

    def _find_own(self, name: str) -> list[int]:
        if self._index is not None:
            return self._index.types_named(name, self._words, self._text)
        offsets = self._offsets
        if offsets is None:
            from prybee.btf.index import name_offsets

            offsets = self._offsets = name_offsets(self._words, self._index_starts())
        first = self._first_id - 1
        return sorted(
            first + position
            for offset in self._string_offsets(name)
            for position in _word_positions(offsets, offset)
            if position
        )

    def _text(self, offset: int) -> bytes:
        at = self._strings_at + offset
        return self._data[at : self._data.find(b"\0", at, self._strings_end)]

    def _string_offsets(self, name: str) -> Iterator[int]:
        """The offsets at which this string can be read.

        In small blobs that includes the tails of longer strings, which linkers may share; the
        kernel's and its modules' own BTF never does that, and looking would take its time.
        """
        if self._base is not None:
            yield from self._base._string_offsets(name)
        pattern = name.encode("utf-8", "replace") + b"\0"
        start, end = self._strings_at, self._strings_end
        whole = end - start > _TAILS
        if whole:
            pattern = b"\0" + pattern
        find = self._data.find
        at = find(pattern, start, end)
        while at >= 0:
            yield at + whole - start + self._first_string
            at = find(pattern, at + 1, end)

    def names(self, kind: str, pattern: str = "*") -> list[str]:
        """The sorted names of all types of a kind that match a glob.

        Raises:
            BtfError: the kind is not one of BTF's.
        """
        from prybee.btf.index import glob_matcher

        wanted = _kind_numbers(kind)
        prefix, matches = glob_matcher(pattern)
        found: set[str] = set()
        if self._base is not None:
            found.update(self._base.names(kind, pattern))
        if self._index is not None and prefix:
            kinds = self._index.kinds
            for position, text in self._index.types_with_prefix(prefix, self._words, self._text):
                if kinds[position] in wanted or not kind:
                    name = text.decode("utf-8", "replace")
                    if matches(name):
                        found.add(name)
            return sorted(found)
        found.update(filter(matches, self.own_names(kind)))
        found.discard("")
        return sorted(found)

    def own_names(self, kind: str) -> set[str]:
        """The names of all own types of a kind (not the base's), the empty one among them."""
        ids = list(self.ids(kind))
        if self._base is not None or len(ids) < _SPLIT:
            return {self.name(id) for id in ids}
        from prybee.btf.index import Texts

        texts = Texts(self._data[self._strings_at : self._strings_end])
        words, starts = self._words, self._index_starts()
        names = {texts[words[starts[id]]] for id in ids}
        return {
            name if name.isascii() else name.encode("latin-1").decode("utf-8", "replace")
            for name in names
        }

    def ids(self, kind: str = "") -> Iterator[int]:
        """The own ids (not the base's) of a kind, or all, ascending."""
        from prybee.btf import index

        first = self._first_id - 1
        if not kind:
            yield from range(self._first_id, len(self))
            return
        if self._kinds is None:
            self._kinds = index.kinds(self._words, self._index_starts())
        numbers = _kind_numbers(kind)
        positions = [p for number in numbers for p in index.each(self._kinds, number)]
        if len(numbers) > 1:
            positions.sort()
        for position in positions:
            yield first + position

    # -- what every type has --------------------------------------------------------------------

    def kind(self, id: int) -> str:
        """The kind, in the words of the UAPI: ``int``, ``ptr``, ``struct`` …; ``void`` for 0."""
        return KINDS[self._kind(id)]

    def name(self, id: int) -> str:
        """The type's own name; empty for pointers, anonymous structs and so on."""
        if id == 0:
            return "void"
        words, at = self._locate(id)
        offset = words[at]
        return self.string(offset) if offset else ""

    def enumerator(self, name: str) -> tuple[int, int] | None:
        """Value and enum of an enumerator, whatever its enum (the first of several)."""
        if self._base is not None:
            below = self._base.enumerator(name)
            if below is not None:
                return below
        if not _possible(name):
            return None
        words = self._words
        if self._index is not None:
            places = self._index.enumerators_named(name, words, self._text)
        else:
            places = sorted(self._enumerator_places(name))
        for position, place in places:
            at = self._index_starts()[position]
            return enumerator_value(words, at, place), position + self._first_id - 1
        return None

    def _enumerator_places(self, name: str) -> Iterator[tuple[int, int]]:
        """(type, word) of all enumerators with a name: the search goes through the raw words, then
        asks which type each hit lies in."""
        from bisect import bisect_right

        words = self._words
        starts = self._index_starts()
        raw = words.tobytes()
        for offset in self._string_offsets(name):
            for place in _word_positions(raw, offset):
                position = bisect_right(starts, place) - 1
                at = starts[position]
                kind = words[at + 1] >> KIND_SHIFT & KIND_MASK
                into = place - at - 3
                if kind in ENUMS and into >= 0 and into % ENTRY_WORDS[kind] == 0:
                    yield position, place


def _sections(data: bytes | mmap) -> tuple[memoryview, int, int]:
    """The types as words in this machine's order; start and end of the strings."""
    size = len(data)
    if size < HEADER_SIZE:
        raise BtfError(f"{size} bytes are too few for a BTF header")
    head = data[:HEADER_SIZE]
    if int.from_bytes(head[:2], "little") == MAGIC:
        order, layout = "little", LITTLE
    elif int.from_bytes(head[:2], "big") == MAGIC:
        order, layout = "big", BIG
    else:
        raise BtfError(f"starts with {head[:2].hex()}, which is not BTF's magic number eb9f")
    _, version, _, header, types, types_size, strings, strings_size = layout.unpack(head)
    if version != VERSION:
        raise BtfError(f"BTF version {version}, only {VERSION} is known")
    if header < HEADER_SIZE or header > size:
        raise BtfError(f"header of {header} bytes in {size} bytes of data")
    for what, offset, length in (
        ("types", types, types_size),
        ("strings", strings, strings_size),
    ):
        if header + offset + length > size:
            raise BtfError(
                f"{length} bytes of {what} at {header + offset} reach beyond the "
                f"{size} bytes of data"
            )
    if types_size % 4 or (header + types) % 4:
        raise BtfError("the types are not aligned to 4 bytes")
    at = header + strings
    end = at + strings_size
    if strings_size and data[end - 1] != 0:
        raise BtfError("the strings do not end in a NUL byte")
    view = memoryview(data)[header + types : header + types + types_size]
    from sys import byteorder

    if order != byteorder:
        from array import array

        swapped = array("I", view.tobytes())
        swapped.byteswap()
        return memoryview(swapped), at, end
    return view.cast("I"), at, end


def _possible(name: str) -> bool:
    """Whether a type could have this name; a NUL would match two names in a row."""
    return bool(name) and "\0" not in name


def _kind_numbers(kind: str) -> tuple[int, ...]:
    if kind == "enum":
        return (ENUM, ENUM64)
    number = KIND_NUMBERS.get(kind)
    if number is None and kind:
        raise BtfError(f"unknown kind {kind!r}; the kinds are: {', '.join(KINDS)}")
    return (number,) if number is not None else ()


def enumerator_value(words: memoryview, at: int, place: int) -> int:
    """The value of the enumerator at word ``place`` of the enum at ``at``."""
    info = words[at + 1]
    value = words[place + 1]
    bits = 32
    if info >> KIND_SHIFT & KIND_MASK == ENUM64:
        value |= words[place + 2] << 32
        bits = 64
    if info & KIND_FLAG and value >> bits - 1:
        value -= 1 << bits
    return value


def _word_positions(raw: bytes, value: int) -> Iterator[int]:
    """Where a 32-bit word of this machine's order occurs, counted in words."""
    from sys import byteorder

    pattern = value.to_bytes(4, byteorder)
    find = raw.find
    at = find(pattern)
    while at >= 0:
        if at & 3 == 0:
            yield at >> 2
        at = find(pattern, at + 1)
