"""Names of addresses in running, gone, moved and hidden programs."""

import os
import shutil
import subprocess
import time

import pytest

from prybee.elf import ElfFile
from prybee.symbols import Frame, UserSymbols
from prybee.symbols import processes as processes_module
from prybee.symbols import user as user_module

KINDS = {
    "pie": ("-pie", "-fPIE"),
    "fixed": ("-no-pie",),
    "static": ("-static",),
    "packed": ("-pie", "-fPIE", "-Wl,-z,noseparate-code"),
}


@pytest.fixture
def symbols():
    with UserSymbols() as made:
        yield made


def wait_until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("kind", KINDS)
def test_functions_of_a_running_program(symbols, build, start, kind):
    path = build(kind, *KINDS[kind])
    program = start(path)
    with ElfFile.open(path) as elf:
        for name in ("inner", "outer", "main"):
            address = program.addresses[name]
            frame = symbols.resolve(program.pid, address + 2)
            (symbol,) = elf.symbols(name)
            assert frame == Frame(
                name, 2, path, address + 2, elf.build_id, elf.file_offset(symbol.value) + 2
            )
    (libc,) = symbols.resolve_many(program.pid, [program.addresses["malloc"]])
    if kind == "static":
        assert libc.symbol in ("malloc", "__libc_malloc", "__malloc")
    else:
        assert (libc.symbol, libc.offset) == ("malloc", 0)
        assert "libc" in libc.module
    assert symbols.resolve(program.pid, 0x10) is None
    assert symbols.resolve(program.pid, 0xFFFFFFFFFFFFFFFF) is None
    assert symbols.resolve(program.pid, -1) is None


def test_the_vdso(symbols, start, build):
    program = start(build("pie", *KINDS["pie"]))
    base = program.addresses["vdso"]
    if not base:
        pytest.skip("no vdso here")
    with open("/proc/self/mem", "rb") as memory, open("/proc/self/maps") as maps:
        line = next(line for line in maps if "[vdso]" in line)
        first, last = (int(word, 16) for word in line.split()[0].split("-"))
        memory.seek(first)
        image = ElfFile(memory.read(last - first))
    names = {}
    for function in image.match("*clock_gettime"):
        names.setdefault(function.value, set()).add(function.name)
    assert names
    for value, known in names.items():
        frame = symbols.resolve(program.pid, base + value + 1)
        assert frame.symbol in known
        assert (frame.offset, frame.module) == (1, "[vdso]")
        assert frame.build_id == image.build_id
    # All processes have the same one: it is kept once, and serves those that are gone.
    other = start(build("pie", *KINDS["pie"]))
    symbols.observe(other.pid)
    other.end()
    frame = symbols.resolve(other.pid, other.addresses["vdso"] + min(names) + 1)
    assert frame.symbol in names[min(names)]


def test_a_process_that_has_ended(symbols, build, start):
    path = build("pie", *KINDS["pie"])
    program = start(path)
    assert symbols.observe(program.pid)
    program.end()
    assert not os.path.exists(f"/proc/{program.pid}")
    frame = symbols.resolve(program.pid, program.addresses["outer"] + 1)
    assert (frame.symbol, frame.offset, frame.module) == ("outer", 1, path)
    assert symbols.resolve(program.pid, program.addresses["malloc"]).symbol == "malloc"


def test_a_process_that_ended_before_anybody_looked(symbols, build, start):
    fixed = start(build("fixed", *KINDS["fixed"]))
    moved = start(build("pie", *KINDS["pie"]))
    fixed.end()
    moved.end()
    assert not symbols.observe(fixed.pid)
    address = fixed.addresses["outer"]
    assert symbols.resolve(fixed.pid, address) is None
    # Its program is known from the probe: addresses in a fixed program do not change.
    frame = symbols.resolve(fixed.pid, address + 3, build("fixed"))
    assert (frame.symbol, frame.offset, frame.module) == ("outer", 3, build("fixed"))
    assert symbols.resolve_many(fixed.pid, [address, 1], build("fixed"))[1] is None
    # Where a position-independent one was is not known, and not guessed.
    assert symbols.resolve(moved.pid, moved.addresses["outer"], build("pie")) is None
    assert symbols.resolve(moved.pid, moved.addresses["outer"], "/nonexistent") is None


def test_per_program(build, start):
    """Without address randomisation one process's mappings serve another's."""
    if not shutil.which("setarch"):
        pytest.skip("needs setarch")
    path = build("pie", *KINDS["pie"])
    try:
        first = start("setarch", "-R", path)
        second = start("setarch", "-R", path)
    except ValueError:
        pytest.skip("randomisation cannot be switched off here")
    if not first.addresses or first.addresses != second.addresses:
        pytest.skip("randomisation cannot be switched off here")
    second.end()
    with UserSymbols(cache="per_program") as symbols:
        assert symbols.observe(first.pid)
        frame = symbols.resolve(second.pid, second.addresses["inner"], path)
        assert (frame.symbol, frame.module) == ("inner", path)
        third = start("setarch", "-R", path)
        symbols.observe(third.pid)
        assert symbols.processes._known[third.pid] is symbols.processes._known[first.pid]


def test_nothing_is_kept_when_asked_so(build, start):
    program = start(build("pie", *KINDS["pie"]))
    with UserSymbols(cache="none") as symbols:
        for _ in range(2):
            assert symbols.resolve(program.pid, program.addresses["outer"]).symbol == "outer"
            assert symbols.resolve_many(program.pid, [program.addresses["inner"]])[0]
    with pytest.raises(ValueError, match="cache is 'sometimes', not one of per_pid, per_program"):
        UserSymbols(cache="sometimes")


def test_a_program_that_calls_exec(symbols, build, tmp_path, monkeypatch):
    """One pid, two programs: both are remembered."""
    monkeypatch.setattr(processes_module, "_CURRENT", 0.0)
    monkeypatch.setattr(user_module, "_CURRENT_AFTER_MISS", 0.0)
    process = subprocess.Popen(
        ["sh", "-c", 'read x; exec "$0"', build("pie", *KINDS["pie"])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    from tests.symbols.conftest import Running

    try:
        known = symbols.processes._known
        # It may be in the midst of its first exec.
        wait_until(
            lambda: (
                symbols.observe(process.pid)
                and known[process.pid].generations[0].items[0].path.endswith("sh")
            )
        )
        shell = known[process.pid].generations[0].items[0]
        process.stdin.write("go\n")
        process.stdin.flush()
        program = Running(process)
        frame = symbols.resolve(process.pid, program.addresses["outer"])
        assert frame.symbol == "outer"
        assert symbols.resolve(process.pid, shell.start).module == shell.path
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


@pytest.mark.live
def test_a_deleted_program(symbols, build, start, tmp_path):
    path = tmp_path / "short lived"
    shutil.copy(build("pie", *KINDS["pie"]), path)
    program = start(str(path))
    path.unlink()
    path.write_text("something else by the same name")
    assert symbols.observe(program.pid)
    program.end()
    frame = symbols.resolve(program.pid, program.addresses["outer"] + 1)
    assert (frame.symbol, frame.offset, frame.module) == ("outer", 1, str(path))


@pytest.mark.live
def test_a_program_in_other_mounts(symbols, build, start, tmp_path):
    """A file that only the process sees; also after it has ended."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    script = f'mount -t tmpfs none "{mounted}" && cp "$0" "{mounted}/app" && exec "{mounted}/app"'
    path = build("pie", *KINDS["pie"])
    command = ("unshare", "-m", "sh", "-c", script, path)
    alive, gone, late = start(*command), start(*command), start(*command)
    if not alive.addresses:
        pytest.skip("cannot make a mount namespace here")
    assert not (mounted / "app").exists()
    frame = symbols.resolve(alive.pid, alive.addresses["inner"])
    assert (frame.symbol, frame.module) == ("inner", f"{mounted}/app")
    assert symbols.resolve(gone.pid, gone.addresses["inner"]).symbol == "inner"
    symbols.observe(late.pid)
    gone.end()
    late.end()
    assert symbols.resolve(gone.pid, gone.addresses["outer"]).symbol == "outer"
    assert symbols.resolve(late.pid, late.addresses["malloc"]).symbol == "malloc"


def test_stripped_programs_have_debug_files(build, start, tmp_path):
    """By build id, and by debuglink where there is no build id; the wrong file is not taken."""
    if not shutil.which("objcopy"):
        pytest.skip("needs objcopy")
    for kind, flags in (("identified", ()), ("linked", ("-Wl,--build-id=none",))):
        full = build(f"for-{kind}", *KINDS["pie"], *flags)
        folder = tmp_path / kind
        folder.mkdir()
        debug, stripped = folder / "app.debug", folder / "app"
        subprocess.run(["objcopy", "--only-keep-debug", full, debug], check=True)
        subprocess.run(
            ["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", full, stripped], check=True
        )
        directories = (str(folder / "debug"),)
        if kind == "identified":
            with ElfFile.open(str(stripped)) as elf:
                identity = elf.build_id.hex()
            target = folder / "debug/.build-id" / identity[:2] / f"{identity[2:]}.debug"
            target.parent.mkdir(parents=True)
            debug.rename(target)
            debug = target
        program = start(str(stripped))
        with UserSymbols(debug_directories=directories) as symbols:
            frame = symbols.resolve(program.pid, program.addresses["inner"] + 1)
            assert (frame.symbol, frame.offset, frame.module) == ("inner", 1, str(stripped))
        # Another program's debug file under the right name is not believed.
        other = build("other", *KINDS["pie"], "-DOTHER", "-O0")
        subprocess.run(["objcopy", "--only-keep-debug", other, debug], check=True)
        with UserSymbols(debug_directories=directories) as symbols:
            frame = symbols.resolve(program.pid, program.addresses["inner"] + 1)
            assert (frame.symbol, frame.module) == ("", str(stripped))
        program.end()


def test_run_time_code(symbols, build, start, monkeypatch):
    """A JIT compiler's functions, also those that come later."""
    program = start(build("pie", *KINDS["pie"]))
    made = program.addresses["made"]
    path = f"/tmp/perf-{program.pid}.map"
    try:
        with open(path, "w") as file:
            file.write(f"{made:x} 10 first function\n")
        frame = symbols.resolve(program.pid, made + 4)
        assert frame == Frame("first function", 4, path, made + 4)
        assert symbols.resolve(program.pid, made + 0x10) is None
        with open(path, "a") as file:
            file.write(f"{made + 0x20:x} 10 second\n")
        assert symbols.resolve(program.pid, made + 0x21).symbol == "second"
        program.end()
        assert symbols.resolve(program.pid, made + 0x22).symbol == "second"
    finally:
        os.unlink(path)


def test_cpp_names_are_readable(tmp_path, start):
    if not shutil.which("g++"):
        pytest.skip("needs g++")
    source = tmp_path / "app.cc"
    source.write_text(
        "#include <cstdio>\n#include <vector>\n"
        "namespace app { __attribute__((noinline)) int sum(const std::vector<int> &v)"
        " { return v[0] + 1; } }\n"
        'int main() { std::vector<int> v{1}; printf("sum %p\\nready %d\\n", (void *)app::sum,'
        " app::sum(v)); fflush(stdout); while (getchar() >= 0); }\n"
    )
    subprocess.run(["g++", "-O1", str(source), "-o", str(tmp_path / "app")], check=True)
    program = start(str(tmp_path / "app"))
    address = program.addresses["sum"]
    with UserSymbols() as readable, UserSymbols(demangle=False) as raw:
        assert readable.resolve(program.pid, address).symbol == (
            "app::sum(std::vector<int, std::allocator<int> > const&)"
        )
        assert raw.resolve(program.pid, address).symbol.startswith("_ZN3app3sumERK")


def test_processes_that_are_none(symbols):
    assert not symbols.observe(1 << 30)
    assert not symbols.observe(-1)
    assert symbols.resolve(1 << 30, 0x1000) is None
    assert symbols.resolve(0, 0x1000, "/bin/sh") is None
    assert symbols.resolve_many(1 << 30, [1, 2]) == [None, None]
    assert not symbols.observe(2)  # a kernel thread, or not ours to see


def test_no_descriptor_is_left(build, start, tmp_path):
    import gc

    gc.collect()
    before = descriptors()
    program = start(build("pie", *KINDS["pie"]))
    during = descriptors()
    symbols = UserSymbols()
    for name in ("inner", "malloc"):
        symbols.resolve(program.pid, program.addresses[name])
    symbols.observe(program.pid)
    assert descriptors() == during  # symbols are in memory: files are closed again
    symbols.close()
    program.end()
    assert descriptors() == before


def test_ten_thousand_stacks_share_their_frames(symbols, build, start):
    """A frame is looked up once, however many stacks it is in."""
    program = start(build("static", *KINDS["static"]))
    with ElfFile.open(build("static")) as elf:
        functions = [f for f in elf.match("*") if f.size > 2][:600]
    pid = program.pid
    stacks = [
        [functions[(n * 7 + level * 13) % len(functions)].value + n % 3 for level in range(12)]
        for n in range(10_000)
    ]
    frames = [symbols.resolve_many(pid, stack) for stack in stacks]
    assert all(frame.symbol for stack in frames for frame in stack)
    assert len(symbols.processes._known[pid].frames) == len({a for s in stacks for a in s})


def test_frames_are_not_kept_for_ever(symbols, build, start, monkeypatch):
    monkeypatch.setattr(user_module, "_MOST_FRAMES", 20)
    programs = [start(build("pie", *KINDS["pie"])) for _ in range(3)]
    for distance in range(30):
        for program in programs:
            frame = symbols.resolve(program.pid, program.addresses["malloc"] + distance)
            assert frame.symbol == "malloc"
            known = [symbols.processes.get(each.pid).frames for each in programs]
            assert 0 < sum(map(len, known)) <= 20
