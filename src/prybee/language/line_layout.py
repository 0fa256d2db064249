"""One logical line of a formatted script, cut where it is too long.

A line is cut behind commas of its outermost parentheses, and what follows is put below the first
word behind the opening one; a line without such commas stays as long as it is.
"""

from __future__ import annotations

# Columns of a line; bpftrace's formatter has the same.
WIDTH = 80


class Line:
    """Words of one logical line, with the places where it may be cut."""

    __slots__ = ("_continued", "_cuts", "_depth", "_indent", "words")

    def __init__(self, indent: str, first: str = "", continued: bool = False) -> None:
        """``continued``: the line goes on behind a comment in the middle of a statement."""
        self._indent = indent
        self._continued = continued
        self.words: list[str] = [first] if first else []
        # Indexes of words that may begin a new line; how many parentheses are open at each word.
        self._cuts: list[int] = []
        self._depth: list[int] = [0] if first else []

    def __bool__(self) -> bool:
        return bool(self.words)

    def add(self, text: str, space: bool, depth: int = 0) -> None:
        """Put ``text`` behind what is there, with a blank before it if ``space``."""
        if self.words and space:
            if self.words[-1].rstrip().endswith(","):
                self._cuts.append(len(self.words))
            text = " " + text
        self.words.append(text)
        self._depth.append(depth)

    def text(self) -> list[str]:
        """The line, or the lines that it is cut into."""
        indent = self._indent + ("    " if self._continued else "")
        whole = indent + "".join(self.words)
        if len(whole) <= WIDTH or not self._cuts:
            return [whole.rstrip()]
        outer = min(self._depth[cut] for cut in self._cuts)
        cuts = {cut for cut in self._cuts if self._depth[cut] == outer}
        opening = next(
            (
                index
                for index, word in enumerate(self.words)
                if word.strip() in ("(", "[") and self._depth[index] >= outer
            ),
            -1,
        )
        column = len(indent) + sum(map(len, self.words[: opening + 1]))
        lines = [indent]
        pieces = self._pieces(cuts)
        for number, piece in enumerate(pieces):
            if number and len(lines[-1]) + len(piece) > WIDTH:
                lines.append(" " * column + piece.lstrip())
            else:
                lines[-1] += piece
        return [line.rstrip() for line in lines]

    def _pieces(self, cuts: set[int]) -> list[str]:
        pieces = [""]
        for index, word in enumerate(self.words):
            if index in cuts:
                pieces.append("")
            pieces[-1] += word
        return pieces
