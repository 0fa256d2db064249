"""``prybee flame cpu`` and ``wall`` without eBPF: Python functions of one process, by reading its
memory."""

from __future__ import annotations

import os
import sys
import time

from prybee.cli.options import UsageError
from prybee.diagnostics import PrybeeError

# How long a command may take until it runs Python, in seconds.
_PATIENCE = 10.0

TYPE_CHECKING = False
if TYPE_CHECKING:
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
            f"WARNING: {str(error).partition(chr(10))[0]}: only Python functions are seen, by "
            "reading the process's memory",
            file=sys.stderr,
        )
        return True
    return False


def read(
    profile: Profile, kind: str, pid: int | None, command: str, frequency: int, seconds: float
) -> str:
    """Reads until the process ends, a time is over, or the user wants no more.

    Args:
        profile: what stacks are added to.
        kind: ``cpu`` or ``wall``.
        pid: the process; None: that of ``command``.
        command: one to run.
        frequency: samples a second.
        seconds: at most so long; 0: until the end.

    Returns:
        A line that tells what it cost.

    Raises:
        PrybeeError: the process cannot be read, or is no Python program.
    """
    from prybee.flame.reading import Reader

    begun, ran = time.monotonic(), time.process_time()
    if pid is not None:
        with Reader(pid, profile, kind, frequency) as reader:
            reader.run(seconds)
    else:
        import shlex

        from prybee.linux.processes import Child

        child = Child(shlex.split(command))
        try:
            child.release()
            with Reader(child.pid, profile, kind, frequency, _PATIENCE) as reader:
                reader.run(seconds, lambda: child.poll() is not None)
        finally:
            child.send()
            child.close()
    elapsed = max(time.monotonic() - begun, 1e-3)
    share = 100 * (time.process_time() - ran) / elapsed
    return f"cost: {share:.2f} % of one CPU in {elapsed:.1f} s"
