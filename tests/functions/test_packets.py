"""skboutput and socket_cookie: misuse, and what the verifier says."""

from __future__ import annotations

import pytest

from tests.functions.scripts import complaints
from tests.language.running import compile_text

SKB = "rawtracepoint:consume_skb"

MISUSE = {
    'begin { skboutput("a", 0, 1, 0) }': 'skboutput() can not be used with "begin" probes',
    "interval:s:1 { $c = socket_cookie(1) }": (
        'socket_cookie() can not be used with "interval" probes'
    ),
    SKB + ' { skboutput("a", args.skb, 1) }': "skboutput() requires 4 arguments (3 provided)",
    SKB + " { skboutput(comm, args.skb, 1, 0) }": (
        "skboutput() expects a string literal (string provided)"
    ),
    SKB + ' { skboutput("a", 5, 1, 0) }': "skboutput() expects a struct sk_buff * (int provided)",
    SKB + ' { skboutput("a", args.location, 1, 0) }': (
        "skboutput() expects a struct sk_buff * (pointer provided)"
    ),
    SKB + ' { skboutput("a", args.skb, "b", 0) }': (
        "skboutput() only supports int arguments (string[2] provided)"
    ),
    SKB + ' { skboutput("a", args.skb, 1, pid) }': (
        "skboutput() expects a literal offset of 0 or more"
    ),
    SKB + ' { skboutput("a", args.skb, 1, -1) }': (
        "skboutput() expects a literal offset of 0 or more"
    ),
    SKB + " { $c = socket_cookie(7) }": (
        "socket_cookie() only supports pointer arguments (int provided)"
    ),
}


@pytest.fixture(scope="module")
def live_target():
    """The running kernel's types: no table has those of packets."""
    live = pytest.importorskip("prybee.engines.live")
    target = live.LiveTarget()
    if target.btf is None or not target.btf.tracepoint_type("consume_skb"):
        pytest.skip("this kernel tells no types of consume_skb")
    return target


@pytest.mark.parametrize("script", MISUSE)
def test_misuse(script: str, live_target) -> None:
    assert complaints(script, target=live_target) == [MISUSE[script]]


def test_the_plan(live_target) -> None:
    """One map serves all calls; each has a kind of record, which says where its packets go."""
    call = 'skboutput("{}", (struct sk_buff *)arg0, {}, {})'
    body = f"$r = {call.format('a', 40, 0)}; {call.format('b', 'args.skb.len', 14)};"
    plan = compile_text(f"{SKB} {{ {body} }}", target=live_target).plan
    maps = [spec for spec in plan.maps if spec.type == "perf_event_array"]
    assert [(spec.name, spec.key_size, spec.value_size) for spec in maps] == [("packets", 4, 4)]
    assert maps[0].max_entries == max(live_target.possible_cpus) + 1
    details = [spec.detail for spec in plan.records if spec.action == "skboutput"]
    assert details == [("a", 0), ("b", 14)]
    assert plan.programs[0].type == "tracing"
