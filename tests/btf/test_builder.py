# ruff: noqa: A001 - "id" and "type" are the words of BTF
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prybee.btf import Btf, BtfBuilder, BtfError

from . import naive

names = st.text("abcdefghij_", min_size=1, max_size=6)
ids = st.integers(0, 40)
u32 = st.integers(0, (1 << 32) - 1)

steps = st.one_of(
    st.tuples(st.just("int"), names, st.sampled_from([1, 2, 4, 8, 16]), st.booleans()),
    st.tuples(st.sampled_from(["ptr", "const", "volatile", "restrict"]), ids),
    st.tuples(st.sampled_from(["typedef", "type_tag", "decl_tag"]), names, ids),
    st.tuples(st.just("array"), ids, u32),
    st.tuples(
        st.sampled_from(["struct", "union"]), names, u32,
        st.lists(st.tuples(names, ids, st.integers(0, 0xFFFFFF), st.integers(0, 255)), max_size=5),
    ),
    st.tuples(
        st.just("enum"), names,
        st.lists(st.tuples(names, st.integers(-(1 << 31), (1 << 31) - 1)), max_size=5),
    ),
    st.tuples(
        st.just("enum64"), names,
        st.lists(st.tuples(names, st.integers(-(1 << 63), (1 << 63) - 1)), max_size=5),
    ),
    st.tuples(
        st.just("func_proto"), ids,
        st.lists(st.tuples(names, st.integers(1, 40)), max_size=5), st.booleans(),
    ),
    st.tuples(st.just("func"), names, ids, st.integers(0, 2)),
    st.tuples(st.just("var"), names, ids, st.integers(0, 2)),
    st.tuples(st.just("datasec"), names, u32, st.lists(st.tuples(ids, u32, u32), max_size=4)),
    st.tuples(st.just("float"), names, st.sampled_from([4, 8])),
    st.tuples(st.just("fwd"), names, st.booleans()),
)  # fmt: skip


def add(b: BtfBuilder, step: tuple) -> int:
    kind, *arguments = step
    if kind in ("enum", "enum64"):
        return getattr(b, kind)(*arguments, signed=True)
    return getattr(b, kind)(*arguments)


def ends(plan: list, number: int) -> bool:
    """Whether the names and modifiers from a type on lead to a type that there is."""
    for _ in range(len(plan) + 1):
        if number == 0:
            return True
        if number > len(plan):
            return False
        kind, *arguments = plan[number - 1]
        if kind not in ("typedef", "const", "volatile", "restrict", "type_tag"):
            return True
        number = arguments[-1]
    return False


@given(st.lists(steps, max_size=20))
@settings(max_examples=150, deadline=None)
def test_what_is_built_is_read(plan):
    b = BtfBuilder()
    for number, step in enumerate(plan, 1):
        assert add(b, step) == number
    raw = b.build()
    btf = Btf(raw)
    assert len(btf) == len(plan) + 1
    plain = naive.parse(raw)
    for id, step in enumerate(plan, 1):
        kind = step[0]
        assert btf.kind(id) == plain[id]["kind"] == kind
        assert btf.name(id) == plain[id]["name"]
        if btf.name(id):
            assert id in btf.find_all(btf.name(id))
            assert btf.name(id) in btf.names(kind)
        composite = kind in ("struct", "union")
        bitfields = composite and any(bit_size for *_, bit_size in step[3])
        if composite and not bitfields and not all(ends(plan, m[1]) for m in step[3]):
            # Where kind_flag is clear, a member's type is looked at: it may be an odd integer.
            with pytest.raises(BtfError):
                btf.members(id)
        elif composite:
            assert [(m.name, m.type, m.bit_offset, m.bit_size) for m in btf.members(id)] == step[3]
        elif kind in ("enum", "enum64"):
            assert btf.enumerators(id) == tuple(step[2])
            for name, value in step[2]:
                assert btf.enumerator(name) is not None
                assert (name, value) in btf.enumerators(id)
        elif kind == "func_proto":
            assert [(p.name, p.type) for p in btf.parameters(id)] == step[2]
            assert btf.variadic(id) == step[3]
        elif kind == "datasec":
            assert [(v.type, v.offset, v.size) for v in btf.section(id)] == step[3]
        elif kind == "array":
            assert btf.array_info(id) == (step[1], step[2])


def test_strings_are_kept_once():
    b = BtfBuilder()
    assert b.string("") == 0
    first = b.string("line of the script — ü")
    assert b.string("line of the script — ü") == first
    assert Btf(b.build()).string(first) == "line of the script — ü"


def test_ids_may_be_used_before_they_exist():
    b = BtfBuilder()
    assert len(b) == 1
    assert b.ptr(2) == 1
    assert b.struct("s", 8, [("self", 1, 0)]) == 2
    assert Btf(b.build()).type_name(1) == "struct s *"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda b: b.string("a\0b"), "holds a NUL"),
        (lambda b: b.ptr(-1), "is not a 32-bit word"),
        (lambda b: b.struct("s", 1 << 32, []), "s: a value of .* is not a 32-bit word"),
        (lambda b: b.struct("s", 8, [("x", 1, 1 << 24, 3)]), r"s\.x: bit offset 16777216"),
        (lambda b: b.enum("e", [(f"e{i}", i) for i in range(70_000)]), "70000 entries"),
    ],
)
def test_what_cannot_be_built(build, message):
    with pytest.raises(BtfError, match=message):
        build(BtfBuilder())
