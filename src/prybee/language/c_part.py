"""The C part of a script as pieces of text: where directives and definitions begin and end.

What they mean is read by the modules of ``language/c/``.
"""

from __future__ import annotations

import re

from prybee.language import lexer, tree

_DIRECTIVE = re.compile(r"#[ \t]*(\w*)[ \t]*((?:[^\n\\]|\\\r?\n|\\)*)")
_TEXT = re.compile(
    r"""[{};]|//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.DOTALL
)
_BLANKS = r"(?:\s|//[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*"
_ATTRIBUTES = re.compile(
    rf"(?:{_BLANKS}__attribute__{_BLANKS}\(\((?:[^()]|\([^()]*\))*\)\))*(?:{_BLANKS};)?"
)


def directive(text: str, at: int) -> tree.CDirective:
    """The preprocessor line that begins at ``at``, continuation lines joined, comments gone."""
    match = _DIRECTIVE.match(text, at)
    assert match is not None, "it begins with #"
    end = match.end()
    body = re.sub(r"\\\r?\n", " ", match[2])
    if match[1] != "include":
        body = re.sub(r"//.*|/\*.*?\*/", " ", body)
        opened = body.find("/*")
        if opened >= 0:
            # A comment that begins on this line and ends on a later one.
            body = body[:opened]
            closed = text.find("*/", match.start(2))
            end = closed + 2 if closed >= 0 else len(text)
    return tree.CDirective(match[1], body.strip(), match.start(2), at, end)


def definition(text: str, at: int, kind: str) -> tree.CDefinition | tuple[str, int]:
    """The definition that begins with the word ``kind`` at ``at``; or what is wrong, and where."""
    depth = 0
    for match in _TEXT.finditer(text, at):
        what = match[0]
        if what == "{":
            depth += 1
        elif what == "}":
            depth -= 1
            if depth <= 0:
                attributes = _ATTRIBUTES.match(text, match.end())
                assert attributes is not None, "it matches nothing, too"
                end = attributes.end()
                return tree.CDefinition(kind, text[at:end].rstrip("; \n\t"), at, end)
        elif what == ";" and depth == 0:
            break
    else:
        if depth:
            return "expected '}' to close the definition", len(text)
    return "expected '{'", lexer.skip_blanks(text, at + len(kind))
