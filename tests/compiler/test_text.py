"""What users see of the compiler's work: SSA and assembly, word for word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prybee.compiler.compile import compile_module
from prybee.compiler.ir import FRAME, I32, I64, Module, Ptr
from prybee.compiler.listing import assembly
from prybee.compiler.text import ssa_text
from prybee.diagnostics import Source, Span
from tests.compiler.harness import module_of

if TYPE_CHECKING:
    from prybee.compiler.builder import Builder
    from prybee.compiler.ir import Value

SOURCE = Source("test.bt", "rawtracepoint:x\n{\n  @[arg0] = count();\n  exit();\n}\n")


def example(b: Builder, ctx: Value) -> None:
    """A keyed count, as a front end would write it."""
    b.span = Span(SOURCE, 22, 26)
    key = b.slot(8, 8, "key")
    b.store(key, 0, b.load(I64, ctx, 0))
    b.span = Span(SOURCE, 20, 37)
    value = b.call("map_lookup_elem", [b.map_ref("hash"), key])
    found, missing, after = b.block("found"), b.block("missing"), b.block("after")
    b.branch(b.icmp("ne", value, 0), found, missing, likely=True)
    b.seal(found)
    b.position_at(found)
    b.store(value, 0, b.add(b.load(I64, value, 0), 1))
    b.jump(after)
    b.seal(missing)
    b.position_at(missing)
    first = b.slot(16, 8, "first")
    b.zero(first, 0, 16)
    b.store(first, 0, b.const(1))
    b.call("map_update_elem", [b.map_ref("hash"), key, first, 1])
    b.jump(after)
    b.seal(after)
    b.position_at(after)
    b.span = Span(SOURCE, 41, 47)
    b.store(b.map_value("out", 8), 0, b.const(1, I32))
    b.ret(0)


SSA = """\
program test

function test(ctx* %0) -> i64
entry:
  %1 = slot 8 bytes, align 8 (key)               # 3:5
  %2 = load i64 %0
  store i64 %1, %2
  %3 = map_ref hash                              # 3:3
  %4 = call map_value* map_lookup_elem(%3, %1)
  %5 = icmp ne i64 %4, 0
  branch %5 ? found.1 : missing.2, likely
found.1:                                         # from entry
  %6 = load i64 %4
  %7 = add i64 %6, 1
  store i64 %4, %7
  jump after.3
missing.2:                                       # from entry
  %8 = slot 16 bytes, align 8 (first)
  zero 16 bytes %8
  store i64 %8, 1
  %9 = map_ref hash
  %10 = call i64 map_update_elem(%9, %1, %8, 1)
  %11 = trunc i64 %10 to i32
  jump after.3
after.3:                                         # from found.1, missing.2
  %12 = map_value out+8                          # 4:3
  store i32 %12, 1
  ret 0
"""


def test_ssa_as_built() -> None:
    assert ssa_text(module_of(example)) == SSA


def test_ssa_after_optimisation() -> None:
    module = module_of(example)
    compile_module(module)
    text = ssa_text(module)
    assert "+8, 1" in text
    assert text.index("after") < text.index("missing.3:"), "the rare block comes last"


def test_every_operation_has_a_form() -> None:
    """Nothing is shown as a Python object or a number of ours."""

    def build(b: Builder, ctx: Value) -> None:
        from prybee.compiler.builder import Builder
        from prybee.compiler.ir import I8, I16

        x = b.load(I64, ctx, 8)
        y = b.load(I32, ctx, 0)
        p = b.slot(16, 8, "p")
        b.copy(p, 8, b.map_value("out", 3), 1, 8)
        b.atomic_add(p, 0, x)
        b.atomic_cmpxchg(p, 8, b.atomic_xchg(p, 8, x), x)
        b.store(p, 0, b.bswap(b.sext(b.trunc(x, I8), I16), 16))
        b.store(p, 0, b.select(b.icmp("slt", y, -1), x, b.neg(b.zext(y, I64))))
        b.store(p, 0, b.load(I16, p, 2, signed=True))
        fn = b.function.module.function("body", [I64, Ptr(FRAME)], I64)
        Builder(fn).ret(fn.params[0])
        b.call("loop", [x, b.function_address(fn), p, 0])
        b.kfunc("bpf_rcu_read_lock", [], None)
        b.store(p, 0, b.ptr_to_int(b.ptr_add(p, x)))

    text = ssa_text(module_of(build))
    assert "<" not in text
    assert "?" not in text.replace(" ? ", "")
    assert "copy 8 bytes %3+8, %4+1" in text
    assert "call i64 loop(" in text
    assert "kfunc bpf_rcu_read_lock()" in text
    assert "load signed i16 %3+2" in text


def test_assembly() -> None:
    compiled = compile_module(module_of(example))
    text = assembly(compiled, SOURCE)
    lines = text.splitlines()
    assert lines[0].startswith("program test: ")
    assert lines[2] == "test:"
    marks = [line.split("; ", 1)[1] for line in lines if "; " in line]
    assert marks[:3] == ["3:5  arg0", "3:3  @[arg0] = count()", "4:3  exit()"]
    assert "<map_lookup_elem>" in text
    assert "<hash>" in text
    assert "<out+0>" in text or "<out+8>" in text
    numbers = [int(line.split(":")[0]) for line in lines if line[:5].strip().isdigit()]
    assert numbers == sorted(set(numbers))


def test_assembly_of_another_source() -> None:
    compiled = compile_module(module_of(example))
    assert "; test.bt:3:5  arg0" in assembly(compiled, Source("main.bt", ""))


def test_text_of_an_empty_module() -> None:
    assert ssa_text(Module("nothing")) == "program nothing\n"
