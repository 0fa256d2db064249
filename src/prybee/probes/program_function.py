"""What debug information tells of the function that a probe is in: arguments, result, types."""

from __future__ import annotations

from prybee.diagnostics import PrybeeError
from prybee.language.program_types import ProgramTypes
from prybee.probes.calling import Location, convention, locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.btf import Parameter
    from prybee.dwarf import DebugInfo
    from prybee.dwarf.entries import Entry
    from prybee.language.checker import Checker
    from prybee.language.types import Type
    from prybee.machines import Registers
    from prybee.plan.target import Target

# Copies of functions that GCC has changed the arguments of.
_CHANGED = (".isra.", ".constprop.", ".part.")


class Unknown(PrybeeError):
    """Debug information does not tell: why, and hints for the user."""

    def __init__(self, message: str, *hints: str) -> None:
        self.hints = hints
        super().__init__(message)


class ProgramFunction:
    """A place of a file, and the function there. Nothing is read before it is asked for.

    Args:
        target: who finds debug information.
        path: of the file.
        offset: of the place in the file, in bytes.
        name: of the probe, for messages.
    """

    def __init__(self, target: Target, path: str, offset: int, name: str) -> None:
        self._target = target
        self._path = path
        self._offset = offset
        self._name = name
        self._entry: Entry | None = None
        self._looked = False

    @property
    def info(self) -> DebugInfo | None:
        """The file's debug information; None where there is none."""
        return self._target.debug_info(self._path)

    def types(self, checker: Checker) -> ProgramTypes | None:
        """The types of the program; None without debug information."""
        info = self.info
        return checker.types.of_program(info.types) if info is not None else None

    @property
    def entry(self) -> Entry | None:
        """The function's entry; None where the place is not the start of a described function."""
        info = self.info
        if not self._looked and info is not None:
            self._looked = True
            elf = self._target.elf(self._path)
            address = elf.virtual_address(self._offset) if elf is not None else None
            if address is not None:
                self._entry = info.function(address)
        return self._entry

    def described(self) -> Entry:
        """The function's entry.

        Raises:
            Unknown: there is none, or it is one that the compiler has changed.
        """
        entry = self.entry
        if entry is not None and any(word in self._name for word in _CHANGED):
            raise Unknown(
                f'Could not parse arguments of "{self._name}": the compiler has changed them in '
                "this copy of the function"
            )
        if entry is not None:
            return entry
        info = self.info
        if info is None:
            raise Unknown(
                f'Could not parse arguments of "{self._name}": no debuginfo found for {self._path}',
                "compile it with -g, or install its debug file; arg0, arg1 … work without",
            )
        missing = info.missing
        if missing:
            hint = f"split debug file '{missing[0]}' was not found"
        else:
            hint = "it describes functions at their start only; was this source compiled with -g?"
        raise Unknown(
            f'Could not parse arguments of "{self._name}": the debuginfo of {self._path} describes '
            "no function there",
            hint,
        )

    def parameters(self) -> tuple[Parameter, ...]:
        """Names and types of the arguments.

        Raises:
            Unknown: they are not known.
        """
        entry = self.described()
        assert self.info is not None
        return self.info.types.parameters(entry.id)

    def shown_parameters(self) -> list[str]:
        """The arguments as listings show them: ``const char* name``.

        Raises:
            Unknown: they are not known.
        """
        info = self.info
        assert info is not None
        return [
            f"{info.types.type_name(parameter.type)} {parameter.name}".rstrip()
            for parameter in info.types.parameters(self.described().id)
        ]

    def locations(self, known: Registers) -> list[Location]:
        """Where each argument is when the function is entered.

        Raises:
            Unknown: they are not known.
        """
        entry = self.described()
        info = self.info
        assert info is not None
        types = [parameter.type for parameter in info.types.parameters(entry.id)]
        return locate(known, info.types, info.types.returns(entry.id), types)

    def result(self, known: Registers, checker: Checker) -> tuple[Type, Location] | None:
        """Type and place of the result; None where there is none, or nothing is known of it."""
        entry, info, types = self.entry, self.info, self.types(checker)
        if entry is None or info is None or types is None:
            return None
        returned = info.types.returns(entry.id)
        if not returned:
            return None
        place = convention(known, info.types).result(returned)
        return types.from_btf(returned), place
