"""The data of the page that shows a profile: names, a tree, and the samples one by one.

All numbers behind the names are of variable length: a tree in pre-order and columns with
differences of times are short then, and deflated shorter still.
"""

from __future__ import annotations

import json

from prybee.data import Data
from prybee.flame.samples import CLOCK
from prybee.flame.writers.varint import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from prybee.flame.profile import Profile
    from prybee.flame.samples import Samples

# Of longer profiles times are in microseconds, unless they are spans of a trace.
_FINE = 1_000_000_000
_MICROSECOND = 1000


class _Stacks(Data):
    """All stacks of one or two profiles.

    Attributes:
        table: frames as the page has them: name, kind, module.
        keys: stacks of indexes into the table with their weights, the one before last, in order.
        numbers: for each profile, the indexes of its frames.
        scale: what weights are multiplied by to be whole numbers.
    """

    table: list[tuple[str, str, str]]
    keys: list[tuple[tuple[int, ...], list[float]]]
    numbers: list[list[int]]
    scale: int


def payload(profile: Profile, before: Profile | None = None) -> bytes:
    """Names, tree and samples.

    Four bytes of length (little-endian) and JSON, which has the ``frames`` as ``[name, kind,
    module]``, the number of ``nodes``, the weights of stacks without a frame (``root``) and, if
    there are samples, what is to be known of their columns. Then for each node in pre-order: how
    many levels up from the node before its parent is, the frame, the weight of the stacks that end
    here, and, compared, that before. Then the columns one after the other: node, time, weight,
    thread, CPU, labels. Numbers are in groups of seven bits, the lowest first; weights with
    fractions are in thousandths (``scale``), those below zero are zero.
    """
    both = [profile] if before is None else [profile, before]
    stacks = _stacks(both)
    places: dict[tuple[int, ...], int] = {}
    tree, nodes = _tree(stacks, before is not None, places)
    head: dict[str, Any] = {
        "scale": stacks.scale,
        "frames": stacks.table,
        "nodes": nodes,
        "root": next(
            ([w * stacks.scale for w in pair] for key, pair in stacks.keys if not key), []
        ),
        "samples": None,
    }
    kept = [each.samples for each in both if each.samples is not None and len(each.samples)]
    columns: list[bytes] = []
    if len(kept) == len(both):
        head["samples"] = _samples(kept, stacks, places, columns)
    text = json.dumps(head, separators=(",", ":")).encode(errors="replace")
    return b"".join([len(text).to_bytes(4, "little"), text, tree, *columns])


def _stacks(profiles: Sequence[Profile]) -> _Stacks:
    frames: dict[tuple[str, str, str], int] = {}
    weights: dict[tuple[int, ...], list[float]] = {}
    first: list[list[int]] = []
    for which, each in enumerate(profiles):
        numbers = [
            frames.setdefault((frame.name, frame.kind, frame.module), len(frames))
            for frame in each.frames
        ]
        first.append(numbers)
        for stack, weight in each.weights.items():
            key = tuple([numbers[frame] for frame in stack])
            weights.setdefault(key, [0, 0])[which] += weight
    scale = 1
    if any(weight != int(weight) for pair in weights.values() for weight in pair):
        scale = 1000
    table = list(frames)
    # By name, as flame graphs are: the order of frames in the data is the order of siblings.
    order = sorted(range(len(table)), key=lambda frame: table[frame][0])
    place = {frame: number for number, frame in enumerate(order)}
    return _Stacks(
        [table[frame] for frame in order],
        sorted((tuple([place[frame] for frame in key]), pair) for key, pair in weights.items()),
        [[place[frame] for frame in numbers] for numbers in first],
        scale,
    )


def _tree(stacks: _Stacks, compared: bool, places: dict[tuple[int, ...], int]) -> tuple[bytes, int]:
    """The tree, and how many nodes it has; each stack gets the number of its last in ``places``."""
    data = bytearray()
    path: tuple[int, ...] = ()
    scale = stacks.scale
    nodes = 0
    # Of a frame that no stack ends with: it is right on the one before, and has no weight.
    inner = b"\0\0" if compared else b"\0"
    for key, pair in stacks.keys:
        if not key:
            continue  # The root's, which the head has.
        common = 0
        for one, other in zip(path, key, strict=False):
            if one != other:
                break
            common += 1
        data += encode(len(path) - common)
        for frame in key[common:-1]:
            data += encode(frame)
            data += inner
            data.append(0)
        data += encode(key[-1])
        data += encode(max(round(pair[0] * scale), 0))
        if compared:
            data += encode(max(round(pair[1] * scale), 0))
        nodes += len(key) - common
        places[key] = nodes
        path = key
    return bytes(data), nodes


def _samples(
    kept: Sequence[Samples],
    stacks: _Stacks,
    places: dict[tuple[int, ...], int],
    columns: list[bytes],
) -> dict[str, Any]:
    """Adds the columns, and tells what they are."""
    places[()] = 0
    rows = [sorted(range(len(each)), key=each.time.__getitem__) for each in kept]
    known = all(each.clock == kept[0].clock and min(each.time) >= 0 for each in kept)
    clock = kept[0].clock if known else ""
    spans = kept[0].spans
    tick = 1
    if clock == CLOCK and not spans:
        longest = max(max(each.time) - each.begin for each in kept)
        tick = _MICROSECOND if longest >= _FINE else 1
    nodes: list[int] = []
    times: list[int] = []
    for which, each in enumerate(kept):
        numbers = stacks.numbers[which]
        own = [places[tuple([numbers[frame] for frame in stack])] for stack in each.stacks]
        nodes += [own[each.stack[row]] for row in rows[which]]
        begin = each.begin
        moments = [(each.time[row] - begin) // tick for row in rows[which]]
        times += [now - last for last, now in zip([0, *moments], moments, strict=False)]
    columns.append(_column(nodes))
    if clock:
        columns.append(_column(times))
    weights = [each.weight[row] for each, own in zip(kept, rows, strict=True) for row in own]
    same = len(set(weights)) == 1
    if not same:
        columns.append(_column(max(round(weight * stacks.scale), 0) for weight in weights))
    threads = {thread: 0 for each in kept for thread in each.threads}
    threads = {thread: number for number, thread in enumerate(threads)}
    if len(threads) > 1:
        columns.append(
            _column(
                threads[each.threads[each.thread[row]]]
                for each, own in zip(kept, rows, strict=True)
                for row in own
            )
        )
    cpus = any(max(each.cpu) >= 0 for each in kept)
    if cpus:
        columns.append(
            _column(each.cpu[row] + 1 for each, own in zip(kept, rows, strict=True) for row in own)
        )
    return {
        "count": [len(kept[0]), len(kept[1]) if len(kept) > 1 else 0],
        "clock": clock,
        "spans": spans,
        "tick": tick,
        "weight": round(weights[0] * stacks.scale) if same else None,
        "threads": [[thread.pid, thread.tid, thread.name] for thread in threads],
        "cpus": cpus,
        "labels": [
            _labels(name, kept, rows, columns) for name in {n: 0 for e in kept for n in e.labels}
        ],
    }


def _labels(
    name: str, kept: Sequence[Samples], rows: Sequence[Sequence[int]], columns: list[bytes]
) -> tuple[str, list[str]]:
    """Adds the column of a label: its name and texts."""
    texts = {"": 0}
    numbers: list[int] = []
    for each, own in zip(kept, rows, strict=True):
        label = each.labels.get(name)
        if label is None:
            numbers += [0] * len(own)
            continue
        here = [texts.setdefault(text, len(texts)) for text in label.values]
        numbers += [here[label.column[row]] for row in own]
    columns.append(_column(numbers))
    return name, list(texts)


def _column(numbers: Iterable[int]) -> bytes:
    return b"".join(map(encode, numbers))
