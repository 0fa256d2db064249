"""Stacks that are changed after they have been read."""

from __future__ import annotations

import pytest

from prybee.flame.profile import Profile
from prybee.flame.readers import folded, perf_script
from prybee.flame.shaping import merge_recursion, skip_after
from prybee.flame.writers.folded import lines


def read(text: str) -> Profile:
    return folded.read(text.encode().splitlines(keepends=True))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("middle",), ["middle;leaf 1", "root;other 2"]),
        (("nowhere",), ["root;middle;leaf 1", "root;other 2"]),
        # The nearest to the leaf counts.
        (("root", "middle"), ["middle;leaf 1", "root;other 2"]),
        (("other", "leaf"), ["leaf 1", "other 2"]),
    ],
)
def test_skip_after(names: tuple[str, ...], expected: list[str]) -> None:
    profile = read("root;middle;leaf 1\nroot;other 2\n")
    skip_after(profile, names)
    assert list(lines(profile)) == expected


def test_stacks_that_become_equal_are_one() -> None:
    profile = read("a;f 1\nb;f 2\n")
    skip_after(profile, ["f"])
    assert list(lines(profile)) == ["f 3"]


def test_recursion() -> None:
    profile = read("a;b;b;b;c 1\na;b;c 2\na;b;a;b 4\na;b;b_[k] 8\n")
    merge_recursion(profile)
    assert list(lines(profile, ["kernel"])) == ["a;b;a;b 4", "a;b;b_[k] 8", "a;b;c 3"]


def test_samples_are_changed_as_well() -> None:
    text = b"a 1 3.5: cycles: \n\t 1 leaf (x)\n\t 2 middle (x)\n\t 3 root (x)\n\n"
    profile = perf_script.read(text.splitlines(keepends=True), samples=True)
    skip_after(profile, ["middle"])
    assert list(lines(profile)) == ["middle;leaf 1"]
    assert profile.samples is not None
    assert profile.samples.stacks == list(profile.weights)
