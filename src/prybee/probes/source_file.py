"""Functions by the source file that they come from: ``kprobe:@fs/open.c``, ``uprobe:FILE@SOURCE``.

The units of debug information name their source files and the ranges of their code, and symbol
tables have the functions there.  A source file is given by the end of its path, whole components of
it, or by a pattern for that; ``*`` stands for any text as elsewhere, ``/`` included.
"""

from __future__ import annotations

from prybee.diagnostics import PrybeeError, did_you_mean
from prybee.language.registry import ExpandScope, ProbeSyntaxError
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.provider import meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from prybee.elf import Symbol
    from prybee.language.registry import Match, Provider
    from prybee.plan.target import Target

_KERNEL = "vmlinux"
# Packages that have the kernel's debug information, by distribution.
_PACKAGES = (
    "the package linux-image-{0}-dbg (Debian), linux-image-{0}-dbgsym (Ubuntu), kernel-debuginfo "
    "(Fedora) or kernel-default-debuginfo (SUSE) has it; --debuginfo FOLDER says where else it is"
)


def functions(path: str, source: str, scope: ExpandScope) -> list[Symbol]:
    """The functions of an object file that come from a source file, or from several.

    Args:
        path: the object file.
        source: the end of the source file's path, or a pattern.
        scope: for the target.

    Raises:
        ProbeSyntaxError: there is no debug information, or no such source file.
    """
    from prybee.dwarf import sources

    elf = scope.target.elf(path)
    try:
        info = scope.target.debug_info(path)
        if info is None or elf is None:
            raise ProbeSyntaxError(
                f"No DWARF debug info found for '{path}', cannot attach by source file",
                "compile it with -g, or install its debug file",
            )
        made_from = info.made_from()
        fits = _fitting(source)
        units = [unit for name, unit in made_from if fits(name)]
        if not units:
            raise ProbeSyntaxError(
                f"no source file of '{path}' is called {source}",
                *meant(_nearest(source, [name for name, _unit in made_from])),
            )
        return elf.functions_in(sources.code(units))
    except PrybeeError as error:
        raise ProbeSyntaxError(str(error)) from None


def taken_off(parts: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The parts of a probe of the kernel without its source file, and that file; empty for none.

    ``@fs/open.c`` alone has all functions of the file.
    """
    first, at, source = parts[0].partition("@")
    if not at:
        return tuple(parts), ""
    behind = tuple(parts[1:]) or ("*",)
    return ((first, *behind) if first else behind), source


def of_kernel(source: str, provider: str, module: str, scope: ExpandScope) -> frozenset[str]:
    """Names of the kernel's functions that come from a source file; as :func:`functions`.

    Args:
        source: the end of its path, or a pattern.
        provider: the probe type, for messages.
        module: the one that was written before it; empty for the kernel itself.
        scope: for the target.

    Raises:
        ProbeSyntaxError: the kernel's debug information is not there, or knows no such file.
    """
    if is_pattern(module):
        raise ProbeSyntaxError(
            f"{provider}: a source file belongs to one module, or to the kernel",
            f"write it as {provider}:MODULE@{source}, or {provider}:@{source} for the kernel's",
        )
    target = scope.target
    module = "" if module == _KERNEL else module
    path = target.kernel_debug_file(module)
    if path:
        return frozenset([symbol.name for symbol in functions(path, source, scope)])
    places = target.kernel_debug_places(module)
    whose = f"module {module}'s" if module else "the kernel's"
    raise ProbeSyntaxError(
        f"which functions come from {source} is told by {whose} debug information, and there "
        "is none",
        *([f"it was looked for at {', '.join(places)}"] if places else ()),
        _PACKAGES.format(target.release or "RELEASE"),
        *_instead(f"{module}/{source}", provider, target),
    )


def warn_of_others(functions: Collection[str], scope: ExpandScope) -> None:
    """Says so where functions of the kernel share their names with others, of other files."""
    if also := sorted(set(functions).intersection(scope.target.repeated_functions())):
        scope.warnings.append(
            f"{', '.join(also)}: other source files have functions called so, which are probed "
            "as well"
        )


def searched(
    provider: Provider, arguments: Sequence[str], scope: ExpandScope
) -> list[tuple[str, Match]]:
    """What a search by source file finds, by name; what is wrong with it becomes a warning."""
    from prybee.language.attach_point import AttachPoint

    name = provider.names[0]
    point = AttachPoint(":".join((name, *arguments)), name, tuple(arguments))
    try:
        found = [(match.name, match) for match in provider.expand(point, scope)]
    except ProbeSyntaxError as failure:
        scope.warnings.append("\nHINT: ".join((str(failure), *failure.hints)))
        return []
    return sorted(found, key=lambda pair: pair[0])


def _fitting(source: str) -> Callable[[str], object]:
    end = source.removeprefix("./").lstrip("/")
    whole, behind = matcher(source), matcher(f"*/{end}")
    return lambda name: whole(name) or behind(name) or name == end


def _nearest(source: str, names: Sequence[str]) -> list[str]:
    """Files whose own names are like that of ``source``, with as much of their paths."""
    depth = source.strip("/").count("/") + 1
    ends: dict[str, str] = {}
    for name in names:
        ends.setdefault(name.rpartition("/")[2], "/".join(name.split("/")[-depth:]))
    return [ends[near] for near in did_you_mean(source.rpartition("/")[2], ends)]


def _instead(source: str, provider: str, target: Target) -> tuple[str, ...]:
    """What comes near to a source file without debug information: a module, or a pattern."""
    known = target.kernel_functions() or ()
    words = source.removesuffix(".c").replace("*", "").split("/")
    modules = {module for module, _name in known}
    for word in reversed(words):
        if word in modules and word != _KERNEL:
            return (f"without it, {provider}:{word}:* has all functions of that module",)
    stem = next((word for word in reversed(words) if word), "")
    if stem and any(name.startswith(f"{stem}_") for _module, name in known):
        return (f"without it, {provider}:{stem}_* has the functions that are called so",)
    return (f"without it, a pattern for the functions' names comes near: {provider}:NAME*",)
