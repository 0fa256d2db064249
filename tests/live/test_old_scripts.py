"""Idioms of bpftrace 0.9 to 0.26: they run, and say once how they are written today.

``old/idioms.txt`` has them, in the form that corpus.py describes; the header line ``warning:`` is
the one warning of the run, and where it is missing there is none.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prybee.cli import main
from tests.live.corpus import PRYBEE, Case, read

pytestmark = pytest.mark.live

CASES = read(Path(__file__).parent / "old" / "idioms.txt")
# What `fmt --modernize` cannot write anew: there is no one modern form, or it is not in the script.
BY_HAND = re.compile(r"environment: |while")


def warnings(errors: str) -> list[str]:
    """The warnings of a run, without their places."""
    return re.findall(r"^(?:\S+: )?WARNING: (.*)", errors, re.M)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_runs_with_one_warning(case: Case) -> None:
    """The output is as expected, and so is what is said of it."""
    done = case.run(PRYBEE)
    wrong = case.difference(done.stdout)
    assert not wrong, f"{wrong}\n--- out\n{done.stdout}--- err\n{done.stderr}"
    assert done.returncode == 0, done.stderr
    expected = [case.fields["warning"]] if "warning" in case.fields else []
    assert warnings(done.stderr) == expected, done.stderr


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if "warning" in case.fields and not BY_HAND.match(case.name)],
    ids=lambda case: case.name,
)
def test_modernized(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """Rewritten, a script does the same, and nothing is said of it."""
    assert main(["fmt", "--modernize", "-e", case.script]) == 0
    case = Case(case.file, case.name, capsys.readouterr().out, case.expected, case.fields)
    done = case.run(PRYBEE)
    wrong = case.difference(done.stdout)
    assert not wrong, f"{wrong}\n--- script\n{case.script}--- err\n{done.stderr}"
    assert not warnings(done.stderr), done.stderr


def test_modern_scripts_stay(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is old, ``--modernize`` is plain formatting."""
    for case in CASES:
        if "warning" in case.fields:
            continue
        assert main(["fmt", "-e", case.script]) == 0
        plain = capsys.readouterr().out
        assert main(["fmt", "--modernize", "-e", case.script]) == 0
        assert capsys.readouterr().out == plain, case.name
