"""Keys of more than 512 bytes where the kernel takes none: maps by digests behave as others do."""

from __future__ import annotations

import pytest

from tests.live.tracing import run

pytestmark = pytest.mark.live

SCRIPT = """
config = { max_strlen = 600 }
begin {
    $a = str("a"); $b = str("b");
    @n[$a, 1] = 5; @n[$a, 1] = 6; @n[$b, 2]++; @n[$b, 2]++; @n[$a, 3] = 9;
    delete(@n, ($a, 3));
    @count[$a] = count(); @count[$a] = count(); @count[$b] = count();
    @sum[$a] = sum(5); @sum[$a] = sum(-7);
    @max[$b] = max(4); @max[$b] = max(3);
    @avg[$a] = avg(4); @avg[$a] = avg(8);
    @hist[$a] = hist(5); @hist[$a] = hist(6); @hist[$b] = hist(100);
    @lhist[$b, "x"] = lhist(7, 0, 10, 5);
    @text[$a] = str("value"); @tuple[$a] = ($b, 4);
    @zeroed[$a] = 4; @zeros[$b] = count(); @cleared[$a] = 1;
    @[$a, $b] = 1;
    print((has_key(@n, ($a, 1)), has_key(@n, ($a, 3)), @n[$b, 2], @n[$a, 4]));
    print((len(@n), @text[$a], @tuple[$a].1));
    print(@count[$a]); print(@n[$a, 1]); print(@text[$b]);
    for ($kv : @n) { @seen[$kv.0.1] = $kv.1; }
    for ($kv : @sum) { @sums = (int64)$kv.1; }
    zero(@zeroed); zero(@zeros); clear(@cleared);
    exit();
}
"""


def outcome(*options: str) -> str:
    done = run(*options, "-e", SCRIPT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_that_is_done_with_maps() -> None:
    found = outcome("--no-feature", "large_keys")
    assert found.startswith("(true, false, 2, 0)\n(2, value, 4)\n2\n6\n")
    assert "@n[b, 2]: 2\n@n[a, 1]: 6\n" in found
    assert "@zeroed[a]: 0\n@zeros[b]: 0\n" in found


@pytest.mark.needs("large_keys")
def test_the_same_as_with_long_keys() -> None:
    assert outcome("--no-feature", "large_keys") == outcome()


@pytest.mark.needs("large_keys")
def test_each_cpus_values() -> None:
    options = ("--no-feature", "large_keys", "--no-feature", "map_lookup_percpu_elem")
    assert outcome(*options) == outcome()


def test_stacks() -> None:
    script = """
        profile:hz:999 { @[kstack, ustack] = count(); @n = count(); }
        interval:ms:300 { exit(); }
        end {
            for ($kv : @) { @total += $kv.1; }
            print((@n > 5, @total == @n));
            clear(@); clear(@n); clear(@total);
        }
    """
    done = run("--no-feature", "large_keys", "-e", script)
    assert done.stdout.splitlines()[:1] == ["(true, true)"], done.stdout + done.stderr
