"""The lazy reader of BTF: finds types by name and decodes each only when it is asked about.

Measured on the development machine (2 shared cores, kernel 6.18, 126,572 types in 5.5 MB), best
of several runs; see also ``cache.py``:

=========================================== =========
``Btf(data)``: the header only              < 0.1 ms
first look-up without the cached index      40–60 ms
first look-up with it                       < 0.1 ms
further look-ups without / with it          1–3 ms / 0.03 ms
``members`` of task_struct (248 members)    0.5 ms
=========================================== =========
"""

# ruff: noqa: A001, A002, A004, A006 - "id" and "type" are the words of BTF
from __future__ import annotations

from prybee.btf.format import (
    ALIASES,
    ARRAY,
    BIG,
    DATASEC,
    ENTRY_WORDS,
    ENUM,
    ENUM64,
    FUNC,
    FUNC_PROTO,
    FWD,
    HEADER_SIZE,
    INT,
    INT_BOOL,
    INT_CHAR,
    INT_SIGNED,
    KIND_FLAG,
    KIND_MASK,
    KIND_NUMBERS,
    KIND_SHIFT,
    KINDS,
    LITTLE,
    MAGIC,
    MAX_DEPTH,
    MODIFIERS,
    PTR,
    REFERRING,
    SIZED,
    STRUCT,
    UNION,
    VAR,
    VERSION,
    VLEN_MASK,
    BtfError,
)
from prybee.btf.records import IntInfo, Member, Parameter, SectionVariable, Tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from mmap import mmap
    from typing import Self

    from prybee.btf.cache import Index

_COMPOSITE = frozenset((STRUCT, UNION))
_ENUMS = frozenset((ENUM, ENUM64))
# More members than any struct of the kernel has by a hundred times; stops malicious nesting.
_MAX_FLAT = 200_000
_TAILS = 65536  # bytes of strings beyond which names are looked for as whole strings only
_TRACEPOINT_TYPEDEF = "btf_trace_"
# Functions that have an event's argument names; the typedef's prototype has none.
_TRACEPOINT_FUNCTIONS = ("__bpf_trace_", "__traceiter_", "__probestub_")


class Btf:
    """The types of a kernel, a module or a program.

    Types are known by their ids, which are ints; 0 is void, and also the answer to a look-up that
    found nothing.  Methods that take an id raise :class:`BtfError` for one that does not exist and
    for data that makes no sense.

    Args:
        data: a whole BTF blob, of either byte order.
        base: what a split blob (a module's) builds upon: its ids and strings come first.

    Raises:
        BtfError: the header is not that of BTF or does not fit the data.
    """

    def __init__(
        self,
        data: bytes | bytearray | memoryview | mmap,
        base: Btf | None = None,
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
        self._members: dict[int, tuple[Member, ...]] = {}
        self._flat: dict[int, tuple[Member, ...]] = {}
        self._flat_names: dict[int, dict[str, Member]] = {}
        self._odd_ints: dict[int, tuple[int, int]] = {}
        self._tags: dict[int, tuple[Tag, ...]] | None = None

    @classmethod
    def open(cls, path: str, base: Btf | None = None) -> Self:
        """Read the BTF of a file that holds nothing else, such as those of /sys/kernel/btf.

        Raises:
            BtfError: it cannot be read, or is not BTF.
        """
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError as error:
            raise BtfError(f"cannot read {path}: {error.strerror}") from None
        try:
            return cls(data, base)
        except BtfError as error:
            raise BtfError(f"{path}: {error}") from None

    @classmethod
    def vmlinux(cls, path: str = "/sys/kernel/btf/vmlinux", cache: str | None = None) -> Self:
        """The running kernel's types, with an index cached on disk between runs.

        Args:
            path: where the kernel shows them.
            cache: the directory for the index; None: the user's cache directory, ``""``: none.
                Without a directory that is safe to use everything works, only slower.

        Raises:
            BtfError: the kernel shows none, or they cannot be read.
        """
        from prybee.btf import cache as cached

        try:
            data = cached.contents(path)
        except OSError as error:
            raise BtfError(f"cannot read {path}: {error.strerror}") from None
        try:
            btf = cls(data)
            strings = btf._strings_at, btf._strings_end
            index = cached.index(data, btf._words, strings, path, cache)
        except BtfError as error:
            raise BtfError(f"{path}: {error}") from None
        if index is not None:
            btf._index = index
            btf._starts = index.starts
            btf._kinds = index.kinds
        return btf

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
            found = below + tuple(self._find_own(name)) if name else ()
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
        pattern = name.encode() + b"\0"
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
        for id in self.ids(kind):
            name = self.name(id)
            if name and matches(name):
                found.add(name)
        return sorted(found)

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

    def function(self, name: str) -> int:
        """The id of a function, 0 where there is none."""
        return self.find(name, "func")

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

    def size(self, id: int) -> int:
        """Size in bytes, through typedefs, modifiers, variables and arrays.

        Pointers take 8 bytes; void, functions and forward declarations 0.
        """
        count = 1
        for _ in range(MAX_DEPTH):
            if id == 0:
                return 0
            words, at = self._locate(id)
            kind = words[at + 1] >> KIND_SHIFT & KIND_MASK
            if kind in SIZED:
                return count * words[at + 2]
            if kind == PTR:
                return count * 8
            if kind == ARRAY:
                count *= words[at + 5]
                id = words[at + 3]
            elif kind in ALIASES or kind == VAR:
                id = words[at + 2]
            else:
                return 0
        raise BtfError(f"type {id}: more than {MAX_DEPTH} types refer to each other")

    def target(self, id: int) -> int:
        """What a type refers to: pointee, aliased or modified type, type of a variable, prototype
        of a function, element of an array; 0 for void and for types that refer to nothing."""
        if id == 0:
            return 0
        words, at = self._locate(id)
        kind = words[at + 1] >> KIND_SHIFT & KIND_MASK
        if kind == ARRAY:
            return words[at + 3]
        return words[at + 2] if kind in REFERRING and kind != FUNC_PROTO else 0

    def strip(self, id: int) -> int:
        """The type behind typedefs, const, volatile, restrict and type tags."""
        return self._skip(id, ALIASES)

    def strip_modifiers(self, id: int) -> int:
        """The type behind const, volatile, restrict and type tags; stops at a typedef."""
        return self._skip(id, MODIFIERS)

    def _skip(self, id: int, kinds: frozenset[int]) -> int:
        for _ in range(MAX_DEPTH):
            if id == 0:
                return 0
            words, at = self._locate(id)
            if words[at + 1] >> KIND_SHIFT & KIND_MASK not in kinds:
                return id
            id = words[at + 2]
        raise BtfError(f"type {id}: more than {MAX_DEPTH} types refer to each other")

    # -- what some have -------------------------------------------------------------------------

    def int_info(self, id: int) -> IntInfo:
        """Size and encoding of an integer, through typedefs and modifiers.

        ``is_char`` holds for what is marked so or called ``char``.  The kernel is built with
        unsigned ``char`` (since 6.2), and its BTF says so.

        Raises:
            BtfError: it is none.
        """
        words, at = self._expect(self.strip(id), frozenset((INT,)), "an integer")
        encoding = words[at + 3] >> 24 & 15
        return IntInfo(
            words[at + 2],
            bool(encoding & INT_SIGNED),
            bool(encoding & INT_BOOL),
            bool(encoding & INT_CHAR) or self.string(words[at]) == "char",
        )

    def array_info(self, id: int) -> tuple[int, int]:
        """Element type and number of elements of an array, through typedefs and modifiers.

        Raises:
            BtfError: it is none.
        """
        words, at = self._expect(self.strip(id), frozenset((ARRAY,)), "an array")
        return words[at + 3], words[at + 5]

    def enum_info(self, id: int) -> tuple[int, bool]:
        """Size in bytes and signedness of an enum, through typedefs and modifiers.

        Raises:
            BtfError: it is none.
        """
        words, at = self._expect(self.strip(id), _ENUMS, "an enum")
        return words[at + 2], bool(words[at + 1] & KIND_FLAG)

    def is_union(self, id: int) -> bool:
        """Whether a type is a union, or the forward declaration of one."""
        if id == 0:
            return False
        words, at = self._locate(id)
        info = words[at + 1]
        kind = info >> KIND_SHIFT & KIND_MASK
        return kind == UNION or (kind == FWD and bool(info & KIND_FLAG))

    def enumerators(self, id: int) -> tuple[tuple[str, int], ...]:
        """Names and values of an enum, in order, through typedefs and modifiers.

        Raises:
            BtfError: it is none.
        """
        words, at = self._expect(self.strip(id), _ENUMS, "an enum")
        step = ENTRY_WORDS[words[at + 1] >> KIND_SHIFT & KIND_MASK]
        count = words[at + 1] & VLEN_MASK
        return tuple(
            (self.string(words[place]), _enumerator_value(words, at, place))
            for place in range(at + 3, at + 3 + count * step, step)
        )

    def enumerator(self, name: str) -> tuple[int, int] | None:
        """Value and enum of an enumerator, whatever its enum (the first of several)."""
        if self._base is not None:
            below = self._base.enumerator(name)
            if below is not None:
                return below
        words = self._words
        if self._index is not None:
            places = self._index.enumerators_named(name, words, self._text)
        else:
            places = sorted(self._enumerator_places(name))
        for position, place in places:
            at = self._index_starts()[position]
            return _enumerator_value(words, at, place), position + self._first_id - 1
        return None

    def _enumerator_places(self, name: str) -> Iterator[tuple[int, int]]:
        """(type, word) of all enumerators with a name: the search goes through the raw words, then
        asks which type each hit lies in."""
        from bisect import bisect_right

        words = self._words
        starts = self._index_starts()
        raw = words.tobytes()
        for offset in self._string_offsets(name) if name else ():
            for place in _word_positions(raw, offset):
                position = bisect_right(starts, place) - 1
                at = starts[position]
                kind = words[at + 1] >> KIND_SHIFT & KIND_MASK
                into = place - at - 3
                if kind in _ENUMS and into >= 0 and into % ENTRY_WORDS[kind] == 0:
                    yield position, place

    def members(self, id: int) -> tuple[Member, ...]:
        """The members of a struct or union as they are, through typedefs and modifiers.

        Raises:
            BtfError: it is none (a forward declaration has no members either).
        """
        found = self._members.get(id)
        if found is None:
            words, at = self._expect(self.strip(id), _COMPOSITE, "a struct or union")
            info = words[at + 1]
            body = words[at + 3 : at + 3 + 3 * (info & VLEN_MASK)].tolist()
            string = self.string
            members = []
            for i in range(0, len(body), 3):
                name, type, offset = body[i : i + 3]
                if info & KIND_FLAG:
                    size = offset >> 24
                    offset &= 0xFFFFFF
                else:
                    shift, size = self._odd_int(type)
                    offset += shift
                members.append(Member(string(name) if name else "", type, offset, size))
            found = self._members[id] = tuple(members)
        return found

    def _odd_int(self, id: int) -> tuple[int, int]:
        """(bit offset, bits) of an integer that does not fill its bytes, else zeros: how compilers
        marked bitfields before the members did (LLVM 7, pahole 1.12)."""
        found = self._odd_ints.get(id)
        if found is None:
            found = (0, 0)
            id_of_int = self.strip(id)
            if self._kind(id_of_int) == INT:
                words, at = self._locate(id_of_int)
                bits = words[at + 3] & 0xFF
                shift = words[at + 3] >> 16 & 0xFF
                if shift or bits != words[at + 2] * 8:
                    found = (shift, bits)
            self._odd_ints[id] = found
        return found

    def flat_members(self, id: int) -> tuple[Member, ...]:
        """The members that C can name from outside: those of anonymous structs and unions within
        are lifted, bit offsets counted from the outermost start; unnamed bitfields are left out.

        Raises:
            BtfError: it is no struct or union.
        """
        found = self._flat.get(id)
        if found is None:
            members: list[Member] = []
            self._lift(id, 0, 0, members)
            found = self._flat[id] = tuple(members)
        return found

    def _lift(self, id: int, offset: int, depth: int, into: list[Member]) -> None:
        if depth > MAX_DEPTH or len(into) > _MAX_FLAT:
            raise BtfError(f"type {id}: anonymous members nested too deeply")
        for member in self.members(id):
            if member.name:
                if offset:
                    member = Member(
                        member.name, member.type, member.bit_offset + offset, member.bit_size
                    )
                into.append(member)
            elif self._kind(self.strip(member.type)) in _COMPOSITE:
                self._lift(member.type, offset + member.bit_offset, depth + 1, into)

    def member(self, id: int, path: str) -> Member | None:
        """The member that ``a.b.c`` names, looked for through anonymous members too.

        Its bit offset counts from the start of ``id``.

        Returns:
            None where a struct on the way has no such member.

        Raises:
            BtfError: ``id``, or a member before the last, is no struct or union.
        """
        offset = 0
        member: Member | None = None
        for name in path.split("."):
            if member is not None:
                id = member.type
                offset = member.bit_offset
            names = self._flat_names.get(id)
            if names is None:
                names = {}
                for found in self.flat_members(id):
                    names.setdefault(found.name, found)
                self._flat_names[id] = names
            member = names.get(name)
            if member is None:
                return None
            if offset:
                member = Member(
                    member.name, member.type, member.bit_offset + offset, member.bit_size
                )
        return member

    # -- functions ------------------------------------------------------------------------------

    def _prototype(self, id: int) -> tuple[memoryview, int]:
        if self._kind(id) == FUNC:
            id = self.target(id)
        return self._expect(id, frozenset((FUNC_PROTO,)), "a function")

    def parameters(self, id: int) -> tuple[Parameter, ...]:
        """Names and types of a function's or a prototype's parameters, without the ``...``.

        Raises:
            BtfError: it is neither.
        """
        words, at = self._prototype(id)
        body = words[at + 3 : at + 3 + 2 * (words[at + 1] & VLEN_MASK)].tolist()
        if body[-2:] == [0, 0]:
            del body[-2:]
        return tuple(
            Parameter(self.string(name) if name else "", type)
            for name, type in zip(body[::2], body[1::2], strict=True)
        )

    def variadic(self, id: int) -> bool:
        """Whether a function or prototype ends in ``...``.

        Raises:
            BtfError: it is neither.
        """
        words, at = self._prototype(id)
        count = words[at + 1] & VLEN_MASK
        return count > 0 and words[at + 1 + 2 * count] == words[at + 2 + 2 * count] == 0

    def returns(self, id: int) -> int:
        """The type a function or prototype returns.

        Raises:
            BtfError: it is neither.
        """
        words, at = self._prototype(id)
        return words[at + 2]

    def linkage(self, id: int) -> int:
        """Of a function or variable: 0 static, 1 global, 2 extern.

        Raises:
            BtfError: it is neither.
        """
        words, at = self._expect(id, frozenset((FUNC, VAR)), "a function or variable")
        if words[at + 1] >> KIND_SHIFT & KIND_MASK == VAR:
            return words[at + 3]
        return words[at + 1] & VLEN_MASK

    def tracepoint_type(self, event: str) -> int:
        """The typedef by which the kernel attaches BTF-typed programs to an event, or 0."""
        return self.find(_TRACEPOINT_TYPEDEF + event, "typedef")

    def tracepoint_parameters(self, event: str) -> tuple[Parameter, ...] | None:
        """What an event hands to BTF-typed programs, without the leading ``void *``.

        The typedef has the types; the names come from the functions the kernel makes for the
        event, where it shows them, else they are empty.

        Returns:
            None where there is no such event.
        """
        typedef = self.tracepoint_type(event)
        if not typedef:
            return None
        parameters = self.parameters(self.strip(self.target(self.strip(typedef))))
        if not all(parameter.name for parameter in parameters):
            for prefix in _TRACEPOINT_FUNCTIONS:
                function = self.function(prefix + event)
                named = self.parameters(function) if function else ()
                if len(named) == len(parameters) and all(p.name for p in named[1:]):
                    parameters = tuple(
                        Parameter(name.name, typed.type)
                        for name, typed in zip(named, parameters, strict=True)
                    )
                    break
        return parameters[1:]

    # -- variables and tags ---------------------------------------------------------------------

    def section(self, id: int) -> tuple[SectionVariable, ...]:
        """The variables of a data section.

        Raises:
            BtfError: it is none.
        """
        words, at = self._expect(id, frozenset((DATASEC,)), "a data section")
        body = words[at + 3 : at + 3 + 3 * (words[at + 1] & VLEN_MASK)].tolist()
        return tuple(SectionVariable(*body[i : i + 3]) for i in range(0, len(body), 3))

    def tags(self, id: int) -> tuple[Tag, ...]:
        """The declaration tags of a type (``bpf_kfunc`` of functions, for one)."""
        if self._tags is None:
            tags: dict[int, tuple[Tag, ...]] = {}
            for tag in self.ids("decl_tag"):
                words, at = self._locate(tag)
                component = words[at + 3]
                owner = words[at + 2]
                of = Tag(self.string(words[at]), component if component < 1 << 31 else -1)
                tags[owner] = (*tags.get(owner, ()), of)
            self._tags = tags
        below = self._base.tags(id) if self._base is not None and id < self._first_id else ()
        return below + self._tags.get(id, ())

    # -- as C text ------------------------------------------------------------------------------

    def type_name(self, id: int) -> str:
        """The type as C names it: ``struct task_struct *``, ``char[16]``."""
        from prybee.btf.c_text import declaration

        return declaration(self, id, "")

    def declaration(self, id: int, name: str) -> str:
        """C's declaration of something of this type: ``char comm[16]``, ``int (*f)(void *)``."""
        from prybee.btf.c_text import declaration

        return declaration(self, id, name)

    def definition(self, id: int) -> str:
        """C's definition of a struct, union or enum with what it holds, of a typedef, a function
        or a variable; anonymous types within are written out. No newline at the end."""
        from prybee.btf.c_text import definition

        return definition(self, id)


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


def _kind_numbers(kind: str) -> tuple[int, ...]:
    if kind == "enum":
        return (ENUM, ENUM64)
    number = KIND_NUMBERS.get(kind)
    if number is None and kind:
        raise BtfError(f"unknown kind {kind!r}; the kinds are: {', '.join(KINDS)}")
    return (number,) if number is not None else ()


def _enumerator_value(words: memoryview, at: int, place: int) -> int:
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
