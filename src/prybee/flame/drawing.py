"""From files to a profile or a picture."""

from __future__ import annotations

from prybee.flame import formats
from prybee.flame.profile import ANNOTATIONS, Profile, Quality
from prybee.flame.readers import folded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
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
) -> tuple[Iterator[str], Quality, float]:
    """A picture of the stacks of all files, what was not understood of them, and their weight.

    Args:
        files, kind, reading: as for :func:`read`.
        reverse: the leaves are at the root.
        **look: options of the picture.
    """
    from prybee.flame import pictures

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
    return pictures.draw(stacks, weights, before, reverse=reverse, **look), quality, sum(weights)


def picture(profile: Profile, **look: Any) -> Iterator[str]:
    """A picture of a profile.

    Args:
        profile: what is drawn.
        **look: options of the picture, and ``reverse``.
    """
    from prybee.flame import pictures

    return pictures.draw(*_folded(profile), **look)


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
