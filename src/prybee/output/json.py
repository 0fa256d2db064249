"""JSON, one object per line (``-f json``)."""

from __future__ import annotations

from prybee.output.base import Output
from prybee.output.json_text import quote
from prybee.output.maps import MapJson, merge
from prybee.output.printf import values
from prybee.output.values import JsonStyle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.diagnostics import Diagnostic, Span
    from prybee.output.base import Handler
    from prybee.output.maps import Items
    from prybee.output.names import Names
    from prybee.output.sink import Sink
    from prybee.plan.plan import RecordSpec, ScriptMap


class JsonOutput(Output):
    """JSON lines: everything that is said about the run goes to the normal stream too."""

    def __init__(
        self, out: Sink, errors: Sink, names: Names, quiet: bool = False, warnings: bool = True
    ) -> None:
        super().__init__(out, errors, names, quiet, warnings)
        self._maps = MapJson(names)
        self._style = JsonStyle(names)

    def attached(self, count: int) -> None:
        if not self.quiet:
            self._counted("attached_probes", "probes", count)

    def lost(self, count: int) -> None:
        self._counted("lost_events", "events", count)

    def _counted(self, kind: str, what: str, count: int) -> None:
        line = f'{{"type": "{kind}", "count": {count}, "data": {{"{what}": {count}}}}}\n'
        self.out.write(line.encode())

    def printf(self, spec: RecordSpec) -> Handler:
        run, extend = self.texts(spec), self.out.extend

        def handle(view: memoryview) -> None:
            extend([b'{"type": "printf", "data": %s}\n' % quote(text) for text in run(view)])

        return handle

    def report(self, spec: RecordSpec, severity: str) -> Handler:
        run = self.texts(spec)
        kind = b"errorf" if severity == "ERROR" else b"warnf"
        place = _place(spec.span)
        line = b'{"type": "%s", "msg": %%s%s}\n' % (kind, place.replace(b"%", b"%%"))

        def handle(view: memoryview) -> None:
            if severity == "ERROR" or self.warnings:
                self.out.extend([line % quote(text) for text in run(view)])

        return handle

    def value(self, spec: RecordSpec) -> Handler:
        run = values(spec, self._style, b'{"type": "value", "data": ', b"}\n", self.together)
        extend = self.out.extend

        def handle(view: memoryview) -> None:
            extend(run(view))

        return handle

    def message(self, kind: str, text: bytes) -> None:
        if kind == "join":
            text = text.removesuffix(b"\n")  # The line's end belongs to the other format.
        self.out.write(b'{"type": "%s", "data": %s}\n' % (kind.encode(), quote(text)))

    def map(self, spec: ScriptMap, items: Items, top: int = 0, div: int = 1) -> None:
        self.out.write(self._maps.lines(merge(spec, items).arrange(top), div))

    def entry(self, spec: ScriptMap, items: Items) -> None:
        for text in self._maps.values(merge(spec, items), 1):
            self.out.write(b'{"type": "value", "data": %s}\n' % text)

    def runtime(self, diagnostic: Diagnostic, helper: str = "", code: int = 0) -> None:
        if not self.warnings:
            return
        kind = b"helper_error" if helper else b"runtime_error"
        extra = b', "helper": %s, "retcode": %d' % (quote(helper.encode()), code) if helper else b""
        self.out.write(
            b'{"type": "%s", "msg": %s%s%s}\n'
            % (kind, quote(diagnostic.message.encode()), extra, _place(diagnostic.span))
        )


def _place(span: Span | None) -> bytes:
    """The members that say where in the script something is."""
    if span is None:
        return b""
    line, column = span.source.position(span.start)
    name = quote(span.source.name.encode("utf-8", "surrogateescape"))
    return b', "filename": %s, "line": %d, "col": %d' % (name, line, column)
