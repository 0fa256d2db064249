"""``tracepoint``: the kernel's static events, by their format."""

from __future__ import annotations

from prybee.diagnostics import did_you_mean
from prybee.language.lower.operands import Place
from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.language.types import CONTEXT, KERNEL, USER, StructType, Type
from prybee.plan.plan import ProbeSpec, TracepointAttach
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.provider import ProbeType
from prybee.probes.registered import context_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from prybee.language.attach_point import AttachPoint
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.plan.target import Target, TracepointField

# A program may not read the record's first word (bpf_trace.c, tp_prog_is_valid_access).
_START = 8


def address_space(category: str) -> str:
    """Where the pointers in events of ``category`` point: system calls get the user's."""
    return USER if category == "syscalls" else KERNEL


class TracepointContext(ProbeContext):
    """The record of an event. Its fields are read where they lie."""

    program_type = "tracepoint"
    provider = "tracepoint"

    def __init__(
        self, match: Match, category: str, event: str, fields: tuple[TracepointField, ...]
    ) -> None:
        super().__init__(match.name)
        self.space = address_space(category)
        self._title = f"tracepoint:{category}:{event}_args"
        self._fields = fields
        self._args: StructType | None = None

    def args_type(self, checker: Checker) -> Type | None:
        if self._args is None:
            from prybee.probes.fields import member

            fields, types, space = self._fields, checker.types, self.space
            end = max((field.offset + field.size for field in fields), default=_START)
            self._args = StructType.lazy(
                "struct",
                self._title,
                end - _START,
                lambda: tuple(member(field, _START, types, space) for field in fields),
            )
        return self._args

    def lower_args(self, handler: Handler) -> Operand:
        type_ = self.args_type(handler.script.checker)
        assert type_ is not None
        return Place(context_pointer(handler), _START, type_, CONTEXT)


class Tracepoint(ProbeType):
    """``tracepoint:category:event``."""

    names = ("tracepoint", "t")
    syntax = ("tracepoint:CATEGORY:EVENT",)
    summary = "one of the kernel's static events"
    counts = (2,)
    pid_filter = "body"
    of_kernel = True

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        given = tuple(point.parts)
        if len(given) == 1 and given[0]:
            raise self._without_category(given[0], scope)
        category, event = self.arguments(point)
        if not category or not event:
            raise self.malformed("tracepoint probe must have a target")
        if is_pattern(category) or is_pattern(event):
            return [_match(*found) for found in _search(category, event, scope.target)]
        if scope.target.tracepoint_format(category, event) is None:
            return []
        return [_match(category, event)]

    def _without_category(self, event: str, scope: ExpandScope) -> ProbeSyntaxError:
        complaint = self.miscounted(1)
        found = [":".join(pair) for pair in scope.target.tracepoints() if pair[1] == event]
        if found:
            hint = f"did you mean {' or '.join(f'tracepoint:{name}' for name in found[:3])}?"
            return ProbeSyntaxError(str(complaint), hint)
        return complaint

    def nearest(self, arguments: Sequence[str], scope: ExpandScope) -> Iterable[str]:
        category, event = arguments
        pairs = list(scope.target.tracepoints())
        elsewhere = [":".join(pair) for pair in pairs if pair[1] == event]
        if elsewhere:
            return elsewhere[:3]
        inside = [name for group, name in pairs if group == category]
        if inside:
            return [f"{category}:{name}" for name in did_you_mean(event, inside)]
        groups = did_you_mean(category, {group for group, _name in pairs})
        near = {f"{group}:{event}" for group in groups} & {":".join(pair) for pair in pairs}
        return sorted(near) or [f"{group}:*" for group in groups]

    def share(self, match: Match, scope: ExpandScope, uses: Collection[str]) -> Match:
        category, event = match.data
        assert isinstance(category, str)
        assert isinstance(event, str)
        space = address_space(category)
        if "args" not in uses:
            return match.replace(key=(self.name, space))
        # Events whose records are laid out alike share as well.
        fields = scope.target.tracepoint_format(category, event)
        return match.replace(key=(self.name, space, fields))

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        category, event = match.data
        assert isinstance(category, str)
        assert isinstance(event, str)
        shared = match.key == (self.name, address_space(category))
        fields = None if shared else scope.target.tracepoint_format(category, event)
        return TracepointContext(match, category, event, fields or ())

    def has_cookies(self, scope: ExpandScope) -> bool:
        return True

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        specs = []
        for match in matches:
            category, event = map(str, match.data)
            way = TracepointAttach(category, event, match.cookie)
            specs.append(ProbeSpec(match.name, program, way))
        return specs

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        if len(arguments) == 1:
            category, event = "*", arguments[0]
        elif len(arguments) == 2:
            category, event = arguments
        else:
            return
        for found in _search(category, event, scope.target):
            match = _match(*found)
            yield match.name, match

    def describe(self, match: Match, scope: ExpandScope) -> Sequence[str]:
        category, event = map(str, match.data)
        fields = scope.target.tracepoint_format(category, event) or ()
        return [_declaration(field) for field in fields]


def _search(category: str, event: str, target: Target) -> list[tuple[str, str]]:
    fits_category, fits_event = matcher(category), matcher(event)
    found = [
        pair for pair in target.tracepoints() if fits_category(pair[0]) and fits_event(pair[1])
    ]
    # By full name: a category that begins another one's name does not come first.
    return sorted(found, key=":".join)


def _match(category: str, event: str) -> Match:
    name = f"tracepoint:{category}:{event}"
    return Match(name, (name,), (category, event))


def _declaration(field: TracepointField) -> str:
    type_ = field.type
    if field.location:
        type_ = type_ if type_.endswith("]") else f"{type_}[]"
        if not type_.startswith(field.location):
            type_ = f"{field.location} {type_}"
    array = f"[{field.array}]" if field.array > 0 else "[]" if field.array < 0 else ""
    if type_.endswith("]"):
        array = ""
    return f"{type_} {field.name}{array}"


PROVIDERS = (Tracepoint(),)
