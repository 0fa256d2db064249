"""What plans say of what they need."""

from __future__ import annotations

import pytest

from prybee.plan import layouts
from prybee.plan.layouts import Field, Layout
from prybee.plan.plan import (
    PerfEventAttach,
    ProbeSpec,
    RecordSpec,
    ScriptMap,
    TracepointAttach,
    UprobeAttach,
    UprobeMultiAttach,
)
from prybee.plan.questions import names_user_code, only_process, probed_files
from tests.session.fake import BEGIN, TRACEPOINT, plan

INT = layouts.IntLayout(8, True)
USYM = layouts.UsymLayout(16)
COUNT = layouts.CountLayout(8)


def stack(user: bool = True, mode: str = "bpftrace") -> Layout:
    return layouts.StackLayout(16 + 8 * 3, user, mode, 3)


def pair(layout: Layout) -> Layout:
    return layouts.TupleLayout(8 + layout.size, (Field("", 0, INT), Field("", 8, layout)))


@pytest.mark.parametrize(
    ("layout", "wanted"),
    [
        (INT, False),
        (USYM, True),
        (layouts.KsymLayout(8), False),
        (stack(), True),
        (stack(mode="perf"), True),
        (stack(mode="raw"), False),
        (stack(mode="build_id"), False),
        (stack(user=False), False),
        (pair(INT), False),
        (pair(pair(USYM)), True),
        (layouts.ArrayLayout(32, USYM, 2), True),
        (layouts.StructLayout(16, "s", (Field("a", 0, USYM),)), True),
    ],
)
def test_names_user_code(layout: Layout, wanted: bool) -> None:
    record = RecordSpec(1, "printf", 8 + layout.size, ((8, layout),), ("%s",))
    assert names_user_code(plan(records=(record,))) == wanted
    assert names_user_code(plan(maps=(ScriptMap("@", layout, COUNT, "AT"),))) == wanted
    assert names_user_code(plan(maps=(ScriptMap("@", INT, layout, "AT"),))) == wanted
    assert names_user_code(plan(maps=(ScriptMap("@", None, layout, "AT"),))) == wanted


def probe(pid: int) -> ProbeSpec:
    return ProbeSpec("uprobe:/bin/a:f", "u", UprobeAttach("/bin/a", 16, pid=pid))


MULTI = ProbeSpec("uprobe:/bin/b:f", "u", UprobeMultiAttach("/bin/b", (16, 32), pid=7))
SAMPLING = ProbeSpec("profile:hz:99", "p", PerfEventAttach(1, 0, frequency=99, pid=7))
EVERYWHERE = ProbeSpec("uprobe:/bin/b:f", "u", UprobeMultiAttach("/bin/b", (16, 32)))
OTHER = ProbeSpec("tracepoint:a:b", "t", TracepointAttach("a", "b"))


@pytest.mark.parametrize(
    ("probes", "pid"),
    [
        ((), -1),
        ((BEGIN,), -1),
        ((probe(7),), 7),
        ((BEGIN, probe(7), MULTI, SAMPLING), 7),
        ((probe(7), probe(8)), -1),
        ((probe(7), TRACEPOINT), -1),
        ((probe(7), OTHER), -1),
        ((probe(-1),), -1),
        ((EVERYWHERE,), -1),
        ((EVERYWHERE, probe(7)), -1),
    ],
)
def test_only_process(probes: tuple[ProbeSpec, ...], pid: int) -> None:
    assert only_process(plan(*probes)) == pid


def test_probed_files() -> None:
    assert probed_files(plan(BEGIN, probe(7), MULTI, probe(8), EVERYWHERE, OTHER)) == (
        "/bin/a",
        "/bin/b",
    )
