"""Texts of others in our memory: nothing of what was behind their end comes along."""

from __future__ import annotations

import ctypes
import os

import pytest

from prybee.engines.live import LiveTarget
from tests.language.running import Loaded, compile_text

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to load programs"),
]

LIBC = ctypes.CDLL(None)
PR_SET_NAME = 15


class WithoutLoops(LiveTarget):
    """A kernel of before Linux 5.17, for all that is asked of it."""

    def has(self, feature: str) -> bool:
        return feature not in ("modern", "helper:loop") and super().has(feature)


@pytest.mark.parametrize("size", [1, 3, 8, 10, 16, 31, 32, 33, 100, 300])
def test_keys_end_with_the_text(size: int) -> None:
    for length in sorted({0, 1, 2, 7, 8, 9, size // 2, size - 1, size} & set(range(size + 1))):
        text = b"\xff" * (length // 2) + b"a" * (length - length // 2)
        # What a longer text left behind.
        memory = ctypes.create_string_buffer(text[:length].ljust(length + 1, b"\0"), 320)
        memory[length + 1 : 320] = b"z" * (319 - length)
        script = f"""
            struct named {{ char name[{size}]; }}
            begin {{
                $p = (struct named *)uptr({ctypes.addressof(memory)});
                @k[$p->name] = 1; @t[1, $p->name] = 1; $copy = $p->name; @c[$copy] = 1;
                @same = $copy == $p->name;
            }}
        """
        with Loaded(compile_text(script).plan) as kernel:
            kernel.run()
            wanted = text.ljust(size, b"\0")
            for name in ("k", "c"):
                assert [key for key, _ in kernel.maps[f"AT_{name}"].items()] == [wanted], length
            ((pair, _),) = kernel.maps["AT_t"].items()
            assert pair.endswith(wanted)
            assert kernel.script_map("@same") is True


@pytest.mark.parametrize("target", [LiveTarget, WithoutLoops])
def test_names_of_threads(target: type[LiveTarget]) -> None:
    """Kernels before 5.17 leave the end of a longer name behind a shorter one."""
    with open("/proc/self/comm", "rb") as file:
        own = file.read().rstrip(b"\n")
    script = "begin { @c[comm] = 1; @t[curtask->comm] = 1; @l[leader_comm] = 1; }"
    try:
        with Loaded(compile_text(script, target=target()).plan) as kernel:
            for name in (b"abcdefghijklmno", b"xy"):
                assert LIBC.prctl(PR_SET_NAME, name, 0, 0, 0) == 0
                kernel.run()
            for name in "ctl":
                keys = sorted(key for key, _ in kernel.maps[f"AT_{name}"].items())
                assert keys == [b"abcdefghijklmno\0", b"xy".ljust(16, b"\0")]
    finally:
        LIBC.prctl(PR_SET_NAME, own, 0, 0, 0)
