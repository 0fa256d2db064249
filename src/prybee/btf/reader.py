"""The lazy reader of BTF: finds types by name and decodes each only when it is asked about.

Measured on the development machine (2 shared cores, kernel 6.18, 126,572 types in 5.5 MB, CPython
3.11), best of several runs:

================================================== ==================
importing ``prybee.btf``                           1.5–2.5 ms
``Btf.vmlinux()`` with the cached index            0.6–1 ms
``Btf.vmlinux()`` that makes and saves the index   160–230 ms, once
first ``find`` with the index / without            0.3 ms / 33–60 ms
further ``find`` with it / without                 0.02 ms / 1–3 ms
``enumerator`` with it / without                   0.02 ms / 3–9 ms
``members`` of task_struct (248 members)           0.5–0.8 ms
``tracepoint_parameters`` with the index           0.12 ms
================================================== ==================

So a start that looks up a struct and a tracepoint spends about 2 ms here.
"""

# ruff: noqa: A001, A002 - "id" and "type" are the words of BTF
from __future__ import annotations

from prybee.btf.format import (
    ALIASES,
    ARRAY,
    DATASEC,
    ENTRY_WORDS,
    ENUMS,
    FUNC,
    FUNC_PROTO,
    FWD,
    INT,
    INT_BOOL,
    INT_CHAR,
    INT_SIGNED,
    KIND_FLAG,
    KIND_MASK,
    KIND_SHIFT,
    MAX_DEPTH,
    MODIFIERS,
    PTR,
    REFERRING,
    SIZED,
    STRUCT,
    UNION,
    VAR,
    VLEN_MASK,
    BtfError,
)
from prybee.btf.records import IntInfo, Member, Parameter, SectionVariable, Tag
from prybee.btf.table import Table, enumerator_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap
    from typing import Self

_COMPOSITE = frozenset((STRUCT, UNION))
# More members than any struct of the kernel has by ten times; stops malicious nesting.
_MAX_FLAT = 30_000
_TRACEPOINT_TYPEDEF = "btf_trace_"
# Functions that have an event's argument names; the typedef's prototype has none.
_TRACEPOINT_FUNCTIONS = ("__bpf_trace_", "__traceiter_", "__probestub_")


class Btf(Table):
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
        super().__init__(data, base)
        self._below = base
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
        words, at = self._expect(self.strip(id), ENUMS, "an enum")
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
        words, at = self._expect(self.strip(id), ENUMS, "an enum")
        step = ENTRY_WORDS[words[at + 1] >> KIND_SHIFT & KIND_MASK]
        count = words[at + 1] & VLEN_MASK
        return tuple(
            (self.string(words[place]), enumerator_value(words, at, place))
            for place in range(at + 3, at + 3 + count * step, step)
        )

    def function(self, name: str) -> int:
        """The id of a function, 0 where there is none."""
        return self.find(name, "func")

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
        below = self._below.tags(id) if self._below is not None and id < self._first_id else ()
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
