"""The page that shows a profile, in a browser."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from prybee.flame.profile import KERNEL, Profile
from prybee.flame.readers.folded import read
from prybee.flame.writers.html import write
from prybee.flame.writers.page_data import payload
from tests.flame.browser import Browser

TEXT = """\
sh;main;work;read_[k] 30
sh;main;work;parse 50
sh;main;work;work;parse 10
sh;main;idle 10
"""


def profile(text: str = TEXT) -> Profile:
    return read(text.encode().splitlines())


def test_it_is_small_and_by_itself() -> None:
    page = write(profile())
    assert len(page.encode()) < 150_000
    assert not re.search(r'(src|href)\s*=\s*["\'](https?:)?//', page)
    assert "default-src 'none'" in page.replace("&#x27;", "'")


def test_names_cannot_break_out() -> None:
    page = write(profile("</script><script>alert(1)</script>;<b> 1\n"), title="</title><script>")
    assert "alert" not in page
    assert page.count("<script") == 3


def test_the_data_is_small() -> None:
    deep = Profile()
    for leaf in range(10_000):
        deep.add([deep.frame(f"function_{n}") for n in (*range(20), 100 + leaf % 500)], leaf)
    assert len(payload(deep)) < 20_000


def test_of_two_profiles() -> None:
    one, other = Profile(), Profile()
    one.add([one.frame("a", KERNEL)], 3)
    other.add([other.frame("b")], 4)
    assert payload(one, other).endswith(bytes([0, 0, 3, 0, 1, 1, 0, 4]))


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "page.html"
    path.write_text(write(profile(), title="Test"))
    yield path
    assert browser.complaints() == []


pytestmark = pytest.mark.slow


def zoomed(browser: Browser) -> str:
    return str(browser.run("page.name(page.view.tree, page.view.zoomed)"))


def test_a_flame_graph(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.drawn() == [
        "all", "idle", "main", "parse", "parse", "read", "sh", "work", "work",
    ]  # fmt: skip
    # The root is at the bottom, at full width.
    box = browser.run("page.view.drawn[0]")
    assert box[1] == 0
    assert box[2] + 18 == browser.run("page.view.host.clientHeight")
    assert box[3] == browser.run("page.view.host.clientWidth")


def test_search(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.key("/")
    for letter in "pars":
        browser.key(letter, letter)
    browser.wait("document.getElementById('matched').textContent")
    assert browser.run("document.getElementById('matched').textContent") == (
        "Matched: 60.00%, 1 functions"
    )
    assert "search=pars" in browser.run("location.hash")
    browser.key("[", "[")
    assert "not a regular expression" in browser.run("matched.textContent")


def test_zoom_by_mouse_and_back(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.drawn()
    top = browser.run("page.view.host.getBoundingClientRect().top")
    _, x, y, _ = browser.run(
        "page.view.drawn.find(b => page.name(page.view.tree, b[0]) === 'work')"
    )
    browser.mouse("mouseMoved", x + 5, top + y + 5)
    assert browser.run("details.textContent").startswith("work: 90 samples, 90.00%")
    browser.mouse("mousePressed", x + 5, top + y + 5)
    browser.mouse("mouseReleased", x + 5, top + y + 5)
    assert zoomed(browser) == "work"
    assert "idle" not in browser.drawn()
    browser.key("Backspace")
    browser.wait("page.view.zoomed === 0")


def test_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.drawn()
    for key in ("ArrowUp", "ArrowUp", "ArrowUp"):
        browser.key(key)
    assert browser.run("details.textContent").startswith("work: ")
    browser.key("ArrowLeft")
    assert browser.run("details.textContent").startswith("idle: ")
    browser.key("ArrowRight")
    browser.key("Enter")
    assert zoomed(browser) == "work"
    browser.key("h")
    assert "work" not in browser.drawn()
    browser.key("Escape")
    assert browser.run("location.hash") == ""
    assert "work" in browser.drawn()


def test_views(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.key("5")
    rows = browser.run("[...document.querySelectorAll('tbody tr')].map(r => r.innerText)")
    assert [row.split("\t") for row in rows] == [
        ["60 samples (60.00%)", "60 samples (60.00%)", "parse"],
        ["30 samples (30.00%)", "30 samples (30.00%)", "read"],
        ["10 samples (10.00%)", "10 samples (10.00%)", "idle"],
        ["0 samples (0.00%)", "100 samples (100.00%)", "main"],
        ["0 samples (0.00%)", "100 samples (100.00%)", "sh"],
        # Recursion counts once.
        ["0 samples (0.00%)", "90 samples (90.00%)", "work"],
    ]
    browser.key("4")
    assert browser.run("document.querySelector('[role=treegrid] tbody tr').ariaExpanded") == "true"
    browser.key("2")
    browser.drawn()
    assert browser.run("page.view.drawn[0][2]") == 0  # The root is above.


def test_sandwich(browser: Browser, page: Path) -> None:
    frame = [f.name for f in sorted(profile().frames, key=lambda f: f.name)].index("parse")
    browser.open(page, f"view=sandwich&of={frame}")
    said = browser.run("document.querySelector('h2').textContent")
    assert said == "parse: 60 samples (60.00%), itself 60.00%"
    browser.wait("page.view.halves.every(h => h.drawn.length)")
    callers = browser.run(
        "page.view.halves[0].drawn.map(b => page.name(page.view.halves[0].tree, b[0]))"
    )
    assert sorted(set(callers)) == ["all", "main", "parse", "sh", "work"]


def test_the_address_brings_everything_back(browser: Browser, page: Path) -> None:
    browser.open(page, "view=icicle&search=PARSE&anycase=1&recursion=1&theme=dark&order=heavy")
    assert browser.run("document.documentElement.dataset.theme") == "dark"
    assert browser.run("matched.textContent") == "Matched: 60.00%, 1 functions"
    assert browser.drawn().count("work") == 1


def test_a_comparison(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "diff.html"
    path.write_text(write(profile("a;b 50\na;new 50\n"), before=profile("a;b 90\na;gone 10\n")))
    browser.open(path, "width=both")
    assert browser.drawn() == ["a", "all", "b", "gone", "new"]
    said = browser.run("[1, 2, 3, 4].map(n => page.said(page.view.tree, n))")
    assert said == [
        "a: 100 samples, 100.00%, before 100 samples, 0.00%",
        "b: 50 samples, 50.00%, itself 50.00%, before 90 samples, -40.00%",
        "gone: 0 samples, 0.00%, before 10 samples, -10.00%, gone",
        "new: 50 samples, 50.00%, itself 50.00%, new",
    ]
    assert browser.complaints() == []


def test_a_picture_as_a_file(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.drawn()
    svg = browser.run("page.svg()")
    titles = [element.text for element in ET.fromstring(svg).iter() if element.tag[-5:] == "title"]
    assert "parse: 50 samples, 50.00%, itself 50.00%" in titles
    assert len(titles) == 9


def test_what_is_missing_is_shown(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "lost.html"
    lossy = profile()
    lossy.quality.lost = 1234
    path.write_text(write(lossy))
    browser.open(path)
    assert browser.run("quality.innerText") == "1,234 samples were lost"


def compared(tmp_path: Path) -> Path:
    path = tmp_path / "diff.html"
    path.write_text(write(profile("a;b 50\na;new 50\n"), before=profile("a;b 90\na;gone 10\n")))
    return path


def test_only_some_changes(browser: Browser, tmp_path: Path) -> None:
    browser.open(compared(tmp_path), "view=table")
    assert browser.run("[...document.querySelectorAll('tbody tr')].map(r => r.innerText)") == [
        "50 samples (50.00%)\t50 samples (50.00%)\t0 samples\t+50.00%\t+50.00%\tnew\tnew",
        "50 samples (50.00%)\t50 samples (50.00%)\t90 samples\t-40.00%\t-40.00%\tshrunk\tb",
        "0 samples (0.00%)\t0 samples (0.00%)\t10 samples\t-10.00%\t-10.00%\tgone\tgone",
        "0 samples (0.00%)\t100 samples (100.00%)\t100 samples\t0.00%\t0.00%\tsame\ta",
    ]
    for kind, name in (("new", "new"), ("gone", "gone"), ("shrunk", "b")):
        browser.run(f"changes.value = '{kind}'; changes.onchange({{target: changes}})")
        names = "[...document.querySelectorAll('tbody td.name')].map(n => n.innerText)"
        assert browser.run(names) == [name]
    browser.key("1")
    browser.run("page.state.set({width: 'both'})")
    browser.drawn()
    # The others are still there, faintly.
    faint = "page.view.drawn.filter(b => page.isDim(page.view.tree, b[0]))"
    names = browser.run(f"{faint}.map(b => page.name(page.view.tree, b[0]))")
    assert sorted(names) == ["a", "gone", "new"]
    assert browser.complaints() == []


def test_changes_are_told_without_colours(browser: Browser, tmp_path: Path) -> None:
    browser.open(compared(tmp_path), "width=both&palette=safe")
    browser.drawn()
    labels = browser.run("page.view.drawn.map(b => page.label(page.view.tree, b[0]))")
    assert sorted(labels) == ["+ new", "a", "all", "b", "− gone"]
    assert browser.text("legend").split("\n")[0].startswith("+ new")


def test_folded_stacks_with_two_weights(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "two.html"
    path.write_text(write(profile("a;b 90 50\na;gone 10 0\na;new 0 50\n")))
    browser.open(path, "width=both")
    assert browser.drawn() == ["a", "all", "b", "gone", "new"]
    assert browser.run("page.compared")


def test_modules(browser: Browser, tmp_path: Path) -> None:
    made = Profile()
    main, one, other = (
        made.frame("main", "", "/bin/a"),
        made.frame("f", "", "/lib/b.so"),
        made.frame("g", "", "/lib/b.so"),
    )
    made.add([main, one, other], 3)
    made.add([main, other, made.frame("k", KERNEL)], 1)
    path = tmp_path / "modules.html"
    path.write_text(write(made))
    browser.open(path)
    browser.run("merge.click()")
    assert browser.drawn() == ["[kernel]", "a", "all", "b.so"]
    assert browser.run("location.hash") == "#merge=1"


def test_heaviest_left(browser: Browser, page: Path) -> None:
    browser.open(page, "order=heavy")
    browser.drawn()
    at = "(n => page.view.drawn.find(b => page.name(page.view.tree, b[0]) === n)[1])"
    assert browser.run(f"{at}('work')") == 0
    assert browser.run(f"{at}('idle')") == browser.run("page.view.host.clientWidth * 0.9")


def test_every_palette(browser: Browser, page: Path) -> None:
    browser.open(page)
    for palette in browser.run(
        "[...document.querySelectorAll('#palette option')].map(o => o.value)"
    ):
        browser.run(f"page.state.set({{palette: '{palette}'}})")
        browser.drawn()
        colours = browser.run("page.view.drawn.map(b => page.colour(page.view.tree, b[0]))")
        assert all(re.match(r"#|hsl\(|rgb\(", colour) for colour in colours), (palette, colours)
