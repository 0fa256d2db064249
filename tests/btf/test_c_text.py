"""Golden C text."""

# ruff: noqa: A001, A002 - "id" and "type" are the words of BTF
from __future__ import annotations

import pytest

from prybee.btf import Btf, BtfBuilder, BtfError


@pytest.mark.parametrize(
    ("type", "name", "expected"),
    [
        ("int", "", "int"),
        ("int", "x", "int x"),
        ("volatile", "v", "volatile const u32 v"),
        ("comm", "comm", "char comm[16]"),
        ("comm", "", "char[16]"),
        ("grid", "g", "int g[2][3]"),
        ("fwd_ptr", "p", "struct other *p"),
        ("fwd_ptr", "", "struct other *"),
        ("fwd_union", "", "union either"),
        ("callback", "f", "int (*f)(void *self, int, ...)"),
        ("callback", "", "int (*)(void *self, int, ...)"),
        ("void_ptr", "", "void *"),
        ("color", "c", "enum color c"),
        ("big", "c", "enum big c"),
        ("user_ptr", "", "char *"),
        ("restrict", "s", "char * restrict s"),
        ("func", "lookup", "void *lookup(struct node *n, long int len)"),
    ],
)
def test_declarations(animals, type, name, expected):
    btf, ids = animals
    assert btf.declaration(ids[type], name) == expected


def test_declarators_inside_out():
    b = BtfBuilder()
    number = b.int("int", 4, signed=True)
    pointer = b.ptr(number)
    array = b.array(pointer, 4, number)
    assert Btf(b.build()).type_name(array) == "int *[4]"
    to_array = b.ptr(b.array(number, 4, number))
    const_pointer = b.const(b.ptr(b.const(number)))
    twice = b.ptr(const_pointer)
    signal = b.func_proto(b.ptr(b.func_proto(0, [("", number)])), [("sig", number)])
    handlers = b.array(b.ptr(b.func_proto(0)), 3, number)
    const_array = b.const(b.array(number, 0, number))
    btf = Btf(b.build())
    assert btf.declaration(to_array, "p") == "int (*p)[4]"
    assert btf.declaration(to_array, "") == "int (*)[4]"
    assert btf.declaration(const_pointer, "p") == "const int * const p"
    assert btf.declaration(const_pointer, "") == "const int * const"
    assert btf.declaration(twice, "p") == "const int * const *p"
    assert btf.declaration(signal, "signal") == "void (*signal(int sig))(int)"
    assert btf.declaration(handlers, "h") == "void (*h[3])(void)"
    assert btf.declaration(const_array, "tail") == "int tail[0]"


NODE = """\
struct node {
	struct node *next;
	char comm[16];
	union {
		long int whole;
		struct {
			int left;
			int right;
		};
	};
	struct sub sub;
	int (*callback)(void *self, int, ...);
};"""


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        ("node", NODE),
        ("bits", "struct bits {\n\tint low: 3;\n\tint: 2;\n\tu32 high: 27;\n};"),
        ("color", "enum color {\n\tRED = 0,\n\tGREEN = 1,\n\tLAST = -1,\n};"),
        ("big", "enum big {\n\tHUGE = 1099511627776ULL,\n\tALL = 18446744073709551615ULL,\n};"),
        ("big_signed", "enum {\n\tLOW = -1099511627776LL,\n};"),
        (
            "sub",
            (
                "struct sub {\n\tunsigned char a;\n"
                "\tstruct {\n\t\tint left;\n\t\tint right;\n\t} deep;\n};"
            ),
        ),
        ("u32", "typedef unsigned int u32;"),
        ("func", "void *lookup(struct node *n, long int len);"),
        ("var", "u32 counter;"),
        ("fwd", "struct other;"),
        ("empty", "struct empty {};"),
    ],
)  # fmt: skip
def test_definitions(animals, type, expected):
    btf, ids = animals
    assert btf.definition(ids[type]) == expected


def test_definition_of_a_typedef_of_something_anonymous():
    b = BtfBuilder()
    number = b.int("int", 4, signed=True)
    b.typedef("atomic_t", b.struct("", 4, [("counter", number, 0)]))
    assert Btf(b.build()).definition(3) == "typedef struct {\n\tint counter;\n} atomic_t;"


def test_types_that_never_end():
    b = BtfBuilder()
    b.ptr(1)
    b.typedef("loop", 3)
    b.const(2)
    b.array(4, 2)
    b.struct("", 8, [("", 5, 0)])
    b.func_proto(6, [("", 6)])
    btf = Btf(b.build())
    assert btf.type_name(3) == "const loop"
    for id in (1, 4, 6):
        with pytest.raises(BtfError, match="types refer to each other"):
            btf.type_name(id)
    for id in (2, 3, 4):
        with pytest.raises(BtfError, match="types refer to each other"):
            btf.size(id)
    with pytest.raises(BtfError, match="nested too deeply"):
        btf.flat_members(5)
    with pytest.raises(BtfError, match="refer to each other"):
        btf.definition(5)


def test_nesting_that_doubles_at_each_level():
    b = BtfBuilder()
    number = b.int("int", 4)
    inner = number
    for _ in range(30):
        name = "x" if inner == number else ""
        inner = b.struct("", 8, [(name, inner, 0), (name, inner, 32)])
    btf = Btf(b.build())
    with pytest.raises(BtfError, match="nested too deeply"):
        btf.flat_members(inner)
    with pytest.raises(BtfError, match="too large to be written out"):
        btf.definition(inner)
    protos = BtfBuilder()
    last = 0
    for _ in range(31):
        last = protos.func_proto(last, [("", last), ("", last)])
    with pytest.raises(BtfError, match="too large"):
        Btf(protos.build()).type_name(last)
