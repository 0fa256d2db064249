"""Words of C that declarations are made of, and the types that the language has no word for."""

from __future__ import annotations

from prybee.language.c.layout import DOUBLE, FLOAT, WIDE
from prybee.language.types import ArrayType, Type

# What base types are made of.
BASE_WORDS = frozenset(
    ("void", "_Bool", "bool", "char", "short", "int", "long", "signed", "unsigned", "float",
     "double", "__int128", "_Complex", "__complex__", "_Float128", "__float128", "_Float64x",
     "_Float32", "_Float64", "_Float32x", "__signed__", "__signed", "__uint128_t", "__int128_t",
     "__builtin_va_list")
)  # fmt: skip
# Other spellings.
SAME = {"__signed__": "signed", "__signed": "signed"}
# Types beside those of c_names.py, by their sorted words.
OTHER: dict[str, Type] = {
    "float": FLOAT,
    "_Float32": FLOAT,
    "double": DOUBLE,
    "_Float64": DOUBLE,
    "_Float32x": DOUBLE,
    "double long": WIDE,
    "_Float64x": WIDE,
    "_Float128": WIDE,
    "__float128": WIDE,
    "__int128": WIDE,
    "__int128 signed": WIDE,
    "__int128 unsigned": WIDE,
    "__int128_t": WIDE,
    "__uint128_t": WIDE,
    "_Complex double": WIDE,
    "_Complex float": DOUBLE,
    "__builtin_va_list": ArrayType(DOUBLE, 3),
}
# What changes nothing of a type's layout.
QUALIFIERS = frozenset(
    ("const", "volatile", "restrict", "__restrict", "__restrict__", "__const", "__const__",
     "__volatile__", "__volatile", "_Atomic", "__user", "__kernel", "__rcu", "__percpu",
     "__iomem", "__force", "static", "inline", "__inline", "__inline__", "register", "extern",
     "_Noreturn", "_Thread_local", "__thread", "__extension__", "auto")
)  # fmt: skip
# Where attributes begin; the others stand for what they are called, as in the kernel.
ATTRIBUTES = frozenset(("__attribute__", "__attribute", "__packed", "__aligned", "_Alignas"))
ASSERTIONS = ("_Static_assert", "static_assert")
TYPEOF = ("typeof", "__typeof__", "__typeof")
