"""Files that are CPython: a ``python3`` program that has it inside, or a ``libpython3``.

All is read from the file: the interpreter's objects lie at fixed places of its data, and what is
told of the layout is there before the program runs.  So a process needs to be looked at only for
where it has the file.
"""

from __future__ import annotations

import re

from prybee.data import Data
from prybee.symbols.python import layouts
from prybee.symbols.python.layouts import UnknownLayout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.elf import ElfFile
    from prybee.symbols.python.layouts import Layout

_MACHINES = ("x86_64", "aarch64")

# What is worth opening; programs with the interpreter inside have all kinds of names, but nearly
# all have one of these words in their path.
_NAMES = re.compile(r"(?i)python|pypy")

# The section that has _PyRuntime alone (since 3.13), for programs without symbols.
_SECTION = ".PyRuntime"
# PyPy has one of these functions: of its own C API, or of how it is started.
_PYPY = ("PyPy_GetVersion", "pypy_main_startup", "pypy_execute_source")


class Interpreter(Data):
    """CPython in a file.

    Attributes:
        version: as ``PY_VERSION_HEX``: 0x030b02f0 is 3.11.2.
        runtime: the address of ``_PyRuntime``, as the file has it.
        code_type: the address of ``PyCode_Type``, or 0: not known.
        layout: where what is.
    """

    version: int
    runtime: int
    code_type: int
    layout: Layout

    @property
    def name(self) -> str:
        """``CPython 3.11.2``."""
        return f"CPython {self.version >> 24}.{self.version >> 16 & 255}.{self.version >> 8 & 255}"


def likely(path: str) -> bool:
    """Whether a file may be an interpreter, by its name."""
    return _NAMES.search(path.rpartition("/")[2]) is not None


def interpreter(elf: ElfFile) -> Interpreter | None:
    """The interpreter in a file; None where there is none (as in a ``python3`` that has only
    ``main()`` and loads libpython, and in extension modules).

    Raises:
        UnknownLayout: there is one, but not one that is known: too old, too new, for 32 bits …
        ElfError: the file is damaged.
    """
    runtime = _address(elf, "_PyRuntime")
    if runtime is None:
        section = elf.section(_SECTION)
        if section is None:
            if any(_address(elf, name) is not None for name in _PYPY):
                raise UnknownLayout("PyPy, whose frames cannot be read")
            return None
        runtime = section.address
    if elf.bits != 64 or elf.machine not in _MACHINES:
        raise UnknownLayout(f"an interpreter for {elf.machine}, of which nothing is known")
    code_type = _address(elf, "PyCode_Type") or 0
    head = _data(elf, runtime, layouts.OFFSETS_SIZE)
    if head[:8] == layouts.COOKIE:
        version, layout = layouts.offsets(head)
        return Interpreter(version, runtime, code_type, layout)
    at = _address(elf, "Py_Version")  # since 3.11
    if at is None:
        raise UnknownLayout("CPython before 3.11")
    version = int.from_bytes(_data(elf, at, 8), "little")
    minor = version >> 16 & 255
    if version >> 24 != 3 or minor not in layouts.TABLES:
        raise UnknownLayout(f"CPython {version >> 24}.{minor} is not known")
    return Interpreter(version, runtime, code_type, layouts.TABLES[minor])


def _address(elf: ElfFile, name: str) -> int | None:
    found = elf.symbols(name)
    return found[0].value if found else None


def _data(elf: ElfFile, address: int, size: int) -> bytes:
    offset = elf.file_offset(address)
    if offset is None:
        raise UnknownLayout(f"{elf.path} has no data at {address:#x}")
    return elf.read(offset, size)
