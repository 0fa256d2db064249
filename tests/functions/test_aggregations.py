"""Aggregations: misuse, and what one CPU sums up."""

from __future__ import annotations

import pytest

from prybee.output.histogram import hist_index
from prybee.plan.layouts import LhistLayout
from tests.functions.scripts import complaints
from tests.language.running import TARGET, Loaded, compile_text

ERRORS = {
    "@x = count(1)": "count() requires no arguments (1 provided)",
    "@y = sum()": "sum() requires one argument (0 provided)",
    '@z = sum("x")': "sum() only supports integer arguments (string[2] provided)",
    "@w = min((1,2))": "min() only supports integer arguments ((int8,int8) provided)",
    "@w = max(true)": "max() only supports integer arguments (bool provided)",
    '@w = stats("a")': "stats() only supports integer arguments (string[2] provided)",
    "@h = hist()": "hist() requires at least one argument (0 provided)",
    "@h = hist(1, 6)": "hist: bits 6 must be 0..5",
    "@h = hist(1, -1)": "hist: bits -1 must be 0..5",
    "$k = 2; @h = hist(1, $k)": "hist: invalid bits value, need integer literal",
    '@h = hist("x")': "hist() only supports int arguments (string provided)",
    "@l = lhist(1)": "lhist() requires 4 arguments (1 provided)",
    "@l = lhist(1, 0, 10, 0)": "lhist() step must be >= 1 (0 provided)",
    "@l = lhist(1, 10, 5, 1)": "lhist() min must be less than max (provided min 10 and max 5)",
    "@l = lhist(1, 0, 100000, 1)": "lhist() too many buckets, must be <= 1000 (would need 100000)",
    "$k = 2; @l = lhist(1, $k, 10, 1)": "lhist: invalid min value (must be non-negative literal)",
    "@l = lhist(1, 0, 10, -1)": "lhist: invalid step value",
    '@l = lhist("x", 0, 10, 1)': "lhist() only supports int arguments (string provided)",
    "count()": "count() must be assigned directly to a map",
    "$c = count()": "count() must be assigned directly to a map",
    "print(count())": "count() must be assigned directly to a map",
    "hist(5)": "hist() must be assigned directly to a map",
    "@x = count() + 1": "count() must be assigned directly to a map",
    "@o = 1; @o = count()": "Type mismatch for @o: trying to assign value of type 'count_t' when "
    "map already has a type 'int8'",
    "@o = count(); @o = sum(1)": "Type mismatch for @o: trying to assign value of type 'sum_t' "
    "when map already has a type 'count_t'",
    "@t = tseries(1, 1s)": "tseries() requires at least 3 arguments (2 provided)",
    '@t = tseries("x", 1s, 5)': "tseries() only supports int arguments (string provided)",
    "@t = tseries(1, -1, 5)": "tseries: invalid interval_ns value (must be non-negative literal)",
    "@t = tseries(1, 0, 5)": "tseries() interval_ns must be >= 1 (0 provided)",
    "$k = 2; @t = tseries(1, 1s, $k)": "tseries: invalid num_intervals value (must be "
    "non-negative literal)",
    "@t = tseries(1, 1s, 1000000)": "tseries() num_intervals must be < 1000000 (1000000 provided)",
    '@t = tseries(1, 1s, 5, "last")': "tseries() expects one of the following aggregation "
    'functions: avg, max, min, sum ("last" provided)',
    "@t = tseries(1, 1s, 5, 4)": "tseries() expects one of the following aggregation functions: "
    "avg, max, min, sum (no string literal provided)",
    "tseries(1, 1s, 5)": "tseries() must be assigned directly to a map",
    "@t = tseries(1, 1s, 5); @t = tseries(1, 1s, 6)": "Different tseries bounds in a single map "
    "unsupported",
    "@t[1] = tseries(1, 1s, 5); print(@t[1])": "Map type tseries_t cannot print the value of "
    "individual keys. You must print the whole map.",
    "@t[1] = tseries(1, 1s, 5); $x = @t[1]": "Value 'tseries_t' cannot be assigned to a scratch "
    "variable.",
    "@l = lhist(1, 0, 10, 1); @l = lhist(1, 0, 20, 1)": "Different lhist bounds in a single map "
    "unsupported",
    "@h = hist(1, 1); @h = hist(1, 2)": "Different bits in a single hist unsupported",
}


@pytest.mark.parametrize(("statement", "message"), ERRORS.items())
def test_misuse(statement: str, message: str) -> None:
    assert message in complaints(f"begin {{ {statement}; }}")


NUMBERS = [
    *range(-3, 70), 100, 1000, 1023, 1024, 1025, 65535, 65536, 10**9, (1 << 32) - 1, 1 << 32,
    (1 << 62) - 1, 1 << 62, (1 << 63) - 1, -(1 << 63) + 1,
]  # fmt: skip


@pytest.mark.live
class TestInTheKernel:
    @staticmethod
    def loaded(body: str) -> Loaded:
        return Loaded(compile_text(f"begin {{ {body} }}").plan)

    @pytest.mark.parametrize("bits", range(6))
    def test_hist_buckets(self, bits: int) -> None:
        """Every number lands in the bucket that the output draws it in."""
        wanted = {n: hist_index(n, bits) for n in NUMBERS}
        lines = " ".join(f"@h[{i}] = hist({n}, {bits});" for i, n in enumerate(NUMBERS))
        with self.loaded(lines) as kernel:
            kernel.run()
            keys = [key for key, _value in kernel.maps["AT_h"].items()]
        found = {
            NUMBERS[int.from_bytes(key[:1], "little")]: int.from_bytes(key[-8:], "little")
            for key in keys
        }
        assert found == wanted

    def test_hist_of_variables(self) -> None:
        """The same by run-time values, where nothing folds."""
        with self.loaded(
            "for ($i : 0..63) { @h[$i] = hist(1 << $i); @k[$i] = hist((1 << $i) - 1, 3); }"
        ) as kernel:
            kernel.run()
            plain = {k[:8]: k[-8:] for k, _ in kernel.maps["AT_h"].items()}
            fine = {k[:8]: k[-8:] for k, _ in kernel.maps["AT_k"].items()}
        for i in range(63):
            key = i.to_bytes(8, "little")
            assert int.from_bytes(plain[key], "little") == hist_index(1 << i, 0)
            assert int.from_bytes(fine[key], "little") == hist_index((1 << i) - 1, 3)

    @pytest.mark.parametrize(
        ("low", "high", "step"), [(0, 100, 10), (5, 17, 4), (0, 10, 3), (10, 1000, 1), (0, 2, 1)]
    )
    def test_lhist_buckets(self, low: int, high: int, step: int) -> None:
        numbers = [-5, -1, 0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 16, 17, 99, 100, 999, 1000, 10**12]
        layout = LhistLayout(8, low, high, step)
        last = (high - low) // step + 1
        lines = " ".join(
            f"@l[{i}] = lhist({n}, {low}, {high}, {step});" for i, n in enumerate(numbers)
        )
        with self.loaded(lines) as kernel:
            kernel.run()
            found = {
                numbers[k[0]]: int.from_bytes(k[-8:], "little")
                for k, _ in kernel.maps["AT_l"].items()
            }
        assert found == {
            n: 0 if n < layout.min else min(last, (n - low) // step + 1) for n in numbers
        }

    def test_sums(self) -> None:
        body = (
            "for ($i : 0..10) { @c = count(); @s = sum($i - 5); @k[$i % 2] = sum($i); "
            "@min = min($i - 3); @max = max($i - 20); @u = max((uint64)$i); @a = avg($i); }"
            "$c = @c; $s = @s; $k = @k[1]; $min = @min; $max = @max; $u = @u; $a = @a; "
            'printf("%ld %ld %ld %ld %ld %ld %ld", $c, $s, $k, $min, $max, $u, $a);'
        )
        with self.loaded(body) as kernel:
            assert kernel.run() == [("printf", [10, -5, 25, -3, -11, 9, 4])]

    def test_update_is_without_a_helper_for_scalars(self) -> None:
        """A scalar count costs the number of the CPU where there are several, and no look-up."""
        plan = compile_text("tracepoint:syscalls:sys_enter_getppid { @ = count(); }").plan
        (program,) = plan.programs
        calls = [
            int.from_bytes(program.insns[at + 4 : at + 8], "little")
            for at in range(0, len(program.insns), 8)
            if program.insns[at] == 0x85
        ]
        assert calls == ([8] if len(TARGET.possible_cpus) > 1 else [])  # get_smp_processor_id
        # Without links, programs look first whether the trace has ended (Script._unless_stopped).
        asking = 0 if TARGET.has("perf_link") else 5
        assert len(program.insns) // 8 <= 12 + asking
