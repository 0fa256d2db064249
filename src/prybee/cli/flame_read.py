"""``prybee flame cpu`` and ``wall`` without eBPF: Python functions of one process, by reading its
memory."""

from __future__ import annotations

import os
import sys
import time

from prybee.cli.options import UsageError
from prybee.diagnostics import KernelError, PrybeeError

# How long a command may take until it runs Python, in seconds.
_PATIENCE = 10.0
_SHORT = 0.1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.flame.profile import Profile


def wanted(kind: str, asked: bool, one: bool) -> bool:
    """Whether a profile is to be had so: it was asked for, or is all that there is.

    Args:
        kind: of the profile.
        asked: by an option.
        one: it is of one process.

    Raises:
        UsageError: it cannot be had so.
    """
    from prybee.flame.reading import KINDS

    if asked:
        if not one:
            raise UsageError(f"prybee flame {kind} --read-memory: of which process? -p or -c")
        return True
    if os.geteuid() == 0 or kind not in KINDS or not one:
        return False
    from prybee.cli.rights import check_rights

    try:
        check_rights()
    except PrybeeError as error:
        print(
            f"WARNING: {str(error).partition(chr(10))[0]}: of Python programs only their functions "
            "are seen, by reading memory, of others their own code, by perf events",
            file=sys.stderr,
        )
        return True
    return False


def read(
    profile: Profile,
    kind: str,
    pid: int | None,
    command: str,
    frequency: int,
    seconds: float,
    memory: bool = True,
) -> str:
    """Reads until the process ends, a time is over, or the user wants no more.

    Args:
        profile: what stacks are added to.
        kind: ``cpu`` or ``wall``.
        pid: the process; None: that of ``command``.
        command: one to run.
        frequency: samples a second.
        seconds: at most so long; 0: until the end.
        memory: read memory, whatever program it is. Else what is no Python program is sampled by
            perf events.

    Returns:
        A line that tells what it cost.

    Raises:
        PrybeeError: the process cannot be read, or is no Python program.
    """
    import shlex

    from prybee.linux.processes import Child, Process, find_program

    begun, ran = time.monotonic(), time.process_time()
    if pid is not None:
        with Process(pid) as process:
            sampled = not memory and kind == "cpu" and not _is_python(f"/proc/{pid}/exe")
            _one(profile, kind, pid, frequency, seconds, sampled, lambda: not process.alive)
    else:
        words = shlex.split(command)
        child = Child(words)
        try:
            sampled = not memory and kind == "cpu" and not _is_python(find_program(words[0]))
            _one(
                profile, kind, child.pid, frequency, seconds, sampled,
                lambda: child.poll() is not None, child.release,
            )  # fmt: skip
        finally:
            child.send()
            child.close()
    elapsed = max(time.monotonic() - begun, 1e-3)
    share = 100 * (time.process_time() - ran) / elapsed
    return f"cost: {share:.2f} % of one CPU in {elapsed:.1f} s"


def _one(
    profile: Profile,
    kind: str,
    pid: int,
    frequency: int,
    seconds: float,
    sampled: bool,
    ended: Callable[[], bool],
    release: Callable[[], None] | None = None,
) -> None:
    """One process, by perf events or by reading its memory."""
    if not sampled:
        from prybee.flame.reading import Reader

        if release is not None:
            release()
        # A command has yet to load its interpreter.
        patience = _SHORT if release is None else _PATIENCE
        with Reader(pid, profile, kind, frequency, patience) as reader:
            reader.run(seconds, ended)
        return
    from prybee.flame.own_stacks import Sampler

    try:
        with Sampler(pid, profile, frequency) as sampler:
            if release is not None:
                release()
            sampler.run(seconds, ended)
    except KernelError as error:
        raise PrybeeError(
            f"process {pid} cannot be sampled without root: {error}\n"
            "HINT: it has to be your own, and the setting kernel.perf_event_paranoid at most 2"
        ) from None


def _is_python(path: str) -> bool:
    """Whether a program is an interpreter of Python, or a script for one, by its name."""
    try:
        with open(path, "rb") as file:
            first = file.readline(256)
    except OSError:
        return False
    if first.startswith(b"#!"):
        return b"python" in first
    return os.path.basename(os.path.realpath(path)).startswith("python")
