"""Figures of a run, and how they are shown: per file, per category, and each failure."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.categories import CATEGORIES, GROUP_BOUND, GROUPS, category, groups
from conformance.engine import FAILED, PASSED, SKIPPED, Result

# How much of a failed test's output is shown.
_LINES = 40
_WIDTH = 400


@dataclass
class Count:
    """Verdicts of some tests."""

    passed: int = 0
    eligible: int = 0
    skipped: int = 0

    def add(self, result: Result) -> None:
        """Count one more."""
        self.passed += result.verdict == PASSED
        self.eligible += result.verdict != SKIPPED
        self.skipped += result.verdict == SKIPPED

    @property
    def percent(self) -> float:
        """Passed of those eligible."""
        return 100.0 * self.passed / self.eligible if self.eligible else 100.0


def by_file(results: list[Result], names: set[str]) -> dict[str, Count]:
    """The counts of each file, of the tests in the categories ``names``."""
    counts: dict[str, Count] = {}
    for result in results:
        if category(result.case) in names:
            counts.setdefault(result.case.file, Count()).add(result)
    return counts


def by_category(results: list[Result]) -> dict[str, Count]:
    """The counts of each category."""
    counts: dict[str, Count] = {}
    for result in results:
        counts.setdefault(category(result.case), Count()).add(result)
    return counts


def files_table(results: list[Result]) -> str:
    """Passed, eligible and skipped tests of each file, as a Markdown table."""
    counted = {name for name, kind in CATEGORIES.items() if kind.eligible}
    counts = by_file(results, counted)
    apart = by_file(results, set(CATEGORIES) - counted)
    total = Count()
    lines = ["| file | passed | eligible | % | skipped | apart |", "|---|--:|--:|--:|--:|--:|"]
    for name in sorted({*counts, *apart}):
        count = counts.get(name, Count())
        away = apart.get(name, Count())
        total.passed += count.passed
        total.eligible += count.eligible
        total.skipped += count.skipped
        share = f"{count.percent:.0f}" if count.eligible else ""
        others = away.eligible + away.skipped
        lines.append(f"| {name} | {count.passed} | {count.eligible} | {share} "
                     f"| {count.skipped or ''} | {others or ''} |")  # fmt: skip
    others = sum(count.eligible + count.skipped for count in apart.values())
    lines.append(f"| **all** | **{total.passed}** | **{total.eligible}** "
                 f"| **{total.percent:.1f}** | {total.skipped} | {others} |")  # fmt: skip
    return "\n".join(lines) + "\n"


def categories_table(results: list[Result]) -> str:
    """Each category with its share and its bound, as a Markdown table."""
    counts = by_category(results)
    lines = [
        "| tests that need | passed | eligible | % | bound | skipped |",
        "|---|--:|--:|--:|---|--:|",
    ]
    for name, kind in CATEGORIES.items():
        count = counts.get(name, Count())
        bound = "not asked for"
        if kind.bound is not None:
            bound = f"≥ {kind.bound:g} {'✓' if count.percent >= kind.bound else '✗'}"
        share = f"{count.percent:.1f}" if count.eligible else ""
        lines.append(f"| {kind.title} | {count.passed} | {count.eligible} | {share} "
                     f"| {bound} | {count.skipped or ''} |")  # fmt: skip
    return "\n".join(lines) + "\n"


def by_group(results: list[Result]) -> dict[str, Count]:
    """The counts of each group; a test may be in several."""
    counts = {name: Count() for name in GROUPS}
    for result in results:
        for name in groups(result.case):
            counts[name].add(result)
    return counts


def groups_table(results: list[Result]) -> str:
    """What the groups have passed, as a Markdown table."""
    lines = ["| group | passed | eligible | % | skipped |", "|---|--:|--:|--:|--:|"]
    lines += [
        f"| {name} | {count.passed} | {count.eligible} | {count.percent:.1f} "
        f"| {count.skipped or ''} |"
        for name, count in by_group(results).items()
    ]
    return "\n".join(lines) + "\n"


def missed_group_bounds(results: list[Result]) -> list[str]:
    """The groups that pass less than they should on a kernel with everything in it."""
    return [
        f"{name}: {count.percent:.1f} %, and it must be {GROUP_BOUND:g} %"
        for name, count in by_group(results).items()
        if count.percent < GROUP_BOUND
    ]


def missed_bounds(results: list[Result]) -> list[str]:
    """The categories that pass less than they should, each in a line."""
    counts = by_category(results)
    return [
        f"{CATEGORIES[name].title}: {count.percent:.1f} %, and it must be {bound:g} %"
        for name, count in counts.items()
        if (bound := CATEGORIES[name].bound) is not None and count.percent < bound
    ]


def skips(results: list[Result]) -> str:
    """How many were skipped, for each reason."""
    reasons: dict[str, int] = {}
    for result in results:
        if result.verdict == SKIPPED:
            reasons[result.reason] = reasons.get(result.reason, 0) + 1
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return "".join(f"  {number:4}  {reason}\n" for reason, number in ranked)


def failure(result: Result) -> str:
    """A failed test: its command, what it should have printed (-) and what it did (+)."""
    lines = [f"## {result.case.id}: {result.reason}"]
    if result.command:
        lines += [f"    {line}" for line in f"$ {result.command}".split("\n")]
    for key, text in result.expected:
        first, *rest = text.split("\n")
        lines.append(f"  - {key} {first}")
        lines += [f"  - {' ' * len(key)} {line}" for line in rest]
    found = result.found.strip("\n").split("\n") if result.found.strip() else []
    lines += [f"  + {line[:_WIDTH]}" for line in found[:_LINES]]
    if len(found) > _LINES:
        lines.append(f"  + … {len(found) - _LINES} more lines")
    return "\n".join(lines) + "\n"


def failures(results: list[Result]) -> list[Result]:
    """Those that failed and were eligible, in order."""
    return [result for result in results if result.verdict == FAILED]
