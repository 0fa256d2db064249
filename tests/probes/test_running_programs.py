"""Probes of real programs on the running kernel: what handlers see is what the programs had."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from prybee.diagnostics import ScriptError
from prybee.linux import features
from tests.probes.running import run, trace

if TYPE_CHECKING:
    from collections.abc import Callable

    Build = Callable[..., str]

pytestmark = pytest.mark.live

KINDS = {"pie": ("-pie", "-fPIE"), "no-pie": ("-no-pie", "-fno-pie")}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return KINDS[request.param]


def test_arguments(build: Build, kind: tuple[str, ...]) -> None:
    path = build("uprobes.c", *kind)
    found, plan = trace(
        f"""uprobe:{path}:six {{
            @a = (int32)arg0; @b = arg1; @c = arg2; @d = (int16)arg3; @e = str(arg4);
            @y = *(int64 *)(arg5 + 8); @name = str(arg5 + 16); @n = count();
            @same = reg("di") == (uint64)arg0 && ctx.di == reg("di") && reg("pc") == ctx.ip;
        }}""",
        run(path, 3),
    )
    assert found == {
        "@a": -5,
        "@b": 1 << 40,
        "@c": 200,
        "@d": -300,
        "@e": "hello",
        "@y": 1000000007,
        "@name": "somewhere",
        "@n": 3,
        "@same": True,
    }
    assert len(plan.programs) == 1


def test_results(build: Build, kind: tuple[str, ...]) -> None:
    path = build("uprobes.c", *kind)
    found, _plan = trace(
        f"""uretprobe:{path}:six {{ @sum = retval; @n = count(); }}
            ur:{path}:greeting {{ @text = str(retval); }}
            ur:{path}:hidden {{ @hidden = retval; }}""",
        run(path, 2),
    )
    total = -5 + (1 << 40) + 200 - 300 + 5 + 1000000007
    assert found == {"@sum": total, "@n": 2, "@text": "world", "@hidden": 42}


def test_many_places_with_one_program(build: Build) -> None:
    path = build("uprobes.c")
    found, plan = trace(f"uprobe:{path}:group_* {{ @[arg0] = count(); }}", run(path, 2))
    assert found == {"@": {1: 2, 2: 2, 3: 2}}
    assert len(plan.programs) == 1
    assert len(plan.probes) == (1 if features.probe("uprobe_multi") else 3)
    found, plan = trace(f"uprobe:{path}:group_* {{ @[probe] = count(); }}", run(path, 2))
    assert found == {
        "@": {
            f"uprobe:{path}:group_alias": 2,
            f"uprobe:{path}:group_three": 2,
            f"uprobe:{path}:group_two": 2,
        }
    }
    assert len(plan.programs) == (1 if features.probe("helper:get_attach_cookie") else 3)


def test_addresses_and_offsets(build: Build, kind: tuple[str, ...]) -> None:
    path = build("uprobes.c", *kind)
    listed = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    address = next(int(x.split()[0], 16) for x in listed.splitlines() if x.endswith(" T six"))
    found, _plan = trace(
        f"uprobe:{path}:{address:#x} {{ @at = count(); }} uprobe:{path}:six+0 {{ @off = arg1; }}",
        run(path),
    )
    assert found == {"@at": 1, "@off": 1 << 40}


def test_readable_names(build: Build) -> None:
    path = build("names.cc")
    found, _plan = trace(f"uprobe:{path}:cpp:shop::price {{ @[arg0] = count(); }}", run(path, 2))
    assert found == {"@": {1: 2, 2: 2}}


def test_only_the_process_that_is_asked_for(build: Build) -> None:
    path = build("uprobes.c")
    with subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:

        def cause() -> None:
            run(path, 5)()
            assert process.stdin is not None
            process.stdin.write(b"\n\n")
            process.stdin.close()
            process.wait(10)

        found, _plan = trace(f"uprobe:{path}:six {{ @[pid] = count(); }}", cause, pid=process.pid)
        assert found == {"@": {process.pid: 2}}


def test_usdt_arguments_of_every_form(build: Build, kind: tuple[str, ...]) -> None:
    path = build("usdt.c", *kind)
    found, _plan = trace(
        f"""usdt:{path}:app:registers {{
                @r = (arg0, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8);
            }}
            usdt:{path}:constants {{ @c = (arg0, arg1, arg2, arg3); }}
            usdt:{path}:memory {{ @m = (arg0, arg1, arg2, arg3, arg4, arg5, arg6); }}""",
        # The second time: a program's memory can be read once the program itself has used it.
        run(path, 2),
    )
    assert found == {
        "@r": (-1, -1, -2, 2**32 - 2, 0x1234, 0x34, 0x12, -2, 0),
        "@c": (-3, 42, 16, 255),
        "@m": (11, 22, -33, 44, -77, 250, -2),
    }


def test_usdt_arguments_at_addresses(build: Build, kind: tuple[str, ...]) -> None:
    """Absolute addresses in notes are those of the file, wherever it is loaded."""
    first = build("usdt.c", *kind)
    listed = subprocess.run(["nm", first], capture_output=True, text=True, check=True).stdout
    cells = next(int(x.split()[0], 16) for x in listed.splitlines() if x.endswith(" d cells"))
    path = build("usdt.c", *kind, f"-DCELL={cells + 16:#018x}")
    found, _plan = trace(f"usdt:{path}:absolute {{ @ = arg0; }}", run(path, 2))
    assert found == {"@": -33}


def test_usdt_arguments_at_symbols(build: Build, kind: tuple[str, ...]) -> None:
    path = build("usdt.c", *kind)
    found, _plan = trace(f"usdt:{path}:named {{ @a = arg0; @b = arg1; @c = arg2; }}", run(path, 2))
    assert found == {"@a": -33, "@b": 11, "@c": -77}


def test_usdt_semaphores(build: Build, kind: tuple[str, ...]) -> None:
    path = build("usdt.c", *kind)
    found, _plan = trace(f"usdt:{path}:guarded {{ @ = count(); @a = arg0; }}", run(path, 2))
    assert found == {"@": 2, "@a": 99}
    # Without anybody listening the program does not come there.
    found, _plan = trace(f"usdt:{path}:bare {{ @ = count(); }}", run(path, 2))
    assert found == {"@": 2}


def test_usdt_in_several_places(build: Build) -> None:
    path = build("usdt.c")
    found, plan = trace(f"usdt:{path}:app:twice {{ @[arg0] = count(); }}", run(path, 2))
    assert found == {"@": {5: 2, 6: 2, 7: 2}}
    assert len(plan.programs) == 2
    found, plan = trace(f"usdt:{path}:* {{ @ = count(); }}", run(path, 2))
    assert found == {"@": 2 * 12}
    assert len(plan.programs) == 1
    found, _plan = trace(f"usdt:{path}::tw* {{ @[probe] = count(); }}", run(path, 2))
    assert list(found["@"]) == [f"usdt:{path}:app:twice"]
    found, plan = trace(f"usdt:{path}:twice {{ @[probe] = sum(arg0); }}", run(path))
    assert found == {"@": {f"usdt:{path}:app:twice": 5 + 6 + 7}}


def test_symbols_of_a_probe_in_several_places(build: Build, kind: tuple[str, ...]) -> None:
    """Which place was hit tells where the program is loaded."""
    path = build("usdt.c", *kind)
    found, plan = trace(
        f'usdt:{path}:twice {{ @[*(int64 *)uaddr("cells")] = count(); }}', run(path, 2)
    )
    assert found == {"@": {11: 2 * 3}}
    assert len(plan.programs) == 1


def test_symbols_of_a_probe_whose_places_are_alike(build: Build) -> None:
    """Two places with whole pages between them: only a program that is not moved tells."""
    script = 'usdt:{}:alike {{ @[*(int64 *)uaddr("cells")] = count(); }}'
    path = build("usdt.c", *KINDS["no-pie"])
    assert trace(script.format(path), run(path, 2))[0] == {"@": {11: 2 * 2}}
    path = build("usdt.c", *KINDS["pie"])
    with pytest.raises(ScriptError, match="cannot tell apart the places that this probe stands"):
        trace(script.format(path), run(path))


def test_usdt_probes_of_whatever_runs(build: Build) -> None:
    """``*`` means programs that run, wherever they lie, not only those on PATH."""
    path = build("usdt.c")
    with subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None

        def cause() -> None:
            assert process.stdin is not None
            process.stdin.write(b"\n\n")
            process.stdin.close()
            process.wait(20)

        found, _plan = trace("usdt:*:app:constants { @[pid, arg1] = count(); }", cause)
    assert found == {"@": {(process.pid, 42): 2}}
