"""What the tests of tools share: the running kernel, opened once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prybee.engines.live import LiveTarget


@pytest.fixture(scope="session")
def target() -> Iterator[LiveTarget]:
    """The running kernel."""
    with LiveTarget() as made:
        yield made
