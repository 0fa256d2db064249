"""Text to tokens, in one pass of one regular expression.

Tokens are kept as parallel lists, not objects: :class:`Tokens`.  A token's *kind* is its own text
for operators and keywords, else one of :data:`NAME`, :data:`INTEGER`, :data:`STRING`,
:data:`SCRATCH`, :data:`MAP`, :data:`POSITIONAL`, :data:`COUNT`, :data:`ERROR` and :data:`END`.

Attach points are not tokens (they are read raw, a path may hold anything), so the parser asks for
tokens piece by piece: :func:`tokenize` stops where the piece that it began in is closed.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.diagnostics import Source

NAME = "name"
INTEGER = "integer"
STRING = "string"
SCRATCH = "scratch"
MAP = "map"
POSITIONAL = "positional"
COUNT = "count"
ERROR = "error"
END = "end"

# Words that cannot be names of macros, constants or functions.
KEYWORDS = frozenset((
    "if", "else", "while", "for", "unroll", "break", "continue", "return", "let", "import",
    "sizeof", "offsetof", "typeof", "typeinfo", "comptime", "true", "false", "struct", "union",
    "enum",
))  # fmt: skip

# Names that the language itself knows; all others are functions, macros or constants.
_BUILTINS = frozenset(("args", "ctx", "kstack", "ustack", "nsecs", "pid", "tid"))

_BLANKS = r"(?:[ \t\r\n\f\v]++|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/|\Z))*+"

_TOKEN = re.compile(
    _BLANKS
    + r"""(?:
    (?P<name>[A-Za-z_][A-Za-z0-9_]*+)
  | (?P<scratch>\$[A-Za-z_][A-Za-z0-9_]*+)
  | (?P<op><<=|>>=|\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||\?:|\+=|-=|\*=|/=|%=|&=|\|=|\^=
      |[-+*/%&|^!~<>=?:;,.(){}\[\]])
  | (?P<map>@(?:[A-Za-z_][A-Za-z0-9_]*+)?)
  | (?P<integer>[0-9][0-9A-Za-z_]*+)
  | (?P<string>"(?:[^"\\\n]++|\\[^\n])*+")
  | (?P<positional>\$[0-9]++)
  | (?P<count>\$\#)
  | (?P<error>"(?:[^"\\\n]++|\\[^\n])*+\\?|.)
  | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)

BLANKS = re.compile(_BLANKS)

# Compiled when first wanted, by re itself: most scripts have plain numbers only.
_INTEGER = (
    r"(?:0[xX](?P<hex>[0-9a-fA-F_]*)|0[bB](?P<bin>[01_]+)|(?P<digits>[0-9][0-9_]*)"
    r"(?:[eE](?P<exponent>[0-9_]+))?)(?P<suffix>\w*)\Z"
)

DURATIONS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_C_SUFFIXES = frozenset(("", "u", "l", "ul", "ll", "ull"))

_UINT64_MAX = (1 << 64) - 1

_ESCAPE = r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|((?s:.)))"
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


class Tokens:
    """A piece of a script as tokens: ``kinds[i]``, ``starts[i]`` and ``ends[i]`` belong together.

    The last token always is of kind :data:`END`; where the piece does not reach the end of the
    script it has no characters.
    """

    __slots__ = ("ends", "kinds", "starts")

    def __init__(self, kinds: list[str], starts: list[int], ends: list[int]) -> None:
        self.kinds = kinds
        self.starts = starts
        self.ends = ends

    def __repr__(self) -> str:
        return f"Tokens({self.kinds!r})"


def is_builtin(name: str) -> bool:
    """Whether ``name`` is known to the language itself: ``args``, ``pid``, ``arg0`` …"""
    return (
        name in _BUILTINS
        or name.startswith("__builtin_")
        or (name.startswith("arg") and name[3:].isdecimal())
    )


def skip_blanks(text: str, at: int) -> int:
    """The offset behind blanks and comments that begin at ``at``."""
    found = BLANKS.match(text, at)
    assert found is not None, "the pattern matches nothing, too"
    return found.end()


def open_comment(text: str, at: int) -> int:
    """Where among the blanks from ``at`` a comment begins that nothing ends; -1 for nowhere."""
    found = re.match(_BLANKS.replace(r"|\Z", ""), text[at:])
    assert found is not None, "the pattern matches nothing, too"
    at += found.end()
    return at if text.startswith("/*", at) else -1


def tokenize(text: str, start: int, whole: bool = False) -> Tokens:
    """Tokens from ``start`` to where what begins there ends: behind the ``}`` that closes the
    first ``{``, or a ``;`` outside of braces. With ``whole`` to the end of the text.
    """
    kinds: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    add_kind, add_start, add_end = kinds.append, starts.append, ends.append
    depth = 0
    keywords = KEYWORDS
    for match in _TOKEN.finditer(text, start):
        kind = match.lastgroup
        begin, end = match.span(match.lastindex)  # type: ignore[arg-type]
        add_start(begin)
        add_end(end)
        if kind == "op":
            kind = text[begin:end]
            add_kind(kind)
            if kind == "{":
                depth += 1
            elif kind == "}":
                depth -= 1
                if depth <= 0 and not whole:
                    break
            elif kind == ";" and not depth and not whole:
                break
            continue
        if kind == "name":
            word = text[begin:end]
            add_kind(word if word in keywords else kind)
            continue
        add_kind(kind)  # type: ignore[arg-type]
        if kind == "end":
            return Tokens(kinds, starts, ends)
    last = ends[-1] if ends else start
    add_kind(END)
    add_start(last)
    add_end(last)
    return Tokens(kinds, starts, ends)


def integer(text: str) -> tuple[int, str] | tuple[str, int]:
    """The value and suffix of an integer literal; or a message and where its subject begins.

    Durations come out in nanoseconds.
    """
    if text.isdecimal() and (text[0] != "0" or text == "0"):
        value = int(text)
        if value > _UINT64_MAX:
            return _overflow(text), 0
        return value, ""
    match = re.match(_INTEGER, text)
    assert match is not None, "the token's pattern is narrower"
    suffix = match["suffix"]
    if suffix.lower() in _C_SUFFIXES:
        suffix = suffix.lower()
    elif suffix not in DURATIONS:
        at = match.start("suffix")
        return f"invalid integer suffix '{suffix}'", at
    if text[match.start("suffix") - 1] == "_":
        return "trailing underscore in integer literal", match.start("suffix") - 1
    digits = match["digits"]
    if match["hex"] is not None:
        plain = match["hex"].replace("_", "")
        if not plain:
            return f"invalid integer: {plain}", 0
        value = int(plain, 16)
    elif match["bin"] is not None:
        value = int(match["bin"].replace("_", "") or "0", 2)
    elif match["exponent"] is not None:
        exponent = match["exponent"].replace("_", "")
        mantissa = digits.replace("_", "")
        if len(mantissa) != 1 or mantissa == "0":
            return f"coefficient part of scientific literal must be 1-9: {text}", 0
        value = int(mantissa) * 10 ** int(exponent) if len(exponent) < 4 else 1 << 64
    else:
        plain = digits.replace("_", "")
        if plain[0] == "0" and len(plain) > 1:
            if not set(plain) <= set("01234567"):
                return f"invalid trailing bytes: {text}", 0
            value = int(plain, 8)
        else:
            value = int(plain)
    value *= DURATIONS.get(suffix, 1)
    if value > _UINT64_MAX:
        return _overflow(text), 0
    return value, suffix


def _overflow(text: str) -> str:
    return f"overflow error, maximum value is {_UINT64_MAX}: {text}"


def unescape(text: str) -> tuple[str, list[tuple[int, str]]]:
    """The contents of a string literal (without its quotes), and what is wrong with it.

    Each mistake is an offset in ``text`` and a message.
    """
    if "\\" not in text:
        return text, []
    mistakes: list[tuple[int, str]] = []

    def replace(match: re.Match[str]) -> str:
        digits, octal, character = match.groups()
        if digits or octal:
            number = int(digits, 16) if digits else int(octal, 8)
            if number > 0xFF:
                mistakes.append((match.start(), f"octal escape sequence out of range '{match[0]}'"))
            # Bytes beyond ASCII need not make UTF-8: see tree.String.
            return bytes((number & 0xFF,)).decode("ascii", "surrogateescape")
        plain = _PLAIN_ESCAPES.get(character)
        if plain is not None:
            return plain
        if character == "x":
            mistakes.append((match.end(), "invalid hex escape sequence"))
        else:
            mistakes.append((match.start() + 1, f"invalid escape character '{match[0]}'"))
        return match[0]

    return re.sub(_ESCAPE, replace, text), mistakes


def read_source(data: bytes, name: str) -> Source:
    """The text of a script's bytes.

    Raises:
        ScriptError: it is not UTF-8, or holds a NUL, or is larger than :data:`MAX_SOURCE`.
    """
    from prybee.diagnostics import Source

    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if len(data) > MAX_SOURCE:
        raise _refused(
            name,
            f"The script is too large: {len(data)} bytes, of {MAX_SOURCE} at most",
            "is this a script at all? Split it, or generate a smaller one",
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as failure:
        line = data.count(b"\n", 0, failure.start) + 1
        byte = data[failure.start]
        raise _refused(
            name,
            f"The script is not UTF-8: byte 0x{byte:02x} in line {line}",
            "save it as UTF-8; a string may hold any byte as \\xHH",
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _refused(name, f"The script holds a NUL byte in line {line}: this is no text", "")
    return Source(name, text)


# Larger texts are refused at once: whatever they are, no kernel would take the programs.
MAX_SOURCE = 1 << 20


def _refused(name: str, message: str, hint: str) -> Exception:
    from prybee.diagnostics import ERROR as SEVERITY
    from prybee.diagnostics import Diagnostic, ScriptError

    return ScriptError([Diagnostic(SEVERITY, f"{name}: {message}", None, (hint,) if hint else ())])
