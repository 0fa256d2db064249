"""Records that want something done outside: files, commands, the clock, the end."""

from __future__ import annotations

import os

from prybee.session.actions.maps import stride

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.plan.plan import RecordSpec
    from prybee.session.ports import Handler
    from prybee.session.session import Session


def time(session: Session, spec: RecordSpec) -> Handler:
    """``time(format)``: the wall clock now."""
    from time import localtime, strftime

    format_ = str(spec.detail[0])
    step = stride(spec)

    def handle(view: memoryview) -> None:
        text = strftime(format_, localtime()).encode("utf-8", "surrogateescape")
        for _ in range(len(view) // step):
            session.output.message("time", text)

    return handle


def cat(session: Session, spec: RecordSpec) -> Handler:
    """``cat(format, …)``: the beginning of a file."""
    paths = session.output.texts(spec)
    limit = session.options.max_cat_bytes

    def handle(view: memoryview) -> None:
        for path in paths(view):
            try:
                # A FIFO without a writer must not hold the trace up.
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    data = _read(fd, limit)
                finally:
                    os.close(fd)
            except (OSError, ValueError) as failure:
                reason = getattr(failure, "strerror", None) or "no such path can exist"
                name = path.decode("utf-8", "surrogateescape")
                session.output.complain(f"ERROR: failed to open file '{name}' ({reason})")
                continue
            session.output.message("cat", data)

    return handle


def _read(fd: int, limit: int) -> bytes:
    data = b""
    while len(data) < limit:
        more = os.read(fd, limit - len(data))
        if not more:
            break
        data += more
    return data


def join(session: Session, spec: RecordSpec) -> Handler:
    """``join(strings, separator)``: a count, then as many strings, in one line."""
    separator = str(spec.detail[0]).encode("utf-8", "surrogateescape")
    start, layout = spec.fields[0]
    step = stride(spec)
    first = layout.fields[1]  # type: ignore[attr-defined]
    size = first.layout.element.size
    most = first.layout.count

    def handle(view: memoryview) -> None:
        for at in range(start, len(view), step):
            count = min(most, int.from_bytes(view[at : at + 8], "little"))
            strings = []
            for index in range(count):
                begin = at + first.offset + index * size
                strings.append(bytes(view[begin : begin + size]).partition(b"\0")[0])
            session.output.message("join", separator.join(strings) + b"\n")

    return handle


def system(session: Session, spec: RecordSpec) -> Handler:
    """``system(format, …)``: run a command, print what it prints."""
    commands = session.output.texts(spec)

    def handle(view: memoryview) -> None:
        import subprocess

        for command in commands(view):
            if session.overdue:
                session.skipped += 1
                continue
            session.output.flush()
            try:
                done = subprocess.run(
                    [b"/bin/sh", b"-c", command], stdout=subprocess.PIPE, check=False
                )
            except (OSError, ValueError) as failure:
                session.output.complain(f"ERROR: failed to run a command: {failure}")
                continue
            session.output.message("syscall", done.stdout)
            if done.returncode > 0:
                session.output.complain(f"ERROR: command exited with code {done.returncode}")
            elif done.returncode:
                session.output.complain(f"ERROR: command ended by signal {-done.returncode}")

    return handle


def leave(session: Session, spec: RecordSpec) -> Handler:
    """``exit(code)``: what comes behind it is not shown any more."""
    offset, _layout = spec.fields[0]

    def handle(view: memoryview) -> None:
        session.exit(int.from_bytes(view[offset : offset + 8], "little", signed=True))

    return handle


def unwatch(session: Session, spec: RecordSpec) -> Handler:
    """``unwatch(address)``: the watchpoints there are taken off; elsewhere nothing happens."""
    offset, _layout = spec.fields[0]
    step = stride(spec)

    def handle(view: memoryview) -> None:
        for at in range(offset, len(view), step):
            session.engine.unwatch(int.from_bytes(view[at : at + 8], "little"))

    return handle


def bring(session: Session, spec: RecordSpec) -> Handler:
    """A program that walks stacks met a process, or code, of which it knows nothing."""
    step = stride(spec)
    (process, _), (address, _) = spec.fields

    def handle(view: memoryview) -> None:
        bringer = session.unwinder if spec.action == "unwind" else session.interpreters
        for at in range(0, len(view) if bringer is not None else 0, step):
            pid, wanted = (
                int.from_bytes(view[at + offset : at + offset + 8], "little")
                for offset in (process, address)
            )
            bringer.wanted(pid, wanted)  # type: ignore[union-attr]

    return handle
