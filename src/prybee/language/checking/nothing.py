"""What gives nothing, where a value is wanted: ``$a + print(1)``.

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
    tree.Call: ("args",),
    tree.Unary: ("operand",),
    tree.Binary: ("left", "right"),
    tree.Cast: ("operand",),
    tree.If: ("condition",),
    tree.Ternary: ("condition",),
    tree.While: ("condition",),
    tree.Index: ("subject", "index"),
    tree.FieldAccess: ("subject",),
    tree.TupleAccess: ("subject",),
    tree.MapAccess: ("key",),
    tree.TupleLiteral: ("elements",),
    tree.RecordField: ("value",),
    tree.AssignScratch: ("value",),
    tree.AssignMap: ("value",),
    tree.Probe: ("predicate",),
}


def used_as_values(root: tree.Node) -> Iterator[tuple[tree.Expression, str]]:
    """What below ``root`` gives nothing although something is expected of it, and its name."""
    declared: list[tree.Scratch] = []
    for node in tree.walk(root):
        if isinstance(node, tree.Declaration):
            declared.append(node.variable)
        elif (
            isinstance(node, tree.Scratch)
            and isinstance(node.type, NoneType)
            and not any(node is each for each in declared)
        ):
            yield node, f"{node.name} is never assigned, so it"
        for name in _VALUES.get(type(node), ()):
            found = getattr(node, name)
            for each in found if isinstance(found, list) else (found,):
                if isinstance(each, tree.Expression) and isinstance(each.type, NoneType):
                    if isinstance(each, tree.Call):
                        yield each, f"{each.name}()"
                    elif isinstance(each, tree.Block | tree.If):
                        yield each, "the block"
