"""Headers that scripts include: where they are found, when they are read, which type counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prybee.btf import Btf, BtfBuilder
from prybee.diagnostics import ScriptError, Source
from prybee.language.c import headers
from prybee.language.c.headers import Search
from prybee.language.c.preprocessor import Headers
from prybee.language.kernel_types import TypeTable
from prybee.language.parser import parse
from tests.language.running import compile_text

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "system/own.h": """
#ifndef _OWN_H
#define _OWN_H
#include <bits/deep.h>
#include <linux/uapi.h>
#define OWN 7
#define TEXT "a" "b"
#define COMM pid
#define NEXT (OWN + DEEP)
#define TWICE(x) ((x) * 2)
#define pid 5
struct both { long a, b, c; };
struct only { struct both *p; struct kernels *k; int v[OWN]; };
enum shades { LIGHT = 2, DARK };
typedef struct { int a; } unnamed_t;
extern int function(struct only *) __attribute__((nothrow));
static inline int body(void) { if (OWN) { return 1; } return 0; }
struct broken { int a; nosuchtype b; };
#else
#error twice
#endif
""",
    "system/bits/deep.h": "#define DEEP 100\n",
    "system/linux/uapi.h": "#define UAPI 3\nstruct kernels { int wrong; };\n"
    "enum { IN_UAPI = 4 };\n",
    "system/next.h": "#define FIRST 1\n",
    "folder/next.h": "#include_next <next.h>\n#define SECOND (FIRST + 1)\n",
    "folder/own.h": "#define OWN 9\n",
    "folder/guarded.h": "#pragma once\n#define COUNT 1\n#ifdef SEEN\n#error again\n#endif\n"
    "#define SEEN\n",
    "folder/loop.h": '#include "loop.h"\n#define LOOP 1\n',
    "folder/packed.h": "#pragma pack(push, 1)\nstruct tight { char a; long b; };\n"
    "#pragma pack(pop)\nstruct wide { char a; long b; };\n",
    "folder/forms.h": """
#define GROUP(name, members...) union { struct { members }; struct { members } name; }
#define ALIGN(x, a) (((x) + (__typeof__(x))(a) - 1) & ~((__typeof__(x))(a) - 1))
#define same_t same_t
typedef void (callback_t)(struct later *);
typedef int (*pointer_t)(int), plain_t, many_t[3];
typedef short same_t;
typedef int word_t __attribute__((__mode__(__word__)));
_Static_assert(sizeof(int) == 4, "int");
extern enum later_enum function(void (*)(int), ...) __asm__("other");
struct __attribute__((packed)) forms {
	GROUP(head, int a;
#ifdef NOTHING
		int b;
#endif
		char c;);
	callback_t *callback;
	enum later_enum (*get)(void);
	unsigned char aligned[ALIGN(30, sizeof(long))];
	unsigned char rest[8 - sizeof(same_t)];
	word_t w;
	_Static_assert(1, "inside");
};
enum sizes { SMALL = sizeof(struct forms), LARGE = SMALL << 1,
	AT = __builtin_offsetof(struct forms, w) };
struct later { struct forms *forms; struct later *next; pointer_t p; many_t m; };
__inline__ struct later *inline_function(struct forms *f) { struct hidden { int x; }; return 0; }
""",
    "kernel/include/linux/kconfig.h": "#define CONFIG_X 1\n",
    "kernel/include/linux/inside.h": "#ifdef __KERNEL__\n#define INSIDE (CONFIG_X + 10)\n#endif\n"
    "struct kernels { int wrong; };\n",
    "kernel/include/uapi/linux/uapi.h": "#define UAPI 33\n",
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(headers, "_SYSTEM", (f"{tmp_path}/system",))
    return tmp_path


def kernel_types() -> Btf:
    b = BtfBuilder()
    number = b.int("int", 4, signed=True)
    b.struct("kernels", 8, [("x", number, 0), ("y", number, 32)])
    b.struct("both", 4, [("a", number, 0)])
    b.enum("state", [("IDLE", 3)])
    return Btf(b.build())


def table(text: str, btf: bool = True, **options: object) -> TypeTable:
    source = Source("stdin", text + "\nbegin { }")
    return TypeTable(
        kernel_types() if btf else None,
        source,
        parse(source).c_part,
        **options,  # type: ignore[arg-type]
    )


def meaning(types: TypeTable, name: str) -> int | str | None:
    """What a name stands for: script, headers of programs, the kernel, its headers."""
    found = types.constant(name)
    if found is None:
        found = types.header_constant(name, False)
    if found is None:
        enumerator = types.enumerator(name)
        found = enumerator[0] if enumerator is not None else None
    return types.header_constant(name, True) if found is None else found


@pytest.mark.parametrize(
    ("name", "value"),
    [("OWN", 7), ("TEXT", "ab"), ("DEEP", 100), ("NEXT", 107), ("UAPI", 3), ("DARK", 3),
     ("IDLE", 3), ("IN_UAPI", 4), ("NOTHING", None), ("TWICE", None), ("_OWN_H", None)],
)  # fmt: skip
def test_constants(name: str, value: int | str | None) -> None:
    assert meaning(table("#include <own.h>"), name) == value


def test_the_script_comes_first_and_conditions_see_headers() -> None:
    types = table(
        "#include <own.h>\n#if OWN == 7 && defined(DEEP)\n#define GOOD 1\n#endif\n"
        "#undef DEEP\n#ifndef DEEP\n#define AWAY 1\n#endif\n#define OWN 8\n#define SUM (OWN + UAPI)"
    )
    assert [meaning(types, name) for name in ("GOOD", "AWAY", "OWN", "SUM")] == [1, 1, 8, 11]
    assert meaning(types, "DEEP") is None


def test_types() -> None:
    types = table("#include <own.h>\nstruct mine { struct both b; unnamed_t u; enum shades s; };")
    sizes = {
        # Headers of programs come before the kernel, those of the kernel after it.
        "struct both": 24,
        "struct kernels": 8,
        "struct only": 48,
        "enum shades": 4,
        "unnamed_t": 4,
        "struct mine": 32,
    }
    for name, size in sizes.items():
        found = types.named(name)
        assert found is not None, name
        assert found.size == size, name
    assert types.named("struct nosuch") is None


def test_without_types_of_the_kernel_its_headers_count() -> None:
    found = table("#include <own.h>", btf=False).named("struct kernels")
    assert found is not None
    assert found.size == 4


def test_nothing_is_read_before_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_self: Headers, found: headers.Found) -> None:
        raise AssertionError(found.path)

    monkeypatch.setattr(Headers, "_file", never)
    types = table("#include <linux/uapi.h>\n#ifdef BPFTRACE_HAVE_BTF\n#define A 1\n#endif")
    assert types.constant("A") == 1
    assert types.named("struct kernels") is not None
    assert types.enumerator("IDLE") is not None
    with pytest.raises(AssertionError):
        types.header_constant("UAPI", True)


def test_folders_of_the_command_line(folder: Path) -> None:
    types = table(
        '#include <own.h>\n#include "next.h"\n#include "guarded.h"\n#include "guarded.h"\n'
        '#include "loop.h"\n#include <packed.h>',
        folders=(str(folder / "folder"),),
    )
    assert [meaning(types, n) for n in ("OWN", "SECOND", "COUNT", "LOOP")] == [9, 2, 1, 1]
    sizes = [types.named(f"struct {name}") for name in ("tight", "wide")]
    assert [found.size for found in sizes if found is not None] == [9, 16]


def test_forms_that_headers_have(folder: Path) -> None:
    types = table("#include <forms.h>", False, folders=(str(folder / "folder"),))
    sizes = {
        "struct forms": 70, "struct later": 40, "plain_t": 4, "many_t": 12, "pointer_t": 8,
        "same_t": 2, "word_t": 8, "enum sizes": 4,
    }  # fmt: skip
    found = {name: types.named(name) for name in sizes}
    assert {name: type_.size for name, type_ in found.items() if type_ is not None} == sizes
    assert [meaning(types, name) for name in ("SMALL", "LARGE", "AT")] == [70, 140, 62]
    assert types.named("struct hidden") is None


def test_headers_of_the_kernel(folder: Path) -> None:
    environment = {"BPFTRACE_KERNEL_SOURCE": str(folder / "kernel")}
    types = table("#include <linux/inside.h>\n#include <linux/uapi.h>", environment=environment)
    assert meaning(types, "INSIDE") == 11
    assert meaning(types, "UAPI") == 33
    found = types.named("struct kernels")
    assert found is not None
    assert found.size == 8


def test_search_order(folder: Path) -> None:
    environment = {
        "BPFTRACE_KERNEL_SOURCE": "/source",
        "BPFTRACE_KERNEL_BUILD": "/build",
    }
    search = Search(("/mine",), environment, "x86_64", "6.1")
    assert search.looked("a.h", "/script").split(", ") == [
        "/script", "/mine", "/source/arch/x86/include", "/build/arch/x86/include/generated",
        "/source/include", "/build/include", "/source/arch/x86/include/uapi",
        "/build/arch/x86/include/generated/uapi", "/source/include/uapi",
        "/build/include/generated/uapi", str(folder / "system"),
    ]  # fmt: skip
    assert Search((), {}, "x86_64", "no-such-release").source == []


def test_beside_the_script(folder: Path) -> None:
    (folder / "beside.h").write_text("#define BESIDE 1\n")
    path = folder / "a.bt"
    path.write_text('#include "beside.h"\nbegin { }')
    source = Source(str(path), path.read_text())
    types = TypeTable(kernel_types(), source, parse(source).c_part)
    assert meaning(types, "BESIDE") == 1


def missing(name: str, line: int = 2) -> str:
    return f"a header is missing:\ndefinitions.h:{line}:10: fatal error: '{name}' file not found"


@pytest.mark.parametrize(
    ("text", "btf", "message", "hint"),
    [
        ("#include <lol/no.h>", True, missing("lol/no.h"), "looked in: "),
        ('\n#include "no.h"', True, missing("no.h", 3), "looked in: "),
        ("#include <net/sock.h>", False, missing("net/sock.h"), "BPFTRACE_KERNEL_SOURCE"),
        ("#include nothing", True, 'syntax: #include wants "FILE" or <FILE>', ""),
        ("#if OWN(", True, "syntax: unexpected '('", ""),
    ],
)
def test_refused(text: str, btf: bool, message: str, hint: str) -> None:
    with pytest.raises(ScriptError) as failure:
        table(text, btf)
    found = failure.value.diagnostics[0]
    assert found.message == message
    assert any(hint in each for each in found.hints) == bool(hint)


def test_what_is_missing_is_said_where_it_matters(folder: Path) -> None:
    types = table("#include <net/sock.h>\n#define NOTHING\n#define F(a, b) a")
    assert types.named("struct kernels") is not None
    assert types.hints("SOCK_X")[0].startswith("<net/sock.h> was not found (looked in: ")
    assert types.hints("NOTHING")[0] == "#define NOTHING stands for nothing"
    assert types.hints("F")[0] == "#define F wants arguments: F(a, b)"
    types = table("#include <own.h>")
    assert types.named("struct broken") is None
    assert types.hints("broken")[0].startswith(
        f"{folder}/system/own.h:18:24: unknown type name 'nosuchtype': 'broken' was not understood"
    )


CALLS = [
    ("#include <own.h>", "TWICE(4) == 8"),
    ("#define MAX(a, b) ((a) > (b) ? (a) : (b))", "MAX(3, MAX(1, 2)) == 3"),
    ("#define ADD(a, ...) (a + (__VA_ARGS__))", "ADD(1, 2) == 3"),
    ("#define OUTER(x) INNER(x, 2)\n#define INNER(x, y) ((x) << (y))", "OUTER(1) == 4"),
    ("#define ID(x) x\n#define FIVE ID(5)", "FIVE == 5"),
    ("#define MASK ~0", "MASK == 18446744073709551615"),
    ("#define SIZE sizeof(struct list_head)", "SIZE == 16"),
    # What a header says never changes a word of the language.
    ("#include <own.h>", "sizeof(pid) == 4"),
]


@pytest.mark.parametrize(("c_part", "condition"), CALLS)
def test_macros_in_expressions(c_part: str, condition: str) -> None:
    compile_text(f'{c_part}\nbegin {{ static_assert({condition}, "no"); print(pid) }}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#define F(a, b) a\nbegin { print(F(1)) }", "macro 'F' takes 2 argument(s), not 1"),
        ("#define F(a) a +\nbegin { print(F(1)) }",
         "F() becomes 1+: this is no expression of the language"),
        ("#define A if\nbegin { print(A) }", "#define A if: this is no expression of the language"),
    ],
)  # fmt: skip
def test_macros_that_are_no_expressions(text: str, message: str) -> None:
    with pytest.raises(ScriptError) as failure:
        compile_text(text)
    assert failure.value.diagnostics[0].message == message
