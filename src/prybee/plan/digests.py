"""What stands for a long key where the kernel takes short ones only.

Keys of hash maps were once bounded by the stack of programs, 512 bytes (``htab_map_alloc_check``,
kernel/bpf/hashtab.c); a stack of 127 frames is longer.  There a map of the script is a map of
digests, whose values have the key behind them.  Programs make digests
(``language/lower/digests.py``), and so does whoever reads a map by key.
"""

from __future__ import annotations

from struct import unpack

SIZE = 16
# Two independent sums of the key's words, each by its own odd number: 128 bits, which are not
# meant to withstand anybody who looks for two keys of one digest.
STARTS = (0x243F6A8885A308D3, 0x13198A2E03707344)
FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
SHIFTS = (29, 32)

_MASK = (1 << 64) - 1


def room(size: int) -> int:
    """Bytes that a key of ``size`` bytes takes behind its value."""
    return (size + 7) // 8 * 8


def digest(key: bytes) -> bytes:
    """What stands for a key.

    Args:
        key: of any length; bytes that are missing to a multiple of 8 count as zeros.
    """
    key = key.ljust(room(len(key)), b"\0")
    sums = list(STARTS)
    for word in unpack(f"<{len(key) // 8}Q", key):
        for lane in (0, 1):
            value = (sums[lane] ^ word) * FACTORS[lane] & _MASK
            sums[lane] = value ^ value >> SHIFTS[lane]
    return b"".join(each.to_bytes(8, "little") for each in sums)
