"""The compiler's intermediate form: typed values in static single assignment, blocks, functions.

A :class:`Module` is one eBPF program: its entry function, its callbacks and its subprograms.
Every value lives in one 64-bit register.  Integers are kept in *canonical form*: the bits above
the type's width are zero; signedness belongs to operations (``sdiv``, ``slt``, ``sext``).

There is one class of value, :class:`Value`: an operation with arguments.  Which operations exist,
and what their ``imm``, ``off`` and ``aux`` fields hold, is tabled at :data:`OPERATIONS`.
"""

from __future__ import annotations

from prybee.diagnostics import PrybeeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from prybee.diagnostics import Span


class CompilerError(PrybeeError):
    """The compiler was asked for something it cannot do; the text names program and reason."""


class Type:
    """An integer of ``bits`` bits, or (``space`` not empty) a pointer into a memory space."""

    __slots__ = ("bits", "mask", "name", "space")

    def __init__(self, name: str, bits: int, space: str = "") -> None:
        self.name = name
        self.bits = bits
        self.space = space
        self.mask = (1 << bits) - 1

    def __repr__(self) -> str:
        return self.name


VOID = Type("void", 0)
I1 = Type("i1", 1)
I8 = Type("i8", 8)
I16 = Type("i16", 16)
I32 = Type("i32", 32)
I64 = Type("i64", 64)

CTX = "ctx"  # the program's context
STACK = "stack"  # an object in this function's frame, or in a caller's (callbacks)
MAP_VALUE = "map_value"  # a map's value, or the per-CPU scratch
MEM = "mem"  # a ring-buffer reservation, other memory handed out by a helper
MAP = "map"  # a map itself, for helpers only
BTF = "btf"  # a kernel object whose type the verifier knows: direct loads allowed
KERNEL = "kernel"  # a plain kernel address: only helpers may follow it
USER = "user"  # a plain user address: only helpers may follow it
FRAME = "frame"  # memory whose kind is checked elsewhere (a callback's context)
FUNCTION = "function"  # the address of a callback

LOADABLE = frozenset((CTX, STACK, MAP_VALUE, MEM, BTF, FRAME))
STORABLE = frozenset((STACK, MAP_VALUE, MEM, BTF, FRAME))

_POINTERS: dict[str, Type] = {
    space: Type(f"{space}*", 64, space)
    for space in (CTX, STACK, MAP_VALUE, MEM, MAP, BTF, KERNEL, USER, FRAME, FUNCTION)
}


def Ptr(space: str) -> Type:  # noqa: N802 - it reads as a type, beside I64
    """The pointer type of ``space``; one object per space, so types compare by identity."""
    return _POINTERS[space]


# op -> what its fields hold.  Memory operands are args[0] + off.
OPERATIONS: dict[str, str] = {
    "const": "imm: the value, unsigned",
    "param": "imm: index",
    "phi": "args: one per predecessor, in the order of block.preds",
    "add sub mul udiv sdiv umod smod and or xor shl lshr ashr": "args: two of the result's type",
    "neg": "args: one",
    "bswap": "imm: bits 16, 32, 64",
    "zext sext trunc": "args: one",
    "icmp": "aux: predicate; the operands' Type is in `operand`; args: two",
    "select": "args: condition, value if true, value if false",
    "ptr_add": "args: pointer, integer",
    "ptr_to_int int_to_ptr": "args: one",
    "load": "args: pointer; off; imm: 1 when sign-extended; operand: Type in memory",
    "store": "args: pointer, value; off; operand: Type in memory",
    "atomic": "args: pointer, value(s); off; aux: kind; imm: 1 to fetch the old value; operand",
    "slot": "aux: Slot",
    "zero": "args: pointer; off; imm: bytes",
    "copy": "args: destination, source; off; aux: source offset; imm: bytes",
    "map_ref": "aux: map name",
    "map_value": "aux: map name; imm: offset in the value",
    "function": "aux: Function",
    "call": "aux: Helper; args",
    "kfunc": "aux: kernel function's name; args",
    "call_function": "aux: Function; args",
    "jump": "aux: (Block,)",
    "branch": "args: condition; aux: (Block, Block); imm: 1 likely, -1 unlikely, 0 unknown",
    "ret": "args: value",
}

TERMINATORS = frozenset(("jump", "branch", "ret"))

# No effect, result depends on the arguments alone.
_ARITHMETIC = """
add sub mul udiv sdiv umod smod and or xor shl lshr ashr neg bswap zext sext trunc icmp select
ptr_add ptr_to_int int_to_ptr map_ref map_value function
"""
ARITHMETIC = frozenset(_ARITHMETIC.split())
COMMUTATIVE = frozenset(("add", "mul", "and", "or", "xor"))

INVERSE = {
    "eq": "ne", "ne": "eq", "ult": "uge", "uge": "ult", "ule": "ugt", "ugt": "ule",
    "slt": "sge", "sge": "slt", "sle": "sgt", "sgt": "sle",
}  # fmt: skip
SWAPPED = {
    "eq": "eq", "ne": "ne", "ult": "ugt", "ugt": "ult", "ule": "uge", "uge": "ule",
    "slt": "sgt", "sgt": "slt", "sle": "sge", "sge": "sle",
}  # fmt: skip


class Slot:
    """An object of a function's frame: ``size`` bytes, its address a multiple of ``align``.

    ``place`` is where the frame layout put it: ``"stack"`` or ``"scratch"`` (the per-CPU map).
    A ``pinned`` one stays on the stack whatever its size: some helpers take nothing else.
    """

    __slots__ = ("align", "name", "number", "pinned", "place", "size")

    def __init__(self, number: int, size: int, align: int, name: str) -> None:
        self.number = number
        self.size = size
        self.align = align
        self.name = name
        self.place = "stack"
        self.pinned = False

    def __repr__(self) -> str:
        return f"Slot({self.number}, {self.size}, {self.align}, {self.name!r})"


class Value:
    """One operation and its result.  ``forward`` names the value that replaced this one."""

    __slots__ = (
        "args", "aux", "block", "forward", "id", "imm", "off", "op", "operand", "span", "type",
        "uses", "vreg", "width",
    )  # fmt: skip

    def __init__(
        self,
        op: str,
        type: Type,  # noqa: A002 - a value's type has no better name
        args: list[Value],
        imm: int = 0,
        off: int = 0,
        aux: Any = None,
        operand: Type = VOID,
        span: Span | None = None,
    ) -> None:
        self.op = op
        self.type = type
        self.args = args
        self.imm = imm
        self.off = off
        self.aux = aux
        self.operand = operand
        self.span = span
        self.block: Block | None = None
        self.forward: Value | None = None
        self.id = 0
        self.width = type.bits
        self.uses = 0
        self.vreg = -1

    def __repr__(self) -> str:
        return f"<%{self.id} {self.op} {self.type}>"


class Block:
    """Straight-line code: ``phis``, then ``code`` whose last value is the terminator."""

    __slots__ = (
        "code", "cold", "defs", "depth", "enter", "function", "id", "idom", "incomplete", "leave",
        "loop", "name", "order", "phis", "preds", "sealed", "skip",
    )  # fmt: skip

    def __init__(self, function: Function, number: int, name: str) -> None:
        self.function = function
        self.id = number
        self.name = name
        self.preds: list[Block] = []
        self.phis: list[Value] = []
        self.code: list[Value] = []
        # construction of SSA form (builder.py)
        self.sealed = False
        self.defs: dict[Any, Value] = {}
        self.incomplete: dict[Any, Value] = {}
        # analysis (passes/order.py)
        self.order = -1
        self.idom: Block | None = None
        self.skip: Block = self
        self.depth = 0
        self.enter = 0
        self.leave = 0
        self.loop = 0
        self.cold = False

    def __repr__(self) -> str:
        return f"<{self.name}.{self.id}>"

    @property
    def successors(self) -> tuple[Block, ...]:
        """The blocks control may go to next."""
        if not self.code:
            return ()
        last = self.code[-1]
        if last.op == "branch" or last.op == "jump":
            return last.aux  # type: ignore[no-any-return]
        return ()


class Function:
    """A function of a module; ``blocks[0]`` is its entry block."""

    __slots__ = (
        "blocks", "consts", "module", "name", "next_id", "params", "returns", "slots", "types",
    )  # fmt: skip

    def __init__(
        self, module: Module, name: str, params: Sequence[Type], returns: Type | None
    ) -> None:
        self.module = module
        self.name = name
        self.types = tuple(params)
        self.returns = returns or VOID
        self.next_id = 0
        self.consts: dict[tuple[int, Type], Value] = {}
        self.slots: list[Slot] = []
        self.blocks: list[Block] = []
        self.params: list[Value] = []
        for index, kind in enumerate(self.types):
            value = Value("param", kind, [], imm=index)
            value.id = self.number()
            self.params.append(value)
        if len(self.params) > 5:
            raise CompilerError(f"{name}: a function takes at most 5 parameters")
        entry = self.block("entry")
        entry.sealed = True
        for value in self.params:
            value.block = entry

    def __repr__(self) -> str:
        return f"<function {self.name}>"

    def number(self) -> int:
        """The next free value number."""
        n = self.next_id
        self.next_id = n + 1
        return n

    def block(self, name: str = "block") -> Block:
        """A new block without predecessors, unsealed."""
        block = Block(self, len(self.blocks), name)
        self.blocks.append(block)
        return block

    def const(self, n: int, type: Type = I64) -> Value:  # noqa: A002
        """The constant ``n`` (wrapped to the type's width); one value per constant."""
        key = (n & type.mask, type)
        value = self.consts.get(key)
        if value is None:
            value = Value("const", type, [], imm=key[0])
            value.id = self.number()
            value.width = key[0].bit_length()
            self.consts[key] = value
        return value


class Module:
    """One eBPF program: the first function made is its entry, the rest callbacks and subprograms.

    Args:
        name: the program's name, for BTF, the kernel and messages.

    Attributes:
        stack_limit_object: objects larger than this many bytes go to the per-CPU scratch map.
        scratch_map: name of the PERCPU_ARRAY map that large objects live in (its entries are
            ``passes.scratch.ENTRY`` bytes).
        scratch_size: after compilation, the bytes of its entries that are in use.
    """

    __slots__ = ("functions", "name", "scratch_map", "scratch_size", "stack_limit_object")

    def __init__(self, name: str) -> None:
        self.name = name
        self.functions: list[Function] = []
        self.stack_limit_object = 512
        self.scratch_map = "scratch"
        self.scratch_size = 0

    def function(
        self, name: str, params: Sequence[Type] = (), returns: Type | None = I64
    ) -> Function:
        """A new function.  ``returns`` None means no result (callers ignore r0).

        Raises:
            CompilerError: more than 5 parameters, or the name is taken.
        """
        if any(f.name == name for f in self.functions):
            raise CompilerError(f"{self.name}: two functions named {name}")
        f = Function(self, name, params, returns)
        self.functions.append(f)
        return f
