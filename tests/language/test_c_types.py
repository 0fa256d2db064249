"""The C part: layouts against gcc, constants, conditionals, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from prybee.diagnostics import ScriptError, Source
from prybee.language import tree
from prybee.language.c.declarations import Types
from prybee.language.c.expressions import Evaluator
from prybee.language.c.layout import alignment
from prybee.language.c.lexer import CError, tokens
from prybee.language.c.part import CText
from prybee.language.kernel_types import TypeTable
from prybee.language.parser import parse
from prybee.language.types import ArrayType, EnumType, PointerType, StringType, StructType
from tests.language.running import compile_text

if TYPE_CHECKING:
    from pathlib import Path

STRUCTS = """
struct plain { char a; int b; short c; long d; char e; };
struct packed { char a; int b; short c; long d; } __attribute__((packed));
struct aligned { char a; int b __attribute__((aligned(16))); char c; } __attribute__((aligned(32)));
struct arrays { char name[5]; int v[3]; unsigned char mac[6]; short m[2][3]; long long tail; };
struct pointers { void *a; char c; struct pointers *next; int (*fn)(int, void *); char d; };
struct inner { short x; char y; };
struct nested { char a; struct inner b; struct inner c[2]; long d; };
struct anonymous { int a; union { long b; char c[12]; struct { short d, e; }; }; char f; };
union both { int a; char b[7]; long c; };
struct bits { int a : 3; unsigned b : 7; int c : 30; long d : 5; char e; unsigned f : 1; };
struct bits2 { char a : 4; char b : 5; short c : 9; int : 0; int d : 2; long e : 40; long f : 30; };
struct bits3 { unsigned char a : 1, b : 1; unsigned short c : 15; int d; } __attribute__((packed));
enum color { RED, GREEN = 5, BLUE, MINUS = -1, };
struct withenum { char a; enum color b; unsigned long long c; _Bool d; signed char e; };
struct kernel { __u8 a; __u32 b; u16 c; s64 d; size_t e; pid_t f; uint8_t g; int64_t h; };
struct flexible { int n; long v[]; };
struct many { unsigned a, *b, c[2]; const char *const d; volatile int e; };
"""
# Names that the C library's headers do not have.
GLUE = """
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <linux/types.h>
typedef uint16_t u16;
typedef int64_t s64;
"""


def definitions(text: str = STRUCTS) -> Types:
    source = Source("stdin", text + "begin { }")
    found = Types(lambda _name: None, lambda _tag, _name: None)
    for node in parse(source).c_part:
        assert isinstance(node, tree.CDefinition)
        found.parse(tokens(node.text))
    return found


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to compare with")
def test_layouts_are_those_of_gcc(tmp_path: Path) -> None:
    ours: list[str] = []
    lines: list[str] = []
    for full, type_ in definitions().types.items():
        if not isinstance(type_, StructType):
            continue
        ours.append(f"{full} {type_.size} {alignment(type_)}")
        lines.append(f'printf("{full} %zu %zu\\n", sizeof({full}), _Alignof({full}));')
        for member in type_.members.values():
            ours.append(f"{full}.{member.name} {member.offset} {member.bit_offset} "
                        f"{member.bit_size}")  # fmt: skip
            if member.bit_size:
                lines.append(f"BITS({full}, {member.name})")
            else:
                lines.append(
                    f'printf("{full}.{member.name} %zu 0 0\\n", offsetof({full}, {member.name}));'
                )
    # Where the ones are after setting a bitfield to all ones.
    bits = """
#define BITS(T, M) { T v; unsigned char *p = (void *)&v; size_t first = 0, n = 0; \\
  memset(&v, 0, sizeof v); v.M = -1; \\
  for (size_t i = 0; i < sizeof v * 8; i++) if (p[i / 8] >> i % 8 & 1) { if (!n++) first = i; } \\
  printf(#T "." #M " %zu %zu %zu\\n", first / 8, first % 8, n); }
"""
    program = GLUE + STRUCTS + bits + "int main(void) {\n" + "\n".join(lines) + "\nreturn 0; }\n"
    (tmp_path / "layout.c").write_text(program)
    subprocess.run(
        ["gcc", "-w", "-o", str(tmp_path / "layout"), str(tmp_path / "layout.c")], check=True
    )
    theirs = subprocess.run(
        [str(tmp_path / "layout")], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert ours == theirs


def test_members_have_the_languages_types() -> None:
    types = definitions().types
    arrays = types["struct arrays"]
    assert isinstance(arrays, StructType)
    assert isinstance(arrays.members["name"].type, StringType)
    assert isinstance(arrays.members["mac"].type, ArrayType)
    assert str(arrays.members["m"].type) == "int16[3][2]"
    pointers = types["struct pointers"]
    assert isinstance(pointers, StructType)
    following = pointers.members["next"].type
    assert isinstance(following, PointerType)
    assert following.target is pointers
    assert str(pointers.members["fn"].type) == "void *"
    color = types["enum color"]
    assert isinstance(color, EnumType)
    assert color.values == ((0, "RED"), (5, "GREEN"), (6, "BLUE"), (-1, "MINUS"))
    assert color.signed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 << 4) | 0x0f", 31),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("1 ? 2 : 3", 2),
        ("5 > 3 && !0", 1),
        ("~0 & 0xff", 255),
        ("0755UL", 493),
        ("'a'", 97),
        (r"'\n'", 10),
        ("(unsigned char)300", 44),
        ("(int)0xffffffff", -1),
        ("A + 1", 8),
        ("~0U", (1 << 32) - 1),
        ("~0UL", (1 << 64) - 1),
        ("-1 > 0u", 1),
        ("2147483647 * 2U + 1U", (1 << 32) - 1),
        ("0x80000000 >> 31", 1),
        ("-1 >> 1", -1),
        ("1 << 31", -(1 << 31)),
        ("1L << 31", 1 << 31),
        ("(unsigned)-1 / 2", 0x7FFFFFFF),
        ("sizeof(long) * 8", 64),
        ("sizeof(char *[3]) + _Alignof(short)", 26),
        ("(size_t)-1", (1 << 64) - 1),
        ("1 ?: 2", 1),
    ],
)
def test_constant_expressions(text: str, value: int) -> None:
    types = Types({"A": 7}.get, lambda _tag, _name: None)
    assert types.evaluator().evaluate(tokens(text)) == value


@pytest.mark.parametrize("text", ["", "1 +", "B", "1 / 0", "1 << 64", "(1", "08", "1 2", '"a"'])
def test_no_constant_expressions(text: str) -> None:
    with pytest.raises(CError):
        Evaluator({}.get).evaluate(tokens(text))


def table(text: str) -> TypeTable:
    source = Source("stdin", text + "\nbegin { }")
    return TypeTable(None, source, parse(source).c_part)


def test_constants() -> None:
    types = table(
        '#define A 5\n#define B (A + C)\n#define C 0x10\n#define S "a\\n"\n#define T S\n'
        "#define EMPTY\n#define F(x) x\n#define E pid + 1\n#define SELF SELF\n#undef D\n"
        "#define BIG 18446744073709551615ULL\nenum { P = 3, Q }; \n#define R (Q << 1)\n"
        "struct s { char x[A]; };"
    )
    found = {name: types.constant(name) for name in types.constants}
    assert found == {
        "A": 5, "B": 21, "C": 16, "S": "a\n", "T": "a\n", "BIG": (1 << 64) - 1, "R": 8,
        "EMPTY": None, "F": None, "E": "pid+1", "SELF": "SELF", "D": None,
    }  # fmt: skip
    assert [name for name, value in found.items() if isinstance(value, CText)] == ["E", "SELF"]
    assert types.enumerator("Q") is not None
    struct = types.find("struct", "s")
    assert struct is not None
    assert struct.size == 5


def test_conditionals() -> None:
    types = table(
        "#ifndef BPFTRACE_HAVE_BTF\n#define BTF 0\n#else\n#define BTF 1\n#endif\n"
        "#if defined(BTF) && BTF == 0\n# define ONE 1\n#  if 0\n#define NOT 1\n#  endif\n"
        "#elif 1\n#define TWO 2\n#else\n#define THREE 3\n#endif\n"
        "#ifdef NOTHING\nstruct a { broken };\n#endif\n#if 0\n#elif 1\nenum { YES };\n#endif"
    )
    assert types.constants == ["BTF", "ONE"]
    assert types.constant("BTF") == 0
    assert types.enumerator("YES") is not None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("struct a { char x; int y };", 8),
        ("struct a { struct { char x[3] } y; struct { short z } };", 6),
        ("struct a { int x : 3; int y : 4 };", 4),
        ("struct a { char x; int y; } /* a */ __attribute__ // b\n ((packed)) /* c */;", 5),
    ],
)
def test_loose_ends(text: str, size: int) -> None:
    struct = table(text).find("struct", "a")
    assert struct is not None
    assert struct.size == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("struct a { foo x; };", "unknown type name 'foo'"),
        ("struct a { int x; char x; };", "duplicate member 'x'"),
        ("struct a { int x; }; struct a { int y; };", "redefinition of 'a'"),
        ("enum a { X }; enum a { Y };", "redefinition of 'a'"),
        ("struct a { struct a x; };", "'x' has the incomplete type 'struct a'"),
        ("struct a { int x __attribute__((aligned(3))); };", "an alignment of 3 bytes"),
        ("struct a { struct b x; };", "'x' has the incomplete type 'struct b'"),
        ("struct a { int x int y; };", "expected ';', found 'int'"),
        ("struct a { int x : 40; };", "a bitfield of 40 bits in 'int32'"),
        ("struct a { int x[-1]; };", "'x' has -1 elements"),
        ("struct a { short long x; };", "'short long' is no type"),
        ("enum a { X = Y };", "'Y' is no constant"),
        ("#if 1", "a conditional is not closed: #endif is missing"),
        ("#endif", "#endif without #if"),
        ("#error stop", "#error stop"),
        ("#foo", "unknown preprocessor directive '#foo'"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ScriptError) as failure:
        table(text)
    assert failure.value.diagnostics[0].message == f"syntax: {message}"
    assert failure.value.diagnostics[0].span is not None


@pytest.mark.parametrize(
    ("cast", "place"), [("(enum color)7", "1:35-47"), ("(enum color)0", "1:35-47")]
)
def test_numbers_that_an_enum_does_not_have(cast: str, place: str) -> None:
    with pytest.raises(ScriptError) as failure:
        compile_text(f"enum color {{ RED = 1 }} begin {{ $x={cast} }}")
    found = failure.value.diagnostics[0]
    value = cast[-1]
    assert found.message == f"Enum: color doesn't contain a variant value of {value}"
    assert found.hints == ("it has RED (1)",)
    assert found.span is not None
    assert found.span.location() == f"stdin:{place}"
