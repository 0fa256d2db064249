"""What a start imports: everything costs time, so what is not needed is not there."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from prybee.linux.modern import modern

ROOT = Path(__file__).parents[2]

# The standard library's modules that a simple trace may load, beyond those that the interpreter
# starts with. Most are forced by re (enum, functools, collections …) and ctypes; zlib
# checks the cached index of the kernel's types.
_LIBRARY = """
    __future__ _bisect _collections _collections_abc _ctypes _functools _operator _sre _stat
    _struct _weakref abc bisect collections copyreg ctypes ctypes._endian enum errno
    functools gc genericpath itertools keyword mmap operator os os.path posixpath re
    re._casefix re._compiler re._constants re._parser reprlib select signal stat struct time
    types zlib
"""
LIBRARY = frozenset(_LIBRARY.split())

# Parts of prybee that a trace without their subject does not need.
NOT_NEEDED = (
    r"cli\.(?!live$|options$|times$|trace$).*",
    r"compiler\.(explain|text|listing).*",
    r"elf.*",
    r"functions\.(?!printing$|arguments$|formats$|counting$|aggregations$|provider$).*",
    r"isa.*",
    r"language\.c_part|language\.c\.|language\.definitions",
    r"linux\.(processes|tracefs|perfbuf|uprobes|iterators)",
    r"output\.(json|json_text|histogram|cgroups|printf|coder|maps|values)",
    r"probes\.(?!patterns$|provider$|special$).*",
    r"symbols.*",
    r"tools.*",
)

# A kernel that takes not all instructions is asked for each feature by name.
ASKING = r"linux\.(features|mounts|privileges|perf)"

CODE = """
import sys
sys.argv = ["prybee", "-q", *{words!r}]
before = set(sys.modules)
from prybee.cli import main
status = main()
print("loaded", *sorted(set(sys.modules) - before))
sys.exit(status)
"""


def _unlimited() -> None:
    """Maps count against this limit before Linux 5.11, and lifting it takes a module."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with contextlib.suppress(ValueError):  # Not allowed, and not needed on newer kernels.
        resource.setrlimit(resource.RLIMIT_MEMLOCK, unlimited)


@pytest.fixture(scope="module")
def cached() -> None:
    """The first trace on a machine reads the kernel's types and leaves an index of them."""
    loaded("-e", "tracepoint:syscalls:sys_enter_getppid { @[comm] = count(); } begin { exit() }")


def loaded(*words: str) -> tuple[set[str], set[str]]:
    """The modules that a command line loads: the library's, and ours without ``prybee.``."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", CODE.format(words=words)],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False, timeout=60, preexec_fn=_unlimited,
    )  # fmt: skip
    found = re.search(r"^loaded (.*)$", done.stdout, re.M)
    assert found, done.stderr
    names = found[1].split()
    ours = {name.partition(".")[2] for name in names if name.partition(".")[0] == "prybee"}
    others = {name for name in names if name.partition(".")[0] != "prybee"}
    return {name for name in others if not name.startswith("encodings")}, ours - {""}


@pytest.mark.live
@pytest.mark.usefixtures("cached")
def test_the_shortest_trace() -> None:
    """``begin { exit() }`` loads nothing beyond what it needs."""
    library, ours = loaded("-e", "begin { exit() }")
    assert sorted(library - LIBRARY) == []
    patterns = (*NOT_NEEDED, ASKING) if modern() else NOT_NEEDED
    unneeded = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    assert sorted(name for name in ours if unneeded.fullmatch(name)) == []
    # Three of them are tables of machines; asking by name takes seven more.
    assert len(ours) < (132 if modern() else 139)


@pytest.mark.live
@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize(
    ("script", "more", "never"),
    [
        (
            "tracepoint:syscalls:sys_enter_getppid { @[comm] = count(); } interval:ms:1 { exit() }",
            {"probes.tracepoint", "probes.timers", "linux.tracefs"},
            ("elf", "symbols", "probes.uprobe", "probes.usdt", "compiler.explain", "output.json"),
        ),
        (
            'begin { printf("%d %s\\n", pid, comm); exit() }',
            {"output.printf"},
            ("elf", "symbols", "output.histogram", "probes.tracepoint", "linux.tracefs"),
        ),
    ],
    ids=["tracepoint", "printf"],
)
def test_other_traces(script: str, more: set[str], never: tuple[str, ...]) -> None:
    """Common traces load their own parts, and those of nobody else."""
    library, ours = loaded("-e", script)
    assert sorted(library - LIBRARY) == []
    assert more <= ours
    for name in never:
        assert not {each for each in ours if each == name or each.startswith(f"{name}.")}, name


def test_help_loads_next_to_nothing() -> None:
    """Help, the version and mistakes on the command line need no compiler."""
    for words in (("--help",), ("-V",)):
        library, ours = loaded(*words)
        assert {name.partition(".")[0] for name in ours} <= {"cli", "data", "diagnostics"}, words
        assert library <= LIBRARY
