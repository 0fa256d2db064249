"""Values as people read them: (layout, bytes) → text or JSON.

Each layout class has a row in a table of :class:`Style`: how its bytes are taken apart and shown.
Text is bytes, not str, so that paddings count bytes (as upstream's do) and a process's name may
be of any encoding.
"""

from __future__ import annotations

import struct

from prybee.output.coder import Coder, Piece, literal
from prybee.plan import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from prybee.output.coder import Buffer
    from prybee.output.names import Names
    from prybee.plan.layouts import Layout

    Row = Callable[[Any, Coder, Any, int], Piece]

INT_CODES = {
    (1, True): "b", (2, True): "h", (4, True): "i", (8, True): "q",
    (1, False): "B", (2, False): "H", (4, False): "I", (8, False): "Q",
}  # fmt: skip

BOOLS = (b"false", b"true")
_ESCAPED = [bytes((n,)) if 32 <= n < 127 else b"\\x%02x" % n for n in range(256)]
_HEX = [b"\\x%02x" % n for n in range(256)]
AF_INET, AF_INET6 = 2, 10
# Strings of up to so many bytes are looked up in a table of so many.
_SHORT, _MANY = 64, 4096


def escape(data: bytes) -> bytes:
    """A buffer as ``%r`` shows it: printable ASCII as it is, the rest as ``\\xNN``."""
    return b"".join([_ESCAPED[n] for n in data])


def hex_escape(data: bytes) -> bytes:
    """A buffer as ``%rx`` shows it: every byte as ``\\xNN``."""
    return b"".join([_HEX[n] for n in data])


def hex_pairs(data: bytes) -> bytes:
    """A buffer as ``%rh`` shows it: ``61 62``."""
    return data.hex(" ").encode()


def number_list(data: bytes) -> bytes:
    """A buffer in JSON: ``[97,98]``."""
    return b"[" + ",".join(map(str, data)).encode() + b"]"


def mac(data: bytes) -> bytes:
    """``AA:BB:CC:DD:EE:FF``."""
    return data.hex(":").upper().encode()


def inet(family: int, data: bytes) -> bytes:
    """An address of family 2 or 10 as text; empty for any other family."""
    if family == AF_INET:
        return b"%d.%d.%d.%d" % tuple(data[:4])
    if family == AF_INET6:
        from _socket import inet_ntop

        return inet_ntop(AF_INET6, data).encode()
    return b""


def json_number(value: int) -> bytes:
    """An integer in JSON; one that a double cannot hold exactly is a string, as upstream has it."""
    if -(1 << 53) <= value <= 1 << 53 or int(float(value)) == value:
        return b"%d" % value
    return b'"%d"' % value


def json_string(text: bytes) -> bytes:
    """Text in JSON; control characters, and bytes that are not UTF-8, become ``\\u00XX``."""
    from prybee.output.json_text import quote

    return quote(text)


def enum_names(layout: layouts.EnumLayout) -> dict[int, bytes]:
    """Value → name; where several names share a value, the first."""
    found: dict[int, bytes] = {}
    for value, name in layout.names:
        found.setdefault(value, name.encode())
    return found


class Style:
    """Base of the two ways to show values. ``names`` resolves addresses, ids and clocks."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._singles: dict[Layout, Callable[[Buffer], bytes]] = {}
        self._runs: dict[Layout, Callable[[Buffer], list[bytes]]] = {}

    rows: dict[type[Layout], Row] = {}

    def piece(self, coder: Coder, layout: Layout, offset: int) -> Piece:
        """Take the value of ``layout`` at ``offset``, and show it."""
        return self.rows[type(layout)](self, coder, layout, offset)

    def one(self, layout: Layout) -> Callable[[Buffer], bytes]:
        """A function: the bytes of one value → its text."""
        found = self._singles.get(layout)
        if found is None:
            coder = Coder()
            found = coder.single(self.piece(coder, layout, 0), layout.size)
            self._singles[layout] = found
        return found

    def many(self, layout: Layout) -> Callable[[Buffer], list[bytes]]:
        """A function: values one behind the other → their texts."""
        found = self._runs.get(layout)
        if found is None:
            if not layout.size:
                raise ValueError("values without a size have no end")
            coder = Coder()
            found = coder.run(self.piece(coder, layout, 0), layout.size)
            self._runs[layout] = found
        return found

    # -- rows that both styles share ------------------------------------------------------------

    def quoted(self, expression: str, coder: Coder) -> Piece:
        """Text of a value that JSON shows as a string."""
        return Piece(b"%s", [expression])

    def _string(self, coder: Coder, layout: layouts.StringLayout, offset: int) -> Piece:
        return self.quoted(string(coder, layout, offset, self.names), coder)

    def _array(self, coder: Coder, layout: layouts.ArrayLayout, offset: int) -> Piece:
        if not layout.size:
            return Piece(b"[]", [])
        raw = coder.take(f"{layout.size}s", offset)
        elements = coder.bind(self.many(layout.element))
        return Piece(b"[%s]", [f"b','.join({elements}({raw}))"])

    def _void(self, coder: Coder, layout: layouts.NoneLayout, offset: int) -> Piece:
        return Piece(b"null", [])

    def _timestamp(self, coder: Coder, layout: layouts.TimestampLayout, offset: int) -> Piece:
        show = coder.bind(self.names.clock(layout.format, layout.mode))
        return self.quoted(f"{show}({coder.take('Q', offset)})", coder)

    def _ksym(self, coder: Coder, layout: layouts.KsymLayout, offset: int) -> Piece:
        show = coder.bind(self.names.ksym)
        return self.quoted(f"{show}({coder.take('Q', offset)})", coder)

    def _usym(self, coder: Coder, layout: layouts.UsymLayout, offset: int) -> Piece:
        show = coder.bind(self.names.usym)
        address, pid = coder.take("Q", offset), coder.take("I", offset + 8)
        return self.quoted(f"{show}({address}, {pid})", coder)

    def _username(self, coder: Coder, layout: layouts.UsernameLayout, offset: int) -> Piece:
        show = coder.bind(self.names.username)
        return self.quoted(f"{show}({coder.take('Q', offset)})", coder)

    def _mac(self, coder: Coder, layout: layouts.MacLayout, offset: int) -> Piece:
        return self.quoted(f"{coder.bind(mac)}({coder.take('6s', offset)})", coder)

    def _inet(self, coder: Coder, layout: layouts.InetLayout, offset: int) -> Piece:
        family, data = coder.take("I", offset), coder.take("16s", offset + 4)
        return self.quoted(f"{coder.bind(inet)}({family}, {data})", coder)

    def _cgroup(self, coder: Coder, layout: layouts.CgroupPathLayout, offset: int) -> Piece:
        show = coder.bind(self.names.cgroup(layout.glob))
        return self.quoted(f"{show}({coder.take('Q', offset)})", coder)

    def _stack(self, coder: Coder, layout: layouts.StackLayout, offset: int) -> Piece:
        show = coder.bind(self.names.stack(layout))
        return self.quoted(f"{show}({coder.take(f'{layout.size}s', offset)})", coder)

    def _fields(
        self, coder: Coder, layout: layouts.StructLayout | layouts.TupleLayout, offset: int
    ) -> list[Piece]:
        """The members' pieces: read in place, or where they overlap (unions, bitfields) each
        from a copy of the whole."""
        if _plain(layout.fields):
            return [self.piece(coder, f.layout, offset + f.offset) for f in layout.fields]
        raw = coder.take(f"{layout.size}s", offset)
        pieces = []
        for field in layout.fields:
            show = coder.bind(self.one(field.layout))
            if field.bit_size:
                pick = coder.bind(bit_picker(field))
                pieces.append(Piece(b"%s", [f"{show}({pick}({raw}))"]))
            else:
                end = field.offset + field.layout.size
                pieces.append(Piece(b"%s", [f"{show}({raw}[{field.offset}:{end}])"]))
        return pieces


def string(coder: Coder, layout: layouts.StringLayout, offset: int, names: Names) -> str:
    """The expression of a string's bytes, up to the NUL; a full one ends in the trailer."""
    raw = coder.take(f"{layout.size}s", offset)
    cut = b"" if layout.whole else names.trailer
    if layout.size <= _SHORT:
        return f"{coder.bind(Texts(cut))}[{raw}]"
    trailer = coder.bind(cut, "b")
    return f"({raw}[:end] if (end := {raw}.find(0)) >= 0 else {raw} + {trailer})"


class Texts(dict[bytes, bytes]):
    """Raw bytes of short strings → their text: most strings of a trace come over and over, and
    looking one up costs a quarter of cutting it."""

    def __init__(self, trailer: bytes) -> None:
        super().__init__()
        self.trailer = trailer

    def __missing__(self, raw: bytes) -> bytes:
        if len(self) >= _MANY:
            self.clear()
        text, nul, _rest = raw.partition(b"\0")
        text = self[raw] = text if nul else raw + self.trailer
        return text


def _plain(fields: tuple[layouts.Field, ...]) -> bool:
    at = 0
    for field in fields:
        if field.bit_size or field.offset < at:
            return False
        at = field.offset + field.layout.size
    return True


def bit_picker(field: layouts.Field) -> Callable[[bytes], bytes]:
    """A function: a struct's bytes → the bytes of a bitfield widened to its type."""
    first, count, size = field.bit_offset, field.bit_size, field.layout.size
    signed = isinstance(field.layout, layouts.IntLayout | layouts.EnumLayout) and (
        field.layout.signed
    )

    def pick(data: bytes) -> bytes:
        value = int.from_bytes(data[field.offset : field.offset + 9], "little") >> first
        value &= (1 << count) - 1
        if signed and value >> (count - 1):
            value |= -1 << count
        return (value & ((1 << size * 8) - 1)).to_bytes(size, "little")

    return pick


class TextStyle(Style):
    """Values as plain text (upstream's text output)."""

    def _int(self, coder: Coder, layout: layouts.IntLayout, offset: int) -> Piece:
        return Piece(b"%d", [coder.take(INT_CODES[layout.size, layout.signed], offset)])

    def _bool(self, coder: Coder, layout: layouts.BoolLayout, offset: int) -> Piece:
        return Piece(b"%s", [f"{coder.bind(BOOLS)}[{coder.take('?', offset)}]"])

    def _pointer(self, coder: Coder, layout: layouts.PointerLayout, offset: int) -> Piece:
        return Piece(b"0x%x", [coder.take(INT_CODES[layout.size, False], offset)])

    def _enum(self, coder: Coder, layout: layouts.EnumLayout, offset: int) -> Piece:
        raw = coder.take(INT_CODES[layout.size, layout.signed], offset)
        table = coder.bind(enum_names(layout))
        return Piece(b"%s", [f"({table}.get({raw}) or b'%d' % {raw})"])

    def _buffer(self, coder: Coder, layout: layouts.BufferLayout, offset: int) -> Piece:
        return Piece(b"%s", [f"{coder.bind(escape)}({buffer(coder, layout, offset)})"])

    def _struct(self, coder: Coder, layout: layouts.StructLayout, offset: int) -> Piece:
        if not layout.fields:
            return Piece(b"{}", [])
        pieces = self._fields(coder, layout, offset)
        spec = b", ".join(
            b".%s = %s" % (literal(f.name.encode()), p.spec)
            for f, p in zip(layout.fields, pieces, strict=True)
        )
        return Piece(b"{ %s }" % spec, [a for p in pieces for a in p.args])

    def _tuple(self, coder: Coder, layout: layouts.TupleLayout, offset: int) -> Piece:
        pieces = self._fields(coder, layout, offset)
        spec = b", ".join(p.spec for p in pieces)
        return Piece(b"(%s)" % spec, [a for p in pieces for a in p.args])

    rows: dict[type[Layout], Row] = {
        layouts.IntLayout: _int,
        layouts.BoolLayout: _bool,
        layouts.PointerLayout: _pointer,
        layouts.EnumLayout: _enum,
        layouts.StringLayout: Style._string,
        layouts.BufferLayout: _buffer,
        layouts.ArrayLayout: Style._array,
        layouts.StructLayout: _struct,
        layouts.TupleLayout: _tuple,
        layouts.NoneLayout: Style._void,
        layouts.TimestampLayout: Style._timestamp,
        layouts.KsymLayout: Style._ksym,
        layouts.UsymLayout: Style._usym,
        layouts.UsernameLayout: Style._username,
        layouts.MacLayout: Style._mac,
        layouts.InetLayout: Style._inet,
        layouts.CgroupPathLayout: Style._cgroup,
        layouts.StackLayout: Style._stack,
    }


def buffer(coder: Coder, layout: layouts.BufferLayout, offset: int) -> str:
    """The expression of a buffer's bytes in use."""
    used = coder.take("I", offset)
    raw = coder.take(f"{layout.size - 4}s", offset + 4)
    return f"{raw}[:{used}]"


class JsonStyle(Style):
    """Values as JSON (upstream's ``-f json``)."""

    def quoted(self, expression: str, coder: Coder) -> Piece:
        return Piece(b"%s", [f"{coder.bind(json_string)}({expression})"])

    def _int(self, coder: Coder, layout: layouts.IntLayout, offset: int) -> Piece:
        raw = coder.take(INT_CODES[layout.size, layout.signed], offset)
        if layout.size < 8:
            return Piece(b"%d", [raw])
        return Piece(b"%s", [f"{coder.bind(json_number)}({raw})"])

    def _bool(self, coder: Coder, layout: layouts.BoolLayout, offset: int) -> Piece:
        return Piece(b"%s", [f"{coder.bind(BOOLS)}[{coder.take('?', offset)}]"])

    def _pointer(self, coder: Coder, layout: layouts.PointerLayout, offset: int) -> Piece:
        value = coder.take(INT_CODES[layout.size, False], offset)
        return Piece(b"%s", [f"{coder.bind(json_number)}({value})"])

    def _buffer(self, coder: Coder, layout: layouts.BufferLayout, offset: int) -> Piece:
        return Piece(b"%s", [f"{coder.bind(number_list)}({buffer(coder, layout, offset)})"])

    def _struct(self, coder: Coder, layout: layouts.StructLayout, offset: int) -> Piece:
        pieces = self._fields(coder, layout, offset)
        spec = b", ".join(
            b"%s: %s" % (literal(json_string(f.name.encode())), p.spec)
            for f, p in zip(layout.fields, pieces, strict=True)
        )
        return Piece(b"{%s}" % spec, [a for p in pieces for a in p.args])

    def _tuple(self, coder: Coder, layout: layouts.TupleLayout, offset: int) -> Piece:
        pieces = self._fields(coder, layout, offset)
        return Piece(
            b"[%s]" % b",".join(p.spec for p in pieces), [a for p in pieces for a in p.args]
        )

    rows: dict[type[Layout], Row] = {
        **TextStyle.rows,
        layouts.IntLayout: _int,
        layouts.BoolLayout: _bool,
        layouts.PointerLayout: _pointer,
        layouts.EnumLayout: _int,
        layouts.BufferLayout: _buffer,
        layouts.StructLayout: _struct,
        layouts.TupleLayout: _tuple,
    }


def sort_key(layout: Layout) -> Callable[[bytes], Any]:
    """A function: a key's bytes → what it is sorted by.

    Integers compare as signed whatever their type, strings bytewise, tuples element by element,
    the rest by their bytes; upstream's rules.
    """
    if isinstance(
        layout, layouts.IntLayout | layouts.EnumLayout | layouts.PointerLayout | layouts.BoolLayout
    ):
        unpack = struct.Struct("<" + INT_CODES[layout.size, True]).unpack
        return lambda data: unpack(data[: layout.size])[0]
    if isinstance(layout, layouts.StringLayout):
        return lambda data: data.partition(b"\0")[0]
    if isinstance(layout, layouts.TupleLayout | layouts.StructLayout):
        parts = [
            (f.offset, f.offset + f.layout.size, sort_key(f.layout))
            for f in layout.fields
            if not f.bit_size
        ]
        return lambda data: tuple([part(data[start:end]) for start, end, part in parts])
    return lambda data: data
