"""Attach points become matches, and matches variants: the programs that a script will have."""

from __future__ import annotations

import re

from prybee.diagnostics import (
    ERROR,
    WARNING,
    Diagnostic,
    NotSupported,
    ScriptError,
    Span,
)
from prybee.language import attach_point, tree
from prybee.language.config_table import Config
from prybee.language.registry import (
    AttachRefused,
    ExpandScope,
    Match,
    NotThere,
    ProbeSyntaxError,
    Provider,
)
from prybee.language.script import Variant
from prybee.language.types import NAMED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from prybee.diagnostics import Source
    from prybee.language.frontend import CompileOptions
    from prybee.language.registry import Registry
    from prybee.plan.target import Target

    # Matches that share a program, where each was written, and whose they are.
    _Group = tuple[Provider, list[Match], list[Span]]

# What a handler may look at that depends on its attach point: name in the script → the word that
# Provider.share() knows.
_USES = {
    "args": "args",
    "ctx": "ctx",
    "retval": "retval",
    "reg": "reg",
    "pc": "reg",
    "usermode": "reg",
    "uaddr": "reg",
    "func": "func",
    "override": "override",
    # Pointers that the verifier knows the types of, wherever they come from.
    "skboutput": "args",
    "socket_cookie": "args",
}
# Functions whose value depends on the very attach point: one program for each, but where its name
# is found by a cookie.
_NAMES = frozenset(("probe", "uaddr"))
_BY_COOKIE = frozenset(("probe",))
_COOKIES = "helper:get_attach_cookie"

_MORE_PROBES = (
    "You can increase the limit through the BPFTRACE_MAX_PROBES environment variable, but BE "
    "CAREFUL since a high number of probes attached can cause your system to crash."
)
_EXPECTED = "If this is expected, set the 'missing_probes' config variable to 'warn'."
_MORE_PROGRAMS = (
    "You can increase the limit through the BPFTRACE_MAX_BPF_PROGS environment variable."
)


# Probes that are run only when asked for.
_TRIALS = ("test", "bench")


def _kind(probe: tree.Probe) -> str:
    """The probe type of a probe's first attach point, in lower case."""
    return probe.attach_points[0].raw.partition(":")[0].lower()


def _name(probe: tree.Probe) -> str:
    return probe.attach_points[0].raw.partition(":")[2]


class Found:
    """One match of a probe block, with the provider and the attach point it came from."""

    __slots__ = ("match", "point", "provider", "span")

    def __init__(self, match: Match, provider: Provider, span: Span) -> None:
        self.match = match
        self.provider = provider
        self.span = span


class ProbeBlock:
    """A probe of the script: what it matches, and the variants that it is compiled as."""

    __slots__ = ("found", "index", "name", "probe", "providers", "spans", "variants")

    def __init__(self, probe: tree.Probe, index: int) -> None:
        self.probe = probe
        self.index = index
        # As the user wrote it, for messages about its losses.
        names = [" || " * point.instead + point.raw for point in probe.attach_points]
        self.name = ", ".join(names).replace(",  || ", " || ")
        self.found: list[Found] = []
        self.variants: list[Variant] = []
        # For each variant: who attaches it, and where its matches were written.
        self.providers: list[Provider] = []
        self.spans: list[list[Span]] = []


class Expansion:
    """Finds what a script's attach points stand for."""

    def __init__(
        self,
        source: Source,
        target: Target,
        registry: Registry,
        config: Config,
        options: CompileOptions,
    ) -> None:
        self.source = source
        self.registry = registry
        self.config = config
        self.options = options
        self.scope = ExpandScope(target, config, options.pid, options.child, options.unsafe)
        self.blocks: list[ProbeBlock] = []
        # Functions of the script, which any handler may call.
        self.functions: list[tree.Subprogram] = []
        # (name, reason) of attach points that were left out.
        self.skipped: list[tuple[str, str]] = []
        # The alternatives that the attach point being expanded stands in for.
        self._tried: list[str] = []
        self._errors: list[Diagnostic] = []
        self._warnings: list[Diagnostic] = []

    def match(self, program: tree.Program, warnings: list[Diagnostic]) -> None:
        """Find the matches of all probes; those without any are left out of :attr:`blocks`.

        Raises:
            ScriptError: unknown probe types, malformed or missing probes.
        """
        self._warnings = warnings
        self.functions = program.subprograms
        probes = self._wanted(program.probes)
        chosen = "" if self.options.mode else self.options.probe_filter
        for probe in probes:
            block = ProbeBlock(probe, len(self.blocks))
            before = len(self._errors)
            seen: set[object] = set()
            hints: list[str] = []
            for points in _alternatives(probe):
                hints += self._point(block, self._first(points), seen)
            if block.found:
                if chosen:
                    block.found = [
                        found
                        for found in block.found
                        if found.provider.special or re.search(chosen, found.match.name)
                    ]
                if block.found:
                    self.blocks.append(block)
            elif len(self._errors) == before:
                self._nothing(probe, hints)
        if self._errors:
            raise ScriptError([*self._errors, *warnings])
        if not self.blocks:
            # What was left out, and why, explains it.
            raise ScriptError([*warnings, self._no_blocks(program)])

    def _wanted(self, probes: list[tree.Probe]) -> list[tree.Probe]:
        """Those that take part: tests and benchmarks only where they are asked for, and then
        nothing that has to be attached."""
        mode = self.options.mode
        if not mode:
            return [probe for probe in probes if _kind(probe) not in _TRIALS]
        kept = [probe for probe in probes if _kind(probe) in (mode, "begin", "end")]
        if self.options.probe_filter:
            wanted = re.compile(self.options.probe_filter)
            kept = [p for p in kept if _kind(p) != mode or wanted.search(_name(p))]
        return kept

    def _no_blocks(self, program: tree.Program) -> Diagnostic:
        kinds = {_kind(probe) for probe in program.probes}
        for kind in _TRIALS:
            if kind in kinds and self.options.mode != kind:
                message = f"No probes attached; use --{kind} to run {kind} probes."
                return Diagnostic(ERROR, message)
        # Nothing is wrong with the script: bpftrace says this without a severity.
        return Diagnostic("", "No probes to attach")

    def _first(self, points: list[tree.AttachPoint]) -> tree.AttachPoint:
        """Of alternatives the first that has matches here; the last where none has."""
        self._tried = []
        for point in points[:-1]:
            if self._is_there(point):
                return point
            self._tried.append(point.raw)
        return points[-1]

    def _is_there(self, point: tree.AttachPoint) -> bool:
        """Whether an attach point has matches; yes where it makes no sense, for that to be said."""
        config = Config()
        config.__dict__.update(self.config.__dict__)
        config.missing_probes = "ignore"  # Then what cannot be attached has no matches either.
        scope = ExpandScope(
            self.scope.target, config, self.scope.pid, self.scope.child, self.scope.unsafe
        )
        try:
            parsed = attach_point.parse(point.raw, point.start, self.options.positional)
            provider = self.registry.providers.get(parsed.provider)
            return provider is None or bool(provider.expand(parsed, scope))
        except (AttachRefused, NotSupported, NotThere):
            return False
        except (attach_point.AttachPointError, ProbeSyntaxError):
            return True

    def _point(
        self, block: ProbeBlock, point: tree.AttachPoint, seen: set[object]
    ) -> tuple[str, ...]:
        """Find the matches of an attach point; hints for its user where it has none."""
        span = point.span(self.source)
        try:
            parsed = attach_point.parse(point.raw, point.start, self.options.positional)
        except attach_point.AttachPointError as failure:
            self._errors.append(Diagnostic(ERROR, str(failure), span))
            return ()
        provider = self.registry.providers.get(parsed.provider)
        if provider is None:
            from prybee.language import slips

            names = list(self.registry.providers.names())
            hints = slips.probe_type(point.raw, names, self.scope.target.tracepoints())
            self._errors.append(
                Diagnostic(ERROR, f"Invalid probe type: {parsed.provider}", span, hints)
            )
            return ()
        try:
            matches = provider.expand(parsed, self.scope)
            complaint = provider.missing(parsed, self.scope) if not matches else ("", ())
        except AttachRefused as failure:
            # The reason stands alone: its second line is what to do.
            self._errors.append(Diagnostic(ERROR, str(failure)))
            message = f"Unable to attach probe: {failure.name}. {_EXPECTED}"
            self._errors.append(Diagnostic(ERROR, message, span))
            return ()
        except ProbeSyntaxError as failure:
            self._errors.append(Diagnostic(ERROR, str(failure), span, failure.hints))
            return ()
        except NotSupported as failure:
            hints = (failure.instead,) if failure.instead else ()
            message = f"{failure.feature}: {failure.why}"
            self._errors.append(Diagnostic(ERROR, message, span, hints))
            return ()
        said = {each.message for each in self._warnings}
        for text in self.scope.warnings:
            if text not in said:
                self._warnings.append(Diagnostic(WARNING, text, span))
        self.scope.warnings.clear()
        for match in matches:
            # A USDT probe has a match for each form of its arguments; a program may have several
            # functions of one name.
            what = (match.name, match.key, provider.places(match))
            if what not in seen:
                seen.add(what)
                block.found.append(Found(match, provider, span))
        if matches:
            return ()
        self._missing(parsed, span, *complaint)
        return complaint[1]

    def _missing(
        self,
        point: attach_point.AttachPoint,
        span: Span,
        message: str,
        hints: tuple[str, ...],
    ) -> None:
        """No match for an attach point: an error unless the script wants otherwise."""
        if self._tried:
            hints = (*hints, f"there is no {' and no '.join(self._tried)} either")
        policy = self.config.missing_probes
        if policy == "error":
            if message:
                self._errors.append(Diagnostic(ERROR, message, span, hints))
            return
        reason = message or f"No matches for {point}."
        self.skipped.append((point.raw, reason))
        if policy == "warn" and message:
            self._warnings.append(Diagnostic(WARNING, f"{message} Skipping.", span, hints))

    def _nothing(self, probe: tree.Probe, hints: Sequence[str]) -> None:
        """No match for a whole probe."""
        span = probe.span(self.source)
        if self.config.missing_probes == "error":
            self._errors.append(
                Diagnostic(
                    ERROR,
                    f"Probe has no valid attach points. {_EXPECTED}",
                    span,
                    tuple(hints),
                )
            )
        elif self.config.missing_probes == "warn":
            self._warnings.append(
                Diagnostic(
                    WARNING,
                    "Probe has no valid attach points. It is being removed which may cause "
                    "issues with program behavior.",
                    span,
                )
            )

    def limit(self) -> None:
        """Refuse more probes than the settings allow.

        Raises:
            ScriptError: there are.
        """
        wanted = sum(len(block.found) for block in self.blocks)
        limit = self.config.max_probes
        if wanted > limit:
            raise ScriptError(
                [
                    Diagnostic(
                        ERROR,
                        f"Can't attach to {wanted} probes because it exceeds the current limit "
                        f"of {limit} probes.",
                        None,
                        (_MORE_PROBES,),
                    )
                ]
            )


def _alternatives(probe: tree.Probe) -> list[list[tree.AttachPoint]]:
    """The attach points of a probe, those with ``||`` between them together."""
    found: list[list[tree.AttachPoint]] = []
    for point in probe.attach_points:
        if point.instead:
            found[-1].append(point)
        else:
            found.append([point])
    return found


def expand(expansion: Expansion, registry: Registry) -> list[ProbeBlock]:
    """Give each block its variants: as few programs as its handler allows.

    The tree must be resolved: which builtins a handler uses decides.

    Raises:
        ScriptError: more programs, or more probes, than the settings allow.
    """
    programs = 0
    limit = expansion.config.max_bpf_progs
    shared = []
    # Programs are counted first: more of them take more than more probes do.
    for block in expansion.blocks:
        uses, names = _uses(block.probe, expansion.functions)
        groups = _groups(block, expansion.scope, uses, names)
        shared.append((block, groups, bool(names)))
        programs += len(groups)
        if programs > limit:
            raise _too_many(block, expansion.source, programs, limit, names)
    expansion.limit()
    for block, groups, named in shared:
        _expand_block(block, groups, named, expansion.scope)
    return expansion.blocks


def _too_many(
    block: ProbeBlock, source: Source, programs: int, limit: int, names: Collection[str]
) -> ScriptError:
    message = (
        f"Your program is trying to generate more than {programs} BPF programs, which exceeds the "
        f"current limit of {limit}"
    )
    fewer = "a narrower pattern takes fewer of them"
    if names:
        fewer += f", and so does a handler without '{min(names)}'"
    span = block.probe.span(source)
    return ScriptError([Diagnostic(ERROR, message, span, (_MORE_PROGRAMS, fewer))])


def _groups(
    block: ProbeBlock, scope: ExpandScope, uses: frozenset[str], names: frozenset[str]
) -> list[_Group]:
    """The matches of a block by the programs that they can share."""
    cookies = len(block.found) > 1 and names == _BY_COOKIE and scope.target.has(_COOKIES)
    groups: dict[object, _Group] = {}
    for found in block.found:
        provider, match = found.provider, found.match
        match = provider.share(match, scope, uses)
        apart = names and not (cookies and provider.has_cookies(scope))
        key = (provider.names[0], match.key, match.name if apart else "")
        group = groups.get(key)
        if group is None:
            group = groups[key] = (provider, [], [])
        group[1].append(match)
        group[2].append(found.span)
    return list(groups.values())


def _expand_block(
    block: ProbeBlock, groups: Sequence[_Group], named: bool, scope: ExpandScope
) -> None:
    for provider, shared, spans in groups:
        matches = provider.together(shared, scope)
        try:
            context = provider.context(matches[0], scope)
        except ProbeSyntaxError as failure:
            error = Diagnostic(ERROR, str(failure), spans[0], failure.hints)
            raise ScriptError([error]) from None
        if named and len(matches) > 1:
            matches, context.names = _told_apart(matches)
        block.variants.append(Variant(block.probe, block.index, context, matches))
        block.providers.append(provider)
        block.spans.append(spans)


def _told_apart(matches: Sequence[Match]) -> tuple[list[Match], tuple[str, ...]]:
    """Matches with cookies that tell their names apart, and the names by these cookies."""
    # A probe may have several matches (USDT probes have one for each form of their arguments).
    numbers: dict[str, int] = {}
    told = [match.replace(cookie=numbers.setdefault(match.name, len(numbers))) for match in matches]
    return told, tuple(numbers) if len(numbers) > 1 else ()


def _registers(node: tree.Call, name: str) -> Iterator[str]:
    """The words for the registers that a call reads."""
    if name in ("pc", "usermode"):
        yield f"reg:{name}"
    elif name == "reg":
        yield from [f"reg:{each.value}" for each in node.args if isinstance(each, tree.String)]


def _uses(
    probe: tree.Probe, functions: Sequence[tree.Subprogram]
) -> tuple[frozenset[str], frozenset[str]]:
    """What of its context a handler looks at, and what depends on its very attach point."""
    uses: set[str] = set()
    names: set[str] = set()
    parts: list[tree.Node] = [probe.body, *functions]
    if probe.predicate is not None:
        parts.append(probe.predicate)
    for part in parts:
        for node in tree.walk(part):
            if isinstance(node, tree.TypeName) and (node.tag or node.name not in NAMED):
                uses.add("types")
            if not isinstance(node, tree.Call):
                continue
            name = node.name.removeprefix("__builtin_")
            if name in _NAMES:
                names.add(name)
            elif name in _USES:
                uses.add(_USES[name])
                uses.update(_registers(node, name))
            elif name.startswith("arg") and name[3:].isdecimal():
                uses.add("arg")
    return frozenset(uses), frozenset(names)
