"""Types as C writes them: names, declarations, definitions."""

# ruff: noqa: A001, A002, A004, A006 - "id" and "type" are the words of BTF
from __future__ import annotations

from prybee.btf.format import MAX_DEPTH, BtfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.btf.reader import Btf

_QUALIFIERS = {"const": "const", "volatile": "volatile", "restrict": "restrict"}
_TAGGED = {"struct": "struct", "union": "union", "enum": "enum", "enum64": "enum"}
# A definition longer than this comes from no compiler.
_MAX_LINES = 100_000


def declaration(btf: Btf, id: int, name: str) -> str:
    """``id`` declared as ``name`` (which may be empty: then just the type's name).

    Raises:
        BtfError: the type refers to itself in a way C cannot write.
    """
    return _declare(btf, id, name, 0)


def _declare(btf: Btf, id: int, inner: str, depth: int, body: str = "") -> str:
    """Work from the name outwards, as C's declarators do.

    Args:
        inner: the declarator so far.
        body: what to write instead of the name of the innermost type.
    """
    pointer = False  # whether the outermost part of the declarator is a ``*``
    while True:
        depth += 1
        if depth > MAX_DEPTH:
            raise BtfError(f"type {id}: more than {MAX_DEPTH} types refer to each other")
        kind = btf.kind(id)
        if kind == "ptr":
            inner = f"*{inner}"
            pointer = True
        elif kind == "array":
            if pointer:
                inner = f"({inner})"
                pointer = False
            id, count = btf.array_info(id)
            inner = f"{inner}[{count or ''}]"
            continue
        elif kind in ("func_proto", "func"):
            if pointer:
                inner = f"({inner})"
                pointer = False
            inner = f"{inner}({_parameters(btf, id, depth)})"
            id = btf.returns(id)
            continue
        elif kind in _QUALIFIERS and btf.kind(_unqualified(btf, id)) == "ptr":
            # It qualifies the pointer itself, so it stands after the ``*``.
            word = _QUALIFIERS[kind]
            inner = f" {word} {inner}" if inner and not inner.startswith(" ") else f" {word}{inner}"
        elif kind in _QUALIFIERS:
            target = btf.target(id)
            if btf.kind(target) in ("array", "func_proto"):
                id = target  # C cannot write it there; the elements' own qualifier counts
                continue
            base = _declare(btf, target, "", depth, body)
            return _join(f"{_QUALIFIERS[kind]} {base}", inner)
        elif kind not in ("type_tag", "var"):
            return _join(body or _base_name(btf, id, kind), inner)
        id = btf.target(id)


def _unqualified(btf: Btf, id: int) -> int:
    return btf.strip_modifiers(id)


def _join(base: str, inner: str) -> str:
    if not inner or inner.startswith("["):
        return base + inner
    return f"{base} {inner.lstrip()}"


def _base_name(btf: Btf, id: int, kind: str) -> str:
    if kind == "fwd":
        return f"{'union' if btf.is_union(id) else 'struct'} {btf.name(id)}"
    if kind in _TAGGED:
        return f"{_TAGGED[kind]} {btf.name(id) or '{...}'}"
    return btf.name(id) or kind


def _parameters(btf: Btf, id: int, depth: int) -> str:
    texts = [_declare(btf, p.type, p.name, depth) for p in btf.parameters(id)]
    if btf.variadic(id):
        texts.append("...")
    return ", ".join(texts) or "void"


def definition(btf: Btf, id: int) -> str:
    """C's definition of a type.

    Raises:
        BtfError: the type nests without end.
    """
    kind = btf.kind(id)
    if kind in ("func", "var"):
        return f"{_declare(btf, btf.target(id), btf.name(id), 0)};"
    if kind == "typedef":
        target = btf.target(id)
        body = ""
        if btf.kind(target) in _TAGGED and not btf.name(target):
            lines: list[str] = []
            _body(btf, target, "", lines, 0)
            body = "\n".join(lines)
        return f"typedef {_declare(btf, target, btf.name(id), 0, body)};"
    if kind not in _TAGGED:
        return f"{_declare(btf, id, '', 0)};"
    lines = []
    _body(btf, id, "", lines, 0)
    return "\n".join(lines) + ";"


def _body(btf: Btf, id: int, indent: str, lines: list[str], depth: int) -> None:
    """Append ``struct name {`` … ``}``; the first line without its indent, the last open-ended."""
    if depth > MAX_DEPTH or len(lines) > _MAX_LINES:
        raise BtfError(f"type {id}: nested too deeply to be written out")
    kind = btf.kind(id)
    name = btf.name(id)
    head = f"{_TAGGED[kind]} {name}".rstrip()
    lines.append(f"{head} {{")
    inside = indent + "\t"
    if kind in ("enum", "enum64"):
        lines.extend(f"{inside}{name} = {value}," for name, value in btf.enumerators(id))
        lines.append(f"{indent}}}")
        return
    for member in btf.members(id):
        width = f" : {member.bit_size}" if member.bit_size else ""
        inner = _nested(btf, member.type)
        body = ""
        if inner:
            nested: list[str] = []
            _body(btf, inner, inside, nested, depth + 1)
            body = "\n".join(nested)
            if len(lines) + len(nested) > _MAX_LINES:
                raise BtfError(f"type {id}: nested too deeply to be written out")
        lines.append(f"{inside}{_declare(btf, member.type, member.name, 0, body)}{width};")
    lines.append(f"{indent}}}")


def _nested(btf: Btf, id: int) -> int:
    """The anonymous struct, union or enum that a member's type must spell out, or 0."""
    for _ in range(MAX_DEPTH):
        kind = btf.kind(id)
        if kind in _TAGGED:
            return 0 if btf.name(id) else id
        if kind not in ("array", "ptr", "const", "volatile", "restrict", "type_tag"):
            return 0
        id = btf.target(id)
    return 0
