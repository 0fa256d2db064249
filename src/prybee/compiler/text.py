"""The text form of SSA, for ``prybee -d ssa``, tests and people.

One line an operation::

    function count(ctx* %0) -> i64
    entry:
      %1 = load i64 %0+8                             # 1:34
      %2 = icmp ult i64 %1, 4
      branch %2 ? then.1 : after.2
    then.1:                                          # from entry

Values are numbered in the order they are shown, so that the text depends on the program alone.
Behind ``#`` is the place in the script where it changes, as line:column.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.compiler.ir import Block, Function, Module, Value
    from prybee.diagnostics import Span

_COMMENT = 48  # the column that comments begin at


def ssa_text(module: Module) -> str:
    """A module as text: as it was built, or after ``compile_module`` as it was optimised."""
    parts = [f"program {module.name}"]
    parts.extend(_Writer(function).text() for function in module.functions if function.blocks)
    return "\n\n".join(parts) + "\n"


class _Writer:
    """Writes one function."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.names: dict[Value, str] = {}
        self.blocks: dict[Block, str] = {}

    def text(self) -> str:
        function = self.function
        for index, block in enumerate(function.blocks):
            self.blocks[block] = f"{block.name}.{index}" if index else block.name
        values = list(function.params)
        for block in function.blocks:
            values += [phi for phi in block.phis if phi.forward is None]
            values += [v for v in block.code if v.type.bits]
        self.names = {v: f"%{number}" for number, v in enumerate(values)}
        params = ", ".join(f"{p.type} {self.names[p]}" for p in function.params)
        lines = [f"function {function.name}({params}) -> {function.returns}"]
        span: Span | None = None
        for index, block in enumerate(function.blocks):
            comment = ", ".join(self.blocks[p] for p in block.preds if p in self.blocks)
            if index and not block.preds:
                comment = "unreachable"
            elif comment:
                comment = f"from {comment}"
            lines.append(_line(f"{self.blocks[block]}:", comment))
            lines.extend(f"  {self._phi(phi)}" for phi in block.phis if phi.forward is None)
            for v in block.code:
                comment = ""
                if v.span is not None and v.span is not span:
                    span = v.span
                    comment = "{}:{}".format(*span.source.position(span.start))
                lines.append(_line(f"  {self._operation(v)}", comment))
        return "\n".join(lines)

    def value(self, v: Value) -> str:
        """An operand: a number, or a value's name."""
        while v.forward is not None:
            v = v.forward
        if v.op == "const":
            return str(v.imm) if v.imm < 1 << 20 else hex(v.imm)
        return self.names.get(v) or f"%?{v.id}"

    def _phi(self, phi: Value) -> str:
        block = phi.block
        assert block is not None
        brought = ", ".join(
            f"{self.value(a)} {self.blocks.get(pred, '?')}"
            for a, pred in zip(phi.args, block.preds, strict=False)
        )
        return f"{self.names[phi]} = phi {phi.type} [{brought}]"

    def _operation(self, v: Value) -> str:
        write = _FORMS.get(v.op, _plain)
        body = write(self, v)
        return f"{self.names[v]} = {body}" if v.type.bits else body

    def values(self, args: list[Value]) -> str:
        """Operands, separated by commas."""
        return ", ".join([self.value(a) for a in args])

    def memory(self, p: Value, off: int) -> str:
        """``p + off``."""
        return f"{self.value(p)}{off:+d}" if off else self.value(p)


def _line(text: str, comment: str) -> str:
    return f"{text:<{_COMMENT}} # {comment}" if comment else text


def _plain(w: _Writer, v: Value) -> str:
    return f"{v.op} {v.type} {w.values(v.args)}".rstrip()


def _convert(w: _Writer, v: Value) -> str:
    source = v.operand if v.op == "sext" and v.operand.bits else v.args[0].type
    return f"{v.op} {source} {w.value(v.args[0])} to {v.type}"


def _bswap(w: _Writer, v: Value) -> str:
    return f"bswap{v.imm} {v.type} {w.value(v.args[0])}"


def _icmp(w: _Writer, v: Value) -> str:
    return f"icmp {v.aux} {v.operand} {w.values(v.args)}"


def _select(w: _Writer, v: Value) -> str:
    c, a, b = v.args
    return f"select {v.type} {w.value(c)} ? {w.value(a)} : {w.value(b)}"


def _load(w: _Writer, v: Value) -> str:
    sign = "signed " if v.imm else ""
    return f"load {sign}{v.operand} {w.memory(v.args[0], v.off)}"


def _store(w: _Writer, v: Value) -> str:
    return f"store {v.operand} {w.memory(v.args[0], v.off)}, {w.value(v.args[1])}"


def _atomic(w: _Writer, v: Value) -> str:
    fetch = " fetch" if v.imm else ""
    where = w.memory(v.args[0], v.off)
    return f"atomic {v.aux}{fetch} {v.operand} {where}, {w.values(v.args[1:])}"


def _slot(w: _Writer, v: Value) -> str:
    slot = v.aux
    return f"slot {slot.size} bytes, align {slot.align} ({slot.name})"


def _zero(w: _Writer, v: Value) -> str:
    return f"zero {v.imm} bytes {w.memory(v.args[0], v.off)}"


def _copy(w: _Writer, v: Value) -> str:
    to, source = w.memory(v.args[0], v.off), w.memory(v.args[1], v.aux)
    return f"copy {v.imm} bytes {to}, {source}"


def _named(w: _Writer, v: Value) -> str:
    name = v.aux if isinstance(v.aux, str) else v.aux.name
    offset = f"+{v.imm}" if v.imm else ""
    return f"{v.op} {name}{offset}"


def _call(w: _Writer, v: Value) -> str:
    name = v.aux if isinstance(v.aux, str) else v.aux.name
    result = f"{v.type} " if v.type.bits else ""
    return f"{v.op} {result}{name}({w.values(v.args)})"


def _jump(w: _Writer, v: Value) -> str:
    return f"jump {w.blocks.get(v.aux[0], '?')}"


def _branch(w: _Writer, v: Value) -> str:
    then, other = (w.blocks.get(block, "?") for block in v.aux)
    weight = {1: ", likely", -1: ", unlikely"}.get(v.imm, "")
    return f"branch {w.value(v.args[0])} ? {then} : {other}{weight}"


def _ret(w: _Writer, v: Value) -> str:
    return f"ret {w.value(v.args[0])}"


_FORMS: dict[str, Callable[[_Writer, Value], str]] = {
    "zext": _convert, "sext": _convert, "trunc": _convert, "ptr_to_int": _convert,
    "int_to_ptr": _convert, "bswap": _bswap, "icmp": _icmp, "select": _select, "load": _load,
    "store": _store, "atomic": _atomic, "slot": _slot, "zero": _zero, "copy": _copy,
    "map_ref": _named, "map_value": _named, "function": _named, "call": _call, "kfunc": _call,
    "call_function": _call, "jump": _jump, "branch": _branch, "ret": _ret,
}  # fmt: skip
