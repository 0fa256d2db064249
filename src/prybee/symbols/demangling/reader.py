"""The characters of a mangled name, taken from the front."""

from __future__ import annotations

import re

from prybee.symbols.demangling.nodes import Failure


class Reader:
    """A place in a name, and the numbers of the Itanium ABI."""

    def __init__(self, name: str, at: int) -> None:
        self.name = name
        self.at = at

    def peek(self, count: int = 1) -> str:
        """The next characters, fewer at the end."""
        return self.name[self.at : self.at + count]

    def take(self, text: str) -> bool:
        """Steps over ``text`` if it comes next."""
        if self.name.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def expect(self, text: str) -> None:
        """Steps over ``text``, which has to come next."""
        if not self.take(text):
            raise Failure(f"{text} expected")

    def number(self) -> int:
        """A decimal number, negative with an ``n`` before it."""
        negative = self.take("n")
        start = self.at
        while self.peek().isdigit():
            self.at += 1
        if self.at == start or not self.name[start : self.at].isascii():
            raise Failure("number expected")
        value = int(self.name[start : self.at])
        return -value if negative else value

    def sequence_number(self) -> int:
        """``_`` is 0, ``0_`` is 1, ``A_`` is 11: base 36."""
        end = self.name.find("_", self.at)
        digits = self.name[self.at : end]
        if end < 0 or not re.fullmatch("[0-9A-Z]*", digits):
            raise Failure("sequence number expected")
        self.at = end + 1
        return int(digits, 36) + 1 if digits else 0

    def small_number(self) -> int:
        """``_`` is 0, ``0_`` is 1, ``12_`` is 13."""
        if self.take("_"):
            return 0
        value = self.number()
        self.expect("_")
        return value + 1
