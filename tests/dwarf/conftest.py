"""Programs with debug information that the tests build, each once per session."""

import shutil
import subprocess

import pytest

from prybee.dwarf import DebugInfo
from prybee.elf import ElfFile

SOURCE = r"""
enum color { RED, GREEN = 5, BLUE = -3 };
typedef struct shelf shelf_t;
typedef unsigned int number;
struct hidden;
union word { int whole; unsigned char bytes[4]; };
struct book {
    int pages;
    unsigned int lent : 1, shelfmark : 11;
    signed int offset : 5;
    char title[24];
    struct book *next;
    short grid[2][3];
    union { long as_number; void *as_pointer; };
    struct { number low, high; } range;
    enum color cover;
    _Bool bound;
    double price;
    const volatile char *const *names;
    int (*compare)(const struct book *, const struct book *);
    struct hidden *secret;
    __int128 wide;
    char tail[];
};
struct shelf { struct book books[2]; number count; };

static inline __attribute__((always_inline)) int twice(int value)
{
    return value * 2;
}

__attribute__((noinline)) int count_pages(struct book *first, const char *title, enum color cover,
                                          shelf_t *shelf, double price, number *pages, ...)
{
    return twice(first->pages) + title[0] + cover + shelf->count + (int)price + *pages;
}

__attribute__((noinline)) void nothing(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) static union word other(union word given, shelf_t whole)
{
    given.whole += whole.count;
    return given;
}

int main(int argc, char **argv)
{
    struct book first = {.pages = argc, .title = "walden"};
    shelf_t shelf = {.count = 2};
    number pages = 3;
    union word word = {.whole = argc};

    nothing();
    word = other(word, shelf);
    return count_pages(&first, argv[0], GREEN, &shelf, 1.5, &pages) + word.whole;
}
"""

CPP_SOURCE = r"""
#include <utility>
namespace shop {
struct Base {
    int id;
    virtual ~Base() {}
};
struct Tag {
    short label;
};
enum class Kind : unsigned char { Small = 1, Large = 200 };
class Item : public Base, public Tag {
  public:
    static int made;
    long price;
    Kind kind;
    __attribute__((noinline)) long total(int count, const Item &other, Tag &&moved) const {
        return count * price + other.price + moved.label;
    }
};
struct Plain { long a, b; };
struct Owner { int *memory; ~Owner() { delete memory; } };
struct Holder { Owner inside; };
struct Copied { int a; Copied() = default; Copied(const Copied &o) : a(o.a + 1) {} };
template <typename T> struct Box { T content; };
__attribute__((noinline)) long by_value(Plain plain, Owner owner, Holder holder, Copied copied,
                                        Box<int> box, Item item) {
    return plain.a + *owner.memory + *holder.inside.memory + copied.a + box.content + item.price;
}
int Item::made = 0;
}
int main() {
    shop::Item one, other;
    one.price = 3;
    return one.total(2, other, shop::Tag{4}) +
           shop::by_value({1, 2}, {new int(1)}, {{new int(2)}}, {}, {5}, one);
}
"""

VERSIONS = ("2", "3", "4", "5")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("debugged")


@pytest.fixture(scope="session")
def build(folder):
    """``build(name, *flags)`` → path of a program, compiled once."""
    built = {}

    def run(name, *flags, source=SOURCE, compiler="gcc"):
        if name not in built:
            if not shutil.which(compiler):
                pytest.skip(f"needs {compiler}")
            file = folder / f"{name}.{'cc' if compiler == 'g++' else 'c'}"
            file.write_text(source)
            command = [compiler, "-w", *flags, str(file), "-o", str(folder / name)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
            if done.returncode:
                pytest.skip(f"{compiler} {' '.join(flags)} does not work here: {done.stderr}")
            built[name] = str(folder / name)
        return built[name]

    return run


@pytest.fixture(scope="session")
def tool():
    """``tool("objcopy", ...)`` runs a program of binutils, or skips."""

    def run(name, *arguments):
        if not shutil.which(name):
            pytest.skip(f"needs {name}")
        subprocess.run([name, *map(str, arguments)], check=True, capture_output=True)

    return run


@pytest.fixture
def opened():
    """``opened(path)`` → (file, debug information); closed afterwards."""
    files = []

    def run(path, **options):
        elf = ElfFile.open(str(path))
        info = DebugInfo(elf, str(path), cache="", **options)
        files.append((elf, info))
        return elf, info

    yield run
    for elf, info in files:
        info.close()
        elf.close()


def function(elf, info, name):
    """The entry of a function by its symbol."""
    return info.function(elf.symbols(name)[0].value)
