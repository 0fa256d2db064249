"""The command ``prybee``: which part of it serves a command line, and how it fails.

Each command is a module of this room with ``main(words) -> exit status``, imported when it is used;
``module:function`` where it is another function.
"""

from __future__ import annotations

import gc
import os
import sys

from prybee.diagnostics import PrybeeError, ScriptError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Commands by their first word; everything else is a trace, with bpftrace's options.
COMMANDS = {
    "check": "prybee.cli.check",
    "doctor": "prybee.cli.doctor",
    "flame": "prybee.cli.flame",
    "fmt": "prybee.cli.fmt",
    "--fmt": "prybee.cli.fmt:printed",
    "lsp": "prybee.cli.lsp",
    "target": "prybee.cli.target",
    "tools": "prybee.cli.tools",
}
TRACE = "prybee.cli.trace"


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        words: its arguments; None for the process's own.

    Returns:
        The exit status (docs/command.md).
    """
    if words is None:
        words = sys.argv[1:]
        _prepare()
        if not words or words[0] not in COMMANDS:
            # What a start makes, stays: looking for garbage in it is time lost. The engine of a
            # trace switches the collector on again (live.py).
            gc.disable()
    name = COMMANDS.get(words[0]) if words else None
    try:
        if os.environ.get("PRYBEE_NO_FEATURE"):
            from prybee.linux.switches import switch_off

            switch_off(os.environ["PRYBEE_NO_FEATURE"])
        status: int
        if name is None and words and _is_tool(words[0]):
            from prybee.cli.tools import run

            status = run(words)
        else:
            path, _, function = (name or TRACE).partition(":")
            module = __import__(path, fromlist=["main"])
            status = getattr(module, function or "main")(words[1:] if name else words)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _forget_output()
        return 0
    except KeyboardInterrupt:
        return 130
    except PrybeeError as error:
        # A script's mistakes say themselves what they are.
        return fail(str(error), said=isinstance(error, ScriptError))
    except RecursionError:
        return fail("the script is nested too deeply")
    except MemoryError:
        return fail("out of memory")
    except OSError as error:
        if error.filename is None:
            _forget_output()
            return fail(f"cannot write output: {error.strerror}")
        return fail(f"{error.filename}: {error.strerror}")
    except Exception as error:
        return fail(_mistake_of_ours(error))


def _is_tool(word: str) -> bool:
    """Whether ``word`` is the name of a ready-made tool, and not that of a script."""
    if not word.isalnum():
        return False
    tools = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools")
    return os.path.isfile(os.path.join(tools, word + ".bt")) and not os.path.exists(word)


def _mistake_of_ours(error: Exception) -> str:
    """What to say of an error that nobody foresaw; all of it with PRYBEE_TRACEBACK set."""
    if os.environ.get("PRYBEE_TRACEBACK"):
        raise error
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        file = os.sep.join(trace.tb_frame.f_code.co_filename.split(os.sep)[-2:])
        place = f" ({file}:{trace.tb_lineno})"
    return (
        f"internal error: {type(error).__name__}: {error}{place}\n"
        "HINT: this is a mistake in prybee: please report it, with the script and what is shown "
        "when the environment has PRYBEE_TRACEBACK=1"
    )


def _prepare() -> None:
    """Make the process what a command is expected to be."""
    # Ctrl-C ends it as it ends any other, without Python's words about it.  Nothing is attached
    # yet, and a session that attaches handles signals by itself.  (What `signal` wraps is there
    # already, and does not take the time in which Ctrl-C would still show a traceback.)
    import _signal  # type: ignore[import-not-found]

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    # Standard streams that the caller closed: nothing else may get their numbers.
    while True:
        fd = os.open(os.devnull, os.O_RDWR)
        if fd > 2:
            os.close(fd)
            break
        os.set_inheritable(fd, True)
    # Scripts hold any bytes, terminals speak any encoding: show what cannot be shown as \\x…
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")


def fail(message: str, status: int = 1, said: bool = False) -> int:
    """Say what went wrong on standard error; the exit status to return.

    ``said`` tells that the message says itself how bad it is.
    """
    said = said or message.startswith(("ERROR", "HINT")) or "\nERROR: " in message
    if not said and ": ERROR: " not in message:
        message = f"ERROR: {message}"
    try:
        print(message, file=sys.stderr)
    except (BrokenPipeError, UnicodeError):
        pass
    return status


def _forget_output() -> None:
    """Nobody reads our output any more: keep the interpreter from complaining about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
