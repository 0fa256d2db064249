"""Slips of the pen, and habits of other languages: what to say beside the message.

Asked only when something is wrong, so that it may look at more than the parser does.
"""

from __future__ import annotations

import re

from prybee.diagnostics import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.btf import Btf

_FOR = "loops are `for $i : 0..10 { … }` over a range, and `for $kv : @map { … }` over a map"
_COMPARE = "'=' assigns and is a statement of its own; '==' compares"
_SIGIL = "names of variables begin with $ (known in one handler) or @ (a map, known in all)"
_COMMENT = "comments begin with // or stand between /* and */"
_JOINED = "the parts of a probe's name are joined by colons: tracepoint:CATEGORY:EVENT"

# (message, what stands in front of its place, what stands there, hint), each a regular expression:
# the first that fits is said.
_SYNTAX = tuple(
    (re.compile(message), re.compile(before + r"\s*\Z", re.S), re.compile(there, re.S), hint)
    for message, before, there, hint in (
        ("expected variable in for loop", "", "", _FOR),
        ("expected ':'", r"\bfor\s*\(?\s*\$\w+", "", _FOR),
        ("expected", r"\bforeach\s*\([^;{}]*", "", _FOR),
        ("expected ';'", r"\b(?:elif|elsif|elseif)\s*\(.*?\)", r"\{", "write `else if (…) { … }`"),
        ("expected ';'", r"\b(?:switch|case)\b.*", "", "use `if (…) { … } else if (…) { … }`"),
        ("expected '{'", r"(?:^|[};])\s*conf\w*", "=", "settings stand in `config = { … }`"),
        (r"expected (?:'\)'|'/'|'\{')", "", r"=(?!=)", _COMPARE),
        ("expected", "", r"and\b", "'and' is written &&"),
        ("expected", "", r"or\b", "'or' is written ||"),
        ("expected", r"(?<![\w$@.>])not", "", "'not' is written !"),
        ("expected", "", "'", 'strings stand in double quotes: "text"'),
        ("expected expression", "", "#", _COMMENT),
        ("unknown preprocessor directive", "", "", _COMMENT),
        ("expected '/' to close", r"\b(?:[kuf]?ret)?\w*(?:probe|point|entry|exit|usdt)/\w+/[^{}]*",
         "", _JOINED),
        ("expected ';'", r"\b(?:print|printf|exit|time|clear|zero|delete|str)",
         r'["@$\w]', "arguments stand in parentheses, as in print(1)"),
        ("expected ';'", r"(?<![\w$@.>\"])[A-Za-z_]\w*", r"\+\+|--|[-+*/%&|^]?=(?!=)|[A-Za-z_]",
         _SIGIL),
        ("expected attach point", "", r"\{",
         "say when it runs: begin { … }, interval:s:1 { … }, tracepoint:CATEGORY:EVENT { … }"),
        ("expected '{'", r"\b(?:begin|end|BEGIN|END)", r"\w", "a handler stands in braces: { … }"),
    )
)  # fmt: skip

# Names of other languages, and what they are here.
_FOREIGN = {
    "NULL": "the pointer to nothing is 0",
    "nullptr": "the pointer to nothing is 0",
    "nil": "the pointer to nothing is 0",
    "None": "the pointer to nothing is 0",
    "True": "it is written true",
    "TRUE": "it is written true",
    "False": "it is written false",
    "FALSE": "it is written false",
    "time_ns": "nsecs is the time in nanoseconds",
    "gettimeofday": "nsecs is the time in nanoseconds",
    "process": "comm is the name of the process, pid its number",
    "execname": "comm is the name of the process",
    "ppid": "ppid() is the parent's number",
    "timestamp": "nsecs is the time in nanoseconds",
    "args0": "arg0 is the first argument",
    "length": "len(x) counts; strlen(x) is the length of a string",
    "size": "sizeof(x) is the size in bytes",
}
# Probe types that bpftrace no longer has, and what there is.
_GONE = {
    "asyncwatchpoint": "watchpoint:ADDRESS:LENGTH:MODE watches an address; what an argument points "
    "to is watched once a uprobe has printed its address",
}
_GONE["aw"] = _GONE["asyncwatchpoint"]
# Text before a place that is worth looking at, in characters.
_BEFORE = 200
_BRACES = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/|[{}]', re.S)
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]+")


def syntax(text: str, message: str, start: int) -> tuple[str, ...]:
    """Hints for a syntax error at an offset of the text."""
    before = text[max(0, start - _BEFORE) : start]
    for wanted, front, there, hint in _SYNTAX:
        if wanted.match(message) and there.match(text, start) and front.search(before):
            return (hint,)
    return ()


def unclosed(text: str, start: int) -> int:
    """The offset of the innermost ``{`` behind ``start`` that nothing closes, or -1."""
    opened: list[int] = []
    for match in _BRACES.finditer(text, start):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            opened.pop()
    return opened[-1] if opened else -1


def name(
    word: str,
    functions: Iterable[str],
    others: Iterable[str],
    members: Sequence[str],
    btf: Btf | None,
) -> tuple[str, ...]:
    """Hints for a bare name that means nothing.

    Args:
        word: the name.
        functions: names of functions and builtins.
        others: names of constants and macros.
        members: the fields of ``args`` here.
        btf: the kernel's types, for enumerators.
    """
    functions = list(functions)
    if word in functions:
        return (f"{word} is a function: {word}()",)
    foreign = _FOREIGN.get(word)
    if foreign is not None:
        return (foreign,)
    if word in members:
        return (f"did you mean 'args.{word}'?",)
    found = did_you_mean(word, [*functions, *others])
    if not found and btf is not None and _CONSTANT.fullmatch(word):
        found = did_you_mean(word, _enumerators(btf, word))
    if not found:
        found = tuple(f"args.{field}" for field in did_you_mean(word, members))
    if found:
        return (f"did you mean {' or '.join(map(repr, found))}?",)
    return (f'a string stands in double quotes: "{word}"',)


def _enumerators(btf: Btf, word: str) -> set[str]:
    """The kernel's enumerators that begin like ``word``."""
    return {
        name
        for number in range(1, len(btf))
        if btf.kind(number).startswith("enum")
        for name, _value in btf.enumerators(number)
        if name[:3] == word[:3] and abs(len(name) - len(word)) <= 3
    }


def probe_type(
    written: str, names: Sequence[str], tracepoints: Iterable[tuple[str, str]]
) -> tuple[str, ...]:
    """Hints for an attach point whose first word is no probe type.

    Args:
        written: the attach point.
        names: the probe types.
        tracepoints: (category, event) pairs of the kernel.
    """
    word, _colon, rest = written.partition(":")
    if word.lower() in _GONE:
        return (_GONE[word.lower()],)
    first, separator, behind = re.sub(r"[./]", ":", written).partition(":")
    if first != word and first.lower() in names and separator:
        return (f"did you mean '{first}:{behind}'?",)
    wanted = rest or word
    events = [f"{group}:{event}" for group, event in tracepoints]
    same = [event for event in events if event == written or event.endswith(f":{wanted}")]
    if same:
        return (f"did you mean {' or '.join(repr(f'tracepoint:{event}') for event in same[:3])}?",)
    near = did_you_mean(word, names)
    return (f"did you mean {' or '.join(map(repr, near))}?",) if near else ()


def fields(members: Sequence[str], most: int = 12) -> tuple[str, ...]:
    """A hint that lists the fields of a struct, where these are few."""
    return (f"fields: {', '.join(members)}",) if 0 < len(members) <= most else ()
