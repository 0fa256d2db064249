"""Whatever is written as an attach point, or searched for, gets an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.diagnostics import NotSupported, PrybeeError
from prybee.elf import ElfFile
from prybee.language.attach_point import AttachPoint
from prybee.language.config_table import Config
from prybee.language.registry import ExpandScope, ProbeSyntaxError
from prybee.probes import TABLE
from prybee.probes.listing import list_probes
from tests.fixtures.table_target import TableTarget
from tests.probes.conftest import provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORDS = (
    "hz", "s", "1", "1s", "0", "-1", "*", "sched", "sched_*", "/bin/app", "/bin/*", "app", "six",
    "six+1", "six+", "+1", "0x10", "cpp", "vmlinux", "task", "signal", "SIGUSR1", "cpu", "x%",
    "[a]", "?", "shop::price", "w", "4", "18446744073709551616", "nothing",
)  # fmt: skip
PART = st.one_of(st.sampled_from(WORDS), st.text(max_size=8))


@pytest.fixture(scope="module")
def target(build: Callable[..., str]) -> Iterator[TableTarget]:
    with ElfFile.open(build("usdt.c")) as noted, ElfFile.open(build("names.cc")) as names:
        yield TableTarget(
            raw_tracepoints=("sched_switch",),
            iterators=("task",),
            elf_files={"/bin/app": noted, "/bin/names": names},
            binaries={"app": ["/bin/app", "/bin/names"], "nothing": ["/etc/nothing"]},
        )


@given(st.sampled_from(TABLE.names()), st.lists(PART, max_size=4), st.booleans(), st.booleans())
def test_attach_points(
    target: TableTarget, name: str, parts: list[str], unsafe: bool, missing: bool
) -> None:
    config = Config()
    if missing:
        config.missing_probes = "warn"
    scope = ExpandScope(target, config, unsafe=unsafe)
    point = AttachPoint(":".join((name, *parts)), name, tuple(parts))
    found = provider(name)
    try:
        matches = found.expand(point, scope)
        if not matches:
            message, hints = found.missing(point, scope)
            assert isinstance(message, str)
            assert all(hints)
    except (ProbeSyntaxError, NotSupported):
        return
    for match in matches:
        shared = found.share(match, scope, ())
        assert shared.name == match.name
        if not found.attaches:
            continue
        try:
            context = found.context(shared, scope)
        except ProbeSyntaxError:
            # Functions whose arguments no types tell are refused when the handler is made.
            assert name in ("fentry", "fexit", "lsm", "fmod_ret")
            continue
        assert context.provider == name
        assert sum(spec.count for spec in found.attach([match], "p", scope)) in (0, 1)


@given(st.text(max_size=20))
def test_searches(target: TableTarget, pattern: str) -> None:
    try:
        lines = list(list_probes(pattern, target, verbose=True))
    except PrybeeError:
        return
    assert all(isinstance(line, str) for line in lines)
