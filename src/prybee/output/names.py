"""Numbers that stand for names: addresses, users, cgroups, clocks, stacks.

All answers are cached, because a trace asks for the same few over and over.  What resolves
addresses is given from outside (``prybee.symbols``) and made only when the first address comes.
"""

from __future__ import annotations

import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from prybee.plan.layouts import StackLayout
    from prybee.symbols import Frame

    class KernelResolver(Protocol):
        """``prybee.symbols.KernelSymbols``."""

        def resolve(self, address: int) -> tuple[str, int, str] | None: ...

    class UserResolver(Protocol):
        """``prybee.symbols.UserSymbols``."""

        def resolve(self, pid: int, address: int, program: str = "") -> Frame | None: ...
        def observe(self, pid: int) -> bool: ...


_CLOCKS = {
    "boot": time.CLOCK_BOOTTIME,
    "monotonic": time.CLOCK_MONOTONIC,
    "tai": getattr(time, "CLOCK_TAI", 11),
    "sw_tai": getattr(time, "CLOCK_TAI", 11),
}
# Digits of a second that each extension of strftime shows.
_FRACTIONS = {"f": 6, "k": 9, "l": 3}
_UNKNOWN = b"        0x"
_GENERATED = frozenset(("bpf", "__builtin__ftrace", "__builtin__kprobes"))
# enum bpf_stack_build_id_status
_BUILD_ID_VALID, _BUILD_ID_IP = 1, 2
# Caches are emptied when they hold so many entries: a trace may run for months.
_CACHE_LIMIT = 200_000


class Names:
    """Resolves what values refer to.

    Args:
        kernel: gives the resolver of kernel addresses; called once, when needed.
        user: the same for user addresses.
        trailer: what follows a string that was cut.
    """

    def __init__(
        self,
        kernel: Callable[[], KernelResolver] | None = None,
        user: Callable[[], UserResolver] | None = None,
        trailer: bytes = b"..",
    ) -> None:
        self.trailer = trailer
        self._make_kernel = kernel
        self._make_user = user
        self._kernel: KernelResolver | None = None
        self._user: UserResolver | None = None
        self._users: dict[int, bytes] = {}
        self._kernel_names: dict[int, tuple[str, int, str] | None] = {}
        self._user_names: dict[tuple[int, int], Frame | None] = {}
        self._cgroups: dict[tuple[int, str], bytes] = {}

    # -- addresses -------------------------------------------------------------------------------

    def kernel_symbol(self, address: int) -> tuple[str, int, str] | None:
        """(name, offset, module) of a kernel address, or None."""
        cache = self._kernel_names
        if address in cache:
            return cache[address]
        if self._kernel is None:
            if self._make_kernel is None:
                return None
            self._kernel = self._make_kernel()
        if len(cache) >= _CACHE_LIMIT:
            cache.clear()
        found = cache[address] = self._kernel.resolve(address)
        return found

    def user_symbol(self, pid: int, address: int) -> Frame | None:
        """What lies at a process's address, or None."""
        key = (pid, address)
        cache = self._user_names
        if key in cache:
            return cache[key]
        if self._user is None:
            if self._make_user is None:
                return None
            self._user = self._make_user()
        if len(cache) >= _CACHE_LIMIT:
            cache.clear()
        found = self._user.resolve(pid, address)
        # A miss may be a library that is mapped later.
        if found is not None:
            cache[key] = found
        return found

    def observe(self, pid: int) -> None:
        """Record what a process has mapped now, for when it is gone."""
        if self._user is None:
            if self._make_user is None:
                return
            self._user = self._make_user()
        self._user.observe(pid)

    def ksym(self, address: int) -> bytes:
        """The name of the kernel function at an address; the address where there is none."""
        found = self.kernel_symbol(address)
        return found[0].encode() if found is not None else b"0x%x" % address

    def usym(self, address: int, pid: int) -> bytes:
        """The name of a user function; the address where there is none."""
        found = self.user_symbol(pid, address)
        if found is None or not found.symbol:
            return b"0x%x" % address
        return found.symbol.encode()

    # -- users and groups ------------------------------------------------------------------------

    def username(self, uid: int) -> bytes:
        """A user's name; the number where there is none."""
        found = self._users.get(uid)
        if found is None:
            import pwd

            try:
                found = pwd.getpwuid(uid).pw_name.encode()
            except (KeyError, OverflowError):
                found = b"%d" % uid
            self._users[uid] = found
        return found

    def cgroup(self, glob: str) -> Callable[[int], bytes]:
        """A function: cgroup id → ``hierarchy:path`` of each hierarchy whose name fits."""

        def show(number: int) -> bytes:
            found = self._cgroups.get((number, glob))
            if found is None:
                from prybee.output.cgroups import paths

                found = self._cgroups[number, glob] = ",".join(paths(number, glob)).encode()
            return found

        return show

    # -- clocks ----------------------------------------------------------------------------------

    def clock(self, format: str, mode: str) -> Callable[[int], bytes]:  # noqa: A002
        """A function: nanoseconds of a clock → local time by a strftime format."""
        offset = time.clock_gettime_ns(time.CLOCK_REALTIME) - time.clock_gettime_ns(_CLOCKS[mode])
        pieces = split_format(format or "%Y-%m-%dT%H:%M:%S.%k%z")
        second, shown = -1, [b""]

        def show(value: int) -> bytes:
            nonlocal second, shown
            now, rest = divmod(value + offset, 1_000_000_000)
            if now != second:
                second, shown = now, [strftime(piece, now) for piece in pieces[::2]]
            if len(shown) == 1:
                return shown[0]
            nanoseconds = b"%09d" % rest
            text = shown[0]
            for letter, part in zip(pieces[1::2], shown[1:], strict=True):
                text += nanoseconds[: _FRACTIONS[letter]] + part
            return text

        return show

    # -- stacks ----------------------------------------------------------------------------------

    def stack(self, layout: StackLayout) -> Callable[[bytes], bytes]:
        """A function: a stack's bytes → a line break and one line for each frame."""
        if layout.mode == "build_id":
            return _build_id_stack
        line = self._frame_line(layout)
        header = struct.Struct("<iI")
        lines: dict[tuple[int, int], bytes] = {}

        def show(data: bytes) -> bytes:
            count, pid = header.unpack_from(data)
            count = max(0, min(count, layout.limit))
            if not layout.user:
                pid = 0
            if len(lines) >= _CACHE_LIMIT:
                lines.clear()
            shown = [b"\n"]
            for address in struct.unpack_from(f"<{count}Q", data, 16):
                text = lines.get((pid, address))
                if text is None:
                    text = line(pid, address)
                    if not text.startswith(_UNKNOWN):
                        lines[pid, address] = text
                shown.append(text)
            return b"".join(shown)

        return show

    def _frame_line(self, layout: StackLayout) -> Callable[[int, int], bytes]:
        mode = layout.mode
        if mode == "raw":
            return lambda _pid, address: b"%x\n" % address
        find = self._user_frame if layout.user else self._kernel_frame

        def bpftrace(pid: int, address: int) -> bytes:
            symbol, offset, _module = find(pid, address)
            if not symbol:
                return b"        0x%x\n" % address
            return b"        %s+%d\n" % (symbol.encode(), offset)

        def perf(pid: int, address: int) -> bytes:
            symbol, offset, module = find(pid, address)
            name = b"%s+%d" % (symbol.encode(), offset) if symbol else b"0x%x" % address
            where = module or ("" if symbol else "[unknown]")
            return b"\t%x %s%s\n" % (address, name, f" ({where})".encode() if where else b"")

        return perf if mode == "perf" else bpftrace

    def _kernel_frame(self, _pid: int, address: int) -> tuple[str, int, str]:
        symbol, offset, module = self.kernel_symbol(address) or ("", 0, "")
        # What the kernel generates at run time is in no module, whatever kallsyms calls it.
        return symbol, offset, "" if module in _GENERATED else module

    def _user_frame(self, pid: int, address: int) -> tuple[str, int, str]:
        found = self.user_symbol(pid, address)
        if found is None:
            return "", 0, ""
        return found.symbol, found.offset, found.module


def _build_id_stack(data: bytes) -> bytes:
    (count,) = struct.unpack_from("<i", data)
    lines = [b"\n"]
    for index in range(max(0, count)):
        status, build_id, where = struct.unpack_from("<i20sQ", data, 16 + 32 * index)
        if status == _BUILD_ID_VALID:
            lines.append(b"%s 0x%02x\n" % (build_id.hex().encode(), where))
        elif status == _BUILD_ID_IP:
            lines.append(b"%x\n" % where)
    return b"".join(lines)


def split_format(text: str) -> list[str]:
    """A strftime format cut at ``%f``, ``%k`` and ``%l``: every second piece is such a letter."""
    pieces: list[str] = []
    current = ""
    at = 0
    while at < len(text):
        two = text[at : at + 2]
        if len(two) == 2 and two[0] == "%":
            if two[1] in _FRACTIONS:
                pieces += [current, two[1]]
                current = ""
            else:
                current += two
            at += 2
        else:
            current += text[at]
            at += 1
    pieces.append(current)
    return pieces


def strftime(format: str, second: int) -> bytes:  # noqa: A002
    """Local time of ``second`` since 1970 by a strftime format."""
    if not format:
        return b""
    return time.strftime(format, time.localtime(second)).encode("utf-8", "surrogateescape")
