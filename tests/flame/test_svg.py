"""Pictures: geometry, texts, and what a browser would choke on."""

from __future__ import annotations

import os
import random
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from prybee.flame import palettes, pictures
from prybee.flame.profile import FormatError, Quality
from prybee.flame.readers.folded import parse

NAMESPACE = "{http://www.w3.org/2000/svg}"


def picture(text: str, **options: Any) -> str:
    stacks, weights, before = parse(text.encode().splitlines(), Quality())
    return "".join(pictures.draw(stacks, weights, before, **options))


def frames(svg: str) -> dict[str, tuple[float, float, float, str]]:
    """Title to x, y, width, text."""
    root = ET.fromstring(svg)
    found = {}
    for group in next(g for g in root if g.get("id") == "frames"):
        rect = group.find(f"{NAMESPACE}rect")
        assert rect is not None
        title = group.findtext(f"{NAMESPACE}title") or ""
        assert title not in found
        x, y, width = (float(rect.get(name) or "nan") for name in ("x", "y", "width"))
        found[title] = (x, y, width, group.findtext(f"{NAMESPACE}text") or "")
    return found


def test_geometry() -> None:
    found = frames(picture("a;b 30\na 10\nc 60\n"))
    assert found == {
        "all (100 samples, 100%)": (10.0, 69.0, 1180.0, ""),
        "a (40 samples, 40.00%)": (10.0, 53.0, 472.0, "a"),
        # The part of `a` itself is at its left.
        "b (30 samples, 30.00%)": (128.0, 37.0, 354.0, "b"),
        "c (60 samples, 60.00%)": (482.0, 53.0, 708.0, "c"),
    }


def test_an_icicle_has_its_root_above() -> None:
    found = frames(picture("a;b 1\n", inverted=True))
    assert [found[name][1] for name in found] == [36.0, 52.0, 68.0]


def test_siblings_are_one_whatever_their_names() -> None:
    found = frames(picture("a;b;x 10\na;b-x 1\na;b(int) 1\na;b 10\n"))
    assert [name for name in found if name.startswith("b ")] == ["b (20 samples, 90.91%)"]


def test_narrow_frames_are_left_out() -> None:
    text = "a 100000\nb;c;d 1\n"
    assert len(frames(picture(text))) == 2
    assert len(frames(picture(text, minwidth="0"))) == 5
    assert len(frames(picture("a 99\nb 1\n", minwidth="2%"))) == 2


@pytest.mark.parametrize("option", ["title", "subtitle", "countname", "nametype", "fonttype"])
def test_texts_are_escaped(option: str) -> None:
    ET.fromstring(picture("<f>&\"'\x1b 1\n", **{option: "<&\">'"}))


def test_labels_fit() -> None:
    found = frames(picture("a_rather_long_name 2\nother 98\n", width=400))
    assert found["a_rather_long_name (2 samples, 2.00%)"][3] == ""
    found = frames(picture("a_rather_long_name 20\nother 80\n", width=400))
    assert found["a_rather_long_name (20 samples, 20.00%)"][3] == "a_rather.."


def test_deltas_are_on_every_frame() -> None:
    text = "a;b 10 20\na;c 10 5\na 5 5\n"
    assert list(frames(picture(text))) == [
        "all (30 samples, 100%)",
        "a (30 samples, 100.00%; +16.67%)",
        "b (20 samples, 66.67%; +33.33%)",
        "c (5 samples, 16.67%; -16.67%)",
    ]
    # On the leaves only, as the peer has it.
    assert "a (30 samples, 100.00%; 0.00%)" in frames(picture(text, compat_bugs=True))
    assert "b (20 samples, 66.67%; -33.33%)" in frames(picture(text, negate=True))


def test_annotations_are_colours_and_not_shown() -> None:
    svg = picture("f_[k] 1\n", colors="java")
    assert "f (1 samples, 100.00%)" in frames(svg)
    assert re.search(r'<title>f .*fill="rgb\(\d+,\d+,0\)"', svg)


def test_tall_pictures_have_exact_places() -> None:
    """(Six digits are too few for them.)"""
    deep = ";".join(f"f{n}" for n in range(9000))
    svg = picture(f"{deep} 1\n")
    lowest = re.search(r'<title>all .*?<text  x="13.00" y="([^"]+)"', svg, re.S)
    assert lowest
    assert lowest[1] == "144047.5"


def test_the_same_every_time() -> None:
    assert picture("a;b 1\nc 2\n") == picture("a;b 1\nc 2\n")
    assert picture("a;b 1\nc 2\n", random=True) == picture("a;b 1\nc 2\n", random=True)


def test_a_chart_keeps_its_order() -> None:
    found = re.findall(
        r'<title>(\w+) \(.*?x="([\d.]+)".*?width="([\d.]+)"',
        picture("b 10\na;x 5\na 2\na;x 3\nb 80\n", flamechart=True),
    )
    assert found == [
        ("all", "10.0", "1180.0"), ("b", "10.0", "118.0"), ("a", "128.0", "118.0"),
        ("x", "128.0", "59.0"), ("x", "210.6", "35.4"), ("b", "246.0", "944.0"),
    ]  # fmt: skip
    assert ">Flame Chart</text>" in picture("a 1\n", flamechart=True)


def test_a_chart_has_deltas_of_all() -> None:
    found = frames(picture("a;b 1 5\na;c 2 2\n", flamechart=True))
    assert "a (7 samples, 100.00%; +57.14%)" in found


def test_defects_come_back() -> None:
    text = "a;b;x 10\na;b-x 1\na;b(int) 1\na;b 10.5\n"
    found = re.findall(r"<title>(b \(.*?)</title>", picture(text, compat_bugs=True, title="<&"))
    assert found == ["b (10 samples, 44.44%)"] * 2
    assert ">x<y</text>" in picture(text, compat_bugs=True, title="x<y")
    assert ">x&lt;y</text>" in picture(text, title="x<y")
    # Counts are rounded, shares are not.
    assert "b (20 samples, 91.11%)" in frames(picture(text))


def test_wakers_have_their_colour() -> None:
    text = "main;wait;--;waker;main 10\nmain;run 5\nmain;wait;--;w_[w] 1\n"
    svg = picture(text, colors="chain")
    fills = re.findall(r'<title>(\S+) .*?fill="rgb\((\d+),(\d+),(\d+)\)"', svg)
    # What slept is blue, who woke it up is of the colour of water; "--" is grey.
    kinds = {
        name: "grey" if (red, green, blue) == ("160",) * 3 else "aqua" if green == blue else "blue"
        for name, red, green, blue in fills
        if name != "main"
    }
    assert kinds == {
        "all": "blue", "wait": "blue", "run": "blue", "--": "grey", "waker": "aqua", "w": "aqua",
    }  # fmt: skip
    assert [green == blue for name, _, green, blue in fills if name == "main"] == [False, True]


def test_colours_are_kept() -> None:
    kept: dict[str, tuple[int, int, int]] = {"b": (1, 2, 3)}
    svg = picture("a;b_[k] 1\nb 2\n--;c 2\n", palette=kept)
    assert 'fill="rgb(1,2,3)"' in svg
    assert sorted(kept) == ["", "a", "b", "b_[k]", "c"]
    again = picture("a;b_[k] 5\n", palette=kept, colors="java")
    assert f'fill="rgb({",".join(map(str, kept["a"]))})"' in again
    # By chance, but the same for all frames of a name.
    chance: dict[str, tuple[int, int, int]] = {}
    svg = picture("a;f 1\nb;f 1\n", palette=chance, random=True)
    assert svg.count('fill="rgb({},{},{})"'.format(*chance["f"])) == 2


def test_files_of_colours(tmp_path: Path) -> None:
    path = tmp_path / "palette.map"
    assert pictures.palette(str(path)) == {}
    path.write_text("b->c->rgb(1,2,3)\n->rgb(4,5,6)\n")
    found = pictures.palette(str(path))
    assert found == {"b->c": (1, 2, 3), "": (4, 5, 6)}
    assert list(pictures.palette_lines(found)) == ["->rgb(4,5,6)\n", "b->c->rgb(1,2,3)\n"]
    path.write_text("a->rgb(1,2,3)\nb\n")
    with pytest.raises(FormatError, match=r"palette.map:2: 'b' is no FUNCTION->rgb"):
        pictures.palette(str(path))


@pytest.mark.parametrize("total", [0, 50, 200])
def test_a_total_of_its_own(total: int) -> None:
    root, own = frames(picture("a 100\n", total=total)).items()
    assert root == (f"all ({max(total, 100)} samples, 100%)", (10.0, 53.0, 1180.0, ""))
    assert own[1][2] == (590 if total == 200 else 1180)


def test_nothing_to_draw() -> None:
    assert "ERROR: there are no stacks" in picture("")
    ET.fromstring(picture(""))


def test_texts_of_attributes_are_escaped() -> None:
    attributes = {"a": {"title": "<&>", "href": 'x"&y', "class": "c<"}}
    svg = picture("a 1\n", nameattr=attributes)
    ET.fromstring(svg)
    assert "<title>&lt;&amp;&gt;</title>" in svg


def test_a_frame_before_one_of_its_name_without_weight() -> None:
    """flamegraph.pl knows frames by name, row and end, and loses the first of two of a key."""
    text = "a;f;x 5\nb;f;y 0\nc 3\n"
    assert "f (5 samples, 62.50%)" in frames(picture(text, flamechart=True))
    lost = frames(picture(text, flamechart=True, compat_bugs=True))
    assert "x (5 samples, 62.50%)" in lost
    assert "f (5 samples, 62.50%)" not in lost


CHECKOUT = os.environ.get("FLAMEGRAPH", "")
beside_the_peer = pytest.mark.skipif(
    not CHECKOUT, reason="FLAMEGRAPH names no checkout of FlameGraph"
)
LOOKS = ["", "--hash", "--inverted", "--colors=java", "--colors=mem", "--width=800", "--factor=3"]
ALL_LOOKS = [
    *LOOKS, "--flamechart", "--reverse", "--flamechart --reverse", "--negate", "--minwidth=2%",
    *(f"--colors={name}" for name in palettes.NAMES), "--minwidth=30", "--total=100000",
    "--factor=2.5", "--width=700 --height=20", "--fontsize=9 --fontwidth=0.7", "--subtitle=s",
    "--subtitle=s --inverted", "--bgcolors=grey", "--bgcolors=#123456", "--cp", "--cp --hash",
    "--countname=ms --nametype=F:", "--title=T", "--notes=N --encoding=UTF-8",
]  # fmt: skip
WORDS = [
    "a", "b", "b-x", "b(int)", "java/lang/X", "Foo::bar", "it's", "x<y>", '"q"', "k_[k]", "j_[j]",
    "i_[i]", "lib`f", "-", "é", "/x.js:1", "Perl_x", " ", "com/a:::b",
]  # fmt: skip


def drawn(command: list[Any], folder: Path, text: str = "") -> list[str]:
    """What is measured of a picture, and its frames; the file of colours if there is one."""
    done = subprocess.run(
        command, capture_output=True, check=True, input=text.encode(), cwd=folder
    )  # fmt: skip
    head, _, body = done.stdout.decode().partition('id="frames"')
    file = folder / "palette.map"
    colours = file.read_text() if file.exists() else ""
    file.unlink(missing_ok=True)
    return [
        *re.findall(r'(?<=<svg version="1.1" )width="\S+" height="\S+"', head),
        *re.findall(r'id="title".*', head),
        *re.findall(r"<stop.*", head),
        *sorted(re.findall(r"<[ga] .*?</[ga]>", body, re.S)),
        colours,
    ]


@pytest.mark.slow
@beside_the_peer
@pytest.mark.parametrize("look", LOOKS)
def test_beside_the_peer(look: str, tmp_path: Path) -> None:
    """Without its defects, where they do not show."""
    samples = sorted(Path(CHECKOUT).glob("test/results/*-all.txt"))
    assert samples
    for sample in samples:
        words = [*look.split(), sample]
        ours = drawn(["prybee", "flame", "draw", *words], tmp_path)
        assert ours == drawn(["perl", f"{CHECKOUT}/flamegraph.pl", *words], tmp_path), sample


@pytest.mark.slow
@beside_the_peer
@pytest.mark.parametrize("compared", [False, True])
@pytest.mark.parametrize("look", ALL_LOOKS)
def test_with_all_defects_of_the_peer(look: str, compared: bool, tmp_path: Path) -> None:
    """Stacks of chance, and all its options."""
    chance = random.Random(look)
    text = ""
    for _ in range(40):
        names = chance.choices(WORDS, k=chance.randint(1, 6))
        if "chain" in look:
            names.insert(chance.randint(1, len(names)), "--")
            if names[-1] == "--":
                names.append("last")
        counts = [str(chance.randint(0, 500)) for _ in range(1 + compared)]
        text += f"{';'.join(names)} {' '.join(counts)}\n"
    words = look.split()
    ours = drawn(
        ["prybee", "flame", "draw", "--format", "folded", "--compat-bugs", *words], tmp_path, text
    )
    assert ours == drawn(["perl", f"{CHECKOUT}/flamegraph.pl", *words], tmp_path, text)
