"""A tree as text, one node a line: what ``-d ast`` and ``-d types`` show."""

from __future__ import annotations

from prybee.language import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def tree_text(root: tree.Node, types: bool = False) -> str:
    """``root`` and everything below it; with ``types`` also the types that were found."""
    lines: list[str] = []
    # (node or text, indentation), the next one last.
    pending: list[tuple[Any, int]] = [(root, 0)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, str):
            lines.append(" " * depth + item)
            continue
        lines.append(" " * depth + _head(item, types))
        below: list[tuple[Any, int]] = []
        for name in item.fields:
            value = getattr(item, name)
            if isinstance(value, tree.Node):
                below += _labelled(name, [value], item, depth)
            elif isinstance(value, list) and any(isinstance(e, tree.Node) for e in value):
                below += _labelled(name, value, item, depth)
        pending += reversed(below)
    return "\n".join(lines)


# Fields whose nodes speak for themselves: they stand below their parent without a heading.
_PLAIN = frozenset(
    ("items", "statements", "args", "elements", "left", "right", "operand", "subject",
     "expression", "target", "value", "attach_points", "assignments", "body", "key", "map",
     "index", "variable", "iterable", "parameters", "c_part", "imports", "config")
)  # fmt: skip


def _labelled(name: str, nodes: list[Any], parent: tree.Node, depth: int) -> list[tuple[Any, int]]:
    if name in _PLAIN:
        return [(node, depth + 1) for node in nodes]
    return [(name, depth + 1), *((node, depth + 2) for node in nodes)]


def _head(node: tree.Node, types: bool) -> str:
    """A node's class and what it holds itself, without the nodes below it."""
    words = [type(node).__name__]
    for name in node.fields:
        value = getattr(node, name)
        if isinstance(value, tree.Node | list) or value is None or value == "":
            continue
        words.append(value if name in ("op", "name", "field", "raw", "tag") else repr(value))
    text = " ".join(map(str, words))
    found = getattr(node, "type", None) if types else None
    return f"{text} :: [{found}]" if found is not None else text
