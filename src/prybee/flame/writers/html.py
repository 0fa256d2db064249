"""Writes one HTML file that shows a profile by itself: no network, no server, no library.

The data (``page_data``) is deflated, in base64; the browser has what unpacks it. The page's policy
allows only its own script and style, by their hashes, so the file is as safe as it can be to pass
on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from html import escape

from prybee.flame import difference
from prybee.flame.writers.page_data import payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.profile import Profile

_VIEWER = os.path.join(os.path.dirname(__file__), "viewer")
# In the order in which they need each other.
SCRIPTS = (
    "data.js", "tree.js", "samples.js", "colours.js", "state.js", "flame.js", "table.js",
    "calltree.js", "sandwich.js", "chart.js", "heatmap.js", "filters.js", "export.js", "main.js",
)  # fmt: skip


def write(
    profile: Profile,
    title: str = "",
    before: Profile | None = None,
    *,
    equal: str = difference.TOTAL,
) -> str:
    """The whole page.

    Args:
        profile: what is shown.
        title: of the page.
        before: what it is compared with; the profile itself may tell that, too.
        equal: what both have as much of, as the page first shows them: see
            :func:`prybee.flame.difference.factor`. In the page it can be changed.
    """
    before = before if before is not None else profile.before
    title = title or ("Comparison" if before is not None else "Profile")
    style = _file("viewer.css")
    script = '(function () {\n"use strict";\n' + "".join(map(_file, SCRIPTS)) + "})();\n"
    quality = profile.quality
    both = [profile] if before is None else [profile, before]
    about = {
        "title": title,
        "unit": profile.unit or "samples",
        "compared": before is not None,
        "equal": equal,
        # Of each: how many samples there are, and how long it lasted; 0 if not known.
        "samples": [difference.samples(each) for each in both],
        "seconds": [difference.seconds(each) for each in both],
        "rejected": quality.rejected,
        "lost": quality.lost,
        "stackless": quality.stackless,
    }
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    data = base64.b64encode(zlib.compress(payload(profile, before), 6)).decode()
    return (
        _file("page.html")
        .replace("{{policy}}", escape(policy))
        .replace("{{title}}", escape(title))
        .replace("{{style}}", style)
        .replace("{{about}}", json.dumps(about).replace("<", "\\u003c"))
        .replace("{{data}}", data)
        .replace("{{script}}", script)
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _file(name: str) -> str:
    with open(os.path.join(_VIEWER, name), encoding="utf-8") as file:
        return file.read()
