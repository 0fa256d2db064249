"""Fill in what new cases of ``scripts/`` print, by running them under a tracer we trust.

    python -m tests.live.record 'COMMAND' [FILE …]

Only cases whose expected part is empty are run; read over what comes out before you commit it.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from tests.live.corpus import SCRIPTS, Case, read


def text(case: Case) -> str:
    """A case as it is written in a file."""
    fields = "".join(f"{k}: {v}\n" if v else f"{k}\n" for k, v in case.fields.items())
    return f"=== {case.name}\n{fields}---\n{case.script}\n---\n{case.expected.strip(chr(10))}\n\n"


def main() -> int:
    """Record; 1 where a script failed."""
    tracer = shlex.split(sys.argv[1])
    paths = [Path(name) for name in sys.argv[2:]] or sorted(SCRIPTS.glob("*.txt"))
    failed = 0
    for path in paths:
        cases = read(path)
        for case in cases:
            if case.expected.strip():
                continue
            try:
                done = case.run(tracer)
            except subprocess.TimeoutExpired:
                failed += 1
                print(f"{case.id}: no end", file=sys.stderr)
                continue
            if done.returncode != int(case.fields.get("status", "0")):
                failed += 1
                print(f"{case.id}: status {done.returncode}\n{done.stderr}", file=sys.stderr)
                continue
            case.expected = done.stdout
        path.write_text("".join(text(case) for case in cases))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
