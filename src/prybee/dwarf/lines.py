"""Line tables: which line of which source file an address comes from."""

from __future__ import annotations

from bisect import bisect_right

from prybee.dwarf import constants as c
from prybee.dwarf.abbrevs import size_of
from prybee.dwarf.leb128 import sleb, uleb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.dwarf.units import Unit

# Content types of the file tables of version 5 (section 7.22).
_PATH, _DIRECTORY = 1, 2


class Row:
    """One row: from this address on, code is of that line.

    ``file`` is the path as the table has it; ``ends`` marks the first address behind a sequence.
    """

    __slots__ = ("address", "column", "ends", "file", "line", "statement")

    def __init__(
        self, address: int, file: int, line: int, column: int, statement: bool, ends: bool
    ) -> None:
        self.address = address
        self.file = file
        self.line = line
        self.column = column
        self.statement = statement
        self.ends = ends


class LineTable:
    """The line table of a unit. The header is read at once, the program when a row is wanted.

    Attributes:
        files: number of a file in the rows → its path.
    """

    def __init__(self, unit: Unit, offset: int, folder: str) -> None:
        """
        Args:
            unit: whose it is.
            offset: in ``.debug_line``.
            folder: the unit's compilation directory.

        Raises:
            DwarfError: the header makes no sense.
        """
        self._unit = unit
        self._sections = unit.file.sections
        self._order = unit.file.order
        self._at = offset
        self.files: dict[int, str] = {}
        self._rows: list[Row] | None = None
        self._sorted: tuple[list[int], list[Row]] | None = None
        head = self._sections.read("line", offset, 4)
        length, start, wide = int.from_bytes(head, self._order), 4, 4
        if length == 0xFFFFFFFF:
            head = self._sections.read("line", offset + 4, 8)
            length, start, wide = int.from_bytes(head, self._order), 12, 8
        self._wide = wide
        try:
            self._head(offset + start, length, folder)
        except (IndexError, ValueError):
            raise self._damaged() from None

    def _damaged(self) -> Exception:
        return self._sections.damaged(f"the line table at {self._at:#x} makes no sense")

    def _head(self, at: int, length: int, folder: str) -> None:
        end = at + length
        fixed = self._sections.start_of("line", at, 32)

        def number(start: int, size: int) -> int:
            return int.from_bytes(fixed[start : start + size], self._order)

        self.version = number(0, 2)
        place = 2
        if not 2 <= self.version <= 5:
            raise self._damaged()
        if self.version >= 5:
            self._address_size = fixed[2]
            place = 4
        else:
            self._address_size = self._unit.shape[1]
        header_length = number(place, self._wide)
        place += self._wide
        self._program = at + place + header_length
        self._end = end
        if not at < self._program <= end <= self._sections.size("line"):
            raise self._damaged()
        data = self._sections.read("line", at + place, header_length)
        self._least = data[0]
        place = 1
        if self.version >= 4:
            place += 1  # operations of one instruction: only VLIW machines have more
        self._statement = bool(data[place])
        self._line_base = int.from_bytes(data[place + 1 : place + 2], "big", signed=True)
        self._line_range = data[place + 2]
        self._opcode_base = data[place + 3]
        place += 4
        self._operands = (0, *data[place : place + self._opcode_base - 1])
        place += self._opcode_base - 1
        if not self._line_range:
            raise self._damaged()
        if self.version >= 5:
            self._names_5(data, place)
        else:
            self._names_4(data, place, folder)

    def _names_4(self, data: bytes, at: int, folder: str) -> None:
        folders = [folder]
        while data[at]:
            end = data.index(b"\0", at)
            folders.append(_join(folder, _text(data[at:end])))
            at = end + 1
        at += 1
        number = 1
        while data[at]:
            end = data.index(b"\0", at)
            name = _text(data[at:end])
            which, at = uleb(data, end + 1)
            _time, at = uleb(data, at)
            _size, at = uleb(data, at)
            self.files[number] = _join(folders[which] if which < len(folders) else folder, name)
            number += 1

    def _names_5(self, data: bytes, at: int) -> None:
        folders: list[str] = []
        for _path, name in self._entries(data, at):
            if isinstance(name, int):
                at = name
                break
            folders.append(_join(folders[0], name) if folders else name)
        for number, (which, name) in enumerate(self._entries(data, at)):
            if isinstance(name, int):
                break
            self.files[number] = _join(folders[which] if which < len(folders) else "", name)

    def _entries(self, data: bytes, at: int) -> Iterator[tuple[int, str | int]]:
        """(number of the directory, path) of each entry; at last (0, where they end)."""
        count = data[at]
        at += 1
        formats = []
        for _ in range(count):
            content, at = uleb(data, at)
            form, at = uleb(data, at)
            formats.append((content, form))
        many, at = uleb(data, at)
        if many and not formats:
            raise self._damaged()
        shape = (self._wide, self._address_size, 5)
        for _ in range(many):
            which, path = 0, ""
            for content, form in formats:
                if form == c.FORM_STRING:
                    end = data.find(b"\0", at)
                    if end < 0:
                        raise IndexError
                    value: int | bytes = data[at:end]
                    at = end + 1
                elif form == c.FORM_UDATA:
                    value, at = uleb(data, at)
                elif form == c.FORM_BLOCK:
                    size, at = uleb(data, at)
                    value = b""
                    at += size
                else:
                    size = size_of(form, shape)
                    if size < 0 or at + size > len(data):
                        raise IndexError
                    value = int.from_bytes(data[at : at + size], self._order)
                    at += size
                if content == _PATH:
                    path = self._unit.string(form, value)
                elif content == _DIRECTORY and isinstance(value, int):
                    which = value
            yield which, path
        yield 0, at

    # -- rows ----------------------------------------------------------------------------------

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order of the table."""
        if self._rows is None:
            data = self._sections.read("line", self._program, self._end - self._program)
            try:
                self._rows = list(self._run(data))
            except IndexError:
                raise self._damaged() from None
        return self._rows

    def _run(self, data: bytes) -> Iterator[Row]:
        least, base, width, first = (
            self._least, self._line_base, self._line_range, self._opcode_base,
        )  # fmt: skip
        address = column = at = 0
        file = line = 1
        statement = self._statement
        size = len(data)
        while at < size:
            code = data[at]
            at += 1
            if code >= first:
                advance, rest = divmod(code - first, width)
                address += advance * least
                line += base + rest
                yield Row(address, file, line, column, statement, False)
            elif code == 0:
                length, at = uleb(data, at)
                if not length:
                    continue
                kind = data[at]
                if kind == 1:
                    yield Row(address, file, line, column, statement, True)
                    address = column = 0
                    file = line = 1
                    statement = self._statement
                elif kind == 2:
                    address = int.from_bytes(data[at + 1 : at + length], self._order)
                at += length
            elif code == 1:
                yield Row(address, file, line, column, statement, False)
            elif code == 2:
                value, at = uleb(data, at)
                address += value * least
            elif code == 3:
                value, at = sleb(data, at)
                line += value
            elif code == 4:
                file, at = uleb(data, at)
            elif code == 5:
                column, at = uleb(data, at)
            elif code == 6:
                statement = not statement
            elif code == 8:
                address += (255 - first) // width * least
            elif code == 9:
                address += int.from_bytes(data[at : at + 2], self._order)
                at += 2
            else:
                for _ in range(self._operands[code] if code < len(self._operands) else 0):
                    _value, at = uleb(data, at)

    def at(self, address: int) -> Row | None:
        """The row that covers an address; None where no code of this unit is."""
        if self._sorted is None:
            # Of several rows of one address the last counts; ends of sequences come first there,
            # since another sequence may start where one ends.
            rows = sorted(self.rows, key=lambda row: (row.address, not row.ends))
            self._sorted = [row.address for row in rows], rows
        addresses, rows = self._sorted
        at = bisect_right(addresses, address) - 1
        if at < 0 or rows[at].ends:
            return None
        return rows[at]


def line_table(unit: Unit) -> LineTable | None:
    """The line table of a unit; None where it has none.

    Raises:
        DwarfError: the header makes no sense.
    """
    offset = unit.top.number(c.AT_STMT_LIST)
    if offset is None or not unit.file.sections.has("line"):
        return None
    return LineTable(unit, offset, unit.top.text(c.AT_COMP_DIR))


def _join(folder: str, name: str) -> str:
    if name.startswith("/") or not folder:
        return name
    return f"{folder}/{name}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
