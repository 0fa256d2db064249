"""Structs that chance has made, against gcc; text that is no C."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prybee.diagnostics import Source
from prybee.language.c.declarations import Types
from prybee.language.c.expansion import defined, expand
from prybee.language.c.header_types import HeaderTypes
from prybee.language.c.headers import Found, Search
from prybee.language.c.layout import alignment
from prybee.language.c.lexer import CError, cleaned, joined, tokens
from prybee.language.c.preprocessor import Headers
from prybee.language.types import StructType

SCALARS = ("char", "unsigned char", "short", "unsigned", "int", "long", "unsigned long long",
           "void *", "_Bool", "float", "double", "int (*)(void)")  # fmt: skip
BITS = {"char": 8, "unsigned char": 8, "short": 16, "unsigned": 32, "int": 32, "long": 64}
ATTRIBUTES = ("", "", "", " __attribute__((packed))", " __attribute__((aligned(4)))",
              " __attribute__((packed, aligned(2)))", " __attribute__((__aligned__))")  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn, depth: int = 0) -> str:
    """The members of a struct; each is called @."""
    lines = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(("scalar", "scalar", "array", "bits", "nested", "anonymous")))
        if kind == "bits":
            type_ = draw(st.sampled_from(sorted(BITS)))
            width = draw(st.integers(0, BITS[type_]))
            lines.append(f"{type_} @ : {width};" if width else f"{type_} : 0;")
        elif kind in ("nested", "anonymous") and depth < 2:
            word = draw(st.sampled_from(("struct", "union")))
            attribute = draw(st.sampled_from(ATTRIBUTES))
            name = "@" if kind == "nested" else ""
            lines.append(f"{word} {{ {draw(bodies(depth + 1))} }}{attribute} {name};")
        else:
            type_ = draw(st.sampled_from(SCALARS))
            name = "@"
            if kind == "array":
                name += "".join(f"[{n}]" for n in draw(st.lists(st.integers(1, 4), max_size=2)))
            attribute = draw(st.sampled_from(("", "", "", *ATTRIBUTES)))
            if "(*)" in type_:
                lines.append(f"{type_.replace('(*)', f'(*{name})')}{attribute};")
            else:
                lines.append(f"{type_} {name}{attribute};")
    return " ".join(lines)


@st.composite
def structs(draw: st.DrawFn) -> str:
    """A definition whose members have different names."""
    word = draw(st.sampled_from(("struct", "struct", "struct", "union")))
    parts = f"{word} s {{ {draw(bodies())} }}{draw(st.sampled_from(ATTRIBUTES))}".split("@")
    return parts[0] + "".join(f"m{at}{part}" for at, part in enumerate(parts[1:]))


def parsed(text: str) -> StructType:
    types = Types(lambda _name: None, lambda _tag, _name: None)
    types.parse(tokens(text))
    found = types.types["struct s" if text.startswith("struct") else "union s"]
    assert isinstance(found, StructType)
    return found


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to compare with")
@settings(max_examples=12, deadline=None)
@given(st.lists(structs(), min_size=20, max_size=20))
def test_layouts_are_those_of_gcc(texts: list[str]) -> None:
    checks = []
    for at, text in enumerate(texts):
        struct = parsed(text)
        lines = [text + ";"]
        word = str(struct)
        conditions = [
            f"sizeof({word}) == {struct.size}",
            f"_Alignof({word}) == {alignment(struct)}",
        ]
        conditions += [
            f"__builtin_offsetof({word}, {m.name}) == {m.offset}"
            for m in struct.members.values()
            if not m.bit_size
        ]
        lines += [f'_Static_assert({c}, "{c}");' for c in conditions]
        checks.append(f"void f{at}(void) {{ {' '.join(lines)} }}\n")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.c"
        path.write_text("".join(checks))
        done = subprocess.run(
            ["gcc", "-w", "-Wno-packed-bitfield-compat", "-fsyntax-only", str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.stderr == ""


@settings(max_examples=200, deadline=None)
@given(structs(), st.data())
def test_broken_structs_end_in_a_message(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(len(text), at + 8)))
    rest = data.draw(st.sampled_from(("", "{", "}", "(", "[", ";", "struct", "1", "*", "#", ",")))
    try:
        Types(lambda _name: None, lambda _tag, _name: None).parse(
            tokens(text[:at] + rest + text[end:])
        )
    except CError:
        pass


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab(),#\"'\\/* \n0x1.+-<>{}[];?:&|!~")))
def test_any_text_has_tokens(text: str) -> None:
    clean = cleaned(text)
    assert len(clean) == len(text)
    assert [place for _kind, _text, place in tokens(text)] == sorted(
        {place for _kind, _text, place in tokens(text)}
    )


PIECES = ("#if", "#else\n", "#endif\n", "#define A", "#define F(x)", "#undef A\n", "#include <x>\n",
          "#include", "struct s {", "union", "enum e { A, B", "typedef", "int", "x", "*", "}", "{",
          "(", ")", "[", "]", ";", ",", "=", "1", "A", "F", "F(", "##", "#", "\n", "'", '"', "/*",
          "*/", "//", "\\\n", ": 3", "__attribute__((", "aligned", "sizeof", "...",
          "#pragma pack(1)\n", "__typeof__(", "\0", "\r\n", "0x", "-", "?", "defined")  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_header_can_be_read(pieces: list[str]) -> None:
    headers = Headers(Source("stdin", ""), Search(), True, False)
    headers.include(Found("x.h", " ".join(pieces), False, False, 0))
    types = HeaderTypes(headers, lambda _tag, _name: None)
    types.extend()
    for key in [*types._declared]:
        tag, _blank, name = key.rpartition(" ")
        found = types.find(tag, name)
        assert found is not None or types.failures or headers.problems
    for name in types._enumerated:
        types.enumerator(name)


EXPANSIONS = [
    ((), "a + b", "a+b"),
    (("A 1", "B A + A"), "B * C", "1+1*C"),
    (("A A + 1",), "A", "A+1"),
    (("A B", "B A"), "A B", "A B"),
    (("F(x) x * 2",), "F(3) F (F(1)) F", "3*2 1*2*2 F"),
    (("F(x, y) x##y #x",), "F(a, b c)", 'ab c"a"'),
    (("F(x...) f(x)",), "F(1, 2)", "f(1, 2)"),
    (("F(f, ...) g(f, ##__VA_ARGS__)",), "F(1) F(1, 2, 3)", "g(1)g(1, 2, 3)"),
    (("EMPTY",), "a EMPTY b", "a b"),
    (("F() x",), "F() F(  )", "x x"),
    (("F(x) G x", "G(x) [x]"), "F((1))", "[1]"),
    (("F(x) x", "N 7"), "F((N, N)) F(N)", "(7, 7)7"),
    (("S(x) #x",), 'S("a\\n" b)', '"\\"a\\\\n\\"b"'),
]


@pytest.mark.parametrize(("macros", "text", "expected"), EXPANSIONS)
def test_expansion(macros: tuple[str, ...], text: str, expected: str) -> None:
    table = {(macro := defined(each)).name: macro for each in macros}
    assert joined(expand(tokens(text), table)) == expected
    # And again: nothing stays switched off.
    assert joined(expand(tokens(text), table)) == expected


@pytest.mark.parametrize(
    ("macros", "text", "message"),
    [
        (("F(x) x",), "F(1, 2)", "macro 'F' takes 1 argument(s), not 2"),
        (("F(x, y) x",), "F(1)", "macro 'F' takes 2 argument(s), not 1"),
        (("F(x) x",), "F(1", "the arguments of macro 'F' are not closed"),
        (("A B B B B B B B B", "B C C C C C C C C", "C D D D D D D D D", "D E E E E E E E E",
          "E G G G G G G G G", "G 1 2 3 4 5 6 7 8"), "A", "macros become too long a text here"),
    ],
)  # fmt: skip
def test_macros_that_do_not_fit(macros: tuple[str, ...], text: str, message: str) -> None:
    table = {(macro := defined(each)).name: macro for each in macros}
    with pytest.raises(CError, match=message.replace("(", r"\(").replace(")", r"\)")):
        expand(tokens(text), table)
