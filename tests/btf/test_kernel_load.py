"""The running kernel takes what the builder makes."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest

from prybee.btf import BtfBuilder, BtfError

if TYPE_CHECKING:
    from collections.abc import Collection

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BTF needs root"),
]


def _type(kind: int, count: int, size: int, *words: int) -> bytes:
    return struct.pack(f"<{3 + len(words)}I", 1, kind << 24 | count, size, *words)


# Kinds that came after Linux 5.10, and the least that has one: type 1, the last of the types.
YOUNGER = {
    "float": _type(16, 0, 8),
    "decl_tag": _type(1, 0, 4, 32) + _type(8, 0, 1) + _type(17, 0, 2, 0xFFFFFFFF),
    "type_tag": _type(1, 0, 4, 32) + struct.pack("<3I", 1, 18 << 24, 1),
    "enum64": _type(19, 1, 8, 1, 0, 1),
}


def knows(kind: str) -> bool:
    """Whether the kernel takes a blob that was written by hand."""
    from prybee.linux.programs import BtfRefused, LoadedBtf

    names = b"\0name\0"
    types = YOUNGER[kind]
    header = struct.pack("<HBB5I", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(names))
    try:
        LoadedBtf.load(header + types + names).close()
    except BtfRefused:
        return False
    return True


def everything(younger: Collection[str]) -> BtfBuilder:
    """One of each kind, under the kernel's rules (zoo() of conftest breaks some on purpose)."""
    b = BtfBuilder()
    number = b.int("int", 4, signed=True)
    byte = b.int("char", 1, is_char=True)
    b.int("_Bool", 1, is_bool=True)
    wide = b.int("long", 8, signed=True)
    unsigned = b.typedef("u32", b.int("unsigned_int", 4))
    comm = b.array(byte, 16, number)
    user = b.ptr(b.type_tag("user", byte) if "type_tag" in younger else byte)
    b.restrict(b.ptr(b.volatile(b.const(unsigned))))
    node = b.struct("node", 40, [("comm", comm, 0), ("text", user, 128), ("count", wide, 192),
                                 ("low", number, 256, 3), ("high", number, 259, 29)])  # fmt: skip
    b.union("either", 8, [("a", wide, 0), ("b", number, 0)])
    b.fwd("opaque")
    # That enums tell whether they are signed came with those of 64 bits.
    b.enum("color", [("RED", 0), ("LAST", -1)], signed="enum64" in younger)
    if "enum64" in younger:
        b.enum64("big", [("HUGE", 1 << 40)])
    if "float" in younger:
        b.float("double", 8)
    proto = b.func_proto(number, [("n", b.ptr(node)), ("size", wide)])
    function = b.func("visit", proto, 0)
    if "decl_tag" in younger:
        b.decl_tag("kind", function)
        b.decl_tag("argument", function, 1)
    b.datasec(".data", 4, [(b.var("counter", unsigned), 0, 4)])
    b.string('a line of the script: printf("%d", 1) // ü')
    return b


def test_one_of_each_kind():
    from prybee.linux.programs import LoadedBtf

    younger = [kind for kind in YOUNGER if knows(kind)]
    with LoadedBtf.load(everything(younger).build()) as loaded:
        assert loaded.fd > 0


@pytest.mark.parametrize("kind", YOUNGER)
def test_one_of_a_younger_kind(kind: str):
    from prybee.linux.programs import BtfRefused, LoadedBtf

    if knows(kind):
        LoadedBtf.load(everything([kind]).build()).close()
    else:
        with pytest.raises(BtfRefused):
            LoadedBtf.load(everything([kind]).build())


def test_a_refusal_comes_from_the_kernel():
    from prybee.diagnostics import PrybeeError
    from prybee.linux.programs import LoadedBtf

    b = BtfBuilder()
    b.ptr(77)
    with pytest.raises(PrybeeError) as caught:
        LoadedBtf.load(b.build())
    assert not isinstance(caught.value, BtfError)
