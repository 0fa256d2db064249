"""Where a function's arguments and result are when it is entered and when it returns.

x86-64: the System V ABI, "Parameter Passing" (classes of eightbytes, section 3.2.3).  arm64: the
procedure call standard, AAPCS64 (section 6.8).  i386: the stack.  Debug information tells places
too, but those of the code behind the function's first instructions.
"""

from __future__ import annotations

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.dwarf import DwarfTypes
    from prybee.machines import Registers

WORD = 8
_INTEGERS = ("int", "ptr", "enum", "enum64")
_COMPOSITE = ("struct", "union", "array")


class Location(Data):
    """Where a value is. ``kind`` says how to read the rest:

    * "registers": in ``registers``, a word each, the first bytes in the first.
    * "stack": in memory, ``offset`` bytes above the stack pointer.
    * "address": in memory, where the first of ``registers`` points; without one, where the word at
      ``offset`` above the stack pointer does.
    * "unreadable": at least partly in vector registers, which programs cannot read.
    * "nowhere": it has no bytes.
    """

    kind: str
    registers: tuple[str, ...] = ()
    offset: int = 0


UNREADABLE = Location("unreadable")
NOWHERE = Location("nowhere")


class Convention:
    """Deals out registers and stack to the arguments of one call.

    Args:
        known: the machine's registers.
        types: the program's types.
        result: what the function returns (0 for nothing): a large one takes a register.
    """

    def __init__(self, known: Registers, types: DwarfTypes, result: int = 0) -> None:
        self._known = known
        self._types = types
        self._arm = known.convention == "AAPCS64"
        self._left = list(known.arguments)
        self._vectors = 8
        self._stack = known.stack
        if result and not self._arm and self._returned_in_memory(result):
            self._left.pop(0)

    def argument(self, type_: int) -> Location:
        """Where the next argument is.

        Args:
            type_: id of its type.
        """
        size = self._types.size(type_)
        classes = self._classes(type_, size)
        copied = self._arm and classes is None and self._composite(type_)
        if copied or self._types.by_reference(type_):
            return self._in_registers(1, "address", 8)
        if classes is None:
            return self._on_stack(size, self._alignment(type_))
        if not classes:
            return NOWHERE
        integers = classes.count("integer")
        vectors = len(classes) - integers
        if integers > len(self._left) or vectors > self._vectors:
            if self._arm:
                self._left = [] if integers else self._left
                self._vectors = 0 if vectors else self._vectors
            return self._on_stack(size, self._alignment(type_))
        self._vectors -= vectors
        if vectors:
            del self._left[:integers]
            return UNREADABLE
        if self._arm and size == 16 and self._alignment(type_) == 16 and len(self._left) % 2:
            self._left.pop(0)  # pairs start at an even register
            if len(self._left) < 2:
                return self._on_stack(size, 16)
        return self._in_registers(integers, "registers", size)

    def result(self, type_: int) -> Location:
        """Where the result is when the function has returned."""
        size = self._types.size(type_)
        first = self._known.return_value
        if self._returned_in_memory(type_):
            # arm64 forgets the address; x86-64 returns it.
            return UNREADABLE if self._arm else Location("address", (first,))
        classes = self._classes(type_, size)
        if not classes:
            return NOWHERE
        if "vector" in classes:
            return UNREADABLE
        return Location("registers", self._known.results[: len(classes)])

    def _in_registers(self, many: int, kind: str, size: int) -> Location:
        if many > len(self._left):
            found = self._on_stack(size, WORD)
            return Location("address", (), found.offset) if kind == "address" else found
        taken = tuple(self._left[:many])
        del self._left[:many]
        return Location(kind, taken)

    def _on_stack(self, size: int, alignment: int) -> Location:
        if alignment > WORD:
            self._stack += -(self._stack - self._known.stack) % alignment
        found = Location("stack", (), self._stack)
        self._stack += (size + WORD - 1) // WORD * WORD
        return found

    def _composite(self, type_: int) -> bool:
        return self._types.kind(self._types.strip(type_)) in _COMPOSITE

    def _returned_in_memory(self, type_: int) -> bool:
        if self._types.by_reference(type_):
            return True
        size = self._types.size(type_)
        if self._composite(type_) and self._arm:
            return size > 16 and self._classes(type_, size) is None
        return self._composite(type_) and self._classes(type_, size) is None

    def _alignment(self, type_: int) -> int:
        plain = self._types.strip(type_)
        kind = self._types.kind(plain)
        if kind == "array":
            return self._alignment(self._types.array_info(plain)[0])
        if kind in ("struct", "union"):
            return max(
                (self._alignment(member.type) for member in self._types.members(plain)), default=1
            )
        return min(16, self._types.size(plain) or 1)

    def _classes(self, type_: int, size: int) -> list[str] | None:
        """The class of each eightbyte: "integer" or "vector"; None for memory."""
        plain = self._types.strip(type_)
        kind = self._types.kind(plain)
        if kind in _INTEGERS:
            return ["integer"] * max(1, (size + WORD - 1) // WORD)
        if kind == "float":
            return self._float_classes(plain, size)
        if kind not in _COMPOSITE or not size:
            return []
        parts: list[tuple[int, int, str]] = []
        if not self._scalars(plain, 0, parts):
            return None
        if self._arm:
            same = len({(part[1], part[2]) for part in parts}) == 1
            if same and len(parts) <= 4 and parts[0][2] == "vector":
                return ["vector"] * len(parts)
            return ["integer"] * ((size + WORD - 1) // WORD) if size <= 16 else None
        if size > 16:
            return None
        classes = ["" for _ in range((size + WORD - 1) // WORD)]
        for offset, wide, what in parts:
            if offset % min(wide, WORD):
                return None  # packed
            for number in range(offset // WORD, (offset + wide - 1) // WORD + 1):
                if number < len(classes) and classes[number] != "integer":
                    classes[number] = what
        return [each for each in classes if each]

    def _float_classes(self, plain: int, size: int) -> list[str] | None:
        if self._arm or size <= WORD:
            return ["vector"]
        name = self._types.name(plain)
        if size == 16 and "128" not in name and "complex" not in name:
            return None  # long double
        return ["vector"] * ((size + WORD - 1) // WORD) if size <= 16 else None

    def _scalars(self, type_: int, at: int, into: list[tuple[int, int, str]]) -> bool:
        """(offset, size, class) of all scalars in a type; False where there are too many or it is
        one that goes to memory."""
        plain = self._types.strip(type_)
        kind = self._types.kind(plain)
        size = self._types.size(plain)
        if len(into) > 64:
            return False
        if kind in ("struct", "union"):
            for member in self._types.members(plain):
                if member.bit_size:
                    first, last = member.bit_offset, member.bit_offset + member.bit_size - 1
                    into.append((at + first // 8, last // 8 - first // 8 + 1, "integer"))
                    into[-1] = (into[-1][0] // WORD * WORD, 1, "integer")
                elif not self._scalars(member.type, at + member.bit_offset // 8, into):
                    return False
            return True
        if kind == "array":
            element, count = self._types.array_info(plain)
            wide = self._types.size(element)
            return count <= 64 and all(
                self._scalars(element, at + wide * index, into) for index in range(count)
            )
        if kind == "float":
            if not self._arm and size > WORD:
                return False
            into.append((at, size, "vector"))
        elif kind in _INTEGERS:
            into.append((at, size, "integer"))
        return True


class Cdecl:
    """All arguments on the stack, in words (System V ABI, i386 supplement, "Parameter Passing").

    Functions that GCC keeps to itself may have their first arguments in registers: debug
    information of their entry would tell, but that is of the code behind the first instructions.

    Args:
        known, types, result: as of :class:`Convention`.
    """

    def __init__(self, known: Registers, types: DwarfTypes, result: int = 0) -> None:
        self._known = known
        self._types = types
        self._stack = known.stack
        if result and self._returned_in_memory(result):
            self._stack += known.word

    def argument(self, type_: int) -> Location:
        """Where the next argument is."""
        if self._types.by_reference(type_):
            return Location("address", (), self._take(self._known.word))
        size = self._types.size(type_)
        return Location("stack", (), self._take(size)) if size else NOWHERE

    def _take(self, size: int) -> int:
        at, word = self._stack, self._known.word
        self._stack += (size + word - 1) // word * word
        return at

    def result(self, type_: int) -> Location:
        """Where the result is when the function has returned."""
        if self._returned_in_memory(type_):
            return Location("address", self._known.results[:1])
        plain = self._types.strip(type_)
        if self._types.kind(plain) == "float":
            return UNREADABLE
        size = self._types.size(plain)
        return Location("registers", self._known.results[: 1 if size <= self._known.word else 2])

    def _returned_in_memory(self, type_: int) -> bool:
        if self._types.by_reference(type_):
            return True
        return self._types.kind(self._types.strip(type_)) in _COMPOSITE


# By the name of the convention; those that are not named here are of the first kind.
_CONVENTIONS: dict[str, type[Convention] | type[Cdecl]] = {"cdecl": Cdecl}


def convention(known: Registers, types: DwarfTypes, result: int = 0) -> Convention | Cdecl:
    """What deals out registers and stack on a machine.

    Args:
        known: the program's registers.
        types: the program's types.
        result: what the function returns (0 for nothing): a large one takes a register.
    """
    return _CONVENTIONS.get(known.convention, Convention)(known, types, result)


def locate(
    known: Registers, types: DwarfTypes, result: int, parameters: Sequence[int]
) -> list[Location]:
    """Where the arguments of a function are when it is entered.

    Args:
        known: the machine's registers.
        types: the program's types.
        result: id of what it returns; 0 for nothing.
        parameters: ids of the arguments' types.
    """
    found = convention(known, types, result)
    return [found.argument(each) for each in parameters]
