"""``-d`` and ``-i``: when a tool ends, and how often it prints."""

from __future__ import annotations

from prybee.diagnostics import PrybeeError, Source
from prybee.language import tree
from prybee.language.parser import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# The longest that a timer of the kernel's perf events is asked for: ten years of milliseconds.
_MOST = 10 * 366 * 86400 * 1000


def milliseconds(text: str, option: str) -> int:
    """A number of seconds, perhaps with a unit (``0.5``, ``10``, ``500ms``, ``2m``), in ms.

    Raises:
        PrybeeError: it is no such number, or none that a timer can wait for.
    """
    units = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
    number = text.rstrip("hms")
    unit = text[len(number) :] or "s"
    try:
        found = round(float(number) * units[unit])
    except (ValueError, KeyError, OverflowError):
        raise PrybeeError(
            f"{option}: '{text}' is no time; write seconds, or a unit behind the number: 500ms, 2m"
        ) from None
    if not 0 < found <= _MOST:
        raise PrybeeError(f"{option}: '{text}' is too {'short' if found <= 0 else 'long'}")
    return found


def end_after(program: tree.Program, duration: int) -> None:
    """End the trace ``duration`` milliseconds after its start."""
    _append(program, f"interval:ms:{duration} {{ exit() }}")


def retime(program: tree.Program, interval: int) -> bool:
    """Let the ``interval`` probes of a tool fire every ``interval`` ms; false without any."""
    found = False
    for probe in program.probes:
        for point in probe.attach_points:
            if point.raw.startswith("interval:"):
                point.raw = f"interval:ms:{interval}"
                found = True
    return found


def resample(program: tree.Program, frequency: int) -> None:
    """Let the ``profile`` probes of a tool fire ``frequency`` times a second."""
    for probe in program.probes:
        for point in probe.attach_points:
            if point.raw.startswith("profile:hz:"):
                point.raw = f"profile:hz:{frequency}"


def print_every(program: tree.Program, interval: int, maps: Sequence[str]) -> None:
    """Print and clear ``maps`` every ``interval`` milliseconds."""
    used = {node.name for node in tree.walk(program) if isinstance(node, tree.Map)}
    maps = [name for name in maps if name in used]
    body = " ".join(f"print({name}); clear({name});" for name in maps)
    _append(program, f'interval:ms:{interval} {{ time("%H:%M:%S\\n"); {body} }}')


def _append(program: tree.Program, text: str) -> None:
    """Add probes, which lie at the end of the script for messages."""
    added = parse(Source("options", text))
    for node in tree.walk(added):
        for base in type(node).__mro__:
            for name in base.__dict__.get("__slots__", ()):
                if name in ("start", "end") or name.endswith(("_start", "_end")):
                    setattr(node, name, program.end)
    program.items += added.items
