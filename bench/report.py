"""Figures of a measure, and how they are shown."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass
class Row:
    """One figure of both tracers: medians, the median of the ratios pair by pair, the bound."""

    what: str
    unit: str
    ours: float
    peers: float
    ratio: float
    bound: float | None
    # "le": the ratio shall be at most the bound; "ge": at least.
    sense: str = "le"

    @property
    def holds(self) -> bool | None:
        """Whether the bound holds; None without one."""
        if self.bound is None:
            return None
        return self.ratio <= self.bound if self.sense == "le" else self.ratio >= self.bound


def compare(
    what: str,
    unit: str,
    ours: list[float],
    peers: list[float],
    bound: float | None = None,
    sense: str = "le",
) -> Row:
    """A row of paired samples, taken in turn."""
    ratios = [a / b for a, b in zip(ours, peers, strict=True) if b]
    return Row(
        what,
        unit,
        statistics.median(ours),
        statistics.median(peers),
        statistics.median(ratios) if ratios else float("nan"),
        bound,
        sense,
    )


def mean_row(what: str, rows: list[Row], bound: float | None) -> Row:
    """The geometric mean of rows' ratios."""
    return Row(
        what,
        "",
        float("nan"),
        float("nan"),
        statistics.geometric_mean(row.ratio for row in rows),
        bound,
    )


def _number(value: float) -> str:
    if value != value:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(title: str, rows: list[Row], peer: str) -> str:
    """The rows as a Markdown table."""
    lines = [
        f"### {title}",
        "",
        f"| measure | unit | prybee | {peer} | ratio | bound |",
        "|---|---|--:|--:|--:|---|",
    ]
    for row in rows:
        bound = ""
        if row.bound is not None:
            sign = "≤" if row.sense == "le" else "≥"
            bound = f"{sign} {row.bound:g} {'✓' if row.holds else '✗'}"
        lines.append(
            f"| {row.what} | {row.unit} | {_number(row.ours)} | {_number(row.peers)} "
            f"| {row.ratio:.3f} | {bound} |"
        )
    return "\n".join(lines) + "\n"
