"""``prybee target save``: this machine's kernel in a file, to check scripts for it elsewhere."""

from __future__ import annotations

import sys

from prybee.cli.options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: prybee target save [--symbols] FILE

Writes to FILE what compiling needs to know of this kernel: types, tracepoints and their fields,
features, CPUs. `prybee check --target FILE SCRIPT` then checks scripts for it, on any machine and
without any rights.

  --symbols  with the names and addresses of kernel symbols, for scripts that use kaddr()
  -h         this text
"""


def main(words: Sequence[str]) -> int:
    """Save the running kernel.

    Raises:
        UsageError: anything but ``save FILE``.
    """
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(USAGE)
        return 0
    plain = [word for word in words if word != "--symbols"]
    if len(plain) != 2 or plain[0] != "save" or plain[1].startswith("-"):
        raise UsageError(f"prybee target: expected `save FILE`\n{USAGE.rstrip()}")
    from prybee.engines.live import LiveTarget
    from prybee.engines.saved import save

    with LiveTarget() as target:
        btf = _read("/sys/kernel/btf/vmlinux") if target.btf is not None else b""
        save(target, plain[1], btf, _read("/proc/kallsyms") if "--symbols" in words else b"")
        events = sum(1 for _ in target.tracepoints())
    if not events:
        print("WARNING: no tracepoints could be read: run this as root", file=sys.stderr)
    return 0


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
