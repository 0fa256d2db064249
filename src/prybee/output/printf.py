"""Records to text: one generated function for each kind of record.

A record is the u32 of its kind and its fields; in the ring buffer eight bytes of the kernel's lie
between two records.  A function made here takes the memory of a run of records of one kind, each
with those eight bytes behind it (``linux.ringbuf.RingBuffer.take``), and gives the text of each.
"""

from __future__ import annotations

from prybee.output.coder import Coder, Piece, literal
from prybee.output.values import INT_CODES, TextStyle, buffer, escape, hex_escape, hex_pairs
from prybee.plan import layouts
from prybee.plan.formats import BUFFER, FLAGS, SIGNED, Conversion, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.output.coder import Buffer
    from prybee.output.values import Style
    from prybee.plan.layouts import Layout
    from prybee.plan.plan import RecordSpec

    Run = Callable[[Buffer], list[bytes]]

HEADER = 8  # struct bpf_ringbuf_hdr: u32 length and flags, u32 page offset


def stride(spec: RecordSpec) -> int:
    """Bytes from one record of a kind to the next."""
    return (spec.size + 7) // 8 * 8 + HEADER


def formatted(spec: RecordSpec, text: str, style: TextStyle, together: bool = False) -> Run:
    """A function: records → their fields under the printf format ``text``.

    With ``together``, texts of neighbours may come joined, which is faster.
    """
    coder = Coder()
    fields = iter(spec.fields)
    parts = []
    for piece in parse(text):
        if isinstance(piece, str):
            parts.append(Piece(literal(piece.encode("utf-8", "surrogateescape")), []))
        else:
            offset, layout = next(fields)
            parts.append(conversion(coder, piece, layout, offset, style))
    make = coder.blocks if together else coder.run
    return make(joined(parts), stride(spec))


def values(spec: RecordSpec, style: Style, before: bytes, behind: bytes, together: bool) -> Run:
    """A function: records of one field → its value, as ``print`` shows it, between two texts."""
    coder = Coder()
    piece = Piece(b"null", [])
    if spec.fields:
        offset, layout = spec.fields[0]
        piece = style.piece(coder, layout, offset)
    piece = joined([Piece(literal(before), []), piece, Piece(literal(behind), [])])
    make = coder.blocks if together else coder.run
    return make(piece, stride(spec))


def joined(parts: list[Piece]) -> Piece:
    """Pieces one behind the other."""
    return Piece(b"".join(p.spec for p in parts), [a for p in parts for a in p.args])


def conversion(
    coder: Coder, wanted: Conversion, layout: Layout, offset: int, style: TextStyle
) -> Piece:
    """One conversion of the value at ``offset``."""
    kind = wanted.kind
    if kind in BUFFER:
        assert isinstance(layout, layouts.BufferLayout), f"%{kind} of {layout}"
        show = {"r": escape, "rx": hex_escape, "rh": hex_pairs}[kind]
        piece = Piece(b"%s", [f"{coder.bind(show)}({buffer(coder, layout, offset)})"])
    elif kind in FLAGS:
        from prybee.output.gfp import gfp_flags

        number = _number(coder, layout, offset, wanted.bytes, False)
        piece = Piece(b"%s", [f"{coder.bind(gfp_flags)}({number})"])
    elif kind == "s":
        piece = style.piece(coder, layout, offset)
    else:
        return _integer(coder, wanted, layout, offset)
    return padded(piece, wanted, coder)


def padded(piece: Piece, wanted: Conversion, coder: Coder) -> Piece:
    """A piece in a column, as C++ streams pad: the whole item, by blanks or by zeros."""
    if not wanted.width:
        return piece
    whole = (
        piece.args[0]
        if piece.spec == b"%s"
        else f"({piece.spec!r} % ({', '.join(piece.args)},))"
        if piece.args
        else repr(piece.spec.replace(b"%%", b"%"))
    )
    side = "ljust" if wanted.left else "rjust"
    fill = coder.bind(b"0", "b") if wanted.zero else coder.bind(b" ", "b")
    return Piece(b"%s", [f"{whole}.{side}({wanted.width}, {fill})"])


def _integer(coder: Coder, wanted: Conversion, layout: Layout, offset: int) -> Piece:
    kind = wanted.kind
    signed = kind in SIGNED
    value = _number(coder, layout, offset, wanted.bytes, signed)
    if kind == "c":
        return padded(Piece(b"%c", [value]), wanted, coder)
    if kind == "p":
        return padded(Piece(b"0x%x", [value]), wanted, coder)
    if signed:
        sign = b"+" if wanted.plus else b""
        if not wanted.width or wanted.zero:
            return padded(Piece(b"%" + sign + b"d", [value]), wanted, coder)
        side = b"-" if wanted.left else b""
        return Piece(b"%%%s%s%dd" % (side, sign, wanted.width), [value])
    code = b"d" if kind == "u" else kind.encode()
    if wanted.alternate and kind != "u":
        # A zero has no prefix.
        shown = {"x": b"0x%x", "X": b"0X%X", "o": b"0%o"}[kind]
        piece = Piece(b"%s", [f"({shown!r} % {value} if {value} else b'0')"])
        return padded(piece, wanted, coder)
    if not wanted.width or (wanted.left and wanted.zero):
        return padded(Piece(b"%" + code, [value]), wanted, coder)
    flag = b"-" if wanted.left else b"0" if wanted.zero else b""
    return Piece(b"%%%s%d%s" % (flag, wanted.width, code), [value])


def _number(coder: Coder, layout: Layout, offset: int, width: int, signed: bool) -> str:
    """The expression of an integer of ``width`` bytes made of a value of any width.

    A wider value is cut by reading its low bytes only; a narrower one is extended by its sign.
    """
    size = layout.size
    if size >= width:
        return coder.take(INT_CODES[width, signed], offset)
    from_signed = isinstance(layout, layouts.IntLayout | layouts.EnumLayout) and layout.signed
    raw = coder.take(INT_CODES[size, from_signed], offset)
    if from_signed and not signed:
        return f"({raw} & {(1 << width * 8) - 1})"
    return raw
