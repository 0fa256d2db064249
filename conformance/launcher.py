"""A program named ``bpftrace`` that is prybee: what the suite calls, and looks for by that name.

bpftrace's engine runs it with an empty environment (no HOME, no PYTHONPATH), finds it with ``pidof
bpftrace`` and in the names of tasks.  The kernel names a process for the file that is executed, so
the interpreter is executed by a link of that name; a script without a compiler's help.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import prybee

_SHELL = """\
#!/bin/sh
exec '{interpreter}' -I -S '{start}' "$@"
"""

_START = """\
import sys

sys.argv[0] = "bpftrace"
sys.path[:0] = {paths!r}
from prybee.cli import main

sys.exit(main())
"""


def make(folder: Path) -> Path:
    """Write the launcher into a folder, with what belongs to it.

    Returns:
        The program: a file named ``bpftrace``.

    Raises:
        OSError: the folder cannot be written to.
    """
    inner = folder / "launcher"
    inner.mkdir(parents=True, exist_ok=True)
    interpreter = inner / "bpftrace"
    interpreter.unlink(missing_ok=True)
    # The file itself, not a link in a virtual environment: this one finds its library by itself.
    interpreter.symlink_to(os.path.realpath(sys.executable))
    start = inner / "start.py"
    source = str(Path(prybee.__file__).parent.parent)
    packages = sysconfig.get_paths()
    paths = list(dict.fromkeys([source, packages["purelib"], packages["platlib"]]))
    start.write_text(_START.format(paths=paths))
    program = folder / "bpftrace"
    program.write_text(_SHELL.format(interpreter=interpreter, start=start))
    program.chmod(0o755)
    return program
