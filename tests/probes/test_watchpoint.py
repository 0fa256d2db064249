"""watchpoint: what is read from its text, what is said of wrong ones, and what is attached."""

from __future__ import annotations

import subprocess
from shutil import which

import pytest

from prybee.btf import Btf
from prybee.btf.builder import BtfBuilder
from prybee.elf import ElfFile
from prybee.language import attach_point
from prybee.language.config_table import Config
from prybee.language.registry import ExpandScope, ProbeSyntaxError
from prybee.plan.plan import WatchpointAttach
from tests.fixtures.table_target import TableTarget
from tests.probes.conftest import expand, provider

JIFFIES = 0xFFFFFFFF82A05000
ARM = TableTarget(arch="aarch64")
KERNEL = TableTarget(
    kernel_symbols={
        "jiffies": JIFFIES,
        "odd": JIFFIES + 1,
        "cpu_number": 0x1F8,
        "vfs_read": 1 << 63,
    }
)


@pytest.mark.parametrize(
    ("text", "name", "way"),
    [
        ("watchpoint:0x1000:4:w", "watchpoint:0x1000:4:w", (0x1000, 4, "w")),
        ("w:4096:8:rw", "watchpoint:0x1000:8:rw", (0x1000, 8, "rw")),
        ("w:0x1000:2:wr", "watchpoint:0x1000:2:wr", (0x1000, 2, "wr")),
        ("w:0x1001:1:w", "watchpoint:0x1001:1:w", (0x1001, 1, "w")),
        # An instruction begins anywhere.
        ("w:0x1001:8:x", "watchpoint:0x1001:8:x", (0x1001, 8, "x")),
        (
            "w:0xffffffff81000000:8:w",
            "watchpoint:0xffffffff81000000:8:w",
            (0xFFFFFFFF81000000, 8, "w"),
        ),
        ("watchpoint:jiffies:8:w", "watchpoint:jiffies:8:w", (JIFFIES, 8, "w")),
        ("watchpoint:jiffies+4:4:rw", "watchpoint:jiffies+4:4:rw", (JIFFIES + 4, 4, "rw")),
        ("watchpoint:jiffies+0x10:8:w", "watchpoint:jiffies+0x10:8:w", (JIFFIES + 16, 8, "w")),
        ("watchpoint:vfs_read:1:x", "watchpoint:vfs_read:1:x", (1 << 63, 1, "x")),
    ],
)
@pytest.mark.parametrize("pid", [None, 7])
def test_what_is_watched(text: str, name: str, way: tuple[int, int, str], pid: int | None) -> None:
    point = attach_point.parse(text)
    found = provider("watchpoint")
    scope = ExpandScope(KERNEL, Config(), pid)
    (match,) = found.expand(point, scope)
    assert match.name == name
    (spec,) = found.attach([match], "program", scope)
    assert (spec.name, spec.program) == (name, "program")
    assert spec.attach == WatchpointAttach(*way, pid=-1 if pid is None else pid)
    context = found.context(match, scope)
    assert context.program_type == "perf_event"
    assert context.register("ip") == 128


ALIGNED = (
    "x86_64 watches 1, 2, 4 or 8 bytes at such addresses only: watch the parts, each by a "
    "watchpoint of its own"
)
FORMS = (
    "write it as watchpoint:ADDRESS:LENGTH:MODE or watchpoint:KERNEL_VARIABLE+OFFSET:LENGTH:MODE "
    "or watchpoint:FILE:VARIABLE+OFFSET:LENGTH:MODE"
)
NO_ARGUMENT = (
    "what an argument points to cannot be watched by itself: print the argument in a uprobe or "
    "kprobe, and watch that address"
)
NOT_LISTED = (
    "variables are listed by kernels with CONFIG_KALLSYMS_ALL=y, to root; those of a program by "
    "its file: watchpoint:FILE:counter:LENGTH:MODE, with -p PID"
)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("w:0:1:w", "watchpoint must be attached to a non-zero address", ""),
        ("w:0x1000:3:w", "watchpoint length must be one of (1,2,4,8)", ""),
        ("w:0x1000:x:w", "Invalid watchpoint length: invalid integer: x", FORMS),
        ("w:0x1000:4:rq", "watchpoint mode must be combination of (r,w,x)", ""),
        ("w:0x1000:4:", "watchpoint mode must be combination of (r,w,x)", ""),
        ("w:0x1000:4:ww", "watchpoint modes may not be duplicated", ""),
        ("w:0x1000:4:r", "invalid watchpoint mode: r", "supported modes: x,w,rw"),
        ("w:0x1000:4:rwx", "invalid watchpoint mode: rwx", "supported modes: x,w,rw"),
        ("w:1", "watchpoint probe type requires 3 arguments, found 1", FORMS),
        ("w:-5:1:w", "Invalid watchpoint address: -5 is negative", FORMS),
        ("w:0x1001:2:w", "watchpoint address 0x1001 must be a multiple of its length 2", ALIGNED),
        ("w:0x1004:8:w", "watchpoint address 0x1004 must be a multiple of its length 8", ALIGNED),
        (
            "w:odd:4:w",
            f"watchpoint address {JIFFIES + 1:#x} must be a multiple of its length 4",
            ALIGNED,
        ),
        ("w:jiffies+x:4:w", "Invalid watchpoint offset: invalid integer: x", FORMS),
        (
            "w:main+arg1:4:w",
            "Invalid watchpoint address: invalid integer: main+arg1",
            NO_ARGUMENT,
        ),
        (
            "w:counter:4:w",
            "Invalid watchpoint address: the kernel has no variable or function 'counter'",
            NOT_LISTED,
        ),
        (
            "w:cpu_number:4:w",
            "Invalid watchpoint address: every CPU has a 'cpu_number' of its own",
            'percpu_kaddr("cpu_number", CPU) tells where: print it, and watch that address',
        ),
    ],
)
def test_what_cannot_be_watched(text: str, message: str, hint: str) -> None:
    with pytest.raises(ProbeSyntaxError) as caught:
        expand(text, KERNEL)
    assert str(caught.value) == message
    assert "".join(caught.value.hints) == hint


VARIABLES = """
long counter; static int fixed[4] = {1}; __thread int own;
int main(void) { return counter + fixed[0] + own; }
"""


@pytest.fixture(scope="module", params=["-pie", "-no-pie"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if which("gcc") is None:
        pytest.skip("builds a program to watch: needs gcc")
    folder = tmp_path_factory.mktemp("variables")
    (folder / "main.c").write_text(VARIABLES)
    path = str(folder / f"program{request.param}")
    subprocess.run(["gcc", "-fPIE", request.param, "-o", path, folder / "main.c"], check=True)
    return path


def test_variables_of_programs(program: str) -> None:
    """At their link-time addresses, and as much further as the process has the file."""
    moved = 0 if program.endswith("-no-pie") else 0x5550_0000_0000
    with ElfFile.open(program) as elf:
        target = TableTarget(elf_files={program: elf}, load_offsets={(program, 7): moved})
        for text, symbol, offset in (
            ("counter:8:w", "counter", 0),
            ("fixed+4:4:rw", "fixed", 4),
            ("main:1:x", "main", 0),
        ):
            (match,) = expand(f"watchpoint:{program}:{text}", target, pid=7)
            assert match.name == f"watchpoint:{program}:{text}"
            (found,) = elf.symbols(symbol)
            assert match.data[0] == found.value + moved + offset


def test_variables_of_programs_that_cannot_be_watched(program: str) -> None:
    with ElfFile.open(program) as elf:
        target = TableTarget(elf_files={program: elf})

        def refused(text: str, pid: int | None = 7, child: bool = False) -> tuple[str, str]:
            with pytest.raises(ProbeSyntaxError) as caught:
                expand(f"w:{program}:{text}", target, pid=pid, child=child)
            return str(caught.value), "".join(caught.value.hints)

        assert refused("counter:8:w", None) == (
            f"the variable counter is in the memory of each process that runs {program}",
            "-p PID says which of them is watched",
        )
        assert refused("conter:8:w") == (
            f"'{program}' has no variable or function 'conter'",
            "did you mean 'counter'?",
        )
        assert refused("own:4:w")[0] == f"every thread of '{program}' has a 'own' of its own"
        assert refused("12:4:w")[0] == "Invalid watchpoint address: 12 is no variable's name"
        if not program.endswith("-no-pie"):
            assert refused("counter:8:w")[0] == f"process 7 has not mapped {program}"
            message, hint = refused("counter:8:w", child=True)
            assert message.startswith(f"where {program} will be is not known before it runs: ")
            assert hint == "start it first and use -p PID, or link it with -no-pie"


def test_variables_that_every_cpu_has_are_told_by_types_too() -> None:
    """Since Linux 6.15 their addresses look like others."""
    builder = BtfBuilder()
    builder.var("runqueues", builder.int("int", 4))
    target = TableTarget(
        btf=Btf(builder.build()), kernel_symbols={"runqueues": JIFFIES, "jiffies": JIFFIES}
    )
    with pytest.raises(ProbeSyntaxError, match="every CPU has a 'runqueues' of its own"):
        expand("w:runqueues:8:w", target)
    assert len(expand("w:jiffies:8:w", target)) == 1


def test_other_machines_have_other_modes() -> None:
    assert [match.name for match in expand("w:0x1001:4:r", ARM)] == ["watchpoint:0x1001:4:r"]
    with pytest.raises(ProbeSyntaxError, match="invalid watchpoint mode: wx"):
        expand("w:0x1000:4:wx", ARM)
