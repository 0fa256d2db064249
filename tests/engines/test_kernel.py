"""The kernel engine: plans made by hand, on the running kernel."""

from __future__ import annotations

import ctypes
import os
import select
import time
from collections import Counter
from struct import pack
from typing import TYPE_CHECKING

import pytest

from prybee.diagnostics import KernelError, NotSupported, PrybeeError, VerifierRejected
from prybee.engines import attaching
from prybee.engines.kernel import KernelEngine
from prybee.engines.live import LiveTarget
from prybee.linux import features, syscalls, uapi
from prybee.plan import layouts
from prybee.plan import plan as p
from tests.engines.conftest import DATA, LOST, WAKE, Code, plan, probe, program, word
from tests.linux.conftest import insn
from tests.linux.test_links import libc_place

if TYPE_CHECKING:
    from mmap import mmap

pytestmark = pytest.mark.live

libc = ctypes.CDLL(None)


def counter_program(name: str, type_: str, offset: int = DATA, **more: object) -> p.ProgramSpec:
    code = Code()
    code.only_us()
    code.count(offset)
    return program(name, code, type_, **more)


def digit_program(digit: int, type_: str, **more: object) -> p.ProgramSpec:
    code = Code()
    code.only_us()
    code.append_digit(digit)
    return program(f"digit{digit}", code, type_, **more)


def test_special_programs_run_on_this_thread_before_attaching() -> None:
    # Sends the pid that it sees.
    begin = Code()
    begin.insns += insn(0x85, imm=14) + insn(0x77, 0, imm=32) + insn(0xBF, 6, 0)
    begin.load(1, "map_value", "globals", DATA)
    begin.insns += insn(0x7B, 1, 6)
    end = Code()
    end.count(DATA + 8)
    made = plan(
        [program("begin", begin), program("end", end)],
        [
            probe("begin", "begin", p.SpecialAttach("begin")),
            probe("end", "end", p.SpecialAttach("end")),
            probe("end", "end", p.SpecialAttach("end")),
        ],
    )
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    with KernelEngine(made) as engine:
        engine.load()
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        assert before < word(engine.globals, made.globals.start) < after
        assert engine.run_special("begin") == 1
        assert word(engine.globals) == os.getpid()
        assert engine.attach().count == 3
        assert engine.run_special("self:signal:SIGUSR1") == 0
        assert engine.run_special("end") == 2
        assert word(engine.globals, DATA + 8) == 2
        assert "2 programs, 0 attachments" in repr(engine)


def test_ways_of_attaching() -> None:
    path, getpgid = libc_place("getpgid")
    _, getsid = libc_place("getsid")
    programs = [
        counter_program("tp", "tracepoint", DATA),
        counter_program(
            "btf", "tracing", DATA + 8, attach_type="trace_raw_tp", attach_to="btf_trace_sys_enter"
        ),
        counter_program("raw", "raw_tracepoint", DATA + 16),
        counter_program("up", "kprobe", DATA + 24),
    ]
    probes = [
        probe("t", "tp", p.TracepointAttach("syscalls", "sys_enter_getppid")),
        probe("rt", "btf", p.RawTracepointAttach("sys_enter")),
        probe("raw", "raw", p.RawTracepointAttach("sys_exit")),
        # Cookies came with links.
        probe(
            "u", "up", p.UprobeAttach(path, getpgid, cookie=3 * bool(features.probe("perf_link")))
        ),
        probe("ur", "up", p.UprobeAttach(path, getpgid, returns=True, pid=os.getpid())),
    ]
    multi = bool(features.probe("uprobe_multi"))
    if multi:
        programs.append(
            counter_program("multi", "kprobe", DATA + 32, attach_type="trace_uprobe_multi")
        )
        way = p.UprobeMultiAttach(path, (getpgid, getsid), pid=os.getpid())
        probes.append(probe("m", "multi", way))
    with LiveTarget() as target, KernelEngine(plan(programs, probes), target) as engine:
        engine.load()
        report = engine.attach()
        assert report.failures == ()
        assert report.count == 5 + multi
        for _ in range(3):
            os.getppid()
            libc.getpgid(0)
        libc.getsid(0)
        engine.detach()
        seen = [word(engine.globals, DATA + 8 * i) for i in range(5)]
        assert seen[0] == 3
        assert seen[1] >= 7
        assert seen[2] >= 7
        assert seen[3] == 6
        assert seen[4] == 4 * multi
        os.getppid()
        libc.getpgid(0)
        engine.detach()
        assert word(engine.globals) == 3


@pytest.mark.parametrize(
    "kind",
    [
        "tracepoint", "rawtracepoint", "uprobe", "uretprobe",
        pytest.param("multi", marks=pytest.mark.needs("uprobe_multi")),
    ],
)  # fmt: skip
def test_blocks_at_one_place_run_in_the_order_of_the_script(kind: str) -> None:
    path, getpgid = libc_place("getpgid")
    if kind == "tracepoint":
        type_, more, way = "tracepoint", {}, p.TracepointAttach("syscalls", "sys_enter_getpgid")
    elif kind == "rawtracepoint":
        # sys_enter fires for each call; the digits' program filters by nothing, so use exit only
        # once: the word is read after one call and cleared before it.
        type_, more, way = "raw_tracepoint", {}, p.RawTracepointAttach("sys_enter")
    elif kind == "multi":
        type_, more = "kprobe", {"attach_type": "trace_uprobe_multi"}
        way = p.UprobeMultiAttach(path, (getpgid,))
    else:
        type_, more = "kprobe", {}
        way = p.UprobeAttach(path, getpgid, returns=kind == "uretprobe")
    made = plan(
        [digit_program(i, type_, **more) for i in (1, 2, 3)],
        [probe(f"{kind}{i}", f"digit{i}", way) for i in (1, 2, 3)],
    )
    with KernelEngine(made) as engine:
        engine.load()
        assert engine.attach().failures == ()
        engine.globals[DATA : DATA + 8] = bytes(8)
        libc.getpgid(0)
        seen = str(word(engine.globals))
        engine.detach()
    assert seen.startswith("123")


def test_one_program_at_many_places() -> None:
    names = ["getpid", "getppid", "getuid", "getgid", "geteuid", "getegid"]
    made = plan(
        [counter_program("shared", "tracepoint")],
        [
            probe(name, "shared", p.TracepointAttach("syscalls", f"sys_enter_{name}"))
            for name in names
        ],
    )
    with KernelEngine(made) as engine:
        engine.load()
        assert engine.attach().count == 6
        before = word(engine.globals)
        for name in names:
            getattr(os, name)()
        assert word(engine.globals) - before >= 6


def test_timers_and_software_events() -> None:
    clock, software = Code(), Code()
    clock.count(DATA)
    software.count(DATA + 8)
    made = plan(
        [program("clock", clock, "perf_event"), program("software", software, "perf_event")],
        [
            probe("interval:ms:1", "clock", p.PerfEventAttach(1, 0, period=1_000_000, cpu=0)),
            probe("profile:hz:99", "clock", p.PerfEventAttach(1, 0, frequency=99)),
            probe(
                "software:page-faults:1", "software",
                p.PerfEventAttach(1, 2, period=1, pid=os.getpid()),
            ),
        ],
    )  # fmt: skip
    with KernelEngine(made) as engine:
        engine.load()
        assert engine.attach().failures == ()
        time.sleep(0.05)
        pages = bytearray(1 << 20)
        for at in range(0, len(pages) // 2, 4096):
            # Not all in one tick: the kernel holds back an event that comes too often.
            pages[at] = 1
            time.sleep(0.001)
        time.sleep(0.01)
        engine.detach()
        assert word(engine.globals) > 20
        assert word(engine.globals, DATA + 8) > 20


def test_failures_are_reported_by_probe() -> None:
    made = plan(
        [counter_program("tp", "tracepoint"), counter_program("up", "kprobe")],
        [
            probe("good", "tp", p.TracepointAttach("syscalls", "sys_enter_getppid")),
            probe("no event", "tp", p.TracepointAttach("syscalls", "sys_enter_nothing")),
            probe("no file", "up", p.UprobeAttach("/no/such/file", 16)),
        ],
    )
    with KernelEngine(made) as engine:
        engine.load()
        report = engine.attach()
        assert [x.name for x in report.attached] == ["good"]
        texts = {f.probe.name: str(f.error) for f in report.failures}
        assert texts["no event"] == (
            "tracepoint:syscalls:sys_enter_nothing: this kernel has no such event"
        )
        assert texts["no file"].startswith("perf_event_open for uprobe /no/such/file:0x10: ENOENT")
        assert list(texts) == ["no event", "no file"]
        os.getppid()
        assert word(engine.globals) == 1


def test_records_wake_ups_and_losses() -> None:
    code = Code()
    code.send(7)
    with KernelEngine(
        plan([program("send", code)], [probe("begin", "send", p.SpecialAttach("begin"))])
    ) as engine:
        engine.load()
        ring = engine.ring
        assert ring.take() is None
        assert ring.sleep()
        assert engine.globals[WAKE] == 2
        engine.run_special("begin")
        poll = select.poll()
        poll.register(ring, select.POLLIN)
        assert poll.poll(0)
        assert not ring.sleep()
        assert engine.globals[WAKE] == 1
        taken = ring.take()
        assert taken is not None
        batch, runs = taken
        assert [run[::3] for run in runs] == [(7, 1)]
        assert bytes(batch[:16]) == pack("IIQ", 7, 0, 0)
        ring.awake()
        # The buffer has room for 170 records of 24 bytes.
        for _ in range(200):
            engine.run_special("begin")
        taken = ring.take()
        assert taken is not None
        assert taken[1][0][3] == 4096 // 24
        engine.globals[LOST + 8 : LOST + 16] = (5).to_bytes(8, "little")
        assert engine.lost() == [0, 5]


U64 = layouts.IntLayout(8, False)


def test_scalar_maps_in_global_data() -> None:
    value = p.ScriptMap("@x", None, U64, "globals", "global", DATA, written=8)
    count = p.ScriptMap("@c", None, layouts.CountLayout(8), "globals", "global", 256, 64, True)
    total = p.ScriptMap(
        "@s", None, layouts.SumLayout(8, True), "globals", "global", 512, 64, True, written=8
    )
    hist = p.ScriptMap("@h", None, layouts.HistLayout(8, 0), "globals", "global", 1024, 1024, True)
    made = plan([], [], script_maps=[value, count, total, hist])
    with KernelEngine(made) as engine:
        engine.load()
        assert engine.map_items(value) == [(b"", bytes(8))]
        assert not engine.map_written(value)
        data = engine.globals
        data[DATA : DATA + 16] = pack("QQ", 42, 1)
        data[256:264] = pack("Q", 3)
        data[320:328] = pack("Q", 4)
        data[576:592] = pack("qQ", -5, 1)
        data[1024 + 8 * 5 : 1024 + 8 * 6] = pack("Q", 9)
        data[2048 + 8 * 7 : 2048 + 8 * 8] = pack("Q", 1)
        assert engine.map_items(value) == [(b"", pack("Q", 42))]
        assert engine.map_value(value) == pack("Q", 42)
        assert engine.map_written(value)
        assert engine.map_written(count)
        assert engine.map_written(total)
        assert engine.map_items(count) == [(b"", [pack("Q", 3), pack("Q", 4)])]
        assert engine.map_items(total) == [(b"", [bytes(8), pack("q", -5)])]
        assert engine.map_items(hist) == [
            (pack("Q", 5), [pack("Q", 9), bytes(8)]),
            (pack("Q", 7), [bytes(8), pack("Q", 1)]),
        ]
        engine.map_zero(value)
        assert engine.map_items(value) == [(b"", bytes(8))]
        assert engine.map_written(value)
        engine.map_clear(value)
        assert not engine.map_written(value)
        engine.map_zero(hist)
        assert engine.map_items(hist) == []
        engine.map_clear(total)
        assert not engine.map_written(total)


@pytest.mark.parametrize("type_", ["hash", "percpu_hash"])
def test_keyed_maps(type_: str) -> None:
    spec = p.MapSpec("AT_m", type_, 8, 8, 100, script_name="@m")
    m = p.ScriptMap("@m", U64, U64, "AT_m", per_cpu=type_ == "percpu_hash")
    with KernelEngine(plan([], [], [spec], [m])) as engine:
        engine.load()
        kernel_map = engine.maps["AT_m"]
        wanted = {}
        for i in range(50):
            values = [pack("Q", i + cpu) for cpu in range(kernel_map.cpus)]
            kernel_map.update(pack("Q", i), b"".join(values))
            wanted[pack("Q", i)] = tuple(values) if m.per_cpu else values[0]
        assert dict(engine.map_items(m)) == wanted
        found = engine.map_value(m, pack("Q", 3))
        assert found is not None
        assert type(wanted[pack("Q", 3)])(found) == wanted[pack("Q", 3)]
        assert engine.map_value(m, pack("Q", 99)) is None
        assert engine.map_written(m)
        engine.map_zero(m)
        zero = (bytes(8),) * kernel_map.cpus if m.per_cpu else bytes(8)
        assert dict(engine.map_items(m)) == dict.fromkeys(wanted, zero)
        engine.map_clear(m)
        assert engine.map_items(m) == []


def test_counters_and_statistics() -> None:
    spec = p.CounterSpec("helper", "probe_read", DATA)
    quiet = p.CounterSpec("division", "/", DATA + 16)
    code = Code()
    code.count()
    made = plan(
        [program("count", code)],
        [probe("begin", "count", p.SpecialAttach("begin"))],
        counters=[spec, quiet],
    )
    with KernelEngine(made, statistics=True) as engine:
        engine.load()
        assert engine.counters() == []
        engine.run_special("begin")
        engine.globals[DATA + 8 : DATA + 16] = pack("q", -14)
        assert engine.counters() == [(spec, 1, -14)]
        runs, nanoseconds = engine.program_stats()["count"]
        assert runs == 1
        assert nanoseconds > 0


def test_initial_content_and_logs() -> None:
    code = Code()
    code.count()
    made = plan([program("count", code)], [])
    maps = (made.maps[0].replace(initial=b"abc"), made.maps[1])
    with KernelEngine(made.replace(maps=maps), log_level=uapi.LOG_STATISTICS) as engine:
        engine.load()
        assert bytes(engine.globals[:4]) == b"abc\0"
        assert "processed" in engine.logs["count"]


def test_iterator() -> None:
    code = Code()
    # seq_write(ctx->meta->seq, stack, 8)
    code.insns += insn(0x79, 6, 1) + insn(0x79, 1, 6) + insn(0x7A, 10, 0, -8, 0x41)
    code.insns += insn(0xBF, 2, 10) + insn(0x07, 2, imm=-8) + insn(0xB7, 3, imm=8)
    code.insns += insn(0x85, imm=127)
    made = plan(
        [program("it", code, "tracing", attach_type="trace_iter", attach_to="bpf_iter_task")],
        [probe("iter:task", "it", p.IterAttach("task"))],
    )
    with KernelEngine(made) as engine:
        engine.load()
        assert engine.attach().failures == ()
        pieces = list(engine.iterate())
        data = b"".join(piece for _, piece in pieces)
        assert pieces[0][0].name == "iter:task"
        assert len(data) // 8 > 10
        assert set(data[::8]) == {0x41}


def test_refusals() -> None:
    bad = Code()
    bad.insns += insn(0x79, 0, 1, 30000)
    with KernelEngine(plan([program("bad", bad)], [])) as engine:
        with pytest.raises(VerifierRejected) as rejected:
            engine.load()
        assert rejected.value.program == "bad"
        assert "invalid" in rejected.value.log
    missing = Code()
    missing.load(1, "map", "nowhere")
    with (
        KernelEngine(plan([program("m", missing)], [])) as engine,
        pytest.raises(PrybeeError, match="uses map nowhere, which is not in the plan"),
    ):
        engine.load()
    kfunc = Code()
    kfunc.relocations.append(p_relocation(len(kfunc.insns) // 8, "bpf_no_such_kfunc"))
    kfunc.insns += insn(0x85, 0, 2)
    with (
        KernelEngine(plan([program("k", kfunc)], [])) as engine,
        pytest.raises(NotSupported, match="kernel function bpf_no_such_kfunc"),
    ):
        engine.load()
    where = program(
        "w", Code(), "tracing", attach_type="trace_raw_tp", attach_to="btf_trace_no_such"
    )
    with (
        KernelEngine(plan([where], [])) as engine,
        pytest.raises(NotSupported, match="this kernel has no btf_trace_no_such"),
    ):
        engine.load()
    huge = p.MapSpec("AT_huge", "hash", 8, 8, 1 << 31, script_name="@huge")
    with (
        KernelEngine(plan([], [], [huge])) as engine,
        pytest.raises(KernelError, match=r"creating map @huge \(hash, 2147483648 entries"),
    ):
        engine.load()


def p_relocation(insn_: int, symbol: str) -> object:
    from prybee.compiler.compile import Relocation

    return Relocation(insn_, "kfunc", symbol)


@pytest.mark.needs("kfunc:bpf_rcu_read_lock")
def test_kfunc_call() -> None:
    code = Code()
    code.relocations.append(p_relocation(0, "bpf_rcu_read_lock"))  # type: ignore[arg-type]
    code.insns += insn(0x85, 0, 2)
    code.relocations.append(p_relocation(1, "bpf_rcu_read_unlock"))  # type: ignore[arg-type]
    code.insns += insn(0x85, 0, 2)
    made = plan(
        [
            program(
                "k", code, "tracing", attach_type="trace_raw_tp", attach_to="btf_trace_sys_enter"
            )
        ],
        [],
    )
    with KernelEngine(made) as engine:
        engine.load()


def test_use_before_loading_and_after_closing() -> None:
    engine = KernelEngine(plan([], []))
    with pytest.raises(PrybeeError, match="not loaded"):
        _ = engine.ring
    engine.load()
    engine.close()
    engine.close()
    with pytest.raises(PrybeeError, match="not loaded, or closed"):
        _ = engine.globals


class Counting(syscalls.Kernel):
    """Counts what is asked of it, by kind."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def bpf(self, command: int, attributes: int, size: int) -> int:
        self.asked["bpf"] += 1
        return super().bpf(command, attributes, size)

    def perf_event_open(self, *arguments: int) -> int:
        self.asked["perf_event_open"] += 1
        return super().perf_event_open(*arguments)

    def ioctl(self, *arguments: int) -> int:
        self.asked["ioctl"] += 1
        return super().ioctl(*arguments)


def test_many_probes_attach_and_detach_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One event and one link for each probe, and all are closed at once.

    (How long that takes beside bpftrace is in bench/measures/many.py.)
    """
    closed = []
    close_all = attaching.close_all
    monkeypatch.setattr(
        attaching, "close_all", lambda objects: (closed.append(len(objects)), close_all(objects))
    )
    with LiveTarget() as target:
        events = [e for e in target.tracepoints() if e[0] in ("syscalls", "ext4")][:500]
        made = plan(
            [counter_program("shared", "tracepoint")],
            [probe(":".join(e), "shared", p.TracepointAttach(*e)) for e in events],
        )
        assert len(events) > 300
        with KernelEngine(made, target) as engine, syscalls.replaced(Counting()) as kernel:
            engine.load()
            kernel.asked.clear()
            assert engine.attach().failures == ()
            assert kernel.asked["perf_event_open"] == len(events)
            # Where events have no links, two calls take the place of one.
            calls = 3 if features.probe("perf_link") else 4
            # To find that out takes a few itself.
            assert sum(kernel.asked.values()) <= calls * len(events) + 8
            engine.detach()
    assert max(closed) >= len(events)


class Failing(syscalls.Kernel):
    """Fails at the n-th call of one kind."""

    def __init__(self, kind: str, after: int) -> None:
        super().__init__()
        self.kind = kind
        self.left = after

    def _fails(self, kind: str) -> bool:
        if kind != self.kind:
            return False
        self.left -= 1
        return self.left < 0

    def bpf(self, command: int, attributes: int, size: int) -> int:
        if self._fails(uapi.COMMANDS[command]):
            return -12
        return super().bpf(command, attributes, size)

    def perf_event_open(self, attributes: int, pid: int, cpu: int, group: int, flags: int) -> int:
        if self._fails("perf_event_open"):
            return -24
        return super().perf_event_open(attributes, pid, cpu, group, flags)

    def map_memory(self, fd: int, length: int, offset: int = 0, writable: bool = True) -> mmap:
        if self._fails("mmap"):
            raise OSError(12, "Cannot allocate memory")
        return super().map_memory(fd, length, offset, writable)


@pytest.mark.parametrize(
    ("kind", "after", "text"),
    [
        ("map_create", 0, "for map globals: ENOMEM"),
        ("map_create", 1, "for map ringbuf: ENOMEM"),
        ("mmap", 0, "mmap of map globals: ENOMEM"),
        ("mmap", 1, "mmap of ring buffer ringbuf: ENOMEM"),
        ("mmap", 2, "mmap of ring buffer ringbuf: ENOMEM"),
        ("prog_load", 0, r"loading program tp \(tracepoint\): ENOMEM"),
    ],
)
def test_a_failure_at_any_step_of_loading_leaves_nothing(kind: str, after: int, text: str) -> None:
    made = plan([counter_program("tp", "tracepoint")], [])
    with (
        syscalls.replaced(Failing(kind, after)),
        KernelEngine(made) as engine,
        pytest.raises(KernelError, match=text),
    ):
        engine.load()


@pytest.mark.parametrize(
    ("kind", "after", "attached", "text"),
    [
        ("perf_event_open", 0, ["two"], "EMFILE: Too many open files\nHINT: too many open files"),
        ("perf_event_open", 1, ["one"], "EMFILE"),
        pytest.param("link_create", 0, ["two"], "ENOMEM", marks=pytest.mark.needs("perf_link")),
        pytest.param("link_create", 1, ["one"], "ENOMEM", marks=pytest.mark.needs("perf_link")),
    ],
)
def test_a_failure_at_any_step_of_attaching_is_that_probes_alone(
    kind: str, after: int, attached: list[str], text: str
) -> None:
    made = plan(
        [counter_program("tp", "tracepoint")],
        [
            probe("one", "tp", p.TracepointAttach("syscalls", "sys_enter_getppid")),
            probe("two", "tp", p.TracepointAttach("syscalls", "sys_enter_getpgid")),
        ],
    )

    class Once(Failing):
        def _fails(self, kind: str) -> bool:
            return super()._fails(kind) and self.left == -1

    with KernelEngine(made) as engine:
        engine.load()
        with syscalls.replaced(Once(kind, after)):
            report = engine.attach()
        assert [each.name for each in report.attached] == attached
        assert text in str(report.failures[0].error)


def test_a_profile_that_fails_on_one_cpu_is_off_on_all() -> None:
    code = Code()
    code.count()
    made = plan(
        [program("clock", code, "perf_event")],
        [probe("profile:hz:99", "clock", p.PerfEventAttach(1, 0, frequency=99))],
    )
    with KernelEngine(made) as engine:
        engine.load()
        with syscalls.replaced(Failing("perf_event_open", 1)):
            report = engine.attach()
        assert report.count == (0 if len(LiveTarget().online_cpus) > 1 else 1)
