"""A second, plain decoding of BTF to compare the reader with: everything at once, no cleverness."""

from __future__ import annotations

import struct

KINDS = [
    "void", "int", "ptr", "array", "struct", "union", "enum", "fwd", "typedef", "volatile",
    "const", "restrict", "func", "func_proto", "var", "datasec", "float", "decl_tag", "type_tag",
    "enum64",
]  # fmt: skip


def parse(data: bytes) -> list[dict]:
    """One dict per id: kind, name, flag, vlen, third, and ``rows`` or ``extra`` as raw tuples."""
    magic, _v, _f, header, type_off, type_len, str_off, str_len = struct.unpack_from(
        "<HBBIIIII", data
    )
    assert magic == 0xEB9F
    strings = data[header + str_off : header + str_off + str_len]

    def text(offset: int) -> str:
        return strings[offset : strings.index(0, offset)].decode()

    at = header + type_off
    end = at + type_len
    types = [{"kind": "void", "name": "void"}]
    while at < end:
        name, info, third = struct.unpack_from("<III", data, at)
        at += 12
        kind = KINDS[info >> 24 & 0x7F]
        vlen = info & 0xFFFFFF
        row = {
            "kind": kind, "name": text(name), "flag": info >> 31, "vlen": vlen, "third": third,
            "rows": [], "extra": (),
        }  # fmt: skip
        if kind in ("int", "var", "decl_tag"):
            row["extra"] = struct.unpack_from("<I", data, at)
            at += 4
        elif kind == "array":
            row["extra"] = struct.unpack_from("<III", data, at)
            at += 12
        elif kind in ("struct", "union"):
            for _ in range(vlen):
                label, of, offset = struct.unpack_from("<III", data, at)
                row["rows"].append((text(label), of, offset))
                at += 12
        elif kind == "enum":
            for _ in range(vlen):
                label, value = struct.unpack_from("<Ii" if row["flag"] else "<II", data, at)
                row["rows"].append((text(label), value))
                at += 8
        elif kind == "enum64":
            for _ in range(vlen):
                label, value = struct.unpack_from("<Iq" if row["flag"] else "<IQ", data, at)
                row["rows"].append((text(label), value))
                at += 12
        elif kind == "func_proto":
            for _ in range(vlen):
                label, of = struct.unpack_from("<II", data, at)
                row["rows"].append((text(label), of))
                at += 8
        elif kind == "datasec":
            for _ in range(vlen):
                row["rows"].append(struct.unpack_from("<III", data, at))
                at += 12
        types.append(row)
    return types
