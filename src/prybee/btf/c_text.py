"""Types as C writes them: names, declarations, definitions.

The layout is that of bpftool and libbpf, which bpftrace's listings show too.
"""

# ruff: noqa: A001, A002 - "id" and "type" are the words of BTF
from __future__ import annotations

from prybee.btf.format import MAX_DEPTH, BtfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.btf.reader import Btf

_QUALIFIERS = ("const", "volatile", "restrict")
_TAGGED = {"struct": "struct", "union": "union", "enum": "enum", "enum64": "enum"}
# More types in one text than any compiler's output has; stops nesting that doubles at each level.
_MAX_STEPS = 20_000


def declaration(btf: Btf, id: int, name: str) -> str:
    """``id`` declared as ``name`` (which may be empty: then just the type's name).

    Raises:
        BtfError: the type refers to itself in a way C cannot write.
    """
    return _Writer(btf).declare(id, name, 0)


def definition(btf: Btf, id: int) -> str:
    """C's definition of a type.

    Raises:
        BtfError: the type nests without end.
    """
    writer = _Writer(btf)
    kind = btf.kind(id)
    if kind in ("func", "var"):
        return f"{writer.declare(btf.target(id), btf.name(id), 0)};"
    if kind == "typedef":
        target = btf.target(id)
        body = ""
        if btf.kind(target) in _TAGGED and not btf.name(target):
            lines: list[str] = []
            writer.body(target, "", lines, 0)
            body = "\n".join(lines)
        return f"typedef {writer.declare(target, btf.name(id), 0, body)};"
    if kind not in _TAGGED:
        return f"{writer.declare(id, '', 0)};"
    lines = []
    writer.body(id, "", lines, 0)
    return "\n".join(lines) + ";"


class _Writer:
    """Writes one text."""

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self._steps = 0

    def _step(self, id: int, depth: int) -> None:
        self._steps += 1
        if depth > MAX_DEPTH:
            raise BtfError(f"type {id}: more than {MAX_DEPTH} types refer to each other")
        if self._steps > _MAX_STEPS:
            raise BtfError(f"type {id}: too large to be written out")

    def declare(self, id: int, inner: str, depth: int, body: str = "") -> str:
        """Work from the name outwards, as C's declarators do.

        Args:
            inner: the declarator so far.
            body: what to write instead of the name of the innermost type.
        """
        pointer = False  # whether the outermost part of the declarator is a ``*``
        while True:
            depth += 1
            self._step(id, depth)
            kind = self.btf.kind(id)
            if kind == "ptr":
                blank = " " if inner[:1] == "(" or inner.partition(" ")[0] in _QUALIFIERS else ""
                inner = f"*{blank}{inner}"
                pointer = True
            elif kind == "array":
                if pointer:
                    inner = f"({inner})"
                    pointer = False
                id, count = self.btf.array_info(id)
                inner = f"{inner}[{count}]"
                continue
            elif kind in ("func_proto", "func"):
                if pointer:
                    inner = f"({inner})"
                    pointer = False
                inner = f"{inner}({self.parameters(id, depth)})"
                id = self.btf.returns(id)
                continue
            elif kind in _QUALIFIERS and self.btf.kind(self.btf.strip_modifiers(id)) == "ptr":
                # It qualifies the pointer itself, so it stands after the ``*``.
                inner = f"{kind} {inner}" if inner else kind
            elif kind in _QUALIFIERS:
                target = self.btf.target(id)
                if self.btf.kind(target) in ("array", "func_proto"):
                    id = target  # C cannot write it there; the elements' own qualifier counts
                    continue
                base = self.declare(target, "", depth, body)
                return _join(f"{kind} {base}", inner)
            elif kind not in ("type_tag", "var"):
                return _join(body or self.base_name(id, kind), inner)
            id = self.btf.target(id)

    def base_name(self, id: int, kind: str) -> str:
        if kind == "fwd":
            return f"{'union' if self.btf.is_union(id) else 'struct'} {self.btf.name(id)}"
        if kind in _TAGGED:
            return f"{_TAGGED[kind]} {self.btf.name(id) or '{...}'}"
        return self.btf.name(id) or kind

    def parameters(self, id: int, depth: int) -> str:
        texts = [self.declare(p.type, p.name, depth) for p in self.btf.parameters(id)]
        if self.btf.variadic(id):
            texts.append("...")
        return ", ".join(texts) or "void"

    def body(self, id: int, indent: str, lines: list[str], depth: int) -> None:
        """Append ``struct name {`` to ``}``; neither indent before it nor ``;`` after it."""
        self._step(id, depth)
        kind = self.btf.kind(id)
        name = self.btf.name(id)
        head = f"{_TAGGED[kind]} {name}".rstrip()
        lines.append(f"{head} {{")
        inside = indent + "\t"
        if kind in ("enum", "enum64"):
            suffix = ""
            if kind == "enum64":
                suffix = "LL" if self.btf.enum_info(id)[1] else "ULL"
            lines.extend(
                f"{inside}{name} = {value}{suffix}," for name, value in self.btf.enumerators(id)
            )
            lines.append(f"{indent}}}")
            return
        members = self.btf.members(id)
        if not members:
            lines[-1] += "}"
            return
        for member in members:
            width = f": {member.bit_size}" if member.bit_size else ""
            inner = self.nested(member.type)
            body = ""
            if inner:
                nested: list[str] = []
                self.body(inner, inside, nested, depth + 1)
                body = "\n".join(nested)
            lines.append(f"{inside}{self.declare(member.type, member.name, 0, body)}{width};")
        lines.append(f"{indent}}}")

    def nested(self, id: int) -> int:
        """The anonymous struct, union or enum that a member's type must spell out, or 0."""
        for _ in range(MAX_DEPTH):
            kind = self.btf.kind(id)
            if kind in _TAGGED:
                return 0 if self.btf.name(id) else id
            if kind not in ("array", "ptr", "const", "volatile", "restrict", "type_tag"):
                return 0
            id = self.btf.target(id)
        return 0


def _join(base: str, inner: str) -> str:
    if not inner or inner.startswith("["):
        return base + inner
    return f"{base} {inner}"
