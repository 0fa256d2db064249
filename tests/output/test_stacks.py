"""What is kept of stacks that were shown, and when it is thrown away."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest

from prybee.output import names
from prybee.output.names import Names
from prybee.output.values import TextStyle
from prybee.plan import layouts
from prybee.symbols import Frame

STACK = layouts.StackLayout(16 + 8 * 4, True, "bpftrace", 4)
PERF = STACK.replace(mode="perf")


class User:
    """Processes whose code changes; counts the addresses that it is asked for."""

    def __init__(self) -> None:
        self.versions: dict[int, int] = {}
        self.names: dict[tuple[int, int], str] = {}
        self.asked = 0

    def version(self, pid: int) -> int:
        return self.versions.get(pid, 0)

    def resolve(self, pid: int, address: int, program: str = "") -> Frame | None:
        self.asked += 1
        name = self.names.get((pid, address))
        return Frame(name, 1, "/bin/x", address) if name is not None else None

    def resolve_many(
        self, pid: int, addresses: Iterable[int], program: str = ""
    ) -> list[Frame | None]:
        return [self.resolve(pid, address) for address in addresses]


def stack(pid: int, *addresses: int) -> bytes:
    padded = (*addresses, *(0,) * (4 - len(addresses)))
    return struct.pack("<iIII4Q", len(addresses), pid, 0, 0, *padded)


def test_a_line_is_made_once_for_each_process() -> None:
    user = User()
    user.names = {(1, 16): "one", (1, 32): "two", (2, 16): "other"}
    show = TextStyle(Names(None, lambda: user)).one(STACK)
    for _ in range(3):
        assert show(stack(1, 16, 32)) == b"\n        one+1\n        two+1\n"
        assert show(stack(1, 32)) == b"\n        two+1\n"
        assert show(stack(2, 16)) == b"\n        other+1\n"
    assert user.asked == 3


def test_another_program_in_the_process() -> None:
    user = User()
    user.names = {(1, 16): "before"}
    show = TextStyle(Names(None, lambda: user)).one(STACK)
    assert show(stack(1, 16)) == b"\n        before+1\n"
    user.names = {(1, 16): "after"}
    user.versions[1] = 5
    assert show(stack(1, 16)) == b"\n        after+1\n"


def test_what_is_not_known_is_asked_for_again() -> None:
    user = User()
    style = TextStyle(Names(None, lambda: user))
    show, perf = style.one(STACK), style.one(PERF)
    assert show(stack(1, 16)) == b"\n        0x10\n"
    assert perf(stack(1, 16)) == b"\n\t10 0x10 ([unknown])\n"
    user.names = {(1, 16): ""}
    assert show(stack(1, 16)) == b"\n        0x10\n"
    assert perf(stack(1, 16)) == b"\n\t10 0x10 (/bin/x)\n"
    user.names = {(1, 16): "late"}
    assert show(stack(1, 16)) == b"\n        late+1\n"
    assert perf(stack(1, 16)) == b"\n\t10 late+1 (/bin/x)\n"


def test_lines_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_CACHE_LIMIT", 10)
    user = User()
    show = TextStyle(Names(None, lambda: user)).one(STACK)
    user.names = {(pid, at): f"f{at}" for pid in range(50) for at in range(4)}
    for pid in range(50):
        for at in range(4):
            assert show(stack(pid, at)) == f"\n        f{at}+1\n".encode()
            assert show(stack(pid, at)) == f"\n        f{at}+1\n".encode()
    assert user.asked == 200
    show(stack(0, 0))
    assert user.asked == 201, "the first ones were dropped"


def test_stacks_that_could_not_be_taken() -> None:
    show = TextStyle(Names(None, User)).one(STACK)
    assert show(stack(1)) == b"\n"
    assert show(struct.pack("<iIII4Q", -14, 1, 0, 0, 1, 2, 3, 4)) == b"\n"
    # More frames than there is room for cannot be; they are not read.
    assert show(struct.pack("<iIII4Q", 9, 1, 0, 0, 1, 2, 3, 4)).count(b"\n") == 5
