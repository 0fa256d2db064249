"""What changed between profiles: numbers, noise, rules, and what is said of them."""

from __future__ import annotations

import random
import re

import pytest

from prybee.flame import comparison_report, gate, significance
from prybee.flame.comparison import SELF, TOTAL, Comparison, count
from prybee.flame.profile import FormatError, Profile
from prybee.flame.samples import Samples


def made(weights: dict[str, float], unit: str = "samples") -> Profile:
    profile = Profile(unit)
    for stack, weight in weights.items():
        profile.add([profile.frame(name) for name in stack.split(";")], weight)
    return profile


def runs(
    shares: dict[str, float], number: int, seed: int, samples: int = 1000, wobble: float = 0.05
) -> list[Profile]:
    """Runs whose functions' shares vary, and of which so many samples are taken."""
    chance = random.Random(seed)
    found = []
    for _ in range(number):
        weights = [max(0, share * chance.gauss(1, wobble)) for share in shares.values()]
        counts: dict[str, float] = dict.fromkeys(shares, 0)
        for name in chance.choices([*shares], weights, k=samples):
            counts[name] += 1
        found.append(made({f"main;{name}": value for name, value in counts.items()}))
    return found


USUAL = {"parse": 10, "read": 30, "write": 20, "idle": 40}
# A number of functions, as programs have them.
MANY = {f"f{number}": 100 / (number + 3) for number in range(30)}


# Numbers.


@pytest.mark.parametrize(
    ("freedom", "value"),
    [(1, 12.7062), (2, 4.30265), (4, 2.77645), (10, 2.22814), (30, 2.04227), (1000, 1.96234)],
)
def test_students_distribution(freedom: float, value: float) -> None:
    """Against a table of the values above which are 2.5 %."""
    assert significance.student_quantile(0.025, freedom) == pytest.approx(value, abs=1e-4)
    assert significance.student_above(value, freedom) == pytest.approx(0.025, abs=1e-5)
    assert significance.student_above(-value, freedom) == pytest.approx(0.975, abs=1e-5)


def test_welch() -> None:
    """By hand: variances 1 and 4, four runs of each; error sqrt(5/4), 4.41 degrees of freedom."""
    before = [9.0, 10, 10, 11]
    after = [12.0, 14, 14, 16]
    found = significance.welch(before, after, 0.95)
    error = ((2 / 3 + 8 / 3) / 4) ** 0.5
    freedom = (10 / 12) ** 2 / ((2 / 12) ** 2 / 3 + (8 / 12) ** 2 / 3)
    assert found.change == 4
    assert found.grown == pytest.approx(significance.student_above(4 / error, freedom))
    assert found.grown + found.shrunk == pytest.approx(1)
    assert found.high - found.change == pytest.approx(found.change - found.low)
    assert found.low > 0


def test_one_run_of_a_side_varies_like_the_other() -> None:
    one = significance.welch([10], [10, 11, 12], 0.95)
    other = significance.welch([10, 11, 12], [10], 0.95)
    assert (one.change, other.change) == (1, -1)
    assert one.low == pytest.approx(-other.high)


def test_what_does_not_vary_is_sure() -> None:
    found = significance.welch([5, 5], [6, 6], 0.95)
    assert (found.low, found.high, found.grown, found.shrunk) == (1, 1, 0, 1)
    assert significance.welch([0.1 + 0.2], [0.3, 0.3], 0.95).grown == 1


def test_proportions() -> None:
    found = significance.proportions((50, 1000), (90, 1000), 0.95)
    # z = 0.04 / sqrt(0.07 * 0.93 * 0.002)
    assert found.grown == pytest.approx(0.000228, abs=2e-6)
    assert found.low < 0.04 < found.high
    nothing = significance.proportions((0, 10), (0, 10), 0.95)
    assert nothing.grown == 0.5
    assert nothing.low < 0 < nothing.high


# Comparisons.


def test_values_are_parts_of_everything() -> None:
    before = made({"a;b": 30, "a": 10, "c": 60})
    after = made({"a;b": 120, "c": 60, "d": 20})
    comparison = Comparison([before], [after])
    own = {each.name: (each.old, each.new, each.kind) for each in comparison.changes(SELF)}
    assert own == {
        "b": (0.3, 0.6, "grown"), "c": (0.6, 0.3, "shrunk"),
        "d": (0, 0.1, "new"), "a": (0.1, 0, "vanished"),
    }  # fmt: skip
    total = {each.name: (each.old, each.new) for each in comparison.changes(TOTAL)}
    assert total["a"] == (0.4, 0.6)


@pytest.mark.parametrize(
    ("equal", "wanted"), [("total", (0.5, 0.25)), ("none", (0.5, 0.75)), ("samples", (0.5, 0.25))]
)
def test_what_is_made_equal(equal: str, wanted: tuple[float, float]) -> None:
    before, after = made({"a": 50, "b": 50}), made({"a": 75, "b": 225})
    (change,) = (
        each for each in Comparison([before], [after], equal).changes(SELF) if each.name == "a"
    )
    assert (change.old, change.new) == wanted


def test_weights_of_each_second() -> None:
    def timed(weights: dict[str, float], seconds: int) -> Profile:
        profile = made(weights)
        profile.samples = samples = Samples()
        for time in (0, seconds * 10**9):
            samples.add(0, 1, time=time, thread=0)
        return profile

    comparison = Comparison([timed({"a": 100}, 10)], [timed({"a": 120}, 20)], "time")
    assert comparison.everything().new == pytest.approx(0.6)
    with pytest.raises(FormatError, match="the second profile does not tell its time"):
        Comparison([timed({"a": 1}, 1)], [made({"a": 1})], "time")


def test_several_runs_have_means() -> None:
    comparison = Comparison([made({"a": 1, "b": 9}), made({"a": 3, "b": 7})], [made({"b": 1})])
    change = comparison.changes(SELF)[0]
    assert (change.name, change.before, change.after) == ("a", (0.1, 0.3), (0,))
    assert change.old == pytest.approx(0.2)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(FormatError, match="ns and samples are counted"):
        Comparison([made({"a": 1})], [made({"a": 1}, "ns")])
    with pytest.raises(FormatError, match="first profile does not tell its total"):
        Comparison([Profile()], [made({"a": 1})])
    with pytest.raises(FormatError, match="first profile is empty"):
        Comparison([Profile()], [made({"a": 1})], "none")


def test_samples_of_equal_weight_are_counted() -> None:
    assert count(made({"a": 5_000_000, "b": 15_000_000})) == 4
    assert count(made({"a": 1.5})) == 0
    assert count(made({"a": 5}, "ns")) == 0
    assert count(Profile()) == 0


# Rules.


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("+5% self", (1, 5, "%", "self", None, False)),
        ("5%", (1, 5, "%", "self", None, False)),
        ("-2.5 % total", (-1, 2.5, "%", "total", None, False)),
        ("x1.5 self /js.n/", (1, 1.5, "x", "self", "js.n", False)),
        ("+1000 total std::vector<int, x>::at", (1, 1000, "", "total", r"\Astd::vector<", False)),
        ("new +1% total", (1, 1, "%", "total", None, True)),
        ("+3% everything", (1, 3, "%", "everything", None, False)),
        ("+5% main", (1, 5, "%", "self", r"\Amain\Z", False)),
    ],
)
def test_rules(text: str, wanted: tuple[object, ...]) -> None:
    rule = gate.parse(text)
    pattern = rule.function.pattern if rule.function else None
    if pattern and isinstance(wanted[4], str):
        assert pattern.startswith(wanted[4])
        pattern = wanted[4]
    assert (rule.sign, rule.amount, rule.kind, rule.metric, pattern, rule.new) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no rule for a change: [new] +N%"),
        ("much", "is no rule for a change"),
        ("+5% self /(/", "/(/ is no regular expression"),
        ("x1.5%", "either a factor (x1.5) or a part of everything (+5%)"),
        ("x1", "a factor above 1"),
        ("+5% everything main", "everything is no function"),
    ],
)
def test_what_is_no_rule(text: str, said: str) -> None:
    with pytest.raises(FormatError, match=re.escape(said)):
        gate.parse(text)


def judged(
    before: list[Profile], after: list[Profile], rule: str, equal: str = "total"
) -> tuple[list[str], list[str]]:
    """Functions that break a rule, and those that may."""
    verdict = gate.judge(Comparison(before, after, equal), gate.parse(rule), 0.95, 0.001)
    return [each.change.name for each in verdict.offenders], [
        each.change.name for each in verdict.uncertain
    ]


EXACT = (
    made({"a;b": 300, "a": 100, "c": 600}, "calls"),
    made({"a;b": 400, "a": 100, "c": 450, "d": 50}, "calls"),
)


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("+10%", ["b"]), ("+10.1%", []), ("+5%", ["b", "d"]), ("-15%", ["c"]), ("-15.1%", []),
        ("+10% total", ["b", "a"]), ("+10% total a", ["a"]), ("+10% total A", []),
        ("+10% total /[ab]/", ["b", "a"]), ("new +5%", ["d"]), ("new +5.1%", []),
        ("x1.3", ["b", "d"]), ("x1.4", ["d"]), ("+100", ["b"]), ("+101", []),
        ("-150 self c", ["c"]),
    ],
)  # fmt: skip
def test_one_run_of_what_does_not_vary(rule: str, wanted: list[str]) -> None:
    before, after = EXACT
    assert judged([before], [after], rule) == (wanted, [])


def test_everything() -> None:
    before, after = made({"a": 100}, "ns"), made({"a": 105}, "ns")
    assert judged([before], [after], "+5% everything", "none") == ([""], [])
    assert judged([before], [after], "+6% everything", "none") == ([], [])
    with pytest.raises(FormatError, match="all totals are made equal"):
        judged([before], [after], "+5% everything")


def test_few_samples_are_noise() -> None:
    """Twice as much of twenty samples is nothing; of two thousand it is."""
    shares = {"a;b": 8.0, "c": 92.0}
    more = {"a;b": 16.0, "c": 84.0}
    assert judged([made(shares)], [made(more)], "+5%") == ([], ["b"])
    before, after = made({"a;b": 160, "c": 1840}), made({"a;b": 320, "c": 1680})
    assert judged([before], [after], "+5%") == (["b"], [])


def test_growth_is_found_in_noise() -> None:
    slower = {**USUAL, "parse": 18}
    for seed in range(10):
        before, after = runs(USUAL, 5, seed), runs(slower, 5, seed + 100)
        assert judged(before, after, "+5% self") == (["parse"], [])
        assert judged(before, after, "x1.5") == (["parse"], [])
        assert judged(after, before, "-5% self")[0] == ["parse"]


@pytest.mark.parametrize("number", [1, 3, 8])
@pytest.mark.parametrize(
    ("rule", "shares"), [("+0.5%", MANY), ("x1.05", MANY), ("+1% total", USUAL)]
)
def test_noise_fails_no_build(number: int, rule: str, shares: dict[str, float]) -> None:
    """Without a change rules are broken by as few as the confidence says: two of forty."""
    wobble = 0.1 if number > 1 else 0
    broken, large = 0, 0
    for seed in range(40):
        sides = [runs(shares, number, 1000 * side + seed, 300, wobble) for side in (1, 2)]
        offenders, uncertain = judged(sides[0], sides[1], rule)
        broken += bool(offenders)
        large += bool(offenders or uncertain)
    assert broken <= 3
    # There would have been many by the size of the change alone.
    assert large > 15


# What is said.

REPORT = """\
before: 5 runs of 1,000 samples on average; after: 5 runs of 1,000 samples on average; \
totals are made equal
noise is told by Welch's t-test, with 95 % confidence in each rule
functions below 0.1 % of everything are left out

FAILED: +5% self: 1 of 2
  before   after  change          between  chance  function
  10.00%  18.00%  +8.00%  +6.85% … +9.15%  < 1e-6  parse

ok: +5% total main: nothing of 1 broke it

New (self)
  before  after  change  function
   0.00%  1.00%  +1.00%  fresh

Grown (self)
  before   after  change  function
  10.00%  18.00%  +8.00%  parse

Shrunk (self)
  before   after  change  function
  90.00%  81.00%  -9.00%  read
"""


def varying(parse: int, fresh: int) -> list[Profile]:
    return [
        made({"main;parse": parse + d, "main;fresh": fresh, "main;read": 1000 - parse - fresh - d})
        for d in (-10, -5, 0, 5, 10)
    ]


def test_report() -> None:
    comparison = Comparison(varying(100, 0), varying(180, 10))
    rules = [gate.parse(text) for text in ("+5% self", "+5% total main")]
    verdicts = [gate.judge(comparison, rule, 0.95, 0.001) for rule in rules]
    sections = comparison_report.report(comparison, verdicts, 0.95, 0.001)
    sections += comparison_report.functions(comparison, SELF, 0.001)
    assert "".join(comparison_report.text(sections)) == REPORT
    page = "".join(comparison_report.markdown(sections, "T"))
    assert page.startswith("# T\n\nbefore: 5 runs")
    assert "## FAILED: +5% self: 1 of 2\n\n| before | after | change | between |" in page
    assert "| 10.00% | 18.00% | +8.00% | +6.85% … +9.15% | \\< 1e-6 | `parse` |" in page


def test_long_lists_are_cut() -> None:
    before = made({f"f{n}": 1 for n in range(50)}, "calls")
    after = made({f"g{n}": 1 for n in range(50)}, "calls")
    comparison = Comparison([before], [after])
    verdict = gate.judge(comparison, gate.parse("+1%"), 0.95, 0)
    text = "".join(comparison_report.text(comparison_report.report(comparison, [verdict], 0.95, 0)))
    assert "FAILED: +1%: 50 of 100" in text
    assert text.endswith("  … and 40 more\n")
    assert "nothing can be said of noise" in text


def test_nothing_changed() -> None:
    same = Comparison([made({"a": 1})], [made({"a": 2})])
    (section,) = comparison_report.functions(same, SELF, 0)
    assert section.title == "Nothing has changed (self)"
