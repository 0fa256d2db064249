"""Probes of the running kernel: records, typed arguments, clocks, walks."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from prybee.btf import Btf
from prybee.machines import registers
from prybee.machines.syscall_names import syscall_names
from tests.probes.running import trace

pytestmark = pytest.mark.live

ME = f"pid == {os.getpid()}"
MACHINE = os.uname().machine
KNOWN = registers(MACHINE)
GETPPID = next((n for n, name in syscall_names(MACHINE).items() if name == "getppid"), -1)
PC = KNOWN.instruction_pointer if KNOWN is not None else "pc"


def comm() -> str:
    with open("/proc/self/comm") as file:
        return file.read().rstrip("\n")


def children(count: int = 1) -> None:
    for _ in range(count):
        subprocess.run(["/bin/true"], check=True)


def test_records_of_system_calls() -> None:
    found, _plan = trace(
        f"""tracepoint:syscalls:sys_enter_openat /{ME}/ {{
                @path = str(args.filename); @fd = (int32)args.dfd; @nr = args.__syscall_nr;
                $copy = args; @same = $copy.flags == args.flags;
            }}
            tracepoint:syscalls:sys_exit_openat /{ME}/ {{ @error = args.ret; }}""",
        lambda: os.path.exists("/") and _open_nothing(),
    )
    assert found["@path"] == "/no/such/file"
    assert found["@fd"] == -100
    assert found["@error"] == -2
    assert found["@same"] is True


def _open_nothing() -> None:
    with pytest.raises(FileNotFoundError):
        os.open("/no/such/file", os.O_RDONLY)


def test_strings_behind_the_record() -> None:
    found, _plan = trace(
        """tracepoint:sched:sched_process_exec {
               $copy = args;
               @[str(args.filename)] = count();
               @copied[str($copy.filename)] = count();
           }""",
        lambda: children(2),
    )
    for name in ("@", "@copied"):
        files = found[name]
        assert isinstance(files, dict)
        assert files["/bin/true"] >= 2


def test_character_arrays_and_enums() -> None:
    found, plan = trace(
        f"""tracepoint:sched:sched_switch {{ @[args.prev_comm] = count(); }}
            tracepoint:timer:hrtimer_start /{ME}/ {{ @mode = args.mode; }}""",
        lambda: time.sleep(0.05),
    )
    switched = found["@"]
    assert isinstance(switched, dict)
    assert comm() in switched
    layout = next(m.value for m in plan.script_maps if m.name == "@mode")
    assert getattr(layout, "name", "") == "hrtimer_mode"


def test_one_program_for_many_events() -> None:
    found, plan = trace("tracepoint:syscalls:sys_enter_get* { @ = count(); }", os.getppid)
    assert len(plan.programs) == 1
    assert len(plan.probes) > 10
    assert isinstance(found["@"], int)
    assert found["@"] >= 1
    _found, plan = trace(
        "t:sched:sched_wakeup,t:sched:sched_wakeup_new { @ = args.pid; }", children
    )
    assert len(plan.programs) == 1  # the records are alike


def test_typed_arguments() -> None:
    found, plan = trace(
        """rawtracepoint:sched_switch {
               @[args.prev->comm] = count();
               @parent[args.prev->real_parent->comm] = count();
               @node = args.prev->nsproxy->uts_ns->name.nodename;
               @mask = args.prev->se.load;
               @bits = args.prev->sched_reset_on_fork;
               $next = args.next;
               @next[$next->comm, args.preempt] = count();
           }""",
        lambda: time.sleep(0.05),
    )
    switched = found["@"]
    assert isinstance(switched, dict)
    assert comm() in switched
    (program,) = plan.programs
    assert (program.type, program.attach_type) == ("tracing", "trace_raw_tp")


def test_arguments_that_may_be_missing() -> None:
    """The verifier wants a test of these pointers; helpers read them without one."""
    dropped = Btf.vmlinux().tracepoint_parameters("kfree_skb") or ()
    # That one is there since Linux 6.11.
    receiver = (
        "@s = args.rx_sk->__sk_common.skc_family;"
        if any(each.name == "rx_sk" for each in dropped)
        else ""
    )
    found, _plan = trace(
        f"""rawtracepoint:kfree_skb {{ @drop = args.skb->len; {receiver} }}
           rawtracepoint:consume_skb {{ @ = args.skb->sk->__sk_common.skc_family; }}
           rawtracepoint:net_dev_queue {{ @dev = args.skb->dev->name; @t = args.skb->pkt_type; }}
        """,
        lambda: subprocess.run(["bash", "-c", "echo x > /dev/udp/127.0.0.1/9"], check=True),
    )
    assert found["@dev"] == "lo"


def test_untyped_arguments_share_a_program() -> None:
    found, plan = trace(
        f"rawtracepoint:sys_enter /{ME}/ {{ @[arg1] = count(); }} rt:sched_* {{ @all = count(); }}",
        os.getppid,
    )
    calls = found["@"]
    assert isinstance(calls, dict)
    assert calls[GETPPID] == 1
    assert len(plan.programs) == 2


def test_loops_see_the_context() -> None:
    found, _plan = trace(
        f"""tracepoint:syscalls:sys_enter_getppid /{ME}/ {{
                for $i : 0..3 {{ @t[$i] = args.__syscall_nr; }}
            }}
            rawtracepoint:sched_switch {{ for $i : 0..2 {{ @r[$i] = args.prev->comm; }} }}""",
        lambda: (os.getppid(), time.sleep(0.02)),
    )
    assert found["@t"] == {0: GETPPID, 1: GETPPID, 2: GETPPID}


def test_clocks_and_counters() -> None:
    found, _plan = trace(
        """interval:ms:10 { @i = count(); @cpu[cpu] = count(); }
           profile:hz:99 { @p = count(); @same = ctx.regs.PC == reg("pc"); }
           software:task-clock:1000000 { @s = count(); @period = ctx->sample_period; }
           software:cs:1 { @c = count(); }""".replace("PC", PC),
        lambda: [sum(range(10**6)) for _ in range(8)] and time.sleep(0.1),
    )
    for name in ("@i", "@p", "@c"):
        number = found[name]
        assert isinstance(number, int)
        assert number > 0, name
    assert found["@same"] is True
    cpus = found["@cpu"]
    assert isinstance(cpus, dict)
    assert len(cpus) == 1


def test_walks() -> None:
    found, _plan = trace(
        f"""iter:task {{
                @n = count();
                if (ctx->task->pid == {os.getpid()}) {{
                    @me = ctx->task->comm;
                    @parent = ctx->task->real_parent->tgid;
                    for $i : 0..2 {{ @loop[$i] = ctx->task->comm; }}
                }}
            }}""",
        lambda: None,
    )
    name = comm()
    assert found["@me"] == name
    assert found["@parent"] == os.getppid()
    assert found["@loop"] == {0: name, 1: name}


@pytest.mark.parametrize(
    "text",
    [
        "iter:task_file { @[str(ctx->file->f_path.dentry->d_name.name)] = ctx->fd; }",
        "iter:task_vma { @[ctx->vma->vm_file->f_path.dentry->d_name.len] = ctx->vma->vm_start; }",
        "iter:bpf_map { @[ctx->map->name] = count(); }",
        "iter:cgroup { @[ctx->cgroup->level] = count(); }",
        "iter:netlink { @[ctx->sk->sk.__sk_common.skc_family] = count(); }",
    ],
)
def test_other_walks(text: str) -> None:
    target = text.split()[0].removeprefix("iter:")
    try:
        found, _plan = trace(text, lambda: None)
    except Exception as error:
        if "not available for your kernel version" in str(error):
            pytest.skip(f"this kernel has no iter:{target}")
        raise
    assert found["@"]


def test_only_the_process_that_is_asked_for() -> None:
    found, _plan = trace(
        "tracepoint:syscalls:sys_enter_* { @[pid] = count(); }", children, pid=os.getpid()
    )
    assert list(found["@"]) == [os.getpid()]  # type: ignore[call-overload]
