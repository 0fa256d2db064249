"""A script's text in one style: ``prybee fmt``.

The tokens stay as they are written and in their order, and so do comments; only blanks, line
breaks, semicolons that may be left out, and the parentheses of ``for (…)`` change.  The tree says
what tokens alone do not: which ``-`` has two sides, which ``{`` is a block whose last expression
is its value.  So the text's tree is equal to that of the original, which :func:`format_script`
makes sure of, and what was formatted once stays as it is.
"""

from __future__ import annotations

import re

from prybee.diagnostics import Source
from prybee.language import lexer, tree
from prybee.language.lexer import END, NAME
from prybee.language.line_layout import Line
from prybee.language.parser import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

STEP = "  "
_COMMENT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)|\n", re.DOTALL)
_ROOT_BLOCKS = (tree.Probe, tree.Macro, tree.Subprogram)


class Comment:
    """A comment: its text, whether it stands alone in its line, whether a blank line is above."""

    __slots__ = ("alone", "apart", "text")

    def __init__(self, text: str, alone: bool, apart: bool) -> None:
        self.text = text
        self.alone = alone
        self.apart = apart

    @property
    def ends_line(self) -> bool:
        """Whether nothing can follow in its line."""
        return self.text.startswith("//")


class Gap:
    """What stands between two tokens: comments, and whether a blank line precedes the second."""

    __slots__ = ("apart", "comments")

    def __init__(self, text: str) -> None:
        self.comments: list[Comment] = []
        breaks = 0
        for match in _COMMENT.finditer(text):
            if match[0] == "\n":
                breaks += 1
                continue
            self.comments.append(Comment(match[0].rstrip(), breaks > 0, breaks > 1))
            breaks = 0
        self.apart = breaks > 1


class Unfaithful(Exception):
    """The formatted text would mean something else: a mistake of ours, never of the script."""


def format_script(source: Source) -> str:
    """The text of a script in the common style.

    Raises:
        ScriptError: it has syntax errors.
    """
    program = parse(source)
    text = Formatter(source.text, program).run()
    if not tree.equal(_comparable(program), _comparable(parse(Source(source.name, text)))):
        raise Unfaithful(f"{source.name}: the formatted script would not be the same")
    return text


def _comparable(program: tree.Program) -> tree.Program:
    """The tree without what differs though it is the same: blanks at the end of a directive."""
    for node in tree.walk(program):
        if isinstance(node, tree.CDirective | tree.CDefinition):
            for name in node.fields:
                value = getattr(node, name)
                if isinstance(value, str):
                    setattr(node, name, value.rstrip())
    return program


class Formatter:
    """Formats one script."""

    def __init__(self, text: str, program: tree.Program) -> None:
        self.text = text
        self.program = program
        self.lines: list[str] = []
        self.binary: set[int] = set()
        self.blocks: dict[int, tree.Block] = {}
        self.casts: set[int] = set()
        self.loops: dict[int, tree.For] = {}
        # Where blocks begin that belong to what is before them.
        self.bodies: set[int] = set()
        for node in tree.walk(program):
            if isinstance(node, tree.Binary):
                self.binary.add(node.op_start)
            elif isinstance(node, tree.Block):
                self.blocks[node.start] = node
            elif isinstance(node, tree.Cast):
                self.casts.add(node.target_end)
            elif isinstance(node, tree.For):
                self.loops[node.start] = node
            if isinstance(node, tree.For | tree.While | tree.Unroll):
                self.bodies.add(node.body.start)
            elif isinstance(node, tree.If):
                self.bodies.add(node.then.start)

    def run(self) -> str:
        """The whole text."""
        at = 0
        if self.text.startswith("#!"):
            at = len(self.text.partition("\n")[0])
            self.lines.append(self.text[:at].rstrip())
        for start, node in self._items():
            gap = self.text[at:start]
            if gap.lstrip().startswith(";"):
                gap = gap.replace(";", "", 1)
            self._between(Gap(gap), at > 0)
            at = self._item(node, start)
        rest = self.text[at:]
        if rest.lstrip().startswith(";"):
            rest = rest.replace(";", "", 1)
        gap_at_end = Gap(rest)
        gap_at_end.apart = False
        self._between(gap_at_end, at > 0)
        return "\n".join(self.lines) + "\n" if self.lines else ""

    def _items(self) -> list[tuple[int, tree.Node]]:
        program = self.program
        nodes: list[tree.Node] = [*program.c_part, *program.imports, *program.items]
        if program.config is not None:
            nodes.append(program.config)
        return sorted(((node.start, node) for node in nodes), key=lambda pair: pair[0])

    def _between(self, gap: Gap, behind: bool, indent: str = "") -> None:
        """Comments, and a blank line where there was one or more."""
        for comment in gap.comments:
            self._comment(comment, behind, indent)
            behind = True
        if gap.apart and self.lines:
            self._blank()

    def _blank(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def _comment(self, comment: Comment, behind: bool, indent: str) -> None:
        if behind and not comment.alone and self.lines and self.lines[-1]:
            self.lines[-1] += f"  {comment.text}"
            return
        if comment.apart and behind:
            self._blank()
        self.lines.append(indent + comment.text)

    # -- the root ------------------------------------------------------------------------------

    def _item(self, node: tree.Node, start: int) -> int:
        """Write an item of the root; where the text goes on behind it."""
        text = self.text
        if isinstance(node, tree.CDirective | tree.CDefinition):
            self.lines += [line.rstrip() for line in text[start : node.end].rstrip().split("\n")]
            if isinstance(node, tree.CDefinition) and not self.lines[-1].endswith(";"):
                self.lines[-1] += ";"
            return node.end
        if isinstance(node, tree.Import | tree.MapDeclaration):
            tokens = lexer.tokenize(text[: node.end], start, whole=True)
            self._tokens(tokens, 0, len(tokens.kinds) - 1, "")
            self.lines[-1] += ";"
            return node.end
        if isinstance(node, tree.ConfigBlock):
            tokens = lexer.tokenize(text, start)
            last = len(tokens.kinds) - 1
            self._tokens(tokens, 0, last, "")
            return tokens.ends[last - 1]
        assert isinstance(node, _ROOT_BLOCKS)
        if isinstance(node, tree.Probe):
            at = self._probe_head(node)
            tokens = lexer.tokenize(text[: node.body.end], at, whole=True)
        else:
            tokens = lexer.tokenize(text[: node.body.end], start, whole=True)
        body = tokens.starts.index(node.body.start)
        if body:
            self._tokens(tokens, 0, body, "")
        gap = Gap(text[tokens.ends[body - 1] if body else node.end : node.body.start])
        if isinstance(node, tree.Probe) and not body:
            gap = Gap("")
        for comment in gap.comments:
            self._comment(comment, True, "")
        if self._is_short(tokens, body, len(tokens.kinds) - 2):
            self.lines.append("{}")
        else:
            self._tokens(tokens, body, len(tokens.kinds) - 1, "")
        return node.body.end

    def _probe_head(self, node: tree.Probe) -> int:
        """The attach points, one to a line; where the predicate or the body begins."""
        points = node.attach_points
        at = points[-1].end
        heads: list[str] = []
        for point, following in zip(points, [*points[1:], None], strict=True):
            mark = "" if following is None else " ||" if following.instead else ","
            heads.append(point.raw + mark)
            end = following.start if following is not None else at
            for comment in Gap(self.text[point.end : end]).comments:
                self.lines.append(comment.text)
        found = lexer.BLANKS.match(self.text, at)
        assert found is not None
        behind = found.end()
        if self.text.startswith(",", behind):
            behind = lexer.skip_blanks(self.text, behind + 1)
        for comment in Gap(self.text[at:behind]).comments:
            self.lines.append(comment.text)
        self.lines += heads
        return behind

    # -- tokens --------------------------------------------------------------------------------

    def _is_short(self, tokens: lexer.Tokens, opening: int, closing: int) -> bool:
        """Whether nothing at all stands between two tokens."""
        gap = self.text[tokens.ends[opening] : tokens.starts[closing]]
        return closing == opening + 1 and not Gap(gap).comments

    def _inline_end(self, tokens: lexer.Tokens, opening: int) -> int:
        """The ``}`` of a block that goes into the line it begins in: it has a value and nothing
        else, and neither comments nor blocks in it; -1 for other blocks."""
        block = self.blocks.get(tokens.starts[opening])
        if block is None:
            return -1
        closing = tokens.ends.index(block.end, opening)
        if self._is_short(tokens, opening, closing):
            return closing
        if block.value is None or block.statements:
            return -1
        inner = self.text[block.start + 1 : block.end - 1]
        if "{" in inner or len(inner) > 40 or "//" in inner or "/*" in inner:
            return -1
        return closing

    def _tokens(self, tokens: lexer.Tokens, first: int, last: int, indent: str) -> None:
        """Write tokens ``first`` up to and without ``last``, from a new line on."""
        Writer(self, tokens, indent).run(first, last)


class Writer:
    """Writes a run of tokens into the lines of a :class:`Formatter`."""

    def __init__(self, formatter: Formatter, tokens: lexer.Tokens, indent: str) -> None:
        self.formatter = formatter
        self.kinds, self.starts, self.ends = tokens.kinds, tokens.starts, tokens.ends
        self.tokens = tokens
        self.indent = indent
        self.line = Line(indent)
        # Blocks that are open: the token that opened each, whether statements end in it with `;`.
        self.open: list[tuple[str, bool]] = []
        self.skipped: set[int] = set()
        # Up to this token a block goes on in its line.
        self.inline: set[int] = set()

    def run(self, first: int, last: int) -> None:
        """Write the tokens."""
        i = first
        while i < last:
            if i > first:
                self._gap(i)
            if i not in self.skipped:
                self._token(i)
            i += 1
        self._flush()

    def _flush(self, end: str = "") -> None:
        if self.line:
            if end:
                self.line.add(end, False)
            self.formatter.lines += self.line.text()
        self.line = Line(self.indent)

    def _gap(self, i: int) -> None:
        """Comments before token ``i``."""
        formatter = self.formatter
        gap = Gap(formatter.text[self.ends[i - 1] : self.starts[i]])
        closing = self.kinds[i] == "}" and i not in self.inline
        if closing and self.line:
            self._end_statement()
        elif self.kinds[i] == ";" and self.line and gap.comments:
            # The semicolon first, or a comment would swallow it.
            self._flush(";")
            self.skipped.add(i)
        if self.line:
            for comment in gap.comments:
                self.line.add(comment.text, True)
                if comment.ends_line:
                    formatter.lines += self.line.text()
                    self.line = Line(self.indent, continued=True)
            return
        opened = self.kinds[i - 1] == "{" and not gap.comments
        for number, comment in enumerate(gap.comments):
            if number == 0 and self.kinds[i - 1] == "{":
                comment.apart = False
            formatter._comment(comment, True, self.indent)
        if gap.apart and not opened and not closing and self.kinds[i] not in ("else", ";"):
            formatter._blank()

    def _end_statement(self) -> None:
        """A statement ends at a ``}``: with a semicolon, unless it is the block's value."""
        self._flush(";" if self.open and self.open[-1][1] else "")

    def _token(self, i: int) -> None:
        kind = self.kinds[i]
        text = self.formatter.text[self.starts[i] : self.ends[i]]
        if kind == "{":
            self._open(i)
        elif kind == "}":
            self._close(i)
        elif kind == ";":
            self._semicolon(i)
        else:
            space = self._space(i)
            if kind in "([":
                self.open.append((kind, False))
            elif kind in ")]" and self.open:
                self.open.pop()
            if kind == "else" and not self.line and self._follows_brace():
                self.line = Line(self.indent, self.formatter.lines.pop().strip())
            self.line.add(text, space, len(self.open))
            if kind == "for":
                self._loop(i)

    def _follows_brace(self) -> bool:
        return self.formatter.lines[-1].strip() == "}"

    def _loop(self, i: int) -> None:
        """The parentheses of ``for (…)`` are left out."""
        node = self.formatter.loops.get(self.starts[i])
        if node is not None and self.kinds[i + 1] == "(":
            self.skipped |= {i + 1, self.starts.index(node.body.start, i) - 1}

    def _open(self, i: int) -> None:
        space = self.line and self.kinds[i - 1] not in "(["
        self.line.add("{", bool(space), len(self.open))
        end = self.formatter._inline_end(self.tokens, i)
        if end >= 0 and self.line.words != ["{"]:
            self.inline.add(end)
            self.open.append(("{ }", False))
            return
        block = self.formatter.blocks.get(self.starts[i])
        self.open.append(("{", block is None or block.value is None))
        self._flush()
        self.indent += STEP
        self.line = Line(self.indent)

    def _close(self, i: int) -> None:
        self.open.pop()
        if i in self.inline:
            self.line.add("}", self.kinds[i - 1] != "{")
        else:
            self.indent = self.indent[: -len(STEP)]
            self.line = Line(self.indent)
            self.line.add("}", False)
        following = self.kinds[i + 1]
        goes_on = (
            following in ("else", ";", ")", ",", "]", "?", ":", "..")
            or self.starts[i + 1] in self.formatter.binary
            or self.starts[i + 1] in self.formatter.bodies
            or (bool(self.open) and self.open[-1][0] in ("(", "[", "{ }"))
        )
        if following == ";" and not self._needs_semicolon(i):
            self.skipped.add(i + 1)
            goes_on = False
        if following == "else":
            gap = Gap(self.formatter.text[self.ends[i] : self.starts[i + 1]])
            goes_on = not gap.comments
        if not goes_on:
            self._flush()

    def _needs_semicolon(self, i: int) -> bool:
        """Whether the ``;`` behind the ``}`` at token ``i`` says anything."""
        at = self.ends[i]
        for block in self.formatter.blocks.values():
            for statement in block.statements:
                if statement.end != at:
                    continue
                if isinstance(statement, tree.While | tree.For | tree.Unroll):
                    return False
                if isinstance(statement, tree.ExpressionStatement):
                    # Without it, the last one would be the block's value.
                    return statement is block.statements[-1] and block.value is None
        return True

    def _semicolon(self, i: int) -> None:
        self._flush(";") if self.line else self._attach_semicolon()

    def _attach_semicolon(self) -> None:
        self.formatter.lines[-1] += ";"

    # -- blanks --------------------------------------------------------------------------------

    def _space(self, i: int) -> bool:
        """Whether a blank stands before token ``i``."""
        if not self.line or i == 0:
            return False
        kind, before = self.kinds[i], self.kinds[i - 1]
        if i - 1 in self.skipped or before == "{":
            return True
        binary = self.formatter.binary
        if before in ("(", "[", ".", "->", "..") or kind in (")", "]", ",", ".", "->", ".."):
            return False
        if self.starts[i] in binary or self.starts[i - 1] in binary:
            return True
        if kind in _ASSIGNMENTS or before in _ASSIGNMENTS:
            return not (self.open and self.open[-1][0] == "(")
        if kind in _SPACED or before in _SPACED or before in _STATEMENT_WORDS:
            return True
        if before == "/" or kind == "/":
            return False  # Those of a predicate: the other ones are binary.
        if kind in ("(", "["):
            return False
        if before == ")":
            return self.ends[i - 1] not in self.formatter.casts and _is_word(kind)
        if before in _UNARY and kind in _UNARY:
            # `- -x` must not become `--x`.
            return before[0] == kind[0] and before != "*"
        return _is_word(before) and _is_word(kind)


_ASSIGNMENTS = frozenset(("=", "<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="))
_SPACED = frozenset(("?", ":", "?:", ",", "}"))
_STATEMENT_WORDS = frozenset(
    ("if", "else", "while", "for", "unroll", "return", "let", "import", "comptime")
)
_UNARY = frozenset(("-", "+", "!", "~", "*", "&", "++", "--"))


def _is_word(kind: str) -> bool:
    """Whether a token is made of letters or digits, or is a string."""
    return (kind.isalpha() and kind != END) or kind == NAME


def changed_lines(before: str, after: str, name: str) -> Iterator[str]:
    """A unified diff of what formatting changes."""
    from difflib import unified_diff

    return unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, f"{name} formatted"
    )
