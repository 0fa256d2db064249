"""``prybee flame view``: what is printed, and what keys do."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pytest

from prybee.cli import main
from prybee.flame import drawing
from prybee.flame.layout import BETWEEN, Stacks
from prybee.flame.profile import ANNOTATIONS, KERNEL, Profile
from prybee.flame.terminal.cells import fit, width
from prybee.flame.terminal.colours import split
from prybee.flame.terminal.printed import TRUE_COLOUR, Look, graph, table, tree
from prybee.flame.terminal.viewer import FRAME, MATCH, SELECTED, Viewer

Capture = pytest.CaptureFixture[str]
DEMO = {
    "main;work;parse": 60, "main;idle": 10, "main;work;read_[k]": 20, "main;work;parse;alloc": 10,
}  # fmt: skip


def made(weights: dict[str, int]) -> tuple[Profile, Stacks]:
    profile = Profile()
    for stack, weight in weights.items():
        names = stack.split(";")
        profile.add(
            [
                profile.frame(name.removesuffix("_[k]"), KERNEL if name.endswith("_[k]") else "")
                for name in names
            ],
            weight,
        )
    keys, values = drawing.folded(profile)
    return profile, Stacks([key.replace(b";", BETWEEN) for key in keys], values)


# Columns.


@pytest.mark.parametrize(
    ("text", "room", "wanted"),
    [
        ("name", 6, "name  "), ("name", 4, "name"), ("longer_name", 8, "longer.."),
        ("name", 3, "nam"), ("name", 0, ""), ("日本語", 7, "日本語 "),
        ("日本語", 5, "日.. "), ("日本", 3, "日 "),
        ("a\x1b[2Jb", 7, "a\ufffd[2Jb "), ("e\u0301x", 3, "e\u0301x "),
        ("a\tb\n", 5, "a\ufffdb\ufffd "),
    ],
)  # fmt: skip
def test_text_in_columns(text: str, room: int, wanted: str) -> None:
    assert fit(text, room) == wanted
    assert width(fit(text, room)) == room


# Printed.

GRAPH = """\
│all 100────────────────────────────────
│main───────────────────────────────────
│idl│work───────────────────────────────
    │parse──────────────────────│read───
                            │all│
"""
ASCII = """\
|all 100--------------
|main-----------------
|i|work---------------
  |parse----------|rea
...
"""
TREE = """\
100.0% main
├─  90.0% work
│  ├─  70.0% parse
│  │  └─  10.0% alloc
│  └─  20.0% read [kernel]
└─  10.0% idle
"""
TABLE = """\
   own     all  function
 60.0%   70.0%  parse
 20.0%   20.0%  read
… and 4 more
"""


def test_graph() -> None:
    _, stacks = made(DEMO)
    assert "".join(line + "\n" for line in graph(stacks, Look(40))) == GRAPH


def test_graph_in_ascii() -> None:
    _, stacks = made(DEMO)
    look = Look(22, depth=3, ascii=True)
    assert "".join(line + "\n" for line in graph(stacks, look)) == ASCII
    _, stacks = made({"größe": 1})
    assert [*graph(stacks, look)][1] == "|gr??e".ljust(22, "-")


def test_graph_in_colours() -> None:
    _, stacks = made(DEMO)
    plain = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in graph(stacks, Look(40, colour=1))]
    assert plain[0] == "all 100".ljust(40)
    assert plain[2].startswith("idle")
    (kernel,) = re.findall(
        r"\x1b\[48;2;(\d+);(\d+);(\d+);38;5;16mread",
        "".join(graph(stacks, Look(40, colour=TRUE_COLOUR))),
    )
    assert kernel[2] == "0"  # Orange


def test_tree_and_table() -> None:
    profile, _ = made(DEMO)
    assert "".join(line + "\n" for line in tree(profile, Look(60))) == TREE
    assert "".join(line + "\n" for line in table(profile, Look(60, top=2))) == TABLE
    # Of what is left out nothing is said of children either.
    assert "alloc" not in "".join(tree(profile, Look(60, least=0.15)))
    assert "".join(tree(profile, Look(60, depth=1))).count("%") == 3


def test_the_command_prints(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "x"
    path.write_text("".join(f"{stack} {weight}\n" for stack, weight in DEMO.items()))
    assert main(["flame", "view", str(path), "--width", "40"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("│all 100───")
    assert " 60.0%   70.0%  parse\n" in out
    assert "\x1b" not in out
    assert main(["flame", "view", str(path), "--tree", "--top", "0", "--color", "always"]) == 0
    assert capsys.readouterr().out == TREE
    assert main(["flame", "view", str(path), "--reverse", "--ascii", "--color", "always"]) == 0
    assert re.search(r"\x1b\[48;5;\d+;38;5;16mparse", capsys.readouterr().out)


def test_nothing_to_print(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "x"
    path.write_text("a 0\n")
    assert main(["flame", "view", str(path)]) == 0
    assert capsys.readouterr().out == "there are no stacks\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--width", "5"], "--width 5: at least 20"),
        (["--depth", "0"], "--depth 0: at least 1"),
        (["/nonexistent"], "/nonexistent: No such file or directory"),
    ],
)
def test_mistakes(words: list[str], said: str, capsys: Capture) -> None:
    assert main(["flame", "view", *words]) == 1
    assert said in capsys.readouterr().err


# The viewer, without a terminal.


class Driver:
    """A viewer, keys for it, and what it shows."""

    def __init__(self, weights: dict[str, int], columns: int = 100, lines: int = 12) -> None:
        profile, stacks = made(weights)
        self.viewer = Viewer(stacks, profile, "demo", ["2 samples lost"])
        self.viewer.resize(columns, lines)

    def keys(self, *keys: str) -> Driver:
        for key in keys:
            self.viewer.key(key)
        return self

    @property
    def text(self) -> list[str]:
        return ["".join(part.text for part in line).rstrip() for line in self.viewer.lines()]

    def styled(self, style: str) -> list[str]:
        lines = self.viewer.lines()
        return [part.text.strip() for line in lines for part in line if part.style == style]

    @property
    def details(self) -> str:
        return self.text[-2]


def test_the_first_screen() -> None:
    text = Driver(DEMO).text
    assert text[0] == "demo | 100 samples | graph"
    assert text[1] == "all"
    assert text[3].split() == ["idle", "work"]
    assert text[-2] == "all (100 samples, 100.00%)"
    assert text[-1] == "? help  q quit  / search  Enter zoom  u out  Tab view  2 samples lost"
    assert len(text) == 12
    assert all(len(line) <= 100 for line in text)


def test_walking() -> None:
    driver = Driver(DEMO)
    steps = [
        ("down", "main (100 samples, 100.00%)"), ("down", "work (90 samples, 90.00%)"),
        ("left", "idle (10 samples, 10.00%)"), ("left", "idle (10 samples, 10.00%)"),
        ("down", "idle (10 samples, 10.00%)"), ("l", "work (90 samples, 90.00%)"),
        ("j", "parse (70 samples, 70.00%)"), ("end", "read (20 samples, 20.00%)"),
        ("home", "parse (70 samples, 70.00%)"), ("k", "work (90 samples, 90.00%)"),
        ("pageup", "all (100 samples, 100.00%)"), ("up", "all (100 samples, 100.00%)"),
        ("pagedown", "alloc (10 samples, 10.00%)"),
    ]  # fmt: skip
    for key, details in steps:
        assert driver.keys(key).details == details, key
    assert driver.styled(SELECTED) == ["alloc"]


def test_zoom() -> None:
    driver = Driver(DEMO).keys("down", "down", "enter")
    assert driver.text[0] == "demo | 100 samples | graph | in work"
    assert driver.text[1] == "work"
    assert driver.details == "work (90 samples, 90.00%)"
    driver.keys("down")
    assert driver.details == "parse (70 samples, 70.00%, 77.78% of what is shown)"
    driver.keys("enter", "down", "enter")
    assert driver.text[0].endswith("in alloc")
    assert driver.keys("u").details == "alloc (10 samples, 10.00%, 14.29% of what is shown)"
    assert driver.text[0].endswith("in parse")
    assert driver.keys("z").text[0] == "demo | 100 samples | graph"
    assert driver.keys("u", "escape").text[0] == "demo | 100 samples | graph"


def test_names_that_begin_alike_are_not_mixed_up() -> None:
    driver = Driver({"a;x": 10, "ab;y": 30, "a": 5, "a-;z": 20, "a;x;k": 5}).keys("down")
    for _ in range(3):
        if driver.details.startswith("a ("):
            break
        driver.keys("left")
    driver.keys("enter")
    assert driver.text[1:4] == ["a", " " * 25 + "x", " " * 75 + "k"]


def test_orientations() -> None:
    driver = Driver(DEMO).keys("down", "down", "down", "i")
    assert driver.details == "parse (70 samples, 70.00%)"
    shown = [line for line in driver.text[1:-2] if line]
    assert shown[-1] == "all"
    assert driver.keys("up").details.startswith("alloc")
    driver.keys("i", "r")
    assert driver.text[0].endswith("from the leaves")
    assert set(driver.text[2].split()) == {"alloc", "idle", "parse", "read"}
    assert driver.keys("r").text[0] == "demo | 100 samples | graph"


def test_search() -> None:
    driver = Driver(DEMO).keys("/", *"pA", "backspace", *"[ar]", "enter")
    assert driver.text[0] == "demo | 100 samples | graph | /p[ar]/ 70.0%"
    assert driver.details.startswith("parse")
    driver.keys("/", *"R", "enter")
    # A capital is meant; nothing matches.
    assert driver.text[0].endswith("/R/ 0.0%")
    assert driver.text[-1] == "nothing that is shown matches"
    driver.keys("/", *"a|r", "enter")
    assert driver.text[0].endswith("/a|r/ 100.0%")
    seen = {driver.keys("n").details.split()[0] for _ in range(5)}
    assert seen == {"main", "work", "parse", "read", "alloc"}
    assert set(driver.styled(MATCH)) == seen - {driver.details.split()[0]}
    one = driver.details
    assert driver.keys("n", "N").details == one
    assert driver.keys("/", "(", "enter").text[-1].startswith("/( is no regular expression:")
    assert driver.keys("/", "x", "escape").text[0].endswith("/a|r/ 100.0%")
    assert driver.keys("/", "enter").text[0] == "demo | 100 samples | graph"


def test_list() -> None:
    driver = Driver(DEMO).keys("tab")
    assert driver.text[0].endswith("functions")
    assert [line.split()[-1] for line in driver.text[2:8]] == [
        "parse", "read", "alloc", "idle", "main", "work",
    ]  # fmt: skip
    assert driver.details == "parse: 60 samples own, 70 in all"
    assert driver.keys("a").text[2].split() == ["0.0%", "100.0%", "main"]
    assert driver.keys("m").text[2].endswith("alloc")
    assert driver.keys("end").details.startswith("work")
    assert driver.keys("home", "down", "j", "k").details.startswith("idle")
    driver.keys("/", *"rea", "enter")
    assert driver.details.startswith("read")


def test_long_lists_scroll() -> None:
    driver = Driver({f"f{n:03}": 1 for n in range(100)}, lines=10).keys("2", "m")
    driver.keys("end")
    assert driver.text[-3].endswith("f099")
    driver.keys("pageup")
    assert driver.details.startswith("f094")
    assert len(driver.text) == 10


def test_callers_and_callees() -> None:
    weights = {"main;a;f;x": 30, "main;b;f": 10, "main;b;f;y": 10, "main;c": 50}
    driver = Driver(weights).keys("2", "/", *"^f$", "enter", "enter")
    assert driver.text[0].startswith("demo | 100 samples | callers and callees of f")
    shown = [line.split() for line in driver.text[1:-2] if line]
    assert shown == [["main", "main"], ["a", "b"], ["f"], ["x", "y"]]
    assert driver.details == "f (50 samples, 50.00%)"
    assert driver.keys("up").details == "a (30 samples, 30.00%, 60.00% of what is shown)"
    driver.keys("enter")
    assert "callees of a" in driver.text[0]
    assert driver.keys("1", "3").text[-1] == "choose a function first"


def test_recursion_is_in_the_sandwich_once() -> None:
    driver = Driver({"a;f;g;f": 10}).keys("2", "/", "f", "enter", "enter")
    assert [line for line in driver.text[1:-2] if line] == ["a", "f", "g", "f"]
    assert driver.details.startswith("f (10 samples, 100.00%)")


def test_help_and_the_end() -> None:
    driver = Driver(DEMO, lines=20).keys("?")
    assert any("search (a regular expression)" in line for line in driver.text)
    assert driver.keys("x").text[1] == "all"
    assert not driver.viewer.done
    assert driver.keys("q").viewer.done


def test_the_mouse() -> None:
    driver = Driver(DEMO)
    driver.viewer.click(50, 3)
    assert driver.details.startswith("work")
    driver.viewer.click(50, 3)
    assert driver.text[1] == "work"
    driver.viewer.click(5, 9)  # Nothing is there.
    driver.keys("2")
    driver.viewer.click(0, 3)
    assert driver.details.startswith("read")
    driver.viewer.click(0, 3)
    assert "callees of read" in driver.text[0]


def test_other_sizes() -> None:
    driver = Driver(DEMO).keys("down", "down", "down")
    for columns, lines in ((30, 5), (8, 3), (1, 1), (200, 50), (100, 12)):
        driver.viewer.resize(columns, lines)
        for view in "12":
            driver.keys(view)
            assert all(width(line) <= columns for line in driver.text)
    assert Driver({}).text[1] == "there are no stacks"
    assert Driver({}).keys("down", "enter", "n", "tab", "tab", "3", "left", "end").text


def test_deep_stacks_scroll() -> None:
    driver = Driver({";".join(f"f{n}" for n in range(200)): 5}, lines=10)
    assert driver.keys("pagedown", "pagedown").details.startswith("f11 ")
    assert any(line == "f11" for line in driver.text[1:-2])


def test_frames_have_the_colours_of_their_kind() -> None:
    lines = Driver(DEMO).viewer.lines()
    styles = {part.text.strip(): part.style for line in lines for part in line}
    assert styles["read"] == FRAME + "read_[k]"


@pytest.mark.parametrize(("kind", "end"), ANNOTATIONS.items())
def test_every_kind_has_its_colour_and_its_callers(kind: str, end: str) -> None:
    """No annotation is shown as a part of the name, nor looked for as one."""
    name, palette = split(f"f{end}")
    assert (name, palette != "hot") == ("f", True)
    profile = Profile()
    profile.add([profile.frame("main"), profile.frame("f", kind)])
    keys, weights = drawing.folded(profile)
    stacks = Stacks([key.replace(b";", BETWEEN) for key in keys], weights)
    viewer = Viewer(stacks, profile, "demo")
    for key in ("down", "down", "3"):
        viewer.key(key)
    assert "callers and callees of f" in viewer.lines()[0][0].text


# In a terminal.


class Terminal:
    """A terminal of our own: it knows as much of xterm as curses uses."""

    def __init__(
        self, words: list[str], columns: int = 100, stdin: str = "", term: str = "xterm-256color"
    ) -> None:
        self.at = (0, 0)
        self.last = " "
        self.seen = ""
        environment = {**os.environ, "TERM": term, "LC_ALL": "C.UTF-8"}
        # They would count for more than the size of the terminal.
        for name in ("LINES", "COLUMNS"):
            environment.pop(name, None)
        read, write = os.pipe()
        os.write(write, stdin.encode())
        os.close(write)
        self.pid, self.fd = pty.fork()
        if not self.pid:
            try:
                if stdin:
                    os.dup2(read, 0)
                os.execve(sys.executable, [sys.executable, "-m", "prybee", *words], environment)
            finally:
                os._exit(127)
        os.close(read)
        self.size(columns, 20)

    def size(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self.cells = [[" "] * columns for _ in range(lines)]
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def send(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def wait(self, wanted: str, seconds: float = 60) -> str:
        """The screen, once a text is on it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            text = "\n".join("".join(line).rstrip() for line in self.cells)
            if wanted in text:
                return text
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.feed(os.read(self.fd, 65536).decode(errors="replace"))
                except OSError:
                    break
        raise AssertionError(f"no {wanted!r} on the screen:\n{text}\n{self.seen[-500:]!r}")

    def feed(self, data: str) -> None:
        self.seen += data
        pattern = r"\x1b\[([?>]?)([\d;]*)([@-~])|\x1b[()][0-9A-Z]|\x1b[=>78]|(\n|\r|\x08)|(.)"
        for private, numbers, command, move, text in re.findall(pattern, data):
            line, column = self.at
            if text:
                if column < self.columns and line < self.lines:
                    self.cells[line][column] = self.last = text
                self.at = line, column + 1
            elif move:
                self.at = {
                    "\n": (min(line + 1, self.lines - 1), column), "\r": (line, 0),
                    "\b": (line, max(column - 1, 0)),
                }[move]  # fmt: skip
            elif command and not private:
                self.obey(command, [int(number or 0) for number in numbers.split(";")])

    def obey(self, command: str, numbers: list[int]) -> None:
        line, column = self.at
        first = numbers[0]
        if command == "H":
            self.at = max(first, 1) - 1, max([*numbers, 1][1], 1) - 1
        elif command in "ABCD":
            down, right = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}[command]
            self.at = line + down * max(first, 1), column + right * max(first, 1)
        elif command == "G":
            self.at = line, max(first, 1) - 1
        elif command == "d":
            self.at = max(first, 1) - 1, column
        elif command == "b":
            self.feed(self.last * first)
        elif command in "P@":
            row = self.cells[line]
            blanks = [" "] * max(first, 1)
            if command == "P":
                row[column:] = row[column + len(blanks) :] + blanks
            else:
                row[column:] = (blanks + row[column:])[: self.columns - column]
        elif command in "JKX":
            ends = {"J": self.columns, "K": self.columns, "X": column + first}[command]
            begins = 0 if command != "X" and first in (1, 2) else column
            if command == "K" and first == 1:
                ends = column + 1
            self.cells[line][begins:ends] = [" "] * (min(ends, self.columns) - begins)
            if command == "J":
                first_line = 0 if first == 2 else line + 1
                for number in range(first_line, self.lines):
                    self.cells[number] = [" "] * self.columns

    def end(self) -> int:
        """The exit status."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("it does not end")


@pytest.fixture
def demo(tmp_path: Path) -> str:
    path = tmp_path / "demo.folded"
    path.write_text("".join(f"{stack} {weight}\n" for stack, weight in DEMO.items()))
    return str(path)


def test_in_a_terminal(demo: str) -> None:
    terminal = Terminal(["flame", "view", demo])
    assert "100 samples | graph" in terminal.wait("? help")
    assert "48;5;" in terminal.seen
    terminal.send("jj\r")
    terminal.wait("in work")
    terminal.send("\x1bOB")  # Down, as terminals send it to programs that ask for keys.
    terminal.wait("77.78% of what is shown")
    terminal.send("/alloc\r")
    terminal.wait("/alloc/ 10.0%")
    terminal.send("\t")
    terminal.wait("parse: 60 samples own")
    terminal.size(60, 10)
    terminal.wait("parse: 60 samples own")
    terminal.send("\r")
    terminal.wait("callees of parse")
    # A click on the caller above.
    assert "1006" in terminal.seen
    terminal.send("\x1b[<0;20;3M\x1b[<0;20;3m")
    terminal.wait("work (70 samples")
    terminal.send("?")
    terminal.wait("zoom out to the caller")
    terminal.send("xq")
    assert terminal.end() == 0


def test_a_pipe_and_a_terminal(demo: str) -> None:
    terminal = Terminal(["flame", "view", "-"], stdin="a;b 3\n")
    terminal.wait("3 samples | graph")
    terminal.send("q")
    assert terminal.end() == 0


def test_a_terminal_that_can_do_nothing(demo: str) -> None:
    terminal = Terminal(["flame", "view", demo], term="no-such-terminal")
    assert terminal.end() == 1
    assert "the terminal cannot show this" in terminal.seen
    assert "HINT: --print prints it once" in terminal.seen


def test_printed_to_a_terminal(demo: str) -> None:
    terminal = Terminal(["flame", "view", demo, "--print"], columns=50)
    assert terminal.end() == 0
    assert re.search(r"\x1b\[48;[25];[\d;]+;38;5;16mread +\x1b", terminal.seen)
