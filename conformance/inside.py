"""The suite in a guest: another kernel's verdicts, with one command on this machine.

Programs are built here; the guest sees the same files and runs the same command, with more patience
(code runs there some twenty times slower where the processor is emulated).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.categories import GROUPS
from conformance.engine import PASSED, SKIPPED
from tests.vm import facts, guest, kernels
from tests.vm.archive import ArchiveError
from tests.vm.emulator import accelerator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[1]
# How many times longer than bpftrace allows anything may take, where the processor is emulated.
PATIENCE = 8.0
# What tests look for in the list of modules.
MODULES = ("kvm", "xfs", "nf_tables")


def run(options: argparse.Namespace) -> int:
    """Boot a kernel and run in it what the options ask for.

    Returns:
        The status of the run inside.
    """
    try:
        kernel = kernels.fetch(options.kernel)
    except ArchiveError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    patience = options.patience or (PATIENCE if accelerator() == "tcg" else 1.0)
    with tempfile.TemporaryDirectory(prefix="prybee-conformance-") as shared:
        written = Path(shared) / "results.json"
        status = guest.run(
            kernel,
            command(options, patience, written),
            memory="2G",
            timeout=options.timeout,
            environment={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            folder=str(ROOT),
            writable=[shared],
        )
        if status == guest.TIMED_OUT:
            print(f"conformance: stopped after {options.timeout:.0f} s", file=sys.stderr)
        if written.exists():
            if options.json:
                options.json.write_bytes(written.read_bytes())
            if options.record and status in (0, 1):
                facts.record(options.kernel, "upstream", summary(json.loads(written.read_text())))
    return status


def summary(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What docs/kernels.md shows of a run: passed, eligible and skipped tests of each group."""
    counts = {name: [0, 0, 0] for name in GROUPS}
    for each in verdicts:
        for name in each["groups"]:
            counts[name][0] += each["verdict"] == PASSED
            counts[name][1] += each["verdict"] != SKIPPED
            counts[name][2] += each["verdict"] == SKIPPED
    return {"groups": {name: count for name, count in counts.items() if any(count)}}


def command(options: argparse.Namespace, patience: float, results: Path) -> list[str]:
    """What is run inside: the same, but on the kernel that is there, with some modules."""
    words = [sys.executable, "-m", "conformance", str(Path(options.suite).resolve())]
    words += ["--build", str(options.build.resolve()), "--patience", f"{patience:g}"]
    words += ["--json", str(results), "--all"]
    for name in options.file:
        words += ["--file", name]
    for name in options.group:
        words += ["--group", name]
    words += ["--filter", options.filter] if options.filter else []
    modules = f"modprobe -a {' '.join(MODULES)}"
    return ["sh", "-c", f'{modules}; exec "$@"', "sh", *words]
