"""Keys of maps as prybee and bpftrace print them, taken apart."""

from __future__ import annotations

# A list of frames, the leaf first, or a scalar's text.
Element = str | list[str]


def elements(key: str, separator: str) -> list[Element]:
    """The parts of a key, those of tuples in it among them.

    Args:
        key: its text. A stack begins with a line's end, and each of its frames has its own line.
        separator: what is between parts.
    """
    found: list[Element] = []
    depth = 0  # Of tuples.
    at = 0
    while at < len(key):
        if key[at] == "(":
            depth += 1
            at += 1
            continue
        if key[at] == "\n":
            at, frames = _stack(key, at + 1)
            found.append(frames)
        else:
            end = key.find(separator, at)
            end = len(key) if end < 0 else end
            text = key[at:end]
            while depth and text.endswith(")"):
                text = text[:-1]
                depth -= 1
            found.append(text)
            at = end
        while depth and key.startswith(")", at):
            depth -= 1
            at += 1
        if key.startswith(separator, at):
            at += len(separator)
        elif key.startswith(separator.rstrip(), at):
            at += len(separator.rstrip())
    return found


def _stack(key: str, at: int) -> tuple[int, list[str]]:
    """Where a stack ends, and its frames."""
    frames = []
    while at < len(key) and key[at] not in ",)":
        end = key.find("\n", at)
        end = len(key) if end < 0 else end
        frames.append(key[at:end].strip())
        at = end + 1
    return min(at, len(key)), [frame for frame in frames if frame]
