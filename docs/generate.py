"""Puts the tables of the code into the language reference: ``python docs/generate.py [--check]``.

What stands between ``<!-- NAME -->`` and ``<!-- end -->`` in language.md is made here, from the
tables that the code itself uses, so that the manual cannot say anything else.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from prybee.functions import TABLE as FUNCTIONS
from prybee.language import config_table, library
from prybee.plan import formats
from prybee.probes import TABLE as PROBES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prybee.language.registry import Function

PAGE = Path(__file__).parent / "language.md"


def row(*cells: str) -> str:
    """One line of a table; a bar inside a cell would end it."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def code(text: str) -> str:
    """As code; several with commas between."""
    return f"`{text}`"


def codes(texts: Iterable[str]) -> str:
    """Several, with commas between."""
    return ", ".join(code(text) for text in texts)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    return "\n".join([row(*head), "|" + "---|" * len(head), *(row(*cells) for cells in rows)])


FILTERS = {"attach": "yes", "body": "yes, with `-p`", "none": "no"}


def probes() -> str:
    """The probe types that can be attached, then those that cannot yet."""
    now, later = [], []
    for name in PROBES.names():
        provider = PROBES.get(name)
        assert provider is not None
        cells = (codes(provider.names), "<br>".join(map(code, provider.syntax)), provider.summary)
        if not provider.attaches:
            later.append(cells)
        else:
            now.append((*cells, "" if provider.special else FILTERS[provider.pid_filter]))
    made = table(("probe", "written", "fires", "follows `-p` and `-c`"), now)
    if not later:
        return made
    return (
        made
        + "\n\nThese are read, and refused with a hint what to use instead:\n\n"
        + table(("probe", "written", "would fire"), later)
    )


def _families() -> dict[str, list[Function]]:
    """Module → its functions, in the order of the table, without second names."""
    found: dict[str, list[Function]] = {}
    seen = set()
    for name, module in FUNCTIONS.index.items():
        function = FUNCTIONS.get(name)
        assert function is not None, name
        if name.startswith("__builtin_") or function.signature in seen:
            continue
        seen.add(function.signature)
        found.setdefault(module, []).append(function)
    return found


def functions() -> str:
    """One table for each family, under what its module says that it is for."""
    parts = []
    for module, members in _families().items():
        first = (import_module(f"{FUNCTIONS.package}.{module}").__doc__ or "").split("\n\n")[0]
        title = first.split(":")[0].strip().rstrip(".").replace("\n", " ")
        rows = [
            (code(f.signature), f.summary + (" (needs `--unsafe`)" if f.unsafe else ""))
            for f in members
        ]
        parts.append(f"### {title}\n\n" + table(("form", "what it is"), rows))
    rows = [(code(form), summary) for form, summary in library.describe()]
    parts.append(
        "### Assertions, written in the language\n\n" + table(("form", "what it is"), rows)
    )
    return "\n\n".join(parts)


def printf() -> str:
    """The conversions of printf, then the length modifiers."""
    takes = dict.fromkeys(formats.INTEGER, "number")
    takes.update(dict.fromkeys(formats.BUFFER, "buffer"))
    conversions = table(
        ("conversion", "takes", "prints"),
        [
            (code("%" + kind), takes.get(kind, "anything"), summary)
            for kind, summary in formats.SUMMARIES.items()
        ],
    )
    sizes: dict[int, list[str]] = {}
    for modifier, size in formats.LENGTHS.items():
        sizes.setdefault(size, []).append(code(modifier) if modifier else "none")
    lengths = table(
        ("modifier", "bits of the number that are printed"),
        [(", ".join(names), str(8 * size)) for size, names in sorted(sizes.items())],
    )
    return f"{conversions}\n\n{lengths}"


def _default(setting: config_table.Setting) -> str:
    value = setting.default
    return str(value).lower() if isinstance(value, bool) else str(value)


def settings() -> str:
    """Settings with their defaults and values."""
    kinds = {
        config_table.NUMBER: "number",
        config_table.BOOL: "`true`, `false`",
        config_table.TEXT: "text",
        config_table.LICENSE: codes(config_table.LICENSES),
    }
    rows = [
        (
            code(setting.name),
            code(_default(setting)),
            codes(setting.choices) if setting.choices else kinds[setting.kind],
            setting.summary,
        )
        for setting in config_table.TABLE.values()
    ]
    renamed = ", ".join(f"`{old}` (now `{new}`)" for old, new in config_table.RENAMED.items())
    return (
        table(("setting", "default", "values", "what it sets"), rows)
        + f"\n\nOld names are taken with a warning: {renamed}. Without effect, with a warning: "
        + codes(sorted(config_table.WITHOUT_EFFECT))
        + ". In the environment only: "
        + codes(sorted(config_table.ENVIRONMENT_ONLY))
        + "."
    )


TABLES = {"probes": probes, "functions": functions, "printf": printf, "settings": settings}


def filled(text: str) -> str:
    """``text`` with all its tables made anew.

    Raises:
        LookupError: a table has no place in the text.
    """
    for name, make in TABLES.items():
        head, found, rest = text.partition(f"<!-- {name} -->\n")
        _, end, rest = rest.partition("<!-- end -->")
        if not (found and end):
            raise LookupError(f"no place for the table {name!r}")
        text = f"{head}{found}\n{make()}\n\n{end}{rest}"
    return text


def main() -> int:
    """Fill the page; with ``--check`` only say whether that would change it."""
    old = PAGE.read_text()
    new = filled(old)
    if "--check" in sys.argv:
        return int(old != new)
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
