"""What prybee does on kernels that lack things: the same scripts print the same.

The features are taken off by ``--no-feature``, so that this runs on every kernel.
"""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.live.corpus import PRYBEE, Case, all_cases

pytestmark = pytest.mark.live

# What Linux 5.10 lacks, and the ring buffer, which came with 5.8.
MISSING = (
    "ringbuf,for_each_map_elem,loop,map_lookup_percpu_elem,map_batch,perf_link,v4,atomics,"
    "get_func_ip,ktime_get_tai_ns,strncmp,uprobe_multi,kprobe_multi,kprobe_session,"
    "get_current_task_btf,task_pt_regs,snprintf,map:bloom_filter"
)


def run(case: Case, missing: str) -> subprocess.CompletedProcess[str]:
    """A case without some features; what was off already stays so."""
    off = ",".join(filter(None, (os.environ.get("PRYBEE_NO_FEATURE"), missing)))
    return subprocess.run(
        case.command(PRYBEE),
        env={**case.environment(), "PRYBEE_NO_FEATURE": off},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=60,
        check=False,
    )


def check(case: Case, missing: str) -> None:
    done = run(case, missing)
    wrong = case.difference(done.stdout)
    assert not wrong, f"{wrong}\n--- out\n{done.stdout}--- err\n{done.stderr}"
    assert done.returncode == int(case.fields.get("status", "0")), done.stderr


def script(text: str, expected: str) -> Case:
    """A case that is not in a file."""
    return Case("here", text, text, expected)


LOOPS = """
begin {
  $sum = 0;
  for ($i : 0..5) { if ($i == 3) { continue; } $sum += $i; }
  print($sum);
  $n = (pid & 7) + 3; $rounds = (uint64)0;
  for ($i : 0..$n) { $rounds++; }
  print($rounds == $n);
  for ($i : 0..3) { for ($j : $i..4) { @[$i, $j] = "abc"; if ($j > 1) { break; } } }
  print(@[2, 2]);
  for ($i : 3..1) { print("never"); }
  for ($i : -2..1) { print($i); }
  for ($i : 0..100) { if ($i == 2) { clear(@); exit(); } print(($i, "x")); }
}
"""
AGGREGATIONS = """
begin {
  @c[1] = count(); @c[1] = count(); @s[1] = sum(5); @s[1] = sum(-2);
  @a[1] = avg(3); @a[1] = avg(6); @h[1] = hist(5); @m[1] = max(3);
  if (@c[1] > 1) { printf("%d %d %d %d\\n", @c[1], @c[9], @s[1], @a[1]); }
  print(@c); print(@a); print(@c[1]); print(@m); zero(@s); print(@s[1]);
  delete(@c, 1); print(@c[1]); @c[4] = count(); clear(@a); clear(@h); clear(@m); exit();
}
"""


WALKS = """
begin {
  @[1] = 10; @s["a"] = "x"; @s["b"] = "y"; @c[7] = count(); @c[7] = count(); $z = 5; $t = (1, "q");
  for ($kv : @) { if ($kv.0 == 1) { $z += $kv.1; } else { continue; } print($kv); }
  print(($z, $t));
  for ($kv : @s) { for ($m : @) { @n++; } if (@n == 3) { break; } }
  print(@n);
  for ($kv : @c) { print($kv); @[$kv.0] = (int64)$kv.1; }
  print((len(@), len(@s))); delete(@, 7); print(len(@)); @s["c"] = "z"; @s["c"] = "w";
  print(len(@s));
  for ($kv : @s) { delete(@s, $kv.0); }
  print(len(@s));
}
interval:ms:20 { @ticks++; for ($kv : @) { print((@ticks, $kv)); if (@ticks == 3) { exit(); } } }
end { for ($kv : @c) { print($kv.1); clear(@); clear(@n); clear(@c); return; } print("never"); }
"""


@pytest.mark.parametrize(
    ("case", "missing"),
    [
        (script(LOOPS, "7\ntrue\nabc\n-2\n-1\n0\n(0, x)\n(1, x)"), "loop"),
        (
            script(
                AGGREGATIONS,
                "2 0 3 4\n@c[4]: 1\n@a[1]: 4\n2\n@m[1]: 3\n3\n0\n\n\n@c[4]: 1\n@s[1]: 0",
            ),
            "map_lookup_percpu_elem",
        ),
        (
            script(
                WALKS,
                "(1, 10)\n(15, (1, q))\n@n: 2\n(7, 2)\n(2, 2)\n1\n3\n0\n(1, (1, 10))\n"
                "(2, (1, 10))\n(3, (1, 10))\n2\n\n\n@ticks: 3",
            ),
            "for_each_map_elem,map_lookup_percpu_elem",
        ),
        (
            script(
                'begin { print((1, "abc")); printf("%s %d\\n", "text", -1); exit(3) } '
                'end { printf("%r", buf("xyz", 3)) }',
                "(1, abc)\ntext -1\nxyz",
            ),
            "ringbuf",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_substitutes(case: Case, missing: str) -> None:
    """The older way gives what the newer one gives."""
    new, old = run(case, ""), run(case, missing)
    assert not case.difference(new.stdout), new.stdout + new.stderr
    assert (old.stdout, old.returncode) == (new.stdout, new.returncode), old.stderr


@pytest.mark.parametrize(
    ("text", "missing", "message"),
    [
        (
            "begin { @[1] = 1; unroll(2) { for ($kv : @) { print($kv); } } }",
            "for_each_map_elem",
            "This kernel has no loops over maps inside another kind of loop, an expression or a",
        ),
        (
            "profile:hz:1 { @[1] = 1; for ($kv : @) { print($kv); } }",
            "for_each_map_elem",
            "This kernel has no loops over maps in this probe (bpf_for_each_map_elem, Linux 5.13)",
        ),
        (
            "let @ = lruhash(10); begin { @[1] = 1; print(len(@)); }",
            "for_each_map_elem",
            "This kernel cannot count the elements of @, of which it drops old ones",
        ),
        (
            "begin { @[1] = max(1); if (@[1] > 0) { exit(); } }",
            "map_lookup_percpu_elem",
            "This kernel cannot read @ by key in a probe: it has min() or max() of each CPU",
        ),
        (
            "begin { for ($i : 0..(pid + 1000)) { } exit(); }",
            "loop",
            "The loop ended after 512 rounds: this kernel (before Linux 5.17) walks no more",
        ),
    ],
)
def test_told(text: str, missing: str, message: str) -> None:
    """What has no substitute is said, at its place."""
    done = run(script(text, ""), missing)
    assert message in done.stderr


def test_lost_records_are_counted() -> None:
    """A perf buffer that is full loses records, and the trace says how many."""
    text = """
        config = { perf_rb_pages = 1 }
        begin { unroll(100) { printf("%s\\n", "a record of forty bytes, with its kind   "); } }
        end { exit(); }
    """
    done = run(script(text, ""), "ringbuf")
    shown = done.stdout.count("a record")
    assert 0 < shown < 100
    assert f"WARNING: Total lost event count: {100 - shown}" in done.stderr


@pytest.mark.parametrize("missing", ["", "perf_link"])
def test_nothing_runs_once_the_trace_has_ended(missing: str) -> None:
    """With many probes, also where these are closed one after the other, behind our back."""
    text = (
        "tracepoint:syscalls:sys_enter_* { @[1]++; @[2]++; } interval:ms:100 { exit(); }"
        "end { $n = @[1]; for ($i : 0..1000) { $x = ctx; } print(@[1] - $n); @end = $n; }"
    )
    text = text.replace("$x = ctx;", "@round = $i;")
    done = run(script(text, ""), missing)
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert out.startswith("0\n")
    (at_end,) = re.findall(r"@end: (\d+)", out)
    assert re.findall(r"@\[[12]\]: (\d+)", out) == [at_end, at_end]


@pytest.mark.slow
@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.id)
def test_script(case: Case) -> None:
    """Every script of the corpus prints the same where all of that is missing."""
    check(case, MISSING)
