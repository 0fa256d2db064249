"""Rules that a change must not break, for builds: ``+5% self``, ``x1.2 total parse_.*`` …

A rule is broken by a function whose change is as large as the rule says and more than noise: the
test of the comparison, with its confidence shared among all functions that could break the rule, so
that it holds for all of them together (Bonferroni).
"""

from __future__ import annotations

import re

from prybee.data import Data
from prybee.flame import difference
from prybee.flame.comparison import NEW, SELF, TOTAL
from prybee.flame.profile import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.comparison import Change, Comparison
    from prybee.flame.significance import Estimate

# What the number of a rule is.
PART, TIMES, WEIGHT = "%", "x", ""
EVERYTHING = "everything"
GRAMMAR = """\
[new] +N% | -N% | xN | +N | -N  [self | total | everything]  [FUNCTION | /REGEX/]
  +5% self           a function's own weight grew by 5 % of everything or more
  +10% total parse   that of parse, with all it calls, grew by a tenth of everything
  x1.5 self /json/   functions with json in their names weigh one and a half times as much
  -2%                one's own weight shrank (self is usual)
  new +1% total      a function that was not there before has 1 %
  +1000 self         grew by 1000 samples, bytes or whatever is counted
  +3% everything     the whole profile grew by 3 % (needs --normalize-by samples, time or none)"""
_RULE = re.compile(
    r"\s*(?P<new>new\s+)?(?P<sign>[+-]|x|)\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<percent>%?)"
    rf"(?:\s+(?P<metric>{SELF}|{TOTAL}|{EVERYTHING}))?(?:\s+(?P<name>\S.*?))?\s*$"
)


class Rule(Data):
    """What must not be.

    Attributes:
        text: as it was given.
        sign: 1 for growth, -1 for shrinking.
        amount: of the change, in ``kind``.
        kind: ``PART`` of everything before, ``TIMES`` as much as before, or a ``WEIGHT``.
        metric: ``SELF``, ``TOTAL`` or ``EVERYTHING``.
        function: what the name of a function has to match; None for all.
        new: only functions that were not there before.
    """

    text: str
    sign: int
    amount: float
    kind: str
    metric: str = SELF
    function: re.Pattern[str] | None = None
    new: bool = False

    def broken(self, change: Change, comparison: Comparison) -> bool:
        """Whether a change is so large, be it noise or not."""
        if self.new and change.kind != NEW:
            return False
        if self.kind == TIMES:
            return change.new > 0 and change.new >= self.amount * change.old
        moved = change.difference * self.sign
        # Of what is equal in figures only sums of fractions differ.
        slack = 1e-9
        if self.kind == PART:
            return moved * 100 >= self.amount * (1 - slack)
        return moved * comparison.base * comparison.scale >= self.amount * (1 - slack)


class Finding(Data):
    """A change that breaks a rule.

    Attributes:
        change: which.
        estimate: how sure it is; None if nothing can be said.
        chance: how likely a change like this is if there is none; None if nothing can be said.
    """

    change: Change
    estimate: Estimate | None
    chance: float | None


class Verdict(Data):
    """What a rule says of a comparison.

    Attributes:
        rule: which.
        tested: how many functions could break it.
        offenders: those that do.
        uncertain: those whose change is large enough, but may be noise.
    """

    rule: Rule
    tested: int
    offenders: list[Finding]
    uncertain: list[Finding]


def parse(text: str) -> Rule:
    """A rule as it is given.

    Raises:
        FormatError: it is none.
    """
    match = _RULE.match(text)
    if match is None:
        raise FormatError(f"'{text}' is no rule for a change: {GRAMMAR}")
    sign, percent = match["sign"], match["percent"]
    if sign == "x" and percent:
        raise FormatError(f"'{text}': either a factor (x1.5) or a part of everything (+5%)")
    kind = TIMES if sign == "x" else PART if percent else WEIGHT
    metric = match["metric"] or SELF
    if metric == EVERYTHING and (match["name"] or match["new"]):
        raise FormatError(f"'{text}': everything is no function")
    if kind == TIMES and float(match["number"]) <= 1:
        raise FormatError(f"'{text}': a factor above 1; what shrinks is found by -N%")
    return Rule(
        text.strip(),
        -1 if sign == "-" else 1,
        float(match["number"]),
        kind,
        metric,
        _pattern(match["name"], text),
        bool(match["new"]),
    )


def _pattern(name: str | None, text: str) -> re.Pattern[str] | None:
    if name is None:
        return None
    if len(name) > 1 and name[0] == name[-1] == "/":
        try:
            return re.compile(name[1:-1])
        except re.error as error:
            raise FormatError(f"'{text}': {name} is no regular expression: {error}") from None
    return re.compile(rf"\A{re.escape(name)}\Z")


def judge(comparison: Comparison, rule: Rule, confidence: float, least: float) -> Verdict:
    """Finds what breaks a rule.

    Args:
        comparison: of profiles.
        rule: which.
        confidence: that nothing is found where nothing has changed, below 1.
        least: functions that are a smaller part of everything, before and after, are left out.

    Raises:
        FormatError: the comparison cannot tell what the rule asks.
    """
    if rule.metric == EVERYTHING:
        if comparison.equal == difference.TOTAL:
            raise FormatError(
                f"'{rule.text}': all totals are made equal\n"
                "HINT: --normalize-by samples, time or none keeps their difference"
            )
        rows = [comparison.everything()]
    else:
        rows = [
            row
            for row in comparison.changes(rule.metric)
            if max(row.old, row.new) >= max(least, _needed(rule, comparison))
            and (rule.function is None or rule.function.search(row.name))
        ]
    offenders: list[Finding] = []
    uncertain: list[Finding] = []
    for row in rows:
        if not rule.broken(row, comparison):
            continue
        estimate = comparison.estimate(row, confidence)
        chance = None
        if estimate is not None:
            chance = estimate.grown if rule.sign > 0 else estimate.shrunk
        found = Finding(row, estimate, chance)
        sure = chance is None or chance <= (1 - confidence) / len(rows)
        (offenders if sure else uncertain).append(found)
    return Verdict(rule, len(rows), offenders, uncertain)


def _needed(rule: Rule, comparison: Comparison) -> float:
    """A function that is smaller cannot break a rule."""
    if rule.kind == PART:
        return rule.amount / 100
    return rule.amount / (comparison.base * comparison.scale) if rule.kind == WEIGHT else 0
