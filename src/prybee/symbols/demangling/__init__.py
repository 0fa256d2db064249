"""Names of C++ and Rust functions as their source has them.

Nothing is imported for names that are not mangled.
"""

from __future__ import annotations

_LONGEST = 8192


def demangle(name: str) -> str:
    """The readable form of a mangled C++ (Itanium ABI) or Rust name; any other name unchanged.

    Names that do not follow their grammar, or are absurdly long when expanded, come back as they
    are: a mangled name in a stack is better than none.
    """
    start = name[:3]
    if len(name) > _LONGEST:
        return name
    if start[:2] == "_R":
        from prybee.symbols.demangling.rust import demangle_v0

        return demangle_v0(name) or name
    if start[:2] == "_Z" or start == "__Z" or name.startswith("_GLOBAL__"):
        if "17h" in name:
            from prybee.symbols.demangling.rust import demangle_legacy

            found = demangle_legacy(name)
            if found:
                return found
        from prybee.symbols.demangling.itanium import demangle_itanium

        return demangle_itanium(name) or name
    return name
