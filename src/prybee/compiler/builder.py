"""Building functions: one method per operation, SSA form made on the fly.

Mutable variables become phis by the algorithm of Braun et al. (Simple and Efficient Construction
of SSA Form, CC 2013), without its recursion, so that scripts of thousands of blocks build.
"""

# ruff: noqa: A002 - a type argument has no better name than `type`
from __future__ import annotations

from prybee.compiler.helpers import Helper, helper
from prybee.compiler.ir import (
    FUNCTION,
    I1,
    I8,
    I32,
    I64,
    INVERSE,
    KERNEL,
    LOADABLE,
    MAP,
    MAP_VALUE,
    STACK,
    STORABLE,
    TERMINATORS,
    USER,
    VOID,
    Block,
    CompilerError,
    Function,
    Ptr,
    Slot,
    Type,
    Value,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from prybee.diagnostics import Span

_SHIFTS = frozenset(("shl", "lshr", "ashr"))


class Variable:
    """A mutable scalar of the function being built."""

    __slots__ = ("name", "type")

    def __init__(self, type: Type, name: str) -> None:
        self.type = type
        self.name = name

    def __repr__(self) -> str:
        return f"<variable {self.name}: {self.type}>"


class Builder:
    """Appends operations to a function's blocks.

    A new builder stands at the function's entry block, which is sealed.  Where an operand is an
    int, it is a constant of the other operand's type.

    Attributes:
        current: the block that operations are appended to.
        span: the place in the script that following operations belong to, or None.
    """

    __slots__ = ("current", "function", "span")

    def __init__(self, function: Function) -> None:
        self.function = function
        self.current: Block = function.blocks[0]
        self.span: Span | None = None

    # -- blocks ---------------------------------------------------------------------------------

    def block(self, name: str = "block") -> Block:
        """A new block, not yet reachable; seal it when its last predecessor is known."""
        return self.function.block(name)

    def position_at(self, block: Block) -> None:
        """Append what follows to ``block``."""
        self.current = block

    @property
    def terminated(self) -> bool:
        """Whether the current block already ends in a jump, a branch or a return."""
        code = self.current.code
        return bool(code) and code[-1].op in TERMINATORS

    def seal(self, block: Block) -> None:
        """Declare that all jumps to ``block`` have been built."""
        if block.sealed:
            return
        block.sealed = True
        pending = list(block.incomplete.items())
        block.incomplete = {}
        self._complete([(phi, variable) for variable, phi in pending])

    # -- variables ------------------------------------------------------------------------------

    def variable(self, type: Type = I64, name: str = "v") -> Variable:
        """A new variable; reading it where nothing was written yields zero."""
        return Variable(type, name)

    def write(self, variable: Variable, value: Value | int) -> None:
        """Assign to ``variable`` at the current position."""
        self.current.defs[variable] = self._as(value, variable.type)

    def read(self, variable: Variable) -> Value:
        """The value of ``variable`` at the current position."""
        value, phi = self._lookup(self.current, variable)
        if phi:
            self._complete([(value, variable)])
        while value.forward is not None:
            value = value.forward
        return value

    def _lookup(self, block: Block, variable: Variable) -> tuple[Value, bool]:
        """What ``variable`` is at the end of ``block``, and whether its phi lacks arguments."""
        path: list[Block] = []
        incomplete = False
        while True:
            value = block.defs.get(variable)
            if value is not None:
                while value.forward is not None:
                    value = value.forward
                break
            path.append(block)
            if not block.sealed:
                value = self._phi(block, variable)
                block.incomplete[variable] = value
                break
            preds = block.preds
            if len(preds) == 1:
                block = preds[0]
                continue
            if not preds:
                value = self.function.const(0, variable.type)
                break
            value = self._phi(block, variable)
            incomplete = True
            break
        for passed in path:
            passed.defs[variable] = value
        return value, incomplete

    def _phi(self, block: Block, variable: Variable) -> Value:
        value = Value("phi", variable.type, [], span=self.span)
        value.id = self.function.number()
        value.block = block
        value.aux = []  # phis that use this one, while building
        block.phis.append(value)
        return value

    def _complete(self, work: list[tuple[Value, Variable]]) -> None:
        """Give phis their arguments, and replace those that turn out to have but one."""
        filled: list[Value] = []
        while work:
            phi, variable = work.pop()
            block = phi.block
            assert block is not None
            for pred in block.preds:
                value, more = self._lookup(pred, variable)
                if more:
                    work.append((value, variable))
                phi.args.append(value)
                if value.op == "phi" and value is not phi:
                    value.aux.append(phi)
            filled.append(phi)
        # Reversed: the phis filled last are the farthest up, and settle the others.
        check = filled
        while check:
            phi = check.pop()
            if phi.forward is not None:
                continue
            only: Value | None = None
            for value in phi.args:
                while value.forward is not None:
                    value = value.forward
                if value is phi or value is only:
                    continue
                if only is not None:
                    break
                only = value
            else:
                if only is None:
                    only = self.function.const(0, phi.type)
                phi.forward = only
                users = phi.aux
                if only.op == "phi":
                    only.aux.extend(users)
                check.extend(user for user in users if user.forward is None)

    # -- operations -----------------------------------------------------------------------------

    def _as(self, value: Value | int, type: Type) -> Value:
        if isinstance(value, int):
            return self.function.const(value, type)
        return value

    def _emit(
        self,
        op: str,
        type: Type,
        args: list[Value],
        imm: int = 0,
        off: int = 0,
        aux: Any = None,
        operand: Type = VOID,
    ) -> Value:
        block = self.current
        code = block.code
        if code and code[-1].op in TERMINATORS:
            raise CompilerError(f"{self.function.name}: {op} after the end of block {block.name}")
        value = Value(op, type, args, imm, off, aux, operand, self.span)
        function = self.function
        value.id = function.next_id
        function.next_id += 1
        value.block = block
        code.append(value)
        return value

    def const(self, n: int, type: Type = I64) -> Value:
        """The constant ``n``, wrapped to the type's width."""
        return self.function.const(n, type)

    def _binary(self, op: str, a: Value | int, b: Value | int) -> Value:
        if isinstance(a, int):
            if isinstance(b, int):
                raise CompilerError(f"{op} of two Python numbers: use const()")
            a = self.function.const(a, b.type)
        elif isinstance(b, int):
            b = self.function.const(b, a.type)
        type_ = a.type
        if type_ is not b.type or type_.space:
            raise CompilerError(f"{self.function.name}: {op} of {type_} and {b.type}")
        return self._emit(op, type_, [a, b])

    def add(self, a: Value | int, b: Value | int) -> Value:
        """``a + b``, wrapping."""
        return self._binary("add", a, b)

    def sub(self, a: Value | int, b: Value | int) -> Value:
        """``a - b``, wrapping."""
        return self._binary("sub", a, b)

    def mul(self, a: Value | int, b: Value | int) -> Value:
        """``a * b``, wrapping."""
        return self._binary("mul", a, b)

    def udiv(self, a: Value | int, b: Value | int) -> Value:
        """Unsigned ``a / b``; division by zero gives 0 (RFC 9669)."""
        return self._binary("udiv", a, b)

    def sdiv(self, a: Value | int, b: Value | int) -> Value:
        """Signed ``a / b``, truncating; division by zero gives 0."""
        return self._binary("sdiv", a, b)

    def umod(self, a: Value | int, b: Value | int) -> Value:
        """Unsigned ``a % b``; modulo zero gives ``a``."""
        return self._binary("umod", a, b)

    def smod(self, a: Value | int, b: Value | int) -> Value:
        """Signed ``a % b`` with the sign of ``a``; modulo zero gives ``a``."""
        return self._binary("smod", a, b)

    def and_(self, a: Value | int, b: Value | int) -> Value:
        """Bitwise and."""
        return self._binary("and", a, b)

    def or_(self, a: Value | int, b: Value | int) -> Value:
        """Bitwise or."""
        return self._binary("or", a, b)

    def xor(self, a: Value | int, b: Value | int) -> Value:
        """Bitwise exclusive or."""
        return self._binary("xor", a, b)

    def shl(self, a: Value | int, b: Value | int) -> Value:
        """``a << b``; the count is taken modulo the width."""
        return self._binary("shl", a, b)

    def lshr(self, a: Value | int, b: Value | int) -> Value:
        """``a >> b``, filling with zeros; the count is taken modulo the width."""
        return self._binary("lshr", a, b)

    def ashr(self, a: Value | int, b: Value | int) -> Value:
        """``a >> b``, filling with the sign; the count is taken modulo the width."""
        return self._binary("ashr", a, b)

    def neg(self, a: Value) -> Value:
        """``-a``."""
        return self._emit("neg", a.type, [a])

    def not_(self, a: Value) -> Value:
        """Every bit of ``a`` inverted (of an I1: logical not)."""
        return self._emit("xor", a.type, [a, self.function.const(a.type.mask, a.type)])

    def bswap(self, a: Value, bits: int) -> Value:
        """The low ``bits`` (16, 32, 64) of ``a`` with their bytes reversed, the rest zero."""
        if bits not in (16, 32, 64) or bits > a.type.bits:
            raise CompilerError(f"{self.function.name}: bswap of {bits} bits of {a.type}")
        return self._emit("bswap", a.type, [a], imm=bits)

    def zext(self, a: Value, type: Type) -> Value:
        """``a`` in the wider ``type``, zero-extended."""
        if type is a.type:
            return a
        if type.bits < a.type.bits or type.space or a.type.space:
            raise CompilerError(f"{self.function.name}: zext {a.type} to {type}")
        return self._emit("zext", type, [a])

    def sext(self, a: Value, type: Type) -> Value:
        """``a`` in the wider ``type``, sign-extended."""
        if type is a.type:
            return a
        if type.bits < a.type.bits or type.space or a.type.space:
            raise CompilerError(f"{self.function.name}: sext {a.type} to {type}")
        return self._emit("sext", type, [a], operand=a.type)

    def trunc(self, a: Value, type: Type) -> Value:
        """The low bits of ``a``."""
        if type is a.type:
            return a
        if type.bits > a.type.bits or type.space or a.type.space:
            raise CompilerError(f"{self.function.name}: trunc {a.type} to {type}")
        return self._emit("trunc", type, [a])

    def icmp(self, pred: str, a: Value | int, c: Value | int) -> Value:
        """Compare; ``pred`` is one of eq ne ult ule ugt uge slt sle sgt sge.  Yields an I1.

        A pointer is compared with 0 (is it NULL?) or with a pointer of its own space.
        """
        if pred not in INVERSE:
            raise CompilerError(f"no comparison is called {pred!r}")
        if isinstance(a, int):
            if isinstance(c, int):
                raise CompilerError("icmp of two Python numbers: use const()")
            a = self.function.const(a, I64 if c.type.space else c.type)
        elif isinstance(c, int):
            c = self.function.const(c, I64 if a.type.space else a.type)
        if a.type.bits != c.type.bits:
            raise CompilerError(f"{self.function.name}: icmp {pred} of {a.type} and {c.type}")
        operand = c.type if a.type.space else a.type
        return self._emit("icmp", I1, [a, c], aux=pred, operand=operand)

    def select(self, c: Value, a: Value | int, d: Value | int) -> Value:
        """``a`` if the I1 ``c`` is true, else ``d``."""
        if isinstance(a, int):
            a = self._as(a, I64 if isinstance(d, int) else d.type)
        if isinstance(d, int):
            d = self._as(d, a.type)
        if c.type is not I1 or a.type is not d.type:
            raise CompilerError(f"{self.function.name}: select {c.type} ? {a.type} : {d.type}")
        return self._emit("select", a.type, [c, a, d])

    def ptr_add(self, p: Value, n: Value | int) -> Value:
        """``p`` moved by ``n`` bytes (an int, or an I64, which may be negative)."""
        if not p.type.space:
            raise CompilerError(f"{self.function.name}: ptr_add to {p.type}")
        if isinstance(n, int):
            if n == 0:
                return p
            n = self.function.const(n, I64)
        if n.type is not I64:
            raise CompilerError(f"{self.function.name}: ptr_add of {n.type}")
        return self._emit("ptr_add", p.type, [p, n])

    def ptr_to_int(self, p: Value) -> Value:
        """The address as a number (which the verifier no longer takes for a pointer)."""
        if not p.type.space:
            raise CompilerError(f"{self.function.name}: ptr_to_int of {p.type}")
        return self._emit("ptr_to_int", I64, [p])

    def int_to_ptr(self, v: Value, space: str) -> Value:
        """A number as an address; only KERNEL and USER addresses can be made so."""
        if space not in (KERNEL, USER):
            raise CompilerError(f"{self.function.name}: a number cannot become a {space} pointer")
        return self._emit("int_to_ptr", Ptr(space), [v])

    # -- memory ---------------------------------------------------------------------------------

    def _check_memory(self, op: str, p: Value, spaces: frozenset[str]) -> None:
        if p.type.space not in spaces:
            kind = f"a {p.type.space} pointer" if p.type.space else f"an {p.type}"
            raise CompilerError(
                f"{self.function.name}: {op} through {kind}: only helpers may follow it"
            )

    def load(self, type: Type, p: Value, off: int = 0, signed: bool = False) -> Value:
        """Read memory at ``p + off``.

        Args:
            type: what is in memory; for a pointer type, 8 bytes holding such a pointer;
                for I1 a byte, of which any other value than 0 is true.
            p: pointer into a directly readable space.
            off: bytes.
            signed: extend the sign; the result is then an I64, else it is of ``type``.
        """
        self._check_memory("load", p, LOADABLE)
        if type is I1:
            return self.icmp("ne", self._emit("load", I8, [p], off=off, operand=I8), 0)
        if signed:
            return self._emit("load", I64, [p], imm=1, off=off, operand=type)
        return self._emit("load", type, [p], off=off, operand=type)

    def store(self, p: Value, off: int, value: Value | int, type: Type | None = None) -> None:
        """Write ``value`` (its low bits) at ``p + off``; ``type`` defaults to the value's."""
        self._check_memory("store", p, STORABLE)
        value = self._as(value, type or I64)
        memory = type or value.type
        self._emit("store", VOID, [p, value], off=off, operand=I8 if memory is I1 else memory)

    def _atomic(
        self,
        kind: str,
        p: Value,
        off: int,
        values: list[Value | int],
        type: Type,
        fetch: bool,
    ) -> Value:
        self._check_memory(f"atomic_{kind}", p, STORABLE)
        if type not in (I32, I64):
            raise CompilerError(f"{self.function.name}: atomic_{kind} of {type}")
        args = [p, *(self._as(v, type) for v in values)]
        return self._emit(
            "atomic", type if fetch else VOID, args, int(fetch), off, kind, operand=type
        )

    def atomic_add(
        self,
        p: Value,
        off: int,
        value: Value | int,
        type: Type = I64,
        fetch: bool = False,
    ) -> Value:
        """Atomic ``*(p+off) += value`` on an I32 or I64; with ``fetch``, yields the old value."""
        return self._atomic("add", p, off, [value], type, fetch)

    def atomic_or(
        self,
        p: Value,
        off: int,
        value: Value | int,
        type: Type = I64,
        fetch: bool = False,
    ) -> Value:
        """Atomic ``|=``."""
        return self._atomic("or", p, off, [value], type, fetch)

    def atomic_and(
        self,
        p: Value,
        off: int,
        value: Value | int,
        type: Type = I64,
        fetch: bool = False,
    ) -> Value:
        """Atomic ``&=``."""
        return self._atomic("and", p, off, [value], type, fetch)

    def atomic_xor(
        self,
        p: Value,
        off: int,
        value: Value | int,
        type: Type = I64,
        fetch: bool = False,
    ) -> Value:
        """Atomic ``^=``."""
        return self._atomic("xor", p, off, [value], type, fetch)

    def atomic_xchg(self, p: Value, off: int, value: Value | int, type: Type = I64) -> Value:
        """Exchange; yields the old value."""
        return self._atomic("xchg", p, off, [value], type, True)

    def atomic_cmpxchg(
        self,
        p: Value,
        off: int,
        expected: Value | int,
        value: Value | int,
        type: Type = I64,
    ) -> Value:
        """Write ``value`` if memory holds ``expected``; yields what memory held."""
        return self._atomic("cmpxchg", p, off, [expected, value], type, True)

    def slot(self, size: int, align: int = 8, name: str = "") -> Value:
        """An object of the function's frame; its contents are undefined.

        Args:
            size: bytes.
            align: 1, 2, 4 or 8; objects of 8 bytes and more are aligned to 8 whatever is asked.
            name: for listings and messages.
        """
        if size <= 0 or align not in (1, 2, 4, 8):
            raise CompilerError(f"{self.function.name}: slot of {size} bytes aligned to {align}")
        slots = self.function.slots
        slot = Slot(len(slots), size, 8 if size >= 8 else align, name or f"slot{len(slots)}")
        slots.append(slot)
        return self._emit("slot", Ptr(STACK), [], aux=slot)

    def zero(self, p: Value, off: int, size: int) -> None:
        """Clear ``size`` bytes at ``p + off``."""
        self._check_memory("zero", p, STORABLE)
        if size < 0:
            raise CompilerError(f"{self.function.name}: zero of {size} bytes")
        if size:
            self._emit("zero", VOID, [p], size, off)

    def copy(self, dst: Value, doff: int, src: Value, soff: int, size: int) -> None:
        """Copy ``size`` bytes from ``src + soff`` to ``dst + doff``; they do not overlap."""
        self._check_memory("copy", dst, STORABLE)
        self._check_memory("copy", src, LOADABLE)
        if size < 0:
            raise CompilerError(f"{self.function.name}: copy of {size} bytes")
        if size:
            self._emit("copy", VOID, [dst, src], size, doff, soff)

    def map_ref(self, name: str) -> Value:
        """The map, as helpers take it (relocation ``map``)."""
        return self._emit("map_ref", Ptr(MAP), [], aux=name)

    def map_value(self, name: str, offset: int = 0) -> Value:
        """The address ``offset`` bytes into the value of a one-entry array map."""
        return self._emit("map_value", Ptr(MAP_VALUE), [], imm=offset, aux=name)

    # -- calls ----------------------------------------------------------------------------------

    def call(
        self,
        name: str | Helper,
        args: Sequence[Value | int] = (),
        returns: Type | None = None,
        effects: str | None = None,
        span: Span | None = None,
    ) -> Value:
        """Call a BPF helper.

        Args:
            name: UAPI name without ``bpf_``, or a :class:`Helper`.
            args: up to five; ints are I64 constants.
            returns: overrides the result type of the helper table.
            effects: overrides the table's kind: ``pure``, ``query`` or ``act``.
            span: place in the script, by default the builder's.

        Raises:
            CompilerError: no such helper, or too many arguments.
        """
        h = helper(name) if isinstance(name, str) else name
        if effects is not None and effects != h.kind:
            h = Helper(h.name, h.number, h.args, effects, h.result)
        if len(args) > 5:
            raise CompilerError(f"{h.name} with {len(args)} arguments: helpers take at most 5")
        result = returns or h.result
        narrow = result if result.bits < 64 and result is not VOID else None
        value = self._emit(
            "call", I64 if narrow else result, [self._as(a, I64) for a in args], aux=h
        )
        if span is not None:
            value.span = span
        return self.trunc(value, narrow) if narrow else value

    def kfunc(
        self, name: str, args: Sequence[Value | int] = (), returns: Type | None = I64
    ) -> Value:
        """Call a kernel function by its BTF name (relocation ``kfunc``)."""
        if len(args) > 5:
            raise CompilerError(f"{name} with {len(args)} arguments: kfuncs take at most 5")
        result = returns or VOID
        narrow = result if result.bits < 64 and result is not VOID else None
        value = self._emit(
            "kfunc", I64 if narrow else result, [self._as(a, I64) for a in args], aux=name
        )
        return self.trunc(value, narrow) if narrow else value

    def call_function(self, fn: Function, args: Sequence[Value | int] = ()) -> Value:
        """Call a function of this module."""
        if len(args) != len(fn.types):
            raise CompilerError(f"{fn.name} takes {len(fn.types)} arguments, got {len(args)}")
        if fn.module is not self.function.module:
            raise CompilerError(f"{fn.name} belongs to another program")
        values = [self._as(a, t) for a, t in zip(args, fn.types, strict=True)]
        return self._emit("call_function", fn.returns, values, aux=fn)

    def function_address(self, fn: Function) -> Value:
        """The address of a function of this module, for helpers that call back."""
        if fn.module is not self.function.module:
            raise CompilerError(f"{fn.name} belongs to another program")
        return self._emit("function", Ptr(FUNCTION), [], aux=fn)

    # -- control --------------------------------------------------------------------------------

    def jump(self, block: Block) -> None:
        """Go to ``block``."""
        self._emit("jump", VOID, [], aux=(block,))
        self._edge(block)

    def branch(self, cond: Value, then: Block, else_: Block, likely: bool | None = None) -> None:
        """Go to ``then`` if the I1 ``cond`` is true, else to ``else_``.

        ``likely`` tells which way is taken more often: code of the other way is moved aside.
        """
        if cond.type is not I1:
            raise CompilerError(f"{self.function.name}: branch on {cond.type}")
        if then is else_:
            self.jump(then)
            return
        weight = 0 if likely is None else 1 if likely else -1
        self._emit("branch", VOID, [cond], weight, aux=(then, else_))
        self._edge(then)
        self._edge(else_)

    def _edge(self, block: Block) -> None:
        if block.sealed:
            raise CompilerError(f"{self.function.name}: jump to the sealed block {block.name}")
        block.preds.append(self.current)

    def ret(self, value: Value | int = 0) -> None:
        """Return ``value``."""
        self._emit(
            "ret",
            VOID,
            [self._as(value, self.function.returns if self.function.returns.bits else I64)],
        )
