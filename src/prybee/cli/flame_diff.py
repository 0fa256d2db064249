"""``prybee flame diff``: two profiles in one."""

from __future__ import annotations

from prybee.cli import flame_draw, flame_files
from prybee.cli.options import UsageError
from prybee.flame import outputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from contextlib import ExitStack
    from typing import Any


def options(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "diff", help="two profiles in one: each stack with both weights",
        description="Folded lines with two weights, which `prybee flame draw` colours.",
    )  # fmt: skip
    parser.add_argument("before", metavar="BEFORE")
    parser.add_argument("after", metavar="AFTER")
    parser.add_argument("-n", "--normalize", action="store_true", help="to the same total")
    parser.add_argument("-s", "--strip-hex", action="store_true", help="numbers of the form 0x…")
    parser.add_argument("-o", "--output", metavar="FILE.html", help="the page of both")
    parser.add_argument("--title", default="")
    parser.set_defaults(run=_diff)


def _diff(given: argparse.Namespace, opened: ExitStack) -> int:
    from prybee.flame import difference, drawing

    if given.output:
        if flame_draw.of(given.output) is not outputs.HTML:
            raise UsageError(f"prybee flame diff: {given.output}: the page of both is .html")
        from prybee.flame.writers import html

        before, after = (
            drawing.read([flame_files.open_file(name, opened)], None, {})
            for name in (given.before, given.after)
        )
        flame_files.write(given.output, [html.write(after, given.title, before)])
        return max(
            flame_files.report(before.quality, False), flame_files.report(after.quality, False)
        )
    lines, quality = difference.folded(
        flame_files.open_file(given.before, opened), flame_files.open_file(given.after, opened),
        normalize=given.normalize, strip_hex=given.strip_hex,
    )  # fmt: skip
    flame_files.write(None, (line + "\n" for line in lines))
    return flame_files.report(quality, strict=False)
