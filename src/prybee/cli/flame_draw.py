"""``prybee flame draw``: a picture of stacks, or a file for another viewer."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from prybee.cli import flame_files, flame_reading
from prybee.cli.options import UsageError
from prybee.flame import outputs
from prybee.flame.profile import FormatError

# The exit status where there was nothing to draw.
NOTHING = 2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import ExitStack
    from typing import Any

    from prybee.flame.outputs import Output
    from prybee.flame.profile import Profile


def options(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    parser = commands.add_parser("draw", help="a flame graph, or a file for another viewer")
    flame_files.input_options(parser)
    flame_reading.options(parser)
    ends = ", ".join(f".{each.name}" for each in outputs.OUTPUTS)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=f"the end of its name says the format: {ends}; default: SVG on standard output",
    )
    parser.add_argument("--title", default="")
    look_options(parser)
    parser.set_defaults(run=_draw)


def look_options(parser: argparse.ArgumentParser) -> None:
    """Adds how a picture looks: flamegraph.pl's options."""
    from prybee.flame.palettes import BACKGROUNDS, NAMES

    # What is not given is not there: the picture knows what is usual.
    group = parser.add_argument_group("how it looks")
    look = partial(group.add_argument, default=argparse.SUPPRESS)
    look("--subtitle")
    look("--notes", help="a comment in the file")
    look("--width", type=int, help="pixels (1200)")
    look("--height", type=int, help="of a row, pixels (16)")
    look("--minwidth", help="of a frame: pixels, or N%% (0.1)")
    look("--fonttype")
    look("--fontsize", type=float)
    look("--fontwidth", type=float, help="as a part of the size")
    look("--encoding")
    look("--countname", help="what is counted (samples)")
    look("--nametype")
    look("--colors", metavar="PALETTE", help=f"{', '.join(NAMES)} (hot)")
    look("--bgcolors", metavar="COLOUR", help=f"{', '.join(BACKGROUNDS)} or #rrggbb")
    look("--hash", action="store_true", help="colours by the names' letters")
    look("--random", action="store_true", help="colours of chance")
    group.add_argument(
        "--cp", action="store_true",
        help="the same colours from picture to picture, kept in a file",
    )  # fmt: skip
    group.add_argument("--cp-file", metavar="FILE", default="", help="that file (palette.map)")
    look("--inverted", action="store_true", help="the root at the top: an icicle")
    look("--flamechart", action="store_true", help="in the order of the input: that of time")
    group.add_argument("--reverse", action="store_true", help="merge from the leaves")
    look("--negate", action="store_true", help="growth is blue")
    look("--total", type=float, help="what is 100%%")
    look("--factor", type=float, help="multiply shown counts")
    look("--nameattr", metavar="FILE", help="attributes of functions")
    look("--compat-bugs", action="store_true", help="also the mistakes of flamegraph.pl")


def look(given: argparse.Namespace) -> dict[str, Any]:
    """What was given of :func:`look_options`.

    Raises:
        FormatError: what makes no sense.
    """
    from prybee.flame import pictures
    from prybee.flame.writers.svg import Options, check

    found = {name: value for name, value in vars(given).items() if name in Options._fields}
    if "nameattr" in found:
        with open(found["nameattr"], encoding="utf-8") as file:
            found["nameattr"] = pictures.attributes(file)
    check(Options(**found))
    if given.cp or given.cp_file:
        found["palette"] = pictures.palette(given.cp_file or pictures.PALETTE_FILE)
    return {**found, "reverse": given.reverse}


def _draw(given: argparse.Namespace, opened: ExitStack) -> int:
    from prybee.flame import drawing

    output = of(given.output)
    if output is not outputs.SVG:
        tell_unused(given, output)
        profile = flame_files.read(given, opened, samples=output.samples)
        save(profile, output, given.output, given.title)
        return flame_files.report(profile.quality, given.strict)
    own = look(given)
    picture, quality, total = drawing.draw(
        flame_files.input_files(given, opened),
        given.format,
        reading=flame_reading.given(given),
        **own,
    )
    status = flame_files.report(quality, given.strict)
    flame_files.write(given.output, picture)
    keep_colours(given, own)
    if not total:
        # There is a picture that says so, as flamegraph.pl has one.
        print("ERROR: there are no stacks to draw", file=sys.stderr)
        return NOTHING
    return status


def tell_unused(given: argparse.Namespace, output: Output) -> None:
    """Says which options of pictures were given for what is none."""
    from prybee.flame.writers.svg import Options

    names = [name for name in vars(given) if name in Options._fields and name != "title"]
    names += [name for name in ("cp", "cp_file", "reverse") if getattr(given, name)]
    if names:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in names)
        print(f"WARNING: {words}: of pictures (.svg); nothing in .{output.name}", file=sys.stderr)


def keep_colours(given: argparse.Namespace, own: dict[str, Any]) -> None:
    """Writes the colours of functions for the next picture, if that was asked for.

    Args:
        given: of :func:`look_options`.
        own: what :func:`look` made of it; it has the colours of the picture by now.
    """
    from prybee.flame import pictures

    if "palette" in own:
        name = given.cp_file or pictures.PALETTE_FILE
        flame_files.write(name, pictures.palette_lines(own["palette"]))


def of(output: str | None, usual: Output = outputs.SVG) -> Output:
    """The format that a file's name tells.

    Args:
        output: the name; None for standard output.
        usual: the format there.

    Raises:
        UsageError: it tells none that is known.
    """
    if output is None or output == "-":
        return usual
    try:
        return outputs.of(output)
    except FormatError as error:
        raise UsageError(f"prybee flame: {error}") from None


def save(profile: Profile, output: Output, name: str | None, title: str) -> None:
    """Writes a profile.

    Args:
        profile: what is written.
        output: the format.
        name: of the file; None for standard output.
        title: of pages and pictures.
    """
    flame_files.write(name, outputs.content(profile, output, title))
