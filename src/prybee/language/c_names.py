"""Names of C's types on 64-bit Linux, and what the language calls them."""

from __future__ import annotations

from prybee.language.types import (
    BOOL,
    INT8,
    INT16,
    INT32,
    INT64,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    VOID,
    Type,
)

# The words of C's integer types, sorted, and what they mean on 64-bit Linux.
BASE: dict[str, Type] = {
    "void": VOID,
    "_Bool": BOOL,
    "bool": BOOL,
    "char": INT8,
    "char signed": INT8,
    "char unsigned": UINT8,
    "short": INT16,
    "int short": INT16,
    "short signed": INT16,
    "int short signed": INT16,
    "short unsigned": UINT16,
    "int short unsigned": UINT16,
    "int": INT32,
    "signed": INT32,
    "int signed": INT32,
    "unsigned": UINT32,
    "int unsigned": UINT32,
    "long": INT64,
    "int long": INT64,
    "long signed": INT64,
    "int long signed": INT64,
    "long unsigned": UINT64,
    "int long unsigned": UINT64,
    "long long": INT64,
    "int long long": INT64,
    "long long signed": INT64,
    "int long long signed": INT64,
    "long long unsigned": UINT64,
    "int long long unsigned": UINT64,
}

_WIDTHS = {
    (8, True): INT8,
    (16, True): INT16,
    (32, True): INT32,
    (64, True): INT64,
    (8, False): UINT8,
    (16, False): UINT16,
    (32, False): UINT32,
    (64, False): UINT64,
}

# Names that every kernel and C library has.
TYPEDEFS: dict[str, Type] = {
    "size_t": UINT64,
    "ssize_t": INT64,
    "uintptr_t": UINT64,
    "intptr_t": INT64,
    "off_t": INT64,
    "loff_t": INT64,
    "time_t": INT64,
    "pid_t": INT32,
    "uid_t": UINT32,
    "gid_t": UINT32,
    "mode_t": UINT32,
    "dev_t": UINT32,
    **{
        pattern.format(bits): type_
        for (bits, signed), type_ in _WIDTHS.items()
        for pattern in (
            ("s{}", "__s{}", "int{}_t")
            if signed
            else ("u{}", "__u{}", "uint{}_t", "u_int{}_t", "__be{}", "__le{}")
        )
    },
}
