"""A saved kernel that has what the checkout's tools ask for, to compile them for it.

It is this machine's, as ``prybee target save`` writes it, with the features added that a kernel
built for tracing has (kprobes, fentry), and with the functions that the tools name.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

_FEATURES = ("kprobe", "kprobe_multi", "kprobe_session", "fentry", "hardware")
_FUNCTION = re.compile(r"^(?:kprobe|kretprobe|fentry|fexit):(?:[\w*]+:)?([A-Za-z_]\w*)", re.M)
_SYMBOL = re.compile(r"kaddr\(\"(\w+)\"")
_FACTS = "target.json"
_FUNCTIONS = "functions.txt"
_SYMBOLS = "symbols.txt"


def save(path: Path, scripts: Iterable[str]) -> Path:
    """Write the saved kernel.

    Args:
        path: where to.
        scripts: the texts of the tools.

    Raises:
        subprocess.CalledProcessError: the running kernel cannot be saved.
    """
    texts = list(scripts)
    plain = path.with_suffix(".here")
    subprocess.run([sys.executable, "-m", "prybee", "target", "save", "--symbols", plain],
                   check=True)  # fmt: skip
    functions = {name for text in texts for name in _FUNCTION.findall(text)}
    symbols = {name for text in texts for name in _SYMBOL.findall(text)}
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == _FACTS:
                facts = json.loads(data)
                facts["features"] = sorted({*facts["features"], *_FEATURES})
                data = json.dumps(facts).encode()
            elif name == _SYMBOLS:
                data += "".join(f"{1 << 63 | 4096:x} D {name}\n" for name in symbols).encode()
            if name != _FUNCTIONS:
                new.writestr(name, data)
        new.writestr(_FUNCTIONS, "".join(f"vmlinux {name}\n" for name in sorted(functions)))
    return path


def resolvable(text: str) -> bool:
    """Whether this kernel shows the symbols that a script asks for the addresses of."""
    wanted = set(_SYMBOL.findall(text))
    if not wanted:
        return True
    with open("/proc/kallsyms") as file:
        return wanted <= {line.split()[2] for line in file}
