"""``python bash.py PROGRAM …``: a Python program whose shell commands go to bash.

The suite's commands are written for a ``/bin/sh`` that is bash, as on the systems that bpftrace is
tested on; Debian's is dash, whose ``echo`` takes escapes apart.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from typing import Any


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """A process; bash where a shell is asked for."""

    def __init__(self, *words: Any, shell: bool = False, **options: Any) -> None:
        if shell:
            options.setdefault("executable", shutil.which("bash"))
        super().__init__(*words, shell=shell, **options)  # type: ignore[call-overload]


if __name__ == "__main__":
    subprocess.Popen = Popen  # type: ignore[misc]
    program = sys.argv[1]
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(program))
    runpy.run_path(program, run_name="__main__")
