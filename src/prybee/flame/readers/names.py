"""Names of functions as other tracers print them, made as short as their source has them."""

from __future__ import annotations

import re

# C++'s operators have brackets in their names, so they are stepped over whole.
_BRACKET = re.compile(r"operator(?:\(\)|\[\]|->\*?|<=>|<<=?|>>=?|[<>]=?)|[<{\[(]|[>}\])]")
_PLAIN_BRACKET = re.compile(r"[<{\[(]|[>}\])]")
_ANONYMOUS = "(anonymous namespace)"
# What is left of a Rust name whose lengths alone were taken away.
_RUST = re.compile(r"(?:::)?h[0-9a-fA-F]{16}$")
# Functions that were inlined into another stand behind it; not C++'s operator of that name.
_INLINED = re.compile(r"(?<!operator)->")


def without_arguments(name: str, compat: str = "") -> str:
    """A name up to its arguments.

    Brackets inside of others (templates, lambdas) are part of the name, and so are anonymous
    namespaces and Go's ``package.(*Type).Method``.

    Args:
        name: as it is printed.
        compat: of a program whose names these are to be: ``inferno`` does not know operators.
    """
    if "(" not in name:
        return name
    depth = 0
    for found in (_PLAIN_BRACKET if compat == "inferno" else _BRACKET).finditer(name):
        text, at = found[0], found.start()
        if text == "(" and depth == 0:
            if name[at - 1 : at] != "." and not name.startswith(_ANONYMOUS, at):
                return name[:at]
            depth += 1
        elif text in "<{[(":
            depth += 1
        elif text in ">}])":
            depth -= 1
            if depth < 0 and compat != "inferno":
                depth = 0
    return name


def repaired(name: str, compat: str = "") -> str:
    """A Rust name whose escapes (``$LT$``) and hash are left in it; all others unchanged.

    Args:
        name: as perf, DTrace and macOS's sample print it.
        compat: ``inferno`` leaves a ``_`` where a part of a name begins with an escape.
    """
    hash_ = _RUST.search(name)
    if hash_ is None or name.startswith(("_ZN", "__ZN")):
        return name
    from prybee.symbols.demangling.rust import unescape

    parts = name[: hash_.start()].split("::")
    count = 1 if compat == "inferno" else len(parts)
    parts[:count] = [part[1:] if part.startswith("_$") else part for part in parts[:count]]
    return "::".join(unescape(part) for part in parts)


def inlined(name: str, compat: str = "") -> list[str]:
    """The functions that stand in one name with ``->`` between, the outermost first."""
    if "->" not in name:
        return [name]
    return name.split("->") if compat else _INLINED.split(name)
