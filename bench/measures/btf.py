"""The kernel's types: from nothing to a struct's member and a tracepoint's arguments.

Cold is without the index on disk, warm is with it. The peers, in this process and in turn, are a
plain decoding of all types (tests/btf/naive.py), and libbpf, which is C, where it is installed.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import tempfile
import time
from typing import TYPE_CHECKING

from bench.report import Row, compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.tracer import Tracer

TITLE = "types of the kernel: a member, and a tracepoint (peer: as the row says)"
PATH = "/sys/kernel/btf/vmlinux"
_STRUCT, _TYPEDEF = 4, 8  # BTF_KIND_…


def measure(_ours: Tracer, _peer: Tracer, rounds: int) -> list[Row]:
    """Milliseconds, each in turn with its peer."""
    name = ctypes.util.find_library("bpf")
    libbpf = ctypes.CDLL(name) if name else None
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        _find("", cache)
        for how, directory, bound in (("cold", "", 0.5), ("warm", cache, 0.05)):
            samples: dict[str, list[float]] = {"ours": [], "plain": [], "libbpf": []}
            for _ in range(rounds):
                samples["ours"].append(_time(lambda d=directory: _find(d)))
                samples["plain"].append(_time(_plain))
                if libbpf is not None:
                    samples["libbpf"].append(_time(lambda: _libbpf(libbpf)))
            rows.append(
                compare(f"{how}, beside a plain decoding", "ms", samples["ours"],
                        samples["plain"], bound=bound)
            )  # fmt: skip
            if libbpf is not None:
                rows.append(
                    compare(f"{how}, beside libbpf", "ms", samples["ours"], samples["libbpf"])
                )
    return rows


def _time(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return (time.perf_counter() - begin) * 1e3


def _find(*caches: str) -> None:
    from prybee.btf import Btf

    for cache in caches:
        btf = Btf.vmlinux(PATH, cache=cache)
        assert btf.member(btf.find("task_struct", "struct"), "comm")
        assert btf.find("btf_trace_sched_switch")


def _plain() -> None:
    from tests.btf.naive import parse

    with open(PATH, "rb") as file:
        types = parse(file.read())
    names = {(row["kind"], row["name"]): row for row in types}
    assert any("comm" in member for member in names["struct", "task_struct"]["rows"])
    assert names["typedef", "btf_trace_sched_switch"]


def _libbpf(library: ctypes.CDLL) -> None:
    library.btf__parse.restype = ctypes.c_void_p
    btf = ctypes.c_void_p(library.btf__parse(PATH.encode(), None))
    assert btf
    find = library.btf__find_by_name_kind
    assert find(btf, b"task_struct", _STRUCT) > 0
    assert find(btf, b"btf_trace_sched_switch", _TYPEDEF) > 0
    library.btf__free(btf)
