"""A tool's rows: records whose fields have the names of the tool's columns.

JSON and CSV are made of the records themselves, never of the text that people read.
"""

from __future__ import annotations

from prybee.output.coder import Coder, Piece, literal
from prybee.output.json import JsonOutput
from prybee.output.printf import joined, stride
from prybee.output.text import TextOutput
from prybee.output.values import INT_CODES, JsonStyle, enum_names, json_string
from prybee.plan import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from prybee.output.base import Handler
    from prybee.output.maps import Items
    from prybee.output.names import Names
    from prybee.output.printf import Run
    from prybee.output.sink import Sink
    from prybee.output.values import Row
    from prybee.plan.plan import RecordSpec, ScriptMap
    from prybee.tools.catalogue import Tool


class RowStyle(JsonStyle):
    """Values of rows: enumerators by their names."""

    def _named(self, coder: Coder, layout: layouts.EnumLayout, offset: int) -> Piece:
        raw = coder.take(INT_CODES[layout.size, layout.signed], offset)
        names = {value: json_string(name) for value, name in enum_names(layout).items()}
        return Piece(b"%s", [f"({coder.bind(names)}.get({raw}) or b'%d' % {raw})"])

    rows: dict[type[layouts.Layout], Row] = {**JsonStyle.rows, layouts.EnumLayout: _named}


def objects(spec: RecordSpec, keys: Sequence[str], style: JsonStyle) -> Run:
    """A function: records → JSON objects, each with a line break."""
    coder = Coder()
    parts = []
    for at, ((offset, layout), key) in enumerate(zip(spec.fields, keys, strict=True)):
        name = json_string(key.encode())
        parts.append(Piece(literal((b", " if at else b"{") + name + b": "), []))
        parts.append(style.piece(coder, layout, offset))
    parts.append(Piece(b"}\n", []))
    return coder.run(joined(parts), stride(spec))


def numbers(spec: RecordSpec, column: int, style: JsonStyle) -> Callable[[Any], list[float]]:
    """A function: records → the numbers in one column, by which rows are sorted."""
    coder = Coder()
    offset, layout = spec.fields[column]
    run = coder.run(style.piece(coder, layout, offset), stride(spec))
    return lambda view: [float(text.strip(b'"')) for text in run(view)]


class Gatherer:
    """Rows of a table that wait for its end, to be sorted."""

    def __init__(self, tool: Tool, most: int) -> None:
        self.column = tool.columns.index(tool.order) if tool.order else -1
        self.most = most
        self._rows: list[tuple[float, bytes]] = []

    def add(self, weights: Sequence[float], rows: Sequence[bytes]) -> None:
        """More rows, with the numbers that they are sorted by."""
        self._rows += zip(weights, rows, strict=True)

    def take(self) -> list[bytes]:
        """The largest rows, largest first; the table is empty then."""
        if not self._rows:
            return []
        self._rows.sort(key=lambda row: -row[0])
        rows = [row for _weight, row in self._rows[: self.most]]
        self._rows.clear()
        return rows


class TextRows(TextOutput):
    """Text: as the script prints it; the rows of a table sorted."""

    def __init__(self, tool: Tool, most: int, out: Sink, errors: Sink, names: Names) -> None:
        super().__init__(out, errors, names, quiet=True)
        self._tool = tool
        self._gatherer = Gatherer(tool, most)

    def attached(self, count: int) -> None:
        # Tools that show events have printed their header line.
        if not self._tool.columns:
            self.complain("Tracing; Ctrl-C ends it.")

    def printf(self, spec: RecordSpec) -> Handler:
        if self._gatherer.column < 0:
            return super().printf(spec)
        if len(spec.fields) != len(self._tool.columns):
            return _before(self._end, super().printf(spec))
        run = self.texts(spec)
        weigh = numbers(spec, self._gatherer.column, JsonStyle(self.names))
        add = self._gatherer.add

        def handle(view: memoryview) -> None:
            add(weigh(view), run(view))

        return handle

    def message(self, kind: str, text: bytes) -> None:
        self._end()
        super().message(kind, text)

    def before_maps(self) -> None:
        self._end()

    def _end(self) -> None:
        """The end of a table."""
        self.out.extend(self._gatherer.take())


class FoldedRows(TextRows):
    """A line for each stack: what is in the key, frames from the outermost on, and the value.

    ``dd;main;write;entry_SYSCALL_64;… 12`` is what flame graphs are made of: the user's frames,
    then the kernel's.
    """

    def before_maps(self) -> None:
        pass

    def message(self, kind: str, text: bytes) -> None:
        if kind != "time":
            super().message(kind, text)

    def map(self, spec: ScriptMap, items: Items, top: int = 0, div: int = 1) -> None:
        from prybee.output.folding import parts
        from prybee.output.maps import merge

        shows = parts(spec.key, self)
        if not shows:
            super().map(spec, items, top, div)
            return
        table = merge(spec, items).arrange(top)
        lines = []
        for key, value in zip(table.keys, table.values, strict=True):
            chain: list[bytes] = []
            for offset, layout, show in shows:
                chain += show(key[offset : offset + layout.size])
            # Semicolons separate frames.
            names = b";".join([name.replace(b";", b":") for name in chain])
            lines.append(b"%s %d\n" % (names, value))
        self.out.extend(lines)


class JsonRows(JsonOutput):
    """JSON: an object for each row, and one for each map."""

    def __init__(self, tool: Tool, most: int, out: Sink, errors: Sink, names: Names) -> None:
        super().__init__(out, errors, names, quiet=True)
        self._tool = tool
        self._style = RowStyle(names)
        self._gatherer = Gatherer(tool, most)

    def show(self, rows: Sequence[bytes]) -> None:
        """Write rows, each a JSON object and a line break."""
        self.out.extend(rows)

    def printf(self, spec: RecordSpec) -> Handler:
        tool, show, add = self._tool, self.show, self._gatherer.add
        if len(spec.fields) != len(tool.columns):
            # Header lines, and the ends of tables.
            return _before(self._end, None)
        run = objects(spec, tool.keys, self._style)
        if self._gatherer.column < 0:
            return lambda view: show(run(view))
        weigh = numbers(spec, self._gatherer.column, self._style)
        return lambda view: add(weigh(view), run(view))

    def message(self, kind: str, text: bytes) -> None:
        self._end()
        if kind == "time":
            self._time(text.strip())

    def _time(self, text: bytes) -> None:
        self.out.write(b'{"type": "time", "data": %s}\n' % json_string(text))

    def before_maps(self) -> None:
        self._end()

    def _end(self) -> None:
        """The end of a table."""
        self.show(self._gatherer.take())

    def lost(self, count: int) -> None:
        # What comes out is rows: the run's own words go to the error stream.
        self.complain(f"Lost {count} events")


class CsvRows(JsonRows):
    """CSV: a line for each row; for maps, a line for each value or bucket."""

    def __init__(self, tool: Tool, most: int, out: Sink, errors: Sink, names: Names) -> None:
        super().__init__(tool, most, out, errors, names)
        self._head: tuple[str, ...] = ()

    def attached(self, count: int) -> None:
        if self._tool.columns:
            self.table(self._tool.keys, [])

    def show(self, rows: Sequence[bytes]) -> None:
        if rows:
            from json import loads

            found = [loads(row) for row in rows]
            self.table(self._tool.keys, [tuple(row.values()) for row in found])

    def table(self, head: tuple[str, ...], rows: Sequence[Sequence[object]]) -> None:
        """Write rows, with ``head`` before the first ones that have it."""
        from csv import writer
        from io import StringIO

        text = StringIO()
        lines = writer(text, lineterminator="\n")
        if head != self._head:
            self._head = head
            lines.writerow(head)
        lines.writerows(rows)
        self.out.write(text.getvalue().encode("utf-8", "surrogateescape"))

    def _time(self, text: bytes) -> None:
        pass

    def map(self, spec: ScriptMap, items: Items, top: int = 0, div: int = 1) -> None:
        from json import loads

        from prybee.output.maps import merge

        for line in self._maps.lines(merge(spec, items).arrange(top), div).splitlines():
            ((name, data),) = loads(line)["data"].items()
            keyed = data.items() if spec.key is not None else [("", data)]
            for key, value in keyed:
                self._value(name, key, value)

    def _value(self, name: str, key: str, value: object) -> None:
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            fields = ("min", "max", "count")
            rows = [(name, key, *(bucket.get(field, "") for field in fields)) for bucket in value]
            self.table(("map", "key", *fields), rows)
        elif isinstance(value, dict):
            self.table(("map", "key", *value), [(name, key, *value.values())])
        else:
            self.table(("map", "key", "value"), [(name, key, value)])


def _before(end: Callable[[], None], then: Handler | None) -> Handler:
    """A handler that ends a table first."""

    def handle(view: memoryview) -> None:
        end()
        if then is not None:
            then(view)

    return handle


FORMATS = {"text": TextRows, "json": JsonRows, "csv": CsvRows, "folded": FoldedRows}
