"""Arguments, results and lines of programs, by their debug information."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.tracing import run

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.live

PROGRAM = r"""
enum color { RED, GREEN = 5, BLUE = -3 };
struct author { char name[8]; int born; };
struct book {
    int pages;
    unsigned int lent : 1, mark : 11;
    char title[16];
    struct author *author;
    struct book *next;
    short grid[2][3];
    union { long number; char letter; };
    enum color cover;
};
struct pair { int first; long second; };
struct large { long numbers[4]; };
struct mixed { long whole; double part; };
typedef unsigned long long count_t;
#define KEPT __attribute__((noinline))

static inline __attribute__((always_inline)) int twice(int value)
{
    __asm__ volatile("");
    return value * 2; /* twice */
}

KEPT int read_book(struct book *book, const char *reader, enum color color, _Bool bound,
                   char letter)
{
    __asm__ volatile("");
    return twice(book->pages) * (color < 0 ? -1 : 1); /* result */
}

KEPT struct pair by_value(struct pair pair, signed char a, count_t b, long c, long d, struct pair e,
                          short f, struct large large)
{
    __asm__ volatile("");
    return (struct pair){pair.first + a + f, pair.second + b + c + d + e.second + large.numbers[3]};
}

KEPT struct large make_large(double unused, int start)
{
    __asm__ volatile("");
    return (struct large){{start, start + 1, start + 2, start + 3}};
}

KEPT struct book *next_of(struct book *book) { __asm__ volatile(""); return book->next; }
KEPT double half(double value, struct mixed mixed, int last)
{
    __asm__ volatile("");
    return value / 2;
}
KEPT void quiet(void) { __asm__ volatile(""); }

int main(int argc, char **argv)
{
    struct author author = {"thoreau", 1817};
    struct book second = {7, 0, 3, "second", &author, 0, {{0}}, {0}, RED};
    struct book book = {123, 1, 1000, "walden", &author, &second, {{1, 2, 3}, {4, 5, -6}}, {65},
                        BLUE};
    struct mixed mixed = {1, 2.5};

    read_book(&book, "ann", BLUE, 1, 'x');
    by_value((struct pair){1, 1L << 40}, -2, 3, 4, 5, (struct pair){6, 7}, -8,
             (struct large){{9, 10, 11, 12}});
    make_large(0.5, 20);
    next_of(&book);
    half(1.0, mixed, 77);
    quiet();
    return 0;
}
"""

CPP_PROGRAM = r"""
#include <utility>
#define KEPT __attribute__((noinline))
namespace shop {
struct Base { int id; virtual ~Base() {} };
struct Tag { short label; };
enum class Kind : unsigned char { Small = 1, Large = 200 };
class Item : public Base, public Tag {
  public:
    long price;
    Kind kind;
    KEPT long total(int count, const Item &other) const;
};
KEPT long Item::total(int count, const Item &other) const { return count * price + other.price; }
KEPT long consume(Item item, Tag tag) { return item.price + tag.label + item.id; }
template <typename T> struct Box { T content; };
KEPT int open(const Box<int> &box) { return box.content; }
}
int main() {
    shop::Item one, other;
    one.id = 7; one.label = 3; one.price = 100; one.kind = shop::Kind::Large;
    other.id = 8; other.label = 4; other.price = 5; other.kind = shop::Kind::Small;
    return (one.total(2, other) + shop::consume(one, shop::Tag{9}) + shop::open({11})) & 1;
}
"""

# Optimised, but such that calls are as the source has them.
HONEST = (
    "-g -O2 -fno-ipa-sra -fno-ipa-cp -fno-ipa-modref -fno-ipa-pure-const -fno-ipa-icf "
    "-fno-tree-dse -fno-ipa-ra -fno-omit-frame-pointer -fno-optimize-sibling-calls"
)
KINDS = {
    "plain": ("-g", "-O0"),
    "optimised": tuple(HONEST.split()),
    "version 4": ("-gdwarf-4", "-O0", "-no-pie"),
    "split": ("-g", "-O0", "-gsplit-dwarf"),
}

BY_VALUE = (
    "{ .pair = { .first = 1, .second = 1099511627776 }, .a = -2, .b = 3, .c = 4, .d = 5, "
    ".e = { .first = 6, .second = 7 }, .f = -8, .large = { .numbers = [9,10,11,12] } }"
)

# Script (F is the program), and what it prints.
SCRIPTS = [
    (
        'uprobe:F:read_book { printf("%s %d %c\\n", str(args.reader), args.bound, args.letter); }',
        "ann 1 x",
    ),
    ("uprobe:F:read_book { print(args.book.author.born); }", "1817"),
    ("uprobe:F:read_book { print((args.book.lent, args.book.mark)); }", "(1, 1000)"),
    ("uprobe:F:read_book { print(args.book.title); print(args.book.grid); }",
     "walden\n[[1,2,3],[4,5,-6]]"),
    ("uprobe:F:read_book { print(args.book.next.author.name); }", "thoreau"),
    ("uprobe:F:read_book { print(args.book.letter); print(args.color); print(args.book.cover); }",
     "65\nBLUE\nBLUE"),
    ("uprobe:F:read_book { @[args.color, args.letter] = args.book.pages; }", "@[BLUE, 120]: 123"),
    ("uprobe:F:read_book { print((((struct book *)arg0).pages, sizeof(struct author))); }",
     "(123, 12)"),
    ("uprobe:F:read_book { let $b : struct book * = args.book; print($b.next.pages); }", "7"),
    ("uprobe:F:read_book { @ = args; } end { print(@.letter); clear(@); }", "120"),
    ("struct book { char first; } uprobe:F:read_book { print(((struct book *)arg0).first); }",
     "123"),
    ("uprobe:F:by_value { print(args); }",
     BY_VALUE),
    ("uprobe:F:by_value { print(args.pair.second); print(args.large.numbers[2]); print(args.f); }",
     "1099511627776\n11\n-8"),
    ("uretprobe:F:read_book { print(retval); }", "-246"),
    ("uretprobe:F:by_value { print(retval); }",
     "{ .first = -9, .second = 1099511627807 }"),
    ("uretprobe:F:make_large { print(retval.numbers[3]); print(retval); }",
     "23\n{ .numbers = [20,21,22,23] }"),
    ("uretprobe:F:next_of { print(retval.title); }", "second"),
    ("uprobe:F:half { print(args.last); print(args); }", "77\n{ .last = 77 }"),
    ("uprobe:F:next_of, uprobe:F:read_book { print(args.book.pages); }", "123\n123"),
]  # fmt: skip

CPP_SCRIPTS = [
    ('uprobe:F:cpp:"shop::Item::total" { print((args.count, args.this.price, args.other.price)); }',
     "(2, 100, 5)"),
    ('uprobe:F:cpp:"shop::Item::total" { print((args.this.id, args.this.label)); }', "(7, 3)"),
    ('uprobe:F:cpp:"shop::Item::total" { print(args.other.kind); print(args.this.kind); }',
     "Small\nLarge"),
    ('uprobe:F:cpp:"shop::consume" { print((args.item.price, args.item.id, args.tag.label)); }',
     "(100, 7, 9)"),
    ('uprobe:F:cpp:"shop::open" { print(args.box.content); }', "11"),
]  # fmt: skip


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("arguments")

    def make(name: str, *flags: str, source: str = PROGRAM, compiler: str = "gcc") -> str:
        if not shutil.which(compiler):
            pytest.skip(f"needs {compiler}")
        path = folder / name
        if not path.exists():
            file = folder / f"{name}.{'cc' if compiler == 'g++' else 'c'}"
            file.write_text(source)
            subprocess.run([compiler, *flags, "-w", "-o", path, file], check=True, cwd=folder)
        return str(path)

    return make


def placed(text: str, program: str) -> str:
    """A text with the program's path for ``F``."""
    return re.sub(r"\bF\b", program, text)


def traced(script: str, program: str) -> str:
    """What a script prints about a run of a program."""
    done = run("-q", "-e", placed(script, program), "-c", program)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return "\n".join(line for line in done.stdout.split("\n") if line)


@pytest.mark.parametrize("kind", KINDS)
def test_c(kind: str, build: Callable[..., str]) -> None:
    program = build(kind.replace(" ", "-"), *KINDS[kind])
    scripts = SCRIPTS if kind == "plain" else SCRIPTS[::3]
    for script, wanted in scripts:
        assert traced(script, program) == wanted, script


@pytest.mark.parametrize("flags", [("-g", "-O0"), ("-g", "-O0", "-gdwarf-4")], ids=" ".join)
def test_cpp(flags: tuple[str, ...], build: Callable[..., str]) -> None:
    program = build(f"shop{len(flags)}", *flags, source=CPP_PROGRAM, compiler="g++")
    for script, wanted in CPP_SCRIPTS:
        assert traced(script, program) == wanted, script


def line_of(mark: str) -> int:
    """The line of the program with a comment."""
    lines = PROGRAM.split("\n")
    return next(n for n, text in enumerate(lines, 1) if f"/* {mark} */" in text)


@pytest.mark.parametrize("kind", ["plain", "optimised", "split"])
def test_source_lines(kind: str, build: Callable[..., str]) -> None:
    program = build(kind, *KINDS[kind])
    for mark in ("result", "twice"):
        script = f"uprobe:F@{kind}.c:{line_of(mark)} {{ print(func); }}"
        function = "twice" if mark == "twice" and kind != "optimised" else "read_book"
        assert traced(script, program) in (function, "read_book"), script


def test_stack_with_lines(build: Callable[..., str]) -> None:
    program = build("optimised", *KINDS["optimised"])
    script = (
        "config = { show_debug_info = true } "
        f"uprobe:F@optimised.c:{line_of('twice')} {{ print(ustack(2)); }}"
    )
    source = f"{os.path.realpath(program)}.c"
    lines = traced(script, program).split("\n")
    assert lines[0] == f"        [inlined] twice@{source}:{line_of('twice')}"
    assert lines[1].startswith("        read_book+")
    assert lines[1].endswith(f"@{source}:{line_of('result')}")


def test_stack_has_the_lines_of_calls(build: Callable[..., str]) -> None:
    """Where a call returns to may be of the next line."""
    program = build("plain", *KINDS["plain"])
    # Behind the two instructions that set up the frame.
    script = "config = { show_debug_info = true } uprobe:F:quiet+4 { print(ustack(2)); }"
    lines = traced(script, program).split("\n")
    text = PROGRAM.split("\n")
    called = text.index("    quiet();") + 1
    assert lines[1].endswith(f"@{os.path.realpath(program)}.c:{called}")


def test_listing(build: Callable[..., str]) -> None:
    program = build("plain", *KINDS["plain"])
    done = run("-lv", f"uprobe:{program}:*")
    found: dict[str, list[str]] = {}
    for line in done.stdout.rstrip("\n").split("\n"):
        if line.startswith("    "):
            found[name].append(line.strip())  # noqa: F821 - the line before
        else:
            name = line.rpartition(":")[2]
            found[name] = []
    assert found["read_book"] == [
        "struct book* book", "const char* reader", "enum color color", "_Bool bound", "char letter",
    ]  # fmt: skip
    assert found["by_value"][:3] == ["struct pair pair", "signed char a", "count_t b"]
    assert found["quiet"] == []
    assert found["register_tm_clones"] == []  # of which nothing is known
    bare = build("bare", "-g0", "-O0")
    done = run("-lv", f"uprobe:{bare}:read_book")
    assert done.stdout == f"uprobe:{bare}:read_book\n"
    assert done.stderr == f'WARNING: No DWARF found for "{bare}", cannot show parameter info\n'


MISTAKES = [
    (
        "uprobe:F:half { print(args.value); }",
        "ERROR: Can't find function parameter value",
        "HINT: 'value' is passed in a vector register (as floating-point numbers are), which ",
    ),
    (
        "uprobe:F:read_book { print(args.colour); }",
        "ERROR: Can't find function parameter colour",
        "HINT: did you mean 'color'?",
    ),
    (
        "uprobe:F@plain.c:9999 { }",
        "ERROR: DWARF error: Unable to map 'plain.c:9999' to address",
        "HINT: no code comes from that line; the nearest that have some: ",
    ),
    (
        "uprobe:F@plein.c:3 { }",
        "ERROR: DWARF error: No compilation unit matches plein.c",
        "HINT: did you mean 'plain.c'?",
    ),
    (
        "uretprobe:F@plain.c:30 { }",
        "ERROR: uretprobe can not be attached to a source line",
        "HINT: write it as uretprobe:FILE:FUNCTION or uretprobe:FILE:cpp:FUNCTION",
    ),
    (
        "uprobe:F:read_book+4 { print(args); }",
        "read_book+4\": the debuginfo of F describes no function there",
        "HINT: it describes functions at their start only",
    ),
    (
        "uprobe:F:twice { }",
        "ERROR: No matches for uprobe F:twice.",
        "HINT: it is inlined, into read_book; probe a line of it: uprobe:",
    ),
    (
        "uretprobe:F:read_book { print(args); }",
        "ERROR: The args builtin can only be used with",
        "",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("script", "message", "hint"), MISTAKES)
def test_mistakes(script: str, message: str, hint: str, build: Callable[..., str]) -> None:
    program = build("plain", *KINDS["plain"])
    done = run("--unsafe", "-e", placed(script, program))
    assert done.returncode == 1
    assert placed(message, program) in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


def test_without_debug_information(build: Callable[..., str]) -> None:
    program = build("bare", "-g0", "-O0")
    done = run("-e", f"uprobe:{program}:read_book {{ print(args); }}")
    assert done.returncode == 1
    assert (
        f'ERROR: Could not parse arguments of "uprobe:{program}:read_book": no debuginfo found for '
        f"{program}\n" in done.stderr
    )
    assert "HINT: compile it with -g, or install its debug file" in done.stderr
    # The result is the register then, as it is for functions found by a pattern.
    assert traced("uretprobe:F:read_book { print(retval); }", program) == str(2**32 - 246)
    assert traced("uretprobe:F:*_book { print(retval); }", build("plain")) == str(2**32 - 246)


def test_debug_file(build: Callable[..., str], tmp_path: object) -> None:
    if not shutil.which("objcopy"):
        pytest.skip("needs objcopy")
    whole = build("plain", *KINDS["plain"])
    program, debug = f"{tmp_path}/program", f"{tmp_path}/elsewhere/program.debug"
    os.mkdir(f"{tmp_path}/elsewhere")
    subprocess.run(["objcopy", "--only-keep-debug", whole, debug], check=True)
    subprocess.run(["objcopy", "--strip-debug", whole, program], check=True)
    script = f"uprobe:{program}:read_book {{ print(args.book.pages); }}"
    assert run("-e", script, "-c", program).returncode == 1
    for folder in (f"{tmp_path}/elsewhere", "elsewhere"):
        done = run("-q", "--debuginfo", folder, "-e", script, "-c", program)
        assert done.stdout.split() == ["123"], done.stderr


def test_damaged_debug_information(build: Callable[..., str], tmp_path: object) -> None:
    whole = build("plain", *KINDS["plain"])
    from prybee.elf import ElfFile

    with ElfFile.open(whole) as elf:
        section = elf.section(".debug_info")
        assert section is not None
    with open(whole, "rb") as file:
        data = bytearray(file.read())
    data[section.offset + 4] = 77
    program = f"{tmp_path}/damaged"
    with open(program, "wb") as file:
        file.write(data)
    os.chmod(program, 0o755)
    done = run("-e", f"uprobe:{program}:read_book {{ print(args.book.pages); }}")
    assert done.returncode == 1
    assert f"ERROR: {program}: debug information is damaged: the unit at 0x0 is of version 77" in (
        done.stderr
    )
    assert "Traceback" not in done.stderr


def test_the_manual(tmp_path: Path) -> None:
    """The page that explains this shows what really comes."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    page = (Path(__file__).parent.parent.parent / "docs/howto.md").read_text()
    section = page.partition("## Look into a program\n")[2].partition("\n## ")[0]
    (source,) = re.findall(r"^```c\n(.*?)^```", section, re.M | re.S)
    (tmp_path / "shop.c").write_text(source)
    subprocess.run(["gcc", "-g", "shop.c", "-o", "shop"], check=True, cwd=tmp_path)
    blocks = re.findall(r"^```text\n(.*?)^```", section, re.M | re.S)
    commands = [part for block in blocks for part in re.split(r"^# ", block, flags=re.M) if part]
    assert len(commands) == 7
    for part in commands[1:]:
        command, _, wanted = part.partition("\n")
        done = run(*shlex.split(command)[1:], cwd=tmp_path)
        assert done.stderr == ""
        shown, wanted = (
            # The program's own output comes when it likes.
            sorted(line for line in re.sub(r"\+\d+@\S+/", "+N@/", text).split("\n") if line)
            for text in (done.stdout, wanted)
        )
        assert shown == wanted, command
