"""What both outputs share: where text goes, and the shapes of messages.

What formats records and maps is imported when the first of them is prepared: a trace that prints
nothing does not pay for it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.diagnostics import Diagnostic
    from prybee.output.maps import Items
    from prybee.output.names import Names
    from prybee.output.printf import Run
    from prybee.output.sink import Sink
    from prybee.output.values import TextStyle
    from prybee.plan.plan import RecordSpec, ScriptMap

    # Takes the memory of a run of records.
    Handler = Callable[[memoryview], None]


class Output:
    """Base of the output formats: one method per kind of message.

    Methods that take a :class:`~prybee.plan.plan.RecordSpec` prepare for a kind of record, and
    return the function that takes runs of them.

    Args:
        out: the normal stream.
        errors: the error stream.
        names: resolves what values refer to.
        quiet: leave out what is said about the run itself.
        warnings: show ``warnf`` and runtime warnings.
    """

    def __init__(
        self,
        out: Sink,
        errors: Sink,
        names: Names,
        quiet: bool = False,
        warnings: bool = True,
    ) -> None:
        self.out = out
        self.errors = errors
        self.names = names
        self.quiet = quiet
        self.warnings = warnings
        self._text: TextStyle | None = None

    @property
    def text(self) -> TextStyle:
        """How values are shown as text."""
        if self._text is None:
            from prybee.output.values import TextStyle

            self._text = TextStyle(self.names)
        return self._text

    # -- the stream ------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether nobody reads the output any more."""
        return self.out.closed

    @property
    def failed(self) -> bool:
        """Whether output was lost because it could not be written."""
        return bool(self.out.failure)

    def flush(self) -> None:
        """The end of a batch of events."""
        self.out.flush()
        self.errors.flush()

    def close(self) -> None:
        """Write what is left, and say so where that failed."""
        self.out.drain()
        if self.out.failure:
            self.errors.write(f"ERROR: cannot write output: {self.out.failure}\n".encode())
        self.errors.drain()

    def complain(self, text: str) -> None:
        """A line on the error stream, behind what was printed before."""
        self.out.flush()
        self.errors.write(text.encode("utf-8", "surrogateescape") + b"\n")
        self.errors.flush()

    @property
    def together(self) -> bool:
        """Whether the texts of several records may be written as one."""
        return self.out.mode != "none"

    def texts(self, spec: RecordSpec) -> Run:
        """A function: records → their texts by the format in ``detail[0]``."""
        from prybee.output.printf import formatted

        return formatted(spec, str(spec.detail[0]), self.text)

    # -- messages --------------------------------------------------------------------------------

    def attached(self, count: int) -> None:
        """``count`` probes are attached."""
        raise NotImplementedError

    def lost(self, count: int) -> None:
        """``count`` events were lost since the last such message."""
        raise NotImplementedError

    def printf(self, spec: RecordSpec) -> Handler:
        """``printf``."""
        raise NotImplementedError

    def report(self, spec: RecordSpec, severity: str) -> Handler:
        """``errorf`` and ``warnf``."""
        raise NotImplementedError

    def value(self, spec: RecordSpec) -> Handler:
        """``print`` of a value."""
        raise NotImplementedError

    def message(self, kind: str, text: bytes) -> None:
        """Text of another kind: ``time``, ``cat``, ``join``, ``syscall``."""
        raise NotImplementedError

    def map(self, spec: ScriptMap, items: Items, top: int = 0, div: int = 1) -> None:
        """A map; ``top`` and ``div`` as ``print`` has them (0: all, 1: as it is)."""
        raise NotImplementedError

    def entry(self, spec: ScriptMap, items: Items) -> None:
        """The value of one entry of a map, as ``print(@stats[key])`` shows it."""
        raise NotImplementedError

    def before_maps(self) -> None:
        """The maps at the end of the run follow."""

    def runtime(self, diagnostic: Diagnostic, helper: str = "", code: int = 0) -> None:
        """Something went wrong in a program; with ``helper``, a helper call failed by ``code``."""
        raise NotImplementedError
