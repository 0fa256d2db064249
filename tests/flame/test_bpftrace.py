"""Maps with stacks, in both forms and with all kinds of keys."""

from __future__ import annotations

import pytest

from prybee.flame.readers.bpftrace import probe, read
from prybee.flame.writers.folded import lines


def folded(text: str, **options: str) -> list[str]:
    profile = read(text.encode().splitlines(keepends=True), **options)
    assert profile.quality.whole
    return list(lines(profile))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@[\n    leaf+1\n    root+0x2f\n]: 3\n", ["root;leaf 3"]),
        ("@x[\n    k1+1\n    k0+1\n, \n    u1+2\n    u0+2\n, sh]: 3\n", ["sh;u0;u1;k0;k1 3"]),
        # No stack of the kernel: nothing is lost, nothing is made up.
        ("@[\n, \n    u1\n, sh]: 7\n", ["sh;u1 7"]),
        ("@[\n, \n, swapper/0]: 7\n", ["swapper/0 7"]),
        ("@[sh, 12, \n    f\n]: 4\n", ["sh;12;f 4"]),
        ("@[\n        ffff81 f+3 ([kernel.kallsyms])\n]: 4\n", ["f 4"]),
        (
            '{"type": "map", "data": {"@": {"\\nk1+1\\nk0\\n,\\nu0+2\\n,sh": 3}}}\n',
            ["sh;u0;k0;k1 3"],
        ),
        (
            '{"type": "map", "data": {"@": {"\\n,\\nu\\n,a": 3, "\\n": 2}}}\n',
            ["[no stack] 2", "a;u 3"],
        ),
        ("Attached 3 probes\nhello\n@n: 5\n@[\n    f\n]: 1\n", ["f 1"]),
        # One function at many places is one frame.
        ("@[\n    f+1\n]: 1\n@[\n    f+2\n]: 1\n", ["f 2"]),
    ],
)
def test_maps(text: str, expected: list[str]) -> None:
    assert folded(text) == expected
    assert probe(text.encode())


def test_one_map() -> None:
    text = "@a[\n    f\n]: 1\n@b[\n    g\n]: 2\n@c[sh]: 9\n"
    assert folded(text) == ["f 1"]
    assert folded(text, map="@b") == ["g 2"]


def test_values_that_are_no_numbers() -> None:
    profile = read(b"@[\n    f\n]: (1, 2)\n@[\n    g\n]: 2\n".splitlines(True))
    assert list(lines(profile)) == ["g 2"]
    assert profile.quality.rejected == 1


def test_the_end_is_missing() -> None:
    profile = read(b"@[\n    f\n".splitlines(True))
    assert profile.quality.rejected == 1
