"""The interactive viewer without a terminal: keys change what is shown, which is lines of segments.

``prybee.flame.terminal.screen`` shows them with curses.
"""

from __future__ import annotations

from prybee.data import Data
from prybee.flame.summary import functions
from prybee.flame.terminal import colours, stacks
from prybee.flame.terminal.cells import fit
from prybee.flame.terminal.graph import rows
from prybee.flame.terminal.grid import Grid
from prybee.flame.terminal.listing import ORDERS, Listing
from prybee.flame.terminal.search import Search
from prybee.flame.writers.folded import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prybee.flame.layout import Stacks
    from prybee.flame.profile import Profile

# Views.
GRAPH, LIST, SANDWICH, HELP = "graph", "functions", "callers and callees", "help"
# Styles of segments; that of a frame is its name behind the mark.
PLAIN, BAR, SELECTED, MATCH, DIM = "plain", "bar", "selected", "match", "dim"
FRAME = "frame:"
# Rows of a graph that are looked at.
_DEEPEST = 1000
# Lines of the screen that are not of the view.
_AROUND = 3
# More than there are of anything.
_FAR = 1 << 30
HELP_TEXT = """\
arrows, hjkl   to the frame beside, above or below
Enter          zoom to the frame; of the list: its callers
u, Backspace   zoom out to the caller
z, Esc         zoom out to everything
/  n N         search (a regular expression); next, previous
Tab, 1 2 3     graph; list of functions; callers and callees
s a m          order: own weight, with what they call, name
i              the root at the bottom, or at the top
r              merge from the leaves, and back
PgUp PgDn      a page up and down
Home End       to the first and the last
? q            this text; quit
The mouse chooses a frame; on the chosen one, it zooms."""


class Segment(Data):
    """A piece of a line.

    Attributes:
        text: what is shown.
        style: one of the constants of this module, or ``FRAME`` and the frame's name.
    """

    text: str
    style: str = PLAIN


class Viewer:
    """What is shown, and how keys change it.

    Args:
        all_stacks: of the profile; annotations of names tell their colours.
        profile: the same.
        title: of it.
        notes: what is missing, a few words each.

    Attributes:
        done: it is to end.
    """

    def __init__(
        self, all_stacks: Stacks, profile: Profile, title: str, notes: Sequence[str] = ()
    ) -> None:
        self.done = False
        self._title = title
        self._notes = notes
        self._unit = profile.unit
        self._stacks = all_stacks
        self._backward: Stacks | None = None
        self._listing = Listing(functions(profile), all_stacks.total)
        self._size = 80, 24
        self._view = self._back = GRAPH
        self._upwards = False
        self._reversed = False
        self._path: list[bytes] = []
        self._function = ""
        self._search = Search()
        self._typed: str | None = None
        self._message = ""
        self._arrange()

    # What is shown.

    def resize(self, width: int, height: int) -> None:
        """The terminal has another size."""
        if (width, height) != self._size:
            self._size = width, height
            self._rearrange()

    def lines(self) -> list[list[Segment]]:
        """The lines of the screen, from the top."""
        width, height = self._size
        room = max(height - _AROUND, 1)
        if self._view == HELP:
            body = [[Segment(fit(line, width))] for line in HELP_TEXT.splitlines()][:room]
        elif self._view == LIST:
            body = self._listed(room)
        else:
            body = self._drawn(room)
        body += [[] for _ in range(room - len(body))]
        return [[self._heading()], *body, [Segment(fit(self._details(), width))], [self._foot()]]

    def _heading(self) -> Segment:
        total = self._stacks.total
        parts = [self._title, f"{number(total)} {self._unit}", self._view]
        if self._view == SANDWICH:
            parts[-1] += f" of {self._function}"
        if self._reversed:
            parts.append("from the leaves")
        if self._path:
            parts.append(f"in {_text(self._path[-1])}")
        if self._search:
            parts.append(str(self._search))
        return Segment(fit(" | ".join(parts), self._size[0]), BAR)

    def _foot(self) -> Segment:
        width = self._size[0]
        if self._typed is not None:
            return Segment(fit(f"/{self._typed}", width))
        if self._message:
            return Segment(fit(self._message, width), BAR)
        keys = "? help  q quit  / search  Enter zoom  u out  Tab view"
        return Segment(fit("  ".join((keys, *self._notes)), width), DIM)

    def _drawn(self, room: int) -> list[list[Segment]]:
        grid = self._grid
        if not grid.rows:
            return [[Segment("there are no stacks")]]
        grid.scroll(room)
        lines = []
        for row, bars in enumerate(grid.rows[grid.top : grid.top + room], grid.top):
            segments: list[Segment] = []
            at = 0
            for place, bar in enumerate(bars):
                if bar.column > at:
                    segments.append(Segment(" " * (bar.column - at)))
                at = bar.column + bar.columns
                style = FRAME + bar.box.name
                if (row, place) == (grid.row, grid.place):
                    style = SELECTED
                elif self._search.matches(bar.box.name):
                    style = MATCH
                segments.append(Segment(fit(self._label(bar.box.name), bar.columns), style))
            lines.append(segments)
        return lines

    def _label(self, name: str) -> str:
        """A frame's name; the root of a graph is what was zoomed to."""
        if name:
            return colours.split(name)[0]
        return _text(self._path[-1]) if self._path else "all"

    def _listed(self, room: int) -> list[list[Segment]]:
        lines = []
        for text, name, chosen in self._listing.rows(room, self._size[0]):
            style = DIM if name is None else SELECTED if chosen else PLAIN
            if style == PLAIN and name is not None and self._search.matches(name):
                style = MATCH
            lines.append([Segment(text, style)])
        return lines

    def _details(self) -> str:
        total = self._stacks.total
        if self._view == HELP or not total:
            return ""
        if self._view == LIST:
            each = self._listing.chosen
            if each is None:
                return ""
            return f"{each.name}: {number(each.own)} {self._unit} own, {number(each.all)} in all"
        bar = self._grid.chosen
        if bar is None:
            return ""
        weight = bar.box.end - bar.box.start
        shares = f"{100 * weight / total:.2f}%"
        shown = self._grid.rows[self._grid.root][-1].box.end
        if shown not in (total, weight):
            shares += f", {100 * weight / shown:.2f}% of what is shown"
        return f"{self._label(bar.box.name)} ({number(weight)} {self._unit}, {shares})"

    # What stands where.

    def _arrange(self) -> None:
        """Finds what stands in which row."""
        width = self._size[0]
        if self._view == SANDWICH:
            callers, callees = stacks.around(self._stacks, self._function)
            # Both begin with a root, and then the function.
            above, below = (rows(each, width, _DEEPEST)[1:] for each in (callers, callees))
            self._grid = Grid([*above[:0:-1], *below], max(len(above) - 1, 0))
            return
        found = rows(stacks.above(self._shown, self._path), width, _DEEPEST)
        self._grid = Grid(found[::-1], len(found) - 1) if self._upwards else Grid(found, 0)
        self._grid.row = max(self._grid.row, 0)

    @property
    def _shown(self) -> Stacks:
        if not self._reversed:
            return self._stacks
        if self._backward is None:
            self._backward = stacks.reversed_(self._stacks)
        return self._backward

    def _rearrange(self) -> None:
        """Finds what stands in which row, and chooses the same frame again."""
        names = [bar.box.name for bar in self._grid.path()]
        self._arrange()
        self._follow(names)

    def _follow(self, names: Sequence[str]) -> None:
        """Chooses the frame at the end of a path from the root, or as near as there is one."""
        grid = self._grid
        step = 1 if grid.root == 0 else -1
        for name in names[1:]:
            here = grid.chosen
            row = grid.row + step
            if here is None or not 0 <= row < len(grid.rows):
                return
            for place, bar in enumerate(grid.rows[row]):
                if bar.box.name == name and here.box.start <= bar.box.start < here.box.end:
                    grid.row, grid.place = row, place
                    break
            else:
                return

    # Keys.

    def key(self, key: str) -> None:
        """What a key does.

        Args:
            key: a character, or ``up down left right enter escape backspace home end pageup
                pagedown tab``.
        """
        self._message = ""
        if self._typed is not None:
            self._type(key)
        elif self._view == HELP:
            self._view = self._back
            self.done = key == "q"
        elif key in _KEYS:
            _KEYS[key](self)
        elif self._view == LIST:
            self._key_of_list(key)
        else:
            self._key_of_graph(key)

    def click(self, column: int, line: int) -> None:
        """The mouse chooses what is there, or acts on it if it is chosen already.

        Args:
            column, line: of the screen, from 0.
        """
        if self._view == LIST:
            before = self._listing.at
            if self._listing.choose(line - 2) and before == self._listing.at:
                self.key("enter")
        elif self._view != HELP and line >= 1:
            here = self._grid.row, self._grid.place
            if self._grid.choose(line - 1, column) and here == (self._grid.row, self._grid.place):
                self.key("enter")

    def _key_of_graph(self, key: str) -> None:
        grid, step = self._grid, self._step(key)
        if step is not None:
            grid.vertically(step)
        elif key in ("left", "h", "right", "l"):
            grid.horizontally(1 if key in ("right", "l") else -1)
        elif key == "home":
            grid.horizontally(-_FAR)
        elif key == "end":
            grid.horizontally(_FAR)
        elif key == "enter":
            self._enter()
        elif key in ("n", "N") and self._search:
            if not grid.find(self._search.matches, 1 if key == "n" else -1):
                self._message = "nothing that is shown matches"
        elif key in ("u", "backspace") and self._path:
            names = self._path.pop()
            self._arrange()
            self._follow(["", _text_of(names)])
        elif key in ("z", "escape") and self._path:
            self._path = []
            self._arrange()
        elif key == "i":
            self._upwards = not self._upwards
            self._rearrange()
        elif key == "r":
            self._reversed = not self._reversed
            self._path = []
            self._arrange()

    def _enter(self) -> None:
        bar = self._grid.chosen
        if bar is None:
            return
        if self._view == SANDWICH:
            self._function = colours.split(bar.box.name)[0]
            self._arrange()
            return
        names = [each.box.name for each in self._grid.path()[1:]]
        if names:
            self._path = [*self._path, *(_bytes(name) for name in names)]
            self._arrange()

    def _key_of_list(self, key: str) -> None:
        step = self._step(key)
        if step is not None:
            self._listing.move(step)
        elif key in ("home", "end"):
            self._listing.move(_FAR if key == "end" else -_FAR)
        elif key in ORDERS:
            self._listing.order(key)
        elif key == "enter":
            self._show(SANDWICH)
        elif key in ("n", "N") and self._search:
            self._listing.find(self._search.matches, 1 if key == "n" else -1)

    def _step(self, key: str) -> int | None:
        """Rows that a key moves by."""
        page = max(self._size[1] - _AROUND - (self._view == LIST) - 1, 1)
        steps = {"down": 1, "j": 1, "up": -1, "k": -1, "pagedown": page, "pageup": -page}
        return steps.get(key)

    def _show(self, view: str) -> None:
        """Another view; that of callers and callees is of what is chosen."""
        if view == SANDWICH:
            if self._view == LIST and self._listing.chosen is not None:
                self._function = self._listing.chosen.name
            elif self._view == GRAPH and self._grid.chosen is not None:
                self._function = self._label(self._grid.chosen.box.name)
            if not self._listing.has(self._function):
                self._message = "choose a function first"
                return
        self._view = view
        self._arrange()

    def _next_view(self) -> None:
        order = (GRAPH, LIST, SANDWICH)
        self._show(order[(order.index(self._view) + 1) % len(order)])
        if self._message:
            self._show(GRAPH)

    def _help(self) -> None:
        self._back, self._view = self._view, HELP

    def _quit(self) -> None:
        self.done = True

    def _ask(self) -> None:
        self._typed = ""

    def _type(self, key: str) -> None:
        """A key while a term is typed."""
        assert self._typed is not None
        if key == "escape":
            self._typed = None
        elif key == "backspace":
            self._typed = self._typed[:-1]
        elif key == "enter":
            term, self._typed = self._typed, None
            self._message = self._search.begin(term, self._stacks)
            if term and not self._message:
                self.key("n")
        elif len(key) == 1:
            self._typed += key


_KEYS: dict[str, Callable[[Viewer], None]] = {
    "q": Viewer._quit,
    "?": Viewer._help,
    "/": Viewer._ask,
    "tab": Viewer._next_view,
    "1": lambda viewer: viewer._show(GRAPH),
    "2": lambda viewer: viewer._show(LIST),
    "3": lambda viewer: viewer._show(SANDWICH),
}


def _text_of(name: bytes) -> str:
    """A name as it is in stacks."""
    return name.decode(errors="replace")


def _text(name: bytes) -> str:
    """A name without its annotation."""
    return colours.split(_text_of(name))[0]


def _bytes(name: str) -> bytes:
    return name.encode(errors="replace")
