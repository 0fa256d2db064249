"""``prybee NAME --help``: a tool's page, made of its header and its options."""

from __future__ import annotations

from prybee.tools import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.tools.catalogue import Tool

_COLUMN = 26


def text(tool: Tool) -> str:
    """The help text of a tool."""
    own = options.own(tool, options.program_of(tool))
    parts = [
        f"{tool.name}: {tool.summary}",
        f"usage: prybee {' '.join((tool.name, *tool.operands))} [options]"
        + "".join(f" [{name.upper()}]" for name in tool.numbers),
    ]
    if tool.description:
        parts.append(tool.description)
    if own:
        lines = [
            _line(_names(option.letter, option.long), option.value, _told(option)) for option in own
        ]
        parts.append("options of this tool:\n" + "\n".join(lines))
    lines = []
    for option in options.shared(tool):
        names = ", ".join(option.names)
        if len(option.names) == 1:
            names = f"    {names}"
        lines.append(_line(names, option.value, option.help))
    parts.append("options:\n" + "\n".join(lines))
    parts.append(f"needs: {needed(tool)}")
    if tool.shown:
        parts.append(
            f"taken, and without effect (what they ask for is always shown): {' '.join(tool.shown)}"
        )
    if tool.examples:
        shown = "\n".join(f"  {command}" for command, _output in tool.examples)
        parts.append(f"examples:\n{shown}")
    return "\n\n".join(parts) + "\n"


def needed(tool: Tool) -> str:
    """What a tool needs: a kernel, and probes."""
    parts = [f"Linux {tool.kernel}"] if tool.kernel else []
    parts += [" or ".join(group) for group in tool.needs]
    return ", ".join(parts)


def _names(letter: str, long: str) -> str:
    return f"-{letter}, {long}" if letter else f"    {long}"


def _told(option: options.Own) -> str:
    if option.value and option.default not in ("", -1, 0):
        return f"{option.help} (default {option.default})"
    return option.help


def _line(names: str, value: str, told: str) -> str:
    left = f"  {names} {value}".rstrip()
    if len(left) >= _COLUMN + 2:
        return f"{left}\n{'':{_COLUMN + 2}}{told}"
    return f"{left:<{_COLUMN + 2}}{told}"
