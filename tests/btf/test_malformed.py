"""Damaged BTF: a clear error or a sane answer, never another exception, a hang, or memory eaten."""

# ruff: noqa: A001, A006 - "id" and "type" are the words of BTF
from __future__ import annotations

import random
import struct
import time

import pytest

from prybee.btf import Btf, BtfBuilder, BtfError

from .conftest import zoo

SMALL = zoo()[0].build()


def header(**changes: int) -> bytes:
    fields = {
        "magic": 0xEB9F, "version": 1, "flags": 0, "size": 24, "types": 0, "types_size": 12,
        "strings": 12, "strings_size": 3,
    }  # fmt: skip
    fields.update(changes)
    return struct.pack("HBBIIIII", *fields.values()) + struct.pack("III", 1, 4 << 24, 0) + b"\0s\0"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes are too few"),
        (bytes(23), "23 bytes are too few"),
        (bytes(40), "starts with 0000, which is not"),
        (header(version=2), "BTF version 2"),
        (header(size=20), "header of 20 bytes"),
        (header(size=200), "header of 200 bytes in 39"),
        (header(types_size=1 << 31), "bytes of types at 24 reach beyond"),
        (header(strings_size=4), "4 bytes of strings at 36 reach beyond the 39"),
        (header(strings_size=2), "do not end in a NUL"),
        (header(types_size=10), "not aligned"),
        (header(types=1, types_size=8), "not aligned"),
    ],
)
def test_headers(data, message):
    assert Btf(header()).name(1) == "s"
    with pytest.raises(BtfError, match=message):
        Btf(data)


def types(*words: int, strings: bytes = b"\0s\0") -> Btf:
    size = 4 * len(words)
    head = struct.pack("HBBIIIII", 0xEB9F, 1, 0, 24, 0, size, size, len(strings))
    return Btf(head + struct.pack(f"{len(words)}I", *words) + strings)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((1, 0, 0), r"type 1 has unknown kind 0 \(byte 0 of the types\)"),
        ((1, 4 << 24, 0, 1, 20 << 24, 0), r"type 2 has unknown kind 20 \(byte 12"),
        ((1, 0x7F << 24, 0), "unknown kind 127"),
        ((1,), "type 1 is cut off"),
        ((1, 1 << 24, 4), "type 1 reaches 4 bytes beyond"),
        ((1, 4 << 24 | 0xFFFFFF, 4), "type 1 reaches 201326580 bytes beyond"),
    ],
)
def test_types(words, message):
    with pytest.raises(BtfError, match=message):
        types(*words).kind(1)


def test_names_outside_the_strings():
    btf = types(500, 4 << 24, 0)
    with pytest.raises(BtfError, match="string offset 500 outside the 3"):
        btf.name(1)
    with pytest.raises(BtfError):
        btf.names("struct")
    assert btf.find("s") == 0
    assert types(1, 4 << 24, 0, strings=b"").find("s") == 0


def test_nothing_at_all(tmp_path):
    path = tmp_path / "empty.btf"
    path.write_bytes(BtfBuilder().build())
    for btf in (Btf.open(str(path)), Btf.vmlinux(str(path), cache=str(tmp_path / "cache"))):
        assert len(btf) == 1
        assert btf.find("x") == 0
        assert btf.names("struct") == []
        assert btf.names("func", "x*") == []
        assert btf.enumerator("x") is None
        assert btf.tracepoint_parameters("x") is None
        assert list(btf.ids()) == []
        assert btf.type_name(0) == "void"


@pytest.mark.parametrize("name", ["", "node\0sub", "\0", "ü", "\ud800", "n" * 100_000, "*"])
def test_names_no_type_has(animals, name, tmp_path):
    path = tmp_path / "zoo.btf"
    path.write_bytes(SMALL)
    for btf in (animals[0], Btf.vmlinux(str(path), cache=str(tmp_path / "cache"))):
        assert btf.find(name) == 0
        assert btf.enumerator(name) is None
        assert btf.tracepoint_parameters(name) is None


def interrogate(btf: Btf) -> None:
    """Ask everything about everything; BtfError is the only exception that may come."""
    for ask in (
        lambda: btf.find("node"), lambda: btf.find("node", "struct"), lambda: btf.names("func"),
        lambda: btf.enumerator("RED"), lambda: btf.tracepoint_parameters("visit"),
        lambda: btf.tags(1), lambda: len(btf),
    ):  # fmt: skip
        try:
            ask()
        except BtfError:
            pass
    try:
        count = len(btf)
    except BtfError:
        return
    questions = (
        btf.kind, btf.name, btf.size, btf.target, btf.strip, btf.strip_modifiers, btf.int_info,
        btf.array_info, btf.enum_info, btf.enumerators, btf.members, btf.flat_members,
        btf.parameters, btf.returns, btf.variadic, btf.linkage, btf.section, btf.type_name,
        btf.definition, lambda id: btf.member(id, "sub.deep.left"), btf.is_union,
    )  # fmt: skip
    for id in range(count):
        for question in questions:
            try:
                question(id)
            except BtfError:
                pass


def mutations(data: bytes, count: int, seed: int):
    """Damaged copies: words replaced, bytes flipped, ends cut, pieces swapped."""
    chance = random.Random(seed)
    interesting = [0, 1, 2, 0xFFFFFFFF, 0x7FFFFFFF, 1 << 31, 12, 24, 0x04FFFFFF, 0xFFFF]
    for _ in range(count):
        raw = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(0, len(raw) - 4)
            match chance.randrange(4):
                case 0:
                    word = at & ~3
                    raw[word : word + 4] = struct.pack("I", chance.choice(interesting))
                case 1:
                    raw[at] ^= 1 << chance.randrange(8)
                case 2:
                    word = at & ~3
                    raw[word : word + 4] = struct.pack("I", chance.randrange(64))
                case 3 if len(raw) > 100:
                    del raw[chance.randrange(len(raw) // 2, len(raw)) :]
        yield bytes(raw)


def test_damaged_program_btf():
    interrogate(Btf(SMALL))
    started = time.monotonic()
    opened = 0
    for number, data in enumerate(mutations(SMALL, 300, 1)):
        try:
            btf = Btf(data)
        except BtfError:
            continue
        opened += 1
        interrogate(btf)
        assert time.monotonic() - started < 60, f"mutation {number} hangs"
    assert opened > 50  # else the header swallows everything and nothing is tested


def test_damaged_kernel_btf(vmlinux_bytes):
    """The first 300 of the kernel's types, with what they need cut off at random."""
    whole = Btf(vmlinux_bytes)
    words = whole._index_starts()[300]
    size = words * 4
    strings = vmlinux_bytes[whole._strings_at : whole._strings_end]
    end = strings.index(0, max(whole._words[at] for at in whole._index_starts()[1:300])) + 1
    head = struct.pack("HBBIIIII", 0xEB9F, 1, 0, 24, 0, size, size, end)
    small = head + whole._words[:words].tobytes() + strings[:end]
    assert len(Btf(small)) == 300
    for data in mutations(small, 12, 2):
        try:
            btf = Btf(data)
        except BtfError:
            continue
        interrogate(btf)
