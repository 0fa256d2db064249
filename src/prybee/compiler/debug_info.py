"""What the kernel wants to know about programs beside their instructions, as BTF and two tables.

``func_info`` names each function and gives its signature; without it the kernel refuses programs
that hand out callbacks.  ``line_info`` ties instructions to the script, so that the verifier's log
(and ``bpftool prog dump``) shows the script's lines beside the instructions.

Facts are from kernel/bpf/verifier.c of Linux 6.18: check_btf_func(), check_btf_line().
"""

from __future__ import annotations

from struct import Struct

from prybee.btf.format import FUNC_GLOBAL, FUNC_STATIC
from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prybee.btf import BtfBuilder
    from prybee.compiler.compile import Compiled, CompiledFunction
    from prybee.compiler.ir import Type
    from prybee.diagnostics import Span

_function_record = Struct("<II").pack  # bpf_func_info: insn_off, type_id
_line_record = Struct("<IIII").pack  # bpf_line_info: insn_off, file_name_off, line_off, line_col

# BPF_LINE_INFO_LINE_COL: the column has the lower 10 bits.
_MOST_LINE = (1 << 22) - 1
_MOST_COLUMN = (1 << 10) - 1
# The kernel formats a line into 1024 bytes, and warns in its own log where that is too short
# (bpf_verifier_vlog()).
_MOST_TEXT = 240


class DebugInfo(Data):
    """BTF for a set of programs, and per program its two tables.

    Attributes:
        btf: for BPF_BTF_LOAD; one blob for all programs.
        programs: name → (bpf_func_info records, bpf_line_info records), for BPF_PROG_LOAD.
    """

    btf: bytes
    programs: Mapping[str, tuple[bytes, bytes]]


def debug_info(programs: Sequence[Compiled]) -> DebugInfo:
    """Describe compiled programs, whose names must differ.

    Line texts and file names come from the programs' spans.
    """
    from prybee.btf import BtfBuilder

    writer = _Writer(BtfBuilder())
    tables = {program.name: writer.program(program) for program in programs}
    return DebugInfo(writer.builder.build(), tables)


class _Writer:
    """Fills one BTF; equal types are written once."""

    def __init__(self, builder: BtfBuilder) -> None:
        self.builder = builder
        self._types: dict[Type, int] = {}
        self._protos: dict[tuple[int, ...], int] = {}
        self._places: dict[tuple[int, int], tuple[int, int, int]] = {}

    def program(self, program: Compiled) -> tuple[bytes, bytes]:
        """The two tables of one program."""
        functions = [
            _function_record(function.insn, self._function(function, index == 0))
            for index, function in enumerate(program.functions)
        ]
        return b"".join(functions), b"".join(self._lines(program))

    def _lines(self, program: Compiled) -> list[bytes]:
        spans = program.spans
        if not spans:
            return []
        # Every function must have a line at its first instruction.  What has no place in the
        # script stands where the one before it does.
        known = {insn for insn, _ in spans}
        missing = [f.insn for f in program.functions if f.insn not in known]
        if missing:
            spans = tuple(
                sorted(
                    [*spans, *[(insn, spans[0][1]) for insn in missing]], key=lambda place: place[0]
                )
            )
        records = []
        before = -1
        for insn, span in spans:
            if insn != before:
                records.append(_line_record(insn, *self._place(span)))
                before = insn
        return records

    def _place(self, span: Span) -> tuple[int, int, int]:
        """File name, text and position of a span's beginning, as the kernel takes them."""
        source = span.source
        key = (id(source), span.start)
        place = self._places.get(key)
        if place is None:
            line, column = source.position(span.start)
            text = source.line(line)
            if len(text) > _MOST_TEXT:
                text = text[max(0, column - 1 - _MOST_TEXT // 3) :][:_MOST_TEXT]
            place = self._places[key] = (
                self.builder.string(_clean(source.name)),
                self.builder.string(_clean(text)),
                min(line, _MOST_LINE) << 10 | min(column, _MOST_COLUMN),
            )
        return place

    def _function(self, function: CompiledFunction, entry: bool) -> int:
        returns = self._type(function.returns)
        key = (returns, *[self._type(kind) for kind in function.params])
        proto = self._protos.get(key)
        if proto is None:
            parameters = [(f"a{index}", kind) for index, kind in enumerate(key[1:])]
            proto = self._protos[key] = self.builder.func_proto(returns, parameters)
        # A static function is checked together with its callers (enum btf_func_linkage).
        linkage = FUNC_GLOBAL if entry else FUNC_STATIC
        return self.builder.func(identifier(function.name), proto, linkage)

    def _type(self, kind: Type) -> int:
        known = self._types.get(kind)
        if known is None:
            if kind.space:
                known = self.builder.ptr(0)
            elif kind.bits == 0:
                known = 0
            else:
                size = max(kind.bits // 8, 1)
                known = self.builder.int(_INTEGERS[size], size)
            self._types[kind] = known
        return known


_INTEGERS = {1: "unsigned char", 2: "unsigned short", 4: "unsigned int", 8: "unsigned long long"}


def _clean(text: str) -> str:
    """A text as BTF can hold it: no NUL within, no half of a surrogate pair."""
    text = text.replace("\0", " ")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def identifier(name: str) -> str:
    """A function's name as BTF wants it: a C identifier."""
    letters = [c if (c.isascii() and c.isalnum()) or c == "_" else "_" for c in name]
    return "".join(["_", *letters] if not letters or letters[0].isdigit() else letters)
