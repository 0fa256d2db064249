"""Idioms of old releases, and how they are written today: ``prybee fmt --modernize``."""

from __future__ import annotations

from prybee.data import Data
from prybee.diagnostics import WARNING, Diagnostic, Source
from prybee.language import config_table, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Probe types by their old names; `begin` and `end` were upper-case in old releases.
PROBES = {"BEGIN": "begin", "END": "end", "kfunc": "fentry", "kretfunc": "fexit"}


class Idiom(Data):
    """An old way to write something at ``start..end``, and the text that says the same today.

    ``kind`` is the same for all places of one idiom; ``old`` and ``modern`` are what a message
    shows, and ``new`` is what the characters become.
    """

    kind: str
    old: str
    modern: str
    new: str
    start: int
    end: int


def idioms(source: Source, program: tree.Program) -> list[Idiom]:
    """The old idioms of a script as parsed, in the order of their places."""
    found = [idiom for node in tree.walk(program) for idiom in _of(node, source.text)]
    return sorted(found, key=lambda idiom: idiom.start)


def modernize(source: Source, program: tree.Program) -> str:
    """The script's text with its old idioms rewritten."""
    parts = []
    at = 0
    for idiom in idioms(source, program):
        if idiom.start < at:
            continue  # Inside of one that was rewritten.
        parts += [source.text[at : idiom.start], idiom.new]
        at = idiom.end
    return "".join([*parts, source.text[at:]])


def warnings(source: Source, program: tree.Program) -> list[Diagnostic]:
    """One warning for each kind of old idiom, at its first place."""
    seen: dict[str, Diagnostic] = {}
    for idiom in idioms(source, program):
        if idiom.kind not in seen:
            seen[idiom.kind] = Diagnostic(
                WARNING,
                f"{idiom.old} is an old form of {idiom.modern}",
                source.span(idiom.start, idiom.end),
                ("`prybee fmt --modernize` rewrites it",),
            )
    return list(seen.values())


def _of(node: tree.Node, text: str) -> Iterator[Idiom]:
    if isinstance(node, tree.AttachPoint):
        word = node.raw.partition(":")[0]
        if word in PROBES:
            yield Idiom(word, word, PROBES[word], PROBES[word], node.start, node.start + len(word))
    elif isinstance(node, tree.FieldAccess):
        if isinstance(node.subject, tree.Builtin) and node.subject.name == "args":
            at = text.find("->", node.subject.end, node.field_start)
            if at >= 0:
                yield Idiom("args->", f"args->{node.field}", f"args.{node.field}", ".", at, at + 2)
    elif isinstance(node, tree.Call):
        yield from _of_call(node, text)
    elif isinstance(node, tree.ConfigAssignment):
        plain = node.name.lower().removeprefix("bpftrace_").removeprefix("prybee_")
        new = config_table.RENAMED.get(plain, plain)
        # `no_cpp_demangle` says the contrary: its value would have to change as well.
        if new != node.name and plain != "no_cpp_demangle":
            yield Idiom("config", node.name, new, new, node.start, node.start + len(node.name))


def _of_call(node: tree.Call, text: str) -> Iterator[Idiom]:
    """``delete(@x[k])``."""
    argument = node.args[0] if len(node.args) == 1 else None
    if node.name != "delete" or not isinstance(argument, tree.MapAccess):
        return
    key = text[text.index("[", argument.map.end) + 1 : argument.end - 1].strip()
    if isinstance(argument.key, tree.TupleLiteral) and text[argument.key.start] == "[":
        key = f"({key})"
    yield Idiom(
        "delete",
        f"delete({text[argument.start : argument.end]})",
        f"delete({argument.map.name}, {key})",
        f"{argument.map.name}, {key}",
        argument.start,
        argument.end,
    )
