"""BTF, func_info and line_info: what the tables say, and that the kernel takes them."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import pytest

from prybee.btf import Btf
from prybee.compiler.builder import Builder
from prybee.compiler.compile import Compiled, compile_module
from prybee.compiler.debug_info import debug_info, identifier
from prybee.compiler.ir import CTX, FRAME, I64, Module, Ptr
from prybee.diagnostics import Source, Span
from prybee.linux import features
from tests.compiler import kernel

if TYPE_CHECKING:
    from prybee.compiler.ir import Value

SOURCE = Source("größe.bt", "begin\n{\n  $x = arg0;\n\tfor ($i : 0..5) { $x += $i }\n}\n")


def program(name: str, source: Source = SOURCE, callback_span: bool = True) -> Compiled:
    """A program with a callback."""
    module = Module(name)
    main = module.function(name, [Ptr(CTX)], I64)
    body = module.function("loop body", [I64, Ptr(FRAME)], I64)
    b = Builder(main)
    at = source.text.index("$x")
    b.span = Span(source, at, at + 2)
    frame = b.slot(8, 8)
    b.store(frame, 0, b.load(I64, b_ctx(b), 0))
    at = source.text.index("for")
    b.span = Span(source, at, at + 3)
    b.call("loop", [b.const(5), b.function_address(body), frame, 0])
    b.ret(b.load(I64, frame, 0))
    inner = Builder(body)
    if callback_span:
        at = source.text.index("$x +=")
        inner.span = Span(source, at, at + 8)
    inner.store(body.params[1], 0, inner.add(inner.load(I64, body.params[1], 0), body.params[0]))
    inner.ret(0)
    return compile_module(module)


def b_ctx(b: Builder) -> Value:
    return b.function.params[0]


def test_tables() -> None:
    compiled = program("main")
    info = debug_info([compiled])
    functions, lines = info.programs["main"]
    btf = Btf(info.btf)
    starts = list(struct.iter_unpack("<II", functions))
    assert [insn for insn, _ in starts] == [f.insn for f in compiled.functions]
    assert [btf.name(type_) for _, type_ in starts] == ["main", "loop_body"]
    assert [btf.kind(type_) for _, type_ in starts] == ["func", "func"]
    body = starts[1][1]
    assert [p.name for p in btf.parameters(body)] == ["a0", "a1"]
    assert btf.size(btf.returns(body)) == 8
    records = list(struct.iter_unpack("<IIII", lines))
    assert [r[0] for r in records] == sorted({r[0] for r in records})
    assert {f.insn for f in compiled.functions} <= {r[0] for r in records}
    places = [(r[3] >> 10, r[3] & 1023) for r in records]
    assert places[0] == (3, 3)
    assert (4, 2) in places
    assert (4, 20) in places
    strings = info.btf[info.btf.index(b"\0", 24) :]
    assert "größe.bt".encode() in strings
    assert b"\tfor ($i : 0..5) { $x += $i }\0" in strings


def test_several_programs_share_one_blob() -> None:
    info = debug_info([program("one"), program("two")])
    btf = Btf(info.btf)
    assert set(info.programs) == {"one", "two"}
    assert set(btf.names("func")) == {"one", "two", "loop_body"}
    assert len(btf.names("int")) == len(set(btf.names("int")))


def test_no_places() -> None:
    """A program that belongs to no script has functions and no lines."""
    module = Module("bare")
    Builder(module.function("bare", [Ptr(CTX)], I64)).ret(0)
    functions, lines = debug_info([compile_module(module)]).programs["bare"]
    assert len(functions) == 8
    assert lines == b""


@pytest.mark.slow
def test_limits() -> None:
    """Lines and columns beyond what the record holds, a line beyond what the log holds, a NUL."""
    text = "\n" * (1 << 22) + "x" * 2000 + "$x for \0 $x += 1"
    compiled = program("far", Source("far.bt", text))
    info = debug_info([compiled])
    place = struct.unpack_from("<IIII", info.programs["far"][1])[3]
    assert place >> 10 == (1 << 22) - 1
    assert place & 1023 == 1023
    assert len(info.btf) < 2000
    assert b"xxx$x for   $x" in info.btf


@pytest.mark.parametrize(
    ("name", "made"),
    [("count", "count"), ("tracepoint:a:b", "tracepoint_a_b"), ("9", "_9"), ("", "_"), ("é", "_")],
)
def test_identifier(name: str, made: str) -> None:
    assert identifier(name) == made


@pytest.mark.live
@pytest.mark.parametrize("callback_span", [True, False])
def test_the_kernel_shows_the_script(callback_span: bool) -> None:
    kernel.needs_kernel()
    loaded = kernel.load(program("shown", callback_span=callback_span), {}, level=2)
    loaded.close()
    # Linux 6.9 began to show the places of lines; 6.11 brought the function that is asked for here.
    needed = "" if features.probe("kfunc:bpf_iter_bits_new") else "?"
    for text, line in (("$x = arg0;", 3), ("for ($i : 0..5) { $x += $i }", 4)):
        assert re.search(f"^; {re.escape(text)}( @ größe.bt:{line}){needed}$", loaded.log, re.M)


@pytest.mark.live
def test_the_kernel_takes_odd_names() -> None:
    kernel.needs_kernel()
    compiled = program("uprobe:/bin/größe:main+3", Source("a\0b", SOURCE.text))
    kernel.load(compiled, {}).close()
