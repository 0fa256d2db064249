"""Names of Rust functions: the legacy form (dressed up as C++) and v0 (RFC 2603).

Crate hashes and disambiguators are left out, as ``rustfilt`` and ``c++filt`` do.
"""

from __future__ import annotations

import re

# ---------------------------------------------------------------------------- legacy

_LEGACY = re.compile(r"__?ZN(.*)17h[0-9a-f]{16}E(\..*)?", re.DOTALL)
_ESCAPES = {
    "SP": "@",
    "BP": "*",
    "RF": "&",
    "LT": "<",
    "GT": ">",
    "LP": "(",
    "RP": ")",
    "C": ",",
}
_ESCAPE = re.compile(r"\$(SP|BP|RF|LT|GT|LP|RP|C|u[0-9a-f]{1,6})\$|\.\.")


def demangle_legacy(name: str) -> str | None:
    """A name that ends with a hash (``…17h0123456789abcdefE``); None for any other."""
    match = _LEGACY.fullmatch(name)
    if match is None:
        return None
    rest = match[1]
    parts = []
    while rest:
        digits = re.match("[1-9][0-9]*", rest)
        if digits is None:
            return None
        length = int(digits[0])
        part = rest[digits.end() : digits.end() + length]
        if len(part) != length:
            return None
        rest = rest[digits.end() + length :]
        if part.startswith("_$"):
            part = part[1:]
        parts.append(unescape(part))
    return "::".join(parts) + _suffix(match[2] or "") if parts else None


def unescape(part: str) -> str:
    """One part of a legacy name without its escapes (``$LT$`` is ``<``)."""
    return _ESCAPE.sub(_unescape, part)


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if code is None:
        return "::"
    if code in _ESCAPES:
        return _ESCAPES[code]
    value = int(code[1:], 16)
    shown = value < 0x110000 and not 0xD800 <= value < 0xE000 and chr(value).isprintable()
    return chr(value) if shown else match[0]


def _suffix(text: str) -> str:
    """What the compiler put behind a name (``.cold``), without numbers that only tell apart."""
    return re.sub(r"\.(?:llvm\.)?[0-9A-F@]+(?=\.|$)", "", text)


# ---------------------------------------------------------------------------- v0

_BASIC_TYPES = {
    "a": "i8",
    "b": "bool",
    "c": "char",
    "d": "f64",
    "e": "str",
    "f": "f32",
    "h": "u8",
    "i": "isize",
    "j": "usize",
    "l": "i32",
    "m": "u32",
    "n": "i128",
    "o": "u128",
    "p": "_",
    "s": "i16",
    "t": "u16",
    "u": "()",
    "v": "...",
    "x": "i64",
    "y": "u64",
    "z": "!",
}
_BASE_62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CHARACTER_ESCAPES = {"\t": r"\t", "\r": r"\r", "\n": r"\n", "\\": r"\\", "'": r"\'", "\0": r"\0"}
_LENGTH = re.compile("0|[1-9][0-9]*")
_DEEPEST = 150


class _Failure(Exception):
    """The name does not follow the grammar."""


def demangle_v0(name: str) -> str | None:
    """A name that starts with ``_R``; None where it does not parse."""
    body, dot, suffix = name[2:].partition(".")
    if not body.isascii() or not body[:1].isupper():
        return None
    parser = _Parser(body)
    try:
        text = parser.path(in_value=True)
        if parser.at < len(body):
            parser.path(in_value=False)  # the crate that made this instance
        if parser.at != len(body):
            return None
    except (_Failure, IndexError, RecursionError):
        return None
    return text + _suffix(dot + suffix)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.bound = 0  # lifetimes of the binders around
        # Back references can make a short name stand for an exponentially long one.
        self.budget = 5000

    def _next(self) -> str:
        character = self.text[self.at]
        self.at += 1
        return character

    def _take(self, character: str) -> bool:
        if self.text.startswith(character, self.at):
            self.at += 1
            return True
        return False

    def _enter(self) -> None:
        self.depth += 1
        self.budget -= 1
        if self.depth > _DEEPEST or self.budget < 0:
            raise _Failure

    def _base_62(self) -> int:
        """``_`` is 0, ``0_`` is 1."""
        if self._take("_"):
            return 0
        value = 0
        while not self._take("_"):
            value = value * 62 + _BASE_62.index(self._digit())
        return value + 1

    def _digit(self) -> str:
        character = self._next()
        if character not in _BASE_62:
            raise _Failure
        return character

    def _optional(self, mark: str) -> int:
        """A number that may be absent (0): ``s_`` is 1, ``s0_`` is 2."""
        return self._base_62() + 1 if self._take(mark) else 0

    def _identifier(self) -> str:
        punycode = self._take("u")
        match = _LENGTH.match(self.text, self.at)
        if match is None:
            raise _Failure
        digits = match[0]
        self.at = match.end()
        self._take("_")
        part = self.text[self.at : self.at + int(digits)]
        if len(part) != int(digits):
            raise _Failure
        self.at += len(part)
        if not punycode:
            return part
        basic, _, encoded = part.rpartition("_")
        try:
            return f"{basic}-{encoded}".removeprefix("-").encode().decode("punycode")
        except UnicodeError:
            raise _Failure from None

    def _back_reference(self) -> int:
        start = self.at - 1
        target = self._base_62()
        if target >= start:
            raise _Failure
        return target

    # ------------------------------------------------------------------ paths

    def path(self, in_value: bool) -> str:
        """A path; in value position generic arguments are written with ``::``."""
        self._enter()
        kind = self._next()
        if kind == "C":
            self._optional("s")
            text = self._identifier()
        elif kind == "M":
            self._implementation()
            text = f"<{self.type()}>"
        elif kind in "XY":
            if kind == "X":
                self._implementation()
            type_ = self.type()
            text = f"<{type_} as {self.path(in_value=False)}>"
        elif kind == "N":
            text = self._nested(in_value)
        elif kind == "I":
            head = self.path(in_value)
            arguments = []
            while not self._take("E"):
                arguments.append(self._generic_argument())
            text = f"{head}{'::' if in_value else ''}<{', '.join(arguments)}>"
        elif kind == "B":
            target = self._back_reference()
            here, self.at = self.at, target
            text = self.path(in_value)
            self.at = here
        else:
            raise _Failure
        self.depth -= 1
        return text

    def _implementation(self) -> None:
        self._optional("s")
        self.path(in_value=False)

    def _nested(self, in_value: bool) -> str:
        namespace = self._next()
        if not namespace.isalpha():
            raise _Failure
        head = self.path(in_value)
        number = self._optional("s")
        name = self._identifier()
        if namespace.islower():
            return f"{head}::{name}" if name else head
        kind = {"C": "closure", "S": "shim"}.get(namespace, namespace)
        return f"{head}::{{{kind}{':' if name else ''}{name}#{number}}}"

    def _generic_argument(self) -> str:
        if self._take("L"):
            return self._lifetime(self._base_62())
        return self._constant() if self._take("K") else self.type()

    def _lifetime(self, index: int) -> str:
        if index == 0:
            return "'_"
        depth = self.bound - index
        if depth < 0:
            raise _Failure
        return f"'{chr(ord('a') + depth)}" if depth < 26 else f"'_{depth}"

    def _binder(self) -> str:
        count = self._optional("G")
        if count > 1000:
            raise _Failure
        names = []
        for _ in range(count):
            self.bound += 1
            names.append(self._lifetime(1))
        return f"for<{', '.join(names)}> " if names else ""

    # ------------------------------------------------------------------ types

    def type(self) -> str:
        """A type."""
        kind = self._next()
        if kind in _BASIC_TYPES:
            return _BASIC_TYPES[kind]
        self._enter()
        if kind == "A":
            element = self.type()
            text = f"[{element}; {self._constant()}]"
        elif kind == "S":
            text = f"[{self.type()}]"
        elif kind == "T":
            items = []
            while not self._take("E"):
                items.append(self.type())
            text = f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        elif kind in "RQ":
            lifetime = ""
            if self._take("L") and (index := self._base_62()):
                lifetime = self._lifetime(index) + " "
            text = f"&{lifetime}{'mut ' if kind == 'Q' else ''}{self.type()}"
        elif kind in "PO":
            text = f"*{'const' if kind == 'P' else 'mut'} {self.type()}"
        elif kind == "F":
            text = self._function()
        elif kind == "D":
            text = self._dynamic()
        elif kind == "B":
            target = self._back_reference()
            here, self.at = self.at, target
            text = self.type()
            self.at = here
        else:
            self.at -= 1
            text = self.path(in_value=False)
        self.depth -= 1
        return text

    def _function(self) -> str:
        bound = self.bound
        text = self._binder()
        if self._take("U"):
            text += "unsafe "
        if self._take("K"):
            abi = "C" if self._take("C") else self._identifier().replace("_", "-")
            text += f'extern "{abi}" '
        parameters = []
        while not self._take("E"):
            parameters.append(self.type())
        result = self.type()
        self.bound = bound
        text += f"fn({', '.join(parameters)})"
        return text if result == "()" else f"{text} -> {result}"

    def _dynamic(self) -> str:
        bound = self.bound
        text = "dyn " + self._binder()
        traits = []
        while not self._take("E"):
            trait = self.path(in_value=False)
            bindings = []
            while self._take("p"):
                name = self._identifier()
                bindings.append(f"{name} = {self.type()}")
            if bindings:
                inside = ", ".join(bindings)
                trait = f"{trait[:-1]}, {inside}>" if trait.endswith(">") else f"{trait}<{inside}>"
            traits.append(trait)
        self.bound = bound
        if not self._take("L"):
            raise _Failure
        index = self._base_62()
        if index:
            traits.append(self._lifetime(index))
        return text + " + ".join(traits)

    # ------------------------------------------------------------------ constants

    def _constant(self) -> str:
        self._enter()
        kind = self._next()
        if kind == "B":
            target = self._back_reference()
            here, self.at = self.at, target
            text = self._constant()
            self.at = here
        elif kind == "p":
            text = "_"
        elif kind in "hjmotyailnsx":
            text = self._integer(signed=kind in "ailnsx")
        elif kind == "b":
            text = {"0": "false", "1": "true"}.get(self._hexadecimal(), "")
        elif kind == "c":
            text = self._character()
        else:
            raise _Failure
        if not text:
            raise _Failure
        self.depth -= 1
        return text

    def _hexadecimal(self) -> str:
        end = self.text.find("_", self.at)
        digits = self.text[self.at : end]
        if end < 0 or not re.fullmatch("[0-9a-f]*", digits):
            raise _Failure
        self.at = end + 1
        return digits

    def _integer(self, signed: bool) -> str:
        minus = "-" if signed and self._take("n") else ""
        digits = self._hexadecimal()
        if len(digits) > 16:
            return f"{minus}0x{digits}"
        return f"{minus}{int(digits or '0', 16)}"

    def _character(self) -> str:
        value = int(self._hexadecimal() or "0", 16)
        if value >= 0x110000 or 0xD800 <= value < 0xE000:
            raise _Failure
        character = chr(value)
        if character in _CHARACTER_ESCAPES:
            return f"'{_CHARACTER_ESCAPES[character]}'"
        return f"'{character}'" if character.isprintable() else f"'\\u{{{value:x}}}'"
