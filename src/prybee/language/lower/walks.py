"""Loops over maps where the kernel cannot walk over one (``bpf_for_each_map_elem``, 5.13).

In blocks that prybee runs itself (``begin``, ``end``, ``self``, and ``interval``, which it then
runs by a clock of its own), the walk is prybee's: at the loop the program asks for it and ends;
prybee runs it again for each key, and then once more to go on behind the loop.  A program that is
run so begins with a jump to where it shall go on, and keeps its variables in global data.

What is asked for is in the word ``request`` of the global data: 0 when the program is done,
``2n + 1`` to begin walk number ``n``, ``2n + 2`` for its next key.  The word ``resume`` says where
to go on: 0 at the beginning, ``2n + 1`` at the body of walk ``n`` with the key in its place,
``2n + 2`` behind it.
"""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.language import tree
from prybee.language.lower import variables
from prybee.language.lower.maps import Hash
from prybee.language.lower.operands import Place
from prybee.language.types import BPF, TupleType
from prybee.plan.plan import WalkSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.compiler.ir import Block
    from prybee.language.lower.handler import Handler
    from prybee.language.script import Variant

# Probes whose programs prybee runs, or can run.
RUN_BY_US = frozenset(("begin", "end", "self", "interval"))


class Walk:
    """One loop: its number, where its key is put, and where the program goes on."""

    __slots__ = ("after", "body", "key", "number")

    def __init__(self, number: int, key: int, body: Block, after: Block) -> None:
        self.number = number
        self.key = key
        self.body = body
        self.after = after


def loops(body: tree.Block) -> list[tree.For]:
    """The loops over maps in a handler."""
    return [
        node
        for node in tree.walk(body)
        if isinstance(node, tree.For) and isinstance(node.iterable, tree.Map)
    ]


def wanted(variant: Variant) -> bool:
    """Whether a handler's walks are ours, where the kernel has none."""
    return variant.context.provider in RUN_BY_US and bool(loops(variant.probe.body))


def begin(h: Handler, body: tree.Block) -> None:
    """Go where the program was left; what follows runs at its beginning."""
    script = h.script
    request, resume = script.walk_words
    for symbol in h.variant.symbols.values():
        if symbol.type is not None:
            place = script.globals.single((symbol.type.size + 7) // 8 * 8 or 8)
            h.frame.storage[symbol] = (h.global_pointer(place.offset), 0)
    where = h.b.load(I64, h.global_pointer(resume), 0)
    h.b.store(h.global_pointer(resume), 0, h.const(0), I64)
    h.b.store(h.global_pointer(request), 0, h.const(0), I64)
    for node in loops(body):
        assert isinstance(node.iterable, tree.Map)
        storage = script.storage(node.iterable)
        assert storage.key_type is not None
        size = storage.key_type.size
        key = script.globals.single((size + 7) // 8 * 8)
        number = len(script.walks)
        script.walks.append(WalkSpec(storage.spec, key.offset, size))
        walk = Walk(number, key.offset, h.block("walk"), h.block("walked"))
        h.walks[node] = walk
        for code, block in ((2 * number + 1, walk.body), (2 * number + 2, walk.after)):
            other = h.block("other")
            h.b.branch(h.b.icmp("eq", where, code), block, other)
            h.start(other)
    for symbol, found in h.frame.storage.items():
        assert isinstance(found, tuple)
        assert symbol.type is not None
        h.b.zero(found[0], 0, (symbol.type.size + 7) // 8 * 8)


def finish(h: Handler) -> None:
    """End what was never reached: loops in branches that compiling left out."""
    for walk in h.walks.values():
        for block in (walk.body, walk.after):
            if not block.sealed:
                h.start(block)
                h.b.ret(h.context.return_value)


def lower(
    h: Handler,
    node: tree.For,
    walk: Walk,
    body: Callable[[Callable[[], None], Callable[[], None]], None],
) -> None:
    """The loop. ``body(on_break, on_continue)`` builds what it does."""
    assert isinstance(node.iterable, tree.Map)
    storage = h.script.storage(node.iterable)
    assert isinstance(storage, Hash)
    _ask(h, 2 * walk.number + 1)
    h.start(walk.body)
    following, found = h.block("next"), h.block("element")
    key = h.global_pointer(walk.key)
    content = storage.lookup(h, key)
    # Perhaps it was deleted meanwhile.
    h.b.branch(h.b.icmp("ne", content, 0), found, following, likely=True)
    h.start(found)
    symbol = node.variable.variable
    assert symbol is not None
    element = symbol.type
    assert isinstance(element, TupleType)
    key_type, value_type = element.elements
    place = variables.place(h, symbol)
    assert isinstance(place, tuple)
    pointer, offset = place
    value = storage.entry_value(h, key, content, value_type)
    h.zero_padding(element, pointer, offset)
    for part, at, type_ in zip(
        (Place(key, 0, key_type, BPF), value), element.offsets, element.elements, strict=True
    ):
        h.store(part, type_, pointer, offset + at)
    body(lambda: h.b.jump(walk.after), lambda: h.b.jump(following))
    if not h.b.terminated:
        h.b.jump(following)
    h.start(following)
    _ask(h, 2 * walk.number + 2)
    h.start(walk.after)


def _ask(h: Handler, what: int) -> None:
    h.b.store(h.global_pointer(h.script.walk_words[0]), 0, h.const(what), I64)
    h.b.ret(h.context.return_value)
