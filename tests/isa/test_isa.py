"""Bytes and text of every instruction, both ways; golden lines; what is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prybee.compiler import machine
from prybee.isa import Insn, IsaError, assemble, decode, disassemble, encode, opcodes
from prybee.isa.instructions import form_of
from prybee.isa.opcodes import FORMS


def raw(opcode, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhi", opcode, src << 4 | dst, off, imm)


# (bytes, text): the bytes are written down from the RFC's tables, not made by the code under test.
GOLDEN = [
    (raw(0xB7, 0, 0, 0, 5), "r0 = 5"),
    (raw(0xB7, 10, 0, 0, -5), "r10 = -5"),
    (raw(0xB4, 3, 0, 0, -1), "w3 = -1"),
    (raw(0xBF, 1, 10), "r1 = r10"),
    (raw(0xBC, 1, 2), "w1 = w2"),
    (raw(0x07, 1, 0, 0, 8), "r1 += 8"),
    (raw(0x0F, 1, 2), "r1 += r2"),
    (raw(0x04, 1, 0, 0, 8), "w1 += 8"),
    (raw(0x1F, 1, 2), "r1 -= r2"),
    (raw(0x27, 1, 0, 0, 3), "r1 *= 3"),
    (raw(0x3F, 1, 2), "r1 /= r2"),
    (raw(0x3F, 1, 2, 1), "r1 s/= r2"),
    (raw(0x34, 1, 0, 1, -7), "w1 s/= -7"),
    (raw(0x97, 1, 0, 0, 7), "r1 %= 7"),
    (raw(0x9C, 1, 2, 1), "w1 s%= w2"),
    (raw(0x47, 1, 0, 0, 1), "r1 |= 1"),
    (raw(0x5F, 1, 2), "r1 &= r2"),
    (raw(0xA7, 1, 0, 0, -1), "r1 ^= -1"),
    (raw(0x67, 1, 0, 0, 32), "r1 <<= 32"),
    (raw(0x77, 1, 0, 0, 32), "r1 >>= 32"),
    (raw(0xC7, 1, 0, 0, 32), "r1 s>>= 32"),
    (raw(0xCC, 1, 2), "w1 s>>= w2"),
    (raw(0x87, 1), "r1 = -r1"),
    (raw(0x84, 1), "w1 = -w1"),
    (raw(0xBF, 1, 2, 8), "r1 = (s8)r2"),
    (raw(0xBF, 1, 2, 32), "r1 = (s32)r2"),
    (raw(0xBC, 1, 2, 16), "w1 = (s16)w2"),
    (raw(0xBF, 1, 2, 1, 1), "r1 = addr_space_cast(r2, 0, 1)"),
    (raw(0xBF, 1, 2, 1, 1 << 16), "r1 = addr_space_cast(r2, 1, 0)"),
    (raw(0xD4, 1, 0, 0, 16), "r1 = le16 r1"),
    (raw(0xDC, 1, 0, 0, 32), "r1 = be32 r1"),
    (raw(0xD7, 1, 0, 0, 64), "r1 = bswap64 r1"),
    (raw(0x18, 1, 0, 0, 7) + raw(0), "r1 = 0x7 ll"),
    (raw(0x18, 1, 0, 0, -1) + raw(0, imm=-1), "r1 = 0xffffffffffffffff ll"),
    (raw(0x18, 1, 1, 0, 3) + raw(0), "r1 = map_by_fd(3)"),
    (raw(0x18, 1, 2, 0, 3) + raw(0, imm=8), "r1 = map_val(map_by_fd(3)) + 8"),
    (raw(0x18, 1, 3, 0, 77) + raw(0), "r1 = var_addr(77)"),
    (raw(0x18, 1, 3, 0, 77) + raw(0, imm=5), "r1 = var_addr(77, 5)"),
    (raw(0x18, 1, 4, 0, 4) + raw(0), "r1 = code_addr(+4)"),
    (raw(0x18, 1, 4, 0, -4) + raw(0), "r1 = code_addr(-4)"),
    (raw(0x18, 1, 5, 0, 0) + raw(0), "r1 = map_by_idx(0)"),
    (raw(0x18, 1, 6, 0, 2) + raw(0, imm=16), "r1 = map_val(map_by_idx(2)) + 16"),
    (raw(0x71, 2, 1, 8), "r2 = *(u8 *)(r1 + 8)"),
    (raw(0x69, 2, 1, -8), "r2 = *(u16 *)(r1 - 8)"),
    (raw(0x61, 2, 1, 0), "r2 = *(u32 *)(r1 + 0)"),
    (raw(0x79, 2, 10, -32768), "r2 = *(u64 *)(r10 - 32768)"),
    (raw(0x91, 2, 1, 8), "r2 = *(s8 *)(r1 + 8)"),
    (raw(0x89, 2, 1, 8), "r2 = *(s16 *)(r1 + 8)"),
    (raw(0x81, 2, 1, 8), "r2 = *(s32 *)(r1 + 8)"),
    (raw(0x72, 10, 0, -1, 65), "*(u8 *)(r10 - 1) = 65"),
    (raw(0x7A, 10, 0, -8, -1), "*(u64 *)(r10 - 8) = -1"),
    (raw(0x63, 10, 3, -4), "*(u32 *)(r10 - 4) = r3"),
    (raw(0x7B, 10, 3, -8), "*(u64 *)(r10 - 8) = r3"),
    (raw(0x28, imm=12), "r0 = *(u16 *)skb[12]"),
    (raw(0x50, 0, 7, 0, -2), "r0 = *(u8 *)skb[r7 - 2]"),
    (raw(0xDB, 1, 2, 0, 0), "lock *(u64 *)(r1 + 0) += r2"),
    (raw(0xC3, 1, 2, 4, 0x40), "lock *(u32 *)(r1 + 4) |= r2"),
    (raw(0xDB, 1, 2, 0, 0x50), "lock *(u64 *)(r1 + 0) &= r2"),
    (raw(0xDB, 1, 2, 0, 0xA0), "lock *(u64 *)(r1 + 0) ^= r2"),
    (raw(0xDB, 1, 2, 0, 0x01), "r2 = atomic64_fetch_add((u64 *)(r1 + 0), r2)"),
    (raw(0xC3, 1, 2, 0, 0xA1), "r2 = atomic_fetch_xor((u32 *)(r1 + 0), r2)"),
    (raw(0xDB, 1, 2, 8, 0xE1), "r2 = atomic64_xchg((u64 *)(r1 + 8), r2)"),
    (raw(0xC3, 1, 2, -8, 0xF1), "r0 = atomic_cmpxchg((u32 *)(r1 - 8), r0, r2)"),
    (raw(0xD3, 1, 2, 0, 0x100), "r1 = load_acquire((u8 *)(r2 + 0))"),
    (raw(0xCB, 1, 2, 6, 0x110), "store_release((u16 *)(r1 + 6), r2)"),
    (raw(0x05, off=3), "goto +3"),
    (raw(0x05, off=-1), "goto -1"),
    (raw(0x06, imm=-70000), "gotol -70000"),
    (raw(0xE5, off=3), "may_goto +3"),
    (raw(0x15, 1, 0, 3, 5), "if r1 == 5 goto +3"),
    (raw(0x1D, 1, 2, -3), "if r1 == r2 goto -3"),
    (raw(0x55, 1, 0, 0, 0), "if r1 != 0 goto +0"),
    (raw(0x25, 1, 0, 3, 5), "if r1 > 5 goto +3"),
    (raw(0x35, 1, 0, 3, 5), "if r1 >= 5 goto +3"),
    (raw(0xA5, 1, 0, 3, 5), "if r1 < 5 goto +3"),
    (raw(0xB5, 1, 0, 3, 5), "if r1 <= 5 goto +3"),
    (raw(0x65, 1, 0, 3, -5), "if r1 s> -5 goto +3"),
    (raw(0x75, 1, 0, 3, 5), "if r1 s>= 5 goto +3"),
    (raw(0xC6, 1, 0, 3, 5), "if w1 s< 5 goto +3"),
    (raw(0xDE, 1, 2, 3), "if w1 s<= w2 goto +3"),
    (raw(0x45, 1, 0, 3, 4), "if r1 & 4 goto +3"),
    (raw(0x85, imm=5), "call 5"),
    (raw(0x85, 0, 1, 0, 4), "call pc+4"),
    (raw(0x85, 0, 2, 0, 1234), "call kfunc 1234"),
    (raw(0x85, 0, 2, 1, 1234), "call kfunc 1234 fd 1"),
    (raw(0x95), "exit"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text"), GOLDEN, ids=[text for _, text in GOLDEN])
def test_golden(code, text):
    assert disassemble(code) == [text]
    assert assemble(text) == code
    assert assemble(f"  {text.replace(' = ', '=').replace(', ', ',')}\t; comment") == code
    assert encode(decode(code)) == code


def test_every_form_has_a_golden_line():
    kinds = {form_of(decode(code)[0]).kind for code, _ in GOLDEN}
    assert kinds == {form.kind for forms in FORMS.values() for form in forms}


def values(allowed) -> st.SearchStrategy[int]:
    if isinstance(allowed, range):
        ends = [allowed[0], allowed[-1], *(v for v in (0, 1, -1, 0x7FFFFFFF) if v in allowed)]
        return st.sampled_from(ends) | st.integers(allowed[0], allowed[-1])
    return st.sampled_from(allowed)


@st.composite
def instructions(draw) -> Insn:
    opcode = draw(st.sampled_from(sorted(FORMS)))
    form = draw(st.sampled_from(FORMS[opcode]))
    fields = [draw(values(getattr(form, name))) for name in ("dst", "src", "off", "imm")]
    return Insn(opcode, *fields)


@given(st.lists(instructions(), max_size=8))
@settings(max_examples=150, deadline=None)
def test_round_trips(program):
    code = encode(program)
    assert decode(code) == program
    assert len(code) == 8 * sum(insn.slots for insn in program)
    lines = disassemble(code)
    assert len(lines) == len(program)
    assert assemble("\n".join(lines)) == code
    swapped = encode(program, "big")
    assert decode(swapped, "big") == program


def test_each_form_round_trips_at_its_ends():
    for opcode, forms in FORMS.items():
        for form in forms:
            ends = {name: (getattr(form, name)[0], getattr(form, name)[-1])
                    for name in ("dst", "src", "off", "imm")}  # fmt: skip
            for end in (0, 1):
                insn = Insn(opcode, **{name: pair[end] for name, pair in ends.items()})
                code = encode([insn])
                assert decode(code) == [insn]
                assert assemble(disassemble(code)[0]) == code, disassemble(code)


@given(st.binary(max_size=64))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_refused_or_kept(code):
    try:
        program = decode(code)
    except IsaError as caught:
        error = caught
        program = None
    if program is None:
        assert "byte" in str(error)
        return
    assert encode(program) == code
    assert assemble("\n".join(disassemble(code))) == code


def test_nearly_valid_bytes_are_refused_or_kept():
    """Each bit of each golden instruction turned over."""
    kept = 0
    for code, _ in GOLDEN:
        for bit in range(8 * len(code)):
            damaged = bytearray(code)
            damaged[bit >> 3] ^= 1 << (bit & 7)
            try:
                program = decode(damaged)
            except IsaError:
                continue
            kept += 1
            assert encode(program) == damaged
            assert assemble("\n".join(disassemble(damaged))) == damaged
    assert kept > 1000


@given(st.text("r10w=+-*/ ()u32s8<>!&|^%gotcalexif:#;,x\n", max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_refused_or_assembled(text):
    try:
        code = assemble(text)
    except IsaError as caught:
        error = caught
        code = None
    if code is None:
        assert str(error).startswith("line ")
        return
    assert assemble("\n".join(disassemble(code))) == code


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (b"\x95" * 7, "7 bytes are no whole number of 8-byte instructions"),
        (raw(0xFF), "instruction 0 (byte 0): unknown opcode 0xff"),
        (raw(0x95) + raw(0x00), "instruction 1 (byte 8): unknown opcode 0x00"),
        (raw(0x8D), "unknown opcode 0x8d"),  # callx
        (raw(0x18), "lddw takes two slots, the program ends after one"),
        (raw(0x18) + raw(0x95), "instruction 1 (byte 8): the second slot of lddw must be zero"),
        (raw(0x18) + raw(0, off=1), "must be zero but for its imm"),
        (raw(0x18, 0, 7) + raw(0), "src is 7, opcode 0x18 (lddw) takes 0 or 1 or 5 or 4 or 2"),
        (raw(0x18, 0, 1) + raw(0, imm=1), "imm is 4294967296, opcode 0x18"),
        (raw(0xB7, 11), "dst is 11, opcode 0xb7 (alu_imm) takes 0 to 10"),
        (raw(0xBF, 0, 11), "src is 11, opcode 0xbf (alu_reg) takes 0 to 10"),
        (raw(0xB7, 0, 1), "src is 1, opcode 0xb7 (alu_imm) takes 0"),
        (raw(0xB7, 0, 0, 1), "off is 1, opcode 0xb7"),
        (raw(0x37, 0, 0, 2), "off is 2, opcode 0x37 (alu_imm) takes 0 or 1"),
        (raw(0x0F, 0, 0, 0, 1), "imm is 1, opcode 0x0f"),
        (raw(0xBC, 0, 0, 32), "off is 32, opcode 0xbc (alu_reg) takes 0 or 8 or 16"),
        (raw(0xBF, 0, 0, 1, 5), "imm is 5, opcode 0xbf (cast) takes 1 or 65536"),
        (raw(0xD4, 0, 0, 0, 8), "imm is 8, opcode 0xd4 (end) takes 16 or 32 or 64"),
        (raw(0x87, 0, 0, 0, 1), "imm is 1, opcode 0x87 (neg) takes 0"),
        (raw(0x95, 1), "dst is 1, opcode 0x95 (exit)"),
        (raw(0x95, imm=1), "imm is 1, opcode 0x95"),
        (raw(0x85, 0, 3), "src is 3, opcode 0x85 (call) takes 0 or 1 or 2"),
        (raw(0x85, 0, 0, 1), "off is 1, opcode 0x85"),
        (raw(0x05, imm=1), "imm is 1, opcode 0x05 (goto)"),
        (raw(0x06, off=1), "off is 1, opcode 0x06 (gotol)"),
        (raw(0xE5, 0, 1), "src is 1, opcode 0xe5 (may_goto)"),
        (raw(0xDB, 0, 0, 0, 0x10), "imm is 16, opcode 0xdb"),
        (raw(0xD3, 0, 0, 0, 0), "imm is 0, opcode 0xd3 (load_acquire) takes 256 or 272"),
        (raw(0x38), "unknown opcode 0x38"),  # 64-bit packet load
        (raw(0x99), "unknown opcode 0x99"),  # sign-extending 64-bit load
    ],
)
def test_bytes_refused(code, message):
    with pytest.raises(IsaError) as caught:
        decode(code)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("insn", "message"),
    [
        (Insn(0xB7, imm=1 << 31), "imm is 2147483648, opcode 0xb7"),
        (Insn(0x05, off=1 << 15), "off is 32768"),
        (Insn(0x18, imm=1 << 64), "imm is 18446744073709551616"),
        (Insn(300), "unknown opcode 0x12c"),
    ],
)
def test_records_refused(insn, message):
    with pytest.raises(IsaError, match=message):
        encode([Insn(0x95), insn])
    with pytest.raises(IsaError, match=r"^instruction 1 \(byte 8\)"):
        encode([Insn(0x95), insn])


def test_negative_wide_immediates():
    assert encode([Insn(0x18, 1, imm=-2)]) == encode([Insn(0x18, 1, imm=(1 << 64) - 2)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("r0 = 0\nr0 := 1", "line 2: 'r0 := 1' is no instruction"),
        ("r11 = 0", "line 1: there is no register r11 in 'r11 = 0'"),
        ("r1 = w2", "line 1: 64-bit and 32-bit registers mixed in 'r1 = w2'"),
        (
            "r1 = 0xffffffff",
            "does not fit signed 32 bits (64-bit numbers are written 0xffffffff ll)",
        ),
        ("w1 = 0x1ffffffff", "line 1: 0x1ffffffff does not fit 32 bits in"),
        ("r1 = -r2", "line 1: r1 and r2 must be the same"),
        ("w1 = be16 w1", "line 1: byte order is changed in 64-bit registers"),
        ("r1 = 99999999999999999999 ll", "does not fit 64 bits"),
        ("r1 = *(s64 *)(r2 + 0)", "a 64-bit load has no sign to extend"),
        ("r1 = *(u64 *)(r2 + 40000)", "+ 40000 does not fit signed 16 bits"),
        ("*(u32 *)(r1 + 0) = w2", "stores name the whole register, r2"),
        ("r2 = atomic64_xchg((u32 *)(r1 + 0), r2)", "atomic64 does not go with u32"),
        ("r3 = atomic64_xchg((u64 *)(r1 + 0), r2)", "r3 and r2 must be the same"),
        ("lock *(u8 *)(r1 + 0) += r2", "line 1: instruction 0 (byte 0): imm is 0, opcode 0xd3"),
        ("w1 = (s32)w2", "off is 32, opcode 0xbc"),
        ("goto nowhere", "line 1: there is no label 'nowhere'"),
        ("a: exit\na: exit", "line 2: label 'a' is there already"),
        ("r1 = addr_space_cast(r2, 1, 1)", "imm is 65537"),
        ("call", "'call' is no instruction"),
        ("if r1 = 5 goto +1", "is no instruction"),
        ("r1 =", "is no instruction"),
        ("exit exit", "is no instruction"),
    ],
)
def test_text_refused(text, message):
    with pytest.raises(IsaError) as caught:
        assemble(text)
    assert message in str(caught.value)


def test_labels():
    code = assemble(
        """
        # counts down
            r1 = 10
        again: r1 += -1         // one less
            if r1 != 0 goto again
            r2 = code_addr(callback)
            r3 = 0x1 ll
            call helper
            gotol done
        helper:
            w0 = 0xffffffff
            exit
        callback:
            goto helper
        done: exit
        """
    )
    assert disassemble(code) == [
        "r1 = 10", "r1 += -1", "if r1 != 0 goto -2", "r2 = code_addr(+7)", "r3 = 0x1 ll",
        "call pc+1", "gotol +3", "w0 = -1", "exit", "goto -3", "exit",
    ]  # fmt: skip


def test_far_labels():
    far = "goto end\n" + "r0 = 0\n" * 33000 + "end: exit"
    with pytest.raises(IsaError, match=r"line 1: 'end' is 33000 instructions away.*use gotol"):
        assemble(far)
    assert decode(assemble(far.replace("goto", "gotol")))[0] == Insn(0x06, imm=33000)


def test_lines_of_the_kernels_log():
    text = (
        "0: (bf) r6 = r1\n  1: (85) call bpf_get_current_pid_tgid#14\n"
        "2: (15) if r0 == 0x5 goto pc+1\n3: (05) goto pc-2\n4: (95) exit\n"
    )
    assert disassemble(assemble(text)) == [
        "r6 = r1", "call 14", "if r0 == 5 goto +1", "goto -2", "exit",
    ]  # fmt: skip


def test_comments_from_symbols():
    code = assemble("r1 = 0x0 ll\ncall 1\nexit")
    assert disassemble(code, {0: "map counts", 2: "map_lookup_elem"}) == [
        "r1 = 0x0 ll ; map counts", "call 1 ; map_lookup_elem", "exit",
    ]  # fmt: skip
    assert assemble("\n".join(disassemble(code, {0: "x", 2: "y"}))) == code


def test_the_compilers_numbers_agree():
    names = [
        "ADD", "SUB", "MUL", "DIV", "OR", "AND", "LSH", "RSH", "NEG", "MOD", "XOR", "MOV", "ARSH",
        "END", "JEQ", "JGT", "JGE", "JSET", "JNE", "JSGT", "JSGE", "JLT", "JLE", "JSLT", "JSLE",
        "ALU64", "JMP", "JMP32", "X", "LDDW", "PSEUDO_MAP_FD", "PSEUDO_MAP_VALUE", "PSEUDO_FUNC",
        "PSEUDO_CALL", "PSEUDO_KFUNC_CALL",
    ]  # fmt: skip
    for name in names:
        assert getattr(machine, name) == getattr(opcodes, name), name
    assert machine.ALU32 == opcodes.ALU
    assert machine.CALL == opcodes.JMP | opcodes.CALL
    assert machine.EXIT == opcodes.JMP | opcodes.EXIT
    assert machine.JA == opcodes.JMP | opcodes.JA
    assert machine.JA32 == opcodes.JMP32 | opcodes.JA
    for bits, size in ((8, opcodes.B), (16, opcodes.H), (32, opcodes.W), (64, opcodes.DW)):
        assert machine.LDX[bits] == opcodes.LDX | opcodes.MEM | size
        assert machine.ST[bits] == opcodes.ST | opcodes.MEM | size
        assert machine.STX[bits] == opcodes.STX | opcodes.MEM | size
        if bits < 64:
            assert machine.LDXS[bits] == opcodes.LDX | opcodes.MEMSX | size
    for bits, size in ((32, opcodes.W), (64, opcodes.DW)):
        assert machine.ATOMIC[bits] == opcodes.STX | opcodes.ATOMIC | size
