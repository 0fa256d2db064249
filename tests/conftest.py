"""What all tests share: live ones are skipped, with the reason, where they cannot run."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# What CI judges must not depend on chance; chance is for those who look for mistakes.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip ``live`` tests for those who may not load programs into the kernel."""
    if os.geteuid() == 0:
        return
    skip = pytest.mark.skip(reason="loads programs into the kernel: needs root")
    for item in items:
        if item.get_closest_marker("live"):
            item.add_marker(skip)
