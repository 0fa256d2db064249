"""Programs that the tests build with gcc, run, and look into."""

import shutil
import subprocess

import pytest

# Says where its functions are, waits for a line, calls them, and goes when its input ends.
SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

__attribute__((noinline)) static int inner(int a) { return a + 1; }
__attribute__((noinline)) int outer(int a) { return inner(a) * 2; }

int main(int argc, char **argv)
{
    void *made = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("inner %p\nouter %p\nmain %p\nmalloc %p\nvdso %p\nmade %p\nready %d\n",
           (void *)inner, (void *)outer, (void *)main, (void *)malloc,
           (void *)getauxval(AT_SYSINFO_EHDR), made, outer(argc));
    fflush(stdout);
    char line[8];
    while (fgets(line, sizeof line, stdin))
        ;
    return 0;
}
"""


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """``build(name, *flags)`` → path of the sample program; compiled once for the session."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("programs")
    (folder / "sample.c").write_text(SOURCE)

    def run(name, *flags):
        target = folder / name
        if not target.exists():
            subprocess.run(
                ["gcc", "-O1", "-fno-omit-frame-pointer", "-w", *flags, "sample.c", "-o", name],
                cwd=folder,
                check=True,
            )
        return str(target)

    return run


class Running:
    """A running sample program, and the addresses it told."""

    def __init__(self, process):
        self.process = process
        self.pid = process.pid
        self.addresses = {}
        for line in process.stdout:
            word, value = line.split()
            if word == "ready":
                break
            self.addresses[word] = int(value, 16)

    def end(self):
        """Lets the program end, and waits for it."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(10)
        self.process.stdout.close()
        if not self.process.stdin.closed:
            self.process.stdin.close()


@pytest.fixture
def start():
    """``start(*command)`` → a Running program, ended after the test."""
    running = []

    def run(*command, **options):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
        )
        running.append(Running(process))
        return running[-1]

    yield run
    for program in running:
        program.end()
