"""Functions that look at what a probe hit: programs attached to this very process."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from typing import Any

import pytest

from prybee.engines.kernel import KernelEngine
from prybee.engines.live import LiveTarget
from tests.functions.scripts import complaints
from tests.language.running import compile_text, decode

pytestmark = pytest.mark.live

LIBC = ctypes.CDLL(None)


def hit(script: str, times: int = 1, **options: Any) -> dict[str, Any]:
    """Attach a script, call getppid(2), and read its maps: values, or dicts by key."""
    compilation = compile_text(script, unsafe=True, **options)
    with KernelEngine(compilation.plan) as engine:
        engine.load()
        report = engine.attach()
        assert not report.failures
        for _call in range(times):
            os.getppid()
        engine.detach()
        return {m.name: _content(engine, m) for m in compilation.plan.script_maps}


def _content(engine: KernelEngine, script_map: Any) -> Any:
    items = engine.map_items(script_map)
    if script_map.key is None:
        assert len(items) == 1
        return decode(script_map.value, items[0][1])
    return {decode(script_map.key, key): decode(script_map.value, value) for key, value in items}


def address(name: str) -> int:
    found = ctypes.cast(getattr(LIBC, name), ctypes.c_void_p).value
    assert found is not None
    return found


def own(probe: str, body: str) -> str:
    return f"{probe} /pid == {os.getpid()}/ {{ {body} }}"


def test_where_a_user_function_is() -> None:
    found = hit(
        own(
            "uprobe:libc:getppid",
            '@ip = reg("ip"); @pc = reg("pc"); @f[1] = func; @here = (uint64)uaddr("getppid"); '
            '@other = (uint64)uaddr("getpid"); @frames = len(ustack); @mode = usermode;',
        )
    )
    assert found["@ip"] == found["@pc"] == found["@here"] == address("getppid")
    assert found["@other"] == address("getpid")
    symbol = found["@f"][1].to_bytes(16, "little")
    assert symbol[:8] == address("getppid").to_bytes(8, "little")
    assert symbol[8:12] == os.getpid().to_bytes(4, "little")
    assert found["@frames"] >= 1
    assert found["@mode"] == 1


def test_reading_through_a_symbol() -> None:
    environ = ctypes.c_void_p.in_dll(LIBC, "environ").value
    found = hit(own("uprobe:libc:getppid", '@ = *uaddr("environ");'))
    assert found["@"] == environ


class Older(LiveTarget):
    """A kernel that attaches single probes, whose programs cannot ask where they are."""

    OFF = frozenset(("modern", "uprobe_multi", "helper:get_func_ip"))

    def has(self, feature: str) -> bool:
        return feature not in self.OFF and super().has(feature)


RETURN = own("uretprobe:libc:getppid", '@f[1] = func; @r = retval; @h = (uint64)uaddr("getppid");')


@pytest.mark.parametrize("target", [LiveTarget, Older])
def test_where_a_return_is_from(target: type[LiveTarget]) -> None:
    found = hit(RETURN, target=target())
    assert found["@r"] == os.getppid()
    assert found["@f"][1] & (1 << 64) - 1 == found["@h"] == address("getppid")


def test_where_a_return_is_from_is_not_told() -> None:
    class Typeless(Older):
        btf = own_btf = None  # type: ignore[assignment]

    message = (
        "this kernel does not tell where a function began that returns (bpf_get_func_ip of "
        "uprobes, Linux 6.6), and without the kernel's types it cannot be read"
    )
    assert complaints(RETURN, target=Typeless()) == [message, message]


def test_uaddr_of_every_match_of_a_pattern() -> None:
    found = hit(own("uprobe:libc:getpp*", '@[probe] = (uint64)uaddr("getppid");'))
    assert set(found["@"].values()) == {address("getppid")}


@pytest.mark.needs("kfunc:bpf_task_from_pid")
def test_comm_of_other_processes() -> None:
    with open("/proc/self/comm") as file:
        name = file.read().rstrip("\n")
    with subprocess.Popen(["sleep", "60"]) as child:
        body = f"@child = comm({child.pid}); @self = comm(pid); @none = comm(999999999);"
        found = hit(own("tracepoint:syscalls:sys_enter_getppid", body))
        child.kill()
    assert found == {"@child": "sleep", "@self": name, "@none": "N/A"}


def test_names_of_system_calls() -> None:
    found = hit(own("tracepoint:raw_syscalls:sys_enter", "@[syscall_name(args.id)] = 1;"), times=3)
    assert "getppid" in found["@"]


def test_signals_reach_the_traced_process() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, _frame: seen.append(number))
    try:
        script = 'signal("USR2");'
        hit(own("uprobe:libc:getppid", script))
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert seen == [signal.SIGUSR2]


def test_threads_have_a_leader() -> None:
    result: dict[str, Any] = {}

    def work() -> None:
        body = "@t = tid; @l = leader_tid; @p = pid; @c = leader_comm;"
        result.update(hit(own("tracepoint:syscalls:sys_enter_getppid", body)))
        result["native"] = threading.get_native_id()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    with open("/proc/self/comm") as file:
        name = file.read().rstrip("\n")
    assert result["@t"] == result["native"]
    assert result["@l"] == result["@p"] == os.getpid()
    assert result["@c"] == name


def test_elapsed_counts_from_the_start() -> None:
    found = hit(own("tracepoint:syscalls:sys_enter_getppid", "@ = elapsed;"))
    assert 0 < found["@"] < 30_000_000_000


def test_assertions() -> None:
    from tests.language.running import Loaded

    script = 'begin { assert(pid == 0, "100%"); @after = 1; } '
    with Loaded(compile_text(script).plan) as loaded:
        records = loaded.run()
        assert [action for action, _values in records][:1] == ["errorf"]
        assert records[0][1] == ["100%"]
        assert not loaded.script_map("@after")
    with Loaded(compile_text('begin { assert(pid != 0, "no"); @after = 1; }').plan) as loaded:
        assert loaded.run() == []
        assert loaded.script_map("@after") == 1
    looping = 'begin { for $i : 0..5 { assert($i < 3, "too far"); @last = $i; } @after = 1; }'
    with Loaded(compile_text(looping).plan) as loaded:
        loaded.run()
        assert loaded.script_map("@last") == 2
        assert not loaded.script_map("@after")
