"""What is said to be done where the kernel lacks something: of all that is asked for."""

from __future__ import annotations

import pytest

from prybee.linux import features, substitutes

NAMES = [feature.name for feature in features.TABLE]


@pytest.mark.parametrize("name", NAMES)
def test_each_feature_has_one(name: str) -> None:
    """A sentence for users, and what it leads to is a feature too."""
    found = substitutes.of(name)
    assert found.does
    assert not found.does.endswith(".")
    assert not found.by or found.by in NAMES


def test_none_is_of_a_feature_that_nobody_asks_for() -> None:
    """A feature that was renamed would leave its sentence behind."""
    assert set(substitutes.TABLE) <= set(NAMES)


def test_no_feature() -> None:
    """Names that mean nothing are mistakes of ours."""
    with pytest.raises(LookupError, match="kprobes"):
        substitutes.of("kprobes")
