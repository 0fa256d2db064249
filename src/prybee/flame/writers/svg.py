"""Writes a flame graph as SVG, with flamegraph.pl's options and the same groups for frames.

Geometry, colours and texts of frames are those of flamegraph.pl (flamegraph.md 1.1 to 1.3); the
page's script is our own.
"""

from __future__ import annotations

import os
import random
from html import escape as escape_marks

from prybee.data import Data
from prybee.flame import palettes
from prybee.flame.layout import boxes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prybee.flame.layout import Box, Stacks
    from prybee.flame.palettes import Colour

_SIDE = 10  # pixels left and right of everything
_SMALLEST = 3  # characters that are worth a label
# Characters that XML has no way to say (XML 1.0, 2.2).
_UNSPEAKABLE = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF], "\ufffd")
_UNSPEAKABLE.update(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))
_ENDS = ("_[k]", "_[w]", "_[i]", "_[j]")


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
        inverted: the root is at the top.
        negate: growth is blue.
        total: what is 100 %, if it is more than the sum.
        factor: by which weights are multiplied when they are shown.
        nameattr: attributes of frames by their names.
        leaves: deltas only on the frames that stacks end with.
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
    inverted: bool = False
    negate: bool = False
    total: float = 0
    factor: float = 1
    nameattr: Mapping[str, Mapping[str, str]] = {}
    leaves: bool = False


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
        self.boxes = list(boxes(stacks, self._least(), leaves=options.leaves))
        self.compared = bool(stacks.deltas)
        self.most = max([1.0, *(abs(box.delta) for box in self.boxes)])
        size = options.fontsize
        self.above = size * 3 + (size * 2 if options.subtitle else 0)
        self.below = size * 2 + 10
        deepest = max(box.depth for box in self.boxes)
        self.tall = (deepest + 1) * options.height + self.above + self.below
        self.chance = random.Random(0)
        self.colours: dict[str, Colour] = {}

    def _least(self) -> float:
        text = self.options.minwidth
        if text.endswith("%"):
            return self.total * float(text[:-1]) / 100
        return float(text) / self.per_weight if self.per_weight else 0

    def parts(self) -> Iterator[str]:
        """Everything."""
        yield self._head()
        yield '<g id="frames">\n'
        for box in self.boxes:
            yield self._frame(box)
        yield "</g>\n</svg>\n"

    def _frame(self, box: Box) -> str:
        options = self.options
        row = options.height
        left = _SIDE + box.start * self.per_weight
        right = _SIDE + box.end * self.per_weight
        if options.inverted:
            top = self.above + box.depth * row
            bottom = self.above + (box.depth + 1) * row - 1
        else:
            top = self.tall - self.below - (box.depth + 1) * row + 1
            bottom = self.tall - self.below - box.depth * row
        shown = box.name[:-4] if box.name.endswith(_ENDS) else box.name
        x, end = f"{left:.1f}", f"{right:.1f}"
        wide = f"{float(end) - float(x):.1f}"
        colour = "rgb({},{},{})".format(*self._colour(box))
        label = self._label(shown, right - left) if box.depth else ""
        attributes = options.nameattr.get(box.name, {})
        title = attributes.get("title") or escape(self._title(box, shown), quote=True)
        opening, closing = _group(attributes)
        middle = 3 + (top + bottom) / 2
        return (
            f"{opening}\n<title>{title}</title>"
            f'<rect x="{x}" y="{_plain(top)}" width="{wide}" height="{bottom - top:.1f}" '
            f'fill="{colour}" rx="2" ry="2" />\n'
            f'<text  x="{left + 3:.2f}" y="{_plain(middle)}" >{escape(label, quote=False)}</text>\n'
            f"{closing}\n"
        )

    def _title(self, box: Box, shown: str) -> str:
        options = self.options
        samples = round((box.end - box.start) * options.factor)
        count = f"{samples:,}"
        if not box.depth:
            return f"all ({count} {options.countname}, 100%)"
        share = f"{100 * samples / (self.total * options.factor):.2f}"
        if not self.compared:
            return f"{shown} ({count} {options.countname}, {share}%)"
        delta = 100 * (-box.delta if options.negate else box.delta) / self.total
        sign = "+" if delta > 0 else ""
        return f"{shown} ({count} {options.countname}, {share}%; {sign}{delta:.2f}%)"

    def _label(self, shown: str, wide: float) -> str:
        room = int(wide / (self.options.fontsize * self.options.fontwidth))
        if room < _SMALLEST:
            return ""
        return shown if len(shown) <= room else shown[: room - 2] + ".."

    def _colour(self, box: Box) -> Colour:
        options = self.options
        if box.name == "--":
            return palettes.SEPARATOR
        if box.name == "-":
            return palettes.FRAME_SEPARATOR
        if self.compared:
            return palettes.difference(-box.delta if options.negate else box.delta, self.most)
        if options.random:
            values = self.chance.random(), self.chance.random(), self.chance.random()
            return palettes.colour(options.colors, box.name, values)
        known = self.colours.get(box.name)
        if known is None:
            values = (palettes.of_hash if options.hash else palettes.of_name)(box.name)
            known = palettes.colour(options.colors, box.name, values)
            self.colours[box.name] = known
        return known

    def _head(self) -> str:
        options = self.options
        wide, tall, size = options.width, _plain(self.tall), options.fontsize
        encoding = f' encoding="{escape(options.encoding)}"' if options.encoding else ""
        top, bottom = palettes.background(options.colors)
        if options.bgcolors in palettes.BACKGROUNDS:
            top, bottom = palettes.BACKGROUNDS[options.bgcolors]
        elif options.bgcolors:
            top = bottom = options.bgcolors
        title = options.title or ("Icicle Graph" if options.inverted else "Flame Graph")
        subtitle = (
            f'<text id="subtitle" x="{wide / 2:.2f}" y="{_plain(size * 4)}" >'
            f"{escape(options.subtitle)}</text>\n"
            if options.subtitle
            else ""
        )
        low = f"{self.tall - self.below / 2:g}"
        details = {"nametype": options.nametype, "total": self.total, "size": size}
        data = " ".join(f'data-{name}="{escape(str(v))}"' for name, v in details.items())
        return f"""<?xml version="1.0"{encoding} standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg version="1.1" width="{wide}" height="{tall}" viewBox="0 0 {wide} {tall}" {data} \
data-fontwidth="{options.fontwidth}" data-side="{_SIDE}" data-inverted="{int(options.inverted)}" \
xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">
<!-- Drawn by prybee. -->
<!-- NOTES: {options.notes} -->
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
<text id="title" x="{wide / 2:.2f}" y="{_plain(size * 2)}" >{escape(title)}</text>
{subtitle}<text id="details" x="{_SIDE:.2f}" y="{low}" > </text>
<text id="unzoom" x="{_SIDE:.2f}" y="{_plain(size * 2)}" class="hide" tabindex="0">Reset Zoom</text>
<text id="search" x="{wide - _SIDE - 100:.2f}" y="{_plain(size * 2)}" tabindex="0">Search</text>
<text id="ignorecase" x="{wide - _SIDE - 16:.2f}" y="{_plain(size * 2)}" tabindex="0">ic</text>
<text id="matched" x="{wide - _SIDE - 100:.2f}" y="{low}" > </text>
"""


def escape(text: str, quote: bool = True) -> str:
    """Text as XML has it."""
    return escape_marks(text.translate(_UNSPEAKABLE), quote)


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
    return f"{number:g}"


def _script() -> str:
    path = os.path.join(os.path.dirname(__file__), "svg.js")
    with open(path, encoding="utf-8") as file:
        return file.read()
