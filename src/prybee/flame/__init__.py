"""Flame graphs: from any tracer's stacks to a picture that answers the question.

Each name is imported when it is first asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.comparison import Change, Comparison
    from prybee.flame.formats import Format
    from prybee.flame.interface import collapse, diff, draw, guess
    from prybee.flame.profile import FormatError, Frame, Profile, Quality

__all__ = [
    "Change", "Comparison", "Format", "FormatError", "Frame", "Profile", "Quality", "collapse",
    "diff", "draw", "guess",
]  # fmt: skip

_MODULES = {
    "Change": "comparison",
    "Comparison": "comparison",
    "Format": "formats",
    "FormatError": "profile",
    "Frame": "profile",
    "Profile": "profile",
    "Quality": "profile",
    "collapse": "interface",
    "diff": "interface",
    "draw": "interface",
    "guess": "interface",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = __import__(f"prybee.flame.{_MODULES[name]}", fromlist=("",))
    value = globals()[name] = getattr(module, name)
    return value
