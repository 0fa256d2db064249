"""The BTF wire format (Documentation/bpf/btf.rst, include/uapi/linux/btf.h): numbers and names.

A BTF blob is a header, a section of types and a section of strings.  A type is three words
(name offset, info, size or type id) and, by its kind, further words.  Everything is in the byte
order of the machine it was made for.
"""

from __future__ import annotations

from struct import Struct

from prybee.diagnostics import PrybeeError

MAGIC = 0xEB9F
VERSION = 1
HEADER_SIZE = 24
# magic u16, version u8, flags u8, hdr_len, type_off, type_len, str_off, str_len
HEADER = "HBBIIIII"
LITTLE = Struct("<" + HEADER)
BIG = Struct(">" + HEADER)

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST = range(1, 11)
RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(11, 20)

# Index = kind number. Kind 0 stands for void.
KINDS = (
    "void", "int", "ptr", "array", "struct", "union", "enum", "fwd", "typedef", "volatile",
    "const", "restrict", "func", "func_proto", "var", "datasec", "float", "decl_tag", "type_tag",
    "enum64",
)  # fmt: skip
KIND_NUMBERS = {name: number for number, name in enumerate(KINDS)}

# Words that follow the three common ones: always, and for each of the type's vlen entries.
FIXED_WORDS = (0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0)
ENTRY_WORDS = (0, 0, 0, 0, 3, 3, 2, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 3)

# info word, with the wide masks of newer kernels; older ones leave the added bits zero.
VLEN_MASK = 0xFFFFFF
KIND_SHIFT = 24
KIND_MASK = 0x7F
KIND_FLAG = 1 << 31

INT_SIGNED = 1
INT_CHAR = 2
INT_BOOL = 4

FUNC_STATIC = 0
FUNC_GLOBAL = 1
FUNC_EXTERN = 2

# Kinds that only pass on to another type.
MODIFIERS = frozenset((VOLATILE, CONST, RESTRICT, TYPE_TAG))
ALIASES = MODIFIERS | {TYPEDEF}
# Kinds whose third word is a type id (the others have a size there, or nothing).
REFERRING = ALIASES | {PTR, FUNC, VAR, DECL_TAG, FUNC_PROTO}
ENUMS = frozenset((ENUM, ENUM64))
SIZED = frozenset((INT, STRUCT, UNION, ENUM, DATASEC, FLOAT, ENUM64))

# What the kernel allows for chains of types (kernel/bpf/btf.c, MAX_RESOLVE_DEPTH).
MAX_DEPTH = 32


class BtfError(PrybeeError):
    """BTF that cannot be read or built: malformed data, or a question a type does not answer."""
