"""Programs with one mistake each, as instructions, and a script that could have said so.

Each row: name, script, instructions.  An instruction is (opcode, dst, src, off, imm), behind it
perhaps the part of the script it belongs to.  Map instructions name their map in ``imm``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from prybee.diagnostics import Source, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.compiler.kernel import Map

SCALAR = 0x18
RAW_TRACEPOINT, TRACEPOINT, XDP, SYSCALL, CGROUP_SOCK_ADDR = 17, 5, 6, 31, 18


class Planted:
    """A program with a mistake."""

    def __init__(
        self,
        name: str,
        script: str,
        insns: list[tuple[Any, ...]],
        type_: int = RAW_TRACEPOINT,
        license: str = "GPL",  # noqa: A002
        **load: int,
    ) -> None:
        self.name = name
        self.source = Source("bad.bt", script)
        self.type = type_
        self.license = license
        self.load = load
        self.insns = insns
        self.places: list[tuple[int, Span]] = []
        slot = 0
        for insn in insns:
            if len(insn) > 5:
                start = script.index(insn[5])
                self.places.append((slot, Span(self.source, start, start + len(insn[5]))))
            slot += 2 if insn[0] == SCALAR else 1

    def image(self, maps: Mapping[str, Map]) -> bytes:
        """The program's bytes."""
        out = b""
        for opcode, dst, src, off, imm, *_ in self.insns:
            if opcode == SCALAR:
                low = maps[imm].fd if isinstance(imm, str) else imm & 0xFFFFFFFF
                out += struct.pack("<BBhI", opcode, dst | src << 4, off, low)
                high = 0 if isinstance(imm, str) else imm >> 32 & 0xFFFFFFFF
                out += struct.pack("<BBhI", 0, 0, 0, high)
            else:
                out += struct.pack("<BBhi", opcode, dst | src << 4, off, imm)
        return out


EXIT = (0x95, 0, 0, 0, 0)
RET0 = [(0xB7, 0, 0, 0, 0), EXIT]


def mov(dst: int, imm: int, *place: str) -> tuple[Any, ...]:
    return (0xB7, dst, 0, 0, imm, *place)


def copy(dst: int, src: int, *place: str) -> tuple[Any, ...]:
    return (0xBF, dst, src, 0, 0, *place)


def ldx(dst: int, src: int, off: int, *place: str, size: int = 0x79) -> tuple[Any, ...]:
    return (size, dst, src, off, 0, *place)


def call(number: int, *place: str) -> tuple[Any, ...]:
    return (0x85, 0, 0, 0, number, *place)


def lookup(name: str, place: str) -> list[tuple[Any, ...]]:
    """r0 = the entry of key 0 in the map."""
    return [
        (0x62, 10, 0, -4, 0, place),
        copy(2, 10),
        (0x07, 2, 0, 0, -4),
        (SCALAR, 1, 1, 0, name),
        call(1),
    ]


LOOP = "rawtracepoint:x { unroll(10000) { $x = $x % arg0 } }"
TABLE = "rawtracepoint:x { $i = arg0; @table[$i]++ }"

PLANTED = (
    Planted("unset register", "rawtracepoint:x { print($x) }", [copy(0, 3, "$x"), EXIT]),
    Planted("no result", "rawtracepoint:x { }", [(0x95, 0, 0, 0, 0, "{ }")]),
    Planted(
        "unset on one path",
        "rawtracepoint:x { if (arg0) { $x = 1 } print($x) }",
        [
            ldx(2, 1, 0, "arg0"),
            (0x15, 2, 0, 1, 0, "if (arg0)"),
            mov(3, 1, "$x = 1"),
            copy(0, 3, "print($x)"),
            EXIT,
        ],
    ),
    Planted(
        "null not checked",
        "rawtracepoint:x { print(@hash[0]) }",
        [*lookup("AT_hash", "@hash[0]"), ldx(0, 0, 0, "print(@hash[0])"), EXIT],
    ),
    Planted(
        "null checked on one path",
        "rawtracepoint:x { $v = @hash[0]; if (arg0 == 1) { print($v) } }",
        [
            copy(6, 1),
            *lookup("AT_hash", "@hash[0]"),
            copy(7, 0, "$v ="),
            ldx(6, 6, 0, "arg0"),
            (0x55, 6, 0, 1, 1, "if (arg0 == 1)"),
            ldx(0, 7, 0, "print($v)"),
            mov(0, 0),
            EXIT,
        ],
    ),
    Planted(
        "map value overrun",
        "rawtracepoint:x { print(@table[0].field) }",
        [
            *lookup("AT_table", "@table[0]"),
            (0x15, 0, 0, 1, 0),
            ldx(0, 0, 16, "@table[0].field"),
            mov(0, 0),
            EXIT,
        ],
    ),
    Planted(
        "unchecked index",
        "rawtracepoint:x { $i = arg0; print(@table[0][$i]) }",
        [
            copy(6, 1),
            *lookup("AT_table", "@table[0]"),
            (0x15, 0, 0, 3, 0),
            ldx(6, 6, 0, "arg0"),
            (0x0F, 0, 6, 0, 0, "@table[0][$i]"),
            ldx(0, 0, 0),
            mov(0, 0),
            EXIT,
        ],
    ),
    Planted(
        "index too large",
        "rawtracepoint:x { $i = arg0; print(@table[0][$i]) }",
        [
            copy(6, 1),
            *lookup("AT_table", "@table[0]"),
            (0x15, 0, 0, 4, 0),
            ldx(6, 6, 0, "arg0"),
            (0x57, 6, 0, 0, 31, "$i"),
            (0x0F, 0, 6, 0, 0, "@table[0][$i]"),
            ldx(0, 0, 0),
            mov(0, 0),
            EXIT,
        ],
    ),
    Planted(
        "stack overrun",
        "rawtracepoint:x { $a = (1, 2); }",
        [(0x7A, 10, 0, -520, 1, "$a = (1, 2)"), *RET0],
    ),
    Planted(
        "stack misaligned",
        "rawtracepoint:x { $a = (1, 2); }",
        [(0x7A, 10, 0, -9, 1, "$a = (1, 2)"), *RET0],
    ),
    Planted("unreachable", "rawtracepoint:x { }", [*RET0, mov(0, 1), EXIT]),
    Planted("jump out", "rawtracepoint:x { }", [(0x05, 0, 0, 9, 0, "{ }"), *RET0]),
    Planted("no exit", "rawtracepoint:x { }", [mov(0, 0, "{ }")]),
    Planted("write to r10", "rawtracepoint:x { }", [mov(10, 0, "{ }"), *RET0]),
    Planted(
        "pointer times two",
        "rawtracepoint:x { $p = ctx * 2 }",
        [(0x27, 1, 0, 0, 2, "ctx * 2"), *RET0],
    ),
    Planted(
        "context access",
        "rawtracepoint:x { print(args.x) }",
        [ldx(0, 1, 200, "args.x"), *RET0],
    ),
    Planted(
        "context access of a tracepoint",
        "tracepoint:a:b { print(args.x) }",
        [ldx(0, 1, 9000, "args.x"), *RET0],
        TRACEPOINT,
    ),
    Planted(
        "context write",
        "rawtracepoint:x { args.x = 1 }",
        [(0x7A, 1, 0, 0, 1, "args.x = 1"), *RET0],
    ),
    Planted(
        "untyped pointer",
        "rawtracepoint:x { print(*arg0) }",
        [ldx(1, 1, 0, "arg0"), ldx(0, 1, 0, "*arg0"), *RET0],
    ),
    Planted(
        "reference leak",
        "rawtracepoint:x { printf(\"hi\") }",
        [
            (SCALAR, 1, 1, 0, "ring", 'printf("hi")'),
            mov(2, 16),
            mov(3, 0),
            call(131),
            (0x15, 0, 0, 1, 0),
            mov(0, 1),
            *RET0,
        ],
    ),
    Planted(
        "helper argument",
        "rawtracepoint:x { delete(@x) }",
        [mov(1, 0, "delete(@x)"), copy(2, 10), (0x07, 2, 0, 0, -8), call(3), *RET0],
    ),
    Planted(
        "helper size",
        "rawtracepoint:x { print(buf(arg0, arg1)) }",
        [
            ldx(2, 1, 8, "arg1"),
            ldx(3, 1, 0, "arg0"),
            copy(1, 10, "buf(arg0, arg1)"),
            (0x07, 1, 0, 0, -64),
            call(113),
            *RET0,
        ],
    ),
    Planted(
        "helper size too large",
        "rawtracepoint:x { print(buf(arg0, 100)) }",
        [
            mov(2, 100),
            ldx(3, 1, 0, "arg0"),
            copy(1, 10, "buf(arg0, 100)"),
            (0x07, 1, 0, 0, -64),
            call(113),
            *RET0,
        ],
    ),
    Planted("helper unknown", "rawtracepoint:x { new() }", [call(9999, "new()"), *RET0]),
    Planted(
        "helper of other programs",
        "rawtracepoint:x { new() }",
        [call(51, "new()"), *RET0],
    ),
    Planted(
        "helper for GPL only",
        "rawtracepoint:x { kstack }",
        [copy(3, 10), copy(1, 10, "kstack"), (0x07, 1, 0, 0, -8), mov(2, 8), call(113), *RET0],
        license="MIT",
    ),
    Planted(
        "kernel function unknown",
        "rawtracepoint:x { new() }",
        [(0x85, 0, 2, 0, 1, "new()"), *RET0],
    ),
    Planted(
        "loop without end",
        "rawtracepoint:x { while (arg0) { } }",
        [
            ldx(2, 1, 0, "arg0"),
            mov(0, 0),
            (0x55, 2, 0, -1, 0, "while (arg0) { }"),
            EXIT,
        ],
    ),
    Planted(
        "loop too long",
        LOOP,
        [
            mov(6, 0, "unroll(10000)"),
            mov(0, 7),
            (0x9F, 0, 6, 0, 0, "$x = $x % arg0"),
            (0x07, 6, 0, 0, 1),
            (0xA5, 6, 0, -3, 10_000_000),
            *RET0,
        ],
    ),
    Planted(
        "packet not checked",
        "xdp:lo { print(*ctx.data) }",
        [
            ldx(2, 1, 0, "ctx.data", size=0x61),
            ldx(0, 2, 0, "*ctx.data", size=0x71),
            *RET0,
        ],
        XDP,
    ),
    Planted(
        "result out of range",
        "cgroup:x { return 5 }",
        [mov(0, 5, "return 5"), EXIT],
        CGROUP_SOCK_ADDR,
        expected_attach_type=8,
    ),
    Planted("bad descriptor", "rawtracepoint:x { @x }", [(SCALAR, 1, 1, 0, 999, "@x"), *RET0]),
    Planted(
        "sleepable helper",
        "rawtracepoint:x { copy_from_user() }",
        [
            copy(1, 10, "copy_from_user()"),
            (0x07, 1, 0, 0, -8),
            mov(2, 8),
            mov(3, 0),
            call(148),
            *RET0,
        ],
    ),
    Planted(
        "division by a constant zero",
        "rawtracepoint:x { 1 / 0 }",
        [mov(0, 1), (0x37, 0, 0, 0, 0, "1 / 0"), EXIT],
    ),
    Planted(
        "shift too far",
        "rawtracepoint:x { 1 << 64 }",
        [mov(0, 1), (0x67, 0, 0, 0, 64, "1 << 64"), EXIT],
    ),
    Planted("unknown opcode", "rawtracepoint:x { }", [(0xFF, 0, 0, 0, 0, "{ }"), *RET0]),
    Planted(
        "update with a number for a key",
        "rawtracepoint:x { @table[arg0] = 1 }",
        [
            ldx(2, 1, 0, "arg0"),
            (SCALAR, 1, 1, 0, "AT_table", "@table[arg0] = 1"),
            copy(3, 10),
            (0x07, 3, 0, 0, -16),
            mov(4, 0),
            call(2),
            *RET0,
        ],
    ),
)  # fmt: skip
