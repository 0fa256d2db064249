"""Assembly with the script's lines beside it, for ``prybee -d asm``."""

from __future__ import annotations

from prybee.compiler.helpers import helper_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.compile import Compiled
    from prybee.diagnostics import Source, Span

_WIDTH = 46  # of the assembly column, where the script's column begins
_CALL = 0x85
_LDDW = 0x18


def assembly(compiled: Compiled, source: Source | None = None) -> str:
    """The instructions of a program, numbered as the kernel numbers them.

    Where the place in the script changes, its line and column and the text there stand beside the
    instruction.  Helpers and maps are shown by name.

    Args:
        compiled: the program.
        source: the script; places in other sources (macros of the library) are shown with the
            source's name.
    """
    from prybee.isa import disassemble

    insns = compiled.insns
    heads = {f.insn: f for f in compiled.functions}
    places = dict(compiled.spans)
    names = {r.insn: _symbol(r.kind, r.symbol, r.addend) for r in compiled.relocations}
    texts = disassemble(insns)
    lines = [
        f"program {compiled.name}: {len(insns) // 8} instructions, {compiled.stack} bytes of stack"
    ]
    slot = 0
    shown: tuple[str, int, int] = ("", 0, 0)
    for text in texts:
        function = heads.get(slot)
        if function is not None:
            lines += ["", f"{function.name}:"]
        name = names.get(slot, "")
        opcode = insns[slot * 8]
        if opcode == _CALL and insns[slot * 8 + 1] >> 4 == 0:
            name = helper_name(int.from_bytes(insns[slot * 8 + 4 : slot * 8 + 8], "little"))
        left = f"{slot:5}: {text}"
        if name:
            left += f"  <{name}>"
        right = ""
        span = places.get(slot)
        if span is not None:
            place = (span.source.name, *span.source.position(span.start))
            if place != shown:
                shown = place
                foreign = source is not None and span.source is not source
                file = f"{place[0]}:" if foreign else ""
                right = f"; {file}{place[1]}:{place[2]}  {_beginning(span)}"
        lines.append(f"{left:<{_WIDTH}} {right}".rstrip())
        slot += 2 if opcode == _LDDW else 1
    return "\n".join(lines) + "\n"


def _symbol(kind: str, symbol: str, addend: int) -> str:
    if kind == "map_value":
        return f"{symbol}+{addend}"
    return symbol


def _beginning(span: Span) -> str:
    """The script's text at a place, cut to what fits beside the assembly."""
    text = span.text.split("\n", 1)[0].rstrip()
    return text if len(text) <= 48 else text[:47] + "…"
