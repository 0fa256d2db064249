"""What a script is compiled for: the facts about a kernel and its files that compiling needs.

The front half asks a :class:`Target`, never the system.  ``engines/live.py`` answers for the
running machine; tests and saved targets answer from tables.  Everything is asked for by name and
answered lazily, so that a script pays only for what it uses.
"""

from __future__ import annotations

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from prybee.btf import Btf
    from prybee.dwarf import DebugInfo
    from prybee.elf import ElfFile


class TracepointField(Data):
    """One ``field:`` line of a tracepoint's format file: offsets and sizes in bytes.

    ``type`` is the C type as written (``const char *``, ``__data_loc char[]``, ``u32``) without
    the array part; ``array`` is its element count (0: not an array, -1: dynamic).
    """

    name: str
    type: str
    offset: int
    size: int
    signed: bool
    array: int = 0
    # "" for ordinary fields, "__data_loc" or "__rel_loc" for dynamic ones.
    location: str = ""


class Target:
    """A kernel to compile for. This base knows nothing; subclasses answer what they can."""

    arch = "x86_64"
    release = ""
    page_size = 4096
    # Bytes that could be had, for the ring buffer's size.
    available_memory = 4 << 30
    # Device and inode of prybee's pid namespace; None in the initial one.
    pid_namespace: tuple[int, int] | None = None
    # CPUs that can ever come (per-CPU maps have a value for each), and those online now.
    possible_cpus: Sequence[int] = (0,)
    online_cpus: Sequence[int] = (0,)

    @property
    def btf(self) -> Btf | None:
        """Types of the kernel, or None without them."""
        return None

    @property
    def own_btf(self) -> Btf | None:
        """The types that the kernel itself shows, by whose ids it knows functions and events."""
        return self.btf

    def has(self, feature: str) -> bool:
        """Whether the kernel can do ``feature`` (names of ``linux.features``).

        ``modern`` asks for all instructions and helpers at once that the compiler can use.
        """
        return False

    def tracepoints(self) -> Iterable[tuple[str, str]]:
        """All (category, event) pairs."""
        return ()

    def tracepoint_format(self, category: str, event: str) -> tuple[TracepointField, ...] | None:
        """The fields of an event without the common ones; None where there is no such event."""
        return None

    def raw_tracepoints(self) -> Iterable[str]:
        """Names usable as BTF-typed raw tracepoints."""
        return ()

    def iterators(self) -> Iterable[str]:
        """Names of iterator targets, such as ``task``."""
        return ()

    def kernel_functions(self) -> Sequence[tuple[str, str]] | None:
        """(module, name) of the functions that can be probed, sorted; ``vmlinux`` is no module.

        None where nothing tells which can be.
        """
        return None

    def functions_like(self, pattern: str) -> Sequence[tuple[str, str]] | None:
        """Of :meth:`kernel_functions` at least those whose names fit; ``*`` stands for any text."""
        return self.kernel_functions()

    def repeated_functions(self) -> Collection[str]:
        """Names that several functions of the kernel and its modules have."""
        return ()

    def overridable_functions(self) -> Collection[str] | None:
        """Names of functions whose results may be overridden; None where nothing tells."""
        return None

    def kprobe_blacklist(self) -> Collection[str]:
        """Names of functions that kprobes keep out of, as they run through them themselves."""
        return ()

    def module_btf(self, module: str) -> Btf | None:
        """Types of a kernel module, those of the kernel included; None without them.

        ``bpf:ID`` stands for the loaded program of that id.
        """
        return None

    def bpf_programs(self) -> Sequence[tuple[int, str]]:
        """(program's id, name) of the functions of loaded BPF programs that can be traced."""
        return ()

    def tai_offset(self) -> int:
        """Nanoseconds from CLOCK_BOOTTIME to CLOCK_TAI at the time of compiling."""
        return 0

    def kernel_address(self, symbol: str) -> int | None:
        """Address of a kernel symbol; None where it is unknown or hidden."""
        return None

    def resolve_binary(self, name: str, pid: int | None = None) -> Sequence[str]:
        """Paths that a binary name means: a path, a glob, a library's short name, or a command.

        With ``pid`` the paths are those seen by that process.
        """
        return ()

    def elf(self, path: str) -> ElfFile | None:
        """The object file at ``path``; None where it cannot be read."""
        return None

    def debug_info(self, path: str) -> DebugInfo | None:
        """Debug information of the object file at ``path``; None where there is none.

        Raises:
            DwarfError: it is damaged.
        """
        return None

    def load_offset(self, path: str, pid: int) -> int | None:
        """What is added to the link-time addresses of an object file where a process runs it.

        None where the process has not mapped it.
        """
        return None

    def kernel_debug_file(self, module: str = "") -> str:
        """Path of an object file with the kernel's debug information, or a module's; or empty."""
        return ""

    def kernel_debug_places(self, module: str = "") -> Sequence[str]:
        """The paths at which :meth:`kernel_debug_file` looks for one, for messages."""
        return ()

    def elf_problem(self, path: str) -> str:
        """Why :meth:`elf` gave none for ``path``; empty where that is not known."""
        return ""

    def cgroup_id(self, path: str) -> int | None:
        """Inode of a cgroup v2 directory."""
        return None

    def uprobe_binaries(self, pid: int) -> Sequence[str]:
        """Executable files that a process has mapped, for ``-p`` listings."""
        return ()

    def all_binaries(self) -> Sequence[str]:
        """Programs on PATH, and the executable files that processes have mapped; each once."""
        return self.resolve_binary("*")
