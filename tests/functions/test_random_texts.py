"""Comparing and searching random texts, beside Python's own ways to do it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functions.scripts import need_search, values

pytestmark = pytest.mark.live

# Few letters, so that texts often begin alike.
texts = st.text(alphabet="ab", max_size=20)
cases = st.tuples(texts, texts, st.integers(0, 24))


def compared(a: bytes, b: bytes, length: int) -> int:
    """memcmp(3) of texts with zeros behind them."""
    x, y = a.ljust(length, b"\0")[:length], b.ljust(length, b"\0")[:length]
    return (x > y) - (x < y)


def expected(a: str, b: str, n: int) -> dict[str, Any]:
    x, y = a.encode(), b.encode()
    return {
        "prefix_text": int(x[:n] != y[:n]),
        "prefix": int(x[:n] != y[:n]),
        "order": compared(x, y, n),
        "order_text": compared(x, y, n),
        "length": len(x),
        "find_text": x.find(y) if y in x else -2,
        "inside": y in x,
        "joined": a + b,
        "cut": a[: max(0, n - 1)],
    }


def expressions(a: str, b: str, n: int) -> dict[str, str]:
    return {
        "prefix_text": f'strncmp($a, "{b}", {n})',
        "prefix": f"strncmp($a, $b, {n})",
        "order": f"memcmp($a, $b, {n})",
        "order_text": f'memcmp($a, "{b}", {n})',
        "length": "strlen($a)",
        "find_text": f'strstr($a, "{b}")',
        "inside": f'strcontains($a, "{b}")',
        "joined": "str_concat($a, $b)",
        "cut": f"str(&$a, {n})",
    }


def variables(a: str, b: str) -> str:
    return f'let $a: string[24] = "{a}"; let $b: string[40] = "{b}";'


# Compiling one of them takes a second in an emulated guest.
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cases)
def test_texts(case: tuple[str, str, int]) -> None:
    a, b, n = case
    assert values(expressions(a, b, n), variables(a, b)) == expected(a, b, n)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts, texts)
def test_texts_that_are_not_known_before(a: str, b: str) -> None:
    need_search()
    found = values({"find": "strstr($a, $b)", "inside": "strcontains($a, $b)"}, variables(a, b))
    assert found == {"find": a.find(b) if b in a else -2, "inside": b in a}
