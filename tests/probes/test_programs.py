"""Probes of programs: what is found in real object files, and where it will be attached."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from prybee.elf import ElfFile
from prybee.language import attach_point
from prybee.language.config_table import Config
from prybee.language.registry import ExpandScope, ProbeSyntaxError
from prybee.plan.plan import UprobeAttach, UprobeMultiAttach
from tests.fixtures.table_target import TableTarget
from tests.probes.conftest import expand, provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Build = Callable[..., str]

PATH = "/opt/app"


def symbols(path: str) -> dict[str, int]:
    """Addresses of a program's functions, as nm has them."""
    lines = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in lines.splitlines():
        address, _, rest = line.partition(" ")
        if address and rest[:1] in "tTwW":
            found[rest[2:]] = int(address, 16)
    return found


@pytest.fixture(scope="module")
def program(build: Build) -> Iterator[tuple[TableTarget, ElfFile, str]]:
    path = build("uprobes.c")
    with ElfFile.open(path) as elf:
        yield TableTarget(elf_files={PATH: elf}), elf, path


def offsets(text: str, target: TableTarget) -> dict[str, object]:
    found = expand(text, target, unsafe=True)
    return {match.name.removeprefix(f"uprobe:{PATH}:"): match.data[1] for match in found}


Program = tuple[TableTarget, ElfFile, str]


def test_functions_by_name(program: Program) -> None:
    target, elf, path = program
    addresses = symbols(path)
    assert offsets(f"uprobe:{PATH}:six", target) == {"six": elf.file_offset(addresses["six"])}
    # Local functions too.
    hidden = offsets(f"u:{PATH}:hidden", target)
    assert hidden == {"hidden": elf.file_offset(addresses["hidden"])}
    assert offsets(f"u:{PATH}:nothing", target) == {}


def test_offsets_and_addresses(program: Program) -> None:
    target, elf, path = program
    start = symbols(path)["six"]
    assert offsets(f"uprobe:{PATH}:six+3", target) == {"six+3": elf.file_offset(start) + 3}
    assert offsets(f"uprobe:{PATH}:six+0x3", target) == {"six+3": elf.file_offset(start) + 3}
    assert offsets(f"uprobe:{PATH}:six+0", target) == {"six": elf.file_offset(start)}
    assert offsets(f"uprobe:{PATH}:{start:#x}", target) == {str(start): elf.file_offset(start)}


def test_patterns_probe_each_place_once(program: Program) -> None:
    target, elf, path = program
    addresses = symbols(path)
    found = offsets(f"uprobe:{PATH}:group_*", target)
    assert sorted(found.values()) == sorted(
        elf.file_offset(addresses[name]) for name in ("group_one", "group_two", "group_three")
    )
    # group_alias and group_one are one place.
    assert list(found) == ["group_alias", "group_three", "group_two"]
    assert list(offsets("uprobe:/opt/*:greet*", target)) == ["greeting"]
    assert offsets("uprobe:/nowhere/*:greet*", target) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"uprobe:{PATH}:six+x", "Invalid offset: invalid integer: x"),
        (f"uretprobe:{PATH}:six+4", "Offset not allowed"),
        (f"uprobe:{PATH}:gr*+4", "Cannot use a wildcard and an offset together"),
        (f"uprobe:{PATH}:0xffffff00", f"no code of '{PATH}' lies at address 0xffffff00"),
        (f"uprobe:{PATH}@file.c:7", None),
    ],
)
def test_wrong_places(program: Program, text: str, message: str | None) -> None:
    target, _elf, _path = program
    with pytest.raises(ProbeSyntaxError) as caught:
        expand(text, target)
    if message is not None:
        assert str(caught.value) == message


def test_offset_beyond_the_function(program: Program) -> None:
    target, elf, _path = program
    size = elf.symbols("six")[0].size
    with pytest.raises(ProbeSyntaxError) as caught:
        expand(f"uprobe:{PATH}:six+{size}", target)
    assert str(caught.value) == f"Offset outside the function bounds ('six' size is {size})"


def test_return_probes_want_a_functions_start(program: Program) -> None:
    target, _elf, path = program
    start = symbols(path)["six"]
    assert len(expand(f"ur:{PATH}:{start}", target)) == 1
    with pytest.raises(ProbeSyntaxError) as caught:
        expand(f"ur:{PATH}:{start + 1}", target)
    assert str(caught.value) == (
        "uretprobes cannot be attached at function offset. (address resolved to: six+1)"
    )


def test_missing_functions(program: Program) -> None:
    target, _elf, _path = program
    scope = ExpandScope(target, Config())

    def missing(text: str) -> tuple[str, tuple[str, ...]]:
        return provider("uprobe").missing(attach_point.parse(text), scope)

    assert missing(f"uprobe:{PATH}:greetin") == (
        f"No matches for uprobe {PATH}:greetin.",
        ("did you mean 'greeting'?",),
    )
    assert missing(f"uprobe:{PATH}:nothing*") == ("", ())
    assert missing(f"uprobe:{PATH}:cpp:nothing") == ("", ())


def test_several_binaries_are_told(program: Program) -> None:
    _target, elf, _path = program
    target = TableTarget(
        elf_files={"/a/app": elf, "/b/app": elf}, binaries={"app": ["/a/app", "/b/app"]}
    )
    scope = ExpandScope(target, Config())
    point = attach_point.parse("uprobe:app:six")
    assert [m.name for m in provider("uprobe").expand(point, scope)] == ["uprobe:/a/app:six"]
    assert scope.warnings == ["attaching to uprobe target file '/a/app' but matched 2 binaries"]


def test_one_link_for_all_places_of_a_file(program: Program) -> None:
    target, _elf, _path = program
    scope = ExpandScope(target, Config(), pid=77)
    matches = expand(f"uretprobe:{PATH}:g*", target)
    assert len({match.key for match in matches}) == 1
    (spec,) = provider("uretprobe").attach(matches, "p", scope)
    assert spec.count == len(matches) == 4
    assert spec.name == f"uretprobe:{PATH}:greeting and 3 more"
    assert spec.attach == UprobeMultiAttach(
        PATH, tuple(match.data[1] for match in matches), True, (), (), 77
    )


def test_a_link_a_place_on_older_kernels(program: Program) -> None:
    _target, elf, _path = program
    target = TableTarget(elf_files={PATH: elf}, features=())
    scope = ExpandScope(target, Config())
    matches = expand(f"uprobe:{PATH}:g*", target)
    assert provider("uprobe").context(matches[0], scope).attach_type == ""
    specs = provider("uprobe").attach(matches, "p", scope)
    assert [spec.attach for spec in specs] == [
        UprobeAttach(PATH, match.data[1]) for match in matches
    ]


def test_cpp_names(build: Build) -> None:
    with ElfFile.open(build("names.cc")) as elf:
        target = TableTarget(elf_files={PATH: elf})
        both = expand(f"uprobe:{PATH}:cpp:shop::price", target)
        assert [match.name for match in both] == [
            f'uprobe:{PATH}:cpp:"shop::price(int)"',
            f'uprobe:{PATH}:cpp:"shop::price(int, char const*)"',
        ]
        one = expand(f'uprobe:{PATH}:cpp:"shop::price(int)"', target)
        assert [match.data for match in one] == [both[0].data]
        assert len(expand(f"uprobe:{PATH}:cpp:shop::*", target)) == 3
        assert len(expand(f"uprobe:{PATH}:cpp:*total*", target)) == 1
        assert expand(f'uprobe:{PATH}:"shop::price"', target) == []
        # As it is written in a listing, it can be used in a script.
        assert expand(both[1].name, target) == [both[1]]


@pytest.fixture(scope="module")
def noted(build: Build) -> Iterator[TableTarget]:
    with ElfFile.open(build("usdt.c")) as elf:
        yield TableTarget(elf_files={PATH: elf})


def test_usdt(noted: TableTarget) -> None:
    def found(text: str) -> list[str]:
        return [m.name.removeprefix(f"usdt:{PATH}:") for m in expand(text, noted)]

    assert found(f"usdt:{PATH}:app:constants") == ["app:constants"]
    assert found(f"U:{PATH}:bare") == ["other:bare"]
    assert found(f"usdt:{PATH}:app:bare") == []
    assert found(f"usdt:{PATH}:*") == [
        "app:absolute", "app:alike", "app:constants", "app:guarded", "app:memory", "app:named",
        "app:registers", "app:twice", "app:twice", "other:bare",
    ]  # fmt: skip
    assert found(f"usdt:{PATH}:o*:*") == ["other:bare"]


def test_usdt_places_with_one_form_of_arguments_share_a_program(noted: TableTarget) -> None:
    usdt = provider("usdt")
    scope = ExpandScope(noted, Config())
    matches = expand(f"usdt:{PATH}:twice", noted)
    assert sorted(len(match.data[1]) for match in matches) == [1, 2]
    assert len({usdt.share(match, scope, ("arg",)).key for match in matches}) == 2
    assert len({usdt.share(match, scope, ()).key for match in matches}) == 1
    (spec,) = usdt.attach(matches, "p", scope)
    assert isinstance(spec.attach, UprobeMultiAttach)
    assert len(spec.attach.offsets) == 3
    assert spec.count == 1
    # However it is attached, it is one probe.
    apart = [usdt.attach([match], "p", scope)[0] for match in matches]
    assert [spec.count for spec in apart] == [1, 0]
    older = ExpandScope(TableTarget(features=()), Config())
    assert [spec.count for spec in usdt.attach(matches, "p", older)] == [1, 0, 0]


def test_usdt_semaphores(noted: TableTarget) -> None:
    scope = ExpandScope(noted, Config())
    matches = expand(f"usdt:{PATH}:guarded", noted)
    elf = noted.elf(PATH)
    assert elf is not None
    expected = elf.file_offset(elf.symbols("guarded_semaphore")[0].value)
    (spec,) = provider("usdt").attach(matches, "p", scope)
    assert isinstance(spec.attach, UprobeMultiAttach)
    assert spec.attach.ref_ctr_offsets == (expected,)


def test_usdt_missing(noted: TableTarget) -> None:
    scope = ExpandScope(noted, Config())
    usdt = provider("usdt")

    def missing(text: str) -> tuple[str, tuple[str, ...]]:
        return usdt.missing(attach_point.parse(text), scope)

    assert missing(f"usdt:{PATH}:app:constant") == (
        f"No matches for usdt {PATH}:constant.",
        ("did you mean 'app:constants'?",),
    )
    assert missing(f"usdt:{PATH}:app:zzz") == (
        f"No matches for usdt {PATH}:zzz.",
        (f"see prybee -l 'usdt:{PATH}:*'",),
    )
    assert missing(f"usdt:{PATH}:zzz") == ("", (f"see prybee -l 'usdt:{PATH}:*'",))
    assert missing(f"usdt:{PATH}:guardet") == ("", ("did you mean 'guarded'?",))


def test_what_a_file_does_not_have(program: Program, build: Build) -> None:
    target, _elf, _path = program
    scope = ExpandScope(target, Config())
    point = attach_point.parse(f"usdt:{PATH}:*")
    assert provider("usdt").missing(point, scope) == ("", (f"'{PATH}' has no USDT probes",))
    with ElfFile.open(build("uprobes.c", "-s")) as stripped:
        scope = ExpandScope(TableTarget(elf_files={PATH: stripped}), Config())
        for name in ("six", "si*"):
            point = attach_point.parse(f"uprobe:{PATH}:{name}")
            message, hints = provider("uprobe").missing(point, scope)
            assert message == ("No matches for uprobe /opt/app:six." if name == "six" else "")
            assert hints == (f"'{PATH}' is stripped: only the functions it exports have names",)


def test_instructions_are_not_split(build: Build) -> None:
    path = build("uprobes.c")
    with ElfFile.open(path) as elf:
        if elf.machine != "x86_64":
            pytest.skip("the instructions of the test are x86-64's")
        target = TableTarget(elf_files={PATH: elf})
        start = symbols(path)["main"]
        text = subprocess.run(
            ["objdump", "-dw", "--disassemble=main", path],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        begins = {
            int(line.split(":")[0], 16) - start
            for line in text.splitlines()
            if line.startswith(" ") and "\t" in line
        }
        size = elf.symbols("main")[0].size
        accepted = set()
        refused: list[tuple[str, int]] = []
        for offset in range(size):
            try:
                expand(f"uprobe:{PATH}:main+{offset}", target)
                expand(f"uprobe:{PATH}:{start + offset}", target)
                accepted.add(offset)
            except ProbeSyntaxError as error:
                refused.append((str(error), offset))
        assert accepted == begins & set(range(size))
        for message, offset in refused:
            place = f"{PATH}:main+{offset}"
            problem = f"Could not add uprobe into middle of instruction: {place}"
            assert message == (
                f"{problem}\nUse --unsafe to force attachment. WARNING: This option could lead to "
                "data corruption in the target process."
            )
        between = min(set(range(size)) - begins)
        point = attach_point.parse(f"uprobe:{PATH}:main+{between}")
        scope = ExpandScope(target, Config(), unsafe=True)
        assert len(provider("uprobe").expand(point, scope)) == 1
        assert scope.warnings == [
            f"Unsafe uprobe in the middle of the instruction: {PATH}:main+{between}"
        ]
        config = Config()
        config.missing_probes = "warn"
        assert provider("uprobe").expand(point, ExpandScope(target, config)) == []


def test_where_a_match_lies(program: Program, noted: TableTarget) -> None:
    target, elf, path = program
    (match,) = expand(f"uprobe:{PATH}:six", target)
    expected = elf.file_offset(symbols(path)["six"])
    assert provider("uprobe").places(match) == ((PATH, expected),)
    (single,) = expand(f"usdt:{PATH}:bare", noted)
    ((file, _offset),) = provider("usdt").places(single)
    assert file == PATH
    several = [len(provider("usdt").places(m)) for m in expand(f"usdt:{PATH}:twice", noted)]
    assert sorted(several) == [1, 2]
