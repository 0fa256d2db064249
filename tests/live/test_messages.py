"""What prybee says of mistakes, in scripts and while they run: the whole text, by the real command.

``messages/messages.txt`` has them, in the form that corpus.py describes; what is expected there is
standard error without the line that tells how many probes were attached.  bpftrace 0.27.1 was run
on the same scripts: where it has words its words are kept, and what prybee adds stands in notes and
hints.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.live.corpus import PRYBEE, Case, read

pytestmark = pytest.mark.live

CASES = read(Path(__file__).parent / "messages" / "messages.txt")
BANNER = re.compile(r"^Attached \d+ probes?\n", re.M)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_message(case: Case) -> None:
    """Standard error and the status are as expected."""
    done = case.run(PRYBEE)
    errors = BANNER.sub("", done.stderr)
    wrong = case.difference(errors)
    assert not wrong, f"{wrong}\n--- err\n{errors}"
    assert done.returncode == int(case.fields.get("status", "0"))
