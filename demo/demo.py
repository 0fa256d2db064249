"""Three traces of the live kernel, a few seconds each: ``make demo``.

What is shown is real: a little work is done meanwhile, so that there is something to see.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time

SECONDS = 3

TRACES = (
    (
        "processes that start",
        """tracepoint:sched:sched_process_exec {
  time("%H:%M:%S  "); printf("%-7d %-16s %s\\n", pid, comm, str(args.filename));
}""",
    ),
    (
        "system calls by program",
        """tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }""",
    ),
    (
        "how long system calls take (nanoseconds)",
        """tracepoint:raw_syscalls:sys_enter { @start[tid] = nsecs; }
tracepoint:raw_syscalls:sys_exit /@start[tid]/ {
  @ns = hist(nsecs - @start[tid]); delete(@start, tid);
}
end { clear(@start); }""",
    ),
)


stop = threading.Event()


def work(until: float) -> None:
    """Something to see: short processes that read directories."""
    while time.monotonic() < until and not stop.is_set():
        subprocess.run(["ls", "/usr/bin"], stdout=subprocess.DEVNULL, check=False)
        subprocess.run(["date"], stdout=subprocess.DEVNULL, check=False)
        time.sleep(0.3)


def main() -> int:
    """Run the traces; the status of the first that fails."""
    beside = os.path.join(os.path.dirname(sys.executable), "prybee")
    prybee = beside if os.path.exists(beside) else shutil.which("prybee")
    if prybee is None:
        print("prybee is not installed; make demo installs it in .venv", file=sys.stderr)
        return 1
    for title, script in TRACES:
        print(f"\n--- {title}, {SECONDS} s ---\n\nprybee -e '{script}'\n", flush=True)
        timed = f"{script}\ninterval:s:{SECONDS} {{ exit(); }}"
        worker = threading.Thread(target=work, args=(time.monotonic() + SECONDS,))
        worker.start()
        try:
            status = subprocess.run([prybee, "-e", timed], check=False).returncode
        except OSError as error:
            print(f"{prybee} cannot be run: {error.strerror}", file=sys.stderr)
            status = 1
        if status:
            # What is missing was said; nothing is to be seen by waiting for the worker.
            stop.set()
        worker.join()
        if status:
            return status
    print("\nThat was the running kernel. More: README.md, prybee --help, prybee -l")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
