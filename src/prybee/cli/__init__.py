"""The command ``prybee``: which part of it serves a command line, and how it fails.

Each command is a module of this room with ``main(words) -> exit status``, imported when it is used.
"""

from __future__ import annotations

import sys

from prybee.diagnostics import PrybeeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Commands by their first word; everything else is a trace, with bpftrace's options.
COMMANDS = {
    "doctor": "prybee.cli.doctor",
}
TRACE = "prybee.cli.trace"


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        words: its arguments; None for the process's own.

    Returns:
        The exit status (docs/command.md).
    """
    words = sys.argv[1:] if words is None else words
    name = COMMANDS.get(words[0]) if words else None
    try:
        module = __import__(name or TRACE, fromlist=["main"])
        status: int = module.main(words[1:] if name else words)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _forget_output()
        return 0
    except KeyboardInterrupt:
        return 130
    except PrybeeError as error:
        return fail(str(error))
    except RecursionError:
        return fail("the script is nested too deeply")
    except MemoryError:
        return fail("out of memory")


def fail(message: str, status: int = 1) -> int:
    """Say what went wrong on standard error; the exit status to return."""
    if not message.startswith(("ERROR", "HINT")) and ": ERROR: " not in message:
        message = f"ERROR: {message}"
    try:
        print(message, file=sys.stderr)
    except (BrokenPipeError, UnicodeError):
        pass
    return status


def _forget_output() -> None:
    """Nobody reads our output any more: keep the interpreter from complaining about it at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
