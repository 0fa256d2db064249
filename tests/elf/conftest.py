"""Programs that the tests of object files build with gcc, each once per session."""

import shutil
import subprocess

import pytest

# What <sys/sdt.h> does, in as few words as possible: a nop, and a note that describes it.
USDT_HEADER = r"""
#define PROBE_NOTE(provider, name, semaphore, arguments, ...)                                  \
  __asm__ volatile(                                                                            \
      "990: nop\n"                                                                             \
      ".pushsection .note.stapsdt,\"?\",\"note\"\n"                                            \
      ".balign 4\n"                                                                            \
      ".4byte 992f-991f, 994f-993f, 3\n"                                                       \
      "991: .asciz \"stapsdt\"\n"                                                              \
      "992: .balign 4\n"                                                                       \
      "993: .8byte 990b\n"                                                                     \
      ".8byte _.stapsdt.base\n"                                                                \
      ".8byte " semaphore "\n"                                                                 \
      ".asciz \"" provider "\"\n"                                                              \
      ".asciz \"" name "\"\n"                                                                  \
      ".asciz \"" arguments "\"\n"                                                             \
      "994: .balign 4\n"                                                                       \
      ".popsection\n"                                                                          \
      ".ifndef _.stapsdt.base\n"                                                               \
      ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"                  \
      ".weak _.stapsdt.base\n"                                                                 \
      ".hidden _.stapsdt.base\n"                                                               \
      "_.stapsdt.base: .space 1\n"                                                             \
      ".size _.stapsdt.base, 1\n"                                                              \
      ".popsection\n"                                                                          \
      ".endif\n" ::__VA_ARGS__)
"""

SOURCE = (
    USDT_HEADER
    + r"""
#include <stdio.h>
#include <string.h>

unsigned short ready_semaphore __attribute__((section(".probes"))) = 0;
int shared_number = 7;
static long hidden_number[4];

__attribute__((noinline)) static int hidden_function(int a)
{
    return a * 3 + (int)hidden_number[1];
}

__attribute__((noinline)) int shown_function(int a, const char *text)
{
    PROBE_NOTE("app", "plain", "0", "");
    PROBE_NOTE("app", "ready", "ready_semaphore", "-4@%0 8@%1", "r"(a), "r"(text));
    PROBE_NOTE("app", "constant", "0", "-4@$-7 8@$42");
    PROBE_NOTE("other", "ready", "0", "-4@%0", "m"(a));
    return hidden_function(a) + (int)strlen(text);
}

__attribute__((noinline)) int second_place(int a)
{
    PROBE_NOTE("app", "plain", "0", "-4@%0", "r"(a));
    return a;
}

extern int alias_of_shown(int, const char *) __attribute__((weak, alias("shown_function")));

int main(int argc, char **argv)
{
    printf("%d\n", alias_of_shown(argc, argv[0]) + second_place(argc) + shared_number);
    return 0;
}
"""
)

CPP_SOURCE = r"""
#include <string>
#include <vector>
namespace geometry {
template <typename T> struct Shape {
    T side;
    __attribute__((noinline)) T area(const std::vector<T> &scale) const {
        return side * scale[0];
    }
    __attribute__((noinline)) Shape operator+(const Shape &other) const {
        return {side + other.side};
    }
};
}
int main(int argc, char **) {
    geometry::Shape<int> shape{argc};
    auto twice = [](int value) __attribute__((noinline)) { return value * 2; };
    return (shape + shape).area({1, 2}) + twice(argc) + (int)std::string("x").size();
}
"""


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """``build(name, source, *flags)`` → path of a program, compiled once."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("programs")
    built = {}

    def run(name, source, *flags, compiler="gcc"):
        if name not in built:
            if not shutil.which(compiler):
                pytest.skip(f"needs {compiler}")
            file = folder / f"{name}.{'cc' if compiler == 'g++' else 'c'}"
            file.write_text(source)
            target = folder / name
            command = [compiler, "-O1", "-g0", "-w", *flags, str(file), "-o", str(target)]
            result = subprocess.run(command, capture_output=True, text=True)
            if result.returncode:
                pytest.skip(f"{compiler} {' '.join(flags)} does not work here: {result.stderr}")
            built[name] = str(target)
        return built[name]

    return run


@pytest.fixture(scope="session")
def program(build):
    """The sample program in one of its kinds."""
    kinds = {
        "pie": ("-pie", "-fPIE"),
        "fixed": ("-no-pie",),
        "static": ("-static",),
        "static-pie": ("-static-pie", "-fPIE"),
        "shared": ("-shared", "-fPIC"),
        "prelinked-looking": ("-no-pie", "-Wl,-Ttext-segment=0x7000000"),
    }

    def get(kind):
        return build(f"sample-{kind}", SOURCE, *kinds[kind])

    get.kinds = tuple(kinds)
    return get
