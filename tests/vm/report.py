"""A plugin of pytest: each test's result as a line for who watches from outside.

Used as ``-p tests.vm.report`` inside a guest.  Lines go to the error output as it was before
pytest took it, so that results are known even when the guest dies; a test that takes too long is
interrupted, since code runs there some twenty times slower and nothing waits for a stuck guest.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

MARK = "test-result "
LIMIT = "PRYBEE_VM_TEST_LIMIT"

_out = os.fdopen(os.dup(2), "w")
# Not for what the tests start: prybee complains of variables with its name that it does not know.
_limit = float(os.environ.pop(LIMIT, 0))


class TookTooLong(BaseException):
    """Of one test; no test catches it by accident."""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise TookTooLong(f"more than {_limit:.0f} s")


def _say(**what: object) -> None:
    print(MARK + json.dumps(what), file=_out, flush=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Only so long."""
    if not _limit:
        return (yield)
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, _limit)
    try:
        return (yield)
    except TookTooLong as late:
        pytest.fail(str(late))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def pytest_collection_finish(session: pytest.Session) -> None:
    """How many there are, so that it is known what is missing."""
    _say(tests=len(session.items))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One line for each result."""
    if report.when != "call" and report.passed:
        return
    why = ""
    if report.skipped and isinstance(report.longrepr, tuple):
        why = report.longrepr[2]
    elif report.failed:
        why = report.longreprtext
    _say(name=report.nodeid, outcome=report.outcome, seconds=round(report.duration, 1), why=why)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot even be read is a failure too."""
    if report.failed:
        _say(name=report.nodeid, outcome="failed", seconds=0, why=report.longreprtext)


def pytest_configure() -> None:
    """Says at once that there is a guest, with its kernel."""
    _say(release=os.uname().release, python=sys.version.split()[0])
