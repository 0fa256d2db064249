"""What an editor asks about a script at a place: what is this, what may come here, where is it
defined.  Everything comes from the tables that the compiler itself uses; a script need not be
finished, so the text before the place says where in a script it is.
"""

from __future__ import annotations

import os
import re
from itertools import islice

from prybee.data import Data
from prybee.diagnostics import Source
from prybee.language import config_table, lexer, library, outline, subject, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prybee.language.registry import Registry
    from prybee.plan.target import Target

# More suggestions than this help nobody; the editor asks again as one types.
MOST = 500
# Members of a struct that a hover shows.
_MOST_LINES = 60
_TAGGED = re.compile(r"\b(struct|union|enum)\s+(\w*)$")

PROBE, FIELD, FUNCTION, MACRO, VARIABLE, KEYWORD, TYPE, SETTING, VALUE = (
    "probe", "field", "function", "macro", "variable", "keyword", "type", "setting", "value",
)  # fmt: skip


class Suggestion(Data):
    """Something that may come at a place: what it is called, what kind it is, more about it."""

    label: str
    kind: str
    detail: str = ""
    # Where the text that it replaces begins.
    start: int = 0


class Signature(Data):
    """The call that a place is in: its forms, what it does, and the argument's number (from 0)."""

    forms: tuple[str, ...]
    summary: str
    argument: int


class Place(Data):
    """Where something is defined: a file (empty: the script itself), and characters of it."""

    path: str
    start: int
    end: int


class Assistant:
    """Answers for scripts that are meant for one target.

    Args:
        target: the kernel.
        registry: the language's functions and probe types.
        search: gives the probes that fit a pattern such as ``uprobe:libc:mal*``.
    """

    def __init__(
        self,
        target: Target,
        registry: Registry,
        search: Callable[[str], Iterable[str]] = lambda pattern: (),
    ) -> None:
        self.target = target
        self.registry = registry
        self._search = search

    def check(self, source: Source) -> tree.Program | None:
        """A script's tree with types; None where it is wrong."""
        from prybee.language.diagnosing import check_with_tree
        from prybee.language.frontend import CompileOptions

        return check_with_tree(source, self.target, self.registry, CompileOptions(unsafe=True))[1]

    # -- hover ---------------------------------------------------------------------------------

    def hover(self, source: Source, program: tree.Program | None, offset: int) -> str:
        """Markdown about what is at ``offset``; empty for nothing.

        Args:
            source: the script.
            program: its tree with types, where it could be compiled.
            offset: a character of it.
        """
        text = source.text
        masked = outline.mask(text)
        word, start = outline.name_at(masked, offset)
        if not word:
            return ""
        item = outline.item_at(outline.items(text, masked), start)
        if item is not None and item.kind == outline.PROBE and start < item.name_end:
            return self._about_probe(_point_at(text, offset, item))
        if item is not None and item.kind == outline.CONFIG:
            setting = config_table.TABLE.get(word.lower())
            return _about_setting(setting) if setting is not None else ""
        tagged = _TAGGED.search(masked, max(start - 40, 0), start + len(word))
        if tagged is not None:
            return self._about_type(source, tagged[1], tagged[2])
        if text[:start].rstrip().endswith((".", "->")):
            return self._typed(program, start, word) or self._about_field(text, start, word)
        if word[0] not in "@$":
            about = self._about_word(text, word)
            typed = self._typed(program, start, word)
            return "\n\n".join(part for part in (about, typed) if part)
        return self._typed(program, start, word)

    def _about_word(self, text: str, word: str) -> str:
        for item in outline.items(text):
            if item.name == word and item.kind in (outline.MACRO, outline.FUNCTION):
                head = " ".join(text[item.start : item.head_end].split())
                comment = outline.comment_above(text, item.start)
                return f"```bpftrace\n{head}\n```" + (f"\n\n{comment}" if comment else "")
        forms, summary = self._forms(text, word)
        if not forms:
            return ""
        return "```bpftrace\n" + "\n".join(forms) + f"\n```\n\n{summary}"

    def _forms(self, text: str, name: str) -> tuple[tuple[str, ...], str]:
        """How a macro or function is called, and what it does."""
        found = [
            item
            for item in outline.items(text)
            if item.name == name and item.kind in (outline.MACRO, outline.FUNCTION)
        ]
        if found:
            heads = [" ".join(text[item.name_start : item.head_end].split()) for item in found]
            return tuple(heads), outline.comment_above(text, found[0].start)
        function = self.registry.functions.get(name)
        if function is not None:
            return tuple(function.signature.splitlines()), function.summary
        described = [pair for pair in library.describe() if pair[0].partition("(")[0] == name]
        return tuple(form for form, _summary in described), "\n".join(
            summary for _form, summary in described
        )

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
        fields = "\n".join(f"{type_} {name};" for name, type_ in self._arguments(point))
        return f"{about}\n\n```c\n{fields}\n```" if fields else about

    def _about_type(self, source: Source, tag: str, name: str) -> str:
        """A struct as C has it: the script's own, then the kernel's."""
        for item in outline.items(source.text):
            if item.kind == outline.TYPE and item.name == name:
                return f"```c\n{source.text[item.start : item.end]}\n```"
        btf = self.target.btf
        number = btf.find(name, tag) if btf is not None else 0
        if btf is None or not number:
            return ""
        from prybee.btf.c_text import definition

        lines = definition(btf, number).splitlines()
        if len(lines) > _MOST_LINES:
            lines[_MOST_LINES - 2 : -1] = [f"    // {len(lines) - _MOST_LINES + 1} more lines"]
        return "```c\n" + "\n".join(lines) + "\n```"

    def _about_field(self, text: str, offset: int, word: str) -> str:
        for name, type_ in self._fields(text, offset):
            if name == word:
                return f"```c\n{type_} {name};\n```"
        return ""

    def _fields(self, text: str, offset: int) -> list[tuple[str, str]]:
        """Names and types of what the expression before ``offset`` has."""
        masked = outline.mask(text)
        place = subject.subject_at(masked, offset)
        item = outline.item_at(outline.items(text, masked), offset)
        if place is not None and item is not None and masked[slice(*place)].strip() == "args":
            # As the kernel declares them.
            found = list(self._arguments(item.name.partition(",")[0]))
            if found:
                return found
        return subject.fields(text, offset, self.check)

    def _arguments(self, point: str) -> Iterator[tuple[str, str]]:
        """Names and C types of what ``args`` has at a probe, as tracefs and BTF have them."""
        kind, _, rest = point.strip().partition(":")
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
        masked = outline.mask(text)
        before = masked[:offset]
        found = outline.items(text, masked)
        item = outline.item_at(found, offset)
        if outline.is_text(text, offset):
            config = item is not None and item.kind == outline.CONFIG
            begun = re.search(r"\w*$", text[:offset])
            assert begun is not None
            return _settings(text[:offset], begun[0], begun.start()) if config else []
        start = offset - len(re.search(r"\w*$", before)[0])  # type: ignore[index]
        typed = before[start:]
        if subject.subject_at(masked, offset) is not None and not before.endswith(".."):
            return [
                Suggestion(name, FIELD, type_, start)
                for name, type_ in self._fields(text, offset)
                if name.startswith(typed)
            ][:MOST]
        if item is not None and item.kind == outline.CONFIG and offset > item.head_end:
            return _settings(before, typed, start)
        tagged = _TAGGED.search(before)
        if tagged is not None and self.target.btf is not None:
            names = self.target.btf.names(tagged[1], f"{typed}*")
            return [Suggestion(name, TYPE, tagged[1], start) for name in names[:MOST]]
        if item is None or (item.kind == outline.PROBE and offset <= item.name_end):
            point = re.search(r"[\w:*./-]*$", before)
            assert point is not None
            return self._probes(point[0], point.start())[:MOST]
        variable = re.search(r"[$@]\w*$", before)
        word = variable[0] if variable is not None else typed
        return list(self._names(text, item, word, offset - len(word)))[:MOST]

    def _probes(self, typed: str, start: int) -> list[Suggestion]:
        kind, colon, rest = typed.partition(":")
        providers = self.registry.providers
        if not colon:
            found = [(name, providers.get(name)) for name in providers.names()]
            probes = [
                Suggestion(name, PROBE, provider.summary if provider is not None else "", start)
                for name, provider in found
                if name.startswith(kind)
            ]
            words = ("config", "fn", "import", "let", "macro")
            return probes + [Suggestion(w, KEYWORD, "", start) for w in words if w.startswith(kind)]
        canonical = providers.canonical(kind)
        names: list[str] = []
        if canonical == "tracepoint":
            events = list(self.target.tracepoints())
            if ":" not in rest:
                names = [f"{category}:" for category in dict.fromkeys(c for c, _event in events)]
                names = [name for name in names if name.startswith(rest)]
            if ":" in rest or len(names) == 1:
                names = [f"{category}:{event}" for category, event in events]
        elif canonical == "rawtracepoint":
            names = list(self.target.raw_tracepoints())
        elif canonical == "iter":
            names = list(self.target.iterators())
        elif canonical is not None:
            names = self._listed(canonical, rest)
        return [Suggestion(f"{kind}:{n}", PROBE, "", start) for n in names if n.startswith(rest)]

    def _listed(self, kind: str, rest: str) -> list[str]:
        """What a probe type lists for the beginning of a name; else its forms."""
        from prybee.diagnostics import PrybeeError

        provider = self.registry.providers.get(kind)
        try:
            found = list(islice(self._search(f"{kind}:{rest}*"), MOST))
        except (PrybeeError, OSError):
            found = []
        # A library's short name is listed by its path.
        head = rest.rpartition(":")[0]
        names = [
            f"{head}:{name.rpartition(':')[2]}" if head else name.partition(":")[2]
            for name in found
        ]
        if not names and provider is not None:
            names = [form.partition(":")[2] for form in provider.syntax]
        return [name for name in names if name]

    def _names(self, text: str, item: outline.Item, word: str, start: int) -> Iterator[Suggestion]:
        if word[:1] in ("@", "$"):
            yield from _variables(text, item, word, start)
            return
        for each in outline.items(text):
            if each.kind in (outline.MACRO, outline.FUNCTION) and each.name.startswith(word):
                head = " ".join(text[each.name_start : each.head_end].split())
                yield Suggestion(each.name, MACRO, head, start)
        for name in self.registry.functions.names():
            hidden = name.startswith("__") and not word.startswith("__")
            if name.startswith(word) and not hidden:
                function = self.registry.functions.get(name)
                summary = function.summary if function is not None else ""
                variable = function is not None and function.variable
                yield Suggestion(name, VARIABLE if variable else FUNCTION, summary, start)
        for form, summary in library.describe():
            name = form.partition("(")[0]
            if name.startswith(word):
                yield Suggestion(name, MACRO, summary, start)
        for name in sorted(lexer.KEYWORDS):
            if name.startswith(word):
                yield Suggestion(name, KEYWORD, "", start)

    # -- signatures ----------------------------------------------------------------------------

    def signature(self, text: str, offset: int) -> Signature | None:
        """The call that ``offset`` is in; None outside of calls."""
        masked = outline.mask(text)
        name, argument = outline.call_at(masked, offset)
        if not name:
            return None
        forms, summary = self._forms(text, name)
        return Signature(forms, summary, argument) if forms else None

    # -- definitions ---------------------------------------------------------------------------

    def definition(self, source: Source, offset: int) -> list[Place]:
        """Where what is at ``offset`` is defined: macros, functions, types, variables, imports.

        Args:
            source: the script; its name is its path, where it has one.
            offset: a character of it.
        """
        text = source.text
        masked = outline.mask(text)
        found = outline.items(text, masked)
        here = outline.item_at(found, offset)
        folder = os.path.dirname(source.name)
        if here is not None and here.kind == outline.IMPORT:
            path = os.path.join(folder, here.name)
            return [Place(os.path.abspath(path), 0, 0)] if os.path.exists(path) else []
        word, _start = outline.name_at(masked, offset)
        if not word:
            return []
        if word[0] in "@$":
            return _first_use(masked, found, word, offset)
        kinds = (outline.MACRO, outline.FUNCTION, outline.TYPE)
        own = [Place("", i.name_start, i.name_end) for i in found if _is(i, kinds, word)]
        return own or list(_elsewhere(text, folder, kinds, word))


def _is(item: outline.Item, kinds: tuple[str, ...], name: str) -> bool:
    return item.kind in kinds and item.name == name


def _first_use(masked: str, found: list[outline.Item], word: str, offset: int) -> list[Place]:
    """A declaration of a variable or map, or the place that names it first."""
    if word[0] == "@":
        declared = [i for i in found if i.kind == outline.MAP and i.name == word]
        if declared:
            return [Place("", declared[0].name_start, declared[0].name_end)]
    places = outline.occurrences(masked, offset)
    return [Place("", *places[0])] if places else []


def _elsewhere(
    text: str, folder: str, kinds: tuple[str, ...], word: str, depth: int = 0
) -> Iterator[Place]:
    """Definitions in imported files, then in the library."""
    for item in outline.items(text):
        path = os.path.join(folder, item.name)
        if item.kind != outline.IMPORT or depth > 8 or not path.endswith((".bt", ".h")):
            continue
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                other = file.read()
        except OSError:
            continue
        for each in outline.items(other):
            if _is(each, kinds, word):
                yield Place(os.path.abspath(path), each.name_start, each.name_end)
        yield from _elsewhere(other, os.path.dirname(path), kinds, word, depth + 1)
    if depth == 0 and word in library.INDEX:
        path = library.path_of(word)
        with open(path, encoding="utf-8") as file:
            other = file.read()
        for each in outline.items(other):
            if _is(each, kinds, word):
                yield Place(path, each.name_start, each.name_end)


def _variables(text: str, item: outline.Item, word: str, start: int) -> Iterator[Suggestion]:
    """Maps of the script, or variables of the probe, that begin with ``word``."""
    masked = outline.mask(text)
    masked = masked[:start] + " " * len(word) + masked[start + len(word) :]
    pattern = r"@\w*" if word[0] == "@" else r"\$[A-Za-z_]\w*"
    own = word[0] == "$" or item.kind == outline.MACRO
    part = masked[item.start : item.end] if own else masked
    for name in dict.fromkeys(re.findall(pattern, part)):
        if name.startswith(word):
            yield Suggestion(name, VARIABLE, "", start)


def _settings(before: str, typed: str, start: int) -> list[Suggestion]:
    """Names of settings, or behind ``=`` the values of one."""
    assigned = re.search(r"(\w+)\s*=\s*\"?\w*$", before)
    setting = config_table.TABLE.get(assigned[1].lower()) if assigned is not None else None
    if setting is None:
        return [
            Suggestion(name, SETTING, row.summary, start)
            for name, row in config_table.TABLE.items()
            if name.startswith(typed)
        ]
    values = setting.choices or (("true", "false") if setting.kind == config_table.BOOL else ())
    return [Suggestion(value, VALUE, "", start) for value in values if value.startswith(typed)]


def _about_setting(setting: config_table.Setting) -> str:
    choices = f" ({', '.join(setting.choices)})" if setting.choices else ""
    return f"`{setting.name}`: {setting.summary}{choices}; default {setting.default!r}"


def _point_at(text: str, offset: int, item: outline.Item) -> str:
    """The attach point that ``offset`` is in."""
    start = max(text.rfind(",", item.name_start, offset) + 1, item.name_start)
    end = text.find(",", offset, item.name_end)
    return text[start : end if end >= 0 else item.name_end].strip()
