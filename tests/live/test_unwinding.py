"""Stacks of programs without frame pointers, walked by their ``.eh_frame`` in the kernel."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from prybee.cli import main
from prybee.symbols import unwind_layout as layout
from prybee.symbols.unwind_pages import NEEDED, Pages
from tests.live.tracing import Trace, run
from tests.patience import FACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.live, pytest.mark.needs("helper:loop")]

# What is reached in the way that the first argument says; nothing has frame pointers.
PROGRAM = r"""
#include <alloca.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT __attribute__((noinline))
volatile long sink;
KEPT int compare(const void *a, const void *b)
{
	for (int i = 0; i < 30; i++)
		sink += i;
	return *(const int *)a - *(const int *)b;
}
KEPT void sorted(int *v, int n)
{
	for (int i = 0; i < n; i++)
		v[i] = (i * 7919) % n;
	qsort(v, n, sizeof *v, compare);
	sink++;
}
KEPT void top(int n)
{
	int *v = malloc(n * sizeof *v);
	sorted(v, n);
	free(v);
	sink++;
}
KEPT void leaf(void) { sink++; __asm__ volatile(""); }
/* Its frame is aligned by more than the ABI does: the CFA is kept in memory. */
KEPT void aligned(int n)
{
	volatile char v[256] __attribute__((aligned(64)));
	v[n & 255] = n;
	leaf();
	sink += v[3];
}
/* The frame has no fixed size: the frame pointer is needed. */
KEPT void grown(int n)
{
	volatile char *p = alloca(n);
	p[n / 2] = n;
	aligned(n);
	sink += p[0];
}
KEPT void handler(int number) { sink += number; leaf(); sink++; }
KEPT void interrupted(void) { raise(SIGUSR1); sink++; }
KEPT void allocates(int n) { void *volatile p = malloc(n); free(p); sink++; }
KEPT void library(const char *path)
{
	void (*call)(void (*)(void)) = (void (*)(void (*)(void)))dlsym(dlopen(path, RTLD_NOW), "calls_back");
	while (sink) {
		call(leaf);
		usleep(1000);
	}
	sink++;
}

int main(int argc, char **argv)
{
	const char *what = argv[1];

	signal(SIGUSR1, handler);
	if (!strcmp(what, "sort"))
		for (;;)
			top(1000);
	sink++;
	if (!strcmp(what, "library")) {
		usleep(300000);
		library(argv[2]);
	}
	if (!strcmp(what, "fork"))
		if (fork()) {
			pause();
			return 0;
		}
	for (;;) {
		grown(100);
		interrupted();
		allocates(77);
		usleep(1000);
	}
}
"""  # noqa: E501
LIBRARY = """
volatile long sink;
__attribute__((noinline)) void calls_back(void (*f)(void)) { f(); sink++; }
"""
FLAGS = ["-O2", "-fomit-frame-pointer", "-fno-optimize-sibling-calls", "-fno-ipa-icf"]
# Seconds in which what is learnt at first is soon the smaller part; more than other time grows.
LEARNT = FACTOR**1.5
START = ["main", "__libc_start_call_main", "__libc_start_main", "_start"]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("unwinding")
    (folder / "program.c").write_text(PROGRAM)
    (folder / "library.c").write_text(LIBRARY)
    subprocess.run(["gcc", *FLAGS, "-o", folder / "bare", folder / "program.c", "-ldl"], check=True)
    subprocess.run(
        ["gcc", *FLAGS, "-shared", "-fPIC", "-o", folder / "library.so", folder / "library.c"],
        check=True,
    )
    return str(folder / "bare")


@pytest.fixture
def running(program: str) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts it; it is killed at the end of the test."""
    started = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([program, *words], start_new_session=True))
        time.sleep(0.1)
        return started[-1]

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def stacks(text: str) -> list[tuple[list[str], int]]:
    """The functions of each stack of the map ``@``, innermost first, and its count."""
    return [
        ([line.split("+")[0].strip() for line in block.splitlines()], int(count))
        for block, count in re.findall(r"^@\[\n((?: .*\n)+)\]: (\d+)$", text, re.MULTILINE)
    ]


def test_samples_of_a_command(program: str) -> None:
    """Little is known of the program when it begins; soon all stacks are whole."""
    known = int(1.5e9 * FACTOR)
    script = (
        "config = { unwind = eh_frame } "
        'profile:hz:499 /comm == "bare"/ { '
        "  if (!@begun) { @begun = nsecs; } "
        f"  if (nsecs - @begun > {known + 1_500_000_000}) {{ exit(); }} "
        # What is never walked is never asked for.
        f"  if (nsecs - @begun > {known}) {{ @[ustack] = count(); }} "
        "  else { @early[ustack] = count(); }"
        "}"
    )
    found = stacks(run("-e", script, "-c", f"{program} sort").stdout)
    inside = [(names, count) for names, count in found if "compare" in names]
    total = sum(count for _, count in inside)
    whole = sum(
        count
        for names, count in inside
        if names[-6:] == ["sorted", "top", *START] and any("qsort" in name for name in names)
    )
    assert total > 20
    assert whole > 0.95 * total, found


def test_as_the_debugger_says(
    running: Callable[..., subprocess.Popen[bytes]], program: str
) -> None:
    """The very stack that gdb shows, from the first time on."""
    if not shutil.which("gdb"):
        pytest.skip("needs gdb")
    process = running("sort")
    script = (
        "config = { unstable_dw_ustack = enable } "
        f'uprobe:{program}:compare {{ printf("%s\\n", dw_ustack); exit(); }}'
    )
    ours = run("-p", str(process.pid), "-e", script).stdout
    names = [line.split("+")[0].strip() for line in ours.splitlines() if "+" in line]
    done = subprocess.run(
        ["gdb", "-batch", "-p", str(process.pid), "-ex", "break compare", "-ex", "continue",
         "-ex", "bt"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    theirs = re.findall(r"^#\d+ +(?:0x[0-9a-f]+ in )?([\w.]+)", done.stdout, re.MULTILINE)
    # gdb ends at main; how deep the sort is depends on the moment, but not what it is called by.
    assert theirs, done
    assert names[0] == theirs[0] == "compare"
    assert names[-6:] == ["sorted", "top", *START]
    assert theirs[-3:] == ["sorted", "top", "main"]
    between = {re.sub(r"\..*|__GI_|_{2}", "", name) for name in theirs[1:-3]}
    assert {re.sub(r"\..*", "", name) for name in names[1:-6]} <= between | {"qsort_r", "qsort"}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("leaf", [["leaf", "aligned", "grown"], ["leaf", "handler", "", "raise", "interrupted"]]),
        ("handler", [["handler", "", "raise", "interrupted"]]),
        ("grown", [["grown"]]),
    ],
)
@pytest.mark.parametrize("how", ["plain", "fork"])
def test_frames_of_every_kind(
    running: Callable[..., subprocess.Popen[bytes]],
    program: str,
    place: str,
    expected: list[list[str]],
    how: str,
) -> None:
    """Aligned and growing frames, signal handlers; of a process, and of its child without exec."""
    process = running(how)
    only = () if how == "fork" else ("-p", str(process.pid))
    script = (
        "config = { unstable_dw_ustack = enable } "
        f"uprobe:{program}:{place} {{ @[dw_ustack] = count(); }} "
        f"interval:ms:{600 if only else int(2500 * FACTOR)} {{ exit(); }}"
    )
    found = stacks(run(*only, "-e", script).stdout)
    if how == "plain":
        assert len(found) == len(expected), found
    # Nothing is known of the child: its first stacks are by frame pointers, most are whole.
    often = sorted(found, key=lambda each: each[1])[-len(expected) :]
    seen = sorted((names for names, _ in often), key=lambda names: names[1:])
    for names, want in zip(seen, expected, strict=True):
        assert names[-len(START) :] == START
        mine = names[: -len(START)]
        assert mine[0] == place
        if "" in want:
            # Between the handler and what raised it: the C library's own functions.
            assert mine[-1] == want[-1], mine
            assert mine[: want.index("")] == want[: want.index("")]
            assert any("raise" in name or "kill" in name for name in mine), mine
        else:
            assert mine == want


def test_a_library_that_comes_later(
    running: Callable[..., subprocess.Popen[bytes]], program: str
) -> None:
    library = program.replace("bare", "library.so")
    process = subprocess.Popen([program, "library", library])
    try:
        script = (
            "config = { unstable_dw_ustack = enable } "
            f"uprobe:{program}:leaf {{ @[dw_ustack] = count(); }}"
        )
        with Trace("-p", str(process.pid), "-e", script) as trace:
            time.sleep(1.5)
            found = stacks(trace.finish())
    finally:
        process.kill()
        process.wait()
    assert (["leaf", "calls_back", "library", *START]) in [names for names, _ in found], found


def test_the_caller_of_malloc(
    running: Callable[..., subprocess.Popen[bytes]], program: str
) -> None:
    """At a function's first instruction there is no frame of it: its caller is told."""
    process = running("plain")
    script = (
        "config = { unwind = eh_frame } "
        "uprobe:libc:malloc /arg0 == 77/ { @[ustack] = count(); } interval:ms:500 { exit(); }"
    )
    found = stacks(run("-p", str(process.pid), "-e", script).stdout)
    assert [names for names, _ in found] == [["malloc", "allocates", *START]], found


def test_the_caller_of_malloc_from_the_beginning(program: str) -> None:
    """Also before anything is known of the process."""
    script = (
        "config = { unwind = eh_frame } "
        "uprobe:libc:malloc /arg0 == 77/ { @[ustack] = count(); } interval:ms:500 { exit(); }"
    )
    found = stacks(run("-c", f"{program} plain", "-e", script).stdout)
    assert found
    assert {(names[0], names[1]) for names, _ in found} == {("malloc", "allocates")}, found


def test_a_short_stack(running: Callable[..., subprocess.Popen[bytes]], program: str) -> None:
    process = running("plain")
    script = (
        "config = { unwind = eh_frame } "
        f"uprobe:{program}:aligned {{ @[ustack(2)] = count(); }} interval:ms:500 {{ exit(); }}"
    )
    found = stacks(run("-p", str(process.pid), "-e", script).stdout)
    assert [names for names, _ in found] == [["aligned", "grown"]], found


def few_rows(monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    """Leaves room for so many pages of 64 KiB, in this process."""
    monkeypatch.setattr("prybee.symbols.unwind_layout.MOST_PAGES", pages)


def folded(text: str) -> dict[str, int]:
    return {
        stack: int(weight)
        for stack, _, weight in (line.rpartition(" ") for line in text.splitlines())
    }


@pytest.fixture(scope="module")
def static(program: str) -> str:
    """The same with the C library inside: its rows take more than 64 KiB."""
    path = program.replace("bare", "whole")
    words = ["gcc", *FLAGS, "-static", "-o", path, program.replace("bare", "program.c")]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("needs a static C library")
    return path


def test_programs_that_are_gone_make_room(
    static: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One program after the other, each of which needs more than half of the memory."""
    few_rows(monkeypatch, 6)
    names = [f"each{number}" for number in range(5)]
    for name in names:
        shutil.copy(static, tmp_path / name)
    command = "; ".join(f"timeout {LEARNT:.1f} ./{name} sort" for name in names)
    monkeypatch.chdir(tmp_path)
    assert main(["flame", "cpu", "-F", "499", "-c", f"sh -c '{command}; true'"]) == 0
    out, errors = capfd.readouterr()
    assert "unwind rows reached" not in errors
    found = folded(out)
    for name in names:
        mine = {stack: n for stack, n in found.items() if stack.startswith(f"{name};_start;")}
        whole = sum(n for stack, n in mine.items() if "main;top;sorted;" in stack)
        all_ = sum(n for stack, n in found.items() if stack.startswith(f"{name};"))
        assert whole > 0.6 * all_ > 10, (name, whole, all_)


def test_too_little_room(
    static: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the rows of one program do not fit, the profile says how much of it that was."""
    few_rows(monkeypatch, 1)

    class Few(Pages):
        def take(self, words: int, need: int = NEEDED) -> tuple[int, int]:
            if not self.bytes:  # directories still fit
                super().take(layout.PAGE_WORDS - 200)
            return super().take(words, need)

    monkeypatch.setattr("prybee.symbols.unwind_files.Pages", Few)
    assert main(["flame", "cpu", "-F", "499", "-c", f"timeout {LEARNT:.1f} {static} sort"]) == 0
    _, errors = capfd.readouterr()
    assert "unwind rows reached their limit of 64 KiB" in errors
    told = re.search(r"(\d+) % of the weight has code whose unwind rows had no room", errors)
    assert told, errors
    assert int(told[1]) > 90
