"""What all tests share: live ones are skipped, with the reason, where they cannot run."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# What CI judges must not depend on chance; chance is for those who look for mistakes.
# Nor on how busy the machine is: an example may take any time.
settings.register_profile("patient", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip ``live`` tests for those who may not load programs into the kernel."""
    if os.geteuid() == 0:
        return
    skip = pytest.mark.skip(reason="loads programs into the kernel: needs root")
    for item in items:
        if item.get_closest_marker("live"):
            item.add_marker(skip)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what ``needs`` something that this kernel, when asked, has not."""
    for marker in item.iter_markers("needs"):
        for feature in marker.args:
            need(feature)


def need_function(name: str, what: str) -> None:
    """Skip the running test where the kernel lacks a function, and so ``what`` it is for."""
    from prybee.symbols import KernelSymbols

    if not KernelSymbols().functions(name):
        pytest.skip(f"this kernel lacks {what}: it has no {name}()")


def need(feature: str) -> None:
    """Skip the running test where the kernel lacks a feature (a name of ``linux.features``)."""
    from prybee.linux import features

    answer = features.probe(feature)
    if not answer:
        pytest.skip(f"this kernel lacks {feature}: {answer.why}")
