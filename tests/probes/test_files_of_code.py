"""Probes in files that are no plain programs: members of archives, bare code, stripped programs."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from prybee.elf import ElfFile
from prybee.engines.live import LiveTarget
from prybee.language.registry import ProbeSyntaxError
from prybee.probes.listing import list_probes
from tests.probes.conftest import expand
from tests.probes.running import run, trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Build = Callable[..., str]

# What `int half(int a) { return a / 2; }` is on x86-64 and arm64: enough to be called.
_RETURN = {"x86_64": b"\xf3\x0f\x1e\xfa\x89\xf8\xd1\xf8\xc3", "aarch64": b"\xc0\x03\x5f\xd6" * 4}


def call(program: str, path: str, offset: int, lines: int) -> Callable[[], None]:
    """A cause: the code at an offset of a file is called."""

    def start() -> None:
        subprocess.run([program, path, str(offset)], input=b"\n" * lines, check=True, timeout=20)

    return start


@pytest.fixture
def archive(build: Build, tmp_path: Path) -> str:
    path = tmp_path / "app.apk"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("assets/odd", b"x" * 77)
        made.write(build("uprobes.c"), "lib/app.so")
        made.write(build("usdt.c"), "lib/noted.so")
        made.write(build("uprobes.c"), "lib/packed.so", zipfile.ZIP_DEFLATED)
    return str(path)


@pytest.mark.live
def test_members_of_archives(build: Build, archive: str) -> None:
    member = f"{archive}!/lib/app.so"
    with ElfFile.open(member) as elf:
        (hidden,) = elf.symbols("hidden")
        offset = elf.file_offset(hidden.value)
        assert offset is not None
        offset += elf.start
    cause = call(build("mapped.c"), archive, offset, 3)
    for name in ("hidden", "hidd*"):
        found, plan = trace(f'uprobe:"{member}":{name} {{ @[probe] = count(); }}', cause)
        assert found == {"@": {f"uprobe:{member}:hidden": 3}}
        assert [probe.name for probe in plan.probes] == [f"uprobe:{member}:hidden"]


def test_members_of_archives_are_listed(archive: str) -> None:
    with LiveTarget() as target:
        assert list(list_probes(f"uprobe:{archive}!/lib/app.so:hid*", target)) == [
            f"uprobe:{archive}!/lib/app.so:hidden"
        ]
        found = list(list_probes(f"usdt:{archive}!/lib/noted.so:*", target))
        assert f"usdt:{archive}!/lib/noted.so:app:registers" in found


def test_places_of_usdt_probes_in_archives(archive: str) -> None:
    from prybee.language.config_table import Config
    from prybee.language.registry import ExpandScope
    from tests.probes.conftest import provider

    member = f"{archive}!/lib/noted.so"
    with LiveTarget() as target, ElfFile.open(member) as elf:
        scope = ExpandScope(target, Config())
        matches = expand(f"usdt:{member}:guarded", target)
        (spec,) = provider("usdt").attach(matches, "p", scope)
        (probe,) = [each for each in elf.usdt_probes() if each.name == "guarded"]
        way = spec.attach
        assert way.path == archive  # type: ignore[attr-defined]
        offsets = getattr(way, "offsets", None) or (way.offset,)  # type: ignore[attr-defined]
        assert offsets == (probe.offset + elf.start,)
        semaphores = getattr(way, "ref_ctr_offsets", None) or (way.ref_ctr_offset,)  # type: ignore[attr-defined]
        assert semaphores == (probe.semaphore + elf.start,)


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        (
            "!/lib/packed.so",
            "the file cannot be used: its member 'lib/packed.so' is compressed, so",
        ),
        ("!/lib/nosuch.so", "the file cannot be used: it has no member 'lib/nosuch.so'"),
        ("!/assets/odd", "the file is not an ELF file"),
        ("", "the file is not an ELF file"),
    ],
)
def test_members_that_cannot_be_used(archive: str, file: str, hint: str) -> None:
    with LiveTarget() as target, pytest.raises(ProbeSyntaxError) as caught:
        expand(f"uprobe:{archive}{file}:hidden", target)
    assert str(caught.value) == (
        f"uprobe target file '{archive}{file}' does not exist or is not executable"
    )
    assert caught.value.hints[0].startswith(hint)


@pytest.fixture
def code(tmp_path: Path) -> str:
    """A file of nothing but code, twice the same function with something between."""
    with LiveTarget() as target:
        function = _RETURN.get(target.arch)
    if function is None:
        pytest.skip("there is no code for this machine here")
    path = tmp_path / "code.bin"
    path.write_bytes(function.ljust(64, b"\0") + function)
    return str(path)


@pytest.mark.live
@pytest.mark.parametrize("offset", [0, 64])
def test_bare_code(build: Build, code: str, offset: int) -> None:
    cause = call(build("mapped.c"), code, offset, 2)
    found, plan = trace(
        f"uprobe:{code}:{offset:#x} {{ @ = count(); @a = arg0; }}", cause, unsafe=True
    )
    assert found == {"@": 2, "@a": 5}
    assert [probe.name for probe in plan.probes] == [f"uprobe:{code}:{offset}"]


def test_bare_code_needs_unsafe(code: str) -> None:
    with LiveTarget() as target:
        with pytest.raises(ProbeSyntaxError, match="does not exist or is not executable"):
            expand(f"uprobe:{code}:0x40", target)
        with pytest.raises(
            ProbeSyntaxError, match="should be attached to a function and/or address"
        ):
            expand(f"uprobe:{code}:0x0", target)
        with pytest.raises(ProbeSyntaxError, match="does not exist or is not executable"):
            expand(f"uprobe:{code}:name", target, unsafe=True)


@pytest.fixture
def stripped(build: Build, tmp_path: Path) -> str:
    """A program whose symbols went to a file beside it."""
    if shutil.which("objcopy") is None:
        pytest.skip("strips a program: needs objcopy")
    path, debug = str(tmp_path / "app"), str(tmp_path / "app.debug")
    whole = build("uprobes.c")
    for command in (
        ["objcopy", "--only-keep-debug", whole, debug],
        ["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", whole, path],
    ):
        subprocess.run(command, check=True)
    return path


def test_stripped_programs_are_listed(stripped: str) -> None:
    with LiveTarget() as target:
        elf = target.elf(stripped)
        assert elf is not None
        assert not elf.has_symtab
        assert list(list_probes(f"uprobe:{stripped}:hid*", target)) == [f"uprobe:{stripped}:hidden"]


@pytest.mark.live
def test_stripped_programs(stripped: str) -> None:
    found, _plan = trace(
        f"uprobe:{stripped}:hidden {{ @[probe] = count(); }}"
        f"uretprobe:{stripped}:hidden {{ @result = retval; }}",
        run(stripped, 2),
    )
    assert found["@result"] == 42
    assert list(found["@"].values()) == [2]  # type: ignore[attr-defined]


def test_without_a_debug_file_it_is_said(stripped: str) -> None:
    import os

    from prybee.language import attach_point
    from prybee.language.config_table import Config
    from prybee.language.registry import ExpandScope
    from tests.probes.conftest import provider

    os.unlink(f"{stripped}.debug")
    with LiveTarget() as target:
        point = attach_point.parse(f"uprobe:{stripped}:hidden")
        scope = ExpandScope(target, Config())
        assert list(provider("uprobe").expand(point, scope)) == []
        _message, hints = provider("uprobe").missing(point, scope)
        assert hints == (f"'{stripped}' is stripped: only the functions it exports have names",)
