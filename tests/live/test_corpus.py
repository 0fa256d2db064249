"""Every script of ``scripts/`` prints what it should, on the live kernel, by the real command."""

from __future__ import annotations

import pytest

from tests.live.corpus import PRYBEE, Case, all_cases

pytestmark = pytest.mark.live


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.id)
def test_script(case: Case) -> None:
    """Standard output is as expected, and so is the status."""
    done = case.run(PRYBEE)
    wrong = case.difference(done.stdout)
    assert not wrong, f"{wrong}\n--- out\n{done.stdout}--- err\n{done.stderr}"
    assert done.returncode == int(case.fields.get("status", "0")), done.stderr


def test_there_are_enough() -> None:
    """Issue 2 asks for 150; a lost file would be noticed."""
    assert len(all_cases()) >= 150
