"""What a comparison found, as text for a terminal and as Markdown for a ticket."""

from __future__ import annotations

from prybee.data import Data
from prybee.flame.comparison import GROWN, NEW, SELF, SHRUNK, TOTAL, VANISHED
from prybee.flame.gate import TIMES
from prybee.flame.writers.markdown import code, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prybee.flame.comparison import Change, Comparison
    from prybee.flame.gate import Finding, Verdict

# So many rows are in each table of functions.
ROWS = 10
_KINDS = ((NEW, "New"), (VANISHED, "Vanished"), (GROWN, "Grown"), (SHRUNK, "Shrunk"))
_EQUAL = {
    "total": "totals are made equal",
    "samples": "weights are for each sample",
    "time": "weights are for each second",
    "none": "weights are as they are",
}


class Section(Data):
    """A part of a report.

    Attributes:
        title: of it; empty for none.
        lines: texts above the table.
        head: of its columns; empty for no table. The last is the function, the others numbers.
        rows: of the table.
        more: rows that are left out.
    """

    title: str
    lines: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    more: int = 0


def text(sections: Sequence[Section]) -> Iterator[str]:
    """A report for a terminal, in lines with their ends."""
    for place, section in enumerate(sections):
        if place:
            yield "\n"
        if section.title:
            yield f"{section.title}\n"
        yield from (f"{line}\n" for line in section.lines)
        if section.rows:
            rows = [section.head, *section.rows]
            wide = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
            for row in rows:
                cells = (cell.rjust(width) for cell, width in zip(row, wide, strict=False))
                yield f"  {'  '.join((*cells, row[-1]))}\n"
        if section.more:
            yield f"  … and {section.more:,} more\n"


def markdown(sections: Sequence[Section], title: str = "") -> Iterator[str]:
    """A report in Markdown, in lines with their ends."""
    yield f"# {plain(title or 'Comparison')}\n"
    for section in sections:
        if section.title:
            yield f"\n## {plain(section.title)}\n"
        yield from (f"\n{plain(line)}\n" for line in section.lines)
        if section.rows:
            yield f"\n| {' | '.join(section.head)} |\n"
            yield f"|{'--:|' * (len(section.head) - 1)}---|\n"
            for *numbers, name in section.rows:
                shown = code(name).replace("|", "\\|")
                yield f"| {' | '.join((*map(plain, numbers), shown))} |\n"
        if section.more:
            yield f"\n… and {section.more:,} more.\n"


def report(
    comparison: Comparison, verdicts: Sequence[Verdict], confidence: float, least: float
) -> list[Section]:
    """What is said of rules.

    Args:
        comparison: of profiles.
        verdicts: on it.
        confidence: with which they were found.
        least: part of everything below which functions were left out.
    """
    return [
        Section("", tuple(_about(comparison, confidence, least))),
        *(part for each in verdicts for part in _verdict(each, comparison)),
    ]


def functions(comparison: Comparison, metric: str, least: float) -> list[Section]:
    """Which functions are new, vanished, grown and shrunk.

    Args:
        comparison: of profiles.
        metric: what of them.
        least: changes that are a smaller part of everything are left out.
    """
    changes = comparison.changes(metric)
    if metric == TOTAL:
        # What calls nothing is told by its own weight.
        own = {each.name: each.difference for each in comparison.changes(SELF)}
        changes = [each for each in changes if abs(each.difference - own.get(each.name, 0)) > 1e-12]
    found = []
    for kind, title in _KINDS:
        rows = [
            row for row in changes if row.kind == kind and abs(row.difference) >= max(least, 1e-12)
        ]
        if rows:
            found.append(
                Section(
                    f"{title} ({metric})",
                    head=("before", "after", "change", "function"),
                    rows=tuple(
                        (_part(row.old), _part(row.new), _signed(row.difference), row.name)
                        for row in rows[:ROWS]
                    ),
                    more=max(0, len(rows) - ROWS),
                )
            )
    return found or [Section(f"Nothing has changed ({metric})")]


def _about(comparison: Comparison, confidence: float, least: float) -> Iterator[str]:
    sides = []
    for name, profiles in (("before", comparison.before), ("after", comparison.after)):
        weight = sum(each.total for each in profiles) / len(profiles)
        runs = f"{len(profiles)} runs of {weight:,.0f}" if len(profiles) > 1 else f"{weight:,.0f}"
        sides.append(f"{name}: {runs} {comparison.unit}{' on average' * (len(profiles) > 1)}")
    yield f"{'; '.join(sides)}; {_EQUAL[comparison.equal]}"
    if comparison.method:
        sure = f"{100 * confidence:g} % confidence in each rule"
        yield f"noise is told by {comparison.method}, with {sure}"
    else:
        yield "nothing can be said of noise: there is one run of each (--before A… --after B…)"
    if least:
        yield f"functions below {100 * least:g} % of everything are left out"


def _verdict(verdict: Verdict, comparison: Comparison) -> Iterator[Section]:
    rule = verdict.rule
    of = f" of {verdict.tested:,}" if verdict.tested else ""
    if not verdict.offenders:
        yield Section(f"ok: {rule.text}: nothing{of} broke it" if of else f"ok: {rule.text}")
    else:
        yield _findings(
            f"FAILED: {rule.text}: {len(verdict.offenders):,}{of}", verdict.offenders, verdict
        )
    if verdict.uncertain:
        title = f"within the noise: {len(verdict.uncertain):,} more would break {rule.text}"
        yield _findings(title, verdict.uncertain, verdict)


def _findings(title: str, findings: Sequence[Finding], verdict: Verdict) -> Section:
    times = verdict.rule.kind == TIMES
    tested = findings[0].estimate is not None
    head = ["before", "after", "times" if times else "change"]
    if tested:
        head += ["between", "chance"]
    rows = []
    for each in findings[:ROWS]:
        change = each.change
        row = [_part(change.old), _part(change.new)]
        row.append(_times(change) if times else _signed(change.difference))
        if each.estimate is not None and each.chance is not None:
            row.append(f"{_signed(each.estimate.low)} … {_signed(each.estimate.high)}")
            row.append(f"{each.chance:.2g}" if each.chance >= 1e-6 else "< 1e-6")
        rows.append((*row, change.name or "(everything)"))
    return Section(title, (), (*head, "function"), tuple(rows), max(0, len(findings) - ROWS))


def _part(value: float) -> str:
    return f"{100 * value:.2f}%"


def _signed(value: float) -> str:
    return f"{100 * value:+.2f}%"


def _times(change: Change) -> str:
    return f"{change.new / change.old:.2f}" if change.old else "new"
