"""Stacks of programs that have ended before anybody could look at them."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.live.tracing import Trace, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

# ``deep`` is reached by known functions, in the way that the first argument says: at once; in a
# child that has not called exec; behind an exec of itself.
PROGRAM = r"""
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEPT __attribute__((noinline))
KEPT void deep(void) { __asm__ volatile(""); }
KEPT void middle(void) { deep(); __asm__ volatile(""); }
KEPT void top(void) { middle(); __asm__ volatile(""); }
KEPT void other(void) { deep(); __asm__ volatile(""); }
KEPT void again(void) { other(); __asm__ volatile(""); }

int main(int argc, char **argv)
{
	struct timespec now;

	if (argc > 1 && !strcmp(argv[1], "fork")) {
		if (fork())
			wait(0);
		else
			again();
	} else if (argc > 1 && !strcmp(argv[1], "exec")) {
		again();
		execl(argv[0], argv[0], (char *)0);
	} else if (argc > 1 && !strcmp(argv[1], "clock")) {
		while (1)
			clock_gettime(CLOCK_MONOTONIC, &now);
	} else {
		top();
	}
	return 0;
}
"""
FLAGS = {
    "moved": ("-pie", "-fPIE"),
    "fixed": ("-no-pie",),
    "static": ("-static", "-no-pie"),
}
DIRECT = ["deep", "middle", "top", "main"]
AGAIN = ["deep", "other", "again", "main"]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("stacks")
    (folder / "program.c").write_text(PROGRAM)

    def make(kind: str) -> str:
        path = folder / kind
        if not path.exists():
            subprocess.run(
                ["gcc", "-O0", "-fno-omit-frame-pointer", "-fcf-protection=none",
                 *FLAGS[kind], "-o", path, folder / "program.c"],
                check=True,
            )  # fmt: skip
        return str(path)

    return make


def stacks(text: str) -> list[list[str]]:
    """The functions of each stack in ``@``, up to main."""
    found = []
    for block in re.findall(r"^@\[\n((?: .*\n)+)\]: \d+$", text, re.MULTILINE):
        names = [line.split("+")[0].strip() for line in block.splitlines()]
        found.append(names[: names.index("main") + 1] if "main" in names else names)
    return found


@pytest.mark.parametrize("kind", FLAGS)
def test_a_command_that_has_ended(build: Callable[[str], str], kind: str) -> None:
    path = build(kind)
    done = run("-e", f"uprobe:{path}:deep {{ @[ustack] = count(); }}", "-c", path)
    assert stacks(done.stdout) == [DIRECT], done


@pytest.mark.parametrize("kind", FLAGS)
def test_strangers_that_have_ended(build: Callable[[str], str], kind: str) -> None:
    """Three runs that nobody told us of: each at addresses of its own, if it is moved."""
    path = build(kind)
    with Trace("-e", f"uprobe:{path}:deep {{ @[ustack, pid] = count(); }}") as trace:
        for _ in range(3):
            subprocess.run([path], check=True)
        text = trace.finish()
    blocks = re.findall(r"^@\[\n((?: .*\n)+), \d+\]: 1$", text, re.MULTILINE)
    assert len(blocks) == 3, text
    for block in blocks:
        names = [line.split("+")[0].strip() for line in block.splitlines()]
        assert names[: len(DIRECT)] == DIRECT


def test_a_copy_that_calls_no_exec(build: Callable[[str], str]) -> None:
    """A forked process has its parent's mappings: both as our command and as a stranger."""
    path = build("moved")
    script = f"uprobe:{path}:deep {{ @[ustack] = count(); }}"
    with Trace("-e", script) as trace:
        subprocess.run([path, "fork"], check=True)
        assert stacks(trace.finish()) == [AGAIN]


def test_before_and_behind_an_exec(build: Callable[[str], str]) -> None:
    """One pid has two sets of mappings, one after the other."""
    path = build("moved")
    done = run("-e", f"uprobe:{path}:deep {{ @[ustack] = count(); }}", "-c", f"{path} exec")
    assert sorted(stacks(done.stdout)) == [DIRECT, AGAIN], done


def test_records_of_programs_that_have_ended(build: Callable[[str], str]) -> None:
    """printf is told of after the process's end as well; usym too."""
    path = build("moved")
    script = (
        f'uprobe:{path}:deep {{ printf("%s%s %s\\n", ustack(2), ustack(perf, 1), '
        'usym(reg("ip"))); }'
    )
    done = run("-e", script, "-c", path)
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip().startswith("deep+"))
    assert lines[at + 1].strip().startswith("middle+")
    assert any(re.fullmatch(r"\t[0-9a-f]+ deep\+\d+ \(.*/moved\)", line) for line in lines), lines
    assert "deep" in [line.strip() for line in lines]


def test_a_program_that_was_there_before(build: Callable[[str], str]) -> None:
    """It is read when there is time, and has ended when its stacks are shown."""
    path = build("moved")
    process = subprocess.Popen([path, "clock"])
    try:
        with Trace(
            "-e", f"profile:hz:99 /pid == {process.pid}/ {{ @[ustack(perf)] = count(); }}"
        ) as t:
            time.sleep(1)
            process.kill()
            process.wait()
            text = t.finish()
    finally:
        process.kill()
        process.wait()
    # All the time goes by in the kernel's own library, which C's library calls.
    assert re.search(r"^\t[0-9a-f]+ \w*clock_gettime\+\d+ \(\[vdso\]\)$", text, re.M), text
    assert re.search(r"^\t[0-9a-f]+ __libc_start_\w+\+\d+ \(/.*libc.*\)$", text, re.M), text


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Path]:
    """A folder on an overlay file system, as containers have it."""
    below, above, seen = tmp_path / "below", tmp_path / "above", tmp_path / "seen"
    for folder in (below, above, seen):
        folder.mkdir()
    # An overlay upon an overlay would be refused.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", above], check=True)
    try:
        (above / "upper").mkdir()
        (above / "work").mkdir()
        options = f"lowerdir={below},upperdir={above}/upper,workdir={above}/work"
        made = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, seen])
        if made.returncode:
            pytest.skip("no overlay file system can be mounted here")
        try:
            yield seen
        finally:
            subprocess.run(["umount", seen], check=True)
    finally:
        subprocess.run(["umount", above], check=True)


def test_programs_on_an_overlay(build: Callable[[str], str], overlay: Path) -> None:
    """Mappings name another device there than who looks at the files is told."""
    inner = overlay / "bin" / "program"
    inner.parent.mkdir()
    shutil.copy(build("static"), inner)
    for command in ([inner, "fork"], ["chroot", overlay, "/bin/program", "fork"]):
        with Trace("-e", f"uprobe:{inner}:deep {{ @[ustack] = count(); }}") as trace:
            subprocess.run(command, check=True)
            text = trace.finish()
        assert stacks(text) == [AGAIN], text


def test_a_program_in_a_directory_of_its_own(build: Callable[[str], str], tmp_path: Path) -> None:
    """chroot(2): names of files mean something else there."""
    inner = tmp_path / "bin" / "program"
    inner.parent.mkdir()
    shutil.copy(build("static"), inner)
    with Trace("-e", f"uprobe:{inner}:deep {{ @[ustack] = count(); }}") as trace:
        subprocess.run(["chroot", tmp_path, "/bin/program", "fork"], check=True)
        text = trace.finish()
    assert stacks(text) == [AGAIN], text
