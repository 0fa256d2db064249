"""Lines of text, as the readers of all text formats want them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """(number, text) of each line, from 1, without its end; any bytes are kept.

    The mark that Windows puts at the beginning of a text is no part of it.
    """
    for number, line in enumerate(lines, 1):
        text = line.decode(errors="surrogateescape").rstrip("\r\n")
        yield number, text.removeprefix("\ufeff") if number == 1 else text
