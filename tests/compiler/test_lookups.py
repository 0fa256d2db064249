"""Asking a map once for the same key, and only then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from prybee.compiler.compile import compile_module
from prybee.compiler.ir import I32, I64
from tests.compiler.harness import agree, module_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.compiler.builder import Builder
    from prybee.compiler.ir import Value

Body = "Callable[[Lookups], None]"


class Lookups:
    """Builds reads of maps as the language does: a key of its own each time."""

    def __init__(self, b: Builder, ctx: Value) -> None:
        self.b = b
        self.x = b.load(I64, ctx, 0)
        self.y = b.load(I64, ctx, 8)
        self.total = b.variable(I64)
        b.write(self.total, 0)

    def key(self, value: Value | None = None) -> Value:
        slot = self.b.slot(8, 8, "key")
        self.b.store(slot, 0, self.x if value is None else value)
        return slot

    def read(self, value: Value | None = None, name: str = "hash") -> None:
        """``total = total * 3 + (@name[value] or 7)``."""
        b = self.b
        p = b.call("map_lookup_elem", [b.map_ref(name), self.key(value)])
        found, missing, after = b.block("found"), b.block("missing"), b.block("after")
        got = b.variable(I64)
        b.branch(b.icmp("ne", p, 0), found, missing)
        b.seal(found)
        b.position_at(found)
        b.write(got, b.load(I64, p, 0))
        b.jump(after)
        b.seal(missing)
        b.position_at(missing)
        b.write(got, 7)
        b.jump(after)
        b.seal(after)
        b.position_at(after)
        b.write(self.total, b.add(b.mul(b.read(self.total), 3), b.read(got)))

    def write(self, value: Value | None = None, name: str = "hash") -> None:
        b = self.b
        room = b.slot(16, 8, "value")
        b.store(room, 0, b.add(b.read(self.total), 5))
        b.store(room, 8, b.const(0))
        b.call("map_update_elem", [b.map_ref(name), self.key(value), room, 0])

    def delete(self) -> None:
        self.b.call("map_delete_elem", [self.b.map_ref("hash"), self.key()])

    def when(self, body: Callable[[], None]) -> None:
        b = self.b
        then, after = b.block("then"), b.block("after")
        b.branch(b.icmp("ult", self.x, self.y), then, after)
        b.seal(then)
        b.position_at(then)
        body()
        b.jump(after)
        b.seal(after)
        b.position_at(after)


def again(m: Lookups) -> None:
    m.read()
    m.read()


def rewritten_key(m: Lookups) -> None:
    """One key object, filled anew between the lookups."""
    b = m.b
    key = b.slot(8, 8, "key")
    for value in (m.x, m.y):
        b.store(key, 0, value)
        p = b.call("map_lookup_elem", [b.map_ref("hash"), key])
        b.write(m.total, b.add(b.read(m.total), b.zext(b.icmp("ne", p, 0), I64)))


def key_written_by_a_helper(m: Lookups) -> None:
    b = m.b
    key, other = m.key(), m.key(m.y)
    for _ in range(2):
        p = b.call("map_lookup_elem", [b.map_ref("hash"), key])
        b.write(m.total, b.add(b.mul(b.read(m.total), 3), b.zext(b.icmp("ne", p, 0), I64)))
        b.call("probe_read_kernel", [key, 8, other])


def key_in_parts(m: Lookups) -> None:
    b = m.b
    for _ in range(2):
        key = b.slot(8, 8, "key")
        b.zero(key, 0, 8)
        b.store(key, 0, b.trunc(m.x, I32))
        p = b.call("map_lookup_elem", [b.map_ref("hash"), key])
        b.write(m.total, b.add(b.mul(b.read(m.total), 3), b.zext(b.icmp("ne", p, 0), I64)))


def in_a_loop(m: Lookups) -> None:
    """The key changes each time round, and so may the map."""
    b = m.b
    i = b.variable(I64)
    b.write(i, 0)
    head, body, after = b.block("head"), b.block("body"), b.block("after")
    m.read()
    b.jump(head)
    b.position_at(head)
    b.branch(b.icmp("ult", b.read(i), 3), body, after)
    b.seal(body)
    b.position_at(body)
    m.read(b.read(i))
    m.read(b.read(i))
    m.write(b.read(i))
    b.write(i, b.add(b.read(i), 1))
    b.jump(head)
    b.seal(head)
    b.seal(after)
    b.position_at(after)
    m.read()


def one(*names: str) -> Callable[[Lookups], None]:
    """Methods in a row."""

    def body(m: Lookups) -> None:
        for name in names:
            getattr(m, name)()

    return body


# name → (body, lookups left)
CASES: dict[str, tuple[Callable[[Lookups], None], int]] = {
    "again": (again, 1),
    "another key": (lambda m: (m.read(), m.read(m.y)), 2),
    "thrice": (one("read", "read", "read"), 1),
    "after an update": (one("read", "write", "read", "read"), 2),
    "after a deletion": (one("read", "delete", "read"), 2),
    "after an update on one way": (
        lambda m: (m.read(), m.when(lambda: m.write()), m.read()), 2,
    ),
    "known on one way only": (lambda m: (m.when(lambda: m.read()), m.read()), 2),
    "within a branch": (lambda m: (m.read(), m.when(lambda: m.read()), m.read()), 1),
    "on both ways of different branches": (
        lambda m: (m.when(lambda: m.read()), m.when(lambda: m.read())), 2,
    ),
    "rewritten key": (rewritten_key, 2),
    "key written by a helper": (key_written_by_a_helper, 2),
    "key in parts": (key_in_parts, 1),
    "in a loop": (in_a_loop, 3),
}  # fmt: skip


def builder_of(body: Callable[[Lookups], None], filled: bool) -> Any:
    def build(b: Builder, ctx: Value) -> Value:
        m = Lookups(b, ctx)
        if filled:
            m.write()
        body(m)
        b.store(b.map_value("out"), 0, b.read(m.total))
        return b.read(m.total)

    return build


@pytest.mark.parametrize("name", CASES)
def test_how_many_lookups_are_left(name: str) -> None:
    body, count = CASES[name]
    module = module_of(builder_of(body, False))
    compile_module(module)
    left = [
        v
        for block in module.functions[0].blocks
        for v in block.code
        if v.op == "call" and v.aux.name == "map_lookup_elem"
    ]
    assert len(left) == count


@pytest.mark.live
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
@pytest.mark.parametrize("name", CASES)
def test_results(name: str, filled: bool) -> None:
    for arguments in ([1, 2], [2, 1], [1, 1]):
        agree(builder_of(CASES[name][0], filled), arguments)
