"""Samples of one's own processes by perf events, of threads and processes that do not last."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from prybee.flame import own_stacks
from prybee.flame.own_stacks import Sampler
from prybee.flame.profile import Profile
from prybee.linux.processes import Child, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    not own_stacks.allowed(os.getpid()), reason="the kernel samples nothing for this user"
)

# Four threads start others as fast as they can, each of which works for a moment; or one does it
# that has a name of its own; or processes do.
PROGRAM = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

volatile unsigned sink;
__attribute__((noinline)) void work(int rounds)
{
	for (int i = 0; i < rounds; i++)
		sink += i;
}
static void *shortly(void *rounds) { work((long)rounds); return 0; }
static void *start(void *rounds)
{
	pthread_t thread;
	for (;;)
		if (!pthread_create(&thread, 0, shortly, rounds))
			pthread_join(thread, 0);
}
int main(int argc, char **argv)
{
	pthread_t thread;
	if (!strcmp(argv[1], "work"))
		work(20000000);
	if (!strcmp(argv[1], "many")) {
		for (int i = 0; i < 4; i++)
			pthread_create(&thread, 0, start, (void *)atol(argv[2]));
		pthread_exit(0);
	}
	if (!strcmp(argv[1], "named")) {
		pthread_setname_np(pthread_self(), "of a name");
		pthread_create(&thread, 0, shortly, (void *)50000000L);
		pthread_join(thread, 0);
	}
	if (!strcmp(argv[1], "processes"))
		for (int i = 0; i < 5; i++) {
			if (!fork())
				execl(argv[0], argv[0], "work", (char *)0);
			wait(0);
		}
	return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    folder: Path = tmp_path_factory.mktemp("own")
    (folder / "short.c").write_text(PROGRAM)
    path = folder / "short"
    subprocess.run(
        ["gcc", "-O0", "-fno-omit-frame-pointer", "-pthread",
         "-o", path, folder / "short.c"],
        check=True,
    )  # fmt: skip
    return str(path)


@pytest.fixture
def many(program: str) -> Iterator[Callable[[int], int]]:
    """Starts a process whose first thread ends, and whose others work for some rounds."""
    started = []

    def start(rounds: int) -> int:
        started.append(subprocess.Popen([program, "many", str(rounds)]))
        time.sleep(0.1)
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def of_command(*words: str) -> Profile:
    """The samples of a command until its end."""
    profile = Profile()
    child = Child(words)
    with Sampler(child.pid, profile, 999) as sampler:
        child.release()
        sampler.run(30, lambda: child.poll() is not None)
    child.close()
    return profile


def stacks(profile: Profile) -> dict[str, float]:
    return {";".join(frame.name for frame in frames): weight for frames, weight in profile.stacks()}


def test_threads_that_end_while_they_are_listed(many: Callable[[int], int]) -> None:
    pid = many(2000)
    for _ in range(20):
        with Sampler(pid, Profile(), 99):
            pass


def test_short_threads_are_sampled(many: Callable[[int], int]) -> None:
    profile = Profile()
    with Sampler(many(5_000_000), profile, 999) as sampler:
        ran = time.process_time()
        sampler.run(0.5, lambda: False)
        # The first thread's event is at its end at once: nobody turns in circles for it.
        assert time.process_time() - ran < 0.25
    found = stacks(profile)
    assert sum(weight for stack, weight in found.items() if "shortly;work" in stack) > 20, found
    assert {stack.partition(";")[0] for stack in found} == {"short"}, found


def test_a_thread_that_has_ended_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is listed, and is no more."""
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    gone = thread.native_id
    monkeypatch.setattr(own_stacks, "_threads", lambda pid: [gone, pid])
    with Sampler(os.getpid(), Profile(), 99):
        pass
    # And one that ends when its name has been read.
    monkeypatch.setattr(own_stacks, "_name", lambda _pid, _thread: "name")
    with Sampler(os.getpid(), Profile(), 99):
        pass


def test_a_process_that_has_ended() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    # As long as nobody waits for it, it has a directory in /proc.
    with Process(process.pid) as watched, Sampler(process.pid, Profile(), 99) as sampler:
        assert not watched.alive
        sampler.run(0, lambda: False)
    process.wait()


def test_threads_are_called_as_the_ones_that_started_them(program: str) -> None:
    found = stacks(of_command(program, "named"))
    named = sum(weight for stack, weight in found.items() if stack.startswith("of a name;"))
    assert named > 0.9 * sum(found.values()), found


def test_processes_that_end_before_anybody_looks(program: str) -> None:
    """Their functions have names, of the program that they ran."""
    found = stacks(of_command(program, "processes"))
    named = sum(weight for stack, weight in found.items() if stack.endswith("main;work"))
    assert named > 0.8 * sum(found.values()), found
