"""From files to a profile or a picture."""

from __future__ import annotations

from prybee.flame import formats
from prybee.flame.layout import BETWEEN, Stacks
from prybee.flame.profile import ANNOTATIONS, Profile, Quality
from prybee.flame.readers import folded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from io import BufferedReader
    from typing import Any


def read(
    files: Sequence[BufferedReader],
    kind: str | None,
    reading: Mapping[str, Any],
    *,
    samples: bool = False,
) -> Profile:
    """The stacks of all files in one profile.

    Args:
        files: what is read.
        kind: their format; None to find each one's.
        reading: options of the reader for ``perf script``; the others have none.
        samples: keep them one by one, where all files tell them.

    Raises:
        FormatError: a format that is not known.
    """
    whole: Profile | None = None
    for file in files:
        format_ = _format(file, kind)
        own = {**reading, "samples": True} if samples and format_.samples else reading
        one = _profile(file, format_, own)
        if whole is None:
            whole = one
            continue
        whole.join(one)
    return whole if whole is not None else Profile()


def draw(
    files: Sequence[BufferedReader],
    kind: str | None,
    *,
    reverse: bool,
    reading: Mapping[str, Any],
    **look: Any,
) -> tuple[Iterator[str], Quality]:
    """A picture of the stacks of all files, and what was not understood of them.

    Args:
        files, kind, reading: as for :func:`read`.
        reverse: the leaves are at the root.
        **look: options of the picture.
    """
    stacks: list[bytes] = []
    weights: list[float] = []
    before: list[float] = []
    quality = Quality()
    for file in files:
        each = _format(file, kind)
        old: list[float] = []
        if each.name == "folded":
            # What is only to be drawn need not be taken apart.
            found, some, old = folded.parse(file, quality)
        else:
            profile = _profile(file, each, reading)
            found, some = _folded(profile)
            quality.join(profile.quality)
        if old or before:
            before = [*(before or weights), *(old or some)]
        stacks += found
        weights += some
    if reverse:
        stacks = [b";".join(reversed(stack.split(b";"))) for stack in stacks]
    deltas = [new - old for new, old in zip(weights, before, strict=True)] if before else []
    return _picture(stacks, weights, deltas, look), quality


def picture(profile: Profile, **look: Any) -> Iterator[str]:
    """A picture of a profile.

    Args:
        profile: what is drawn.
        **look: options of the picture.
    """
    return _picture(*_folded(profile), [], look)


def _picture(
    stacks: Sequence[bytes],
    weights: Sequence[float],
    deltas: Sequence[float],
    look: Mapping[str, Any],
) -> Iterator[str]:
    from prybee.flame.writers import svg

    keys = [stack.replace(b";", BETWEEN) for stack in stacks]
    return svg.write(Stacks(keys, weights, deltas), svg.Options(**look))


def attributes(lines: Iterable[str]) -> dict[str, dict[str, str]]:
    """The file of ``--nameattr``: a function, then ``name=value`` with tabs between.

    Raises:
        FormatError: a line without a value.
    """
    found: dict[str, dict[str, str]] = {}
    for number, line in enumerate(lines, 1):
        function, *given = line.rstrip("\n").split("\t")
        if not given or not all("=" in each for each in given):
            raise formats.FormatError(f"line {number} of --nameattr is no FUNCTION<tab>NAME=VALUE…")
        found[function] = {name: value for name, _, value in (e.partition("=") for e in given)}
    return found


def _format(file: BufferedReader, name: str | None) -> formats.Format:
    if name is not None:
        return formats.BY_NAME[name]
    return formats.guess(file.peek(formats.HEAD))


def _profile(file: BufferedReader, format_: formats.Format, reading: Mapping[str, Any]) -> Profile:
    own = {name: value for name, value in reading.items() if name == "samples"}
    return format_.read(file, **(reading if format_.name == "perf" else own))


def _folded(profile: Profile) -> tuple[list[bytes], list[float]]:
    names = [
        (frame.name + ANNOTATIONS.get(frame.kind, "")).encode(errors="surrogateescape")
        for frame in profile.frames
    ]
    stacks = [b";".join([names[number] for number in stack]) for stack in profile.weights]
    return stacks, list(profile.weights.values())
