"""The running kernel takes our bytes, and its own disassembly says what ours does."""

from __future__ import annotations

import os
import re

import pytest

from prybee.isa import assemble, decode, disassemble

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="loading programs needs root"),
]

PROGRAM = """
    r6 = 1000
    r2 = 0x123456789 ll
    r3 = 7
    w4 = w2
    r2 += r3
    w2 -= 5
    r2 s>>= 3
    r2 = -r2
    r2 = be16 r2
    r2 = le32 r2
    r2 ^= r3
    *(u64 *)(r10 - 8) = 5
    *(u32 *)(r10 - 16) = r2
    *(u32 *)(r10 - 12) = 0
    r4 = *(u64 *)(r10 - 8)
    lock *(u64 *)(r10 - 8) += r3
    r3 = atomic64_fetch_add((u64 *)(r10 - 8), r3)
    r3 = atomic_fetch_or((u32 *)(r10 - 16), r3)
    r3 = atomic64_xchg((u64 *)(r10 - 8), r3)
    r0 = 0
    r0 = atomic64_cmpxchg((u64 *)(r10 - 8), r0, r3)
    r0 = 0
    if r4 s> 5 goto +1
    goto +0
    if w3 & 4 goto +1
    goto +0
    call 5
    call f
    r0 = 0
    exit
f:  r0 = 1
    exit
"""

# Linux 6.6 and later: what clang calls cpu v4
V4 = """
    r2 = -70000
    r2 = (s8)r2
    w2 = (s16)w2
    r2 = bswap64 r2
    r2 s/= 5
    w2 s%= 3
    *(u64 *)(r10 - 8) = r2
    r4 = *(s16 *)(r10 - 8)
    gotol +0
    r0 = 0
    exit
"""
MAY_GOTO = "r0 = 0\nmay_goto +1\ngoto -2\nexit\n"  # 6.9
ORDERED = """
    *(u64 *)(r10 - 8) = 5
    r5 = load_acquire((u32 *)(r10 - 8))
    store_release((u64 *)(r10 - 8), r5)
    r0 = 0
    exit
"""  # 6.15


@pytest.mark.parametrize(
    ("text", "since"),
    [(PROGRAM, (5, 15)), (V4, (6, 6)), (MAY_GOTO, (6, 9)), (ORDERED, (6, 15))],
    ids=["base", "v4", "may_goto", "ordered"],
)
def test_the_kernel_reads_what_we_write(text, since):
    from prybee.linux.programs import Program

    release = tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2])
    if release < since:
        pytest.skip(f"this kernel, {release}, is older than {since}")
    code = assemble(text)
    with Program.load("raw_tracepoint", code, log_level=2) as program:
        log = program.log
    theirs = {}
    for line in log.splitlines():
        match = re.match(r"(\d+): \([0-9a-f]{2}\) (.*?)(\s+;.*)?$", line)
        if match is not None:
            theirs.setdefault(int(match[1]), match[2])
    seen = slot = 0
    for insn, ours in zip(decode(code), disassemble(code), strict=True):
        if slot in theirs:
            line = theirs[slot] + (" ll" if insn.slots == 2 else "")
            assert disassemble(assemble(line)) == [ours]
            seen += 1
        slot += insn.slots
    assert seen > 0.7 * len(decode(code))
