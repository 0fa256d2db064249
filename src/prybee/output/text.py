"""Plain text, as upstream prints it: what users see by default."""

from __future__ import annotations

from prybee.output.base import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.diagnostics import Diagnostic
    from prybee.output.base import Handler
    from prybee.output.maps import Items, MapText
    from prybee.output.names import Names
    from prybee.output.sink import Sink
    from prybee.plan.plan import RecordSpec, ScriptMap


class TextOutput(Output):
    """Text: values on the normal stream, the run's own words on the error stream."""

    def __init__(
        self, out: Sink, errors: Sink, names: Names, quiet: bool = False, warnings: bool = True
    ) -> None:
        super().__init__(out, errors, names, quiet, warnings)
        self._shown: MapText | None = None

    @property
    def _maps(self) -> MapText:
        if self._shown is None:
            from prybee.output.maps import MapText

            self._shown = MapText(self.names)
        return self._shown

    def attached(self, count: int) -> None:
        if not self.quiet:
            self.complain(f"Attached {count} probe{'' if count == 1 else 's'}")

    def lost(self, count: int) -> None:
        self.complain(f"Lost {count} events")

    def printf(self, spec: RecordSpec) -> Handler:
        from prybee.output.printf import formatted

        run = formatted(spec, str(spec.detail[0]), self.text, self.together)
        extend = self.out.extend

        def handle(view: memoryview) -> None:
            extend(run(view))

        return handle

    def report(self, spec: RecordSpec, severity: str) -> Handler:
        run = self.texts(spec)
        place = f"{spec.span.location()}: " if spec.span is not None else ""
        head = f"{place}{severity}: ".encode()
        chain = spec.span.chain if spec.span is not None else ()
        uses = "".join(
            f"{use.location()}: {severity}: expanded from\n{use.excerpt()}\n" for use in chain
        ).encode()

        def handle(view: memoryview) -> None:
            self.out.flush()
            for text in run(view):
                end = b"" if text.endswith(b"\n") else b"\n"
                self.errors.write(head + text + end + uses)

        def ignore(view: memoryview) -> None:
            pass

        return handle if severity == "ERROR" or self.warnings else ignore

    def value(self, spec: RecordSpec) -> Handler:
        from prybee.output.printf import values

        run = values(spec, self.text, b"", b"\n", self.together)
        extend = self.out.extend

        def handle(view: memoryview) -> None:
            extend(run(view))

        return handle

    def message(self, kind: str, text: bytes) -> None:
        # A command's output ends in a line break, also where the command forgot it.
        if kind == "syscall" and text and not text.endswith(b"\n"):
            text += b"\n"
        self.out.write(text)

    def map(self, spec: ScriptMap, items: Items, top: int = 0, div: int = 1) -> None:
        from prybee.output.maps import merge

        self.out.write(self._maps.lines(merge(spec, items).arrange(top), div))

    def entry(self, spec: ScriptMap, items: Items) -> None:
        from prybee.output.maps import merge

        for text in self._maps.values(merge(spec, items), 1):
            self.out.write(text + b"\n")

    def before_maps(self) -> None:
        self.out.write(b"\n\n")

    def runtime(self, diagnostic: Diagnostic, helper: str = "", code: int = 0) -> None:
        if not self.warnings:
            return
        if helper:
            lines = diagnostic.render().split("\n")
            lines.insert(1, f"Additional Info - helper: {helper}, retcode: {code}")
            self.complain("\n".join(lines))
        else:
            self.complain(diagnostic.render())
