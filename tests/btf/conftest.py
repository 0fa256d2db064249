from __future__ import annotations

import os

import pytest

from prybee.btf import Btf, BtfBuilder

from . import naive

VMLINUX = "/sys/kernel/btf/vmlinux"


@pytest.fixture(scope="session")
def vmlinux_bytes() -> bytes:
    if not os.access(VMLINUX, os.R_OK):
        pytest.skip(f"{VMLINUX} cannot be read: the kernel has no BTF")
    with open(VMLINUX, "rb") as file:
        return file.read()


@pytest.fixture(scope="session")
def vmlinux_naive(vmlinux_bytes):
    return naive.parse(vmlinux_bytes)


@pytest.fixture(scope="session")
def vmlinux(vmlinux_bytes) -> Btf:
    return Btf(vmlinux_bytes)


def zoo() -> tuple[BtfBuilder, dict[str, int]]:
    """One type of every kind, and what refers to what."""
    b = BtfBuilder()
    ids: dict[str, int] = {}
    ids["int"] = b.int("int", 4, signed=True)
    ids["u8"] = b.int("unsigned char", 1)
    ids["char"] = b.int("char", 1, is_char=True)
    ids["bool"] = b.int("_Bool", 1, is_bool=True)
    ids["long"] = b.int("long int", 8, signed=True)
    ids["u32"] = b.typedef("u32", b.int("unsigned int", 4))
    ids["const_u32"] = b.const(ids["u32"])
    ids["volatile"] = b.volatile(ids["const_u32"])
    ids["comm"] = b.array(ids["char"], 16, ids["int"])
    ids["grid"] = b.array(b.array(ids["int"], 3, ids["int"]), 2, ids["int"])
    ids["fwd"] = b.fwd("other")
    ids["fwd_union"] = b.fwd("either", union=True)
    ids["fwd_ptr"] = b.ptr(ids["fwd"])
    inner = b.struct("", 8, [("left", ids["int"], 0), ("right", ids["int"], 32)])
    either = b.union("", 8, [("whole", ids["long"], 0), ("", inner, 0)])
    ids["node"] = node = len(b)
    b.struct(
        "node", 56,
        [("next", node + 1, 0), ("comm", ids["comm"], 64), ("", either, 192),
         ("sub", node + 2, 256), ("callback", node + 5, 384)],
    )  # fmt: skip
    b.ptr(node)
    ids["sub"] = b.struct("sub", 8, [("a", ids["u8"], 0), ("deep", inner, 0)])
    ids["void_ptr"] = b.ptr(0)
    proto = b.func_proto(ids["int"], [("self", ids["void_ptr"]), ("", ids["int"])], variadic=True)
    ids["callback"] = b.ptr(proto)
    ids["bits"] = b.struct(
        "bits", 4,
        [("low", ids["int"], 0, 3), ("", ids["int"], 3, 2), ("high", ids["u32"], 5, 27)],
    )  # fmt: skip
    ids["empty"] = b.struct("empty", 0, [])
    ids["color"] = b.enum("color", [("RED", 0), ("GREEN", 1), ("LAST", -1)], signed=True)
    ids["big"] = b.enum64("big", [("HUGE", 1 << 40), ("ALL", (1 << 64) - 1)])
    ids["big_signed"] = b.enum64("", [("LOW", -(1 << 40))], signed=True)
    ids["proto"] = b.func_proto(ids["void_ptr"], [("n", ids["node"] + 1), ("len", ids["long"])])
    ids["func"] = b.func("lookup", ids["proto"], 0)
    ids["var"] = b.var("counter", ids["u32"])
    ids["datasec"] = b.datasec(".data", 4, [(ids["var"], 0, 4)])
    ids["float"] = b.float("double", 8)
    ids["tag"] = b.decl_tag("bpf_kfunc", ids["func"])
    ids["argument_tag"] = b.decl_tag("arg:nullable", ids["func"], 1)
    ids["type_tag"] = b.type_tag("user", ids["char"])
    ids["user_ptr"] = b.ptr(ids["type_tag"])
    ids["restrict"] = b.restrict(ids["user_ptr"])
    ids["trace_proto"] = b.func_proto(
        0, [("", ids["void_ptr"]), ("", ids["node"] + 1), ("", ids["int"])]
    )
    ids["trace"] = b.typedef("btf_trace_visit", b.ptr(ids["trace_proto"]))
    named = b.func_proto(
        0, [("__data", ids["void_ptr"]), ("n", ids["node"] + 1), ("depth", ids["int"])]
    )
    b.func("__bpf_trace_visit", named, 0)
    b.typedef("btf_trace_bare", b.ptr(b.func_proto(0, [("", ids["void_ptr"])])))
    return b, ids


@pytest.fixture(scope="session")
def animals() -> tuple[Btf, dict[str, int]]:
    builder, ids = zoo()
    return Btf(builder.build()), ids
