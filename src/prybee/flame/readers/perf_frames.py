"""Lines of ``perf script`` that tell a frame: an address, a function, and the file with its code.

The same few lines come again and again (4 to 11 % of them are distinct in real captures), so each
is looked at once and then found by its bytes; a second level, without the address, catches the same
function at many addresses.
"""

from __future__ import annotations

import os
import re

from prybee.flame.profile import INLINED, JIT, KERNEL, PLAIN
from prybee.flame.readers.names import inlined, repaired, without_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prybee.flame.inlining import Inlining
    from prybee.flame.profile import Profile

FRAME = re.compile(rb"\s*([0-9a-fA-F]+)\s+(|\S.*?\s+)\(((?:[^()]++|\([^()]*\))*)\)\s*$")
# Files of the kernel: perf's names for it in brackets, and what it was built from.
_KERNEL = re.compile(
    rb"\[(?!unknown\]|vdso\]|vsyscall\]|heap\]|stack|anon)|.*(\.ko(\.\w+)?|\bvmlinux[-._\w]*)$"
)
_JIT = re.compile(rb"/perf-\d+\.map$|^\[JIT\]|/jitted-[^/]*\.so$|^\[JIT app cache\]")
_COMPAT_KERNEL = {
    "perl": re.compile(rb"(\[|.*vmlinux$)(?!unknown\])"),
    "inferno": re.compile(rb"(?!\[unknown\]$)(\[|.*(\.ko|vmlinux[-._a-zA-Z0-9]*)$)", re.S),
}
_COMPAT_JIT = {
    "perl": re.compile(rb"/tmp/perf-\d+\.map"),
    "inferno": re.compile(rb"^/tmp/perf-.*\.map$|/jitted-.*\.so$", re.S),
}
_OFFSET = re.compile(rb"\+0x([0-9a-f]+)$")
# perf puts this where the file would be when it has found inlined functions by itself.
_INLINED = b"inlined"
# Nothing is known of these but that they are memory.
_NOWHERE = ("[unknown]", "//anon", "anon")
# Kept although a bracket begins there: C++'s anonymous namespaces, Go's methods of pointers.
_ARGUMENTS = re.compile(r"\((?!anonymous namespace\)).*")
_GO_METHOD = re.compile(r"\.\(.*\)\.")
_INDENTED = (b"\t", b" ")
# So many lines are kept by their bytes; a capture with more has addresses that hardly come again.
_REMEMBERED = 1 << 16
# What is put behind a frame's line that has to be told apart from others with the same bytes: where
# the code is in the source, or how its address is to be taken.
SOURCE, CALL, TOLD = b"\0", b"\1", b"\2"
_MARKS = re.compile(rb"[\0\1\2]")


class Frames(dict[bytes, "tuple[int, ...] | None"]):
    """Frame lines to numbers of frames, the leaf first; None for what is no frame.

    Args:
        profile: what the frames are of.
        addrs: a frame without a name tells its address.
        java: names are a JVM's.
        compat: of a program whose names these are to be.
        inlining: where functions are asked for that were inlined.
        context: with that, names are followed by their places in the source.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        addrs: bool = False,
        java: bool = False,
        compat: str = "",
        inlining: Inlining | None = None,
        context: bool = False,
    ) -> None:
        self._profile = profile
        self._addrs = addrs
        self._java = java
        self._compat = compat
        self._inlining = inlining
        self._context = context
        self._kernel = _COMPAT_KERNEL.get(compat, _KERNEL)
        self._jit = _COMPAT_JIT.get(compat, _JIT)
        # By what is behind the address, without the place in the function; where the address
        # counts nothing is found so.
        self._known: dict[bytes, tuple[int, ...]] = {}
        self._whole = addrs or inlining is not None
        self._modules: dict[bytes, tuple[str, str]] = {}
        self[b"\n"] = None  # It comes with every sample.

    def __missing__(self, line: bytes) -> tuple[int, ...] | None:
        # Of many lines that come once each this is all the work, so it calls little.
        if line[:1] not in _INDENTED:
            return None
        address, _, rest = line.lstrip().partition(b" ")
        named, _, place = rest.rpartition(b"+0x")
        offset, _, module = place.partition(b" (")
        key = named + b"(" + module if named and offset.isalnum() else rest
        found = self._known.get(key) if address.isalnum() else None
        if found is None:
            found = self._look(line)
            # (What looks like a place in a function may be in the file's name, inside its bracket.)
            outside = module.count(b")") == module.count(b"(") + 1 or key is rest
            if found is not None and not self._whole and outside:
                self._known[key] = found
        if found is not None and len(self) < _REMEMBERED:
            self[line] = found
        return found

    def _look(self, line: bytes) -> tuple[int, ...] | None:
        """What a line tells that is not known yet."""
        text, mark, behind = line, b"", b""
        if (marked := _MARKS.search(line)) is not None:
            text, mark, behind = line[: marked.start()], marked[0], line[marked.end() :].strip()
        matched = FRAME.match(text)
        if matched is None:
            return None
        return self._numbers(matched[1], matched[2].rstrip(), matched[3], mark, behind)

    def _numbers(
        self, address: bytes, symbol: bytes, module: bytes, mark: bytes, source: bytes
    ) -> tuple[int, ...]:
        if self._inlining is not None and mark != TOLD:
            back = int(mark == CALL and not self._compat)
            found = self._inlined(address, symbol, module, back)
            if found:
                return found
        if symbol.startswith(b"(") and (self._compat or b")::" not in symbol):
            return ()  # A process name in the place of a function.
        known = self._modules.get(module)
        if known is None:
            known = self._modules[module] = self._module(module)
        kind, where = known
        if b"+0x" in symbol:
            symbol = _OFFSET.sub(b"", symbol)
        name = symbol.decode(errors="surrogateescape")
        if self._compat != "perl":
            name = repaired(name, self._compat)
        numbers = []
        for position, each in enumerate(inlined(name, self._compat)):
            what = self._tidy(each, address, where)
            if source and (what != "[unknown]" or not self._compat):
                what += ":" + source.decode(errors="surrogateescape").replace(";", ":")
            # Of several, all but the outermost are inlined into it.
            numbers.append(self._profile.frame(what, INLINED if position else kind, where))
        numbers.reverse()
        return tuple(numbers)

    def _module(self, module: bytes) -> tuple[str, str]:
        """The kind of a file's functions, and its name."""
        kind = PLAIN
        if module == _INLINED and not self._compat:
            kind = INLINED
        elif self._kernel.match(module):
            kind = KERNEL
        elif self._jit.search(module):
            kind = JIT
        return kind, module.decode(errors="surrogateescape")

    def _inlined(self, address: bytes, symbol: bytes, module: bytes, back: int) -> tuple[int, ...]:
        assert self._inlining is not None
        where = module.decode(errors="surrogateescape").removesuffix(" (deleted)")
        offset = _OFFSET.search(symbol)
        functions = self._inlining.functions(
            where,
            int(address, 16),
            _OFFSET.sub(b"", symbol).decode(errors="surrogateescape"),
            int(offset[1], 16) if offset else None,
            back,
        )
        numbers = []
        for position, (name, place) in enumerate(functions):
            what = self._tidy(repaired(name), address, where)
            if self._context and place:
                what += ":" + os.path.basename(place)
            numbers.append(self._profile.frame(what, INLINED if position else PLAIN, where))
        numbers.reverse()
        return tuple(numbers)

    def _tidy(self, name: str, address: bytes, module: str) -> str:
        compat = self._compat
        if not name:
            if compat:
                return " "
            name = "[unknown]"
        if name == "[unknown]":
            if module != "[unknown]" and (compat or module not in _NOWHERE):
                name = f"[{module.rpartition('/')[2]}]"
            if self._addrs:
                # Of a file that is not known the peers say so without brackets of its own.
                name = f"{name[:-1]} <{address.decode()}>]" if name[-1] == "]" else name
            return name.replace(";", ":")
        name = name.replace(";", ":")
        if compat == "perl":
            if not _GO_METHOD.search(name):
                name = _ARGUMENTS.sub("", name)
            name = name.replace('"', "").replace("'", "")
        else:
            name = without_arguments(name, compat)
        if self._java and "/" in name and name.startswith("L"):
            name = name[1:]
        return name


def with_sources(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of ``perf script -F +srcline``, each place in the source behind its frame.

    Perf prints it in a line of its own below, which begins with spaces and may have nothing else.
    """
    frame = b""
    for line in lines:
        if frame:
            indented = line[:1] in (b" ", b"\t")
            if indented and FRAME.match(line) is None:
                # `libc.so[27b25]` is all that is known without debug information.
                place = re.sub(rb"\[.*?\]", b"", line).strip()
                place = b"" if place == os.path.basename(_module(frame)) else place
                yield frame.rstrip() + SOURCE + place + b"\n" if place else frame
                frame = b""
                continue
            yield frame
            frame = b""
        if line[:1] in (b" ", b"\t") and FRAME.match(line) is not None:
            frame = line
        else:
            yield line
    if frame:
        yield frame


def _module(frame: bytes) -> bytes:
    matched = FRAME.match(frame)
    return matched[3] if matched is not None else b""


def with_marks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of which each frame tells whether its address is that of what runs (the leaf's is, and
    that of the program which the kernel was entered from), or where a call returns to; or that perf
    has told the inlined functions of it itself."""
    called, told = False, b""
    for line in lines:
        matched = FRAME.match(line) if line[:1] in _INDENTED else None
        if matched is None:
            called, told = False, b""
            yield line
            continue
        address, module = matched[1], matched[3]
        if module == _INLINED:
            told = address
            yield line.rstrip() + TOLD + b"\n"
            continue
        if told == address:
            yield line.rstrip() + TOLD + b"\n"
        else:
            yield line.rstrip() + CALL + b"\n" if called else line
        called, told = _KERNEL.match(module) is None, b""
