"""Loops.

``while`` and ``unroll`` are blocks of the same function.  ``for`` hands its body to the kernel as a
callback (``bpf_loop``, ``bpf_for_each_map_elem``), which is a function of its own: variables that
the body shares with the code around it live in the *environment*, an object of the handler's
frame whose address every callback gets.  It has a cell of 8 bytes for each captured variable
(the value, or the address of a larger one) and for what a loop must tell its surroundings.

Kernels without ``bpf_loop`` (before 5.17) get a range's loop as blocks of the same function: the
verifier walks every round of it, so there is a limit to those whose number it cannot know.
"""

from __future__ import annotations

from prybee.compiler.builder import Builder
from prybee.compiler.ir import CTX, FRAME, I32, I64, MAP, MAP_VALUE, Ptr
from prybee.language import tree
from prybee.language.lower import variables
from prybee.language.lower.handler import Frame
from prybee.language.lower.operands import Place, Scalar
from prybee.language.types import BPF, TupleType, is_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prybee.compiler.ir import Type, Value
    from prybee.diagnostics import ScriptError
    from prybee.language.lower.handler import Handler
    from prybee.language.script import VariableSymbol

_CELL = 8
_MOST_ROUNDS = (1 << 32) - 1
# Of a loop in the same function whose end is not a constant. The verifier remembers a branch for
# each round, and one for each condition in it; it has room for 8192 (BPF_COMPLEXITY_LIMIT_JMP_SEQ).
_MOST_UNKNOWN_ROUNDS = 512

# Functions that end the handler.
_LEAVING = ("exit", "assert")


class Environment:
    """The layout of the environment, and its address in the handler's own function."""

    __slots__ = ("cells", "memory", "pointer")

    def __init__(self, pointer: Value) -> None:
        self.pointer = pointer
        # Symbol → offset of its cell.
        self.cells: dict[VariableSymbol, int] = {}
        self.memory = _CELL

    def cell(self) -> int:
        """The offset of a new cell."""
        offset = self.memory
        self.memory += _CELL
        self.pointer.aux.size = self.memory
        return offset


def prepare(h: Handler, body: tree.Block) -> None:
    """Lay out the environment, where the handler has a loop that wants one."""
    needed = any(isinstance(node, tree.For) and _calls_back(h, node) for node in tree.walk(body))
    if not needed:
        return
    environment = h.environment = Environment(h.b.slot(_CELL, 8, "environment"))
    pointer = environment.pointer
    # bpf_loop() and bpf_for_each_map_elem() take a pointer to the stack only.
    pointer.aux.pinned = True
    h.frame.environment = pointer
    assert h.frame.ctx is not None
    h.b.store(pointer, 0, h.frame.ctx, I64)
    for symbol in h.variant.symbols.values():
        if not symbol.captured or symbol.type is None:
            continue
        cell = environment.cells[symbol] = environment.cell()
        if is_scalar(symbol.type):
            h.b.store(pointer, cell, h.const(0), I64)
        else:
            memory = h.slot(symbol.type, symbol.name)
            h.b.zero(memory, 0, (symbol.type.size + 7) // 8 * 8)
            h.b.store(pointer, cell, memory, I64)
            h.frame.storage[symbol] = (memory, 0)


def _calls_back(h: Handler, node: tree.For) -> bool:
    """Whether the body of a ``for`` becomes a callback."""
    over_range = isinstance(node.iterable, tree.Range)
    return h.script.can("helper:loop") if over_range else h.script.walks_in_kernel


def captured_place(h: Handler, symbol: VariableSymbol) -> tuple[Value, int] | None:
    """Where a captured variable lives; None where it is not one."""
    environment = h.environment
    if environment is None or symbol not in environment.cells:
        return None
    cell = environment.cells[symbol]
    base = h.frame.environment
    assert base is not None
    assert symbol.type is not None
    if is_scalar(symbol.type):
        return (base, cell)
    return (h.b.load(Ptr(FRAME), base, cell), 0)


def context(h: Handler) -> Value:
    """The probe's context pointer, also inside callbacks."""
    if h.frame.ctx is not None:
        return h.frame.ctx
    assert h.frame.environment is not None
    return h.b.load(Ptr(CTX), h.frame.environment, 0)


# -- in the same function -------------------------------------------------------------------------


def _body(
    h: Handler, body: tree.Block, on_break: Callable[[], None], on_continue: Callable[[], None]
) -> None:
    h.frame.break_to.append(on_break)
    h.frame.continue_to.append(on_continue)
    h.lower_block(body)
    h.frame.break_to.pop()
    h.frame.continue_to.pop()


def lower_while(h: Handler, node: tree.While) -> None:
    """A loop with a back edge; the verifier must see it end."""
    head, inside, after = h.block("while"), h.block("body"), h.block("done")
    for symbol in _assigned(node):
        if variables.map_entry(h, symbol) is None:
            variables.place(h, symbol)
    h.b.jump(head)
    h.b.position_at(head)
    condition = h.truth(h.lower(node.condition))
    h.b.branch(condition, inside, after)
    h.start(inside)
    _body(h, node.body, lambda: h.b.jump(after), lambda: h.b.jump(head))
    if not h.b.terminated:
        h.b.jump(head)
    h.b.seal(head)
    h.start(after)


def _assigned(node: tree.Node) -> list[VariableSymbol]:
    """The variables that are assigned below a node, so that their slots precede the loop."""
    found: dict[VariableSymbol, None] = {}
    for each in tree.walk(node):
        if isinstance(each, tree.Scratch) and each.variable is not None:
            found[each.variable] = None
    return [symbol for symbol in found if symbol.type is not None]


def lower_unroll(h: Handler, node: tree.Unroll) -> None:
    """The body, as many times as said."""
    assert isinstance(node.count, tree.Integer)
    after = h.block("done")
    h.pending += 1
    for _round in range(node.count.value):
        following = h.block("round")
        _body(
            h,
            node.body,
            lambda: h.b.jump(after),
            lambda following=following: h.b.jump(following),  # type: ignore[misc]
        )
        if not h.b.terminated:
            h.b.jump(following)
        h.start(following)
    h.pending -= 1
    h.b.jump(after)
    h.start(after)


def _range_here(h: Handler, node: tree.For, iterable: tree.Range) -> None:
    """``for`` over a range without a callback."""
    first, limit = h.lower_integer(iterable.first), h.lower_integer(iterable.limit)
    known = first.op == limit.op == "const"
    symbol = node.variable.variable
    for each in _assigned(node):
        if variables.map_entry(h, each) is None:
            variables.place(h, each)
    count = h.b.variable(I64, "round")
    h.b.write(count, 0)
    head, inside, following = h.block("for"), h.block("body"), h.block("next")
    after = h.block("done")
    h.b.jump(head)
    h.b.position_at(head)
    number = h.b.add(h.b.read(count), first)
    more = h.b.icmp("slt", number, limit)
    if known:
        h.b.branch(more, inside, after)
    else:
        within, beyond = h.block("round"), h.block("beyond")
        h.b.branch(more, within, after)
        h.start(within)
        counter = h.script.counters.rounds(h.b.span, _MOST_UNKNOWN_ROUNDS)
        h.b.branch(h.b.icmp("ult", h.b.read(count), _MOST_UNKNOWN_ROUNDS), inside, beyond, True)
        h.start(beyond)
        h.count(counter)
        h.b.jump(after)
    h.start(inside)
    variables.write(h, symbol, Scalar(number, symbol.type))
    h.pending += 1
    _body(h, node.body, lambda: h.b.jump(after), lambda: h.b.jump(following))
    h.pending -= 1
    if not h.b.terminated:
        h.b.jump(following)
    h.start(following)
    h.b.write(count, h.b.add(h.b.read(count), 1))
    h.b.jump(head)
    h.b.seal(head)
    h.start(after)


# -- callbacks ------------------------------------------------------------------------------------


def lower_for(h: Handler, node: tree.For) -> None:
    """``for`` over a range or a map."""
    if isinstance(node.iterable, tree.Range) and not _calls_back(h, node):
        _range_here(h, node, node.iterable)
        return
    if isinstance(node.iterable, tree.Map) and not _calls_back(h, node):
        from prybee.language.lower import walks

        walk = h.walks.get(node)
        if walk is None or h.pending or h.frame.leave is not None:
            raise _no_walk(h, node)
        walks.lower(h, node, walk, lambda leave, go_on: _body(h, node.body, leave, go_on))
        return
    leaves = _leaves(h, node.body)
    environment = h.environment
    assert environment is not None
    assert h.frame.environment is not None
    flag = environment.cell() if leaves else 0
    value = environment.cell() if leaves else 0
    if leaves:
        h.b.store(h.frame.environment, flag, h.const(0), I64)
    if isinstance(node.iterable, tree.Range):
        _range(h, node, node.iterable, flag, value)
    else:
        _map(h, node, node.iterable, flag, value)
    if leaves:
        # The body wanted to return: so does the code around the loop.
        base = h.frame.environment
        h.when(
            h.b.icmp("ne", h.b.load(I64, base, flag), 0),
            lambda: h.leave(h.b.load(I64, base, value)),
            likely=False,
        )


def _leaves(h: Handler, body: tree.Block) -> bool:
    own = h.script.checker.subprograms
    return any(
        isinstance(node, tree.Return)
        or (isinstance(node, tree.Call) and (node.name in _LEAVING or node.name in own))
        for node in tree.walk(body)
    )


def _callback(
    h: Handler,
    params: Sequence[Type],
    flag: int,
    value: int,
    body: Callable[[Sequence[Value]], None],
) -> Value:
    """Build a callback and give its address. Its last parameter is the environment."""
    name = f"{h.module.name}_loop{len(h.module.functions)}"
    function = h.module.function(name, params, I64)
    outer_frame, outer_builder = h.frame, h.b
    frame = Frame(Builder(function), None, outer_frame.depth + 1)
    frame.environment = function.params[-1]
    h.frame, h.b = frame, frame.builder
    h.b.span = outer_builder.span

    def leave(result: Value) -> None:
        assert frame.environment is not None
        h.b.store(frame.environment, value, result, I64)
        h.b.store(frame.environment, flag, h.const(1), I64)
        h.b.ret(1)

    frame.leave = leave
    frame.break_to.append(lambda: h.b.ret(1))
    frame.continue_to.append(lambda: h.b.ret(0))
    body(function.params)
    if not h.b.terminated:
        h.b.ret(0)
    h.frame, h.b = outer_frame, outer_builder
    return h.b.function_address(function)


def _range(h: Handler, node: tree.For, iterable: tree.Range, flag: int, value: int) -> None:
    first = h.lower_integer(iterable.first)
    limit = h.lower_integer(iterable.limit)
    environment, base = h.environment, h.frame.environment
    assert environment is not None
    assert base is not None
    start_cell = 0
    if not (first.op == "const" and first.imm == 0):
        start_cell = environment.cell()
        h.b.store(base, start_cell, first, I64)
    rounds = h.b.sub(limit, first)

    def body(params: Sequence[Value]) -> None:
        number = h.b.zext(params[0], I64)
        if start_cell:
            assert h.frame.environment is not None
            number = h.b.add(number, h.b.load(I64, h.frame.environment, start_cell))
        symbol = node.variable.variable
        variables.write(h, symbol, Scalar(number, symbol.type))
        h.lower_block(node.body)

    callback = _callback(h, [I32, Ptr(FRAME)], flag, value, body)

    def call() -> None:
        # The helper looks at 32 bits, and refuses more than 8 million rounds.
        most = h.const(_MOST_ROUNDS)
        count = h.b.select(h.b.icmp("ugt", rounds, most), most, rounds)
        h.note_failure("loop", h.b.call("loop", [count, callback, base, 0]))

    # Where the verifier sees that there is no round, it removes the callback, but not a reference
    # to it, and calls that its own bug (6.18, jit_subprogs()): so it must see the call go as well.
    h.at(node)
    h.when(h.b.icmp("sgt", rounds, 0), call, likely=True)


class Entry:
    """The variable of a loop over a map: key and value stay where they are."""

    __slots__ = ("key", "value")

    def __init__(self, key: Place, value: Place | Scalar) -> None:
        self.key = key
        self.value = value


def _no_walk(h: Handler, node: tree.For) -> ScriptError:
    from prybee.diagnostics import ERROR, Diagnostic, ScriptError
    from prybee.language.lower.walks import RUN_BY_US

    inside = h.context.provider in RUN_BY_US
    where = (
        "inside another kind of loop, an expression or a function" if inside else "in this probe"
    )
    return ScriptError(
        [
            Diagnostic(
                ERROR,
                f"This kernel has no loops over maps {where} (bpf_for_each_map_elem, Linux 5.13)",
                node.span(h.script.source),
                ("begin, end and interval have them: there prybee walks over the map itself",),
            )
        ]
    )


def _map(h: Handler, node: tree.For, iterable: tree.Map, flag: int, value: int) -> None:
    storage = h.script.storage(iterable)
    symbol = node.variable.variable
    base = h.frame.environment
    assert base is not None

    def body(params: Sequence[Value]) -> None:
        _map_pointer, key, content = params[:3]
        element = symbol.type
        assert isinstance(element, TupleType)
        key_type, value_type = element.elements
        found = storage.entry_value(h, key, content, value_type)
        entry = Entry(Place(key, 0, key_type, BPF), found)
        if symbol.captured:
            pointer, offset = variables.place(h, symbol)  # type: ignore[misc]
            _spread(h, entry, element, pointer, offset)
        else:
            h.frame.storage[symbol] = entry
        h.lower_block(node.body)

    callback = _callback(
        h, [Ptr(MAP), Ptr(MAP_VALUE), Ptr(MAP_VALUE), Ptr(FRAME)], flag, value, body
    )
    h.at(node)
    result = h.b.call("for_each_map_elem", [h.b.map_ref(storage.spec), callback, base, 0])
    h.note_failure("for_each_map_elem", result)


def _spread(h: Handler, entry: Entry, type_: TupleType, pointer: Value, offset: int) -> None:
    h.zero_padding(type_, pointer, offset)
    for part, at, element in zip(
        (entry.key, entry.value), type_.offsets, type_.elements, strict=True
    ):
        h.store(part, element, pointer, offset + at)


def entry_tuple(h: Handler, entry: Entry, type_: TupleType) -> Place:
    """A loop's key and value side by side, as a tuple in memory."""
    buffer = h.slot(type_)
    _spread(h, entry, type_, buffer, 0)
    return Place(buffer, 0, type_, BPF)
