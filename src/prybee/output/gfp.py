"""Flags of the kernel's page allocator by name: ``%gr``, as the kernel's own ``%pGg`` does."""

from __future__ import annotations

from prybee.data import Data

# The bits of gfp_t (include/linux/gfp_types.h).  The last four move with the kernel's
# configuration (KASAN, lockdep); they are those of the usual one.
_DMA, _HIGHMEM, _DMA32, _MOVABLE, _RECLAIMABLE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4
_HIGH, _IO, _FS, _ZERO = 1 << 5, 1 << 6, 1 << 7, 1 << 8
_DIRECT, _KSWAPD, _WRITE, _NOWARN = 1 << 10, 1 << 11, 1 << 12, 1 << 13
_COMP, _NOMEMALLOC, _HARDWALL, _ACCOUNT = 1 << 18, 1 << 19, 1 << 20, 1 << 22
_SKIP_KASAN = 1 << 25

_RECLAIM = _DIRECT | _KSWAPD
_KERNEL = _RECLAIM | _IO | _FS
_USER = _KERNEL | _HARDWALL
_HIGHUSER = _USER | _HIGHMEM
_HIGHUSER_MOVABLE = _HIGHUSER | _MOVABLE | _SKIP_KASAN
_LIGHT = (_HIGHUSER_MOVABLE | _COMP | _NOMEMALLOC | _NOWARN) & ~_RECLAIM


class _Flag(Data):
    bits: int
    name: str


# In the order of __def_gfpflag_names (include/trace/events/mmflags.h): what is made of many bits
# comes first, and takes its bits away from those behind.
_FLAGS = (
    _Flag(_LIGHT | _DIRECT, "GFP_TRANSHUGE"),
    _Flag(_LIGHT, "GFP_TRANSHUGE_LIGHT"),
    _Flag(_HIGHUSER_MOVABLE, "GFP_HIGHUSER_MOVABLE"),
    _Flag(_HIGHUSER, "GFP_HIGHUSER"),
    _Flag(_USER, "GFP_USER"),
    _Flag(_KERNEL | _ACCOUNT, "GFP_KERNEL_ACCOUNT"),
    _Flag(_KERNEL, "GFP_KERNEL"),
    _Flag(_RECLAIM | _IO, "GFP_NOFS"),
    _Flag(_HIGH | _KSWAPD, "GFP_ATOMIC"),
    _Flag(_RECLAIM, "GFP_NOIO"),
    _Flag(_KSWAPD | _NOWARN, "GFP_NOWAIT"),
    _Flag(_DMA, "GFP_DMA"),
    _Flag(_HIGHMEM, "__GFP_HIGHMEM"),
    _Flag(_DMA32, "GFP_DMA32"),
    _Flag(_HIGH, "__GFP_HIGH"),
    _Flag(_IO, "__GFP_IO"),
    _Flag(_FS, "__GFP_FS"),
    _Flag(_ZERO, "__GFP_ZERO"),
    _Flag(_DIRECT, "__GFP_DIRECT_RECLAIM"),
    _Flag(_KSWAPD, "__GFP_KSWAPD_RECLAIM"),
    _Flag(_WRITE, "__GFP_WRITE"),
    _Flag(_NOWARN, "__GFP_NOWARN"),
    _Flag(1 << 14, "__GFP_RETRY_MAYFAIL"),
    _Flag(1 << 15, "__GFP_NOFAIL"),
    _Flag(1 << 16, "__GFP_NORETRY"),
    _Flag(1 << 17, "__GFP_MEMALLOC"),
    _Flag(_COMP, "__GFP_COMP"),
    _Flag(_NOMEMALLOC, "__GFP_NOMEMALLOC"),
    _Flag(_HARDWALL, "__GFP_HARDWALL"),
    _Flag(1 << 21, "__GFP_THISNODE"),
    _Flag(_ACCOUNT, "__GFP_ACCOUNT"),
    _Flag(_MOVABLE, "__GFP_MOVABLE"),
    _Flag(_RECLAIMABLE, "__GFP_RECLAIMABLE"),
    _Flag(1 << 23, "__GFP_ZEROTAGS"),
    _Flag(1 << 24, "__GFP_SKIP_ZERO"),
    _Flag(_SKIP_KASAN, "__GFP_SKIP_KASAN"),
    _Flag(1 << 26, "__GFP_NO_OBJ_EXT"),
)


def gfp_flags(value: int) -> bytes:
    """The names of the flags in ``value``, joined with ``|``; what has no name in hexadecimal."""
    names = []
    rest = value
    for flag in _FLAGS:
        if rest & flag.bits == flag.bits:
            names.append(flag.name)
            rest &= ~flag.bits
    if rest or not names:
        names.append(f"0x{rest:x}" if rest else "0")
    return "|".join(names).encode()
