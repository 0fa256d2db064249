"""The kernel's types as the language sees them, from BTF."""

from __future__ import annotations

import os

import pytest

from prybee.btf import Btf, BtfBuilder
from prybee.diagnostics import Source
from prybee.language.c.declarations import Types
from prybee.language.c.lexer import tokens
from prybee.language.kernel_types import TypeTable
from prybee.language.parser import parse
from prybee.language.types import (
    BOOL,
    INT8,
    INT32,
    UINT16,
    UINT32,
    UINT64,
    VOID,
    ArrayType,
    EnumType,
    PointerType,
    StringType,
    StructType,
)


def built() -> Btf:
    b = BtfBuilder()
    number = b.int("int", 4, signed=True)
    small = b.int("unsigned short", 2, signed=False)
    char = b.int("char", 1, signed=True)
    text = b.array(char, 16)
    numbers = b.array(small, 3)
    inner = b.struct("inner", 8, [("x", number, 0), ("y", number, 32)])
    unnamed = b.struct("", 8, [("p", number, 0), ("q", number, 32)])
    b.struct(
        "outer",
        64,
        [
            ("a", number, 0),
            ("name", text, 32),
            ("in", inner, 192),
            ("", unnamed, 256),
            ("v", numbers, 320),
            ("next", b.ptr(inner), 384),
            ("nothing", b.ptr(0), 448),
        ],
    )
    return Btf(b.build())


@pytest.fixture(scope="module")
def types() -> TypeTable:
    return TypeTable(built())


def test_members(types: TypeTable) -> None:
    outer = types.named("struct outer")
    assert isinstance(outer, StructType)
    assert (outer.size, str(outer)) == (64, "struct outer")
    shown = {name: (m.offset, str(m.type)) for name, m in outer.members.items()}
    assert shown == {
        "a": (0, "int32"),
        "name": (4, "string[16]"),
        "in": (24, "struct inner"),
        "p": (32, "int32"),
        "q": (36, "int32"),
        "v": (40, "uint16[3]"),
        "next": (48, "struct inner *"),
        "nothing": (56, "void *"),
    }
    assert outer.members["v"].type == ArrayType(UINT16, 3)
    assert outer.members["name"].type == StringType(16)


def test_the_same_type_is_the_same_object(types: TypeTable) -> None:
    outer = types.find("struct", "outer")
    assert isinstance(outer, StructType)
    following = outer.members["next"].type
    assert isinstance(following, PointerType)
    assert following.target is types.find("struct", "inner")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int", INT32),
        ("unsigned int", UINT32),
        ("long unsigned int", UINT64),
        ("u64", UINT64),
        ("pid_t", INT32),
        ("bool", BOOL),
        ("char *", PointerType(INT8)),
        ("const char *", PointerType(INT8)),
        ("void *", PointerType(VOID)),
        ("int64", None),
        ("struct nothing", None),
        ("nothing", None),
    ],
)
def test_named(types: TypeTable, text: str, expected: object) -> None:
    found = types.named(text)
    if text == "int64":
        assert str(found) == "int64"
    else:
        assert found == expected


def test_known(types: TypeTable) -> None:
    assert types.known("int32")
    assert types.known("size_t")
    assert not types.known("outer")
    assert not types.known("nothing")


def test_the_scripts_own_types_come_first() -> None:
    source = Source(
        "stdin", "struct inner { char only; }; struct user { struct outer o; }; begin {}"
    )
    types = TypeTable(built(), source, parse(source).c_part)
    inner = types.find("struct", "inner")
    assert inner is not None
    assert inner.size == 1
    user = types.find("struct", "user")
    assert user is not None
    assert user.size == 64


def test_types_are_read_only_when_wanted() -> None:
    asked: list[bool] = []

    def read() -> Btf:
        asked.append(True)
        return built()

    types = TypeTable(read)
    assert types.find("", "int32") is not None
    assert asked == []
    assert types.find("struct", "outer") is not None
    assert types.find("struct", "inner") is not None
    assert asked == [True]


# -- the running kernel ---------------------------------------------------------------------------

live = pytest.mark.skipif(
    not os.access("/sys/kernel/btf/vmlinux", os.R_OK), reason="this kernel offers no BTF"
)


@pytest.fixture(scope="module")
def kernel() -> TypeTable:
    return TypeTable(Btf.vmlinux)


@live
def test_structs_of_the_kernel(kernel: TypeTable) -> None:
    task = kernel.named("struct task_struct")
    assert isinstance(task, StructType)
    assert str(task.members["comm"].type) == "string[16]"
    assert str(task.members["pid"].type) == "int32"
    assert str(task.members["parent"].type) == "struct task_struct *"
    assert task.members["in_execve"].bit_size == 1
    inode = kernel.named("struct inode")
    assert isinstance(inode, StructType)
    # Through a union without a name.
    assert "i_nlink" in inode.members


@live
def test_enumerators_of_the_kernel(kernel: TypeTable) -> None:
    found = kernel.enumerator("TCP_ESTABLISHED")
    assert found is not None
    value, type_ = found
    assert value == 1
    assert isinstance(type_, EnumType)
    assert (1, "TCP_ESTABLISHED") in type_.values
    assert kernel.enumerator("NO_SUCH_ENUMERATOR") is None


@live
@pytest.mark.parametrize(
    "name",
    [
        "inode",
        "file",
        "list_head",
        "qstr",
        "sock_common",
        "timespec64",
        "rusage",
        "iovec",
        "tcphdr",
    ],
)
def test_c_text_of_the_kernels_structs_gives_the_same_layout(kernel: TypeTable, name: str) -> None:
    btf = kernel.btf
    assert btf is not None
    theirs = kernel.find("struct", name)
    assert isinstance(theirs, StructType)
    parsed = Types(
        lambda n: (kernel.enumerator(n) or (None,))[0], lambda tag, n: kernel.find(tag, n)
    )
    parsed.parse(tokens(btf.definition(btf.find(name, "struct"))))
    ours = parsed.types[f"struct {name}"]
    assert isinstance(ours, StructType)
    assert ours.size == theirs.size
    assert [(m.name, m.offset, m.bit_offset, m.bit_size) for m in ours.members.values()] == [
        (m.name, m.offset, m.bit_offset, m.bit_size) for m in theirs.members.values()
    ]
