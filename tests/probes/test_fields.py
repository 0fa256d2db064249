"""Types of tracepoint fields, with and without the kernel's own types."""

from __future__ import annotations

import pytest

from prybee.btf import Btf, BtfBuilder
from prybee.language.kernel_types import TypeTable
from prybee.language.types import (
    BOOL,
    INT8,
    INT32,
    INT64,
    KERNEL,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    USER,
    VOID,
    ArrayType,
    EnumType,
    PointerType,
    StringType,
    StructType,
    Type,
)
from prybee.plan.target import TracepointField
from prybee.probes.fields import field_type
from tests.fixtures.table_target import field


@pytest.fixture(scope="module")
def types() -> TypeTable:
    builder = BtfBuilder()
    u32 = builder.int("unsigned int", 4, signed=False)
    builder.struct("thing", 8, [("a", u32, 0), ("b", u32, 32)])
    builder.enum("mode", [("SLOW", 0), ("FAST", 1)])
    builder.typedef("flags_word", u32)
    return TypeTable(Btf(builder.build()))


THING = StructType("struct", "thing", 8)

CASES: list[tuple[TracepointField, Type]] = [
    (field("f", "int", 8, 4, signed=True), INT32),
    (field("f", "unsigned int", 8, 4), UINT32),
    (field("f", "long", 8, 8, signed=True), INT64),
    # A system call's argument: 8 bytes, whatever its C type.
    (field("f", "int", 8, 8), UINT64),
    (field("f", "umode_t", 8, 2), UINT16),
    (field("f", "char", 8, 1, signed=True), INT8),
    (field("f", "bool", 8, 1), BOOL),
    (field("f", "char", 8, 16, array=16), StringType(16)),
    (field("f", "u8", 8, 6, array=6), ArrayType(UINT8, 6)),
    (field("f", "unsigned long", 8, 48, array=6), ArrayType(UINT64, 6)),
    (field("f", "char[]", 8, 4, array=-1, location="__data_loc"), PointerType(INT8, KERNEL)),
    (field("f", "u32[]", 8, 4, array=-1, location="__rel_loc"), PointerType(UINT32, KERNEL)),
    (field("f", "__data_loc char[]", 8, 4, location="__data_loc"), PointerType(INT8, KERNEL)),
    (field("f", "const char *", 8, 8), PointerType(INT8, USER)),
    (field("f", "const char * const *", 8, 8), PointerType(PointerType(INT8, USER), USER)),
    (field("f", "char **", 8, 8), PointerType(PointerType(INT8, USER), USER)),
    (field("f", "void *", 8, 8), PointerType(VOID, USER)),
    (field("f", "struct thing *", 8, 8), PointerType(THING, USER)),
    (field("f", "const struct thing __user *", 8, 8), PointerType(THING, USER)),
    (field("f", "struct thing", 8, 8), THING),
    (field("f", "struct unknown *", 8, 8), PointerType(VOID, USER)),
    (field("f", "flags_word", 8, 4), UINT32),
    (field("f", "unknown_type", 8, 4, signed=True), INT32),
    (field("f", "unknown_type", 8, 24), ArrayType(UINT8, 24)),
    # The types know another size: what the record says counts.
    (field("f", "enum mode", 8, 8), UINT64),
    (field("f", "struct thing", 8, 16), ArrayType(UINT8, 16)),
]


@pytest.mark.parametrize(("given", "expected"), CASES, ids=lambda x: getattr(x, "type", ""))
def test_types(types: TypeTable, given: TracepointField, expected: Type) -> None:
    assert field_type(given, types, USER) == expected


def test_enums_have_their_names(types: TypeTable) -> None:
    found = field_type(field("f", "enum mode", 8, 4), types, KERNEL)
    assert isinstance(found, EnumType)
    assert found.values == ((0, "SLOW"), (1, "FAST"))


def test_without_types_sizes_are_enough() -> None:
    nothing = TypeTable(None)
    assert field_type(field("f", "enum mode", 8, 4), nothing, KERNEL) == UINT32
    assert field_type(field("f", "struct thing *", 8, 8), nothing, KERNEL) == PointerType(
        VOID, KERNEL
    )
    assert field_type(field("f", "flags_word", 8, 4), nothing, KERNEL) == UINT32
    for given, expected in CASES:
        if "thing" not in given.type:
            assert field_type(given, nothing, USER).size == expected.size
