"""Imports of scripts, headers and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prybee.diagnostics import ScriptError, Source
from prybee.language.frontend import Compilation, CompileOptions, compile_script
from tests.language.running import TARGET, compile_text, registry

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "lib/macros.bt": "macro add(x) { x + 1 }\nbegin { @imported = add(1) }\n",
    "lib/more/two.bt": 'import "../macros.bt"; import "two.bt"; macro two(x) { add(add(x)) }\n',
    "lib/types.h": """
#ifndef TYPES_H
#define TYPES_H
#include <linux/types.h>
#define FIVE 5
typedef unsigned int myid;  // a comment; with a semicolon
typedef struct { myid a; char b[4]; } pair, *pairp;
extern int foo(int x);
static inline int f(int a) { if (a) { return 1; } return a; }
struct Bar { pair p; struct Foo *f; };
enum color { RED, GREEN = 7 };
#endif
""",
    "lib/wrong.bt": "begin { print(zz) }",
    "lib/syntax.bt": "begin { print( }",
    "lib/config.bt": "config = { max_strlen = 8 } macro a() { 1 }",
    "lib/wrong.h": "struct Q { int a; nope b; };",
    "lib/program.bpf.c": "int f(void) { return 0; }",
    "lib/notes.txt": "notes",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.parent.chmod(0o755)
    return tmp_path


def compile_file(path: Path, text: str, **options: object) -> Compilation:
    path.write_text(text)
    given = CompileOptions(**options)  # type: ignore[arg-type]
    return compile_script(Source(str(path), text), TARGET, registry(), given)


def test_beside_the_script(folder: Path) -> None:
    text = 'import "lib/macros.bt"; begin { @own = add(2) }'
    compiled = compile_file(folder / "a.bt", text)
    assert {m.name for m in compiled.plan.script_maps} == {"@own", "@imported"}
    # What is imported comes first.
    assert compiled.program.probes[1].attach_points[0].start < len(text)


def test_folders_of_the_command_line(folder: Path) -> None:
    compile_text('import "lib/more/two.bt"; begin { print(two(1)) }', folders=(str(folder),))


def test_what_is_imported_twice_or_imports_itself_comes_once(folder: Path) -> None:
    text = 'import "lib/macros.bt"; import "lib/more/two.bt"; begin { print(two(1)) }'
    compile_file(folder / "a.bt", text)


@pytest.mark.parametrize("how", ["import", "--include"])
def test_headers(folder: Path, how: str) -> None:
    check = "".join(
        f'static_assert({condition}, "{condition}");'
        for condition in (
            "sizeof(struct Bar) == 16",
            "sizeof(pair) == 8",
            "sizeof(pairp) == 8",
            "sizeof(myid) == 4",
            "FIVE == 5",
            "offsetof(struct Bar, f) == 8",
        )
    )
    script = f"begin {{ {check} print(GREEN) }}"
    if how == "import":
        compile_text(f'import "lib/types.h"; {script}', folders=(str(folder),))
    else:
        compile_text(script, headers=(str(folder / "lib/types.h"),))


def test_folder(folder: Path) -> None:
    for name in ("lib/wrong.bt", "lib/syntax.bt", "lib/config.bt", "lib/wrong.h"):
        (folder / name).unlink()
    (folder / "lib/program.bpf.c").unlink()
    compile_file(folder / "a.bt", 'import "lib"; begin { print((add(1), FIVE)) }')


# What is imported → the first lines of what is said, the folder's name left out.
ERRORS = {
    "nope.bt": ("a.bt:1:1-17: ERROR: Unable to find suitable path for import",),
    "lib/wrong.bt": (
        "lib/wrong.bt:1:15-17: ERROR: Unknown identifier: 'zz'",
        "a.bt:1:1-22: ERROR: expanded from",
    ),
    "lib/syntax.bt": ("lib/syntax.bt:1:16-17: ERROR: syntax: expected expression",),
    "lib/config.bt": (
        "lib/config.bt:1:1-28: ERROR: the config block belongs into the script that is run",
        "a.bt:1:1-23: ERROR: expanded from",
    ),
    "lib/wrong.h": (
        "lib/wrong.h:1:19-23: ERROR: syntax: unknown type name 'nope'",
        "a.bt:1:1-21: ERROR: expanded from",
    ),
    "lib/program.bpf.c": (
        (
            "a.bt:1:1-27: ERROR: lib/program.bpf.c: BPF programs in C cannot be imported: there is "
            "no C compiler in prybee"
        ),
    ),
    "lib/notes.txt": ("a.bt:1:1-23: ERROR: lib/notes.txt: cannot be imported",),
}


@pytest.mark.parametrize("path", ERRORS)
def test_errors(folder: Path, path: str) -> None:
    with pytest.raises(ScriptError) as failure:
        compile_file(folder / "a.bt", f'import "{path}"; begin {{ print(1) }}')
    lines = str(failure.value).replace(f"{folder}/", "").splitlines()
    assert tuple(line for line in lines if "ERROR" in line) == ERRORS[path]


@pytest.mark.parametrize("name", ["lib", "lib/macros.bt"])
def test_what_everybody_may_change(folder: Path, name: str) -> None:
    (folder / name).chmod(0o777)
    for path in {name, "lib/macros.bt"}:
        with pytest.raises(ScriptError, match="everybody may write to it"):
            compile_file(folder / "a.bt", f'import "{path}"; begin {{ print(1) }}')
