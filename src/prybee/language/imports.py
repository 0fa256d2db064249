"""``import "x.bt"``, ``import "x.h"`` and folders of these.

What is imported becomes part of the script: the probes, macros, functions and map declarations of
``.bt`` files (in front of the script's own), the types and ``#define`` constants of ``.h`` files.
A path is looked for beside the importing file, then in the folders of ``-I``.  What everybody may
write to is refused: a script runs as root.
"""

from __future__ import annotations

import os
import stat

from prybee.diagnostics import ERROR, Diagnostic, ScriptError
from prybee.language import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.diagnostics import Source

_KINDS = (".bt", ".h", ".bpf.c")


def load(program: tree.Program, source: Source, folders: Sequence[str] = ()) -> None:
    """Take everything that ``program`` imports into it.

    Args:
        program: the tree of the script; changed.
        source: its text. The places of imported nodes become offsets of it.
        folders: where to look behind the script's own folder.

    Raises:
        ScriptError: a file is not there, not of a kind that can be imported, or wrong itself.
    """
    own = os.path.dirname(source.name) if os.path.isfile(source.name) else ""
    importer = _Importer(source, folders)
    importer.run(program, own)
    if importer.errors:
        raise ScriptError(importer.errors)
    program.items[:0] = importer.items
    program.c_part[:0] = importer.c_part


def read_headers(program: tree.Program, paths: Sequence[str]) -> None:
    """Take C headers (``--include``) into ``program``: they are found as those of ``#include``."""
    program.c_part[:0] = [tree.CDirective("--include", f'"{path}"', 0, 0, 0) for path in paths]


class _Importer:
    """Gathers what one script imports."""

    def __init__(self, source: Source, folders: Sequence[str]) -> None:
        self.source = source
        self.folders = folders
        self.errors: list[Diagnostic] = []
        self.items: list[tree.Probe | tree.Macro | tree.Subprogram | tree.MapDeclaration] = []
        self.c_part: list[tree.CDirective | tree.CDefinition] = []
        # Real paths, so that what is imported twice, or imports itself, comes once.
        self._seen: set[str] = set()

    def run(self, program: tree.Program, folder: str) -> None:
        """Import what a file of ``folder`` asks for."""
        for node in program.imports:
            self._import(node, folder)

    def _error(self, node: tree.Import, message: str, *hints: str) -> None:
        self.errors.append(Diagnostic(ERROR, message, node.span(self.source), hints))

    def _import(self, node: tree.Import, folder: str) -> None:
        checked = []
        for place in (folder, *self.folders):
            path = os.path.join(place, node.path)
            checked.append(os.path.abspath(path))
            if os.path.exists(path):
                break
        else:
            hint = f"checked: {', '.join(checked)}"
            self._error(node, "Unable to find suitable path for import", hint)
            return
        try:
            if os.path.isdir(path):
                self._folder(node, path)
            else:
                self._file(node, path, node.path)
        except OSError as failure:
            self._error(node, f"failed to open file '{path}': {failure.strerror}")

    def _folder(self, node: tree.Import, path: str) -> None:
        """All files of a folder that can be imported, in the order of their names."""
        if not self._trusted(node, path):
            return
        for name in sorted(os.listdir(path)):
            if name.endswith(_KINDS):
                self._file(node, os.path.join(path, name), os.path.join(node.path, name))

    def _trusted(self, node: tree.Import, path: str) -> bool:
        mode = os.stat(path).st_mode
        # In a sticky folder (/tmp) nobody can replace the file of somebody else.
        if mode & stat.S_IWOTH and not (mode & stat.S_ISVTX and path != node.path):
            self._error(
                node,
                f'not imported because everybody may write to it: "{path}"',
                f"chmod o-w {path}",
            )
            return False
        return True

    def _file(self, node: tree.Import, path: str, shown: str) -> None:
        real = os.path.realpath(path)
        if real in self._seen:
            return
        self._seen.add(real)
        for part in (os.path.dirname(real), real):
            if not self._trusted(node, part):
                return
        if path.endswith(".bpf.c"):
            self._error(
                node,
                f"{shown}: BPF programs in C cannot be imported: there is no C compiler in prybee",
                "write it as a macro or a function (fn) in a .bt file",
            )
        elif path.endswith(".h"):
            # The name for messages, and where it is.
            text = f'"{shown}" {path}'
            self.c_part.append(tree.CDirective("import", text, node.start, node.start, node.end))
        elif path.endswith(".bt"):
            self._script(node, path, shown)
        else:
            self._error(
                node, f"{shown}: cannot be imported", "imports are .bt files, .h files and folders"
            )

    def _read(self, path: str, shown: str) -> Source:
        from prybee.language.lexer import read_source

        with open(path, "rb") as stream:
            return read_source(stream.read(), shown)

    def _script(self, node: tree.Import, path: str, shown: str) -> None:
        from prybee.language.parser import parse

        source = self._read(path, shown)
        try:
            program = parse(source)
        except ScriptError as failure:
            self.errors += failure.diagnostics
            return
        base = self.source.include_source(source, (node.start, node.end))
        for each in tree.walk(program):
            tree.shift(each, base)
        if program.config is not None:
            span = program.config.span(self.source)
            message = "the config block belongs into the script that is run"
            self.errors.append(Diagnostic(ERROR, message, span))
        self.run(program, os.path.dirname(path))
        self.items += program.items
        self.c_part += program.c_part
