"""Lists of functions by the source file that they come from: of programs, and of the kernel."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest

from prybee import functions, probes
from prybee.diagnostics import ScriptError, Source
from prybee.elf import ElfFile
from prybee.language.frontend import CompileOptions, compile_script
from prybee.language.registry import ProbeSyntaxError, Registry
from prybee.plan.plan import KprobeMultiAttach
from prybee.probes.listing import list_probes
from tests.fixtures.table_target import TableTarget
from tests.probes.conftest import expand

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = "__attribute__((noinline))"
BARRIER = '__asm__ volatile("");'
FILES = {
    "fs/open.c": f"""
        static {KEPT} int helper(int x) {{ {BARRIER} return x + 1; }}
        {KEPT} int vfs_open(int x) {{ {BARRIER} return helper(x); }}
        {KEPT} int do_open(int x) {{ {BARRIER} return x - 1; }}""",
    "fs/ext4/inode.c": f"""
        static {KEPT} int helper(int x) {{ {BARRIER} return x + 2; }}
        {KEPT} int ext4_read(int x) {{ {BARRIER} return helper(x); }}""",
    "net/socket.cc": f"""
        namespace net {{ {KEPT} int send(int x) {{ {BARRIER} return x * 2; }} }}
        extern "C" {KEPT} int do_send(int x) {{ {BARRIER} return net::send(x); }}""",
    "init/main.c": """
        int vfs_open(int); int do_open(int); int ext4_read(int); int do_send(int);
        int main(void) { return vfs_open(1) + do_open(2) + ext4_read(3) + do_send(4) > 100; }""",
}
PATH = "/opt/app"


def build(folder: Path, *options: str) -> str:
    """Compile all of FILES, each to a unit of its own, into one program."""
    if which("g++") is None:
        pytest.skip("builds programs to probe: needs gcc")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    objects = []
    for name in FILES:
        made = f"{name.replace('/', '-')}.o"
        compiler = "g++" if name.endswith(".cc") else "gcc"
        subprocess.run([compiler, "-O1", *options, "-c", "-o", made, name], cwd=folder, check=True)
        objects.append(made)
    subprocess.run(["gcc", "-o", "program", *objects], cwd=folder, check=True)
    return str(folder / "program")


KINDS = [("-g",), ("-gdwarf-4",), ("-g", "-gsplit-dwarf"), ("-g", "-ffunction-sections")]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: " ".join(kind))
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TableTarget]:
    path = build(tmp_path_factory.mktemp("source"), *request.param)
    with ElfFile.open(path) as elf:
        yield TableTarget(elf_files={PATH: elf, path: elf})


def names(text: str, target: TableTarget) -> list[str]:
    """What stands for the functions in the full names of all matches."""
    found = [match.name for match in expand(text, target)]
    assert all(name.startswith(f"{text.partition(':')[0]}:") for name in found)
    return [name.split(":", 2)[2] for name in found]


USER = [
    ("fs/open.c", ["do_open", "helper", "vfs_open"]),
    ("open.c:*", ["do_open", "helper", "vfs_open"]),
    ("./open.c:vfs_*", ["vfs_open"]),
    ("open.c:vfs_open", ["vfs_open"]),
    ("open.c:ext4_read", []),
    # A pattern for files; there, too, * stands for any text.
    ("fs/*.c:*e*", ["do_open", "helper", "vfs_open", "ext4_read", "helper"]),
    ("ext4/*:*read", ["ext4_read"]),
    ("socket.cc:cpp:net::send", ['cpp:"net::send(int)"']),
    ("socket.cc:do_*", ["do_send"]),
]


@pytest.mark.parametrize(("text", "expected"), USER)
def test_functions_of_programs(text: str, expected: list[str], target: TableTarget) -> None:
    assert sorted(names(f"uprobe:{PATH}@{text}", target)) == sorted(expected)
    assert sorted(names(f"uretprobe:{PATH}@{text}", target)) == sorted(expected)


def test_functions_of_one_name_are_all_probed(target: TableTarget) -> None:
    """Both of the static functions that are called alike, each once."""
    script = f"uprobe:{PATH}@fs/*:helper, uprobe:{PATH}@open.c {{ @[probe] = count(); }}"
    registry = Registry(functions.TABLE, probes.TABLE)
    plan = compile_script(Source("stdin", script), target, registry, CompileOptions()).plan
    assert sum(probe.count for probe in plan.probes) == 4
    assert len(plan.programs) == 1


def test_listing(target: TableTarget) -> None:
    assert list(list_probes(f"uprobe:{PATH}@open.c:*open", target)) == [
        f"uprobe:{PATH}:do_open",
        f"uprobe:{PATH}:vfs_open",
    ]
    said: list[str] = []
    assert not list(list_probes(f"uprobe:{PATH}@sokcet.cc", target, warnings=said.append))
    assert said == [
        f"no source file of '{PATH}' is called sokcet.cc\nHINT: did you mean 'socket.cc'?"
    ]


def test_a_path_with_that_sign(target: TableTarget) -> None:
    """What is there under its whole name is a file."""
    elf = target.elf(PATH)
    assert elf is not None
    other = TableTarget(elf_files={"/opt/a@b": elf})
    assert [match.name for match in expand("uprobe:/opt/a@b:main", other)] == [
        "uprobe:/opt/a@b:main"
    ]


def complaint(text: str, target: TableTarget) -> tuple[str, tuple[str, ...]]:
    with pytest.raises(ProbeSyntaxError) as caught:
        expand(text, target)
    return str(caught.value), caught.value.hints


def test_programs_without_debug_information(tmp_path: Path) -> None:
    path = build(tmp_path, "-g0")
    with ElfFile.open(path) as elf:
        plain = TableTarget(elf_files={PATH: elf})
        assert complaint(f"uprobe:{PATH}@open.c", plain) == (
            f"No DWARF debug info found for '{PATH}', cannot attach by source file",
            ("compile it with -g, or install its debug file",),
        )


def test_wrong_names(target: TableTarget) -> None:
    assert complaint(f"uprobe:{PATH}@net/sokcet.cc:x", target) == (
        f"no source file of '{PATH}' is called net/sokcet.cc",
        ("did you mean 'net/socket.cc'?",),
    )
    assert complaint(f"uprobe:{PATH}@open.c:rust:x", target)[0] == (
        "uprobe probe type requires 2 or 3 arguments, found 3"
    )
    registry = Registry(functions.TABLE, probes.TABLE)
    source = Source("stdin", f"uprobe:{PATH}@open.c:ext4_read {{ }}")
    with pytest.raises(ScriptError) as caught:
        compile_script(source, target, registry, CompileOptions())
    assert caught.value.diagnostics[0].message == (
        "No ext4_read of open.c can be probed by uprobe."
    )


# -- the kernel ----------------------------------------------------------------------------------

FUNCTIONS = (
    ("ext4", "ext4_read"),
    ("ext4", "helper"),
    ("vmlinux", "do_open"),
    ("vmlinux", "helper"),
    ("vmlinux", "not_in_it"),
    ("vmlinux", "vfs_open"),
)


def kernel(target: TableTarget, debug: bool = True, **options: object) -> TableTarget:
    """A kernel whose debug file is the program."""
    elf = target.elf(PATH)
    assert elf is not None
    return TableTarget(
        elf_files={PATH: elf},
        kernel_debug_files={"": PATH} if debug else {},
        kernel_functions=FUNCTIONS,
        **options,  # type: ignore[arg-type]
    )


KERNEL = [
    ("kprobe:@fs/open.c", ["kprobe:do_open", "kprobe:helper", "kprobe:vfs_open"]),
    ("kretprobe:@fs/open.c:vfs_open", ["kretprobe:vfs_open"]),
    ("kprobe:vmlinux@open.c:*_open", ["kprobe:vmlinux:do_open", "kprobe:vmlinux:vfs_open"]),
    ("kprobe:@fs/open.c:vfs_open+4", ["kprobe:vfs_open+4"]),
    # Not of the kernel itself, and no function of the list.
    ("kprobe:@ext4/inode.c:ext4_*", []),
]


@pytest.mark.parametrize(("text", "expected"), KERNEL)
def test_functions_of_the_kernel(text: str, expected: list[str], target: TableTarget) -> None:
    assert [match.name for match in expand(text, kernel(target))] == expected


@pytest.mark.parametrize("kind", [*KINDS, ("-g", "-gz")], ids=" ".join)
def test_functions_of_modules(kind: tuple[str, ...], tmp_path: Path) -> None:
    """Of files that nobody has linked: each of their sections begins at 0."""
    if "-gsplit-dwarf" in kind:
        pytest.skip("the kernel's modules are not built so")
    build(tmp_path, *kind)
    path = str(tmp_path / "ext4.ko")
    objects = [f"{each.replace('/', '-')}.o" for each in FILES]
    subprocess.run(["ld", "-r", "-o", path, *objects], cwd=tmp_path, check=True)
    with ElfFile.open(path) as elf:
        target = TableTarget(
            elf_files={path: elf},
            kernel_debug_files={"ext4": path},
            kernel_functions=[*FUNCTIONS, ("ext4", "vfs_open")],
        )

        def found(text: str) -> list[str]:
            return [match.name for match in expand(text, target)]

        assert found("kprobe:ext4@ext4/inode.c") == ["kprobe:ext4:ext4_read", "kprobe:ext4:helper"]
        assert found("kprobe:ext4@fs/open.c") == ["kprobe:ext4:helper", "kprobe:ext4:vfs_open"]
        assert found("kprobe:ext4@*.c:*_open") == ["kprobe:ext4:vfs_open"]


def test_many_of_the_kernel(target: TableTarget) -> None:
    """One link for all of a file, and a word on what shares a name with others."""
    registry = Registry(functions.TABLE, probes.TABLE)
    source = Source("stdin", "kprobe:@fs/open.c { @[probe] = count(); }")
    made = compile_script(source, kernel(target), registry, CompileOptions())
    (probe,) = made.plan.probes
    assert probe.attach == KprobeMultiAttach(("do_open", "helper", "vfs_open"), cookies=(0, 1, 2))
    assert [each.message for each in made.warnings] == [
        "helper: other source files have functions called so, which are probed as well"
    ]
    assert list(list_probes("k:@fs/open.c:vfs*", kernel(target))) == ["kprobe:vfs_open"]


def test_where_the_kernels_debug_information_is_missing(target: TableTarget) -> None:
    without = kernel(target, debug=False)
    message, hints = complaint("kprobe:@fs/ext4/*.c", without)
    assert message == (
        "which functions come from fs/ext4/*.c is told by the kernel's debug information, and "
        "there is none"
    )
    assert hints[0] == ("it was looked for at /boot/vmlinux-6.12, /usr/lib/debug/boot/vmlinux-6.12")
    assert "linux-image-6.18.0-dbg (Debian)" in hints[1]
    assert hints[2] == "without it, kprobe:ext4:* has all functions of that module"
    assert complaint("kretprobe:@fs/vfs.c", without)[1][2] == (
        "without it, kretprobe:vfs_* has the functions that are called so"
    )
    message, hints = complaint("kprobe:ext4@inode.c", without)
    assert message.startswith("which functions come from inode.c is told by module ext4's debug")
    assert hints[0] == "it was looked for at /lib/modules/6.12/ext4.ko"
    assert hints[2] == "without it, kprobe:ext4:* has all functions of that module"
    assert complaint("kprobe:@x.c", without)[1][2] == (
        "without it, a pattern for the functions' names comes near: kprobe:NAME*"
    )


def test_mistakes(target: TableTarget) -> None:
    assert complaint("kprobe:ext*@inode.c", kernel(target)) == (
        "kprobe: a source file belongs to one module, or to the kernel",
        ("write it as kprobe:MODULE@inode.c, or kprobe:@inode.c for the kernel's",),
    )
    assert complaint("kprobe:@", kernel(target))[0] == "kprobe: a source file should follow the @"
    assert complaint("kprobe:@net/sokcet.cc", kernel(target))[1] == (
        "did you mean 'net/socket.cc'?",
    )
