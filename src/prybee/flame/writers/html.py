"""Writes one HTML file that shows a profile by itself: no network, no server, no library.

The data is a tree in pre-order as variable-length numbers, deflated, in base64 (flamegraph.md 5.3);
the browser has what unpacks it. The page's policy allows only its own script and style, by their
hashes, so the file is as safe as it can be to pass on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from html import escape

from prybee.flame.writers.varint import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.profile import Profile

_VIEWER = os.path.join(os.path.dirname(__file__), "viewer")
# In the order in which they need each other.
SCRIPTS = (
    "data.js", "tree.js", "colours.js", "state.js", "flame.js", "table.js", "calltree.js",
    "sandwich.js", "export.js", "main.js",
)  # fmt: skip


def write(profile: Profile, title: str = "", before: Profile | None = None) -> str:
    """The whole page.

    Args:
        profile: what is shown.
        title: of the page.
        before: what it is compared with.
    """
    title = title or ("Comparison" if before is not None else "Profile")
    style = _file("viewer.css")
    script = '(function () {\n"use strict";\n' + "".join(map(_file, SCRIPTS)) + "})();\n"
    quality = profile.quality
    about = {
        "title": title,
        "unit": profile.unit or "samples",
        "compared": before is not None,
        "rejected": quality.rejected,
        "lost": quality.lost,
        "stackless": quality.stackless,
    }
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    data = base64.b64encode(zlib.compress(payload(profile, before), 9)).decode()
    return (
        _file("page.html")
        .replace("{{policy}}", escape(policy))
        .replace("{{title}}", escape(title))
        .replace("{{style}}", style)
        .replace("{{about}}", json.dumps(about).replace("<", "\\u003c"))
        .replace("{{data}}", data)
        .replace("{{script}}", script)
    )


def payload(profile: Profile, before: Profile | None = None) -> bytes:
    """Names and the tree.

    Four bytes of length (little-endian) and JSON ``[[name, kind, module], …]``; then for each node
    in pre-order: how many levels up from the node before its parent is, the frame, the weight of
    the stacks that end here, and, compared, that before. Numbers are in groups of seven bits, the
    lowest first; weights with fractions are in thousandths (``"scale"`` of the JSON).
    """
    frames: dict[tuple[str, str, str], int] = {}
    weights: dict[tuple[int, ...], list[float]] = {}
    for which, each in enumerate([profile] if before is None else [profile, before]):
        numbers = [
            frames.setdefault((frame.name, frame.kind, frame.module), len(frames))
            for frame in each.frames
        ]
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
    head = json.dumps(
        {"scale": scale, "frames": [table[frame] for frame in order]}, separators=(",", ":")
    ).encode(errors="replace")
    data = bytearray(len(head).to_bytes(4, "little") + head)
    keys = sorted((tuple([place[f] for f in key]), pair) for key, pair in weights.items())
    path: tuple[int, ...] = ()
    compared = before is not None
    for key, pair in keys:
        common = 0
        for one, other in zip(path, key, strict=False):
            if one != other:
                break
            common += 1
        up = len(path) - common
        for depth in range(common, len(key)):
            data += encode(up)
            data += encode(key[depth])
            last = depth == len(key) - 1
            data += encode(round(pair[0] * scale) if last else 0)
            if compared:
                data += encode(round(pair[1] * scale) if last else 0)
            up = 0
        path = key
    return bytes(data)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _file(name: str) -> str:
    with open(os.path.join(_VIEWER, name), encoding="utf-8") as file:
        return file.read()
