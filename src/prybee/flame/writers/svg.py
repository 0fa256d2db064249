"""Writes a flame graph as SVG, with flamegraph.pl's options and the same groups for frames.

Geometry, colours and texts of frames are those of flamegraph.pl (flamegraph.md 1.1 to 1.3); the
page's script is our own.
"""

from __future__ import annotations

import math
import os
import random
import re
from itertools import pairwise

from prybee.data import Data
from prybee.diagnostics import did_you_mean
from prybee.flame import palettes
from prybee.flame.layout import boxes
from prybee.flame.profile import ANNOTATIONS, FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from prybee.flame.layout import Box, Stacks
    from prybee.flame.palettes import Colour

_SIDE = 10  # pixels left and right of everything
_SMALLEST = 3  # characters that are worth a label
# Characters that XML has no way to say (XML 1.0, 2.2).
_UNSPEAKABLE = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF], "\ufffd")
_UNSPEAKABLE.update(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))
_FLAT = re.compile(r"#[0-9a-fA-F]{6}$")
_MINWIDTH = re.compile(r"\d*\.?\d+%?$")
_ENDS = tuple(ANNOTATIONS.values())


class Options(Data):
    """How the picture looks; the names are flamegraph.pl's, without their hyphens.

    Attributes:
        title, subtitle, notes: texts; an empty title gives the usual one.
        width: of the picture, pixels.
        height: of a row, pixels.
        minwidth: of a frame that is drawn: pixels, or ``N%`` of the total.
        fonttype, fontsize, fontwidth: the latter is a character's width as a part of its height.
        countname: what weights count.
        nametype: what stands before a frame's text in the line of details.
        colors: a palette's name.
        bgcolors: ``yellow``, ``blue``, ``green``, ``grey`` or ``#rrggbb``; empty for the palette's.
        hash, random: colours by the letters of the name, or of chance.
        palette: colours of functions by their names, which come before all others; those that are
            not there are added.
        inverted: the root is at the top.
        flamechart: stacks are in the order of the input, which is that of time.
        negate: growth is blue.
        total: what is 100 %, if it is more than the sum.
        factor: by which weights are multiplied when they are shown.
        nameattr: attributes of frames by their names.
        missing: what the profile lacks, a sentence each.
        compat_bugs: the mistakes of flamegraph.pl: siblings in pieces, deltas on leaves only,
            shares of rounded counts, texts as they are given.
    """

    title: str = ""
    subtitle: str = ""
    notes: str = ""
    width: int = 1200
    height: int = 16
    minwidth: str = "0.1"
    fonttype: str = "Verdana"
    fontsize: float = 12
    fontwidth: float = 0.59
    encoding: str = ""
    countname: str = "samples"
    nametype: str = "Function:"
    colors: str = "hot"
    bgcolors: str = ""
    hash: bool = False
    random: bool = False
    palette: dict[str, Colour] | None = None
    inverted: bool = False
    flamechart: bool = False
    negate: bool = False
    total: float = 0
    factor: float = 1
    nameattr: Mapping[str, Mapping[str, str]] = {}
    missing: Sequence[str] = ()
    compat_bugs: bool = False


def check(options: Options) -> None:
    """Finds options that make no sense.

    Raises:
        FormatError: which, and what would.
    """
    if options.colors not in palettes.NAMES:
        raise FormatError(_choice("--colors", options.colors, palettes.NAMES))
    if options.bgcolors not in ("", *palettes.BACKGROUNDS) and not _FLAT.match(options.bgcolors):
        raise FormatError(_choice("--bgcolors", options.bgcolors, palettes.BACKGROUNDS, "#rrggbb"))
    if not _MINWIDTH.match(options.minwidth):
        raise FormatError(
            f"--minwidth {options.minwidth}: neither a number of pixels nor a share\n"
            "HINT: 0.1, or 0.5%"
        )
    if options.width <= 2 * _SIDE:
        raise FormatError(f"--width {options.width}: {2 * _SIDE} pixels are at the sides already")
    for name in ("height", "fontsize", "fontwidth", "factor"):
        value = getattr(options, name)
        if not 0 < value < math.inf:
            raise FormatError(f"--{name} {value:g}: it has to be more than 0")
    # A comment has no way to say them (XML 1.0, 2.5).
    if "<" in options.notes or ">" in options.notes or "--" in options.notes:
        raise FormatError("--notes is a comment of the file: no <, > or -- in it")


def _choice(option: str, given: str, known: Iterable[str], *more: str) -> str:
    near = did_you_mean(given, known, limit=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join((*known, *more))}"
    return f"{option} {given}: there is none of that name\nHINT: {hint}"


def write(stacks: Stacks, options: Options | None = None) -> Iterator[str]:
    """The text of the picture, in parts.

    Args:
        stacks: what is drawn.
        options: how.
    """
    return _Picture(stacks, options or Options()).parts()


class _Picture:
    """One picture: its measures."""

    def __init__(self, stacks: Stacks, options: Options) -> None:
        self.options = options
        self.total = max(stacks.total, options.total)
        self.per_weight = (options.width - 2 * _SIDE) / self.total if self.total else 0
        self.boxes = list(boxes(stacks, self._least(), leaves=options.compat_bugs))
        # The root is what counts as everything.
        self.boxes[0] = self.boxes[0].replace(end=self.total)
        self.compared = bool(stacks.deltas)
        changes: Iterable[float] = (box.delta for box in self.boxes)
        if options.compat_bugs:
            changes = (new - old for old, new in pairwise(stacks.deltas))
        self.most = max([1.0, *map(abs, changes)])
        size = options.fontsize
        self.above = size * 3 + (size * 2 if options.subtitle else 0)
        self.below = size * 2 + 10
        deepest = max(box.depth for box in self.boxes)
        self.tall = (deepest + 1) * options.height + self.above + self.below
        self.character = size * options.fontwidth
        self.countname = self._given(options.countname)
        # What frames of a name, and those of a row, have in common.
        self.names: dict[str, tuple[str, str]] = {}
        self.rows: dict[int, tuple[str, str, str]] = {}
        self.chance = random.Random(0)
        self.colours = {} if options.palette is None else options.palette

    def _least(self) -> float:
        text = self.options.minwidth
        if text.endswith("%"):
            return self.total * float(text[:-1]) / 100
        return float(text) / self.per_weight if self.per_weight else 0

    def parts(self) -> Iterator[str]:
        """Everything."""
        yield self._head()
        if not self.total:
            middle = f'x="{self.options.width / 2:.2f}" y="{self.options.fontsize * 3:g}"'
            yield f'<text {middle} text-anchor="middle" >ERROR: there are no stacks</text>\n'
        yield '<g id="frames">\n'
        for box in self.boxes:
            yield self._frame(box)
        yield "</g>\n</svg>\n"

    def _frame(self, box: Box) -> str:
        name = box.name
        left = _SIDE + box.start * self.per_weight
        right = _SIDE + box.end * self.per_weight
        known = self.names.get(name)
        if known is None:
            shown = name[:-4] if name.endswith(_ENDS) else name
            known = self.names[name] = shown, escape(shown)
        shown, escaped = known
        across = self.rows.get(box.depth)
        if across is None:
            across = self.rows[box.depth] = self._row(box.depth)
        y, tall, middle = across
        x, end = f"{left:.1f}", f"{right:.1f}"
        red, green, blue = self._colour(box)
        # A label that is cut or has marks is escaped by itself.
        room = int((right - left) / self.character)
        label = ""
        if box.depth and room >= _SMALLEST:
            label = shown if len(shown) <= room else f"{shown[: room - 2]}.."
            if escaped is not shown:
                label = escape(label, quote=False)
        title, opening, closing = self._title(box, escaped), "<g >", "</g>"
        attributes = self.options.nameattr.get(name)
        if attributes:
            opening, closing = _group(attributes)
            if "title" in attributes:
                title = self._given(attributes["title"])
        return (
            f'{opening}\n<title>{title}</title><rect x="{x}" y="{y}" '
            f'width="{float(end) - float(x):.1f}" height="{tall}" '
            f'fill="rgb({red},{green},{blue})" rx="2" ry="2" />\n'
            f'<text  x="{left + 3:.2f}" y="{middle}" >{label}</text>\n{closing}\n'
        )

    def _row(self, depth: int) -> tuple[str, str, str]:
        """Of a row of frames: its top, its height, and where its texts are."""
        options = self.options
        row = options.height
        if options.inverted:
            first = options.fontsize * 3 if options.compat_bugs else self.above
            top = first + depth * row
            bottom = first + (depth + 1) * row - 1
        else:
            top = self.tall - self.below - (depth + 1) * row + 1
            bottom = self.tall - self.below - depth * row
        return _plain(top), f"{bottom - top:.1f}", _plain(3 + (top + bottom) / 2)

    def _given(self, text: str) -> str:
        """A text of the options, as XML has it."""
        return text if self.options.compat_bugs else escape(text)

    def _title(self, box: Box, name: str) -> str:
        """The text of a frame.

        Args:
            box: the frame.
            name: of it, as XML has it.
        """
        options = self.options
        weight = (box.end - box.start) * options.factor
        samples = round(weight)
        count = f"{samples:,} {self.countname}"
        if not box.depth:
            return f"all ({count}, 100%)"
        if options.compat_bugs:
            weight = samples
        share = f"{100 * weight / (self.total * options.factor):.2f}"
        if not self.compared:
            return f"{name} ({count}, {share}%)"
        delta = 100 * (-box.delta if options.negate else box.delta) / self.total
        if options.compat_bugs:
            delta /= options.factor
        sign = "+" if delta > 0 else ""
        return f"{name} ({count}, {share}%; {sign}{delta:.2f}%)"

    def _colour(self, box: Box) -> Colour:
        options = self.options
        if box.name == "--":
            return palettes.SEPARATOR
        if box.name == "-":
            return palettes.FRAME_SEPARATOR
        if self.compared:
            return palettes.difference(-box.delta if options.negate else box.delta, self.most)
        known = self.colours.get(box.name)
        if known is not None:
            return known
        if options.random:
            values = self.chance.random(), self.chance.random(), self.chance.random()
        else:
            values = (palettes.of_hash if options.hash else palettes.of_name)(box.name)
        found = palettes.colour(options.colors, box.name, values)
        if not options.random or options.palette is not None:
            self.colours[box.name] = found
        return found

    def _head(self) -> str:
        options = self.options
        wide, tall, size = options.width, _plain(self.tall), options.fontsize
        encoding = f' encoding="{escape(options.encoding)}"' if options.encoding else ""
        top, bottom = palettes.background(options.colors)
        if options.bgcolors in palettes.BACKGROUNDS:
            top, bottom = palettes.BACKGROUNDS[options.bgcolors]
        elif options.bgcolors:
            top = bottom = options.bgcolors
        usual = "Icicle Graph" if options.inverted else "Flame Graph"
        title = options.title or ("Flame Chart" if options.flamechart else usual)
        subtitle = (
            f'<text id="subtitle" x="{wide / 2:.2f}" y="{_plain(size * 4)}" >'
            f"{self._given(options.subtitle)}</text>\n"
            if options.subtitle
            else ""
        )
        low = _plain(self.tall - self.below / 2)
        told = "; ".join(options.missing)
        # (A comment has no way to say two hyphens.)
        missing = f"<!-- Missing: {escape(told).replace('--', '- -')} -->\n" if told else ""
        first = f"Missing: {told}" if told else " "
        details = {
            "nametype": options.nametype, "total": self.total, "size": size, "missing": first,
        }  # fmt: skip
        data = " ".join(f'data-{name}="{escape(str(v))}"' for name, v in details.items())
        return f"""<?xml version="1.0"{encoding} standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg version="1.1" width="{wide}" height="{tall}" viewBox="0 0 {wide} {tall}" {data} \
data-fontwidth="{options.fontwidth}" data-side="{_SIDE}" data-inverted="{int(options.inverted)}" \
xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">
<!-- Drawn by prybee. -->
<!-- NOTES: {options.notes} -->
{missing}\
<defs>
<linearGradient id="background" y1="0" y2="1" x1="0" x2="0" >
<stop stop-color="{top}" offset="5%" />
<stop stop-color="{bottom}" offset="95%" />
</linearGradient>
</defs>
<style type="text/css">
text {{ font-family:{escape(options.fonttype)}; font-size:{size:g}px; fill:rgb(0,0,0); }}
#title {{ text-anchor:middle; font-size:{size + 5:g}px }}
#subtitle {{ text-anchor:middle; fill:rgb(160,160,160) }}
#search, #ignorecase, #unzoom {{ cursor:pointer; opacity:0.5 }}
#search:hover, #ignorecase:hover, #search.show, #ignorecase.show, #unzoom {{ opacity:1 }}
#frames > *:hover, #frames > *:focus {{ stroke:black; stroke-width:0.5; cursor:pointer; \
outline:none }}
.hide {{ display:none }}
.parent {{ opacity:0.5 }}
</style>
<script type="text/ecmascript"><![CDATA[
{_script()}]]></script>
<rect x="0.0" y="0" width="{wide}.0" height="{self.tall:.1f}" fill="url(#background)"  />
<text id="title" x="{wide / 2:.2f}" y="{_plain(size * 2)}" >{self._given(title)}</text>
{subtitle}<text id="details" x="{_SIDE:.2f}" y="{low}" >{escape(first)}</text>
<text id="unzoom" x="{_SIDE:.2f}" y="{_plain(size * 2)}" class="hide" tabindex="0">Reset Zoom</text>
<text id="search" x="{wide - _SIDE - 100:.2f}" y="{_plain(size * 2)}" tabindex="0">Search</text>
<text id="ignorecase" x="{wide - _SIDE - 16:.2f}" y="{_plain(size * 2)}" tabindex="0">ic</text>
<text id="matched" x="{wide - _SIDE - 100:.2f}" y="{low}" > </text>
"""


def escape(text: str, quote: bool = True) -> str:
    """Text as XML has it.

    Args:
        text: any text.
        quote: it may be between quotation marks.
    """
    if text.isidentifier() and text.isascii():
        return text
    text = text.translate(_UNSPEAKABLE)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;") if quote else text


def _group(attributes: Mapping[str, str]) -> tuple[str, str]:
    """How a frame's group begins and ends."""
    own = " ".join(
        f'{name}="{escape(attributes[name])}"' for name in ("id", "class") if name in attributes
    )
    extra = attributes.get("g_extra", "")
    inside = " ".join(part for part in (own, extra) if part)
    if "href" not in attributes:
        return f"<g {inside}>", "</g>"
    target = escape(attributes.get("target", "_top"))
    link = f'<a xlink:href="{escape(attributes["href"])}" target="{target}"'
    more = " ".join(part for part in (inside, attributes.get("a_extra", "")) if part)
    return f"{link} {more}>" if more else f"{link}>", "</a>"


def _plain(number: float) -> str:
    """Without a fraction that is zero."""
    return f"{number:.15g}"


def _script() -> str:
    path = os.path.join(os.path.dirname(__file__), "svg.js")
    with open(path, encoding="utf-8") as file:
        return file.read()
