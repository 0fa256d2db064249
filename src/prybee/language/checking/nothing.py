"""Calls that give nothing, where a value is wanted: ``$a + print(1)``.

Types are found in rounds, in which "nothing" and "not known yet" look alike; so this is asked when
all else is settled.
"""

from __future__ import annotations

from prybee.language import tree
from prybee.language.types import NoneType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What has values below it, and in which fields.
_VALUES: dict[type[tree.Node], tuple[str, ...]] = {
    tree.Unary: ("operand",),
    tree.Binary: ("left", "right"),
    tree.Cast: ("operand",),
    tree.If: ("condition",),
    tree.Ternary: ("condition",),
    tree.While: ("condition",),
    tree.Index: ("index",),
    tree.MapAccess: ("key",),
    tree.TupleLiteral: ("elements",),
    tree.RecordField: ("value",),
    tree.AssignScratch: ("value",),
    tree.AssignMap: ("value",),
    tree.Probe: ("predicate",),
}


def used_as_values(root: tree.Node) -> Iterator[tree.Call]:
    """The calls below ``root`` that give nothing, and of which something is expected."""
    for node in tree.walk(root):
        for name in _VALUES.get(type(node), ()):
            found = getattr(node, name)
            for each in found if isinstance(found, list) else (found,):
                if isinstance(each, tree.Call) and isinstance(each.type, NoneType):
                    yield each
