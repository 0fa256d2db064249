"""``python bash.py PROGRAM …``: a Python program whose shell commands go to bash.

Its limits are longer by the factor that CONFORMANCE_PATIENCE says: emulated machines are slow.

The suite's commands are written for a ``/bin/sh`` that is bash, as on the systems that bpftrace is
tested on; Debian's is dash, whose ``echo`` takes escapes apart.
"""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import subprocess
import sys
from typing import Any

PATIENCE = "CONFORMANCE_PATIENCE"

_patience = float(os.environ.get(PATIENCE, 1))
_alarm = signal.alarm


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """A process; bash where a shell is asked for."""

    def __init__(self, *words: Any, shell: bool = False, **options: Any) -> None:
        if shell:
            options.setdefault("executable", shutil.which("bash"))
        # Only what is tested is run by a shell; what is killed after a second anyway is not.
        self._patience = _patience if shell else 1
        super().__init__(*words, shell=shell, **options)  # type: ignore[call-overload]

    def communicate(self, *words: Any, **options: Any) -> Any:
        """Waits, longer than it was asked to."""
        if options.get("timeout"):
            options["timeout"] *= self._patience
        return super().communicate(*words, **options)


def alarm(seconds: int) -> int:
    """Rings, later than it was asked to."""
    return _alarm(round(seconds * _patience))


if __name__ == "__main__":
    subprocess.Popen = Popen  # type: ignore[misc]
    signal.alarm = alarm
    program = sys.argv[1]
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(program))
    runpy.run_path(program, run_name="__main__")
