"""A module to bytes: which passes run, in what order, and how functions are put together."""

from __future__ import annotations

from struct import Struct

from prybee.compiler.emit import Code, emit_function
from prybee.compiler.frame import lay_out
from prybee.compiler.ir import CompilerError, Function
from prybee.compiler.passes.jumps import thread_branches, tidy_blocks
from prybee.compiler.passes.lookups import share_lookups
from prybee.compiler.passes.order import order_blocks
from prybee.compiler.passes.scratch import move_to_scratch
from prybee.compiler.passes.simplify import Simplifier, remove_dead
from prybee.compiler.passes.sink import sink
from prybee.compiler.regalloc import Allocator
from prybee.compiler.selection import select_function
from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Block, Module, Slot, Type
    from prybee.diagnostics import Span

STACK_LIMIT = 512  # MAX_BPF_STACK, for all frames of a call chain together

# What a current kernel (6.18) and its machine can do; pass a copy with False for what is missing.
#   v4: sign-extending moves and loads, signed division, 32-bit jumps (Linux 6.6)
#   jmp32: comparisons of the low halves (5.1)      atomics: fetch, and, or, xor, xchg (5.12)
#   unaligned: memory other than the stack may be accessed at any address
#   probe_read_kernel: the helper that large objects are copied and cleared with (5.5)
MODERN: dict[str, bool] = {
    "v4": True,
    "jmp32": True,
    "atomics": True,
    "unaligned": True,
    "probe_read_kernel": True,
}


class Options(Data):
    """What the compiler may use: kernel ``features`` (see ``MODERN``), and where in the scratch
    map's entry this program's region begins."""

    features: dict[str, bool] = MODERN
    scratch_base: int = 0


class Relocation(Data):
    """Something the loader fills in at an instruction.

    ``kind`` is ``map`` (LDDW of a map's fd), ``map_value`` (LDDW of an fd; the second half holds
    ``addend``, the offset in the value) or ``kfunc`` (CALL of a BTF id).
    """

    insn: int
    kind: str
    symbol: str
    addend: int = 0


class CompiledFunction(Data):
    """A function's place in the program: first instruction, name and signature."""

    insn: int
    name: str
    params: tuple[Type, ...]
    returns: Type
    stack: int


class Compiled(Data):
    """A program ready for relocation and loading.

    Attributes:
        insns: the instructions, 8 bytes each.
        functions: the entry first; (instruction, name, parameters, result, frame bytes).
        lines: (instruction, line, column) wherever the script position changes.
        spans: the same with whole spans, for explaining a refusal.
        stack: bytes of stack of the deepest chain of frames, rounded as the kernel rounds.
        scratch_size: bytes of the scratch entries used, from 0.
    """

    name: str
    insns: bytes
    relocations: tuple[Relocation, ...]
    functions: tuple[CompiledFunction, ...]
    lines: tuple[tuple[int, int, int], ...]
    spans: tuple[tuple[int, Span], ...]
    stack: int
    scratch_size: int


def optimise(function: Function, features: dict[str, bool]) -> None:
    """Run the passes over SSA form."""
    preorder = _simplify(function, features)
    if share_lookups(function):
        order_blocks(function)
        preorder = _simplify(function, features)
    if len(function.blocks) > 1:
        sink(function, preorder)


def _simplify(function: Function, features: dict[str, bool]) -> list[Block]:
    """Rules, dead code and the flow of control, until nothing changes; blocks in preorder."""
    preorder = order_blocks(function)
    for _ in range(8):
        simplifier = Simplifier(function, features)
        simplifier.run(preorder)
        if simplifier.changed:
            preorder = order_blocks(function)
            continue
        remove_dead(function)
        if len(function.blocks) == 1:
            break
        values = thread_branches(function)
        if values:
            preorder = order_blocks(function)
            continue
        changed, values = tidy_blocks(function)
        if changed:
            preorder = order_blocks(function)
        if not values:
            break
    return preorder


class _Compiler:
    """Compiles the functions of a module, callees before callers: their frames add up."""

    def __init__(self, module: Module, options: Options) -> None:
        self.module = module
        self.features = {**MODERN, **options.features}
        self.scratch = options.scratch_base
        self.codes: dict[Function, Code] = {}
        self.frames: dict[Function, int] = {}
        self.chains: dict[Function, int] = {}  # stack of a function and all it calls

    def run(self) -> None:
        if not self.module.functions:
            raise CompilerError(f"{self.module.name}: a program needs a function")
        # Callers are optimised first: the kernel refuses functions that nothing calls.
        reached = {self.module.functions[0]: None}
        todo = list(reached)
        while todo:
            function = todo.pop()
            optimise(function, self.features)
            new = [f for f in _callees(function) if f not in reached]
            reached.update(dict.fromkeys(new))
            todo.extend(dict.fromkeys(new))
        for function in _callees_first(self.module):
            callees = _callees(function)
            below = max((self.chains[f] for f in callees), default=0)
            self._generate(function, STACK_LIMIT - below)
            # check_max_stack_depth() rounds each frame up to 32 (to 16 since 6.8, when jitted)
            self.chains[function] = below + ((max(self.frames[function], 1) + 31) & -32)
        self.module.scratch_size = self.scratch

    def _generate(self, function: Function, limit: int) -> None:
        limit &= -32
        most = min(self.module.stack_limit_object, limit)
        large = {slot for slot in function.slots if slot.size > most and not slot.pinned}
        for _ in range(6):
            if large:
                self.scratch = move_to_scratch(
                    function, large, self.module.scratch_map, self.scratch
                )
            selector = select_function(function, self.features)
            Allocator(function.name, selector.blocks, selector.registers).run()
            size, _ = lay_out(selector.blocks)
            if size <= limit:
                self.frames[function] = size
                self.codes[function] = emit_function(function.name, selector.blocks, self.features)
                return
            large = _largest(function, size - limit + 16)
            if not large:
                break
        raise CompilerError(
            f"{self.module.name}: {function.name} needs {size} bytes of stack, {limit} are left"
        )


def _largest(function: Function, surplus: int) -> set[Slot]:
    """The largest objects still on the stack that together have ``surplus`` bytes."""
    used = {v.aux for block in function.blocks for v in block.code if v.op == "slot"}
    slots = sorted(
        [
            s
            for s in function.slots
            if s in used and s.place == "stack" and s.size > 8 and not s.pinned
        ],
        key=lambda s: (-s.size, s.number),
    )
    chosen: set[Slot] = set()
    for slot in slots:
        if surplus <= 0:
            break
        chosen.add(slot)
        surplus -= slot.size
    return chosen


def _callees(function: Function) -> list[Function]:
    return [
        v.aux
        for block in function.blocks
        for v in block.code
        if v.op in ("function", "call_function")
    ]


def _callees_first(module: Module) -> list[Function]:
    """The functions the entry reaches, callees before callers.

    Raises:
        CompilerError: functions call each other in a circle, which eBPF does not allow.
    """
    result: list[Function] = []
    state: dict[Function, int] = {}
    stack: list[tuple[Function, list[Function]]] = []
    entry = module.functions[0]
    stack.append((entry, _callees(entry)[::-1]))
    state[entry] = 1
    while stack:
        function, todo = stack[-1]
        if todo:
            nxt = todo.pop()
            if state.get(nxt) == 1:
                raise CompilerError(f"{module.name}: {nxt.name} calls itself")
            if nxt not in state:
                state[nxt] = 1
                stack.append((nxt, _callees(nxt)[::-1]))
        else:
            stack.pop()
            state[function] = 2
            result.append(function)
    return result


_word = Struct("<i").pack


def compile_module(module: Module, options: Options | None = None) -> Compiled:
    """Compile a program.  The module is used up: build a new one to compile again.

    Raises:
        CompilerError: the program cannot be compiled; the text says why.
    """
    compiler = _Compiler(module, options or Options())
    compiler.run()
    order = [f for f in module.functions if f in compiler.codes]
    starts: dict[Function, int] = {}
    at = 0
    for function in order:
        starts[function] = at
        at += compiler.codes[function].count
    image = bytearray()
    relocations: list[Relocation] = []
    functions: list[CompiledFunction] = []
    spans: list[tuple[int, Span]] = []
    for function in order:
        code = compiler.codes[function]
        start = starts[function]
        image += b"".join(code.parts)
        for slot, kind, symbol, addend in code.references:
            where = start + slot
            if isinstance(symbol, Function):
                # relative to the next instruction, in a call and in an LDDW alike
                image[where * 8 + 4 : where * 8 + 8] = _word(starts[symbol] - where - 1)
            else:
                relocations.append(Relocation(where, kind, symbol, addend))
        functions.append(
            CompiledFunction(
                start, function.name, function.types, function.returns, compiler.frames[function]
            )
        )
        lines = code.lines
        for index, (slot, span) in enumerate(lines):
            # The kernel wants a line for the first instruction of each function.
            spans.append((start + slot if index else start, span))
    return Compiled(
        module.name,
        bytes(image),
        tuple(relocations),
        tuple(functions),
        tuple([(insn, *span.source.position(span.start)) for insn, span in spans]),
        tuple(spans),
        compiler.chains[order[0]],
        module.scratch_size,
    )
