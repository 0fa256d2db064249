"""Inputs for measures of flame graphs, generated: the same for the same size."""

from __future__ import annotations

import random
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER = Path(__file__).parent / "results" / "flame"
MEGABYTE = 1_000_000
# Distinct stacks for each megabyte, which samples repeat.
_KEPT = 200


def perf_script(kind: str, megabytes: float) -> Path:
    """A file as ``perf script`` prints it.

    Args:
        kind: ``realistic``: deep stacks of a few thousand functions, a few addresses in each;
            ``shallow``: three frames, and idle CPUs; ``adversarial``: hardly a line twice.
        megabytes: how large.
    """
    kept = max(100, int(_KEPT * megabytes))
    return _file(f"{kind}-{megabytes:g}.txt", megabytes * MEGABYTE, lambda: _SAMPLES[kind](kept))


def folded(lines: int) -> Path:
    """So many folded stacks, all different, of ten frames on average."""

    def write() -> Iterator[str]:
        chance = random.Random(3)
        names = [_name(chance) for _ in range(3000)]
        for number in range(lines):
            # Frames near the root are few, those near the leaves many.
            depths = range(1, chance.randint(5, 16))
            frames = [names[int(chance.random() ** (12 / depth) * 3000)] for depth in depths]
            yield f"{';'.join(frames)};leaf_{number} {chance.randint(1, 30)}\n"

    return _file(f"{lines}.folded", float("inf"), write)


def _file(name: str, size: float, parts: Callable[[], Iterator[str]]) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / name
    if not path.exists():
        written = 0
        with path.with_suffix(".part").open("w") as file:
            for part in parts():
                file.write(part)
                written += len(part)
                if written >= size:
                    break
        path.with_suffix(".part").rename(path)
    return path


def _name(chance: random.Random) -> str:
    words = ["read", "parse", "alloc", "hash", "page", "node", "send", "lock", "list", "sort"]
    name = "_".join(chance.choices(words, k=chance.randint(1, 3))) + f"_{chance.randint(0, 99)}"
    if chance.random() < 0.2:
        return f"shop::{name}(int, std::vector<int> const&)"
    return name


class _Program:
    """Functions, and which of them call which."""

    def __init__(self, chance: random.Random, functions: int) -> None:
        self.chance = chance
        self.names = [_name(chance) for _ in range(functions)]
        self.modules = [f"/usr/lib/x86_64-linux-gnu/lib{n}.so.6" for n in range(20)]
        self.calls = [
            [int(chance.random() ** 2 * functions) for _ in range(chance.randint(1, 5))]
            for _ in range(functions)
        ]

    def stack(self, depth: int, places: int) -> str:
        """Lines of frames, the leaf first; each function is sampled at so many places."""
        chance = self.chance
        function = chance.randrange(10)
        lines = []
        for _ in range(depth):
            offset = 16 * chance.randrange(places)
            address = 0x7F0000000000 + function * 0x1000 + offset
            module = self.modules[function % 20]
            lines.append(f"\t{address:16x} {self.names[function]}+0x{offset:x} ({module})\n")
            function = chance.choice(self.calls[function])
        if chance.random() < 0.3:
            lines.append("\tffffffff81234567 do_syscall_64+0x37 ([kernel.kallsyms])\n")
        return "".join(reversed(lines))


def _header(chance: random.Random, time: float, place: int) -> str:
    """Of a sample; a stack is always of the same program."""
    comm = ("server", "worker", "python3", "kworker/1:2")[place % 4]
    pid = 1000 + chance.randrange(20)
    return (
        f"{comm:15} {pid}/{pid + chance.randrange(4)} [{chance.randrange(4):03}] {time:12.6f}:"
        "   10101010 cpu-clock:pppH: \n"
    )


def _times() -> Iterator[float]:
    return count(100.0, 0.0001)


def _realistic(kept: int) -> Iterator[str]:
    chance = random.Random(1)
    program = _Program(chance, 4000)
    stacks = [program.stack(chance.randint(8, 30), 8) for _ in range(kept)]
    for time in _times():
        # Half of the samples are of the hottest eighth of the stacks.
        place = int(chance.random() ** 3 * kept)
        yield f"{_header(chance, time, place)}{stacks[place]}\n"


def _shallow(kept: int) -> Iterator[str]:
    chance = random.Random(2)
    program = _Program(chance, 4000)
    idle = "\tffffffff81a00000 pv_native_safe_halt+0xb ([kernel.kallsyms])\n"
    stacks = [program.stack(chance.randint(1, 5), 30) for _ in range(kept)]
    for time in _times():
        place = int(chance.random() ** 2 * kept)
        stack = idle if chance.random() < 0.3 else stacks[place]
        yield f"{_header(chance, time, place)}{stack}\n"


def _adversarial(_kept: int) -> Iterator[str]:
    chance = random.Random(4)
    program = _Program(chance, 20_000)
    for time in _times():
        yield f"{_header(chance, time, chance.randrange(4))}{program.stack(18, 2000)}\n"


_SAMPLES = {"realistic": _realistic, "shallow": _shallow, "adversarial": _adversarial}
