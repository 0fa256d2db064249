"""Directives of the preprocessor: conditionals, macros, and headers with the headers in them."""

from __future__ import annotations

import os
import re

from prybee.language.c.expansion import Macro, Table, defined, expand
from prybee.language.c.expressions import Evaluator
from prybee.language.c.headers import FOR_KERNEL, PREDEFINED, Found, Search
from prybee.language.c.lexer import CError, Token, Unclosed, cleaned, tokens
from prybee.machines import machine as machine_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.diagnostics import Source

_LINE = re.compile(r"^[ \t\v\f]*#[ \t\v\f]*(\w*)[ \t\v\f]*(.*)$", re.MULTILINE)
_NAME = re.compile(r"[<\"]([^>\"]*)[>\"]")
_CONDITIONALS = frozenset(("if", "ifdef", "ifndef", "elif", "elifdef", "elifndef", "else", "endif"))
_HAS_INCLUDE = "__has_include"
_INCLUDE_TEST = re.compile(r"__has_include(?:_next)?\s*\(\s*(<[^>]*>|\"[^\"]*\")\s*\)")
_PACK = re.compile(r"pack\s*\(\s*(?:(push|pop)\s*,?\s*)?(?:\w+\s*,\s*)?(\d*)\s*\)")

# Predefined where the kernel's own types are known, as upstream does.
HAVE_BTF = "BPFTRACE_HAVE_BTF"

# Headers in headers, and all of them: more than any system has that is not broken.
_DEEPEST = 100
_MOST_FILES = 5000
_LARGEST = 8 << 20
_MOST_HELD = 20_000


class Conditionals:
    """The open ``#if`` groups of one text.

    Args:
        condition: whether the condition of a directive is true: its kind, text and place.
    """

    def __init__(self, condition: Callable[[str, str, int], bool]) -> None:
        self._condition = condition
        # For each group: this branch is taken, one was taken already, #else was there.
        self._open: list[list[bool]] = []
        self.active = True

    def __bool__(self) -> bool:
        return bool(self._open)

    def directive(self, kind: str, text: str, place: int) -> None:
        """Take in ``#if`` or one of its kin.

        Raises:
            CError: there is no group that it could belong to, or the condition is wrong.
        """
        if kind in ("if", "ifdef", "ifndef"):
            taken = self.active
            self._open.append([taken, taken, False])
            if taken:
                # Where the condition is wrong, no branch is taken.
                self._open[-1][0] = self.active = False
                taken = self._condition(kind, text, place)
                self._open[-1][:2] = [taken, taken]
                self.active = taken
            return
        if not self._open:
            raise CError(f"#{kind} without #if", place)
        if kind == "endif":
            self._open.pop()
        else:
            group = self._open[-1]
            if group[2]:
                raise CError(f"#{kind} after #else", place)
            group[2] = kind == "else"
            outside = all(taken for taken, _before, _else in self._open[:-1])
            taken = outside and not group[1]
            group[0] = False
            if taken and kind != "else":
                taken = self._condition(kind.replace("elif", "if"), text, place)
            group[0] = taken
            group[1] = group[1] or taken
        self.active = all(taken for taken, _before, _else in self._open)


def holds(
    kind: str,
    text: str,
    place: int,
    table: Table,
    known: Callable[[str], bool],
    has: Callable[[str, bool], bool],
) -> bool:
    """Whether the condition of ``#if``, ``#ifdef`` or ``#ifndef`` holds.

    Args:
        kind: one of these words.
        text: what follows it.
        place: of the text.
        table: the macros.
        known: whether a name is defined.
        has: whether a header can be found: its name, and whether that is in quotes.

    Raises:
        CError: it is no condition.
    """
    if kind in ("ifdef", "ifndef"):
        word = text.split(maxsplit=1)[0] if text else ""
        if not word:
            raise CError(f"#{kind} wants a name", place)
        return (known(word) or word == _HAS_INCLUDE) == (kind == "ifdef")
    if _HAS_INCLUDE in text:
        text = _INCLUDE_TEST.sub(
            lambda match: str(int(has(match[1][1:-1], match[1][0] == '"'))), text
        )
    parts: list[Token] = []
    given = tokens(text, place)
    at = 0
    while at < len(given):
        token = given[at]
        at += 1
        if token[1] != "defined":
            parts.append(token)
            continue
        opened = at < len(given) and given[at][1] == "("
        at += opened
        if at >= len(given) or given[at][0] != "word":
            raise CError("'defined' wants a name", token[2])
        there = known(given[at][1]) or given[at][1] == _HAS_INCLUDE
        parts.append(("number", str(int(there)), token[2]))
        at += 1
        if opened:
            if at >= len(given) or given[at][1] != ")":
                raise CError("expected ')'", token[2])
            at += 1
    # A name that is not defined counts as 0.
    return bool(Evaluator(lambda _name: 0, wide=True).evaluate(expand(parts, table)))


class Headers:
    """Reads headers, and the headers that they include.

    Args:
        source: the script's; texts of headers become offsets of it.
        search: finds headers.
        text: keep the declarations; else only macros are wanted.
        have_types: the kernel's own types are known.
        files: texts that were read already, by path; more are added.

    Attributes:
        macros: what is defined now.
        tokens: the declarations, macros expanded.
        kernel: (index of a token, whether it and those behind it are from the kernel's headers).
        packs: (index of a token, alignment by ``#pragma pack``).
        problems: what was not understood: place and message.
    """

    def __init__(
        self,
        source: Source,
        search: Search,
        text: bool,
        have_types: bool,
        files: dict[str, tuple[str, int]] | None = None,
    ) -> None:
        self.source = source
        self.search = search
        self.macros: Table = predefined(search.machine)
        if have_types:
            self.macros[HAVE_BTF] = Macro(HAVE_BTF, None, "1", -1, True)
        self.tokens: list[Token] = []
        self.kernel: list[tuple[int, bool]] = []
        self.packs: list[tuple[int, int]] = [(0, 0)]
        self.problems: list[tuple[int, str]] = []
        self._text = text
        self._read = files if files is not None else {}
        self._once: set[str] = set()
        self._depth = 0
        self._files = 0
        # What waits for the end of a macro's arguments.
        self._held: list[Token] = []
        # The file that is being read.
        self._file_path = ""
        self._pack_stack: list[int] = []
        self._of_kernel = False

    def include(self, found: Found) -> None:
        """Read a header that the script includes."""
        if found.source and not self._of_kernel:
            self._of_kernel = True
            for name, text in FOR_KERNEL.items():
                self.macros[name] = Macro(name, None, text, -1, True)
            first = self.search.find("linux/kconfig.h", None)
            if first is not None:
                self._file(first)
        self._file(found)

    def _file(self, found: Found) -> None:
        self._files += 1
        if self._depth >= _DEEPEST or self._files > _MOST_FILES or found.path in self._once:
            return
        if found.path not in self._read:
            self._read[found.path] = self._load(found)
        text, base = self._read[found.path]
        outer, self._file_path = self._file_path, found.path
        self._depth += 1
        try:
            self._lines(text, base, found)
        finally:
            self._depth -= 1
            self._file_path = outer

    def _load(self, found: Found) -> tuple[str, int]:
        from prybee.diagnostics import Source

        if found.text is not None:
            text = found.text
        else:
            try:
                with open(found.path, "rb") as stream:
                    text = stream.read(_LARGEST).decode("utf-8", "replace")
            except OSError as failure:
                self.problems.append((-1, f"{found.path}: {failure.strerror}"))
                text = ""
        base = self.source.include_source(Source(found.shown or found.path, text), found.used)
        return cleaned(text), base

    def _lines(self, text: str, base: int, found: Found) -> None:
        groups = Conditionals(self._condition)
        kernel = found.kernel
        last = 0
        for match in _LINE.finditer(text):
            if groups.active and self._text and match.start() > last:
                self._declarations(text[last : match.start()], base + last, kernel)
            last = match.end()
            kind = match[1]
            if not groups.active and kind not in _CONDITIONALS:
                continue
            place = base + match.start(2)
            try:
                if kind in _CONDITIONALS:
                    groups.directive(kind, match[2], place)
                elif kind in ("include", "include_next"):
                    self._include(kind, match[2], place, found)
                else:
                    self._directive(kind, match[2], place, found)
            except (CError, RecursionError) as failure:
                self.problems.append((place, str(failure)))
        if groups.active and self._text and len(text) > last:
            self._declarations(text[last:], base + last, kernel)

    def _declarations(self, text: str, place: int, kernel: bool) -> None:
        if not text.strip():
            return
        if not self.kernel or self.kernel[-1][1] != kernel:
            self.kernel.append((len(self.tokens), kernel))
        parts = self._held + tokens(text, place)
        self._held = []
        try:
            self.tokens += expand(parts, self.macros)
        except Unclosed as failure:
            # There are directives between the arguments.
            if len(parts) < _MOST_HELD:
                self._held = parts
            else:
                self.problems.append((failure.place, str(failure)))
        except (CError, RecursionError) as failure:
            self.problems.append((place, str(failure)))

    def _condition(self, kind: str, text: str, place: int) -> bool:
        def has(name: str, quoted: bool) -> bool:
            beside = os.path.dirname(self._file_path) if quoted else None
            return self.search.find(name, beside, True) is not None

        return holds(kind, text, place, self.macros, self.macros.__contains__, has)

    def _directive(self, kind: str, text: str, place: int, found: Found) -> None:
        if kind == "define":
            macro = defined(text, place, found.kernel)
            self.macros[macro.name] = macro
        elif kind == "undef":
            self.macros.pop(text.strip(), None)
        elif kind == "pragma":
            self._pragma(text, found)
        elif kind == "error":
            raise CError(f"#error {text.strip()}", place)

    def _pragma(self, text: str, found: Found) -> None:
        if text.startswith("once"):
            self._once.add(found.path)
        match = _PACK.match(text)
        if match is not None:
            pack = self.packs[-1][1]
            if match[1] == "push":
                self._pack_stack.append(pack)
            elif match[1] == "pop":
                pack = self._pack_stack.pop() if self._pack_stack else 0
            if match[2] or match[1] is None:
                pack = int(match[2] or 0)
            self.packs.append((len(self.tokens), pack))

    def _include(self, kind: str, text: str, place: int, by: Found) -> None:
        name = header_name(text, place, self.macros)
        quoted = text.lstrip()[:1] == '"'
        beside = os.path.dirname(by.path) if quoted and by.text is None else None
        behind = by.at if kind == "include_next" else -2
        inside = not by.source and by.at >= 0
        found = self.search.find(name, beside, inside, behind)
        if found is None:
            raise CError(f"'{name}' file not found", place)
        if found.at < 0 and by.at >= 0:
            # Beside a system's header: the same kind of header.
            found = found.replace(kernel=by.kernel, source=by.source, at=by.at)
        self._file(found)


def predefined(machine: str) -> Table:
    """The macros that are there before anything is read."""
    table = {name: Macro(name, None, text, -1, True) for name, text in PREDEFINED.items()}
    known = machine_named(machine)
    big = known is not None and known.big_endian
    order = "__ORDER_BIG_ENDIAN__" if big else "__ORDER_LITTLE_ENDIAN__"
    table["__BYTE_ORDER__"] = Macro("__BYTE_ORDER__", None, order, -1, True)
    for name in known.macros if known is not None else ():
        table[name] = Macro(name, None, "1", -1, True)
    for name in ("__has_attribute", "__has_builtin"):
        table[name] = Macro(name, ("x",), "1", -1, True)
    for bits in (8, 16, 32, 64):
        suffix = "L" if bits == 64 else ""
        for sign, mark in (("", ""), ("U", "U" if bits > 16 else "")):
            name = f"__{sign}INT{bits}_C"
            body = f"c ## {mark}{suffix}" if mark or suffix else "c"
            table[name] = Macro(name, ("c",), body, -1, True)
    return table


def header_name(text: str, place: int, table: Table) -> str:
    """The name in an ``#include``; the text may be a macro that has it.

    Raises:
        CError: there is none.
    """
    text = text.strip()
    if text[:1] not in ("<", '"'):
        text = "".join(part[1] for part in expand(tokens(text, place), table))
    match = _NAME.match(text)
    if match is None:
        raise CError('#include wants "FILE" or <FILE>', place)
    return match[1]
