"""Writes folded stacks: a line per stack, its frames with ``;`` between, and the weight."""

from __future__ import annotations

from prybee.flame.profile import ANNOTATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from prybee.flame.profile import Profile


def lines(profile: Profile, annotate: Collection[str] = ()) -> Iterator[str]:
    """The lines, sorted, without their ends.

    Args:
        profile: what is written; with both weights if it is compared with another.
        annotate: kinds of frames whose names get their annotations (``_[k]`` …).
    """
    after = _merged(profile, annotate)
    if profile.before is None:
        for text in sorted(after):
            yield f"{text} {number(after[text])}"
        return
    before = _merged(profile.before, annotate)
    for text in sorted({*before, *after}):
        yield f"{text} {number(before.get(text, 0))} {number(after.get(text, 0))}"


def _merged(profile: Profile, annotate: Collection[str]) -> dict[str, float]:
    """Weights by stacks; frames that differ in what is not written are one here."""
    names = [
        frame.name.replace(";", ":") + (ANNOTATIONS[frame.kind] if frame.kind in annotate else "")
        for frame in profile.frames
    ]
    merged: dict[str, float] = {}
    for stack, weight in profile.weights.items():
        text = ";".join([names[number] for number in stack])
        merged[text] = merged.get(text, 0) + weight
    return merged


def write(profile: Profile, title: str = "") -> Iterator[str]:
    """The whole text, in parts; all names have their annotations.

    Args:
        profile: what is written.
        title: has no place here.
    """
    return (line + "\n" for line in lines(profile, ANNOTATIONS))


def number(weight: float) -> str:
    """A weight: without a fraction if it has none."""
    if type(weight) is int:
        return str(weight)
    return str(int(weight)) if weight == int(weight) else f"{weight:.6f}".rstrip("0")
