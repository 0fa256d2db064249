"""The headers that a script includes; read when a name is asked for that nothing else has.

Twice, if need be: first for macros only, which is what most scripts want, and with their
declarations when a type or an enumerator is looked for.
"""

from __future__ import annotations

from prybee.language.c.expansion import Macro, Table
from prybee.language.c.header_types import HeaderTypes
from prybee.language.c.preprocessor import Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prybee.diagnostics import Source
    from prybee.language.c.headers import Found, Search
    from prybee.language.types import EnumType, Type


class Included:
    """The headers of one script, in the order of their ``#include`` lines.

    Args:
        source: the script's text.
        search: finds headers.
        outer: gives the kernel's own types; None where there is no such type.
        have_types: says whether the kernel's own types are known.

    Attributes:
        missing: headers of the kernel that are not there, and where was looked for them.
    """

    def __init__(
        self,
        source: Source,
        search: Search,
        outer: Callable[[str, str], Type | None],
        have_types: Callable[[], bool],
    ) -> None:
        self.search = search
        self.missing: dict[str, str] = {}
        self._source = source
        self._outer = outer
        self._have_types = have_types
        self._files: dict[str, tuple[str, int]] = {}
        self._wanted: list[tuple[Found, Mapping[str, Macro | None]]] = []
        # What was read, and how many of the wanted.
        self._macros: Headers | None = None
        self._macros_read = 0
        self._full: Headers | None = None
        self._full_read = 0
        self._types: HeaderTypes | None = None

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def add(self, found: Found, macros: Mapping[str, Macro | None]) -> None:
        """Include a header; ``macros`` are the script's at this place (None: undefined there)."""
        self._wanted.append((found, dict(macros)))

    @property
    def of_programs(self) -> bool:
        """Whether one is not the kernel's: of the C library, or the user's own."""
        return any(not found.kernel for found, _macros in self._wanted)

    def _read(self, headers: Headers, done: int) -> int:
        for found, macros in self._wanted[done:]:
            for name, macro in macros.items():
                if macro is None:
                    headers.macros.pop(name, None)
                else:
                    headers.macros[name] = macro
            headers.include(found)
        return len(self._wanted)

    @property
    def macros(self) -> Table:
        """All macros behind the last header."""
        if not self._wanted:
            return {}
        if self._full is not None:
            return self.types.macros
        if self._macros is None:
            self._macros = Headers(
                self._source, self.search, False, self._have_types(), self._files
            )
        self._macros_read = self._read(self._macros, self._macros_read)
        return self._macros.macros

    @property
    def types(self) -> HeaderTypes:
        """All types and enumerators."""
        if self._full is None or self._types is None:
            self._full = Headers(self._source, self.search, True, self._have_types(), self._files)
            self._types = HeaderTypes(self._full, self._outer)
        if self._full_read < len(self._wanted):
            self._full_read = self._read(self._full, self._full_read)
            self._types.extend()
        return self._types

    def type_(self, tag: str, name: str, kernel: bool) -> Type | None:
        """A type of the headers; of the kernel's, or of the others."""
        if not self._wanted or not (kernel or self.of_programs):
            return None
        types = self.types
        if not types.declares(tag, name):
            return None
        if types.is_kernel(f"{tag} {name}" if tag else name) != kernel:
            return None
        return types.find(tag, name)

    def enumerator(self, name: str, kernel: bool) -> tuple[int, EnumType] | None:
        """An enumerator of the headers; of the kernel's, or of the others."""
        if not self._wanted or not (kernel or self.of_programs):
            return None
        found = self.types.enumerator(name)
        return found if found is not None and self.types.is_kernel(name) == kernel else None

    def macro(self, name: str) -> Macro | None:
        """A macro of the headers."""
        return self.macros.get(name)

    def mistakes(self, path: str) -> list[tuple[int, str]]:
        """What is wrong in a header: places and messages."""
        types = self.types
        assert self._full is not None
        text, base = self._files[path]
        inside = range(base, base + len(text) + 1)
        found = [problem for problem in self._full.problems if problem[0] in inside]
        for key in types.declared_in(inside):
            tag, _blank, name = key.rpartition(" ")
            types.find(tag, name)
        found += [
            (failure.place, str(failure))
            for failure in types.failures.values()
            if failure.place in inside
        ]
        return found

    def problems(self, name: str) -> list[tuple[int, str]]:
        """What was not understood of ``name``: places and messages."""
        if self._types is None:
            return []
        return [
            (failure.place, str(failure))
            for key, failure in self._types.failures.items()
            if key.rpartition(" ")[2] == name
        ]
