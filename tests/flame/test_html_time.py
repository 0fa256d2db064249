"""The page of a profile whose samples are known one by one: over time, narrowed, compared."""

from __future__ import annotations

import json
import random
import xml.etree.ElementTree as ET
import zlib
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prybee.flame.profile import Profile
from prybee.flame.samples import ORDER, Samples
from prybee.flame.writers.html import write
from prybee.flame.writers.page_data import payload
from tests.flame.browser import Browser

MS = 1_000_000


def profile(seconds: int = 20, *, shift: int = 0) -> Profile:
    """A process with two threads and one more process, 100 samples a second of each.

    The first works all the time, the second waits for a lock from 5 to 6 s, the other process does
    something in the first tenth of each second.
    """
    made = Profile()
    samples = made.samples = Samples()

    def sample(pid: int, tid: int, name: str, time: int, state: str, *stack: str) -> None:
        numbers = [made.frame(each) for each in (name, *stack)]
        made.add(numbers, 1)
        samples.add(
            samples.stack_number(numbers), 1, time=time * MS + 77 * 10**9, cpu=tid % 2,
            thread=samples.thread_number(pid, tid, name), labels={"state": state},
        )  # fmt: skip

    for time in range(0, seconds * 1000, 10):
        own = "decode" if (time // 10 + shift) % 4 == 0 else "parse"
        sample(10, 10, "main", time, "on CPU", "serve", own)
        waits = 5000 <= time < 6000
        what = "lock" if waits else "query"
        sample(10, 11, "worker", time, "off CPU" if waits else "on CPU", "run", what)
        if time % 1000 < 100:
            sample(20, 20, "log", time, "on CPU", "flush")
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("time") / "page.html"
    path.write_text(write(profile(), "Times"))
    return path


@pytest.fixture
def page(browser: Browser, written: Path) -> Iterator[Path]:
    yield written
    assert browser.complaints() == []


pytestmark = pytest.mark.slow


def weights(browser: Browser) -> dict[str, float]:
    """What the page has of each function, after all filters."""
    found: dict[str, float] = browser.run(
        "(() => { const sum = page.tree.functions(page.frames.names.length).total;"
        " return Object.fromEntries(page.frames.names.map((n, f) => [n, sum[f]])"
        ".filter(([, w]) => w)); })()"
    )
    return found


def test_samples_are_small() -> None:
    made = profile(100)
    assert made.samples is not None
    assert len(made.samples) == 21_000
    assert len(zlib.compress(payload(made))) < 21_000


def test_columns_that_tell_nothing_are_not_there() -> None:
    made = Profile()
    samples = made.samples = Samples(ORDER)
    stack = [made.frame("a")]
    thread = samples.thread_number(0, 0)
    for time in (0, 200):
        made.add(stack, 5)
        samples.add(samples.stack_number(stack), 5, time=time, thread=thread)
    data = payload(made)
    length = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + length])
    assert head["samples"] == {
        "count": [2, 0], "clock": "order", "spans": False, "tick": 1, "weight": 5,
        "threads": [[0, 0, ""]], "cpus": False, "labels": [],
    }  # fmt: skip
    # The tree: up 0, frame 0, weight 10. Nodes of both samples, times 0 and 200 more.
    assert data[4 + length :] == bytes([0, 0, 10, 1, 1, 0, 200 & 127 | 128, 1])


def test_without_samples_there_is_no_time(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "plain.html"
    made = profile(1)
    made.samples = None
    path.write_text(write(made))
    browser.open(path, "view=chart&range=0-1000&where=thread:1&heat=1")
    assert "decode" in browser.drawn()
    assert browser.run("document.getElementById('narrow').hidden")
    assert browser.run("document.getElementById('chart-tab').hidden")
    assert browser.complaints() == []


def test_labels_without_times(browser: Browser, tmp_path: Path) -> None:
    made = Profile()
    samples = made.samples = Samples("")
    for name in ("select", "insert"):
        stack = [made.frame("run"), made.frame(name)]
        made.add(stack, 5)
        thread = samples.thread_number(0, 0)
        samples.add(samples.stack_number(stack), 5, thread=thread, labels={"query": name})
    path = tmp_path / "labels.html"
    path.write_text(write(made))
    browser.open(path, "view=chart&heat=1")
    assert browser.run("document.getElementById('times').hidden")
    ticked(browser, "label-query", "insert")
    assert browser.drawn() == ["all", "insert", "run"]
    assert browser.complaints() == []


def test_a_flame_chart(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.key("6")
    names = browser.drawn()
    # A frame goes on as long as it is on the stacks of samples that follow one another.
    assert names.count("serve") == 1
    assert names.count("run") == 1
    assert names.count("lock") == 1
    assert names.count("flush") == 20
    assert browser.run("page.view.lanes.map(l => page.samples.threadNames[l.thread])") == [
        "main (10)", "worker (10/11)", "log (20)",
    ]  # fmt: skip
    box = browser.run("page.view.drawn.find(b => page.name(page.view.tree, b[0]) === 'lock')")
    width = browser.run("page.view.host.clientWidth")
    assert box[1] == pytest.approx(width * 5 / 19.99, abs=1)
    assert box[3] == pytest.approx(width * 1 / 19.99, abs=1)


def test_zoom_in_time(browser: Browser, page: Path) -> None:
    browser.open(page, "view=chart")
    browser.drawn()
    left, top = browser.run(
        "(r => [r.left, r.top])(page.view.canvas.getBoundingClientRect())"
    )  # fmt: skip
    _, x, y, _, _ = browser.run(
        "page.view.drawn.find(b => page.name(page.view.tree, b[0]) === 'lock')"
    )
    browser.mouse("mouseMoved", left + x + 5, top + y + 5)
    assert browser.text("details") == "lock: 1 s from 5 s, worker (10/11)"
    browser.mouse("mousePressed", left + x + 5, top + y + 5)
    browser.mouse("mouseReleased", left + x + 5, top + y + 5)
    assert browser.run("location.hash") == "#view=chart&window=5000000000-6000000000"
    assert "query" not in browser.drawn()
    assert browser.drawn().count("flush") == 1
    # All other views of that only.
    browser.key("n")
    assert browser.run("page.range") == [5e9, 6e9]
    browser.key("1")
    assert weights(browser)["lock"] == 100
    assert "query" not in weights(browser)


def test_a_selected_time_is_looked_at(browser: Browser, page: Path) -> None:
    browser.open(page, "view=chart")
    browser.drawn()
    left, top, width = browser.run(
        "(r => [r.left, r.top, r.width])(page.view.canvas.getBoundingClientRect())"
    )
    browser.drag((left + width / 4, top + 60), (left + width / 2, top + 60))
    begin, end = browser.run("page.view.window()")
    assert begin == pytest.approx(5e9, rel=0.01)
    assert end == pytest.approx(10e9, rel=0.01)
    browser.key("-")
    assert browser.run("page.view.window()") == pytest.approx([2.5e9, 12.5e9], rel=0.01)
    browser.key("Escape")
    assert browser.run("location.hash") == ""


def test_keys_in_the_chart(browser: Browser, page: Path) -> None:
    browser.open(page, "view=chart")
    browser.drawn()
    said = []
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowDown", "ArrowUp"):
        browser.key(key)
        said.append(browser.text("details"))
    assert said == [
        "main: 20 s from 0 s, main (10)",
        "serve: 20 s from 0 s, main (10)",
        "decode: 10 ms from 0.00 s, main (10)",
        "parse: 30 ms from 0.01 s, main (10)",
        "worker: 20 s from 0 s, worker (10/11)",
        "main: 20 s from 0 s, main (10)",
    ]
    browser.key("s")
    assert browser.text("view").startswith("main: 2,000 samples")


def test_the_chart_as_a_file(browser: Browser, page: Path) -> None:
    browser.open(page, "view=chart&window=5000000000-6000000000")
    browser.drawn()
    titles = [
        e.text for e in ET.fromstring(browser.run("page.svg()")).iter() if e.tag[-5:] == "title"
    ]
    assert any(title and title.startswith("lock: ") for title in titles)


def heat(browser: Browser) -> tuple[float, float, float]:
    """Left and top of the heat map, and the width of a column."""
    browser.wait("page.heat.cells")
    left, top, width = browser.run(
        "(r => [r.left, r.top, page.heat.width()])(page.heat.canvas.getBoundingClientRect())"
    )
    return left + 52, top, width


def test_a_heat_map(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.key("m")
    heat(browser)
    assert browser.run("[page.heat.columns, page.heat.step, page.heat.most]") == [20, 2e7, 6]
    cells = browser.run("Array.from(page.heat.cells)")
    # Two samples of each thread in 20 ms; the other process has the first tenth of each second.
    assert [cells[50 * 7 + row] for row in (0, 4, 5, 49)] == [6, 6, 4, 4]
    assert browser.run("page.heat.periods.value") == "1000000000"


def test_a_range_of_the_heat_map_narrows_all_views(browser: Browser, page: Path) -> None:
    browser.open(page, "heat=1")
    left, top, width = heat(browser)
    # From the beginning of second 5 to the end of second 6: from the bottom to the top.
    browser.drag((left + 5.5 * width, top + 149), (left + 6.5 * width, top + 1))
    assert browser.run("location.hash") == "#range=5000000000-7000000000&heat=1"
    assert browser.run("[from.value, to.value]") == ["5", "7"]
    assert weights(browser) == {
        "main": 200, "serve": 200, "decode": 50, "parse": 150, "worker": 200, "run": 200,
        "lock": 100, "query": 100, "log": 20, "flush": 20,
    }  # fmt: skip
    browser.key("5")
    assert browser.run("document.querySelector('caption').innerText") == (
        "10 functions of 420 samples that are left by the filters"
    )
    browser.key("6")
    assert browser.run("page.view.window()") == [5e9, 7e9]
    browser.run("document.getElementById('all-times').click()")
    assert browser.run("page.tree.total[0]") == 4200


def test_the_heat_map_by_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page, "heat=1")
    heat(browser)
    browser.run("page.heat.canvas.focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        browser.key(key)
    assert browser.run("page.heat.said.innerText") == "2.02 – 2.04 s: 6 samples"
    browser.key("ArrowUp", modifiers=8)  # Shift.
    browser.key("Enter")
    assert browser.run("location.hash") == "#range=2020000000-2060000000&heat=1"
    browser.key("Escape")
    assert browser.run("location.hash") == "#heat=1"


def test_times_that_are_typed(browser: Browser, page: Path) -> None:
    browser.open(page)
    for name, value in (("from", "1.5"), ("to", "2")):
        browser.run(f"{name}.value = '{value}'; {name}.onchange()")
    assert browser.run("location.hash") == "#range=1500000000-2000000000"
    assert "log" not in weights(browser)
    browser.run("to.value = '1'; to.onchange()")
    assert browser.run("location.hash") == ""


def ticked(browser: Browser, field: str, *texts: str) -> None:
    """Opens a menu and ticks what has these texts."""
    browser.run(f"document.querySelector('#menu-{field} summary').click()")
    browser.wait(f"document.querySelector('#menu-{field} .rows label')")
    for text in texts:
        browser.run(
            f"[...document.querySelectorAll('#menu-{field} label')]"
            f".find(l => l.innerText.includes({text!r})).querySelector('input').click()"
        )


def test_threads(browser: Browser, page: Path) -> None:
    browser.open(page)
    ticked(browser, "thread", "worker", "log")
    assert browser.run("location.hash") == "#where=thread%3A1.2"
    assert sorted(weights(browser)) == ["flush", "lock", "log", "query", "run", "worker"]
    assert browser.run("document.querySelector('#menu-thread summary').innerText") == "Threads: 2"
    # The shares of all, so that others can be chosen as well.
    rows = browser.run("[...document.querySelectorAll('#menu-thread label')].map(l => l.innerText)")
    assert sorted(" ".join(row.split()) for row in rows) == [
        "log (20) 4.76%", "main (10) 47.62%", "worker (10/11) 47.62%",
    ]  # fmt: skip
    ticked(browser, "process", "20 (log)")
    assert sorted(weights(browser)) == ["flush", "log"]
    browser.key("Escape")
    browser.run("document.activeElement.blur()")
    browser.key("Escape")
    assert browser.run("location.hash") == ""


def test_states_and_processors(browser: Browser, page: Path) -> None:
    browser.open(page)
    ticked(browser, "label-state", "off CPU")
    assert weights(browser) == {"worker": 100, "run": 100, "lock": 100}
    browser.open(page)
    ticked(browser, "cpu", "CPU 1")
    assert sorted(weights(browser)) == ["lock", "query", "run", "worker"]


def test_values_are_found_by_their_text(browser: Browser, page: Path) -> None:
    browser.open(page)
    ticked(browser, "thread")
    browser.run(
        "(b => { b.querySelector('input[type=search]').value = 'WORK';"
        " b.querySelector('input[type=search]').oninput();"
        " b.querySelector('button').click(); })(document.getElementById('menu-thread'))"
    )
    assert browser.run("location.hash") == "#where=thread%3A1"


def test_filters_of_the_chart(browser: Browser, page: Path) -> None:
    browser.open(page, "view=chart&where=thread:1&only=")
    assert set(browser.drawn()) == {"worker", "run", "query", "lock"}
    hidden = browser.run("page.frames.names.indexOf('run')")
    browser.open(page, f"view=chart&where=thread:1&hidden={hidden}")
    assert set(browser.drawn()) == {"worker", "query", "lock"}


def test_one_range_beside_another(browser: Browser, page: Path) -> None:
    browser.open(page, "heat=1&range=1000000000-4000000000")
    browser.run("document.getElementById('baseline').click()")
    browser.run("page.state.set({range: '5000000000-6000000000', width: 'both'})")
    assert "base=1000000000-4000000000" in browser.run("location.hash")
    assert not browser.run("document.getElementById('comparison').hidden")
    assert set(browser.drawn()) >= {"lock", "query"}
    said = browser.run("page.view.drawn.map(b => page.said(page.view.tree, b[0]))")
    assert "lock: 100 samples, 47.62%, itself 47.62%, new" in said
    assert "query: 0 samples, 0.00%, before 300 samples, -47.62%, gone" in said
    assert "serve: 100 samples, 47.62%, before 300 samples, 0.00%" in said
    # As they are: three seconds beside one.
    browser.run("page.state.set({by: 'none'})")
    assert browser.run("page.tree.factor") == 1
    browser.run("page.state.set({by: 'time'})")
    assert browser.run("page.tree.factor") == pytest.approx(1 / 3)
    browser.run("document.getElementById('no-baseline').click()")
    assert browser.run("document.getElementById('comparison').hidden")


def compared(tmp_path: Path, **options: Any) -> Path:
    path = tmp_path / "compared.html"
    path.write_text(write(profile(shift=1), "Both", before=profile(10), **options))
    return path


@pytest.mark.parametrize(
    ("equal", "factor"),
    [("total", 2), ("samples", 2), ("time", 19.99 / 9.99), ("none", 1)],
)
def test_what_is_equal(equal: str, factor: float, browser: Browser, tmp_path: Path) -> None:
    browser.open(compared(tmp_path, equal=equal))
    assert browser.run("page.tree.factor") == pytest.approx(factor)
    assert browser.run("document.getElementById('by').value") == equal
    assert browser.complaints() == []


def test_filters_count_for_both_profiles(browser: Browser, tmp_path: Path) -> None:
    browser.open(compared(tmp_path), "where=thread:1")
    assert browser.run("[page.tree.total[0], page.tree.totalBefore[0]]") == [2000, 1000]
    browser.open(compared(tmp_path), "range=5000000000-15000000000&by=none")
    assert browser.run("[page.tree.total[0], page.tree.totalBefore[0]]") == [2100, 1050]


def test_a_million_nodes(browser: Browser, tmp_path: Path) -> None:
    """What the page takes does not depend on how much cannot be seen (seconds of a CPU)."""
    big = Profile()
    samples = big.samples = Samples()
    chance = random.Random(7)
    frames = [big.frame(f"function_{n}") for n in range(2000)]
    for leaf in range(100_000):
        start = [frames[leaf // 10_000], frames[100 + leaf // 100 % 100]]
        path = start + [frames[200 + chance.randrange(1800)] for _ in range(11)]
        big.add(path, 1)
        thread = samples.thread_number(1, leaf % 16, "w")
        samples.add(samples.stack_number(path), 1, time=leaf * MS, thread=thread, cpu=leaf % 8)
    page = tmp_path / "big.html"
    page.write_text(write(big))
    browser.open(page)
    browser.drawn()
    assert browser.run("page.whole.count") > 1_000_000

    def took(script: str) -> float:
        before = browser.processor_time()
        browser.run(f"for (let i = 0; i < 3; i++) {{ {script} }}")
        return (browser.processor_time() - before) / 3

    times = {
        "draw": took("page.view.draw()"),
        "search": took("page.state.set({search: 'function_1' + i}, false)"),
        "filter": took("page.state.set({where: 'thread:' + i})"),
        "heat": took("page.state.set({heat: '1', period: [1e9, 1e8][i % 2], where: ''})"),
        "chart": took("page.state.set({view: ['chart', 'flame'][i % 2]}); page.view.draw()"),
    }
    print({name: f"{1000 * each:.0f} ms" for name, each in times.items()})
    assert times["draw"] < 0.1
    assert max(times.values()) < 1


def test_data_of_the_page_is_what_was_written() -> None:
    text = write(profile(1))
    data = text.partition('id="data">')[2].partition("<")[0]
    assert zlib.decompress(b64decode(data)) == payload(profile(1))
