"""Makes plan data and the bytes that go with it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

from prybee.output.names import Names
from prybee.output.sink import Sink
from prybee.plan.layouts import Layout
from prybee.plan.plan import RecordSpec, ScriptMap
from prybee.symbols import Frame


class Kernel:
    """Symbols of an imagined kernel; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def resolve(self, address: int) -> tuple[str, int, str] | None:
        self.asked += 1
        if 0xF000 <= address < 0xF100:
            return "schedule", address - 0xF000, ""
        if 0xF100 <= address < 0xF200:
            return "ext4_read", address - 0xF100, "ext4"
        return None


class User:
    def version(self, pid: int) -> int:
        return 1

    def resolve_many(
        self, pid: int, addresses: Iterable[int], program: str = ""
    ) -> list[Frame | None]:
        return [self.resolve(pid, address) for address in addresses]

    def resolve(self, pid: int, address: int, program: str = "") -> Frame | None:
        return (
            Frame("main", address - 0x400, "/bin/x", address) if 0x400 <= address < 0x500 else None
        )


def names(trailer: bytes = b"..") -> Names:
    return Names(Kernel, User, trailer)


def record(size: int, *fields: tuple[int, Layout], detail: tuple[object, ...] = ()) -> RecordSpec:
    return RecordSpec(1, "printf", size, fields, detail)


def run(*bodies: bytes) -> memoryview:
    """Records as the ring buffer gives them: kind, fields, and the next record's header."""
    out = b""
    for body in bodies:
        data = struct.pack("<I", 1) + body
        data += bytes(-len(data) % 8)
        out += data + struct.pack("<II", len(data), 0)
    return memoryview(out)


def script_map(name: str, key: Layout | None, value: Layout, per_cpu: bool = False) -> ScriptMap:
    return ScriptMap(name, key, value, "AT_" + name[1:], per_cpu=per_cpu)


class Pipe:
    """A sink whose bytes can be read back."""

    def __init__(self, mode: str = "line") -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.sink = Sink(self.writer, mode)

    def text(self) -> str:
        try:
            return os.read(self.reader, 1 << 20).decode("utf-8", "surrogateescape")
        except BlockingIOError:
            return ""

    def close(self) -> None:
        for fd in (self.reader, self.writer):
            try:
                os.close(fd)
            except OSError:
                pass
