"""Names of kernel addresses, from ``/proc/kallsyms``.

The kernel needs 70 ms to write its 120,000 lines (5.4 MB, measured on 6.18), far more than
anything done with them here; so the file is read only as far as a name is looked for, and lines
are found by bisection in the text itself, which is sorted: nothing is parsed that is not asked for.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CHUNK = 1 << 18

# Modules, BPF programs and trampolines have no symbol for their end. No function is larger.
_LARGEST_FUNCTION = 1 << 20

# Modules lie within reach of the kernel's own code (x86: 2 GiB, arm64: less).
_MODULE_REACH = 1 << 31

# A miss near the kernel's code may be a module or a BPF program loaded since; look again, but
# not more often than this, in seconds.
_RELOAD_AFTER = 1.0


class KernelSymbols:
    """The kernel's symbols, loaded when first needed.

    Attributes:
        path: where they are read from.
    """

    def __init__(self, path: str = "/proc/kallsyms") -> None:
        self.path = path
        self._clear()

    def _clear(self) -> None:
        self._data = bytearray()
        self._fd = -1
        self._complete = False
        # Where in the data the modules' lines begin; they are sorted here, not by the kernel.
        self._core_end = 0
        self._module_starts: list[int] = []
        self._module_lines: list[int] = []
        self._width = 16
        self._first = self._last = 0
        self._memo: dict[int, tuple[str, int, str] | None] = {}
        self._loaded_at = 0.0

    def __repr__(self) -> str:
        state = f"{len(self._data)} bytes" if self._data else "not loaded"
        return f"KernelSymbols({self.path!r}, {state})"

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file and forgets what was read; the next question reads anew."""
        fd = getattr(self, "_fd", -1)
        if fd >= 0:
            os.close(fd)
        self._clear()

    # ------------------------------------------------------------------ reading

    def _read_on(self) -> int:
        """Reads another part; returns where in the data its first whole line begins.

        Without a file there is nothing to read: then no symbol is known.
        """
        data = self._data
        if self._fd < 0:
            try:
                self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                self._complete = True
                return 0
        before = len(data)
        try:
            while len(data) < before + _CHUNK:
                # One read of a seq_file gives at most a page, whatever one asks for.
                part = os.read(self._fd, _CHUNK)
                if not part:
                    self._complete = True
                    break
                data += part
        except OSError:
            self._complete = True
        if self._complete:
            os.close(self._fd)
            self._fd = -1
        return data.rfind(b"\n", 0, before) + 1

    def _load(self) -> None:
        """Reads all that is left and prepares look-ups by address."""
        if self._complete and self._loaded_at:
            return
        from time import monotonic

        while not self._complete:
            self._read_on()
        self._loaded_at = monotonic()
        data = self._data
        self._width = max(data.find(b" "), 1)
        module = data.find(b"\t[")
        self._core_end = data.rfind(b"\n", 0, module) + 1 if module >= 0 else len(data)
        rows = []
        at = self._core_end
        width = self._width
        while at < len(data):
            try:
                rows.append((int(data[at : at + width], 16), at))
            except ValueError:
                break
            following = data.find(b"\n", at) + 1
            if not following:
                break
            at = following
        rows.sort()
        self._module_starts = [row[0] for row in rows]
        self._module_lines = [row[1] for row in rows]
        if self._core_end > width:
            last_line = data.rfind(b"\n", 0, self._core_end - 1) + 1
            try:
                self._last = int(data[last_line : last_line + width], 16)
                end = self.address("_end")
                self._last = max(self._last, end or 0)
                self._first = self.address("_stext") or self.address("_text") or 0
            except ValueError:
                self._last = 0

    @property
    def hidden(self) -> bool:
        """Whether the kernel shows no addresses to this process.

        ``kernel.kptr_restrict`` 2 hides them from everybody, 1 from processes without CAP_SYSLOG;
        ``kernel.perf_event_paranoid`` above 1 does too, for those without the capability.
        """
        if not self._data:
            self._read_on()
        # The first hundreds of lines suffice: per-CPU symbols of old kernels begin at 0 too, but
        # only the first of them is 0 itself.
        return re.search(rb"^0*[1-9a-f]", self._data[:_CHUNK], re.MULTILINE) is None

    # ------------------------------------------------------------------ questions

    def address(self, name: str) -> int | None:
        """Address of the symbol called ``name``; None where it is unknown or hidden.

        Of several (static functions of one name) the first in the kernel's order.  The kernel's
        own symbols are found before those of modules.
        """
        try:
            wanted = name.encode()
        except UnicodeEncodeError:
            return None
        if wanted.split() != [wanted]:
            return None
        start = 0
        pattern = re.compile(rb" " + re.escape(wanted) + rb"[\n\t]")
        while True:
            match = pattern.search(self._data, start)
            if match:
                line = self._data.rfind(b"\n", 0, match.start()) + 1
                try:
                    value = int(self._data[line : self._data.find(b" ", line)], 16)
                except ValueError:
                    return None
                return value or None
            if self._complete:
                return None
            start = self._read_on()

    def functions(self, name: str) -> list[tuple[int, str]]:
        """(address, module) of all functions called ``name``, in the kernel's order."""
        self._load()
        pattern = rb"^([0-9a-f]+) [tTwW] " + re.escape(name.encode()) + rb"(?:\t\[(.*)\])?$"
        return [
            (int(match[1], 16), (match[2] or b"").decode())
            for match in re.finditer(pattern, self._data, re.MULTILINE)
        ]

    def resolve(self, address: int) -> tuple[str, int, str] | None:
        """(symbol, offset in bytes, module) of an address; module is "" in the kernel proper.

        None for an address that is in no symbol.  Where several symbols share an address the last
        in the kernel's order is taken: of ``__do_sys_getpid``, ``__ia32_sys_getpid`` and
        ``__x64_sys_getpid`` the entry that is really called.
        """
        memo = self._memo
        if address in memo:
            return memo[address]
        if not self._loaded_at:
            self._load()
        found = self._resolve(address)
        if found is None and abs(address - self._first) < _MODULE_REACH and self._reload():
            memo = self._memo
            found = self._resolve(address)
        memo[address] = found
        return found

    def resolve_many(self, addresses: Iterable[int]) -> list[tuple[str, int, str] | None]:
        """:meth:`resolve` for each address of a stack."""
        resolve = self.resolve
        return [resolve(address) for address in addresses]

    def _reload(self) -> bool:
        from time import monotonic

        if monotonic() - self._loaded_at < _RELOAD_AFTER or self.hidden:
            return False
        self.close()
        self._load()
        return True

    def _resolve(self, address: int) -> tuple[str, int, str] | None:
        if not 0 < address < 1 << 64 or not self._last:
            return None
        at = bisect_right(self._module_starts, address) - 1
        if at >= 0 and address - self._module_starts[at] < _LARGEST_FUNCTION:
            return self._entry(self._module_lines[at], address)
        if address > self._last:
            return None
        data, width = self._data, self._width
        key = b"%0*x" % (width, address)
        # Lines that begin before ``low`` are at or below the address, those from ``high`` above.
        low, high = 0, self._core_end
        while low < high:
            line = data.rfind(b"\n", low, (low + high) // 2) + 1 or low
            if data[line : line + width] <= key:
                low = data.find(b"\n", line) + 1 or high
            else:
                high = line
        if low == 0:
            return None
        return self._entry(data.rfind(b"\n", 0, low - 1) + 1, address)

    def _entry(self, line: int, address: int) -> tuple[str, int, str] | None:
        data = self._data
        end = data.find(b"\n", line)
        text = data[line : end if end >= 0 else len(data)].decode("utf-8", "backslashreplace")
        fields = text.split()
        if len(fields) < 3:
            return None
        value = int(fields[0], 16)
        # The kernel has the upper half: offsets of each CPU's variables, which it lists as well
        # (before 6.15), name nothing, not even in the lower half.
        if value < 1 << 4 * self._width - 1:
            return None
        module = fields[3].strip("[]") if len(fields) > 3 else ""
        return fields[2], address - value, module

    def names(self, pattern: str = "*") -> list[str]:
        """Names of the functions (text symbols) that match a glob, sorted, each once."""
        from fnmatch import translate

        self._load()
        found = set(re.findall(rb"^[0-9a-f]+ [tTwW] (\S+)", self._data, re.MULTILINE))
        if pattern != "*":
            matches = re.compile(translate(pattern).encode()).match
            found = {name for name in found if matches(name)}
        return sorted(name.decode("utf-8", "backslashreplace") for name in found)
