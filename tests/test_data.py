from __future__ import annotations

import subprocess
import sys

import pytest

from prybee.data import Data


class Point(Data):
    x: int
    y: int = 0


class Named(Point):
    name: str = "origin"
    tags: tuple[str, ...] = ()
    _private: int = 7

    @property
    def label(self) -> str:
        return f"{self.name}@{self.x},{self.y}"


class Empty(Data):
    pass


@pytest.mark.parametrize(
    "make",
    [
        lambda: Point(1, 2),
        lambda: Point(1, y=2),
        lambda: Point(x=1, y=2),
        lambda: Point(y=2, x=1),
        lambda: Point(5, 2).replace(x=1),
    ],
)
def test_ways_to_make_one(make):
    point = make()
    assert (point.x, point.y) == (1, 2)
    assert point == Point(1, 2)
    assert hash(point) == hash(Point(1, 2))
    assert repr(point) == "Point(x=1, y=2)"


def test_defaults_and_inheritance():
    assert Point(3).y == 0
    named = Named(1)
    assert (named.x, named.y, named.name, named.tags) == (1, 0, "origin", ())
    assert Named(1, 2, "n", ("t",)).tags == ("t",)
    assert named.label == "origin@1,0"
    assert repr(named) == "Named(x=1, y=0, name='origin', tags=())"
    assert Empty() == Empty()
    assert repr(Empty()) == "Empty()"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Point(), "Point: missing x"),
        (lambda: Point(y=1), "Point: missing x"),
        (lambda: Point(1, 2, 3), "Point takes 2 fields, got 3"),
        (lambda: Point(1, 2, x=3), "Point: unexpected field 'x'"),
        (lambda: Point(1, x=3), "Point: unexpected field 'x'"),
        (lambda: Point(1, z=3), "Point: unexpected field 'z'"),
        (lambda: Named(1, _private=3), "Named: unexpected field '_private'"),
        (lambda: Empty(1), "Empty takes 0 fields, got 1"),
        (lambda: Point(1, 2).replace(z=1), "Point: unexpected field 'z'"),
    ],
)
def test_ways_not_to_make_one(make, message):
    with pytest.raises(TypeError) as caught:
        make()
    assert str(caught.value) == message


def test_nothing_changes():
    point = Point(1, 2)
    with pytest.raises(AttributeError, match=r"Point is immutable; use replace\(x=…\)"):
        point.x = 5
    with pytest.raises(AttributeError, match="Point is immutable"):
        point.new = 5
    with pytest.raises(AttributeError, match="Point is immutable"):
        del point.x
    assert point == Point(1, 2)
    assert point.replace(x=9) == Point(9, 2)
    assert point == Point(1, 2)


def test_equality_is_of_the_same_class():
    class Other(Data):
        x: int
        y: int = 0

    assert Point(1, 2) != Other(1, 2)
    assert Point(1, 2) != Named(1, 2)
    assert Point(1, 2) != (1, 2)
    assert len({Point(1, 2), Point(1, 2), Point(2, 1), Other(1, 2)}) == 3


def test_patterns():
    match Named(1, 2, "n"):
        case Named(x, y, name):
            assert (x, y, name) == (1, 2, "n")
        case _:
            pytest.fail("no match")


def test_unhashable_fields_say_so():
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point([], 0))


def test_import_brings_nothing_along():
    """These two modules are under everything; what they import every start pays for."""
    code = (
        "import sys; before = set(sys.modules); import prybee.data, prybee.diagnostics; "
        "print(*sorted(set(sys.modules) - before))"
    )
    out = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert set(out) <= {"__future__", "prybee", "prybee.data", "prybee.diagnostics"}
