"""Places in a script, and the errors that prybee raises and shows.

Every error is a :class:`PrybeeError`.  What a user sees is a :class:`Diagnostic`: a severity, a
message, perhaps a span of the script, and hints.  The layout is bpftrace's::

    stdin:1:22-30: ERROR: Unknown function: 'prinft'
    begin { prinft("hi") }
            ~~~~~~~~
    HINT: did you mean 'printf'?
"""

from __future__ import annotations

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


# What of a script a message shows at most (a script may be one line of 10 MB)
_MAX_COLUMNS = 240
_MAX_LINES = 8


class Source:
    """A script's text and its name in messages (``stdin`` for ``-e`` and ``-``).

    Offsets behind the text's end can stand for other texts (:meth:`include`): those of imported
    files, and those of macros, once for each place where they are used.
    """

    __slots__ = ("_bases", "_limit", "_parts", "_starts", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._starts: list[int] | None = None
        # Where included texts begin, in order; and for each (source, offset there, place of use).
        self._bases: list[int] = []
        self._parts: list[tuple[Source, int, tuple[int, int] | None]] = []
        self._limit = len(text) + 1

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {len(self.text)} characters)"

    def include(self, start: int, length: int, used: tuple[int, int] | None = None) -> int:
        """Make ``length`` more offsets stand for those from ``start``; the first of them.

        ``used`` is the place (offsets of this source) where the text, a macro's, is expanded.
        """
        source, first, _used = self._part(start)
        return self._add(source, first, length, used)

    def include_source(self, other: Source, used: tuple[int, int] | None = None) -> int:
        """Make more offsets stand for those of another text; the first of them.

        ``used`` is the place that asks for it.
        """
        return self._add(other, 0, len(other.text), used)

    def _add(self, source: Source, first: int, length: int, used: tuple[int, int] | None) -> int:
        base = self._limit
        self._bases.append(base)
        self._parts.append((source, first, used))
        self._limit = base + length + 1
        return base

    def _part(self, offset: int) -> tuple[Source, int, tuple[int, int] | None]:
        """The text that an offset stands for, the offset there, and where that is expanded."""
        if offset <= len(self.text) or not self._bases:
            return self, offset, None
        from bisect import bisect_right

        index = bisect_right(self._bases, offset) - 1
        source, first, used = self._parts[index]
        return source, first + offset - self._bases[index], used

    def span(self, start: int, end: int) -> Span:
        """The characters ``start <= offset < end``, in the text that they really belong to."""
        if start <= len(self.text):
            return Span(self, start, end)
        source, first, used = self._part(start)
        expanded = self.span(*used) if used is not None else None
        return Span(source, first, first + end - start, expanded)

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            starts = [0]
            find = self.text.find
            at = find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = find("\n", at + 1)
            self._starts = starts
        return self._starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of a character offset (0 … len(text))."""
        from bisect import bisect_right

        starts = self._line_starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line ``number`` (from 1), without its end."""
        starts = self._line_starts()
        end = starts[number] - 1 if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r")


class Span(Data):
    """The characters ``start <= offset < end`` of a source.

    Of a macro's text, ``expanded`` is where the macro was used.
    """

    source: Source
    start: int
    end: int
    expanded: Span | None = None

    @property
    def chain(self) -> tuple[Span, ...]:
        """The uses of macros that led to this text, innermost first."""
        found = []
        span = self.expanded
        while span is not None:
            found.append(span)
            span = span.expanded
        return tuple(found)

    @property
    def place(self) -> tuple[int, int]:
        """Where the script has it: the outermost use of a macro."""
        outer = (self, *self.chain)[-1]
        return outer.start, outer.end

    @property
    def text(self) -> str:
        """The characters themselves."""
        return self.source.text[self.start : self.end]

    def location(self) -> str:
        """``name:line:col1-col2``, or ``name:line1-line2`` where several lines are covered."""
        line1, column1 = self.source.position(self.start)
        line2, column2 = self.source.position(max(self.start, self.end))
        if line1 != line2:
            return f"{self.source.name}:{line1}-{line2}"
        return f"{self.source.name}:{line1}:{column1}-{column2}"

    def excerpt(self) -> str:
        """The source line(s), and ``~`` under the span where it lies on one line.

        Tabs become four blanks there, as in bpftrace.  Of lines too long or too many to read only
        the part around the span is shown.
        """
        line1, column1 = self.source.position(self.start)
        line2, column2 = self.source.position(max(self.start, self.end))
        if line1 != line2:
            numbers = list(range(line1, line2 + 1))
            lines = [_clip(self.source.line(n), 0, 0)[0] for n in numbers[:_MAX_LINES]]
            if len(numbers) > _MAX_LINES:
                lines[-1] = "…"
                lines.append(_clip(self.source.line(line2), 0, 0)[0])
            return "\n".join(lines)
        raw, first, last = _clip(self.source.line(line1), column1 - 1, column2 - 1)
        before = raw[:first].replace("\t", "    ")
        within = raw[first:last].replace("\t", "    ")
        line = raw.replace("\t", "    ")
        return f"{line}\n{' ' * len(before)}{'~' * max(1, len(within))}"


def _clip(line: str, first: int, last: int) -> tuple[str, int, int]:
    """A line no longer than can be read, and where its columns ``first`` and ``last`` are now."""
    if len(line) <= _MAX_COLUMNS:
        return line, first, last
    start = max(0, min(first - _MAX_COLUMNS // 3, len(line) - _MAX_COLUMNS))
    end = start + _MAX_COLUMNS
    head = "…" if start else ""
    tail = "…" if end < len(line) else ""
    shift = len(head) - start
    return f"{head}{line[start:end]}{tail}", first + shift, min(last, end) + shift


ERROR = "ERROR"
WARNING = "WARNING"


class Diagnostic(Data):
    """One message about a script or a run, as a user reads it.

    ``severity`` is :data:`ERROR`, :data:`WARNING`, or empty for a plain remark without a place;
    ``notes`` are further places (where a macro was expanded, where a name was first used);
    ``hints`` are what to do.
    """

    severity: str
    message: str
    span: Span | None = None
    hints: tuple[str, ...] = ()
    notes: tuple[tuple[str, Span], ...] = ()

    def render(self) -> str:
        """The message with its place, the source line, notes and hints; no trailing newline."""
        lines = []
        if self.span is None:
            lines.append(f"{self.severity}: {self.message}" if self.severity else self.message)
        else:
            lines.append(f"{self.span.location()}: {self.severity}: {self.message}")
            lines.append(self.span.excerpt())
            for used in self.span.chain:
                lines.append(f"{used.location()}: {self.severity}: expanded from")
                lines.append(used.excerpt())
        for text, span in self.notes:
            lines.append(f"{span.location()}: {self.severity}: {text}")
            lines.append(span.excerpt())
        lines.extend(f"HINT: {hint}" for hint in self.hints)
        return "\n".join(lines)


class PrybeeError(Exception):
    """Base of all errors prybee raises on purpose; ``str()`` is what the user is shown."""


class ScriptError(PrybeeError):
    """A script that cannot be compiled: one or more diagnostics, each with its place."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(d.render() for d in self.diagnostics))


class NotSupported(PrybeeError):
    """The running kernel, or this build, lacks something.

    Args:
        feature: what is missing, in the user's words.
        why: the fact that was found (never a version number guess).
        instead: the nearest thing that works, or what to change.
    """

    def __init__(self, feature: str, why: str = "", instead: str = "") -> None:
        self.feature = feature
        self.why = why
        self.instead = instead
        text = feature if not why else f"{feature}: {why}"
        super().__init__(text if not instead else f"{text}\nHINT: {instead}")


class KernelError(PrybeeError):
    """A system call that failed: its name, errno, and a hint where one is known."""

    def __init__(self, call: str, errno: int, hint: str = "") -> None:
        self.call = call
        self.errno = errno
        self.hint = hint
        text = f"{call}: {error_text(errno)}"
        super().__init__(text if not hint else f"{text}\nHINT: {hint}")


class Misplaced(KernelError):
    """A probe that would be in the middle of an instruction."""

    def __init__(self, call: str, errno: int, hint: str) -> None:
        super().__init__(call, errno, hint)
        said = (
            "Possible attachment attempt in the middle of an instruction, try a different offset."
        )
        self.args = (f"{said}\nHINT: {hint}",)


class VerifierRejected(PrybeeError):
    """The kernel's verifier refused a program.

    Args:
        reason: what is wrong, in the script's terms.
        program: the program's name.
        span: the place in the script, where line info gave one.
        path: how execution came there, oldest first.
        suggestion: what to change.
        log: the kernel's own words, whole.
        plain: the reason says it all.
    """

    def __init__(
        self,
        reason: str,
        program: str = "",
        span: Span | None = None,
        path: tuple[str, ...] = (),
        suggestion: str = "",
        log: str = "",
        plain: bool = False,
    ) -> None:
        self.reason = reason
        self.program = program
        self.span = span
        self.path = path
        self.suggestion = suggestion
        self.log = log
        message = reason if plain else f"the kernel refused {program or 'the program'}: {reason}"
        hints = (suggestion,) if suggestion else ()
        super().__init__(Diagnostic(ERROR, message, span, hints).render())


# errno 524 is the kernel's own ENOTSUPP, which C libraries do not know (include/linux/errno.h).
ENOTSUPP = 524


def error_text(errno: int) -> str:
    """``ENOENT: No such file or directory``; knows the kernel-internal 524 too."""
    import os
    from errno import errorcode

    if errno == ENOTSUPP:
        return "ENOTSUPP: Operation not supported by this kernel"
    return f"{errorcode.get(errno, f'errno {errno}')}: {os.strerror(errno)}"


def did_you_mean(word: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """The known words nearest to ``word``, best first: material for a hint.

    Words of the same letters in another order come first: swapped keys are the commonest slip.
    Takes 0.25 s for the 56,000 functions of a kernel.
    """
    from difflib import get_close_matches

    lower = {name.lower(): name for name in known}
    word = word.lower()
    near = get_close_matches(word, lower, n=2 * limit, cutoff=0.6)
    letters = sorted(word)
    near.sort(key=lambda match: sorted(match) != letters)
    return tuple(lower[match] for match in near[:limit])
