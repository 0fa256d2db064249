"""Links for many functions: names, addresses, and functions that the kernel does not take."""

from __future__ import annotations

from errno import EPERM, ESRCH
from typing import Any

import pytest

from prybee.diagnostics import KernelError, PrybeeError
from prybee.engines import kprobes
from prybee.plan.plan import KprobeMultiAttach


class Live:
    """A machine with two functions called ``twice``."""

    def function_addresses(self, function: str) -> tuple[int, ...]:
        return (0x1000, 0x2000) if function == "twice" else ()


class Link:
    def __init__(self, places: tuple[object, ...], cookies: tuple[int, ...]) -> None:
        self.places = places
        self.cookies = cookies
        self.open = True

    def close(self) -> None:
        self.open = False


class Kernel:
    """Refuses a link when it does not like one of its functions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bad: set[str], errno: int = ESRCH) -> None:
        self.bad = bad
        self.errno = errno
        self.links: list[Link] = []
        monkeypatch.setattr(kprobes.links, "kprobe_multi", self.link)

    def link(
        self,
        program: object,
        names: list[str],
        addresses: list[int],
        returns: bool,
        cookies: list[int],
    ) -> Link:
        assert not (names and addresses)
        if self.bad & set(names):
            raise KernelError("bpf(BPF_LINK_CREATE)", self.errno)
        self.links.append(Link((*names, *addresses), tuple(cookies)))
        return self.links[-1]


def attach(way: KprobeMultiAttach) -> list[tuple[str, PrybeeError]]:
    missed: list[tuple[str, PrybeeError]] = []
    program: Any = None
    live: Any = Live()
    kprobes.attach_many(way, program, live, missed)
    return missed


def test_names_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, set())
    functions = ("a", "twice", "ext4:b")
    assert attach(KprobeMultiAttach(functions, cookies=(7, 8, 9))) == []
    assert [(link.places, link.cookies) for link in kernel.links] == [
        (("a", "b"), (7, 9)),
        ((0x1000, 0x2000), (8, 8)),
    ]


def test_what_cannot_be_had_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, {"d"})
    missed = attach(KprobeMultiAttach(tuple("abcdefgh")))
    assert [name for name, _ in missed] == ["d"]
    assert "function tracing does not reach it" in str(missed[0][1])
    assert sorted(place for link in kernel.links for place in link.places) == list("abcefgh")


def test_nothing_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    Kernel(monkeypatch, {"a", "b"})
    with pytest.raises(KernelError, match=r"BPF_LINK_CREATE.* for a: ESRCH"):
        attach(KprobeMultiAttach(("a", "b")))


def test_other_refusals_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, {"a"}, EPERM)
    with pytest.raises(KernelError, match="EPERM"):
        attach(KprobeMultiAttach(("a", "b")))
    kernel.bad = set()
    assert not any(link.open for link in kernel.links)
