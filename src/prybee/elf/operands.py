"""Arguments of USDT probes: ``-4@%eax 8@16(%rsp) 8@$42``, in each machine's assembler notation.

The grammar is that of SystemTap's notes: blank-separated ``[N[f]@]operand`` with N the size in
bytes, negative for signed.  Operands are as the compiler wrote them for the assembler, so the forms
that they have are in the machine's table.
"""

from __future__ import annotations

import re

from prybee.elf.records import UsdtArgument
from prybee.machines import machine as machine_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from prybee.machines import Operands

# sys/sdt.h has macros for up to 12 arguments.
MOST_ARGUMENTS = 12


class OperandError(ValueError):
    """An argument text that was not understood."""


def parse_arguments(text: str, machine: str) -> tuple[UsdtArgument, ...]:
    """The arguments of a note.

    Args:
        text: the note's third string.
        machine: as :attr:`ElfFile.machine`.

    Raises:
        OperandError: an operand is not in the machine's notation, or there is none for it.
    """
    parts = _split(text)
    if not parts:
        return ()
    known = machine_named(machine)
    if known is None or known.operands is None:
        raise OperandError(f"USDT arguments of {machine} are not supported")
    if len(parts) > MOST_ARGUMENTS:
        raise OperandError(f"{len(parts)} arguments, more than the {MOST_ARGUMENTS} possible")
    forms = _forms(machine, known.operands)
    return tuple(_argument(part, forms, known.operands, known.word) for part in parts)


def _split(text: str) -> list[str]:
    """The blank-separated parts; arm64 has blanks inside brackets (``8@[sp, 16]``) too."""
    if "[" not in text and "(" not in text:
        return text.split()
    parts = []
    depth = 0
    part = ""
    for character in text:
        if character in "[(":
            depth += 1
        elif character in "])":
            depth -= 1
        if character.isspace():
            # Blanks within brackets, and after a comma in them, belong to the operand.
            if depth <= 0 and part:
                parts.append(part)
                part = ""
            continue
        part += character
    if part:
        parts.append(part)
    return parts


_PREFIX = re.compile(r"(-?)([1248])(f?)@(.+)")


def _argument(part: str, forms: _Forms, operands: Operands, word: int) -> UsdtArgument:
    match = _PREFIX.fullmatch(part)
    if match:
        minus, size, floating, rest = match.groups()
    elif "@" in part:
        raise OperandError(f"argument {part!r} has a size that is not 1, 2, 4 or 8 bytes")
    else:
        # Without a size the operand is a machine word.
        minus, size, floating, rest = "", str(word), "", part
    found = _operand(rest, forms, operands)
    if found is None:
        raise OperandError(f"operand {rest!r} of argument {part!r} was not understood")
    bytes_ = int(size)
    value = found.value
    if found.kind == "constant":
        # Assemblers write an unsigned constant as a signed one and the other way round.
        value &= (1 << 8 * bytes_) - 1
        if minus and value >> (8 * bytes_ - 1):
            value -= 1 << 8 * bytes_
    return found.replace(size=bytes_, signed=bool(minus), floating=bool(floating), value=value)


def _integer(text: str) -> int:
    """An integer of the assembler's: decimal, hex or octal, with a sign perhaps."""
    text = text.replace("+", "")
    negative = text.startswith("-")
    digits = text.lstrip("-")
    base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") else 10
    try:
        value = int(digits, base)
    except ValueError:
        raise OperandError(f"number {text!r} was not understood") from None
    return -value if negative else value


def _sum(text: str) -> int:
    return sum(_integer(term) for term in re.findall(_NUMBER, text))


# -- forms ----------------------------------------------------------------------------------------

_DIGITS = r"(?:0[xX][0-9a-fA-F]+|[0-9]+)"
_NUMBER = rf"[-+]?{_DIGITS}"
_WORDS = {"SUM": rf"{_NUMBER}(?:[-+]{_DIGITS})*", "NUMBER": _NUMBER, "DIGITS": _DIGITS}

_Forms = list[tuple[str, "re.Pattern[str]"]]
_compiled: dict[str, _Forms] = {}


def _forms(machine: str, operands: Operands) -> _Forms:
    """A machine's patterns, ready to be tried."""
    forms = _compiled.get(machine)
    if forms is None:
        forms = _compiled[machine] = []
        for kind, pattern in operands.forms:
            for word, meant in _WORDS.items():
                pattern = pattern.replace(word, meant)
            forms.append((kind, re.compile(pattern)))
    return forms


def _operand(text: str, forms: _Forms, operands: Operands) -> UsdtArgument | None:
    """What an operand says; its size is not known here. None where it was not understood."""
    for kind, pattern in forms:
        match = pattern.fullmatch(text)
        if match is not None:
            return _meant(kind, match.groupdict(), operands)
    return None


def _meant(kind: str, parts: Mapping[str, str | None], operands: Operands) -> UsdtArgument | None:
    value = _sum(parts.get("value") or "0")
    if kind == "constant":
        return UsdtArgument(8, False, "constant", value)
    if kind == "place":
        symbol = parts.get("symbol") or ""
        return UsdtArgument(8, False, "memory", value, symbol=symbol, relocated=True)
    written, index = parts.get("register") or "", parts.get("index") or ""
    if kind == "register" and written in operands.zeros:
        return UsdtArgument(8, False, "constant", 0)
    register, index_register = operands.names.get(written, ""), operands.names.get(index, "")
    if (written and not register) or (index and not index_register):
        return None
    if kind == "register":
        high = written in operands.high
        return UsdtArgument(8, False, "register", register=register, high_byte=high)
    scale = int(parts.get("scale") or 1) << int(parts.get("shift") or 0)
    return UsdtArgument(8, False, "memory", value, register, index_register, scale)
