"""Where arguments and results are: C declarations, and what the calling convention says of them."""

import shutil
import subprocess

import pytest

from prybee.dwarf import DebugInfo
from prybee.elf import ElfFile
from prybee.machines import registers
from prybee.probes.calling import Convention, Location, locate

TYPES = """
struct two { long a, b; };
struct small { char a; short b; };
struct three { char c[3]; };
struct big { long a, b, c; };
struct mixed { long a; double b; };
struct floats { float x, y; };
struct hfa { double x, y, z; };
struct __attribute__((packed)) packed { char a; long b; };
struct bits { int a : 3; int b : 20; };
union either { long a; double b; };
struct none {};
typedef struct two pair;
"""


def registers_(*names):
    return Location("registers", names)


def stack(offset):
    return Location("stack", (), offset)


VECTOR = Location("unreadable")
NOWHERE = Location("nowhere")

X86 = [
    ("void f(int a, char *b, long c)", [registers_("di"), registers_("si"), registers_("dx")]),
    (
        "void f(long a, long b, long c, long d, long e, long f, long g, char h)",
        [registers_(r) for r in ("di", "si", "dx", "cx", "r8", "r9")] + [stack(8), stack(16)],
    ),
    (
        "void f(double a, int b, float c, int d)",
        [VECTOR, registers_("di"), VECTOR, registers_("si")],
    ),
    ("void f(struct two a, int b)", [registers_("di", "si"), registers_("dx")]),
    ("void f(pair a, struct small b)", [registers_("di", "si"), registers_("dx")]),
    ("void f(struct three a, struct bits b)", [registers_("di"), registers_("si")]),
    ("void f(struct big a, int b)", [stack(8), registers_("di")]),
    ("void f(struct mixed a, int b)", [VECTOR, registers_("si")]),
    ("void f(struct floats a, int b)", [VECTOR, registers_("di")]),
    ("void f(struct packed a, int b)", [stack(8), registers_("di")]),
    ("void f(union either a, int b)", [registers_("di"), registers_("si")]),
    ("void f(struct none a, int b)", [NOWHERE, registers_("di")]),
    ("void f(__int128 a, int b)", [registers_("di", "si"), registers_("dx")]),
    # What does not fit as a whole goes to the stack, and leaves registers to those that follow.
    (
        "void f(long a, long b, long c, long d, long e, struct two g, int h)",
        [registers_(r) for r in ("di", "si", "dx", "cx", "r8")] + [stack(8), registers_("r9")],
    ),
    # The result's place is handed over in the first register.
    ("struct big f(int a)", [registers_("si")]),
    ("struct two f(int a)", [registers_("di")]),
    ("void f(long double a, int b)", [stack(8), registers_("di")]),
    ("void f(struct big a, long double b)", [stack(8), stack(40)]),
    ("void f(int a, ...)", [registers_("di")]),
    ("void f(_Bool a, unsigned char b)", [registers_("di"), registers_("si")]),
]

ARM = [
    ("void f(int a, char *b)", [registers_("r0"), registers_("r1")]),
    (
        "void f(long a, long b, long c, long d, long e, long f, long g, long h, int i)",
        [registers_(f"r{n}") for n in range(8)] + [stack(0)],
    ),
    ("void f(double a, int b)", [VECTOR, registers_("r0")]),
    ("void f(struct two a, int b)", [registers_("r0", "r1"), registers_("r2")]),
    ("void f(struct mixed a, int b)", [registers_("r0", "r1"), registers_("r2")]),
    ("void f(struct big a, int b)", [Location("address", ("r0",)), registers_("r1")]),
    ("void f(struct hfa a, int b)", [VECTOR, registers_("r0")]),
    ("void f(int a, __int128 b)", [registers_("r0"), registers_("r2", "r3")]),
    ("struct big f(int a)", [registers_("r0")]),
]

RESULTS = [
    ("x86_64", "int f(void)", registers_("ax")),
    ("x86_64", "char *f(void)", registers_("ax")),
    ("x86_64", "struct two f(void)", registers_("ax", "dx")),
    ("x86_64", "struct big f(void)", Location("address", ("ax",))),
    ("x86_64", "double f(void)", VECTOR),
    ("x86_64", "struct small f(void)", registers_("ax")),
    ("aarch64", "struct two f(void)", registers_("r0", "r1")),
    ("aarch64", "struct big f(void)", VECTOR),
    ("aarch64", "long f(void)", registers_("r0")),
]


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """``described(declarations)`` → debug information, and the entries of the functions in it."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("calling")
    opened = []

    def run(declarations):
        lines = [TYPES]
        for number, text in enumerate(declarations):
            name = f"f{number}"
            head = text.replace(" f(", f" {name}(").replace("*f(", f"*{name}(")
            lines.append(f"{head} {{ for (;;); }}")
        source = folder / f"{len(opened)}.c"
        source.write_text("\n".join(lines) + "\nint main(void) { return 0; }\n")
        target = str(source)[:-2]
        subprocess.run(["gcc", "-g", "-O0", "-w", source, "-o", target], check=True)
        elf = ElfFile.open(target)
        info = DebugInfo(elf, target, cache="")
        opened.append((info, elf))
        entries = [
            info.function(elf.symbols(f"f{number}")[0].value) for number in range(len(declarations))
        ]
        return info.types, entries

    yield run
    for info, elf in opened:
        info.close()
        elf.close()


@pytest.mark.parametrize(("arch", "table"), [("x86_64", X86), ("aarch64", ARM)])
def test_arguments(arch, table, described):
    types, entries = described([text for text, _wanted in table])
    for (text, wanted), entry in zip(table, entries, strict=True):
        parameters = [p.type for p in types.parameters(entry.id)]
        found = locate(registers(arch), types, types.returns(entry.id), parameters)
        assert found == wanted, text


def test_results(described):
    types, entries = described([text for _arch, text, _wanted in RESULTS])
    for (arch, text, wanted), entry in zip(RESULTS, entries, strict=True):
        found = Convention(registers(arch), types).result(types.returns(entry.id))
        assert found == wanted, text
