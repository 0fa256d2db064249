"""A kernel in a file: what compiling needs to know of a machine, to check scripts elsewhere.

The file is a zip archive: ``target.json`` with the small facts, ``btf`` with the kernel's types,
``formats.json`` with the fields of all tracepoints, ``functions.txt`` with the functions that can
be probed (``MODULE NAME`` lines) where that is known, ``symbols.txt`` with names and addresses
where they were asked for.  Each part is read when a script first needs it.
"""

from __future__ import annotations

import json

from prybee.diagnostics import PrybeeError
from prybee.plan.target import Target, TracepointField

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any
    from zipfile import ZipFile

    from prybee.btf import Btf
    from prybee.dwarf import DebugInfo
    from prybee.elf import ElfFile
    from prybee.symbols.debug_info import DebugFile

VERSION = 1
_FACTS = "target.json"
_BTF = "btf"
_FORMATS = "formats.json"
_FUNCTIONS = "functions.txt"
_SYMBOLS = "symbols.txt"


class SavedTargetError(PrybeeError):
    """A file that holds no target, or one of another version."""


def save(target: Target, path: str, btf: bytes, symbols: bytes = b"") -> None:
    """Write what is known of a target to a file, which is replaced at once.

    Args:
        target: the machine.
        path: the file.
        btf: the kernel's types, raw; empty without them.
        symbols: ``/proc/kallsyms``, or empty: scripts that name symbols cannot be checked then.

    Raises:
        OSError: the file cannot be written.
    """
    import os
    import tempfile
    from zipfile import ZIP_DEFLATED, ZipFile

    from prybee.compiler.compile import MODERN
    from prybee.linux.features import TABLE

    features = dict.fromkeys([row.name for row in TABLE] + [*MODERN, "modern"])
    events = list(target.tracepoints())
    formats: dict[str, list[list[object]]] = {}
    for category, event in events:
        fields = target.tracepoint_format(category, event)
        if fields is not None:
            formats[f"{category}:{event}"] = [
                [f.name, f.type, f.offset, f.size, f.signed, f.array, f.location] for f in fields
            ]
    facts = {
        "version": VERSION,
        "arch": target.arch,
        "release": target.release,
        "page_size": target.page_size,
        "available_memory": target.available_memory,
        "possible_cpus": list(target.possible_cpus),
        "online_cpus": list(target.online_cpus),
        "features": [name for name in features if target.has(name)],
        "raw_tracepoints": list(target.raw_tracepoints()),
        "iterators": list(target.iterators()),
        "tracepoints": [f"{category}:{event}" for category, event in events],
    }
    folder = os.path.dirname(os.path.realpath(path))
    handle, new = tempfile.mkstemp(dir=folder, prefix=".prybee-")
    try:
        with os.fdopen(handle, "wb") as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:
            archive.writestr(_FACTS, json.dumps(facts))
            archive.writestr(_FORMATS, json.dumps(formats))
            archive.writestr(_BTF, btf)
            functions = target.kernel_functions()
            if functions is not None:
                lines = "".join([f"{module} {name}\n" for module, name in functions])
                archive.writestr(_FUNCTIONS, lines)
            if symbols:
                archive.writestr(_SYMBOLS, symbols)
        os.chmod(new, 0o644)
        os.replace(new, os.path.realpath(path))
    except BaseException:
        os.unlink(new)
        raise


class SavedTarget(Target):
    """Answers from a file made by :func:`save`. Object files are those of this machine."""

    def __init__(self, path: str) -> None:
        """
        Raises:
            SavedTargetError: the file cannot be read, or is something else.
        """
        import zipfile

        self.path = path
        try:
            self._archive: ZipFile = zipfile.ZipFile(path)
            facts = json.loads(self._archive.read(_FACTS))
        except OSError as error:
            raise SavedTargetError(f"{path}: {error.strerror}") from None
        except (zipfile.BadZipFile, KeyError, ValueError):
            raise SavedTargetError(
                f"{path} is no saved target\nHINT: make one with `prybee target save FILE`"
            ) from None
        if facts.get("version") != VERSION:
            raise SavedTargetError(f"{path} was saved by another version of prybee: save it again")
        self.arch = facts["arch"]
        self.release = facts["release"]
        self.page_size = facts["page_size"]
        self.available_memory = facts["available_memory"]
        self.possible_cpus = tuple(facts["possible_cpus"])
        self.online_cpus = tuple(facts["online_cpus"])
        self._facts = facts
        self._features = frozenset(facts["features"])
        self._btf: Btf | None = None
        self._btf_wanted = False
        self._formats: dict[str, list[list[Any]]] | None = None
        self._functions: list[tuple[str, str]] | None = None
        self._addresses: dict[str, int] | None = None
        self._debug: dict[str, DebugFile | None] = {}

    def __repr__(self) -> str:
        return f"SavedTarget({self.path}: Linux {self.release}, {self.arch})"

    @property
    def btf(self) -> Btf | None:
        """Types of the kernel, or None without them."""
        if not self._btf_wanted:
            from prybee.btf import Btf

            self._btf_wanted = True
            data = self._archive.read(_BTF)
            self._btf = Btf(data) if data else None
        return self._btf

    def has(self, feature: str) -> bool:
        """Whether the kernel could do ``feature`` when it was saved."""
        return feature in self._features

    def tracepoints(self) -> Iterable[tuple[str, str]]:
        """All (category, event) pairs."""
        for name in self._facts["tracepoints"]:
            category, _, event = name.partition(":")
            yield category, event

    def tracepoint_format(self, category: str, event: str) -> tuple[TracepointField, ...] | None:
        """The fields of an event; None where there is no such event."""
        if self._formats is None:
            self._formats = json.loads(self._archive.read(_FORMATS))
        fields = self._formats.get(f"{category}:{event}")
        return None if fields is None else tuple([TracepointField(*field) for field in fields])

    def raw_tracepoints(self) -> Iterable[str]:
        """Names usable as BTF-typed raw tracepoints."""
        names: Sequence[str] = self._facts["raw_tracepoints"]
        return names

    def iterators(self) -> Iterable[str]:
        """Names of iterator targets."""
        names: Sequence[str] = self._facts["iterators"]
        return names

    def kernel_functions(self) -> Sequence[tuple[str, str]] | None:
        """(module, name) of the functions that could be probed; None where that was not known."""
        if self._functions is None and _FUNCTIONS in self._archive.namelist():
            text = self._archive.read(_FUNCTIONS).decode()
            self._functions = []
            for line in text.splitlines():
                module, _, name = line.partition(" ")
                self._functions.append((module, name))
        return self._functions

    def kernel_address(self, symbol: str) -> int | None:
        """Address of a kernel symbol; None where symbols were not saved."""
        if self._addresses is None:
            self._addresses = {}
            if _SYMBOLS in self._archive.namelist():
                for line in self._archive.read(_SYMBOLS).decode("utf-8", "replace").splitlines():
                    words = line.split()
                    if len(words) > 2:
                        self._addresses.setdefault(words[2], int(words[0], 16))
        return self._addresses.get(symbol) or None

    def resolve_binary(self, name: str, pid: int | None = None) -> Sequence[str]:
        """Paths on this machine."""
        from prybee.symbols import binaries

        return binaries.resolve(name, pid)

    def elf(self, path: str) -> ElfFile | None:
        """An object file of this machine; None where it cannot be read."""
        from prybee.elf import ElfError, ElfFile

        try:
            return ElfFile.open(path)
        except (ElfError, OSError):
            return None

    def debug_info(self, path: str) -> DebugInfo | None:
        """Debug information of an object file of this machine; None where there is none."""
        from prybee.symbols import debug_info

        if path not in self._debug:
            elf = self.elf(path)
            self._debug[path] = debug_info.find(elf, path) if elf is not None else None
        found = self._debug[path]
        return found.info if found is not None else None

    def close(self) -> None:
        """Closes the file."""
        self._archive.close()
