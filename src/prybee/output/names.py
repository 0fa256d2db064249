"""Numbers that stand for names: addresses, users, cgroups, clocks, stacks.

All answers are cached, because a trace asks for the same few over and over.  What resolves
addresses is given from outside (``prybee.symbols``) and made only when the first address comes.
"""

from __future__ import annotations

import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Protocol

    from prybee.plan.layouts import StackLayout
    from prybee.symbols import Frame
    from prybee.symbols.python.stacks import Function

    _Lines = dict[int, bytes]
    _Resolve = Callable[[int, Iterable[int]], Sequence[Frame | None]]

    class KernelResolver(Protocol):
        """``prybee.symbols.KernelSymbols``."""

        def resolve(self, address: int) -> tuple[str, int, str] | None: ...

    class UserResolver(Protocol):
        """``prybee.symbols.UserSymbols``, which remembers what it found."""

        def resolve(self, pid: int, address: int, program: str = "") -> Frame | None: ...
        def resolve_many(
            self, pid: int, addresses: Iterable[int], program: str = ""
        ) -> Sequence[Frame | None]: ...
        def version(self, pid: int) -> int: ...

    class PythonResolver(Protocol):
        """``prybee.symbols.python.names.PythonNames``."""

        def function(self, word: int) -> Function | None: ...
        def line(self, word: int) -> int: ...


_CLOCKS = {
    "boot": time.CLOCK_BOOTTIME,
    "monotonic": time.CLOCK_MONOTONIC,
    "tai": getattr(time, "CLOCK_TAI", 11),
    "sw_tai": getattr(time, "CLOCK_TAI", 11),
}
# Digits of a second that each extension of strftime shows.
_FRACTIONS = {"f": 6, "k": 9, "l": 3}
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

    Attributes:
        python: resolves frames of Python programs, where a plan has any.
        lacking: tells of a process's stack whether the unwind rows of its code had no room, where
            a plan walks by them.
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
        self.python: PythonResolver | None = None
        self.lacking: Callable[[int, Sequence[int]], bool] | None = None
        self._kernel: KernelResolver | None = None
        self._user: UserResolver | None = None
        self._offsets: dict[str, int] = {}
        self._users: dict[int, bytes] = {}
        self._kernel_names: dict[int, tuple[str, int, str] | None] = {}
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

    @property
    def user(self) -> UserResolver | None:
        """What resolves user addresses."""
        if self._user is None and self._make_user is not None:
            self._user = self._make_user()
        return self._user

    def user_symbol(self, pid: int, address: int) -> Frame | None:
        """What lies at a process's address, or None."""
        user = self.user
        return user.resolve(pid, address) if user is not None else None

    def ksym(self, address: int) -> bytes:
        """The name of the kernel function at an address; the address where there is none."""
        found = self.kernel_symbol(address)
        return found[0].encode() if found is not None else _bare(address)

    def usym(self, address: int, pid: int) -> bytes:
        """The name of a user function; the address where there is none."""
        found = self.user_symbol(pid, address)
        if found is None or not found.symbol:
            return _bare(address)
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
        offset = self._offset(mode)
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

    def _offset(self, mode: str) -> int:
        """Real time less a clock's; measured once, so that times compare to the nanosecond."""
        found = self._offsets.get(mode)
        if found is None:
            real = time.clock_gettime_ns(time.CLOCK_REALTIME)
            found = real - time.clock_gettime_ns(_CLOCKS[mode])
            if mode in ("tai", "sw_tai"):
                # Whole seconds; reading one clock after the other took the rest.
                found = round(found / 1_000_000_000) * 1_000_000_000
            self._offsets[mode] = found
        return found

    # -- stacks ----------------------------------------------------------------------------------

    def stack(self, layout: StackLayout) -> Callable[[bytes], bytes]:
        """A function: a stack's bytes → a line break and one line for each frame."""
        if layout.mode == "build_id":
            return _build_id_stack
        if layout.mode == "python":
            return self._python_stack
        line = _FRAME_LINES[layout.mode]
        limit = layout.limit
        header = struct.Struct("<iI").unpack_from
        addresses_of = [struct.Struct(f"<{count}Q").unpack_from for count in range(limit + 1)]
        user = self.user if layout.user and layout.mode != "raw" else None
        resolve: _Resolve = self._no_frames if layout.user else self._kernel_frames
        version_of: Callable[[int], int] = _same_version
        if user is not None:
            version_of, resolve = user.version, user.resolve_many
        # By process: what is known of its code, and the lines of its frames.
        processes: dict[int, tuple[int, _Lines]] = {}
        count_of_lines = 0

        def show(data: bytes) -> bytes:
            nonlocal count_of_lines
            count, pid = header(data)
            # A count below zero is an error's number.
            addresses = addresses_of[max(0, min(count, limit))](data, 16)
            version = version_of(pid)
            found = processes.get(pid)
            if found is None or found[0] != version:
                if count_of_lines >= _CACHE_LIMIT:
                    processes.clear()
                    count_of_lines = 0
                found = processes[pid] = version, {}
                count_of_lines += 1
            known = found[1]
            try:
                return b"\n" + b"".join([known[address] for address in addresses])
            except KeyError:
                pass
            if count_of_lines >= _CACHE_LIMIT:
                processes.clear()
                known = {}
                processes[pid] = version, known
                count_of_lines = 1
            shown = [b"\n"]
            for address, frame in zip(addresses, resolve(pid, addresses), strict=True):
                text = line(address, frame)
                # A miss may be a library that is mapped later, or code that is made later.
                if frame is not None and frame.symbol:
                    known[address] = text
                    count_of_lines += 1
                shown.append(text)
            return b"".join(shown)

        return show

    def _python_stack(self, data: bytes) -> bytes:
        python = self.python
        lines = [b"\n"]
        for word in python_words(data):
            function = python.function(word) if python is not None else None
            if python is None or function is None:
                lines.append(b"        [unknown]\n")
                continue
            line = python.line(word)
            place = f"{function.file}:{line}" if line else function.file
            text = f"        {function.name} ({place})\n"
            lines.append(text.encode("utf-8", "surrogateescape"))
        return b"".join(lines)

    def _kernel_frames(self, _pid: int, addresses: Iterable[int]) -> Sequence[Frame | None]:
        from prybee.symbols.frames import Frame

        frames: list[Frame | None] = []
        for address in addresses:
            found = self.kernel_symbol(address)
            if found is None:
                frames.append(None)
                continue
            symbol, offset, module = found
            # What the kernel generates at run time is in no module, whatever kallsyms calls it.
            frames.append(Frame(symbol, offset, "" if module in _GENERATED else module, address))
        return frames

    @staticmethod
    def _no_frames(_pid: int, addresses: Iterable[int]) -> Sequence[Frame | None]:
        return [None for _ in addresses]


def python_words(data: bytes) -> Sequence[int]:
    """The words of the frames of a ``pystack``, innermost first."""
    (count,) = struct.unpack_from("<i", data)
    return struct.unpack_from(f"<{max(0, min(count, len(data) // 8 - 2))}Q", data, 16)


def _bare(address: int) -> bytes:
    """An address without a name; 0 has no prefix, as in C++ streams."""
    return b"0x%x" % address if address else b"0"


def _same_version(_pid: int) -> int:
    """For what does not change: the kernel's frames."""
    return 0


def _bpftrace_line(address: int, frame: Frame | None) -> bytes:
    if frame is None or not frame.symbol:
        return b"        0x%x\n" % address
    text = b"        %s+%d" % (frame.symbol.encode(), frame.offset)
    if frame.source:
        text += b"@" + frame.source.encode("utf-8", "surrogateescape")
    for name, source in reversed(frame.inlined):
        place = f"@{source}" if source else ""
        inlined = f"        [inlined] {name}{place}"
        text = inlined.encode("utf-8", "surrogateescape") + b"\n" + text
    return text + b"\n"


def _perf_line(address: int, frame: Frame | None) -> bytes:
    if frame is None:
        return b"\t%x 0x%x ([unknown])\n" % (address, address)
    symbol = frame.symbol
    name = b"%s+%d" % (symbol.encode(), frame.offset) if symbol else b"0x%x" % address
    where = frame.module or ("" if symbol else "[unknown]")
    inlined = b"".join([b"\t%x %s (inlined)\n" % (address, n.encode()) for n, _ in frame.inlined])
    return inlined + b"\t%x %s%s\n" % (
        address,
        name,
        b" (%s)" % where.encode("utf-8", "surrogateescape") if where else b"",
    )


_FRAME_LINES: dict[str, Callable[[int, Frame | None], bytes]] = {
    "bpftrace": _bpftrace_line,
    "perf": _perf_line,
    "raw": lambda address, _frame: b"%x\n" % address,
}


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
