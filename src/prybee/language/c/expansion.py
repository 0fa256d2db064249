"""Macros of C, and their expansion in a list of tokens."""

from __future__ import annotations

import re

from prybee.language.c.lexer import PAINTED, CError, Token, Unclosed, joined, tokens

_DEFINE = re.compile(r"([A-Za-z_$][\w$]*)(\(([^)]*)\))?\s*(.*)", re.DOTALL)

# Where headers define a macro by itself a thousand times.
_MOST_TOKENS = 200_000

Table = dict[str, "Macro"]


class Macro:
    """What ``#define`` says.

    Attributes:
        name: of the macro.
        parameters: of a function-like macro; None for others. The last may be ``...``.
        text: the replacement, as written.
        place: where the definition is.
        kernel: a header of the kernel defines it.
    """

    __slots__ = ("_body", "disabled", "kernel", "name", "parameters", "place", "text")

    def __init__(
        self,
        name: str,
        parameters: tuple[str, ...] | None,
        text: str,
        place: int = -1,
        kernel: bool = False,
    ) -> None:
        self.name = name
        self.parameters = parameters
        self.text = text
        self.place = place
        self.kernel = kernel
        self.disabled = False
        self._body: list[Token] | None = None

    def __repr__(self) -> str:
        return f"Macro({self.name}: {self.text})"

    @property
    def body(self) -> list[Token]:
        """The replacement's tokens."""
        if self._body is None:
            self._body = tokens(self.text)
        return self._body


def defined(text: str, place: int = -1, kernel: bool = False) -> Macro:
    """The macro that ``text``, what follows ``#define``, means.

    Raises:
        CError: there is no name.
    """
    match = _DEFINE.match(text)
    if match is None:
        raise CError("#define wants a name", place)
    parameters = None
    if match[2] is not None:
        words = [word.strip() for word in match[3].split(",")]
        parameters = tuple(words) if words != [""] else ()
        # `args...` names what `...` calls __VA_ARGS__.
    return Macro(match[1], parameters, match[4].rstrip(), place, kernel)


class _Context:
    """Tokens that are being read, and the macro that they come from."""

    __slots__ = ("at", "macro", "tokens")

    def __init__(self, parts: list[Token], macro: Macro | None) -> None:
        self.tokens = parts
        self.macro = macro
        self.at = 0


def expand(parts: list[Token], table: Table) -> list[Token]:
    """``parts`` with all macros of ``table`` replaced.

    What a macro produces stands at the place where it is used.

    Raises:
        CError: a macro's arguments are not closed, or too many or too few; or there is no end.
    """
    if not any(text in table for kind, text, _place in parts if kind == "word"):
        return parts
    return _Expansion(parts, table).run()


class _Expansion:
    def __init__(self, parts: list[Token], table: Table) -> None:
        self.table = table
        self.contexts = [_Context(parts, None)]

    def run(self) -> list[Token]:
        found: list[Token] = []
        table = self.table
        used: list[Macro] = []
        try:
            while True:
                token = self._next()
                if token is None:
                    return found
                kind, text, place = token
                macro = table.get(text) if kind == "word" else None
                if macro is None:
                    found.append(token)
                elif macro.disabled:
                    found.append((PAINTED, text, place))
                elif self._enter(macro, place):
                    used.append(macro)
                else:
                    found.append(token)
                if len(found) > _MOST_TOKENS:
                    raise CError("macros become too long a text here", place)
        finally:
            for macro in used:
                macro.disabled = False

    def _next(self) -> Token | None:
        contexts = self.contexts
        while contexts:
            context = contexts[-1]
            if context.at < len(context.tokens):
                context.at += 1
                return context.tokens[context.at - 1]
            contexts.pop()
            if context.macro is not None:
                context.macro.disabled = False
        return None

    def _opens(self) -> bool:
        """Whether a parenthesis follows; it is taken then."""
        for context in reversed(self.contexts):
            if context.at < len(context.tokens):
                if context.tokens[context.at][1] != "(":
                    return False
                self._next()
                return True
        return False

    def _enter(self, macro: Macro, place: int) -> bool:
        """Replace a macro; False where it stays as it is: a function's name without arguments."""
        if macro.parameters is None:
            body = macro.body
            if any(text == "##" for _kind, text, _place in body):
                body = _pasted([[token] for token in body])
        else:
            if not self._opens():
                return False
            body = self._substituted(macro, self._arguments(macro, place))
        macro.disabled = True
        self.contexts.append(_Context([(kind, text, place) for kind, text, _ in body], macro))
        if len(self.contexts) > 2000:
            raise CError(f"macro '{macro.name}' has no end", place)
        return True

    def _arguments(self, macro: Macro, place: int) -> dict[str, list[Token]]:
        given: list[list[Token]] = [[]]
        assert macro.parameters is not None
        rest = bool(macro.parameters) and macro.parameters[-1].endswith("...")
        depth = 0
        while True:
            token = self._next()
            if token is None:
                raise Unclosed(f"the arguments of macro '{macro.name}' are not closed", place)
            text = token[1]
            if text == ")" and depth == 0:
                break
            depth += (text in "([{") - (text in ")]}") if len(text) == 1 else 0
            if text == "," and depth == 0 and not (rest and len(given) >= len(macro.parameters)):
                given.append([])
            else:
                given[-1].append(token)
        names = macro.parameters
        if not names and given == [[]]:
            given = []
        if rest and len(given) == len(names) - 1:
            given.append([])
        if len(given) != len(names):
            raise CError(
                f"macro '{macro.name}' takes {len(names)} argument(s), not {len(given)}", place
            )
        plain = [name[:-3].strip() or "__VA_ARGS__" if name.endswith("...") else name
                 for name in names]  # fmt: skip
        return dict(zip(plain, given, strict=True))

    def _substituted(self, macro: Macro, given: dict[str, list[Token]]) -> list[Token]:
        body = macro.body
        pieces: list[list[Token]] = []
        pastes = any(text == "##" for _kind, text, _place in body)
        expanded: dict[str, list[Token]] = {}
        at = 0
        while at < len(body):
            kind, text, place = body[at]
            at += 1
            if text == "#" and at < len(body) and body[at][1] in given:
                literal = joined(given[body[at][1]]).replace("\\", "\\\\").replace('"', '\\"')
                pieces.append([("string", f'"{literal}"', place)])
                at += 1
            elif kind == "word" and text in given:
                beside = pastes and (
                    (at < len(body) and body[at][1] == "##") or (at > 1 and body[at - 2][1] == "##")
                )
                if beside:
                    pieces.append(given[text])
                else:
                    if text not in expanded:
                        expanded[text] = expand(given[text], self.table)
                    pieces.append(expanded[text])
            else:
                pieces.append([(kind, text, place)])
        if pastes:
            return _pasted(pieces)
        return [token for piece in pieces for token in piece]


def _pasted(pieces: list[list[Token]]) -> list[Token]:
    """Carry out ``##``."""
    found: list[Token] = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        at += 1
        if len(piece) == 1 and piece[0][1] == "##" and at < len(pieces):
            right = pieces[at]
            at += 1
            if found and right and found[-1][1] == "," and right[0][1] != ",":
                found += right  # GNU's `, ## __VA_ARGS__`.
            elif found and right:
                found[-1:] = tokens(found[-1][1] + right[0][1], found[-1][2])
                found += right[1:]
            elif found and found[-1][1] == ",":
                found.pop()
            else:
                found += right
        else:
            found += piece
    return found
