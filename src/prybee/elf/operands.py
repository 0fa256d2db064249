"""Arguments of USDT probes: ``-4@%eax 8@16(%rsp) 8@$42``, in each machine's assembler notation.

The grammar is that of SystemTap's notes: blank-separated ``[N[f]@]operand`` with N the size in
bytes, negative for signed.  Operands are as the compiler wrote them for the assembler, so there is
one table and one pattern set per machine.
"""

from __future__ import annotations

import re

from prybee.elf.records import UsdtArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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
    operand = _MACHINES.get(machine)
    if operand is None:
        raise OperandError(f"USDT arguments of {machine} are not supported")
    if len(parts) > MOST_ARGUMENTS:
        raise OperandError(f"{len(parts)} arguments, more than the {MOST_ARGUMENTS} possible")
    word = 4 if machine in ("i386", "arm") else 8
    return tuple(_argument(part, operand, word) for part in parts)


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


def _argument(part: str, operand: Callable[[str], UsdtArgument | None], word: int) -> UsdtArgument:
    match = _PREFIX.fullmatch(part)
    if match:
        minus, size, floating, rest = match.groups()
    elif "@" in part:
        raise OperandError(f"argument {part!r} has a size that is not 1, 2, 4 or 8 bytes")
    else:
        # Without a size the operand is a machine word.
        minus, size, floating, rest = "", str(word), "", part
    found = operand(rest)
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


# ---------------------------------------------------------------------------- x86


def _x86_registers(wide: bool) -> dict[str, str]:
    """Every name of a general register → its full-width name."""
    full = "r" if wide else "e"
    names: dict[str, str] = {}
    for letter in "abcd":
        register = f"{full}{letter}x"
        for name in (f"r{letter}x", f"e{letter}x", f"{letter}x", f"{letter}l", f"{letter}h"):
            names[name] = register
    for pair in ("si", "di", "bp", "sp"):
        for name in (f"r{pair}", f"e{pair}", pair, f"{pair}l"):
            names[name] = f"{full}{pair}"
    for name in ("rip", "eip"):
        names[name] = f"{full}ip"
    if wide:
        for number in range(8, 16):
            for suffix in ("", "d", "w", "b", "l"):
                names[f"r{number}{suffix}"] = f"r{number}"
    return names


_X86_HIGH = frozenset(("ah", "bh", "ch", "dh"))
_DIGITS = r"(?:0[xX][0-9a-fA-F]+|[0-9]+)"
_NUMBER = rf"[-+]?{_DIGITS}"
_SUM = rf"{_NUMBER}(?:[-+]{_DIGITS})*"
_X86_CONSTANT = re.compile(rf"\$({_NUMBER})")
_X86_REGISTER = re.compile(r"%(\w+)")
_X86_MEMORY = re.compile(rf"({_SUM})?\((?:%(\w+))?(?:,%(\w+)(?:,([1248]))?)?\)")
# A variable by its name, as position-independent code writes it.
_X86_SYMBOL = re.compile(rf"([A-Za-z_.$][\w.$]*)([-+]{_DIGITS})?\(%[re]ip\)")
_X86_ABSOLUTE = re.compile(rf"({_NUMBER})")


def _x86(names: dict[str, str]) -> Callable[[str], UsdtArgument | None]:
    def operand(text: str) -> UsdtArgument | None:
        if match := _X86_CONSTANT.fullmatch(text):
            return UsdtArgument(8, False, "constant", _integer(match[1]))
        if match := _X86_REGISTER.fullmatch(text):
            register = names.get(match[1])
            if register is None:
                return None
            return UsdtArgument(
                8, False, "register", register=register, high_byte=match[1] in _X86_HIGH
            )
        if match := _X86_MEMORY.fullmatch(text):
            offset, base, index, scale = match.groups()
            if base is None and index is None:
                return None
            register = names.get(base or "", "")
            index_register = names.get(index or "", "")
            if (base and not register) or (index and not index_register):
                return None
            return UsdtArgument(
                8,
                False,
                "memory",
                _sum(offset or "0"),
                register,
                index_register,
                int(scale or 1),
            )
        if match := _X86_SYMBOL.fullmatch(text):
            offset = _integer(match[2] or "0")
            return UsdtArgument(8, False, "memory", offset, symbol=match[1], relocated=True)
        if match := _X86_ABSOLUTE.fullmatch(text):
            return UsdtArgument(8, False, "memory", _integer(match[1]), relocated=True)
        return None

    return operand


def _sum(text: str) -> int:
    return sum(_integer(term) for term in re.findall(_NUMBER, text))


# ---------------------------------------------------------------------------- arm64

_ARM64_REGISTER = re.compile(r"[xw]([0-9]|[12][0-9]|30)|(sp|wsp)|([xw]zr)|(lr|fp)")
_ARM64_CONSTANT = re.compile(rf"#?({_NUMBER})")
_ARM64_MEMORY = re.compile(
    rf"\[(\w+)(?:,(?:#?({_NUMBER})|([xw]\w+)(?:,(?:lsl|uxtx|sxtx)(?:#?([0-3]))?)?))?\]"
)


def _arm64_register(name: str) -> str:
    match = _ARM64_REGISTER.fullmatch(name)
    if match is None or match[3]:
        return ""
    if match[2]:
        return "sp"
    if match[4]:
        return {"lr": "x30", "fp": "x29"}[match[4]]
    return f"x{match[1]}"


def _arm64(text: str) -> UsdtArgument | None:
    if match := _ARM64_CONSTANT.fullmatch(text):
        return UsdtArgument(8, False, "constant", _integer(match[1]))
    if text in ("xzr", "wzr"):
        return UsdtArgument(8, False, "constant", 0)
    if register := _arm64_register(text):
        return UsdtArgument(8, False, "register", register=register)
    if match := _ARM64_MEMORY.fullmatch(text):
        base, offset, index, shift = match.groups()
        register = _arm64_register(base)
        if not register:
            return None
        index_register = _arm64_register(index) if index else ""
        if index and (not index_register or index.startswith("w")):
            # A 32-bit index would have to be extended first; compilers write x registers here.
            return None
        return UsdtArgument(
            8,
            False,
            "memory",
            _integer(offset or "0"),
            register,
            index_register,
            1 << int(shift or 0),
        )
    return None


# ---------------------------------------------------------------------------- riscv, s390

_RISCV_NAMES = frozenset(
    ["zero", "ra", "sp", "gp", "tp", "fp"]
    + [f"t{n}" for n in range(7)]
    + [f"s{n}" for n in range(12)]
    + [f"a{n}" for n in range(8)]
)
_NUMBER_ONLY = re.compile(rf"({_NUMBER})")
_RISCV_MEMORY = re.compile(rf"({_NUMBER})?\((\w+)\)")


def _riscv(text: str) -> UsdtArgument | None:
    if match := _NUMBER_ONLY.fullmatch(text):
        return UsdtArgument(8, False, "constant", _integer(match[1]))
    if text == "zero":
        return UsdtArgument(8, False, "constant", 0)
    if text in _RISCV_NAMES:
        return UsdtArgument(8, False, "register", register="s0" if text == "fp" else text)
    if (match := _RISCV_MEMORY.fullmatch(text)) and match[2] in _RISCV_NAMES:
        register = "s0" if match[2] == "fp" else match[2]
        return UsdtArgument(8, False, "memory", _integer(match[1] or "0"), register)
    return None


_S390_REGISTER = re.compile(r"%r([0-9]|1[0-5])")
_S390_MEMORY = re.compile(rf"({_NUMBER})?\((?:%r([0-9]|1[0-5]),)?%r([0-9]|1[0-5])\)")


def _s390(text: str) -> UsdtArgument | None:
    if match := _NUMBER_ONLY.fullmatch(text):
        return UsdtArgument(8, False, "constant", _integer(match[1]))
    if match := _S390_REGISTER.fullmatch(text):
        return UsdtArgument(8, False, "register", register=f"r{match[1]}")
    if match := _S390_MEMORY.fullmatch(text):
        offset, index, base = match.groups()
        index_register = f"r{index}" if index else ""
        return UsdtArgument(8, False, "memory", _integer(offset or "0"), f"r{base}", index_register)
    return None


_MACHINES: dict[str, Callable[[str], UsdtArgument | None]] = {
    "x86_64": _x86(_x86_registers(wide=True)),
    "i386": _x86(_x86_registers(wide=False)),
    "aarch64": _arm64,
    "riscv64": _riscv,
    "s390x": _s390,
}
