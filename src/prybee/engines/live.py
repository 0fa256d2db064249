"""The running machine, as the compiler asks about it.

Every answer is looked up when it is wanted and kept.  What cannot be had (no BTF, no tracing, no
root) is answered as absent; who then fails says why.
"""

from __future__ import annotations

import os

from prybee.linux.switched_off import OFF
from prybee.plan.plan import loaded_program
from prybee.plan.target import Target, TracepointField

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from prybee.btf import Btf
    from prybee.dwarf import DebugInfo
    from prybee.elf import ElfFile
    from prybee.linux.tracefs import Tracefs
    from prybee.symbols import KernelSymbols
    from prybee.symbols.debug_info import DebugFile

# Features that change only how code is made. Without the right to load programs they cannot be
# probed; then code is made for a current kernel, and loading it will say what is missing.
_ASSUMED = frozenset(("v4", "jmp32", "atomics", "unaligned", "probe_read_kernel", "ringbuf"))

# Categories of events that are made from others, or of functions.
_NO_TRACEPOINTS = frozenset(("syscalls", "ftrace", "kprobes", "uprobes", "fprobes", "synthetic"))

# Those that may name a file with the kernel's types; the first that is set counts.
VARIABLES = ("PRYBEE_BTF", "BPFTRACE_BTF")

# Its inode number is fixed (include/linux/proc_ns.h, PROC_PID_INIT_INO).
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC


# So many names are searched for in the list of functions one by one.
_FEW_NAMES = 20


class LiveTarget(Target):
    """Answers for the machine that runs this. A context manager: it may hold files open."""

    def __init__(
        self,
        btf_path: str = "/sys/kernel/btf/vmlinux",
        cache: str | None = None,
        functions: str = "",
        types: str = "",
    ) -> None:
        """
        Args:
            btf_path: the kernel's own types.
            cache: where their index is kept, as :meth:`prybee.btf.Btf.vmlinux` takes it.
            functions: a list of the functions that can be probed; empty for the kernel's own.
            types: a file to read the kernel's types from (``--btf``); empty: what the environment
                names, or else the kernel's own.
        """
        system = os.uname()
        self.arch = system.machine
        self.release = system.release
        self.page_size = os.sysconf("SC_PAGESIZE")
        self._btf_path = btf_path
        self._cache = cache
        self._types = (types, "--btf") if types else _named()
        self._btf: Btf | None = None
        self._btf_wanted = False
        self._own: Btf | None = None
        self._own_wanted = False
        # What is to be said about the types that were found, once.
        self.remarks: list[str] = []
        self._tracefs: Tracefs | None = None
        self._formats: dict[tuple[str, str], tuple[TracepointField, ...] | None] = {}
        self._raw_tracepoints: list[str] | None = None
        self._iterators: list[str] | None = None
        self._functions_path = functions
        self._functions: list[tuple[str, str]] | None = None
        self._functions_text: str | None = None
        self._blacklist: frozenset[str] | None = None
        self._repeated: frozenset[str] | None = None
        self._looked_for = 0
        self._modules: dict[str, Btf | None] = {}
        self._symbols: KernelSymbols | None = None
        self._addresses: dict[str, int | None] = {}
        self._binaries: dict[tuple[str, int | None], list[str]] = {}
        self._files: dict[str, ElfFile | None] = {}
        self._problems: dict[str, str] = {}
        # Where debug files of programs are looked for, before the usual place.
        self.debug_directories: Sequence[str] = ()
        self._debug_files: dict[str, DebugFile | None] = {}

    # The base has these as plain attributes; here they are read on first use.

    @property
    def possible_cpus(self) -> Sequence[int]:  # type: ignore[override]
        """CPUs that can ever come."""
        from prybee.linux import cpus

        return cpus.possible()

    @property
    def online_cpus(self) -> Sequence[int]:  # type: ignore[override]
        """CPUs that run now."""
        from prybee.linux import cpus

        return cpus.online()

    @property
    def available_memory(self) -> int:  # type: ignore[override]
        """Bytes that could be had, as the kernel estimates."""
        try:
            with open("/proc/meminfo", encoding="ascii") as file:
                for line in file:
                    if line.startswith("MemAvailable:"):
                        return int(line.split()[1]) << 10
        except (OSError, ValueError, IndexError):
            pass
        return Target.available_memory

    @property
    def pid_namespace(self) -> tuple[int, int] | None:  # type: ignore[override]
        """Device and inode of our pid namespace; None in the initial one."""
        try:
            found = os.stat("/proc/self/ns/pid")
        except OSError:
            return None
        return None if found.st_ino == _INITIAL_PID_NAMESPACE else (found.st_dev, found.st_ino)

    def tai_offset(self) -> int:
        """Nanoseconds from CLOCK_BOOTTIME to CLOCK_TAI."""
        from prybee.linux import clocks

        return clocks.wall_offset("boot") - clocks.wall_offset("tai")

    @property
    def btf(self) -> Btf | None:
        """Types of the kernel, or None without them.

        Raises:
            TypesError: the file that the user has named for them cannot be used.
        """
        if not self._btf_wanted:
            self._btf_wanted = True
            self._btf = None if "btf" in OFF else self._find_types()
        return self._btf

    def _find_types(self) -> Btf | None:
        path, said_by = self._types
        if not path:
            return self.own_btf or self._elsewhere()
        from prybee.engines import types_file

        btf = types_file.load(path, said_by, self._cache)
        if types_file.of_another_kernel(btf, path):
            self.remarks.append(
                f"{said_by}: {path} has the types of another kernel than the one that runs "
                f"({self.release}): what is read from kernel memory may be wrong"
            )
        return btf

    @property
    def own_btf(self) -> Btf | None:
        """The types that the kernel itself shows: those whose ids it knows; None without them."""
        if not self._own_wanted:
            from prybee.btf import Btf, BtfError

            self._own_wanted = True
            try:
                self._own = Btf.vmlinux(self._btf_path, self._cache) if "btf" not in OFF else None
            except BtfError as error:
                if os.path.exists(self._btf_path):
                    self.remarks.append(f"the kernel's types cannot be used: {error}")
        return self._own

    def _elsewhere(self) -> Btf | None:
        """The types in a vmlinux where distributions put it, for a kernel that shows none."""
        from prybee.engines import types_file

        path = types_file.usual(self.release)
        return types_file.load(path, path, self._cache) if path else None

    def has(self, feature: str) -> bool:
        """Whether the kernel can do ``feature`` (names of :mod:`prybee.linux.features`)."""
        if feature == "modern":
            # Every script asks: it is answered without what all other features take.
            from prybee.linux.modern import modern

            return modern()
        from prybee.linux import features

        answer = features.probe(feature)
        if answer.state == features.UNKNOWN:
            return feature in _ASSUMED
        return answer.state == features.YES

    # -- tracepoints -----------------------------------------------------------------------------

    @property
    def tracefs(self) -> Tracefs:
        """Where the kernel lists its events."""
        if self._tracefs is None:
            from prybee.linux.tracefs import Tracefs

            self._tracefs = Tracefs()
        return self._tracefs

    def tracepoints(self) -> Iterable[tuple[str, str]]:
        """All (category, event) pairs, sorted."""
        return self.tracefs.events()

    def tracepoint_format(self, category: str, event: str) -> tuple[TracepointField, ...] | None:
        """The fields of an event without the common ones; None where there is no such event."""
        key = (category, event)
        if key not in self._formats:
            fields = self.tracefs.format(category, event)
            self._formats[key] = (
                None
                if fields is None
                else tuple(
                    [
                        TracepointField(
                            f.name, f.type, f.offset, f.size, f.signed, f.array, f.location
                        )
                        for f in fields
                    ]
                )
            )
        return self._formats[key]

    def raw_tracepoints(self) -> Iterable[str]:
        """Names usable as raw tracepoints, sorted.

        Without types they are those of the events: nearly all are called as their tracepoint is.
        """
        if self._raw_tracepoints is None:
            btf = self.btf
            if btf is not None:
                names = btf.names("typedef", "btf_trace_*")
                self._raw_tracepoints = sorted({name[len("btf_trace_") :] for name in names})
            else:
                events = self.tracepoints()
                found = {event for category, event in events if category not in _NO_TRACEPOINTS}
                self._raw_tracepoints = sorted(found)
        return self._raw_tracepoints

    def iterators(self) -> Iterable[str]:
        """Names of iterator targets, sorted."""
        if self._iterators is None:
            btf = self.btf
            self._iterators = []
            if btf is not None:
                # A target has a context structure, and a function whose type programs take.
                names = sorted({n[len("bpf_iter__") :] for n in btf.names("struct", "bpf_iter__*")})
                self._iterators = [n for n in names if btf.function(f"bpf_iter_{n}")]
        return self._iterators

    # -- functions of the kernel -----------------------------------------------------------------

    def kernel_functions(self) -> Sequence[tuple[str, str]] | None:
        """(module, name) of the functions that can be probed; None where nothing tells."""
        if self._functions is None:
            from prybee.linux import traceable

            text = self._list_of_functions()
            if text is not None:
                self._functions = traceable.from_list(text)
            elif self._functions_path or not self.has("kprobe"):
                return None
            else:
                symbols = _text("/proc/kallsyms") or ""
                self._functions = traceable.from_symbols(symbols, self.kprobe_blacklist())
        return self._functions

    def functions_like(self, pattern: str) -> Sequence[tuple[str, str]] | None:
        """Those whose names fit. Few of many are searched for in the text of the list."""
        text = self._list_of_functions() if self._functions is None and pattern != "*" else None
        if text is None:
            return self.kernel_functions()
        from prybee.linux import traceable

        return traceable.from_list(text, pattern)

    def _list_of_functions(self) -> str | None:
        """The text of the list; None where there is none."""
        if self._functions_text is None:
            from prybee.linux import traceable

            path = self._functions_path or f"{self.tracefs.root}/{traceable.LIST}"
            self._functions_text = _text(path)
        return self._functions_text

    def overridable_functions(self) -> Collection[str] | None:
        """Names of functions whose results may be overridden; None where nothing tells."""
        text = _text("/sys/kernel/debug/error_injection/list")
        # NAME [MODULE]<tab>KIND
        return None if text is None else {line.split()[0] for line in text.splitlines() if line}

    def kprobe_blacklist(self) -> Collection[str]:
        """Names of functions that kprobes keep out of; empty where the kernel does not tell."""
        if self._blacklist is None:
            from prybee.linux import traceable

            self._blacklist = traceable.excluded(_text(traceable.BLACKLIST) or "")
        return self._blacklist

    def function_addresses(self, function: str) -> Sequence[int]:
        """Where functions called ``NAME`` or ``MODULE:NAME`` begin, if there are several of that
        name in the kernel and its modules; empty for one only, which its name tells."""
        from prybee.linux import traceable

        module, _colon, name = function.rpartition(":")
        text = self._list_of_functions() or ""
        if self._looked_for < _FEW_NAMES:
            self._looked_for += 1
            several = traceable.is_repeated(text, name)
        else:
            several = name in self.repeated_functions()
        if not several:
            return ()
        found = self._kernel_symbols().functions(name)
        return [address for address, of in found if address and of == module]

    def repeated_functions(self) -> Collection[str]:
        """Names that several functions of the kernel and its modules have."""
        if self._repeated is None:
            from prybee.linux import traceable

            self._repeated = traceable.repeated(self._list_of_functions() or "")
        return self._repeated

    def module_btf(self, module: str) -> Btf | None:
        """Types of a kernel module, those of the kernel included; None without them."""
        if module not in self._modules and (program := loaded_program(module)) is not None:
            from prybee.linux import loaded

            self._modules[module] = loaded.types(program)
        if module not in self._modules:
            from prybee.btf import Btf, BtfError

            base = self.own_btf
            path = f"{os.path.dirname(self._btf_path)}/{os.path.basename(module)}"
            try:
                self._modules[module] = Btf.open(path, base) if base is not None else None
            except BtfError:
                self._modules[module] = None
        return self._modules[module]

    def bpf_programs(self) -> Sequence[tuple[int, str]]:
        """(program's id, name) of the functions of loaded BPF programs that can be traced."""
        from prybee.linux import loaded

        return loaded.functions()

    # -- symbols and files -----------------------------------------------------------------------

    def kernel_address(self, symbol: str) -> int | None:
        """Address of a kernel symbol; None where it is unknown or hidden."""
        if symbol not in self._addresses:
            self._addresses[symbol] = self._kernel_symbols().address(symbol) or None
        return self._addresses[symbol]

    def _kernel_symbols(self) -> KernelSymbols:
        if self._symbols is None:
            from prybee.symbols import KernelSymbols

            self._symbols = KernelSymbols()
        return self._symbols

    def resolve_binary(self, name: str, pid: int | None = None) -> Sequence[str]:
        """Paths that a binary name means; with ``pid`` as that process sees them."""
        key = (name, pid)
        if key not in self._binaries:
            from prybee.symbols import binaries

            self._binaries[key] = binaries.resolve(name, pid)
        return self._binaries[key]

    def elf(self, path: str) -> ElfFile | None:
        """The object file at ``path``; None where it cannot be read. Stays open until close."""
        if path not in self._files:
            from prybee.elf import ElfError, ElfFile

            try:
                file = ElfFile.open(path)
            except (ElfError, OSError) as error:
                self._files[path] = None
                self._problems[path] = error.reason if isinstance(error, ElfError) else str(error)
            else:
                self._files[path] = file
                file.supplement = lambda: self._debug_file(file, path)
        return self._files[path]

    def _debug_file(self, elf: ElfFile, path: str) -> ElfFile | None:
        from prybee.symbols import debug_files

        folder, name = os.path.split(os.path.realpath(path))
        where = (*self.debug_directories, *debug_files.DEBUG_DIRECTORIES)
        return debug_files.find(elf, folder, where, name=name)

    def elf_problem(self, path: str) -> str:
        """Why :meth:`elf` gave none for ``path``."""
        return self._problems.get(path, "")

    def debug_info(self, path: str) -> DebugInfo | None:
        """Debug information of the object file at ``path``; None where there is none."""
        if path not in self._debug_files:
            from prybee.symbols import debug_info

            elf = self.elf(path)
            self._debug_files[path] = (
                debug_info.find(elf, path, self.debug_directories) if elf is not None else None
            )
        found = self._debug_files[path]
        return found.info if found is not None else None

    def load_offset(self, path: str, pid: int) -> int | None:
        """What is added to link-time addresses where a process runs it; None: it does not."""
        from prybee.symbols.placed import load_offset

        elf = self.elf(path)
        return load_offset(elf, path, pid, self.page_size) if elf is not None else None

    def kernel_debug_file(self, module: str = "") -> str:
        """Path of the file with the running kernel's debug information, or a module's; or empty."""
        from prybee.engines.kernel_debug import KernelDebug

        return KernelDebug(self.release, self.debug_directories).find(module)

    def kernel_debug_places(self, module: str = "") -> Sequence[str]:
        """Where that file is looked for."""
        from prybee.engines.kernel_debug import KernelDebug

        return KernelDebug(self.release, self.debug_directories).places(module)

    def uprobe_binaries(self, pid: int) -> Sequence[str]:
        """Executable files that a process has mapped, as this process can open them."""
        from prybee.symbols.mappings import Mappings
        from prybee.symbols.roots import process_root, under

        try:
            with open(f"/proc/{pid}/maps", "rb") as file:
                mappings = Mappings(file.read())
        except OSError:
            return ()
        root = process_root(pid)
        found = {under(root, m.path): None for m in mappings.items if m.is_file}
        return [path for path in found if os.path.isfile(path)]

    def all_binaries(self) -> Sequence[str]:
        """Programs on PATH, and the executable files that processes have mapped; each once."""
        paths = list(self.resolve_binary("*"))
        for name in sorted(filter(str.isdecimal, os.listdir("/proc")), key=int):
            paths += self.uprobe_binaries(int(name))
        found: dict[tuple[int, int], str] = {}
        for path in dict.fromkeys(paths):
            try:
                status = os.stat(path)
            except OSError:
                continue
            found.setdefault((status.st_dev, status.st_ino), path)
        return list(found.values())

    def cgroup_id(self, path: str) -> int | None:
        """The id that programs see for a cgroup v2 directory: its inode number."""
        try:
            return os.stat(path).st_ino
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Closes the files that are open; a second call does nothing.

        Types that someone holds stay usable; answers already given stay true.
        """
        self._btf, self._btf_wanted = None, False
        self._own, self._own_wanted = None, False
        if self._tracefs is not None:
            self._tracefs.close()
            self._tracefs = None
        if self._symbols is not None:
            self._symbols.close()
            self._symbols = None
        for debug in self._debug_files.values():
            if debug is not None:
                debug.close()
        self._debug_files.clear()
        files, self._files = self._files, {}
        for file in files.values():
            if file is not None:
                file.close()

    def __enter__(self) -> LiveTarget:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LiveTarget(Linux {self.release}, {self.arch})"


def _named() -> tuple[str, str]:
    """The file with the kernel's types that the environment names, and the variable that does."""
    for variable in VARIABLES:
        if os.environ.get(variable):
            return os.environ[variable], variable
    return "", ""


def _text(path: str) -> str | None:
    """The text of a file of the kernel's; None where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None
