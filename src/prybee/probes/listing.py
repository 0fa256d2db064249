"""What ``-l`` and ``-lv`` print: probes that fit a search, or type definitions."""

from __future__ import annotations

import re

from prybee.diagnostics import PrybeeError
from prybee.language import attach_point
from prybee.language.registry import ExpandScope
from prybee.probes import TABLE
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.provider import ProbeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prybee.language.attach_point import AttachPoint
    from prybee.language.config_table import Config
    from prybee.plan.target import Target

_TYPES = re.compile(r"(struct|union|enum)\s+(\S+)\Z")


def list_probes(
    pattern: str,
    target: Target,
    verbose: bool = False,
    *,
    config: Config | None = None,
    pid: int | None = None,
    warnings: Callable[[str], object] | None = None,
) -> Iterator[str]:
    """The lines of a listing, in the order to print.

    Args:
        pattern: what is searched: probes such as ``tracepoint:sched:*``, a word for kernel probes
            of any type, ``struct NAME`` (also ``union``, ``enum``) for types; several with commas;
            empty for all kernel probes.
        target: where to look.
        verbose: with arguments, or members of types.
        config: settings of a script; None for the defaults.
        pid: a process, for probes in the programs it runs.
        warnings: called with what to say of searches that cannot be answered here.

    Raises:
        PrybeeError: the pattern is not what an attach point could be.
    """
    if config is None:
        from prybee.language.config_table import Config as Settings

        config = Settings()
    scope = ExpandScope(target, config, pid)
    for word in _words(pattern):
        types = _TYPES.match(word)
        if types is not None:
            yield from _types(types[1], types[2], target, verbose)
        else:
            yield from _probes(word, scope, verbose)
            if warnings is not None:
                for text in scope.warnings:
                    warnings(text)
            scope.warnings.clear()


def _words(pattern: str) -> list[str]:
    """The searches between commas outside of quotes and parentheses."""
    found = [""]
    depth = 0
    quoted = False
    for letter in pattern:
        if letter == '"':
            quoted = not quoted
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth <= 0 and not quoted:
            found.append("")
        else:
            found[-1] += letter
    return [word.strip() for word in found if word.strip()] or ["*"]


def _probes(word: str, scope: ExpandScope, verbose: bool) -> Iterator[str]:
    try:
        point = attach_point.parse(word if ":" in word else f"*:{word}")
    except attach_point.AttachPointError as failure:
        raise PrybeeError(f"no search for probes: {failure}") from None
    for provider in _searched(point, scope):
        for name, match in provider.search(point.parts, scope):
            yield name
            if verbose and match is not None:
                for line in provider.describe(match, scope):
                    yield f"    {line}"
    if point.provider == "*":
        # Who searches everything does not ask for what this kernel has none of.
        scope.warnings.clear()


def _searched(point: AttachPoint, scope: ExpandScope) -> Sequence[ProbeType]:
    """The probe types that a search goes through.

    A pattern for the type means those of the kernel; those of programs where a path follows, and
    all where everything is searched for a process.
    """
    if not is_pattern(point.provider):
        named = TABLE.get(point.provider) or TABLE.get(point.provider.lower())
        return [named] if isinstance(named, ProbeType) else []
    path = bool(point.parts) and "/" in point.parts[0]
    everything = scope.pid is not None and point.parts == ("*",)
    fits = matcher(point.provider)
    found = [
        each
        for each in _providers()
        if fits(each.name) and (everything or each.of_kernel is not path)
    ]
    entered = [each for each in found if not each.returns]
    # What is entered returns: such probes are listed where only they are meant.
    found = entered or found
    return sorted(found, key=lambda provider: provider.name)


def _providers() -> Iterator[ProbeType]:
    for name in TABLE.names():
        provider = TABLE.get(name)
        assert isinstance(provider, ProbeType)
        yield provider


def _types(kind: str, pattern: str, target: Target, verbose: bool) -> Iterator[str]:
    btf = target.btf
    if btf is None:
        return
    kinds = ("enum", "enum64") if kind == "enum" else (kind,)
    for each in kinds:
        for name in _type_names(each, pattern, target):
            if verbose:
                yield from _definition(f"vmlinux: {btf.definition(btf.find(name, each))}")
            else:
                yield f"{kind} {name}"


def _type_names(kind: str, pattern: str, target: Target) -> Sequence[str]:
    btf = target.btf
    assert btf is not None
    glob = pattern.replace("[", "[[]").replace("?", "[?]")
    names = btf.names(kind, glob)
    return [name for name in names if name and btf.kind(btf.find(name, kind)) == kind]


def _definition(text: str) -> Iterator[str]:
    lines = text.rstrip("\n").split("\n")
    if not lines[-1].endswith(";"):
        lines[-1] += ";"
    yield from lines
    yield ""
