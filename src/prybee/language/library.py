"""The part of the language's library that is written in the language itself.

``stdlib/*.bt`` hold macros and nothing else.  A file is read when a script first calls one of its
macros, so that scripts without them pay nothing: the table below says where each is.
"""

from __future__ import annotations

from prybee.language import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.diagnostics import Source

# File → its macros.
_FILES = {
    "base": "assert static_assert assert_str is_err",
}

INDEX = {name: file for file, names in _FILES.items() for name in names.split()}


def describe() -> list[tuple[str, str]]:
    """Each macro of the library: its form, and what the comment above it says."""
    import re
    from pathlib import Path

    found = []
    for file in _FILES:
        text = (Path(__file__).parent / "stdlib" / f"{file}.bt").read_text(encoding="utf-8")
        for match in re.finditer(r"((?://.*\n)+)macro (\w+\([^)]*\))", text):
            summary = " ".join(line[2:].strip() for line in match[1].splitlines())
            found.append((match[2], summary))
    return found


def path_of(name: str) -> str:
    """The file that has a macro of the library."""
    import os

    folder = os.path.dirname(os.path.abspath(__file__))
    return os.path.join(folder, "stdlib", f"{INDEX[name]}.bt")


class Library:
    """The library as one script sees it: its nodes' places are offsets of the script's source."""

    __slots__ = ("_ids", "_macros", "_read", "_source")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._read: set[str] = set()
        self._macros: dict[str, list[tree.Macro]] = {}
        self._ids: set[int] = set()

    def has(self, name: str) -> bool:
        """Whether there is a macro of this name."""
        return name in INDEX

    def macros(self, name: str) -> Sequence[tree.Macro]:
        """The definitions of a name."""
        file = INDEX.get(name)
        if file is None:
            return ()
        if file not in self._read:
            self._load(file)
        return self._macros[name]

    def owns(self, macro: tree.Macro) -> bool:
        """Whether a macro is one of the library's."""
        return id(macro) in self._ids

    def _load(self, file: str) -> None:
        import os

        from prybee.diagnostics import Source
        from prybee.language.parser import parse

        self._read.add(file)
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stdlib", f"{file}.bt")
        with open(path, encoding="utf-8") as stream:
            source = Source(f"stdlib/{file}.bt", stream.read())
        program = parse(source)
        base = self._source.include_source(source)
        for node in tree.walk(program):
            tree.shift(node, base)
        for macro in program.macros:
            self._macros.setdefault(macro.name, []).append(macro)
            self._ids.add(id(macro))
