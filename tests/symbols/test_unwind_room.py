"""The memory of unwind rows has a limit: what makes room for others, and what is told of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from prybee.diagnostics import KernelError
from prybee.symbols import unwind_files
from prybee.symbols import unwind_layout as layout
from prybee.symbols.mappings import Mapping
from prybee.symbols.unwind_files import CodeFiles
from prybee.symbols.unwind_pages import NEEDED, SPARE, WANTED, NoRoom, Pages
from prybee.symbols.unwinder import Unwinder

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = layout.PAGE_WORDS
UNIT = layout.RANGE_WORDS


class Table:
    """A map of the kernel. Programs that look at pages are waited for when it is changed."""

    def __init__(self, most: int = 1 << 30) -> None:
        self.max_entries = most
        self.items: dict[bytes, bytes] = {}
        self.changes = 0

    def update(self, key: bytes, value: bytes) -> None:
        self.changes += 1
        if key not in self.items and len(self.items) >= self.max_entries:
            raise KernelError("update", 7)
        self.items[key] = value

    def delete(self, key: bytes) -> bool:
        return self.items.pop(key, None) is not None

    def clear(self) -> None:
        self.items.clear()


class Page:
    """What the kernel gives for a page."""

    fd = 5
    closed = 0

    def memory(self) -> bytearray:
        return bytearray(layout.PAGE_BYTES)

    def close(self) -> None:
        Page.closed += 1


@pytest.fixture(autouse=True)
def _pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prybee.symbols.unwind_pages.Map.create", lambda *_words, **_more: Page())


def memory(most: int, make_room: Callable[[bool], bool] = lambda _: False) -> Pages:
    return Pages(Table(most), make_room=make_room)  # type: ignore[arg-type]


# -- pages ----------------------------------------------------------------------------------------


def test_memory_has_a_limit() -> None:
    pages = memory(2)
    assert pages.most == 2 * PAGE
    assert pages.take(PAGE) == (0, 0)
    assert pages.take(5000) == (1, 0)
    with pytest.raises(NoRoom):
        pages.take(5000)
    with pytest.raises(NoRoom):
        pages.take(PAGE + 1)
    assert pages.take(99) == (1, 5000)
    assert pages.take(2) == (1, 5100)
    assert pages.bytes == 2 * layout.PAGE_BYTES


def test_room_is_taken_again_when_nobody_looks_at_it() -> None:
    pages = memory(1)
    first, second = pages.take(4000), pages.take(4192)
    changes = pages._maps.changes
    pages.give_back(*first, 4000)
    assert pages._maps.changes == changes
    assert pages.take(4000) == first
    # It was waited for.
    assert pages._maps.changes == changes + 1
    pages.give_back(*first, 4000)
    pages.give_back(*second, 4192)
    assert pages.take(PAGE) == (0, 0)


def test_the_kernel_has_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = memory(9)
    assert pages.take(PAGE) == (0, 0)

    def refuse(*_words: object, **_more: object) -> Page:
        raise KernelError("BPF_MAP_CREATE", 12)

    monkeypatch.setattr("prybee.symbols.unwind_pages.Map.create", refuse)
    with pytest.raises(NoRoom):
        pages.take(1)
    assert pages.most == PAGE
    pages.close()


def test_runs_of_words_never_overlap_and_none_is_lost() -> None:
    chance = random.Random(5)
    pages = memory(4)
    taken: dict[tuple[int, int], int] = {}
    for _ in range(3000):
        if taken and chance.random() < 0.5:
            place = chance.choice(list(taken))
            pages.give_back(*place, taken.pop(place))
            continue
        words = chance.choice((1, 3, 40, 800, 3000, PAGE))
        try:
            page, first = pages.take(words)
        except NoRoom:
            continue
        assert first % UNIT == 0
        assert first + words <= PAGE
        for (other, begin), size in taken.items():
            assert other != page or begin >= first + words or begin + size <= first
        taken[page, first] = words
    for place, words in taken.items():
        pages.give_back(*place, words)
    assert sorted(pages.take(PAGE)[0] for _ in range(4)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("need", "asked"), [(SPARE, []), (WANTED, [False, False]), (NEEDED, [True, True])]
)
def test_what_is_done_for_room(need: int, asked: list[bool]) -> None:
    """It is made as long as there is something that can go."""
    heard = []

    def make_room(anything: bool) -> bool:
        heard.append(anything)
        return len(heard) < 2

    pages = memory(1, make_room)
    pages.take(PAGE)
    with pytest.raises(NoRoom):
        pages.take(1, need)
    assert heard == asked


# -- files ----------------------------------------------------------------------------------------


class File:
    """As CodeFile, with 2000 rows in each of its blocks."""

    def __init__(self, pages: Pages, elf: Any) -> None:
        self.pages, self.blocks, self.name = pages, 200, elf
        self.directory, self.bits, self.users = 1, 64, 0
        self.rows: dict[int, tuple[int, int, int]] = {}
        self.closed = False

    def load(self, number: int, need: int = WANTED) -> bool:
        if number in self.rows:
            return False
        self.rows[number] = (*self.pages.take(2000, need), 2000)
        return True

    def drop(self, number: int) -> int:
        self.pages.give_back(*self.rows.pop(number))
        return 2000

    def close(self) -> int:
        for number in list(self.rows):
            self.drop(number)
        self.closed = True
        return 0

    def block_at(self, offset: int) -> int:
        return offset >> layout.BLOCK_SHIFT

    def base(self, mapping: Mapping) -> int:
        return mapping.start - mapping.offset


class Binary:
    def __init__(self, name: str) -> None:
        self.elf = name


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(unwind_files, "monotonic", lambda: now[0])
    monkeypatch.setattr(unwind_files, "CodeFile", File)
    return now


def test_files_that_nobody_has_go_first(clock: list[float]) -> None:
    asked: list[int] = []
    files = CodeFiles(Table(2), lambda: asked.append(1))  # type: ignore[arg-type]
    used, unused = Binary("used"), Binary("unused")
    kept: Any = files.opened(used)  # type: ignore[arg-type]
    gone: Any = files.opened(unused)  # type: ignore[arg-type]
    kept.users = 1
    for number in range(4):
        files.load(kept, number)
        files.load(gone, number)
    files.load(kept, 4)
    assert gone.closed
    assert sorted(kept.rows) == [0, 1, 2, 3, 4]
    assert (files.dropped, files.refused, files.whole, asked) == (0, 0, True, [])
    # Who needs it has it opened anew.
    assert files.opened(unused) is not gone  # type: ignore[arg-type]


def test_what_was_wanted_longest_ago_goes(clock: list[float]) -> None:
    asked: list[int] = []
    files = CodeFiles(Table(2), lambda: asked.append(1))  # type: ignore[arg-type]
    binary = Binary("used")
    file: Any = files.opened(binary)  # type: ignore[arg-type]
    file.users = 1
    for number in range(8):
        files.load(file, number)
        clock[0] += 1
    # All of them were wanted a short time ago.
    files.load(file, 8)
    assert sorted(file.rows) == list(range(8))
    assert (files.dropped, files.refused, asked) == (0, 1, [])
    assert not files.whole
    assert files.lacked(binary, 8 << layout.BLOCK_SHIFT)  # type: ignore[arg-type]
    assert not files.lacked(binary, 7 << layout.BLOCK_SHIFT)  # type: ignore[arg-type]
    assert not files.lacked(Binary("other"), 0)  # type: ignore[arg-type]
    # What was refused can be asked for again when there may be room.
    clock[0] += 5
    files.look()
    assert asked == []
    clock[0] += 5.5
    files.look()
    assert asked == [1]
    files.load(file, 8)
    assert 8 in file.rows
    assert 0 not in file.rows
    assert 7 in file.rows
    assert files.dropped == 8 - len(file.rows) + 1
    assert asked == [1, 1]
    assert files.lacked(binary, 0)  # type: ignore[arg-type]


def test_what_nobody_asked_for_makes_nothing_go(clock: list[float]) -> None:
    files = CodeFiles(Table(1), lambda: None)  # type: ignore[arg-type]
    file: Any = files.opened(Binary("small"))  # type: ignore[arg-type]
    file.users, file.blocks = 1, 20
    file.missing = list(range(1, 20))
    clock[0] += 100
    files.load(file, 0)
    while files.work():
        pass
    assert len(file.rows) == 4
    assert (files.dropped, files.refused, files.whole) == (0, 0, True)


# -- processes ------------------------------------------------------------------------------------


class Symbols:
    """One process after the other."""

    def __init__(self) -> None:
        from prybee.symbols.processes import Processes

        self.processes = Processes(lambda _process, _mapping: None, proc="/nowhere")
        self.binaries: dict[str, Binary] = {}

    def begin(self, pid: int, *files: tuple[int, int, str]) -> None:
        self.processes.executed(pid)
        for start, end, name in files:
            self.processes.mapped(pid, start, end, 0, (8, 1, 7, name.encode()))

    def binary(self, _process: object, mapping: Mapping) -> Binary:
        mapping.binary = self.binaries.setdefault(mapping.path, Binary(mapping.path))  # type: ignore[assignment]
        return mapping.binary  # type: ignore[return-value]


def unwinder(symbols: Symbols, pages: int = 9, processes: int = 9) -> tuple[Unwinder, Table, Table]:
    made = Unwinder(symbols)  # type: ignore[arg-type]
    served, asked = Table(processes), Table()
    made.begin(
        {
            layout.PAGES_MAP: Table(pages),
            layout.PROCESSES_MAP: served,
            layout.WANTED_MAP: asked,
        }  # type: ignore[arg-type]
    )
    return made, served, asked


def key(pid: int, address: int = 0) -> bytes:
    return (pid << 32 | address >> layout.BLOCK_SHIFT).to_bytes(8, "little")


def test_files_of_processes_that_are_gone(clock: list[float]) -> None:
    """They make room, and nothing is to be told of that."""
    symbols = Symbols()
    made, served, _ = unwinder(symbols, pages=2)
    for pid in range(10, 30):
        symbols.begin(pid, (0x400000, 0xC00000, f"/bin/{pid}"))
        for number in range(6):
            made.wanted(pid, 0x400000 + (number << layout.BLOCK_SHIFT))
        symbols.processes.exited(pid)
        made._looked_at = 0
        made.look()
    assert not served.items
    assert made.remark == ""
    assert not made.lacking(12, [0x400000])


def test_too_much_is_wanted(clock: list[float]) -> None:
    symbols = Symbols()
    made, _, asked = unwinder(symbols, pages=2)
    symbols.begin(10, (0x400000, 0xC00000, "/bin/large"))
    for number in range(9):
        asked.items[key(10, 0x400000 + (number << layout.BLOCK_SHIFT))] = b""
        made.wanted(10, 0x400000 + (number << layout.BLOCK_SHIFT))
    assert made.remark == (
        "unwind rows reached their limit of 128 KiB or 16384 processes: 0 blocks of them made room "
        "for others, 1 requests were refused; code without frame pointers may have shorter stacks "
        "there"
    )
    assert made.lacking(10, [0x400000, 0x480000])
    assert not made.lacking(10, [0x400000, 0x410000])
    assert not made.lacking(11, [0x480000])
    clock[0] += 11
    made.wanted(10, 0x480000)
    assert "5 blocks of them made room" in made.remark
    assert not asked.items


def test_processes_have_room_when_others_end(clock: list[float]) -> None:
    symbols = Symbols()
    made, served, asked = unwinder(symbols, processes=1)
    for pid in (10, 11):
        symbols.begin(pid, (0x400000, 0xC00000, "/bin/both"))
        asked.items[key(pid)] = b""
        made.wanted(pid, 0)
    # The one that there is no room for does not ask again and again.
    assert list(served.items) == [(10).to_bytes(4, "little")]
    assert key(11) in asked.items
    assert "1 requests were refused" in made.remark
    symbols.processes.exited(10)
    made._looked_at = 0
    made.look()
    assert key(11) not in asked.items
    made.wanted(11, 0)
    assert list(served.items) == [(11).to_bytes(4, "little")]


def test_all_code_that_a_request_is_for(clock: list[float]) -> None:
    """Programs ask once for 64 KiB of memory: there may be two files, or two blocks of one."""
    symbols = Symbols()
    made, _, _ = unwinder(symbols)
    symbols.begin(10, (0x41000, 0x43000, "/lib/a"), (0x48000, 0x78000, "/lib/b"))
    made.wanted(10, 0x42000)
    assert made._files is not None
    a, b = (made._files.opened(each) for each in symbols.binaries.values())  # type: ignore[arg-type]
    assert sorted(a.rows) == [0]
    assert sorted(b.rows) == [0]
    made.wanted(10, 0x5F000)
    assert sorted(b.rows) == [0, 1]


def test_other_code_at_the_same_address(clock: list[float]) -> None:
    """What was asked for of one file may be asked for of the next."""
    symbols = Symbols()
    made, _, asked = unwinder(symbols)
    symbols.begin(10, (0x400000, 0x420000, "/bin/a"), (0x7F0000, 0x800000, "/lib/same"))
    made.wanted(10, 0x400000)
    for address in (0x400000, 0x410000, 0x7F0000):
        asked.items[key(10, address)] = b""
    symbols.begin(10, (0x400000, 0x420000, "/bin/b"), (0x7F0000, 0x800000, "/lib/same"))
    made._looked_at = 0
    made.look()
    assert list(asked.items) == [key(10, 0x7F0000)]
