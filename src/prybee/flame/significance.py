"""Whether a change is more than noise: Welch's test for several runs, two proportions for one each.

The formulas are those of textbooks: Welch (1947) with the degrees of freedom of Satterthwaite, the
pooled test of two proportions, and the interval of Agresti and Caffo (2000) for their difference.
"""

from __future__ import annotations

import math

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WELCH = "Welch's t-test"
PROPORTIONS = "the test of two proportions"
# Where continued fractions and bisections are exact enough.
_EXACT = 1e-12
_STEPS = 300


class Estimate(Data):
    """A change, and how sure it is.

    Attributes:
        change: the mean after without the mean before.
        low, high: the change is between them with the confidence that was asked for.
        grown: how likely a growth like this is if nothing has grown.
        shrunk: the same for the other direction.
    """

    change: float
    low: float
    high: float
    grown: float
    shrunk: float


def mean(values: Sequence[float]) -> float:
    """The mean, without what sums of floating-point numbers lose."""
    return math.fsum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    """The variance of a population of which these are samples."""
    middle = mean(values)
    return math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1)


def welch(before: Sequence[float], after: Sequence[float], confidence: float) -> Estimate:
    """The change between two sets of runs, which need not vary alike.

    Args:
        before, after: a value for each run; at least three together, and one in each. The one run
            of a side is taken to vary like those of the other.
        confidence: of the interval, below 1.
    """
    change = mean(after) - mean(before)
    one, other = (_variance(runs) if len(runs) > 1 else None for runs in (before, after))
    if one is None:
        one = other
    if other is None:
        other = one
    assert one is not None
    assert other is not None
    parts = one / len(before), other / len(after)
    error = math.sqrt(sum(parts))
    # Runs that differ by what numbers of a computer cannot tell do not vary.
    if error <= 1e-12 * max(map(abs, (*before, *after))):
        return Estimate(change, change, change, float(change <= 0), float(change >= 0))
    if min(len(before), len(after)) == 1:
        freedom: float = max(len(before), len(after)) - 1
    else:
        freedom = sum(parts) ** 2 / (
            parts[0] ** 2 / (len(before) - 1) + parts[1] ** 2 / (len(after) - 1)
        )
    above = student_above(change / error, freedom)
    reach = error * student_quantile((1 - confidence) / 2, freedom)
    return Estimate(change, change - reach, change + reach, above, 1 - above)


def proportions(
    before: tuple[float, float], after: tuple[float, float], confidence: float
) -> Estimate:
    """The change between two counts, each as (how many, of how many).

    Args:
        before, after: the counts; those of how many are not zero.
        confidence: of the interval, below 1.
    """
    (few, many), (new_few, new_many) = before, after
    change = new_few / new_many - few / many
    pooled = (few + new_few) / (many + new_many)
    error = math.sqrt(pooled * (1 - pooled) * (1 / many + 1 / new_many))
    above = _normal_above(change / error) if error else 0.5
    # A success and a failure more in each, so that small counts are not too sure.
    shares = [((few + 1) / (many + 2), many + 2), ((new_few + 1) / (new_many + 2), new_many + 2)]
    middle = shares[1][0] - shares[0][0]
    spread = math.sqrt(sum(share * (1 - share) / count for share, count in shares))
    reach = spread * _normal_quantile((1 - confidence) / 2)
    return Estimate(change, middle - reach, middle + reach, above, 1 - above)


def student_above(value: float, freedom: float) -> float:
    """How likely a number of Student's distribution is above a value."""
    if math.isinf(value):
        return float(value < 0)
    tail = _beta(freedom / (freedom + value * value), freedom / 2, 0.5) / 2
    return tail if value > 0 else 1 - tail


def student_quantile(above: float, freedom: float) -> float:
    """The value above which a number of Student's distribution is so likely, at most a half."""
    low, high = 0.0, 1.0
    while student_above(high, freedom) > above:
        low, high = high, high * 2
    return _bisect(lambda value: student_above(value, freedom) > above, low, high)


def _normal_above(value: float) -> float:
    return math.erfc(value / math.sqrt(2)) / 2


def _normal_quantile(above: float) -> float:
    return _bisect(lambda value: _normal_above(value) > above, 0, 40)


def _bisect(beyond: Callable[[float], bool], low: float, high: float) -> float:
    """Where a question changes its answer from yes to no."""
    while high - low > _EXACT * max(1, high):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if beyond(middle):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    ) / a  # fmt: skip
    # Lentz's way to evaluate it.
    tiny = 1e-300
    fraction, numerator, denominator = 1.0, 1.0, 0.0
    for step in range(1, _STEPS):
        half = step // 2
        if step % 2:
            part = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            part = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        denominator = 1 / (1 + part * denominator or tiny)
        numerator = 1 + part / numerator or tiny
        fraction *= numerator * denominator
        if abs(numerator * denominator - 1) < _EXACT:
            break
    return front / fraction
