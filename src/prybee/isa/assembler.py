"""Text to bytes: the dialect of ``disassembler.py``, and labels.

A label is a name before a colon, alone on its line or before an instruction; jumps, ``call`` and
``code_addr`` take a label's name for a distance.  ``;``, ``#`` and ``//`` start comments.  Lines
may begin as those of the kernel's log do (``12: (b7) r0 = 0``), helpers may be written with their
name as there (``call bpf_map_lookup_elem#1``) and distances as ``pc+3``.  Blanks are free, numbers
decimal or hex.
"""

from __future__ import annotations

from re import compile as _compile

from prybee.isa.instructions import Insn, IsaError, encode, form_of
from prybee.isa.opcodes import (
    ABS,
    ADDR_SPACE_CAST,
    ALU,
    ALU64,
    ALU_SYMBOLS,
    ATOMIC,
    ATOMIC_NAMES,
    ATOMIC_SYMBOLS,
    CALL,
    CMPXCHG,
    END,
    EXIT,
    FETCH,
    IND,
    JA,
    JCOND,
    JMP,
    JMP32,
    JUMP_SYMBOLS,
    LD,
    LDDW,
    LDX,
    LOAD_ACQ,
    MEM,
    MEMSX,
    MOV,
    NEG,
    PSEUDO_BTF_ID,
    PSEUDO_CALL,
    PSEUDO_FUNC,
    PSEUDO_KFUNC_CALL,
    PSEUDO_MAP_FD,
    PSEUDO_MAP_IDX,
    PSEUDO_MAP_IDX_VALUE,
    PSEUDO_MAP_VALUE,
    SIGNED_SYMBOLS,
    SIZE_BITS,
    ST,
    STORE_REL,
    STX,
    XCHG,
    X,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from re import Match, Pattern

    # The instruction, the label it goes to (or ""), and the field that takes the distance
    Made = tuple[Insn, str, str]

_SIZES = {str(bits): code for code, bits in SIZE_BITS.items()}
_ALU = {symbol: (code, 0) for code, symbol in ALU_SYMBOLS.items()}
_ALU.update({symbol: (code, 1) for code, symbol in SIGNED_SYMBOLS.items()})
_JUMPS = {symbol: code for code, symbol in JUMP_SYMBOLS.items()}
_LOCKED = {symbol: code for code, symbol in ATOMIC_SYMBOLS.items()}
_FETCHED = {f"fetch_{name}": code | FETCH for code, name in ATOMIC_NAMES.items()}
_FETCHED["xchg"] = XCHG
_MAPS = {"fd": PSEUDO_MAP_FD, "idx": PSEUDO_MAP_IDX}
_MAP_VALUES = {"fd": PSEUDO_MAP_VALUE, "idx": PSEUDO_MAP_IDX_VALUE}


def assemble(text: str) -> bytes:
    """The bytes of a program in text form, for a little-endian machine.

    Raises:
        IsaError: with the line and what is wrong in it.
    """
    labels: dict[str, int] = {}
    made: list[tuple[int, int, Insn, str, str]] = []
    slot = 0
    for number, line in enumerate(text.splitlines(), 1):
        rest = _COMMENT.sub("", line).strip()
        rest = _LOG_PREFIX.sub("", rest)
        while label := _LABEL.match(rest):
            if label[1] in labels:
                raise IsaError(f"line {number}: label {label[1]!r} is there already")
            labels[label[1]] = slot
            rest = rest[label.end() :]
        if not rest:
            continue
        insn, target, field = _instruction(rest, number)
        made.append((number, slot, insn, target, field))
        slot += insn.slots
    insns = []
    for number, slot, insn, target, field in made:
        if target:
            if target not in labels:
                raise IsaError(f"line {number}: there is no label {target!r}")
            distance = labels[target] - slot - 1
            if field == "off" and not -(1 << 15) <= distance < 1 << 15:
                raise IsaError(
                    f"line {number}: {target!r} is {distance} instructions away, "
                    "beyond the 16 bits of this jump; use gotol"
                )
            if insn.opcode == LDDW:
                distance &= 0xFFFFFFFF
            insn = insn.replace(**{field: distance})
        try:
            form_of(insn, slot)
        except IsaError as error:
            raise IsaError(f"line {number}: {error}") from None
        insns.append(insn)
    return encode(insns)


_COMMENT = _compile(r"(;|(?<!\w)#|//).*")  # not the # of bpf_map_lookup_elem#1
_LOG_PREFIX = _compile(r"^\d+:\s*(\([0-9a-f]{2}\)\s*)?")
_LABEL = _compile(r"([A-Za-z_.$][\w.$]*)\s*:(?!=)\s*")


def _instruction(text: str, line: int) -> Made:
    for pattern, make in _PATTERNS:
        match = pattern.fullmatch(text)
        if match is not None:
            try:
                made = make(match)
            except _Wrong as wrong:
                raise IsaError(f"line {line}: {wrong} in {text!r}") from None
            return made if isinstance(made, tuple) else (made, "", "")
    raise IsaError(f"line {line}: {text!r} is no instruction")


class _Wrong(Exception):
    """What is wrong in a line whose shape is right."""


def _number(text: str, bits: int = 32, signed: bool = True) -> int:
    """A number of so many bits.

    Args:
        signed: refuse values that only fit as unsigned ones: they would be sign-extended to
            something else.
    """
    digits = text.replace(" ", "").lower()
    value = int(digits, 16 if "x" in digits else 10)
    top = 1 << (bits - 1 if signed else bits)
    if not -(1 << bits - 1) <= value < top:
        raise _Wrong(f"{text} does not fit {'signed ' if signed else ''}{bits} bits")
    return value


def _imm(text: str, half: bool) -> int:
    """An immediate; where only 32 bits take part it may be written unsigned."""
    value = _number(text, 32, not half)
    return value - (1 << 32) if value >> 31 > 0 else value


def _reg(text: str) -> int:
    number = int(text[1:])
    if number > 10:
        raise _Wrong(f"there is no register {text}")
    return number


def _same_width(*registers: str) -> bool:
    """Whether they are 32-bit registers."""
    if len({register[0] for register in registers}) > 1:
        raise _Wrong("64-bit and 32-bit registers mixed")
    return registers[0][0] == "w"


def _is_register(text: str) -> bool:
    return text[0] in "rw"


def _arithmetic(m: Match[str]) -> Insn:
    dst, symbol, right = m["dst"], m["op"], m["right"]
    operation, off = _ALU[symbol]
    if _is_register(right):
        half = _same_width(dst, right)
        return Insn((ALU if half else ALU64) | operation | X, _reg(dst), _reg(right), off)
    half = dst[0] == "w"
    try:
        imm = _imm(right, half)
    except _Wrong as wrong:
        if half or symbol != "=":
            raise
        raise _Wrong(f"{wrong} (64-bit numbers are written {right} ll)") from None
    return Insn((ALU if half else ALU64) | operation, _reg(dst), 0, off, imm)


def _movsx(m: Match[str]) -> Insn:
    half = _same_width(m["dst"], m["src"])
    return Insn((ALU if half else ALU64) | MOV | X, _reg(m["dst"]), _reg(m["src"]), int(m["bits"]))


def _unary(m: Match[str]) -> Insn:
    if m["dst"] != m["src"]:
        raise _Wrong(f"{m['dst']} and {m['src']} must be the same")
    dst = _reg(m["dst"])
    if m["word"] == "-":
        return Insn((ALU if m["dst"][0] == "w" else ALU64) | NEG, dst)
    if m["dst"][0] == "w":
        raise _Wrong("byte order is changed in 64-bit registers")
    opcode = {"le": ALU | END, "be": ALU | END | X, "bswap": ALU64 | END}[m["word"]]
    return Insn(opcode, dst, imm=int(m["bits"]))


def _cast(m: Match[str]) -> Insn:
    spaces = _number(m["to"], 15) << 16 | _number(m["from"], 16, False)
    return Insn(ALU64 | MOV | X, _reg(m["dst"]), _reg(m["src"]), ADDR_SPACE_CAST, spaces)


def _wide(m: Match[str]) -> Insn:
    return Insn(LDDW, _reg(m["dst"]), imm=_number(m["value"], 64, False) & (1 << 64) - 1)


def _map(m: Match[str]) -> Insn:
    return Insn(LDDW, _reg(m["dst"]), _MAPS[m["by"]], imm=_number(m["number"], 32, False))


def _map_value(m: Match[str]) -> Insn:
    imm = _number(m["number"], 32, False) & 0xFFFFFFFF
    imm |= (_number(m["plus"], 32, False) & 0xFFFFFFFF) << 32
    return Insn(LDDW, _reg(m["dst"]), _MAP_VALUES[m["by"]], imm=imm)


def _variable(m: Match[str]) -> Insn:
    imm = _number(m["number"], 32, False) | _number(m["fd"] or "0", 32, False) << 32
    return Insn(LDDW, _reg(m["dst"]), PSEUDO_BTF_ID, imm=imm)


def _code(m: Match[str]) -> Made:
    target, distance = _target(m["target"], 32)
    return Insn(LDDW, _reg(m["dst"]), PSEUDO_FUNC, imm=distance & 0xFFFFFFFF), target, "imm"


def _target(text: str, bits: int) -> tuple[str, int]:
    """A label and 0, or an empty one and the distance."""
    distance = text.removeprefix("pc").lstrip()
    if distance[:1] in ("+", "-"):
        return "", _number(distance, bits)
    return text, 0


def _off(m: Match[str]) -> int:
    return _number(m["off"], 16)


def _load(m: Match[str]) -> Insn:
    mode = MEMSX if m["sign"] == "s" else MEM
    if m["sign"] == "s" and m["bits"] == "64":
        raise _Wrong("a 64-bit load has no sign to extend")
    return Insn(LDX | mode | _SIZES[m["bits"]], _reg(m["dst"]), _reg(m["base"]), _off(m))


def _store(m: Match[str]) -> Insn:
    size = _SIZES[m["bits"]]
    right = m["right"]
    if _is_register(right):
        if right[0] == "w":
            raise _Wrong(f"stores name the whole register, r{right[1:]}")
        return Insn(STX | MEM | size, _reg(m["base"]), _reg(right), _off(m))
    return Insn(ST | MEM | size, _reg(m["base"]), 0, _off(m), _imm(right, m["bits"] != "64"))


def _packet(m: Match[str]) -> Insn:
    size = _SIZES[m["bits"]]
    if m["base"]:
        return Insn(LD | IND | size, 0, _reg(m["base"]), 0, _number(m["off"]))
    return Insn(LD | ABS | size, imm=_number(m["imm"]))


def _locked(m: Match[str]) -> Insn:
    opcode = STX | ATOMIC | _SIZES[m["bits"]]
    return Insn(opcode, _reg(m["base"]), _reg(m["src"]), _off(m), _LOCKED[m["op"]])


def _width_agrees(m: Match[str]) -> None:
    if (m["wide"] is not None) != (m["bits"] == "64"):
        raise _Wrong(f"atomic{m['wide'] or ''} does not go with u{m['bits']}")


def _fetched(m: Match[str]) -> Insn:
    _width_agrees(m)
    if m["dst"] != m["src"]:
        raise _Wrong(f"{m['dst']} and {m['src']} must be the same")
    opcode = STX | ATOMIC | _SIZES[m["bits"]]
    return Insn(opcode, _reg(m["base"]), _reg(m["src"]), _off(m), _FETCHED[m["op"]])


def _compared(m: Match[str]) -> Insn:
    _width_agrees(m)
    return Insn(STX | ATOMIC | _SIZES[m["bits"]], _reg(m["base"]), _reg(m["src"]), _off(m), CMPXCHG)


def _acquire(m: Match[str]) -> Insn:
    opcode = STX | ATOMIC | _SIZES[m["bits"]]
    return Insn(opcode, _reg(m["dst"]), _reg(m["base"]), _off(m), LOAD_ACQ)


def _release(m: Match[str]) -> Insn:
    opcode = STX | ATOMIC | _SIZES[m["bits"]]
    return Insn(opcode, _reg(m["base"]), _reg(m["src"]), _off(m), STORE_REL)


def _jump(m: Match[str]) -> Made:
    operation = _JUMPS[m["op"]]
    target, off = _target(m["target"], 16)
    left, right = m["dst"], m["right"]
    if _is_register(right):
        kind = JMP32 if _same_width(left, right) else JMP
        return Insn(kind | operation | X, _reg(left), _reg(right), off), target, "off"
    half = left[0] == "w"
    kind = JMP32 if half else JMP
    return Insn(kind | operation, _reg(left), 0, off, _imm(right, half)), target, "off"


def _goto(m: Match[str]) -> Made:
    if m["word"] == "gotol":
        target, imm = _target(m["target"], 32)
        return Insn(JMP32 | JA, imm=imm), target, "imm"
    target, off = _target(m["target"], 16)
    return Insn(JMP | (JA if m["word"] == "goto" else JCOND), off=off), target, "off"


def _helper(m: Match[str]) -> Insn:
    return Insn(JMP | CALL, imm=_number(m["number"]))


def _kfunc(m: Match[str]) -> Insn:
    return Insn(JMP | CALL, 0, PSEUDO_KFUNC_CALL, _number(m["fd"] or "0", 16), _number(m["number"]))


def _local(m: Match[str]) -> Made:
    if m["distance"]:
        return Insn(JMP | CALL, 0, PSEUDO_CALL, imm=_number(m["distance"])), "", ""
    return Insn(JMP | CALL, 0, PSEUDO_CALL), m["label"], "imm"


_PARTS = {
    "N": r"[-+]?\s*(?:0[xX][0-9a-fA-F]+|\d+)",
    "R": r"r\d\d?",
    "RW": r"[rw]\d\d?",
    "OFF": r"(?P<off>[-+]\s*(?:0[xX][0-9a-fA-F]+|\d+))",
    "TARGET": r"(?P<target>(?:pc\s*)?[-+]\s*(?:0[xX][0-9a-fA-F]+|\d+)|[A-Za-z_.$][\w.$]*)",
}
# A memory operand without its star
_CELL = r"\( u(?P<bits>8|16|32|64) \* \) \( (?P<base>{R}) {OFF} \)"

# A blank stands for any number of blanks, \\s for at least one.
_SHAPES: tuple[tuple[str, Callable[[Match[str]], Insn | Made]], ...] = (
    (r"(?P<dst>{RW}) (?P<op>s>>=|s/=|s%=|<<=|>>=|[-+*/|&%^]?=) (?P<right>{RW}|{N})", _arithmetic),
    (r"(?P<dst>{RW}) = \( s(?P<bits>8|16|32) \) (?P<src>{RW})", _movsx),
    (r"(?P<dst>{RW}) = (?P<word>-) (?P<src>{RW})", _unary),
    (r"(?P<dst>{RW}) = (?P<word>le|be|bswap)(?P<bits>16|32|64)\s(?P<src>{RW})", _unary),
    (
        r"(?P<dst>{R}) = addr_space_cast \( (?P<src>{R}) , (?P<to>{N}) , (?P<from>{N}) \)",
        _cast,
    ),
    (r"(?P<dst>{R}) = (?P<value>{N}) ll", _wide),
    (r"(?P<dst>{R}) = map_by_(?P<by>fd|idx) \( (?P<number>{N}) \)", _map),
    (
        (
            r"(?P<dst>{R}) = map_val \( map_by_(?P<by>fd|idx) \( (?P<number>{N}) \) \) "
            r"\+ (?P<plus>{N})"
        ),
        _map_value,
    ),
    (r"(?P<dst>{R}) = var_addr \( (?P<number>{N}) (?:, (?P<fd>{N}) )?\)", _variable),
    (r"(?P<dst>{R}) = code_addr \( {TARGET} \)", _code),
    (
        (
            r"(?P<dst>{R}) = \* \( (?P<sign>[us])(?P<bits>8|16|32|64) \* \) "
            r"\( (?P<base>{R}) {OFF} \)"
        ),
        _load,
    ),
    (r"\* {CELL} = (?P<right>{RW}|{N})", _store),
    (
        (
            r"r0 = \* \( u(?P<bits>8|16|32) \* \) skb \[ "
            r"(?:(?P<base>{R}) {OFF}|(?P<imm>{N})) \]"
        ),
        _packet,
    ),
    (r"lock \* {CELL} (?P<op>[+|&^]=) (?P<src>{R})", _locked),
    (
        (
            r"(?P<dst>{R}) = atomic(?P<wide>64)?_(?P<op>fetch_(?:add|or|and|xor)|xchg)"
            r" \( {CELL} , (?P<src>{R}) \)"
        ),
        _fetched,
    ),
    (r"r0 = atomic(?P<wide>64)?_cmpxchg \( {CELL} , r0 , (?P<src>{R}) \)", _compared),
    (r"(?P<dst>{R}) = load_acquire \( {CELL} \)", _acquire),
    (r"store_release \( {CELL} , (?P<src>{R}) \)", _release),
    (
        (
            r"if\s(?P<dst>{RW}) (?P<op>s>=|s<=|s>|s<|==|!=|>=|<=|>|<|&) (?P<right>{RW}|{N})"
            r" goto\s{TARGET}"
        ),
        _jump,
    ),
    (r"(?P<word>gotol|goto|may_goto)\s{TARGET}", _goto),
    (r"call\s(?:[A-Za-z_]\w*#)?(?P<number>-?\d+|0[xX][0-9a-fA-F]+)", _helper),
    (r"call\skfunc\s(?P<number>{N})(?:\sfd\s(?P<fd>{N}))?", _kfunc),
    (r"call\s(?:pc (?P<distance>[-+]\s*\d+)|(?P<label>[A-Za-z_.$][\w.$]*))", _local),
    (r"exit", lambda m: Insn(JMP | EXIT)),
)


def _compiled(shape: str) -> Pattern[str]:
    shape = shape.replace("{CELL}", _CELL)
    for name, part in _PARTS.items():
        shape = shape.replace(f"{{{name}}}", part)
    shape = shape.replace("\\s", "\\s+").replace("\\s+*", "\\s*")
    return _compile(shape.replace(" ", "\\s*"))


_PATTERNS = tuple((_compiled(shape), make) for shape, make in _SHAPES)
