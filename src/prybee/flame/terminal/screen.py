"""Shows the viewer with curses, and gives it keys, clicks and sizes."""

from __future__ import annotations

import curses
import os

from prybee.flame.terminal import colours
from prybee.flame.terminal.viewer import BAR, DIM, FRAME, MATCH, SELECTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.terminal.viewer import Segment, Viewer

_KEYS = {
    curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_LEFT: "left",
    curses.KEY_RIGHT: "right", curses.KEY_ENTER: "enter", curses.KEY_BACKSPACE: "backspace",
    curses.KEY_HOME: "home", curses.KEY_END: "end", curses.KEY_PPAGE: "pageup",
    curses.KEY_NPAGE: "pagedown", curses.KEY_BTAB: "tab",
    "\n": "enter", "\r": "enter", "\t": "tab", "\x1b": "escape", "\x7f": "backspace",
    "\b": "backspace",
}  # fmt: skip
_REDRAW = "\x0c"  # Ctrl-L
# Milliseconds after Escape in which what follows belongs to it.
_ESCAPE_DELAY = 25
# The first pair of colours that is free.
_FIRST_PAIR = 4


def run(viewer: Viewer) -> None:
    """Shows a viewer until it is done.

    Args:
        viewer: what is shown.

    Raises:
        curses.error: the terminal cannot do that.
    """
    curses.set_escdelay(_ESCAPE_DELAY)
    try:
        curses.wrapper(lambda window: _Screen(window, viewer).run())
    except KeyboardInterrupt:
        pass


def from_terminal() -> None:
    """Makes the terminal standard input, which was a pipe with the profile.

    Raises:
        OSError: there is no terminal.
    """
    terminal = os.open("/dev/tty", os.O_RDWR)
    os.dup2(terminal, 0)
    os.close(terminal)


class _Screen:
    def __init__(self, window: curses.window, viewer: Viewer) -> None:
        self._window = window
        self._viewer = viewer
        self._pairs: dict[int, int] = {}
        self._styles = {SELECTED: curses.A_REVERSE | curses.A_BOLD, DIM: curses.A_DIM}
        self._many = False
        if curses.has_colors():
            curses.use_default_colors()
            self._many = curses.COLORS >= 256
            curses.init_pair(1, curses.COLOR_WHITE, curses.COLOR_BLUE)
            curses.init_pair(2, curses.COLOR_BLACK, curses.COLOR_MAGENTA)
            curses.init_pair(3, curses.COLOR_BLACK, curses.COLOR_YELLOW)
            self._styles[BAR] = curses.color_pair(1)
            self._styles[MATCH] = curses.color_pair(2)
        else:
            self._styles[BAR] = curses.A_REVERSE
            self._styles[MATCH] = curses.A_UNDERLINE | curses.A_BOLD
        try:
            curses.curs_set(0)
            curses.mousemask(curses.BUTTON1_CLICKED | curses.BUTTON1_PRESSED)
            curses.mouseinterval(0)
        except curses.error:
            pass  # Some terminals have no cursor to hide, or no mouse.

    def run(self) -> None:
        while not self._viewer.done:
            height, width = self._window.getmaxyx()
            self._viewer.resize(width, height)
            self._show()
            self._take()

    def _take(self) -> None:
        try:
            key = self._window.get_wch()
        except curses.error:
            return  # A signal came between.
        if key == curses.KEY_MOUSE:
            try:
                _, column, line, _, _ = curses.getmouse()
            except curses.error:
                return
            self._viewer.click(column, line)
        elif key == curses.KEY_RESIZE:
            curses.update_lines_cols()
        elif key == _REDRAW:
            self._window.redrawwin()
        elif key in _KEYS:
            self._viewer.key(_KEYS[key])
        elif isinstance(key, str) and key.isprintable():
            self._viewer.key(key)

    def _show(self) -> None:
        window = self._window
        window.erase()
        height, _ = window.getmaxyx()
        for place, segments in enumerate(self._viewer.lines()[:height]):
            try:
                window.move(place, 0)
                for segment in segments:
                    window.addstr(segment.text, self._style(segment))
            except curses.error:
                pass  # The last column of the last line is behind the end.
        window.refresh()

    def _style(self, segment: Segment) -> int:
        if not segment.style.startswith(FRAME):
            return self._styles.get(segment.style, 0)
        shade = colours.colour(segment.style.removeprefix(FRAME))
        if not self._many:
            return curses.color_pair(3) if curses.has_colors() else curses.A_STANDOUT
        background = colours.cube(shade)
        pair = self._pairs.get(background)
        if pair is None:
            pair = self._pairs[background] = _FIRST_PAIR + len(self._pairs)
            curses.init_pair(pair, colours.BLACK, background)
        return curses.color_pair(pair)
