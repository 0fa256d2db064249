"""Beside inferno: what it expects of itself comes out under ``--compat inferno``.

``INFERNO`` names a checkout of it; ``FLAMEGRAPH`` one of FlameGraph, whose examples it reads as
well (its own checkout may have them).
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from prybee.cli import main

CHECKOUT = os.environ.get("INFERNO", "")
DATA = Path(CHECKOUT) / "tests" / "data"
_OWN = Path(CHECKOUT) / "flamegraph"
EXAMPLES = _OWN if (_OWN / "flamegraph.pl").exists() else Path(os.environ.get("FLAMEGRAPH", ""))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHECKOUT, reason="INFERNO names no checkout of inferno"),
]

# The collapser, its input, what it expects, options. ``/`` is FlameGraph's checkout.
CASES = [
    ("dtrace", "/example-dtrace-stacks.txt", "dtrace-example.txt", ""),
    ("dtrace", "/example-dtrace-stacks.txt", "dtrace-example-offsets.txt", "--includeoffset"),
    ("dtrace", "java.txt", "java.txt", ""),
    ("dtrace", "hex-addresses.txt", "hex-addresses.txt", ""),
    ("dtrace", "flamegraph-bug.txt", "flamegraph-bug.txt", "--includeoffset"),
    ("dtrace", "stack-ustack.txt", "stack-ustack.txt", ""),
    ("dtrace", "scope_with_no_argument_list.txt", "scope_with_no_argument_list.txt", ""),
    ("dtrace", "rust-names.txt", "rust-names.txt", ""),
    ("ghcprof", "percent.prof", "percent.txt", ""),
    ("ghcprof", "ticks.prof", "ticks.txt", "--time"),
    ("ghcprof", "ticks.prof", "ticks_ticks.txt", "--ticks"),
    ("ghcprof", "ticks.prof", "ticks_bytes.txt", "--bytes"),
    ("ghcprof", "utf8.prof", "utf8.txt", ""),
    ("ghcprof", "utf8.prof", "utf8_ticks.txt", "--ticks"),
    ("ghcprof", "utf8.prof", "utf8_bytes.txt", "--bytes"),
    ("perf", "/example-perf-stacks.txt.gz", "example-perf-stacks-collapsed.txt", ""),
    ("perf", "cpp-stacks-std-function.txt", "cpp-stacks-std-function-collapsed.txt", ""),
    ("perf", "go-stacks.txt", "go-stacks-collapsed.txt", ""),
    ("perf", "java-inline.txt", "java-inline-collapsed.txt", ""),
    ("perf", "no-events.txt", "no-events-collapsed.txt", ""),
    ("perf", "single-event.txt", "single-event-collapsed.txt", ""),
    ("perf", "single-line-stacks.txt", "single-line-stacks-collapsed.txt", ""),
    ("perf", "sourcepawn-jitdump.txt", "sourcepawn-jitdump-collapsed-jit.txt", "--jit"),
    ("perf", "versioned-vmlinux.txt", "versioned-vmlinux-collapsed-kernel.txt", "--kernel"),
    *(
        ("perf", "/test/perf-rust-Yamakaky-dcpu.txt", f"{name}-{option}.txt", f"--{option}")
        for name in ["perf-rust-Yamakaky-dcpu-collapsed"]
        for option in ("pid", "tid", "kernel", "jit", "all", "addrs")
    ),
    ("recursive", "basic.txt", "basic-collapsed.txt", "--recursive"),
    ("sample", "sample.txt", "sample-default.txt", ""),
    ("sample", "sample.txt", "sample-no-modules.txt", "--no-modules"),
    ("vsprof", "CallTreeSummary.csv", "sample-default.txt", ""),
    ("vsprof", "CallTreeSummary.csv", "vsprof-default.txt", ""),
    ("vtune", "vtune.csv", "vtune-default.txt", ""),
    ("vtune", "vtune.csv", "vtune-no-modules.txt", "--no-modules"),
    ("xctrace", "basic.xml", "basic.folded", ""),
    ("xctrace", "simple_frame_without_binary_info.xml",
     "simple_frame_without_binary_info.folded", ""),
]  # fmt: skip
# Those whose format inferno-collapse-guess finds in its own tests.
GUESSED = [
    case
    for case in CASES
    if case[0] not in ("recursive", "ghcprof")
    and case[1] not in ("no-events.txt", "single-line-stacks.txt")
]


def collapsed(
    case: tuple[str, str, str, str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Compares what comes out for a case."""
    kind, name, result, options = case
    source = EXAMPLES / name[1:] if name.startswith("/") else DATA / f"collapse-{kind}" / name
    expected = DATA / f"collapse-{kind}" / "results" / result
    arguments = ["--compat", "inferno", *words, *options.split(), str(source)]
    assert main(["flame", "collapse", *arguments]) == 0
    assert capsys.readouterr().out.splitlines() == expected.read_text().splitlines()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[2]}{case[3]}")
def test_results(case: tuple[str, str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    kind = "folded" if case[0] == "recursive" else case[0]
    collapsed(case, ["--format", kind], capsys)


@pytest.mark.parametrize("case", GUESSED, ids=lambda case: f"{case[2]}{case[3]}")
def test_the_format_is_found(
    case: tuple[str, str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    collapsed(case, [], capsys)


# FlameGraph's own texts of perf script are tests of inferno, too. It expects what FlameGraph itself
# makes of them if their last sample is a whole one; the results that are kept beside them are
# older than it (names of JVMs).
FLAMEGRAPH = Path(os.environ.get("FLAMEGRAPH", "/nonexistent"))
TEXTS = [p for p in sorted(FLAMEGRAPH.glob("test/perf-*.txt")) if CHECKOUT and "rust" not in p.name]


@pytest.mark.parametrize("option", ["pid", "tid", "kernel", "jit", "all", "addrs"])
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_texts_of_flamegraph(
    text: Path, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / text.name
    whole.write_bytes(text.read_bytes() + b"\n")
    peer = subprocess.run(
        ["perl", FLAMEGRAPH / "stackcollapse-perf.pl", f"--{option}", whole],
        capture_output=True, check=True, text=True, errors="surrogateescape",
    )  # fmt: skip
    words = ["flame", "collapse", "--format", "perf", "--compat", "inferno", f"--{option}"]
    assert main([*words, str(text)]) == 0
    # It keeps quotation marks in names, which FlameGraph takes out.
    ours = re.sub("[\"']", "", capsys.readouterr().out)
    assert sorted(ours.splitlines()) == sorted(peer.stdout.splitlines())


def test_every_result_is_expected() -> None:
    there = {
        (path.parent.parent.name.removeprefix("collapse-"), path.name)
        for path in DATA.glob("collapse-*/results/*")
        if path.suffix != ".orig"
    }
    assert {(kind, result) for kind, _, result, _ in CASES} == there


def test_what_no_format_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flame", "collapse", str(DATA / "collapse-guess" / "unknown-format.txt")]) == 1
    assert "the format is not one that is known" in capsys.readouterr().err
