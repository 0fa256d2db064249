"""The manual builds without a warning: pages, references, docstrings, and the man page."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent.parent / "docs"
pytestmark = pytest.mark.slow


Build = Callable[[str], Path]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A function: builder → the folder with what it made."""
    for name in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(name, reason="the manual's tools are not installed: make docs")
    folder = tmp_path_factory.mktemp("manual")

    def made(builder: str) -> Path:
        if (folder / builder).exists():
            return folder / builder
        done = subprocess.run(
            [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", builder,
             "-d", str(folder / "trees"), str(DOCS), str(folder / builder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return folder / builder

    return made


def test_pages(build: Build) -> None:
    html = build("html")
    for page in DOCS.glob("*.md"):
        assert (html / f"{page.stem}.html").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("prybee.btf", "Btf"), ("prybee.btf", "BtfBuilder"), ("prybee.elf", "ElfFile"),
        ("prybee.symbols", "UserSymbols"), ("prybee.linux.maps", "Map"),
        ("prybee.linux.programs", "Program"), ("prybee.linux.ringbuf", "RingBuffer"),
    ],
)  # fmt: skip
def test_reference_of_the_library(build: Build, module: str, name: str) -> None:
    """Every public method has its place, and records show their fields."""
    library = (build("html") / "library.html").read_text()
    methods = [
        method
        for method, value in inspect.getmembers(getattr(import_module(module), name), callable)
        if not method.startswith("_") and value.__module__.startswith("prybee.")
    ]
    assert methods
    own = [m for m in methods if f'.{name}.{m}"' not in library]
    # What all kernel objects have is said once, of none in particular.
    assert set(own) <= {"close", "fileno"}
    assert "bit_offset" in library.partition('id="prybee.btf.Member"')[2][:2000]


def test_man_page(build: Build) -> None:
    page = build("man") / "prybee.1"
    text = page.read_text()
    assert "prybee [options] \\-e" in text
    assert "\\-\\-unsafe" in text
