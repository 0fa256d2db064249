"""Writes ``docs/kernels.md`` from what was recorded in guests: ``python docs/kernels_page.py``.

``python -m tests.vm facts`` and ``python -m tests.vm table --record`` record it, in
``tests/vm/recorded``.  A test compares the page with what this makes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from prybee.linux import features, substitutes
from tests.vm import facts

PAGE = Path(__file__).parent / "kernels.md"

HEAD = """\
# Kernels

What each kernel can do, and what prybee does where it cannot. It was found by running there: in
Debian's kernels, in QEMU (`make test-vm`), and in a virtual machine whose kernel is built without
function tracing. Nothing is deduced from version numbers, neither here nor in prybee: on your
kernel, `prybee doctor` says it at length and `prybee --info` in short.

Where a script asks for something that the kernel lacks and that has an equivalent, prybee takes
that and says so once. Where the meaning would change it is an error that names the alternative.
Hardware counters are a matter of the machine: the one that is emulated here for x86-64 has none.

"""
TESTS = """
## Our tests

The live tests by the part of prybee that they are about: passed/failed/skipped. A test is skipped,
with the reason, where the kernel has nothing to test it with.

"""
UPSTREAM = """
## bpftrace's tests

Those of its runtime suite that are about what kernels have or lack (`make conformance-vm`).
[Compatibility](compatibility.md) tells of the others, and of those that fail.

"""
_HEADINGS = {
    "probes": "Probe types",
    "types": "Types",
    "instructions": "Instructions",
    "maps": "Maps",
    "links": "Attaching",
    "other": "Other",
    "helpers": "Helper functions",
    "map types": "Map types",
}
_MARKS = {features.YES: "yes", features.NO: "—", features.UNKNOWN: "?"}


def page() -> str:
    """The whole page.

    Raises:
        SystemExit: a group of features has no heading here.
    """
    known = facts.recorded()
    asked = [each for each in known if "facts" in each]
    parts = [HEAD, _machines(known)]
    for group in dict.fromkeys(feature.group for feature in features.TABLE):
        if group not in _HEADINGS:
            raise SystemExit(f"no heading in docs/kernels_page.py: {group}")
        parts.append(f"\n## {_HEADINGS[group]}\n\n{_features(group, asked)}")
    parts.append(_tests([each for each in known if "tests" in each]))
    parts.append(_upstream([each for each in known if "upstream" in each]))
    return "".join(parts)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _table(*head: str) -> str:
    return _row(*head) + "|" + "---|" * len(head) + "\n"


def _name(kernel: dict[str, Any]) -> str:
    machine, _, version = str(kernel["kernel"]).rpartition(":")
    if version == facts.HERE:
        return "without function tracing"
    return f"{version} {machine}".strip()


def _machines(known: list[dict[str, Any]]) -> str:
    lines = [_table("kernel", "release", "machine", "asked on", "with prybee")]
    for kernel in known:
        if "facts" in kernel:
            found = kernel["facts"]
            cells = (found["release"], found["machine"], found["date"], found["prybee"])
            lines.append(_row(_name(kernel), *cells))
    return "".join(lines)


def _features(group: str, known: list[dict[str, Any]]) -> str:
    lines = [_table("feature", *map(_name, known), "without it")]
    everywhere: list[str] = []
    for feature in features.TABLE:
        if feature.group != group:
            continue
        states = [each["facts"]["features"].get(feature.name, "?") for each in known]
        plain = feature.name.rpartition(":")[2]
        if feature.summary == plain and set(states) == {features.YES}:
            # Nothing is to be said of it but its name.
            everywhere.append(f"`{plain}`")
            continue
        instead = substitutes.of(feature.name)
        does = f"{instead.does}; {instead.advice}" if instead.advice else instead.does
        what = f"`{plain}`" + (f": {feature.summary}" if feature.summary != plain else "")
        lines.append(_row(what, *(_MARKS.get(state, "?") for state in states), does))
    table = "".join(lines) if len(lines) > 1 else ""
    if everywhere:
        table += f"\nOn all of these kernels: {', '.join(everywhere)}.\n".removeprefix(
            "" if table else "\n"
        )
    return table


def _tests(known: list[dict[str, Any]]) -> str:
    """Kernels by groups of our own live tests."""
    if not known:
        return ""
    groups = sorted({group for each in known for group in each["tests"]["groups"]})
    lines = [
        TESTS,
        _table("kernel", *groups, "all", "release", "run on"),
    ]
    for each in known:
        tests = each["tests"]
        counts = [tests["groups"].get(group) for group in groups]
        sums = [sum(three) for three in zip(*tests["groups"].values(), strict=True)]
        cells = ["/".join(map(str, count)) if count else "" for count in [*counts, sums]]
        lines.append(_row(_name(each), *cells, tests["release"], tests["date"]))
    return "".join(lines)


def _upstream(known: list[dict[str, Any]]) -> str:
    """bpftrace's own tests, by group."""
    if not known:
        return ""
    lines = [
        UPSTREAM,
        _table("kernel", "group", "passed", "eligible", "%", "skipped", "run on"),
    ]
    for each in known:
        found = each["upstream"]
        for group, (passed, eligible, skipped) in found["groups"].items():
            share = f"{100 * passed / eligible:.1f}" if eligible else ""
            cells = (group, str(passed), str(eligible), share, str(skipped), found["date"])
            lines.append(_row(_name(each), *cells))
    return "".join(lines)


def main() -> int:
    """Writes the page; with ``--check``, only says whether it is as it should be."""
    text = page()
    if "--check" in sys.argv[1:]:
        return int(PAGE.read_text() != text)
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
