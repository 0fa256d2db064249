"""Lines of text, as the readers of all text formats want them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """(number, text) of each line, from 1, without its end; any bytes are kept."""
    for number, line in enumerate(lines, 1):
        yield number, line.decode(errors="surrogateescape").rstrip("\n")
