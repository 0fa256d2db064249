"""Makes the pictures of docs/flame.md with prybee itself.

    python docs/pictures.py           the SVG files, which a test compares
    python docs/pictures.py --pages   also pictures of pages: needs Chromium

``pictures/before.folded`` and ``after.folded`` are profiles that `prybee flame cpu -F 199` made of
one program before and after a change: it wrote JSON with ``indent=1`` (five times; it does so
without the C code of the module), and without (25 times). The server whose pages are shown is made
up here, so that the pictures are always the same.
"""

import base64
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from prybee.cli import main  # noqa: E402
from prybee.flame.profile import KERNEL, Profile  # noqa: E402
from prybee.flame.samples import OFF_CPU, ON_CPU, Samples  # noqa: E402
from prybee.flame.writers.html import write  # noqa: E402

PICTURES = Path(__file__).parent / "pictures"
BEFORE, AFTER = str(PICTURES / "before.folded"), str(PICTURES / "after.folded")
# Each picture and the words of `prybee` that make it: what is above 1 % of everything.
DRAWN = {
    "cpu.svg": ["flame", "draw", BEFORE, "--title", "export.py", "--skip-after", "main"],
    "diff.svg": ["flame", "diff", "-n", BEFORE, AFTER, "--title", "without indent=1"],
}
MAX_BYTES = 150_000


def drawn(folder: Path) -> Iterator[Path]:
    """Makes the SVG files in a folder."""
    for name, words in DRAWN.items():
        status = main([*words, "--minwidth", "1%", "-o", str(folder / name)])
        assert status == 0, words
        yield folder / name


def server(seconds: int = 30) -> Profile:
    """A profile of a server: workers, a lock that one waits for, and a log once a second."""
    chance = random.Random(5)
    made = Profile()
    samples = made.samples = Samples()
    queries = [
        ["parse", "lex"], ["parse", "tree", "alloc"], ["query", "plan"],
        ["query", "scan", "decode"], ["query", "scan", "decode"], ["query", "scan", "compare"],
        ["query", "read_[k]", "page_fault_[k]"], ["reply", "encode", "write_[k]"],
    ]  # fmt: skip
    for tid in (100, 101, 102, 200):
        busy = 0
        for time in range(0, seconds * 1000, 10):
            second = time / 1000
            state = ON_CPU
            if tid == 200:
                if time % 1000 >= 80:
                    continue
                stack = ["main", "flush", "write_[k]", "vfs_write_[k]"]
            elif tid == 102 and 12 <= second < 15:
                state, stack = OFF_CPU, ["run", "handle", "lock", "futex_wait_[k]"]
            else:
                if not busy:
                    busy = (
                        -chance.randrange(1, 12)
                        if chance.random() < 0.45
                        else chance.randrange(2, 20)
                    )
                    query = chance.choice(queries)
                busy += 1 if busy < 0 else -1
                if busy < 0 and not 20 <= second < 22:
                    continue  # Nothing to do.
                stack = ["run", "handle", *query]
            name = "logger" if tid == 200 else "server" if tid == 100 else "worker"
            frames = [made.frame(name)]
            frames += [
                made.frame(f.removesuffix("_[k]"), KERNEL if f.endswith("_[k]") else "")
                for f in stack
            ]
            made.add(frames, 1)
            thread = samples.thread_number(200 if tid == 200 else 100, tid, name)
            samples.add(
                samples.stack_number(frames), 1, time=time * 1_000_000, thread=thread,
                cpu=chance.randrange(4), labels={"state": state},
            )  # fmt: skip
    return made


def pages() -> None:
    """Makes the pictures of pages."""
    from prybee.flame.readers.folded import read
    from tests.flame.browser import Browser

    before, after = (read(Path(name).read_bytes().splitlines()) for name in (BEFORE, AFTER))
    texts = {
        "page-flame": (write(before, "export.py"), "order=heavy"),
        "page-heat": (write(server(), "A server"), "heat=1&range=12000000000-15000000000"),
        "page-time": (
            write(server(), "A server"),
            "view=chart&window=11000000000-16000000000&theme=dark",
        ),
        "page-diff": (
            write(after, "export.py without indent=1", before),
            "width=both&order=heavy&view=icicle",
        ),
    }
    browser = Browser()
    folder = tempfile.mkdtemp()
    try:
        for name, (text, state) in texts.items():
            page = Path(folder) / "page.html"
            page.write_text(text, encoding="utf-8")
            browser.open(page, state)
            browser.run("document.fonts.ready")
            browser.wait("!page.view.waiting")
            data = browser.call("Page.captureScreenshot", format="png")["data"]
            (PICTURES / f"{name}.png").write_bytes(base64.b64decode(data))
    finally:
        browser.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    for path in drawn(PICTURES):
        print(path)
    if "--pages" in sys.argv[1:]:
        pages()
