"""A tiny writer of object files, for what no compiler here makes: other word sizes, byte orders,
and damage at chosen places."""

import struct


def strings(*names):
    """A string table, and where each name is in it."""
    table = b"\0"
    places = {"": 0}
    for name in names:
        if name not in places:
            places[name] = len(table)
            table += name.encode() + b"\0"
    return table, places


def note(order, owner, kind, content):
    """One note, aligned to 4."""
    owner = owner.encode() + b"\0"
    return (
        struct.pack(order + "III", len(owner), len(content), kind)
        + owner.ljust(-(-len(owner) // 4) * 4, b"\0")
        + content.ljust(-(-len(content) // 4) * 4, b"\0")
    )


def usdt_note(order, bits, place, base, semaphore, provider, name, arguments):
    """A SystemTap note."""
    word = "Q" if bits == 64 else "I"
    content = struct.pack(f"{order}3{word}", place, base, semaphore)
    return note(order, "stapsdt", 3, content + f"{provider}\0{name}\0{arguments}\0".encode())


def elf(
    bits=64,
    order="<",
    machine=62,
    kind=3,
    functions=(("alpha", 0x1000, 16), ("beta", 0x1010, 32)),
    objects=(("data", 0x3000, 8),),
    build_id=bytes(range(20)),
    notes=b"",
    base_address=0x2000,
    load=(0x1000, 0x1000, 0x1000),
):
    """An object file with a symbol table, one executable segment and notes.

    ``load`` is (file offset, address, size) of the executable segment.
    """
    wide = bits == 64
    header_size, segment_size, section_size, symbol_size = (
        (64, 56, 64, 24) if wide else (52, 32, 40, 16)
    )
    names, places = strings(*(entry[0] for entry in (*functions, *objects)))
    symbols = bytes(symbol_size)
    for entries, info in ((functions, 0x12), (objects, 0x11)):
        for name, value, size in entries:
            if wide:
                symbols += struct.pack(order + "IBBHQQ", places[name], info, 0, 1, value, size)
            else:
                symbols += struct.pack(order + "IIIBBH", places[name], value, size, info, 0, 1)
    identity = note(order, "GNU", 3, build_id) if build_id else b""
    section_names = (
        ".symtab",
        ".strtab",
        ".note.gnu.build-id",
        ".note.stapsdt",
        ".stapsdt.base",
        ".shstrtab",
    )
    name_table, name_places = strings(*section_names)
    body = b""
    start = header_size + segment_size * 2

    def place(data):
        nonlocal body
        body += bytes(-(start + len(body)) % 8)
        at = start + len(body)
        body += data
        return at, len(data)

    rows = [
        (".symtab", 2, place(symbols), 0, 2, symbol_size),
        (".strtab", 3, place(names), 0, 0, 0),
        (".note.gnu.build-id", 7, place(identity), 0, 0, 0),
        (".note.stapsdt", 7, place(notes), 0, 0, 0),
        (".stapsdt.base", 1, place(b"\0"), base_address, 0, 0),
        (".shstrtab", 3, place(name_table), 0, 0, 0),
    ]
    sections = bytes(section_size)
    for name, type_, (offset, size), address, link, entry in rows:
        fields = (name_places[name], type_, 0, address, offset, size, link, 0, 4, entry)
        sections += struct.pack(order + ("IIQQQQIIQQ" if wide else "10I"), *fields)
    sections_at = place(sections)[0]
    load_offset, load_address, load_size = load
    identity_at, identity_size = rows[2][2]
    if wide:
        segments = struct.pack(
            order + "IIQQQQQQ", 1, 5, load_offset, load_address, 0, load_size, load_size, 4096
        ) + struct.pack(order + "IIQQQQQQ", 4, 4, identity_at, 0, 0, identity_size, 0, 4)
    else:
        segments = struct.pack(
            order + "8I", 1, load_offset, load_address, 0, load_size, load_size, 5, 4096
        ) + struct.pack(order + "8I", 4, identity_at, 0, 0, identity_size, 0, 4, 4)
    head = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    head += struct.pack(
        order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
        kind,
        machine,
        1,
        load_address,
        header_size,
        sections_at,
        0,
        header_size,
        segment_size,
        2,
        section_size,
        len(rows) + 1,
        len(rows),
    )
    data = head + segments + body
    return data.ljust(load_offset + load_size, b"\x90")
