"""Idioms of old releases, and how they are written today: ``prybee fmt --modernize``."""

from __future__ import annotations

import re

from prybee.data import Data
from prybee.diagnostics import WARNING, Diagnostic, Source
from prybee.language import config_table, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from prybee.language.kernel_types import TypeTable

# Probe types by their old names; `begin` and `end` were upper-case in old releases.
PROBES = {"BEGIN": "begin", "END": "end", "kfunc": "fentry", "kretfunc": "fexit"}
# Functions and builtins by names that are gone.
NAMES = {"stack": "kstack", "sym": "ksym", "override_return": "override"}
# Fields of tracepoints once told that their place is only known when the event comes.
_DYNAMIC = "data_loc_"
_STACK_ARGUMENT = re.compile(r"sarg(\d)")
# Settings that could be switched off only.
_NEGATED = "no_cpp_demangle"


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


def stack_argument(name: str, machine: str = "") -> str | None:
    """What ``sarg0`` … read: arguments of a function that its caller has put on the stack.

    ``machine`` is by default this one.
    """
    found = _STACK_ARGUMENT.fullmatch(name)
    if found is None:
        return None
    from prybee.machines import registers

    if not machine:
        import os

        machine = os.uname().machine
    known = registers(machine)
    below = known.stack if known is not None else 0
    return f'*(uint64 *)(reg("sp") + {8 * int(found[1]) + below})'


def idioms(source: Source, program: tree.Program, types: TypeTable | None = None) -> list[Idiom]:
    """The old idioms of a script as parsed, in the order of their places.

    With ``types`` also bare names of structs: what they lack depends on the types there are.
    """
    finder = _Finder(source.text, program, types)
    found = [idiom for node in tree.walk(program) for idiom in finder.of(node)]
    return sorted(found, key=lambda idiom: idiom.start)


def modernize(source: Source, program: tree.Program, types: TypeTable | None = None) -> str:
    """The script's text with its old idioms rewritten; with ``types`` as in :func:`idioms`."""
    from prybee.language.parser import parse

    text = source.text
    found = idioms(source, program, types)
    while found:
        parts = []
        at = 0
        for idiom in found:
            if idiom.start < at:
                continue  # Inside of one that was rewritten: it comes next time.
            parts += [text[at : idiom.start], idiom.new]
            at = idiom.end
        before, text = text, "".join([*parts, text[at:]])
        if text == before:
            break
        again = Source(source.name, text)
        found = idioms(again, parse(again), types)
    return text


def warnings(source: Source, program: tree.Program) -> list[Diagnostic]:
    """One warning for each kind of old idiom, at its first place.

    What the settings are called now is said where they are read.
    """
    seen: dict[str, Diagnostic] = {}
    for idiom in idioms(source, program):
        if idiom.kind not in seen and idiom.kind != "config":
            seen[idiom.kind] = Diagnostic(
                WARNING,
                f"{idiom.old} is an old form of {idiom.modern}",
                source.span(idiom.start, idiom.end),
                ("`prybee fmt --modernize` rewrites it",),
            )
    return list(seen.values())


def revive(program: tree.Program) -> None:
    """Give what the language no longer has its modern form, in the tree.

    Names that are gone are left: they may be those of a macro or of C.
    """
    for node in tree.walk(program):
        if isinstance(node, tree.FieldAccess) and _is_dynamic(node):
            node.field = node.field.removeprefix(_DYNAMIC)
        elif isinstance(node, tree.Block):
            node.statements = [
                each for statement in node.statements for each in _single_deletes(statement)
            ]


def _single_deletes(statement: tree.Statement) -> Iterator[tree.Statement]:
    """``delete(@a[1], @b[2]);`` as a statement for each."""
    call = statement.expression if isinstance(statement, tree.ExpressionStatement) else None
    if not isinstance(call, tree.Call) or not _deletes_several(call):
        yield statement
        return
    for argument in call.args:
        one = tree.Call("delete", [argument], call.name_end, argument.start, argument.end)
        yield tree.ExpressionStatement(one, argument.start, argument.end)


def _deletes_several(call: tree.Call) -> bool:
    return (
        call.name == "delete"
        and len(call.args) > 1
        and all(isinstance(argument, tree.MapAccess) for argument in call.args)
    )


def _is_dynamic(node: tree.FieldAccess) -> bool:
    return (
        node.field.startswith(_DYNAMIC)
        and isinstance(node.subject, tree.Builtin)
        and node.subject.name == "args"
    )


class _Finder:
    """Looks for the idioms of one script."""

    def __init__(self, text: str, program: tree.Program, types: TypeTable | None) -> None:
        self.text = text
        self.types = types
        # Names that mean something of the script's own.
        self.own: Collection[str] = {
            *(macro.name for macro in program.macros),
            *(function.name for function in program.subprograms),
            *re.findall(r"^\s*#\s*define\s+(\w+)", text, re.M),
        }

    def of(self, node: tree.Node) -> Iterator[Idiom]:
        """The idioms of a node itself."""
        if isinstance(node, tree.AttachPoint):
            word = node.raw.partition(":")[0]
            if word in PROBES:
                new = PROBES[word]
                yield Idiom(word, word, new, new, node.start, node.start + len(word))
        elif isinstance(node, tree.FieldAccess):
            yield from self._field(node)
        elif isinstance(node, tree.Identifier):
            modern = NAMES.get(node.name) or stack_argument(node.name)
            if modern is not None and node.name not in self.own:
                yield Idiom(node.name, node.name, modern, modern, node.start, node.end)
        elif isinstance(node, tree.Call):
            modern = NAMES.get(node.name)
            if modern is not None and node.name not in self.own:
                end = node.start + len(node.name)
                yield Idiom(node.name, node.name, modern, modern, node.start, end)
            yield from self._deletion(node)
        elif isinstance(node, tree.ConfigAssignment):
            yield from self._setting(node)
        elif self.types is not None:
            yield from self._type(node, self.types)

    def _type(self, node: tree.Node, types: TypeTable) -> Iterator[Idiom]:
        """``(task_struct *)x``, ``sizeof(task_struct)``."""
        if isinstance(node, tree.Sizeof | tree.Offsetof):
            name = node.subject
            if not isinstance(name, tree.Identifier):
                return
        elif isinstance(node, tree.TypeName) and not node.tag:
            name = node
        else:
            return
        tag = types.tag_of(name.name)
        if tag:
            new = f"{tag} {name.name}"
            yield Idiom("bare struct", name.name, new, new, name.start, name.end)

    def _field(self, node: tree.FieldAccess) -> Iterator[Idiom]:
        """``x->y``, and ``args.data_loc_y``."""
        text = self.text
        arrow = text.find("->", node.subject.end, node.field_start)
        field = node.field.removeprefix(_DYNAMIC) if _is_dynamic(node) else node.field
        if field != node.field:
            old = text[node.subject.start : node.end]
            start = arrow if arrow >= 0 else node.field_start
            new = f".{field}" if arrow >= 0 else field
            end = node.field_start + len(node.field)
            yield Idiom(_DYNAMIC, old, f"args.{field}", new, start, end)
            return
        if arrow >= 0:
            subject = text[node.subject.start : node.subject.end]
            if len(subject) > 20 or "\n" in subject:
                subject = "…"
            yield Idiom("->", f"{subject}->{field}", f"{subject}.{field}", ".", arrow, arrow + 2)

    def _deletion(self, node: tree.Call) -> Iterator[Idiom]:
        """``delete(@x[k])``, and ``delete(@x[k], @y[k])``."""
        if node.name != "delete" or not node.args:
            return
        arguments = node.args
        if not all(isinstance(argument, tree.MapAccess) for argument in arguments):
            return
        text = self.text
        modern = [
            f"delete({self._map_and_key(argument)})"
            for argument in arguments
            if isinstance(argument, tree.MapAccess)
        ]
        old = text[node.start : node.end]
        new = "; ".join(modern)
        yield Idiom(
            "delete" if len(modern) == 1 else "deletes", old, new, new, node.start, node.end
        )

    def _map_and_key(self, argument: tree.MapAccess) -> str:
        text = self.text
        key = text[text.index("[", argument.map.end) + 1 : argument.end - 1].strip()
        if isinstance(argument.key, tree.TupleLiteral) and text[argument.key.start] == "[":
            key = f"({key})"
        return f"{argument.map.name}, {key}"

    def _setting(self, node: tree.ConfigAssignment) -> Iterator[Idiom]:
        plain = config_table.plain_name(node.name)
        if plain in config_table.WITHOUT_EFFECT:
            rest = re.compile(r"\s*;?[ \t]*").match(self.text, node.end)
            end = rest.end() if rest is not None else node.end
            yield Idiom("config", node.name, "nothing", "", node.start, end)
            return
        new = config_table.RENAMED.get(plain, plain)
        if plain == _NEGATED:
            whole = f"{new} = {'true' if config_table.is_off(node.value) else 'false'}"
            yield Idiom("config", node.name, new, whole, node.start, node.end)
        elif new != node.name:
            end = node.start + len(node.name)
            yield Idiom("config", node.name, new, new, node.start, end)
