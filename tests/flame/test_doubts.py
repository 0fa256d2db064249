"""What is doubtful of stacks is told."""

from __future__ import annotations

import pytest

from prybee.flame.doubts import note
from prybee.flame.readers import folded


def notes(text: str) -> list[str]:
    profile = folded.read(text.encode().splitlines(keepends=True))
    note(profile)
    return profile.quality.notes


@pytest.mark.parametrize(
    "name",
    [
        "[unknown]",
        "[unknown <7f01>]",
        "??",
        "???",
        "libc`???",
        "0x7f01",
        "unix`0xff",
        "[libc.so.6]",
    ],
)
def test_names_that_are_not_known(name: str) -> None:
    assert notes(f"a;{name};b 25\na;b 75\n") == ["25 % of the weight has frames without a name"]


@pytest.mark.parametrize("name", ["f", "[vdso]", "[heap]", "f?", "unknown", "a0x7f", "[kernel]"])
def test_names_that_are(name: str) -> None:
    assert notes(f"a;{name};b 25\n") == []


def test_deep_stacks() -> None:
    deep = ";".join(f"f{number}" for number in range(128))
    (told,) = notes(f"{deep} 1\na 199\n")
    assert told.startswith("1 stacks have 127 functions or more: they may be cut off")
    assert notes(deep.rpartition(";")[0] + " 1\n") == []


@pytest.mark.parametrize("text", ["", "[unknown] 1\na 199\n"])
def test_what_is_not_worth_telling(text: str) -> None:
    assert notes(text) == []
