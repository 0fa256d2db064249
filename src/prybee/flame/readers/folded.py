"""Reads folded stacks: ``frame;frame;frame weight`` or, of two profiles, two weights."""

from __future__ import annotations

import re

from prybee.flame.profile import ANNOTATIONS, PLAIN, Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.flame.profile import Quality

_LINE = re.compile(rb"\S.* \d+(\.\d*)?\s*$")
# Two weights behind a stack.
_TWO = re.compile(rb" [0-9.]+ [0-9.]+\s*$", re.MULTILINE)
_KINDS = {annotation: kind for kind, annotation in ANNOTATIONS.items()}


def probe(head: bytes) -> bool | None:
    """Whether a text begins as folded stacks do."""
    lines = [line for line in head.splitlines()[:20] if line.strip() and line[:1] != b"#"]
    if not lines:
        return None
    fit = [_LINE.match(line) is not None for line in lines[: len(lines) - (len(lines) > 1)]]
    if not all(fit):
        return False
    return True if any(b";" in line for line in lines) else None


def ordered(text: bytes, between: bytes) -> tuple[list[bytes], list[float]] | None:
    """Stacks and their weights out of a text whose lines are all of the usual form.

    Args:
        text: whole lines.
        between: what shall stand between the names of a stack: one character.

    Returns:
        Nearly in the order of the stacks: only those that go on where another ends may come before
        it. None if any line needs more care, or has two weights.
    """
    if _TWO.search(text):
        return None
    lines = text.translate(bytes.maketrans(b";", between)).removesuffix(b"\n").split(b"\n")
    # Before they are taken apart: then nothing has to be moved along.
    lines.sort()
    parts = [line.rpartition(b" ") for line in lines]
    stacks = [stack for stack, _, _ in parts]
    try:
        weights: list[float] = [*map(int, [weight for _, _, weight in parts])]
    except ValueError:
        return None
    return (stacks, weights) if all(stacks) else None


def parse(lines: Iterable[bytes], quality: Quality) -> tuple[list[bytes], list[float], list[float]]:
    """Takes lines apart without looking into the stacks.

    Args:
        lines: with or without their ends.
        quality: counts what cannot be understood.

    Returns:
        Stacks as they stand, their weights, and the weights before; the last list is empty if no
        line has two. Where some have, the others count as unchanged.
    """
    stacks: list[bytes] = []
    weights: list[float] = []
    before: dict[int, float] = {}
    for number, line in enumerate(lines, 1):
        stack, _, text = line.rstrip().rpartition(b" ")
        try:
            weight: float = int(text)
        except ValueError:
            try:
                weight = float(text) if b"." in text else _refuse()
            except ValueError:
                if line.strip() and not line.startswith(b"#"):
                    quality.reject(number, line.decode(errors="replace").rstrip())
                continue
        if not stack:
            quality.reject(number, line.decode(errors="replace").rstrip())
            continue
        if stack[-1:].isdigit() and b" " in stack:
            rest, _, first = stack.rpartition(b" ")
            if first.replace(b".", b"", 1).isdigit() and rest:
                before[len(stacks)] = float(first) if b"." in first else int(first)
                stack = rest
        stacks.append(stack)
        weights.append(weight)
    old = [before.get(number, weight) for number, weight in enumerate(weights)] if before else []
    return stacks, weights, old


def _refuse() -> float:
    raise ValueError


def read(lines: Iterable[bytes]) -> Profile:
    """Reads stacks.

    Args:
        lines: with or without their ends.

    Returns:
        The profile; ``before`` is set if lines have two weights. Annotations at the end of names
        (``_[k]``) are taken off and kept as kinds.
    """
    profile = Profile()
    stacks, weights, old = parse(lines, profile.quality)
    known: dict[bytes, int] = {}
    _add(profile, known, stacks, weights)
    if old:
        profile.before = profile.empty()
        _add(profile.before, known, stacks, old)
    profile.annotated = {each.kind for each in profile.frames if each.kind}
    return profile


def _add(
    profile: Profile, known: dict[bytes, int], stacks: Sequence[bytes], weights: Sequence[float]
) -> None:
    for stack, weight in zip(stacks, weights, strict=True):
        numbers = []
        for name in stack.split(b";"):
            number = known.get(name)
            if number is None:
                text = name.decode(errors="surrogateescape")
                kind = _KINDS.get(text[-4:], PLAIN)
                number = known[name] = profile.frame(text[:-4] if kind else text, kind)
            numbers.append(number)
        profile.add(numbers, weight)
