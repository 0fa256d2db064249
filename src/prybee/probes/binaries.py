"""Object files that user-space probes name: finding them, and what to say when there are none."""

from __future__ import annotations

from prybee.diagnostics import did_you_mean
from prybee.language.registry import ExpandScope, NotThere, ProbeSyntaxError
from prybee.plan.plan import ProbeSpec, UprobeAttach, UprobeMultiAttach
from prybee.probes.patterns import is_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.elf import ElfFile

MULTI_ATTACH_TYPE = "trace_uprobe_multi"
# More names than this are not compared for a hint: it would take longer than the rest.
_MOST_COMPARED = 2000


class Place:
    """A place in a file to attach to. ``name`` is the full name of the probe it belongs to.

    ``counted`` is 1, or 0 where another place of that probe counts for it already.  ``cookie`` is
    what the program is given there.
    """

    __slots__ = ("cookie", "counted", "name", "offset", "path", "semaphore")

    def __init__(
        self,
        name: str,
        path: str,
        offset: int,
        semaphore: int = 0,
        counted: int = 1,
        cookie: int = 0,
    ) -> None:
        self.name = name
        self.path = path
        self.offset = offset
        self.semaphore = semaphore
        self.counted = counted
        self.cookie = cookie


def target_files(
    provider: str, text: str, scope: ExpandScope, running: bool = False
) -> list[tuple[str, ElfFile]]:
    """The files that the first argument of a probe means, with their paths.

    A pattern means all object files it fits, perhaps none; anything else the first one found.

    Raises:
        ProbeSyntaxError: nothing is named, or a single file is named and cannot be used.
    """
    if not text:
        raise ProbeSyntaxError(f"{provider} should have a target")
    paths = find_paths(text, scope, running)
    found: list[tuple[str, ElfFile]] = []
    for path in paths:
        elf = scope.target.elf(path)
        if elf is not None:
            found.append((path, elf))
    if is_pattern(text):
        return found
    if not found:
        reason = scope.target.elf_problem(paths[0]) if paths else ""
        raise _unusable(provider, text, reason)
    if len(found) > 1:
        scope.warnings.append(
            f"attaching to {provider} target file '{found[0][0]}' but matched {len(found)} binaries"
        )
    return found[:1]


def plain_file(text: str, scope: ExpandScope) -> str:
    """The one file of that name which is no object file, only code; empty for others."""
    paths = () if is_pattern(text) else find_paths(text, scope)
    return paths[0] if len(paths) == 1 and scope.target.elf(paths[0]) is None else ""


def find_paths(text: str, scope: ExpandScope, running: bool = False) -> Sequence[str]:
    """Paths of what ``text`` names.

    ``*`` with -p is all that the process has mapped; without, the programs on PATH, and with
    ``running`` also what any process has mapped.
    """
    # The child of -c has not started its program yet, so it sees what we see.
    pid = None if scope.child else scope.pid
    if text == "*" and pid is not None:
        return scope.target.uprobe_binaries(pid)
    if text == "*" and running:
        return scope.target.all_binaries()
    return scope.target.resolve_binary(text, pid)


def _unusable(provider: str, text: str, reason: str) -> NotThere:
    message = f"{provider} target file '{text}' does not exist or is not executable"
    if reason:
        return NotThere(message, f"the file {reason}")
    if "/" in text:
        return NotThere(message)
    return NotThere(message, "give a path, a command, or a library's short name such as libc")


def near(word: str, names: Iterable[str]) -> tuple[str, ...]:
    """Names like ``word``; quick even among those of a large library."""
    length = len(word)
    plain = word.strip("_").lower()
    candidates = [
        name
        for name in names
        if abs(len(name) - length) <= 3
        and (name.strip("_").lower()[:2] == plain[:2] or name[-3:] == word[-3:])
    ]
    return did_you_mean(word, candidates[:_MOST_COMPARED])


def probe_specs(
    places: Sequence[Place],
    program: str,
    scope: ExpandScope,
    multi: bool,
    returns: bool = False,
) -> list[ProbeSpec]:
    """How a program is attached to all of ``places``: one link a file, or one link a place.

    Args:
        places: in the order to attach.
        program: its name in the plan.
        scope: for the process to attach to.
        multi: whether the program was made for links with many places.
        returns: attach where the function returns.
    """
    pid = scope.pid
    places = [_in_file(place, scope) for place in places]
    if not multi:
        return [_one(place, program, returns, -1 if pid is None else pid) for place in places]
    by_path: dict[str, list[Place]] = {}
    for place in places:
        by_path.setdefault(place.path, []).append(place)
    return [_many(path, group, program, returns, pid or 0) for path, group in by_path.items()]


def _in_file(place: Place, scope: ExpandScope) -> Place:
    """The same place in a file that the kernel knows: an archive is one, its members are not."""
    elf = scope.target.elf(place.path)
    if elf is None or not elf.start:
        return place
    semaphore = place.semaphore + elf.start if place.semaphore else 0
    offset = place.offset + elf.start
    return Place(place.name, elf.container, offset, semaphore, place.counted, place.cookie)


def _one(place: Place, program: str, returns: bool, pid: int) -> ProbeSpec:
    way = UprobeAttach(place.path, place.offset, returns, place.semaphore, place.cookie, pid)
    return ProbeSpec(place.name, program, way, count=place.counted)


def _many(path: str, places: Sequence[Place], program: str, returns: bool, pid: int) -> ProbeSpec:
    names = list(dict.fromkeys(place.name for place in places))
    name = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    semaphores = tuple(place.semaphore for place in places)
    cookies = tuple(place.cookie for place in places)
    way = UprobeMultiAttach(
        path,
        tuple(place.offset for place in places),
        returns,
        semaphores if any(semaphores) else (),
        cookies if any(cookies) else (),
        pid,
    )
    return ProbeSpec(name, program, way, count=sum(place.counted for place in places))
