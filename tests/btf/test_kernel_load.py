"""The running kernel takes what the builder makes."""

from __future__ import annotations

import os

import pytest

from prybee.btf import BtfBuilder, BtfError

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BTF needs root"),
]


def everything() -> BtfBuilder:
    """One of each kind, under the kernel's rules (zoo() of conftest breaks some on purpose)."""
    b = BtfBuilder()
    number = b.int("int", 4, signed=True)
    byte = b.int("char", 1, is_char=True)
    b.int("_Bool", 1, is_bool=True)
    wide = b.int("long", 8, signed=True)
    unsigned = b.typedef("u32", b.int("unsigned_int", 4))
    comm = b.array(byte, 16, number)
    user = b.ptr(b.type_tag("user", byte))
    b.restrict(b.ptr(b.volatile(b.const(unsigned))))
    node = b.struct("node", 40, [("comm", comm, 0), ("text", user, 128), ("count", wide, 192),
                                 ("low", number, 256, 3), ("high", number, 259, 29)])  # fmt: skip
    b.union("either", 8, [("a", wide, 0), ("b", number, 0)])
    b.fwd("opaque")
    b.enum("color", [("RED", 0), ("LAST", -1)], signed=True)
    b.enum64("big", [("HUGE", 1 << 40)])
    b.float("double", 8)
    proto = b.func_proto(number, [("n", b.ptr(node)), ("size", wide)])
    function = b.func("visit", proto, 0)
    b.decl_tag("kind", function)
    b.decl_tag("argument", function, 1)
    b.datasec(".data", 4, [(b.var("counter", unsigned), 0, 4)])
    b.string('a line of the script: printf("%d", 1) // ü')
    return b


def test_one_of_each_kind():
    from prybee.linux.programs import LoadedBtf

    with LoadedBtf.load(everything().build()) as loaded:
        assert loaded.fd > 0


def test_a_refusal_comes_from_the_kernel():
    from prybee.diagnostics import PrybeeError
    from prybee.linux.programs import LoadedBtf

    b = BtfBuilder()
    b.ptr(77)
    with pytest.raises(PrybeeError) as caught:
        LoadedBtf.load(b.build())
    assert not isinstance(caught.value, BtfError)
