"""From files to a profile or a picture."""

from __future__ import annotations

from io import BytesIO

from prybee.flame import doubts, formats, inputs
from prybee.flame.layout import BETWEEN
from prybee.flame.missing import sentences
from prybee.flame.profile import ANNOTATIONS, Profile, Quality
from prybee.flame.readers import folded as reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from io import BufferedReader
    from typing import Any

# Options that change stacks of any format, and those that nobody misses.
_CHANGES = ("skip_after", "recursive")
_EVERYWHERE = (*_CHANGES, "samples", "compat")


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
        reading: options of readers, and ``skip_after`` and ``recursive`` (see
            :mod:`prybee.flame.shaping`).
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
    if whole is None:
        return Profile()
    doubts.note(whole)
    return _shaped(whole, reading)


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

    ready = pictures.as_they_are(reverse=reverse, **look)
    found, weights, before, quality = stacks(files, kind, reading, BETWEEN if ready else b"")
    parts = pictures.draw(
        found, weights, before, reverse=reverse, ready=ready, missing=sentences(quality), **look
    )
    return parts, quality, sum(weights)


def stacks(
    files: Sequence[BufferedReader],
    kind: str | None,
    reading: Mapping[str, Any],
    between: bytes = b"",
) -> tuple[list[bytes], list[float], list[float], Quality]:
    """The stacks of all files as folded ones, not taken apart where that can be.

    Args:
        files, kind, reading: as for :func:`read`.
        between: what is to be between names in place of ``;``: then stacks need not be in the
            order of the input.

    Returns:
        Stacks, their weights, the weights before if a file has any, and what was not understood.
    """
    all_stacks: list[bytes] = []
    weights: list[float] = []
    before: list[float] = []
    quality = Quality()
    for file in files:
        each = _format(file, kind)
        old: list[float] = []
        if each.name == "folded" and not ({*reading} & {*_CHANGES}):
            # What is only to be drawn need not be taken apart.
            text = file.read() if between else b""
            if between and (ordered := reader.ordered(text, between)) is not None:
                found, some = ordered
            else:
                found, some, old = reader.parse(BytesIO(text) if between else file, quality)
                if between:
                    found = [stack.replace(b";", between) for stack in found]
            if damage := inputs.damage(file):
                quality.reject(0, damage)
        else:
            profile = _shaped(_profile(file, each, reading), reading)
            found, some = folded(profile, between or b";")
            quality.join(profile.quality)
        if old or before:
            before = [*(before or weights), *(old or some)]
        all_stacks += found
        weights += some
    return all_stacks, weights, before, quality


def picture(profile: Profile, **look: Any) -> Iterator[str]:
    """A picture of a profile.

    Args:
        profile: what is drawn.
        **look: options of the picture, and ``reverse``.
    """
    from prybee.flame import pictures

    return pictures.draw(*folded(profile), missing=sentences(profile.quality), **look)


def _format(file: BufferedReader, name: str | None) -> formats.Format:
    if name is not None:
        return formats.BY_NAME[name]
    return formats.guess(file.peek(formats.HEAD))


def _profile(file: BufferedReader, format_: formats.Format, reading: Mapping[str, Any]) -> Profile:
    profile = format_.read(file, **reading)
    if damage := inputs.damage(file):
        profile.quality.reject(0, damage)
    unknown = sorted({*reading} - {*format_.options, *_EVERYWHERE})
    if unknown:
        names = ", ".join(name.replace("_", "-") for name in unknown)
        profile.quality.notes.append(f"options that mean nothing for {format_.name}: {names}")
    return profile


def _shaped(profile: Profile, reading: Mapping[str, Any]) -> Profile:
    """What is changed of stacks, whatever they come from."""
    from prybee.flame import shaping

    if reading.get("skip_after"):
        shaping.skip_after(profile, reading["skip_after"])
    if reading.get("recursive"):
        shaping.merge_recursion(profile)
    return profile


def folded(profile: Profile, between: bytes = b";") -> tuple[list[bytes], list[float]]:
    """The stacks of a profile as folded ones, with all annotations, and their weights.

    Args:
        profile: whose stacks.
        between: what stands between the names.
    """
    names = [
        (frame.name.replace(";", ":") + ANNOTATIONS.get(frame.kind, "")).encode(
            errors="surrogateescape"
        )
        for frame in profile.frames
    ]
    stacks = [between.join([names[number] for number in stack]) for stack in profile.weights]
    return stacks, list(profile.weights.values())
