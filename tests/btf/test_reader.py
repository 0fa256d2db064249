# ruff: noqa: A001, A002 - "id" and "type" are the words of BTF
from __future__ import annotations

import struct
from array import array

import pytest

from prybee.btf import Btf, BtfBuilder, BtfError, IntInfo, Member, Parameter, SectionVariable, Tag


def member(btf, of, path):
    found = btf.member(of, path)
    return None if found is None else (found.name, found.bit_offset, found.bit_size)


def test_every_kind_has_its_word(animals):
    btf, ids = animals
    expected = {
        "int": "int", "u32": "typedef", "const_u32": "const", "volatile": "volatile",
        "comm": "array", "fwd": "fwd", "fwd_ptr": "ptr", "node": "struct", "color": "enum",
        "big": "enum64", "proto": "func_proto", "func": "func", "var": "var",
        "datasec": "datasec", "float": "float", "tag": "decl_tag", "type_tag": "type_tag",
        "restrict": "restrict",
    }  # fmt: skip
    assert {name: btf.kind(ids[name]) for name in expected} == expected
    assert btf.kind(0) == "void"
    assert btf.name(0) == "void"
    assert len(btf) == max(btf.ids()) + 1


def test_sizes(animals):
    btf, ids = animals
    expected = {
        "int": 4, "char": 1, "u32": 4, "volatile": 4, "comm": 16, "grid": 24, "fwd": 0,
        "fwd_ptr": 8, "node": 56, "bits": 4, "color": 4, "big": 8, "func": 0, "proto": 0,
        "var": 4, "datasec": 4, "float": 8, "restrict": 8,
    }  # fmt: skip
    assert {name: btf.size(ids[name]) for name in expected} == expected
    assert btf.size(0) == 0


def test_find_by_name_and_kind(animals):
    btf, ids = animals
    assert btf.find("node") == btf.find("node", "struct") == ids["node"]
    assert btf.find("node", "union") == 0
    assert btf.find("other") == btf.find("other", "fwd") == ids["fwd"]
    assert btf.find("other", "struct") == 0
    assert btf.find("color", "enum") == ids["color"]
    assert btf.find("big", "enum") == btf.find("big", "enum64") == ids["big"]
    assert btf.find("big", "struct") == 0
    assert btf.find("") == btf.find("nod") == btf.find("ode") == btf.find("no\0de") == 0
    assert btf.function("lookup") == ids["func"]
    with pytest.raises(BtfError, match="unknown kind 'class'; the kinds are: void, int"):
        btf.find("node", "class")


def test_a_full_type_is_preferred_to_its_declaration():
    b = BtfBuilder()
    b.fwd("thing")
    b.typedef("same", 0)
    full = b.struct("thing", 0, [])
    union = b.union("same", 0, [])
    btf = Btf(b.build())
    assert btf.find("thing") == full
    assert btf.find_all("thing") == (1, full)
    assert btf.find("same", "union") == union


def test_names_by_glob(animals):
    btf, _ = animals
    assert btf.names("struct") == ["bits", "empty", "node", "sub"]
    assert btf.names("typedef", "btf_trace_*") == ["btf_trace_bare", "btf_trace_visit"]
    assert btf.names("enum") == ["big", "color"]
    assert btf.names("struct", "?ub") == ["sub"]
    assert btf.names("struct", "[bn]*s") == ["bits"]
    assert btf.names("func", "nothing") == []


def test_names_beyond_ascii():
    b = BtfBuilder()
    b.struct("größe", 0, [])
    btf = Btf(b.build())
    assert btf.names("struct") == btf.names("struct", "gr*e") == ["größe"]
    assert btf.find("größe") == 1


def test_targets_and_stripping(animals):
    btf, ids = animals
    unsigned = btf.target(ids["u32"])
    assert btf.name(unsigned) == "unsigned int"
    assert btf.strip(ids["volatile"]) == unsigned
    assert btf.strip_modifiers(ids["volatile"]) == ids["u32"]
    assert btf.target(ids["comm"]) == ids["char"]
    assert btf.target(ids["func"]) == ids["proto"]
    assert btf.target(ids["var"]) == ids["u32"]
    assert btf.target(ids["node"]) == btf.target(ids["int"]) == btf.target(0) == 0
    assert btf.strip(ids["type_tag"]) == ids["char"]
    assert btf.strip(0) == 0


def test_integers_arrays_enums(animals):
    btf, ids = animals
    assert btf.int_info(ids["int"]) == IntInfo(4, True, False, False)
    assert btf.int_info(ids["volatile"]) == IntInfo(4, False, False, False)
    assert btf.int_info(ids["bool"]) == IntInfo(1, False, True, False)
    assert btf.int_info(ids["char"]).is_char
    assert not btf.int_info(ids["u8"]).is_char
    assert btf.array_info(ids["comm"]) == (ids["char"], 16)
    assert btf.enumerators(ids["color"]) == (("RED", 0), ("GREEN", 1), ("LAST", -1))
    assert btf.enumerators(ids["big"]) == (("HUGE", 1 << 40), ("ALL", (1 << 64) - 1))
    assert btf.enum_info(ids["color"]) == (4, True)
    assert btf.enum_info(ids["big"]) == (8, False)
    assert btf.enumerator("GREEN") == (1, ids["color"])
    assert btf.enumerator("LAST") == (-1, ids["color"])
    assert btf.enumerator("LOW") == (-(1 << 40), ids["big_signed"])
    assert btf.enumerator("node") is None
    assert btf.enumerator("") is None


def test_members(animals):
    btf, ids = animals
    names = [m.name for m in btf.members(ids["node"])]
    assert names == ["next", "comm", "", "sub", "callback"]
    assert [(m.name, m.offset) for m in btf.flat_members(ids["node"])] == [
        ("next", 0), ("comm", 8), ("whole", 24), ("left", 24), ("right", 28), ("sub", 32),
        ("callback", 48),
    ]  # fmt: skip
    assert member(btf, ids["node"], "right") == ("right", 224, 0)
    assert member(btf, ids["node"], "sub.deep.right") == ("right", 288, 0)
    assert member(btf, ids["node"], "sub.nothing") is None
    assert member(btf, ids["node"], "") is None
    with pytest.raises(BtfError, match="int 'int'\\) is not a struct or union"):
        btf.member(ids["node"], "left.right")
    with pytest.raises(BtfError, match="fwd 'other'\\) is not a struct or union"):
        btf.members(ids["fwd"])


def test_bitfields(animals):
    btf, ids = animals
    assert btf.members(ids["bits"])[2] == Member("high", ids["u32"], 5, 27)
    assert [m.name for m in btf.flat_members(ids["bits"])] == ["low", "high"]


def test_bitfields_as_old_compilers_marked_them():
    b = BtfBuilder()
    plain = b.int("int", 4)
    b._types[-1] = struct.pack("4I", b.string("int"), 1 << 24, 4, 5 << 16 | 3)
    b.struct("old", 4, [("a", plain, 8)])
    assert Btf(b.build()).members(2) == (Member("a", plain, 13, 3),)


def test_functions(animals):
    btf, ids = animals
    node_ptr = ids["node"] + 1
    wanted = (Parameter("n", node_ptr), Parameter("len", ids["long"]))
    assert btf.parameters(ids["func"]) == btf.parameters(ids["proto"]) == wanted
    assert btf.returns(ids["func"]) == ids["void_ptr"]
    assert btf.linkage(ids["func"]) == 0
    assert btf.linkage(ids["var"]) == 1
    assert not btf.variadic(ids["func"])
    callback = btf.target(ids["callback"])
    assert btf.variadic(callback)
    assert [p.name for p in btf.parameters(callback)] == ["self", ""]
    with pytest.raises(BtfError, match="is not a function"):
        btf.parameters(ids["node"])


def test_tracepoints(animals):
    btf, ids = animals
    assert btf.tracepoint_type("visit") == ids["trace"]
    assert btf.tracepoint_parameters("visit") == (
        Parameter("n", ids["node"] + 1),
        Parameter("depth", ids["int"]),
    )
    assert btf.tracepoint_parameters("bare") == ()
    assert btf.tracepoint_parameters("nothing") is None


def test_sections_and_tags(animals):
    btf, ids = animals
    assert btf.section(ids["datasec"]) == (SectionVariable(ids["var"], 0, 4),)
    assert btf.tags(ids["func"]) == (Tag("bpf_kfunc", -1), Tag("arg:nullable", 1))
    assert btf.tags(ids["node"]) == ()
    assert btf.is_union(ids["fwd_union"])
    assert not btf.is_union(ids["fwd"])


@pytest.mark.parametrize("question", ["kind", "name", "size", "strip", "members", "type_name"])
@pytest.mark.parametrize("id", [-1, 10_000, 1 << 40])
def test_an_id_that_does_not_exist(animals, question, id):
    btf, _ = animals
    with pytest.raises(BtfError, match=f"there is no type {id}"):
        getattr(btf, question)(id)


def test_split_btf(animals):
    base, ids = animals
    b = BtfBuilder(base)
    extra = b.struct("extra", 8, [("n", ids["node"] + 1, 0), ("RED_too", ids["u32"], 64)])
    # a name that only the base's strings hold
    again = b.enum("", [("PURPLE", 7)])
    raw = bytearray(b.build())
    struct.pack_into("I", raw, 24 + len(b._types[0]), base_offset(base, "node"))
    split = Btf(bytes(raw), base)
    assert extra == len(base)
    assert len(split) == len(base) + 2
    assert split.find("extra") == extra
    assert split.find("bits") == ids["bits"]
    assert split.find_all("node") == (ids["node"], again)
    assert split.name(again) == "node"
    assert split.member(extra, "n").type == ids["node"] + 1
    assert split.type_name(split.member(extra, "n").type) == "struct node *"
    assert split.enumerator("PURPLE") == (7, again)
    assert split.enumerator("RED") == (0, ids["color"])
    assert split.names("struct") == ["bits", "empty", "extra", "node", "sub"]
    assert split.own_names("struct") == {"extra"}
    assert list(split.ids("struct")) == [extra]
    assert split.tags(ids["func"])[0].value == "bpf_kfunc"
    with pytest.raises(BtfError):
        split.kind(len(split))


def base_offset(base: Btf, name: str) -> int:
    return next(iter(base._string_offsets(name)))


def test_strings_shared_as_tails():
    b = BtfBuilder()
    offset = b.string("unsigned_thing")
    b.struct("x", 0, [])
    raw = bytearray(b.build())
    struct.pack_into("I", raw, 24, offset + len("unsigned_"))
    btf = Btf(bytes(raw))
    assert btf.name(1) == "thing"
    assert btf.find("thing") == 1
    assert btf.names("struct") == ["thing"]


def test_the_other_byte_order():
    values = [("A", 5), ("B", -6)]
    blobs = []
    for order in ("little", "big"):
        b = BtfBuilder(order=order)
        number = b.int("int", 4, signed=True)
        b.struct("s", 4, [("low", number, 0, 3), ("high", number, 3, 29)])
        b.enum("e", values, signed=True)
        blobs.append(Btf(b.build()))
    little, big = blobs
    assert big._data[:2] == b"\xeb\x9f"
    for id in range(1, 4):
        assert little.definition(id) == big.definition(id)
    assert big.find("e") == 3
    assert big.enumerator("B") == (-6, 3)


def test_a_longer_header_and_wide_fields():
    """Newer kernels: 32 bytes of header, 24 bits of vlen, 7 bits of kind."""
    b = BtfBuilder()
    b.enum("many", [(f"E{i}", i) for i in range(0xFFFF)])
    raw = b.build()
    words = array("I", raw[24 : 24 + 12 + 8 * 0xFFFF])
    words.extend((b.string("E0"), 77))
    words[1] += 1
    types = words.tobytes()
    strings = raw[24 + 12 + 8 * 0xFFFF :]
    header = struct.pack(
        "HBBIIIIIII", 0xEB9F, 1, 0, 32, 0, len(types), len(types), len(strings), 0, 0
    )
    btf = Btf(header + types + strings)
    assert len(btf.enumerators(1)) == 0x10000
    assert btf.enumerators(1)[-1] == ("E0", 77)


def test_memory_of_other_kinds(animals):
    btf, ids = animals
    raw = bytes(btf._data)
    for data in (bytearray(raw), memoryview(raw)):
        assert Btf(data).find("node") == ids["node"]


def test_open(tmp_path, animals):
    btf, ids = animals
    path = tmp_path / "some.btf"
    path.write_bytes(bytes(btf._data))
    assert Btf.open(str(path)).find("node") == ids["node"]
    with pytest.raises(BtfError, match=r"cannot read .*none: No such file or directory"):
        Btf.open(str(tmp_path / "none"))
    path.write_bytes(b"\x7fELF" + bytes(60))
    with pytest.raises(BtfError, match=r"some.btf: starts with 7f45, which is not BTF's"):
        Btf.open(str(path))
