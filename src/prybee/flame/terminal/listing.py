"""The list of functions of the viewer: its order, the function that is chosen, what is seen."""

from __future__ import annotations

from prybee.flame.terminal.cells import fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.flame.summary import Function

# By own weight, with all that they call, by name.
ORDERS: dict[str, Callable[[Function], tuple[object, ...]]] = {
    "s": lambda each: (-each.own, -each.all, each.name),
    "a": lambda each: (-each.all, -each.own, each.name),
    "m": lambda each: (each.name,),
}
_HEAD = {
    "s": "  own*     all  function",
    "a": "  own     all*  function",
    "m": "  own      all  function*",
}


class Listing:
    """Functions in an order.

    Args:
        functions: all of them.
        total: the weight of everything.

    Attributes:
        at: the place of the one that is chosen.
    """

    def __init__(self, functions: list[Function], total: float) -> None:
        self._functions = sorted(functions, key=ORDERS["s"])
        self._total = total
        self._order = "s"
        self._first = 0
        self.at = 0

    @property
    def chosen(self) -> Function | None:
        """The function that is chosen; None if there are none."""
        return self._functions[self.at] if self._functions else None

    def has(self, name: str) -> bool:
        """Whether there is a function of that name."""
        return any(each.name == name for each in self._functions)

    def rows(self, room: int, width: int) -> list[tuple[str, str | None, bool]]:
        """Lines with the names of their functions and whether they are chosen; first the head.

        Args:
            room: lines.
            width: columns.
        """
        room = max(room - 1, 1)
        last = max(len(self._functions) - room, 0)
        self._first = min(max(self._first, self.at - room + 1), self.at, last)
        found: list[tuple[str, str | None, bool]] = [(fit(_HEAD[self._order], width), None, False)]
        for place in range(self._first, min(len(self._functions), self._first + room)):
            each = self._functions[place]
            text = f"{self._part(each.own)}  {self._part(each.all)}  {each.name}"
            found.append((fit(text, width), each.name, place == self.at))
        return found

    def move(self, by: int) -> None:
        """Chooses the function so many below."""
        self.at = min(max(self.at + by, 0), max(len(self._functions) - 1, 0))

    def order(self, key: str) -> None:
        """Sorts them by one of ``ORDERS``, and chooses the first."""
        self._order = key
        self._functions.sort(key=ORDERS[key])
        self.at = 0

    def find(self, wanted: Callable[[str], bool], step: int) -> bool:
        """Chooses the next whose name is wanted, around the end; whether there is one."""
        count = len(self._functions)
        for distance in range(1, count + 1):
            place = (self.at + step * distance) % count
            if wanted(self._functions[place].name):
                self.at = place
                return True
        return False

    def choose(self, row: int) -> bool:
        """Chooses the function in a line below the head; whether there is one."""
        place = self._first + row
        if row < 0 or place >= len(self._functions):
            return False
        self.at = place
        return True

    def _part(self, weight: float) -> str:
        return f"{100 * weight / self._total:5.1f}%" if self._total else "     -"
