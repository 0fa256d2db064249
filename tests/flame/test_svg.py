"""Pictures: geometry, texts, and what a browser would choke on."""

from __future__ import annotations

import os
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from prybee.flame.layout import BETWEEN, Stacks
from prybee.flame.profile import Quality
from prybee.flame.readers.folded import parse
from prybee.flame.writers.svg import Options, write

NAMESPACE = "{http://www.w3.org/2000/svg}"


def picture(text: str, **options: Any) -> str:
    stacks, weights, before = parse(text.encode().splitlines(), Quality())
    keys = [stack.replace(b";", BETWEEN) for stack in stacks]
    deltas = [new - old for new, old in zip(weights, before, strict=True)] if before else []
    return "".join(write(Stacks(keys, weights, deltas), Options(**options)))


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
    assert "a (30 samples, 100.00%; 0.00%)" in frames(picture(text, leaves=True))
    assert "b (20 samples, 66.67%; -33.33%)" in frames(picture(text, negate=True))


def test_annotations_are_colours_and_not_shown() -> None:
    svg = picture("f_[k] 1\n", colors="java")
    assert "f (1 samples, 100.00%)" in frames(svg)
    assert re.search(r'<title>f .*fill="rgb\(\d+,\d+,0\)"', svg)


def test_the_same_every_time() -> None:
    assert picture("a;b 1\nc 2\n") == picture("a;b 1\nc 2\n")
    assert picture("a;b 1\nc 2\n", random=True) == picture("a;b 1\nc 2\n", random=True)


CHECKOUT = os.environ.get("FLAMEGRAPH", "")
LOOKS = ["", "--hash", "--inverted", "--colors=java", "--colors=mem", "--width=800", "--factor=3"]


@pytest.mark.slow
@pytest.mark.skipif(not CHECKOUT, reason="FLAMEGRAPH names no checkout of FlameGraph")
@pytest.mark.parametrize("look", LOOKS)
def test_beside_the_peer(look: str) -> None:
    def groups(command: list[Any]) -> list[str]:
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        return sorted(re.findall(r"<[ga] .*?</[ga]>", done.stdout.split('id="frames"')[1], re.S))

    checkout = Path(CHECKOUT)
    samples = sorted(checkout.glob("test/results/*-all.txt"))
    assert samples
    for sample in samples:
        words = [*([look] if look else []), sample]
        ours = groups(["prybee", "flame", "draw", *words])
        assert ours == groups(["perl", checkout / "flamegraph.pl", *words]), sample
