"""Attach points in parts."""

from __future__ import annotations

import pytest

from prybee.language.attach_point import AttachPointError, parse


@pytest.mark.parametrize(
    ("raw", "provider", "parts"),
    [
        ("begin", "begin", ()),
        ("BEGIN", "begin", ()),
        ("tracepoint:syscalls:sys_enter_open", "tracepoint", ("syscalls", "sys_enter_open")),
        ("uprobe:/bin/bash:f+4", "uprobe", ("/bin/bash", "f+4")),
        ('uprobe:"/bin/a b":f', "uprobe", ("/bin/a b", "f")),
        ('uprobe:/bin/a:cpp:"ns::f(int)"', "uprobe", ("/bin/a", "cpp", "ns::f(int)")),
        ("U:/bin/x:*", "U", ("/bin/x", "*")),
        (r'U:/bin/x:p:"\"name\""', "U", ("/bin/x", "p", '"name"')),
        (r'u:"/a\\b\c":"f\\"', "u", (r"/a\b\c", "f\\")),
        ("t:$1:$2", "t", ("one", "two")),
        ("t:a$1b:$3", "t", ("aoneb", "")),
        ("interval:$", "interval", ("$",)),
        ("hz:", "hz", ("",)),
        ("name=uprobe:x:y", "uprobe", ("x", "y")),
    ],
)
def test_parts(raw: str, provider: str, parts: tuple[str, ...]) -> None:
    point = parse(raw, positional=("one", "two"))
    assert (point.provider, point.parts) == (provider, parts)


@pytest.mark.parametrize(
    ("raw", "provider", "parts"),
    [
        ("$1", "interval", ("s", "1")),
        ("$1:2", "interval", ("s", "1", "2")),
        # Behind the type they are one part, whatever they hold.
        ("uprobe:$1:f", "uprobe", ("interval:s:1", "f")),
    ],
)
def test_parameter_of_several_parts(raw: str, provider: str, parts: tuple[str, ...]) -> None:
    point = parse(raw, 5, positional=("interval:s:1",))
    assert (point.provider, point.parts) == (provider, parts)
    assert len(point.starts) == len(parts)


def test_places() -> None:
    point = parse("t:ab:cde", 10)
    assert (point.start, point.starts, point.end) == (10, (12, 15), 18)
    assert str(point) == "t:ab:cde"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ('uprobe:"/bin/a:f', 'the quote is not closed: uprobe:"/bin/a:f'),
        ("t:$0:x", "param $0 is out of integer range [1, 2147483647]"),
    ],
)
def test_errors(raw: str, message: str) -> None:
    with pytest.raises(AttachPointError) as failure:
        parse(raw)
    assert str(failure.value) == message
