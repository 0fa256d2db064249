"""The suite's test programs, built with the compilers of this machine, outside the checkout.

Each C and C++ program twice, at a fixed address and position-independent; then what single tests
need: code without ELF around it, an archive, debug data beside the program in all its forms,
libraries.  What these are is said in bpftrace's ``tests/testprogs/CMakeLists.txt``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_FLAGS = ["-g", "-O0", "-fno-omit-frame-pointer", "-mno-omit-leaf-frame-pointer"]
# Programs that are for other flags: unwinding without frame pointers.
_OTHER_FLAGS = {
    "uprobe_nofp": ["-g", "-O1", "-fomit-frame-pointer", "-fno-optimize-sibling-calls"],
}
# Programs that use a library of the suite: its header's folder is tests/testlibs.
_LIBRARY_OF = {"usdt_lib": "usdt_tp"}


class Builder:
    """Builds what is not there yet, and remembers what could not be built, and why."""

    def __init__(self, tests: Path, folder: Path) -> None:
        """For the tests of a checkout (its folder ``tests``), into ``folder``."""
        self._tests = tests
        self._sources = tests / "testprogs"
        self._programs = folder / "testprogs"
        self._libraries = folder / "testlibs"
        self.missing: list[str] = []

    def build(self, jobs: int) -> None:
        """Build everything, ``jobs`` at a time."""
        split = self._programs / "external_debug"
        for path in (self._libraries, split / "dwo", split / "dwp", self._programs / ".debug"):
            path.mkdir(parents=True, exist_ok=True)
        sources = sorted([*self._sources.glob("*.c"), *self._sources.glob("*.cpp")])
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(self._library, sorted((self._tests / "testlibs").glob("*.c"))))
            list(pool.map(self._program, sources))
        self._debug_beside()
        self._split_debug(split)
        self._archive()
        self._flat_code()
        self._other_languages()

    def _library(self, source: Path) -> None:
        output = self._libraries / f"lib{source.stem}.so"
        self._compile(source, output, ["-g", "-O0", "-fPIC", "-shared"])
        if output.exists():
            output.chmod(0o644)  # one may trace libraries that nobody may execute

    def _program(self, source: Path) -> None:
        flags = _OTHER_FLAGS.get(source.stem, _FLAGS)
        library = _LIBRARY_OF.get(source.stem)
        after: list[str] = []
        if library:
            flags = [*flags, f"-I{self._tests / 'testlibs'}", "-fPIC"]
            after = [f"-L{self._libraries}", f"-l{library}", f"-Wl,-rpath,{self._libraries}"]
        self._compile(source, self._programs / source.stem, [*flags, "-no-pie"], after)
        pie = self._programs / f"{source.stem}-pie"
        self._compile(source, pie, [*flags, "-fpie", "-pie"], after)

    def _compile(
        self, source: Path, output: Path, flags: list[str], after: list[str] | None = None
    ) -> None:
        compiler = "g++" if source.suffix == ".cpp" else "gcc"
        include = f"-I{self._tests / 'include'}"
        # The suite expects paths of sources to be of letters and slashes only.
        plain = f"-fdebug-prefix-map={self._tests}=/bpftrace/tests"
        self._make(output, source, [compiler, *flags, include, plain, str(source), "-o",
                                    str(output), *(after or [])])  # fmt: skip

    def _debug_beside(self) -> None:
        """Programs whose debug data stand in another file, found by option or by build id."""
        for name, folder, link in (
            ("uprobe_test", "external_debug", False),
            ("uprobe_separate_debug", ".debug", True),
        ):
            whole = self._programs / name
            stripped = self._programs / f"{name}-stripped"
            debug = self._programs / folder / f"{name}-stripped.debug"
            self._objcopy(debug, whole, "--only-keep-debug")
            extra = [f"--add-gnu-debuglink={debug}"] if link else []
            self._objcopy(stripped, whole, "--strip-debug", *extra)

    def _split_debug(self, folder: Path) -> None:
        source = self._sources / "uprobe_test.c"
        tool = self._tool("dwp")
        for form in ("dwo", "dwp"):
            output = folder / form / "uprobe_test-split"
            # Binutils' dwp knows no newer version; in a package of version 5 it crashes.
            old = ["-gdwarf-4"] if form == tool else []
            self._compile(source, output, ["-g", "-O0", "-gsplit-dwarf", *old])
        package = folder / "dwp" / "uprobe_test-split.dwp"
        program = folder / "dwp" / "uprobe_test-split"
        self._make(package, program, [tool, "-e", str(program), "-o", str(package)])
        for path in (folder / "dwp").glob("*.dwo"):
            path.unlink()

    def _archive(self) -> None:
        """A stored program: probes reach into archives (as those of Android applications)."""
        program = self._programs / "true"
        if program.exists():
            with zipfile.ZipFile(self._programs / "archive.zip", "w", zipfile.ZIP_STORED) as file:
                file.write(program, program.name)

    def _flat_code(self) -> None:
        thing = self._programs / "false.o"
        self._compile(self._sources / "false.c", thing, ["-c"])
        self._objcopy(self._programs / "false.bin", thing, "-S", "--only-section=.text",
                      "--keep-symbol=main", "-O", "binary")  # fmt: skip

    def _other_languages(self) -> None:
        for source in sorted(self._sources.glob("*.go")):
            output = self._programs / source.stem
            self._make(output, source, ["go", "build", "-o", str(output), str(source)])
        for source in sorted(self._sources.glob("*.rs")):
            output = self._programs / source.stem
            self._make(output, source, ["rustc", "-C", "symbol_mangling_version=v0", str(source),
                                        "-o", str(output)])  # fmt: skip

    def _objcopy(self, output: Path, whole: Path, *options: str) -> None:
        tool = self._tool("objcopy")
        self._make(output, whole, [tool, *options, str(whole), str(output)])

    def _tool(self, name: str) -> str:
        """A tool of LLVM's, which the suite is made with, or that of binutils."""
        return f"llvm-{name}" if shutil.which(f"llvm-{name}") else name

    def _make(self, output: Path, source: Path, command: list[str]) -> None:
        """Run a command that makes a file of another, unless it has been made."""
        if not source.exists():
            self.missing.append(f"{output.name}: {source.name} is not there")
            return
        if output.exists() and output.stat().st_mtime >= source.stat().st_mtime:
            return
        if shutil.which(command[0]) is None:
            self.missing.append(f"{output.name}: no {command[0]} here")
            return
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._programs)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[0]
            self.missing.append(f"{output.name}: {reason}")


def lay_out(tests: Path, folder: Path) -> None:
    """Make the folder that the engine runs in: copies of what it reads, as bpftrace's build does.

    Args:
        tests: the checkout's folder ``tests``.
        folder: where to; what an earlier run copied is replaced.
    """
    for name in ("runtime", "self"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(tests / name, folder / name)
    # bpftrace's configuration writes this one: our programs are never compiled ahead of time.
    (folder / "runtime" / "engine" / "cmake_vars.py").write_text(
        "LIBBCC_BPF_CONTAINS_RUNTIME = False\n"
    )


def jobs() -> int:
    """How many compilers may run at once."""
    return os.cpu_count() or 1
