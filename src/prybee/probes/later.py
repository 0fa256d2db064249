"""Probe types of the language that this release has no way to attach, and what to use instead."""

from __future__ import annotations

from prybee.diagnostics import NotSupported
from prybee.language.registry import ExpandScope, Match, ProbeSyntaxError
from prybee.probes.numbers import NumberError, parse
from prybee.probes.provider import ProbeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.language.attach_point import AttachPoint


class Later(ProbeType):
    """Reads its attach points as the language has them, and then says what is missing."""

    def __init__(
        self,
        names: tuple[str, ...],
        syntax: tuple[str, ...],
        counts: tuple[int, ...],
        summary: str,
        instead: str,
    ) -> None:
        self.names = names
        self.syntax = syntax
        self.counts = counts
        self.summary = summary
        self.instead = instead

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        """Nothing, where the script allows missing probes.

        Raises:
            NotSupported: the script wants all its probes.
        """
        self.check(self.arguments(point))
        if scope.config.missing_probes != "error":
            return []
        raise NotSupported(
            f"{self.name} probes", "this release cannot attach them yet", self.instead
        )

    def check(self, arguments: tuple[str, ...]) -> None:
        """Look for mistakes in what is written.

        Raises:
            ProbeSyntaxError: one was found.
        """
        if arguments and not arguments[-1]:
            raise ProbeSyntaxError(f"{self.name} should be attached to a function")


class Watchpoint(Later):
    """``watchpoint:address:length:mode``."""

    def check(self, arguments: tuple[str, ...]) -> None:
        address, length, mode = arguments
        if self._number(address, "address") == 0:
            raise ProbeSyntaxError("watchpoint must be attached to a non-zero address")
        if self._number(length, "length") not in (1, 2, 4, 8):
            raise ProbeSyntaxError("watchpoint length must be one of (1,2,4,8)")
        if not mode or any(letter not in "rwx" for letter in mode):
            raise ProbeSyntaxError("watchpoint mode must be combination of (r,w,x)")
        if len(set(mode)) != len(mode):
            raise ProbeSyntaxError("watchpoint modes may not be duplicated")

    def _number(self, text: str, what: str) -> int:
        try:
            return parse(text)[0]
        except NumberError as error:
            raise self.malformed(f"Invalid watchpoint {what}: {error}") from None


_KERNEL_FUNCTIONS = (
    "set missing_probes to 'warn' to go on without them, or use a tracepoint or rawtracepoint "
    "near the function (prybee -l '*:*WORD*' searches them)"
)
_RETURNS = (
    "set missing_probes to 'warn' to go on without them, or use a tracepoint that reports the "
    "result, such as tracepoint:syscalls:sys_exit_…"
)

PROVIDERS = (
    Later(
        ("kprobe", "k"),
        ("kprobe:FUNCTION", "kprobe:FUNCTION+OFFSET", "kprobe:MODULE:FUNCTION"),
        (1, 2),
        "a kernel function is entered",
        _KERNEL_FUNCTIONS,
    ),
    Later(
        ("kretprobe", "kr"),
        ("kretprobe:FUNCTION", "kretprobe:MODULE:FUNCTION"),
        (1, 2),
        "a kernel function returns",
        _RETURNS,
    ),
    Later(
        ("fentry", "f", "kfunc"),
        ("fentry:FUNCTION", "fentry:MODULE:FUNCTION", "fentry:bpf:ID:PROGRAM"),
        (1, 2, 3),
        "a kernel function is entered, with typed arguments",
        _KERNEL_FUNCTIONS,
    ),
    Later(
        ("fexit", "fr", "kretfunc"),
        ("fexit:FUNCTION", "fexit:MODULE:FUNCTION", "fexit:bpf:ID:PROGRAM"),
        (1, 2, 3),
        "a kernel function returns, with typed arguments and result",
        _RETURNS,
    ),
    Watchpoint(
        ("watchpoint", "w"),
        ("watchpoint:ADDRESS:LENGTH:MODE",),
        (3,),
        "memory is read, written or executed",
        "probe the functions that use the memory with uprobe",
    ),
)
