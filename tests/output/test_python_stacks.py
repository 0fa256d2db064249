"""``pystack`` as text, and in the chains of folded output."""

from __future__ import annotations

import struct

from prybee.output.folding import parts
from prybee.output.names import Names, python_words
from prybee.output.sink import Sink
from prybee.output.text import TextOutput
from prybee.output.values import TextStyle
from prybee.plan import layouts
from prybee.symbols.python.stacks import Function

LIMIT = 4
PYTHON = layouts.StackLayout(16 + 8 * LIMIT, True, "python", LIMIT)
USER = PYTHON.replace(mode="raw")
COMM = layouts.StringLayout(16)


class Python:
    """Words are numbers of functions, times ten, and the line."""

    FUNCTIONS = (Function("main", "/a b/x+y.py", 1), Function("A.<lambda>", "<string>", 5))

    def function(self, word: int) -> Function | None:
        return self.FUNCTIONS[word // 10] if word // 10 < len(self.FUNCTIONS) else None

    def line(self, word: int) -> int:
        return word % 10


def names() -> Names:
    found = Names()
    found.python = Python()
    return found


def stack(*words: int, count: int | None = None) -> bytes:
    padded = (*words, *(0,) * (LIMIT - len(words)))
    return struct.pack(f"<iIII{LIMIT}Q", len(words) if count is None else count, 9, 0, 0, *padded)


def test_text() -> None:
    show = TextStyle(names()).one(PYTHON)
    assert show(stack(13, 0)) == (
        b"\n        A.<lambda> (<string>:3)\n        main (/a b/x+y.py)\n"
    )
    assert show(stack(99)) == b"\n        [unknown]\n"
    assert show(stack()) == b"\n"


def test_words_are_no_more_than_there_is_room_for() -> None:
    assert python_words(stack(1, 2)) == (1, 2)
    assert python_words(stack(1, 2, 3, 4, count=100)) == (1, 2, 3, 4)
    assert python_words(stack(count=-14)) == ()


def test_chains() -> None:
    """Tuples with stacks are taken apart; Python's functions come behind the native ones."""
    both = layouts.TupleLayout(
        USER.size + PYTHON.size,
        (layouts.Field("", 0, PYTHON), layouts.Field("", PYTHON.size, USER)),
    )
    key = layouts.TupleLayout(
        16 + both.size, (layouts.Field("", 0, COMM), layouts.Field("", 16, both))
    )
    found = parts(key, TextOutput(Sink(-1), Sink(-1), names()))
    assert [(offset, layout) for offset, layout, _ in found] == [
        (0, COMM), (16 + PYTHON.size, USER), (16, PYTHON),
    ]  # fmt: skip
    data = b"x".ljust(16, b"\0") + stack(13, 0, 99) + stack(0x10)
    chain = [
        frame
        for offset, layout, show in found
        for frame in show(data[offset : offset + layout.size])
    ]
    assert chain == [b"x", b"10", b"[unknown]", b"main", b"A.<lambda>"]
