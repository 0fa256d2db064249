"""What an editor asks about a script at a place: what is this, what may come here, where is it
defined.  Everything comes from the tables that the compiler itself uses; a script need not be
finished, so the text before the place says where in a script it is.
"""

from __future__ import annotations

import re

from prybee.data import Data
from prybee.diagnostics import Source, Span
from prybee.language import lexer, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.language.registry import Registry
    from prybee.plan.target import Target

# More suggestions than this help nobody; the editor asks again as one types.
MOST = 500
_WORD = re.compile(r"[@$]?[A-Za-z_]\w*|@|\$")
_HEAD = re.compile(r"[\w:*.,\s/\"-]*$")
_ARGS = re.compile(r"\bargs\s*(?:\.|->)\s*\w*$")
_SPACE = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:[^\"\\\n]|\\.)*\"?|[{}]", re.DOTALL)

PROBE, FIELD, FUNCTION, MACRO, VARIABLE, KEYWORD = (
    "probe", "field", "function", "macro", "variable", "keyword",
)  # fmt: skip


class Suggestion(Data):
    """Something that may come at a place: what it is called, what kind it is, more about it."""

    label: str
    kind: str
    detail: str = ""
    # Where the text that it replaces begins.
    start: int = 0


class Assistant:
    """Answers for scripts that are meant for one target."""

    def __init__(self, target: Target, registry: Registry) -> None:
        self.target = target
        self.registry = registry

    # -- hover ---------------------------------------------------------------------------------

    def hover(self, source: Source, program: tree.Program | None, offset: int) -> str:
        """Markdown about what is at ``offset``; empty for nothing.

        Args:
            source: the script.
            program: its tree with types, where it could be compiled.
            offset: a character of it.
        """
        text = source.text
        point = _probe_at(text, offset)
        if point:
            return self._about_probe(point)
        word, start = word_at(text, offset)
        if not word:
            return ""
        if start and text[:start].rstrip().endswith((".", "->")):
            return self._typed(program, start, word) or self._about_field(text, start, word)
        macro = definition(source, word)
        if macro is not None and word[0] not in "@$":
            line = text[text.rfind("\n", 0, macro.start) + 1 :].partition("\n")[0]
            return f"```bpftrace\n{line.partition('{')[0].strip()}\n```"
        function = self.registry.functions.get(word)
        if function is not None:
            about = f"```bpftrace\n{function.signature}\n```\n\n{function.summary}"
            typed = self._typed(program, start, word)
            return f"{about}\n\n{typed}" if typed else about
        return self._typed(program, start, word)

    def _typed(self, program: tree.Program | None, offset: int, word: str) -> str:
        """The type that the checker gave to the smallest expression at ``offset``."""
        best: tree.Expression | None = None
        for node in tree.walk(program) if program is not None else ():
            if (
                isinstance(node, tree.Expression)
                and node.start <= offset < node.end
                and getattr(node, "type", None) is not None
                and (best is None or node.end - node.start <= best.end - best.start)
            ):
                best = node
        if best is None or str(best.type) in ("none", "void"):
            return ""
        return f"```c\n{word}: {best.type}\n```"

    def _about_probe(self, point: str) -> str:
        provider = self.registry.providers.get(point.partition(":")[0])
        if provider is None:
            return ""
        about = f"{provider.summary}\n\n" + "\n".join(f"    {s}" for s in provider.syntax)
        fields = "\n".join(f"{type_} {name};" for name, type_ in self._fields(point))
        return f"{about}\n\n```c\n{fields}\n```" if fields else about

    def _about_field(self, text: str, offset: int, word: str) -> str:
        for name, type_ in self._fields(_enclosing_probe(text, offset)):
            if name == word:
                return f"```c\n{type_} {name};\n```"
        return ""

    def _fields(self, point: str) -> Iterator[tuple[str, str]]:
        """Names and C types of what ``args`` has at a probe."""
        kind, _, rest = point.partition(":")
        canonical = self.registry.providers.canonical(kind)
        category, _, event = rest.partition(":")
        if canonical == "tracepoint":
            for field in self.target.tracepoint_format(category, event) or ():
                yield field.name, field.type
        elif canonical == "rawtracepoint" and self.target.btf is not None:
            btf = self.target.btf
            for parameter in btf.tracepoint_parameters(event or category) or ():
                yield parameter.name, btf.type_name(parameter.type)

    # -- completion ----------------------------------------------------------------------------

    def complete(self, text: str, offset: int) -> list[Suggestion]:
        """What may come at ``offset``."""
        before = text[:offset]
        if _ARGS.search(before):
            start = len(before) - len(re.search(r"\w*$", before)[0])  # type: ignore[index]
            typed = before[start:]
            return [
                Suggestion(name, FIELD, type_, start)
                for name, type_ in self._fields(_enclosing_probe(text, offset))
                if name.startswith(typed)
            ]
        if _depth(before) == 0:
            found = re.search(r"[\w:*.]*$", before)
            assert found is not None
            return self._probes(found[0], found.start())[:MOST]
        word, start = word_at(text, offset, behind=True)
        return list(self._names(text, word, start))[:MOST]

    def _probes(self, typed: str, start: int) -> list[Suggestion]:
        kind, colon, rest = typed.partition(":")
        providers = self.registry.providers
        if not colon:
            found = [(name, providers.get(name)) for name in providers.names()]
            return [
                Suggestion(name, PROBE, provider.summary if provider is not None else "", start)
                for name, provider in found
                if name.startswith(kind)
            ]
        canonical = providers.canonical(kind)
        names: list[str] = []
        if canonical == "tracepoint":
            names = [f"{category}:{event}" for category, event in self.target.tracepoints()]
        elif canonical == "rawtracepoint":
            names = list(self.target.raw_tracepoints())
        elif canonical == "iter":
            names = list(self.target.iterators())
        return [Suggestion(f"{kind}:{n}", PROBE, "", start) for n in names if n.startswith(rest)]

    def _names(self, text: str, word: str, start: int) -> Iterator[Suggestion]:
        if word[:1] in ("@", "$"):
            pattern = r"@\w*" if word[0] == "@" else r"\$[A-Za-z_]\w*"
            for name in dict.fromkeys(re.findall(pattern, text[:start] + " " + text[start + 1 :])):
                if name.startswith(word) and name != word:
                    yield Suggestion(name, VARIABLE, "", start)
            return
        for match in re.finditer(r"^\s*macro\s+(\w+)\s*(\([^)]*\))", text, re.MULTILINE):
            if match[1].startswith(word):
                yield Suggestion(match[1], MACRO, match[1] + match[2], start)
        for name in self.registry.functions.names():
            hidden = name.startswith("__") and not word.startswith("__")
            if name.startswith(word) and not hidden:
                function = self.registry.functions.get(name)
                yield Suggestion(name, FUNCTION, function.summary if function else "", start)
        for name in sorted(lexer.KEYWORDS):
            if name.startswith(word):
                yield Suggestion(name, KEYWORD, "", start)


# -- text ----------------------------------------------------------------------------------------


def word_at(text: str, offset: int, behind: bool = False) -> tuple[str, int]:
    """The name at ``offset`` (with ``behind``: the part of it before ``offset``), and where it
    begins; empty where there is none."""
    start = text.rfind("\n", 0, offset) + 1
    for match in _WORD.finditer(text, start):
        if match.start() > offset:
            break
        if match.start() <= offset <= match.end():
            return (text[match.start() : offset] if behind else match[0]), match.start()
    return "", offset


def definition(source: Source, word: str) -> Span | None:
    """Where a macro, map or variable of the script is defined: a macro's name, or the first
    place that names the other two."""
    if word[:1] in ("@", "$"):
        found = re.search(re.escape(word) + r"(?!\w)", source.text)
        return source.span(*found.span()) if found is not None else None
    found = re.search(rf"^[ \t]*(?:macro|fn)\s+({re.escape(word)})\b", source.text, re.MULTILINE)
    return source.span(*found.span(1)) if found is not None and word else None


def _depth(text: str) -> int:
    """How many braces are open at the end of ``text``."""
    depth = 0
    for match in _SPACE.finditer(text):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
    return max(depth, 0)


def _enclosing_probe(text: str, offset: int) -> str:
    """The (first) attach point of the probe whose body or predicate ``offset`` is in."""
    depth = 0
    opening, behind = offset, 0
    for match in _SPACE.finditer(text, 0, offset):
        if match[0] == "{":
            if depth == 0:
                opening = match.start()
            depth += 1
        elif match[0] == "}":
            depth = max(depth - 1, 0)
            if depth == 0:
                behind, opening = match.end(), offset
    head = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text[behind:opening], flags=re.DOTALL)
    found = re.search(r"[A-Za-z]\w*:[\w:*.]+", head)
    return found[0] if found is not None else head.strip()


def _probe_at(text: str, offset: int) -> str:
    """The attach point at ``offset``, where it is outside of all braces; empty for none."""
    if _depth(text[:offset]):
        return ""
    found = re.search(r"[\w:*.]*$", text[:offset])
    behind = re.match(r"[\w:*.]*", text[offset:])
    assert found is not None
    assert behind is not None
    word = found[0] + behind[0]
    line = text[text.rfind("\n", 0, offset) + 1 : offset].lstrip()
    return "" if line.startswith(("//", "#", "/*", "*", "macro", "let", "config")) else word
