"""Making BTF: for programs that are loaded, and for tests."""

# ruff: noqa: A001, A002 - "id" and "type" are the words of BTF
from __future__ import annotations

from struct import pack

from prybee.btf.format import (
    ARRAY,
    CONST,
    DATASEC,
    DECL_TAG,
    ENUM,
    ENUM64,
    FLOAT,
    FUNC,
    FUNC_GLOBAL,
    FUNC_PROTO,
    FWD,
    HEADER,
    HEADER_SIZE,
    INT,
    INT_BOOL,
    INT_CHAR,
    INT_SIGNED,
    KIND_FLAG,
    KIND_SHIFT,
    MAGIC,
    PTR,
    RESTRICT,
    STRUCT,
    TYPE_TAG,
    TYPEDEF,
    UNION,
    VAR,
    VERSION,
    VOLATILE,
    BtfError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.btf.reader import Btf

Int = int  # which the builder's method of that name hides in its own annotations
_MAX_VLEN = 0xFFFF  # what every kernel takes


class BtfBuilder:
    """Collects types and strings and makes a blob of them.

    Each method adds a type and returns its id; ids count from 1 (from the base's length for split
    BTF), 0 is void.  Types may refer to ids that are added later.

    Args:
        base: what a split blob builds upon.
        order: byte order of the target, ``little`` or ``big``; this machine's by default.
    """

    def __init__(self, base: Btf | None = None, order: str = "") -> None:
        from sys import byteorder

        self._prefix = ">" if (order or byteorder) == "big" else "<"
        self._first_id = len(base) if base is not None else 1
        self._first_string = base.string_limit if base is not None else 0
        self._types: list[bytes] = []
        self._strings: list[bytes] = []
        self._string_size = 0
        self._offsets: dict[str, Int] = {}
        if base is None:
            self.string("")
        else:
            self._offsets[""] = 0

    def __len__(self) -> Int:
        """The id that the next type gets."""
        return self._first_id + len(self._types)

    def string(self, text: str) -> Int:
        """The offset of a string, added when it is new (each is kept once).

        Raises:
            BtfError: it holds a NUL, which would end it early.
        """
        offset = self._offsets.get(text)
        if offset is None:
            if "\0" in text:
                raise BtfError(f"string {text!r} holds a NUL")
            raw = text.encode() + b"\0"
            offset = self._offsets[text] = self._first_string + self._string_size
            self._strings.append(raw)
            self._string_size += len(raw)
        return offset

    def _add(
        self, kind: Int, name: str, third: Int, words: Sequence[Int] = (), vlen: Int = 0,
        flag: bool = False,
    ) -> Int:  # fmt: skip
        """Add a type from its third word and those that follow the common ones."""
        if vlen > _MAX_VLEN:
            raise BtfError(f"{name or 'type'}: {vlen} entries, at most {_MAX_VLEN} are possible")
        info = kind << KIND_SHIFT | vlen | (KIND_FLAG if flag else 0)
        values = (self.string(name), info, third, *words)
        try:
            raw = pack(f"{self._prefix}{len(values)}I", *values)
        except Exception:  # struct.error, which is not imported for this alone
            raise BtfError(f"{name or 'type'}: a value of {values} is not a 32-bit word") from None
        self._types.append(raw)
        return self._first_id + len(self._types) - 1

    def int(
        self, name: str, size: Int, signed: bool = False, *, is_bool: bool = False,
        is_char: bool = False,
    ) -> Int:  # fmt: skip
        """An integer of ``size`` bytes."""
        encoding = INT_SIGNED * signed | INT_CHAR * is_char | INT_BOOL * is_bool
        return self._add(INT, name, size, (encoding << 24 | size * 8,))

    def float(self, name: str, size: Int) -> Int:
        """A floating-point number of ``size`` bytes."""
        return self._add(FLOAT, name, size)

    def ptr(self, target: Int) -> Int:
        """A pointer."""
        return self._add(PTR, "", target)

    def const(self, target: Int) -> Int:
        """``const`` of a type."""
        return self._add(CONST, "", target)

    def volatile(self, target: Int) -> Int:
        """``volatile`` of a type."""
        return self._add(VOLATILE, "", target)

    def restrict(self, target: Int) -> Int:
        """``restrict`` of a pointer."""
        return self._add(RESTRICT, "", target)

    def typedef(self, name: str, target: Int) -> Int:
        """Another name for a type."""
        return self._add(TYPEDEF, name, target)

    def type_tag(self, value: str, target: Int) -> Int:
        """A type with a tag, such as ``percpu`` or ``user``."""
        return self._add(TYPE_TAG, value, target)

    def decl_tag(self, value: str, target: Int, component: Int = -1) -> Int:
        """A tag on a type or variable, or on one of its members or parameters."""
        return self._add(DECL_TAG, value, target, (component & 0xFFFFFFFF,))

    def array(self, element: Int, count: Int, index: Int = 0) -> Int:
        """An array; ``index`` is the type of its index (the kernel wants an integer there)."""
        return self._add(ARRAY, "", 0, (element, index, count))

    def struct(self, name: str, size: Int, members: Iterable[Sequence[object]]) -> Int:
        """A struct of ``size`` bytes; members are (name, type, bit offset[, bitfield width])."""
        return self._composite(STRUCT, name, size, members)

    def union(self, name: str, size: Int, members: Iterable[Sequence[object]]) -> Int:
        """A union; members as for :meth:`struct`."""
        return self._composite(UNION, name, size, members)

    def _composite(
        self, kind: Int, name: str, size: Int, members: Iterable[Sequence[object]]
    ) -> Int:
        rows = [(*member, 0)[:4] for member in members]
        bitfields = any(row[3] for row in rows)
        words: list[Int] = []
        for label, type, offset, width in rows:
            assert isinstance(type, int)
            assert isinstance(offset, int)
            assert isinstance(width, int)
            if bitfields and (offset > 0xFFFFFF or width > 0xFF):
                raise BtfError(f"{name}.{label}: bit offset {offset} too large beside bitfields")
            words += (self.string(str(label)), type, width << 24 | offset)
        return self._add(kind, name, size, words, len(rows), bitfields)

    def fwd(self, name: str, union: bool = False) -> Int:
        """A struct or union that is declared only."""
        return self._add(FWD, name, 0, flag=union)

    def enum(
        self, name: str, values: Iterable[tuple[str, Int]], size: Int = 4, signed: bool = False
    ) -> Int:
        """An enum of at most 4 bytes."""
        words: list[Int] = []
        for label, value in values:
            words += (self.string(label), value & 0xFFFFFFFF)
        return self._add(ENUM, name, size, words, len(words) // 2, signed)

    def enum64(
        self, name: str, values: Iterable[tuple[str, Int]], size: Int = 8, signed: bool = False
    ) -> Int:
        """An enum with values of up to 64 bits (kernel 6.0 and later)."""
        words: list[Int] = []
        for label, value in values:
            words += (self.string(label), value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF)
        return self._add(ENUM64, name, size, words, len(words) // 3, signed)

    def func_proto(
        self, returns: Int, parameters: Iterable[tuple[str, Int]] = (), variadic: bool = False
    ) -> Int:
        """A function's type: what it returns, and its parameters as (name, type)."""
        words: list[Int] = []
        for label, type in parameters:
            words += (self.string(label), type)
        if variadic:
            words += (0, 0)
        return self._add(FUNC_PROTO, "", returns, words, len(words) // 2)

    def func(self, name: str, proto: Int, linkage: Int = FUNC_GLOBAL) -> Int:
        """A function of a prototype; linkage 0 static, 1 global, 2 extern."""
        return self._add(FUNC, name, proto, vlen=linkage)

    def var(self, name: str, type: Int, linkage: Int = 1) -> Int:
        """A variable; linkage 0 static, 1 global, 2 extern."""
        return self._add(VAR, name, type, (linkage,))

    def datasec(self, name: str, size: Int, variables: Iterable[tuple[Int, Int, Int]]) -> Int:
        """A data section; variables are (var id, offset, size)."""
        words: list[Int] = []
        for row in variables:
            words += row
        return self._add(DATASEC, name, size, words, len(words) // 3)

    def build(self) -> bytes:
        """The blob, as BPF_BTF_LOAD takes it."""
        types = b"".join(self._types)
        strings = b"".join(self._strings)
        header = pack(
            self._prefix + HEADER, MAGIC, VERSION, 0, HEADER_SIZE,
            0, len(types), len(types), len(strings),
        )  # fmt: skip
        return header + types + strings
