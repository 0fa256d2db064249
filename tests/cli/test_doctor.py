"""``prybee doctor`` and ``--info``, on whatever machine this is."""

from __future__ import annotations

import json

import pytest

from prybee.cli import checks, main

STATES = {checks.OK, checks.LIMITED, checks.NO, checks.UNKNOWN}


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, with all fields; every failing one says what it means."""
    status = main(["doctor", "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["name"] for row in rows} >= {"kernel", "capabilities", "tracepoint", "uprobe"}
    for row in rows:
        assert set(row) == {"group", "name", "state", "detail", "means", "change"}
        assert row["state"] in STATES
        assert row["detail"]
        if row["state"] == checks.NO:
            assert row["means"], row
    blocked = any(row["name"] == "capabilities" and row["state"] == "no" for row in rows)
    assert status == (1 if blocked else 0)


def test_text_shows_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """The text has a line for each finding, under its heading."""
    main(["doctor", "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    for row in rows:
        assert row["group"] in lines
        assert any(line.startswith(f"  {row['state']:<8} {row['name']}") for line in lines), row


def test_unknown_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Usage, and status 1."""
    assert main(["doctor", "--jsno"]) == 1
    assert "unknown option '--jsno'" in capsys.readouterr().err


@pytest.mark.live
def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines that scripts look for."""
    assert main(["--info"]) == 0
    out = capsys.readouterr().out
    assert "  tracepoint: yes\n" in out
    assert "  uprobe_multi: " in out
