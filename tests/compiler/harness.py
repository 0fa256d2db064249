"""One program three ways: interpreted as SSA, compiled, and run by the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from prybee.compiler.builder import Builder
from prybee.compiler.compile import MODERN, Options, compile_module
from prybee.compiler.ir import CTX, I64, Module, Ptr
from prybee.linux import features
from tests.compiler import kernel, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prybee.compiler.compile import Compiled
    from prybee.compiler.ir import Value

OUT = 128  # bytes of the `out` map's value
HASH_KEY, HASH_VALUE = 8, 16
SCRATCH = 16384

MAPS: dict[str, tuple[str, int, int, int]] = {
    "out": ("array", 4, OUT, 1),
    "table": ("array", 4, 16, 4),
    "hash": ("hash", HASH_KEY, HASH_VALUE, 64),
    "scratch": ("percpu_array", 4, SCRATCH, 1),
}
_created: dict[str, kernel.Map] = {}


def kernel_maps() -> dict[str, kernel.Map]:
    """The kernel's maps, made once, cleared each time."""
    for name, shape in MAPS.items():
        if name not in _created:
            _created[name] = kernel.Map(*shape)
    _created["out"][bytes(4)] = bytes(OUT)
    for n in range(4):
        _created["table"][n.to_bytes(4, "little")] = bytes(16)
    _created["hash"].close()
    _created["hash"] = kernel.Map(*MAPS["hash"])
    return _created


def reference_maps() -> dict[str, Any]:
    """The interpreter's."""
    return {
        "out": reference.ArrayMap(OUT, 1),
        "table": reference.ArrayMap(16, 4),
        "hash": reference.HashMap(HASH_KEY, HASH_VALUE),
    }


Build = "Callable[[Builder, Value], Any]"


def module_of(build: Callable[[Builder, Value], Any], stack_limit_object: int = 512) -> Module:
    """A module whose entry is built by ``build(builder, context)``; it returns 0 by default."""
    module = Module("test")
    module.stack_limit_object = stack_limit_object
    function = module.function("test", [Ptr(CTX)], I64)
    builder = Builder(function)
    result = build(builder, function.params[0])
    if not builder.terminated:
        builder.ret(0 if result is None else result)
    for made in module.functions:
        for block in made.blocks:
            if not block.sealed:
                Builder(made).seal(block)
    return module


def compiled(build: Callable[[Builder, Value], Any], **options: Any) -> Compiled:
    """The program of ``build``."""
    return compile_module(module_of(build), Options(**options) if options else None)


class Outcome:
    """What a run left: r0's low half, and the maps."""

    def __init__(self, result: int, out: bytes, table: list[bytes], entries: dict[bytes, bytes]):
        self.result = result & 0xFFFFFFFF
        self.out = out
        self.table = table
        self.entries = entries

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and vars(self) == vars(other)

    def __repr__(self) -> str:
        words = [self.out[i : i + 8][::-1].hex() for i in range(0, len(self.out), 8)]
        return f"Outcome({self.result:#x}, {words}, {self.table}, {self.entries})"


def interpret(build: Callable[[Builder, Value], Any], arguments: Sequence[int] = ()) -> Outcome:
    """The outcome by the reference interpreter."""
    maps = reference_maps()
    result = reference.Interpreter(module_of(build), maps).run(list(arguments))
    return Outcome(
        result,
        bytes(maps["out"].values[0].data),
        [bytes(m.data) for m in maps["table"].values],
        {key: bytes(m.data) for key, m in sorted(maps["hash"].entries.items())},
    )


def kernel_features(asked: Mapping[str, bool]) -> dict[str, bool]:
    """What programs may use here, with what a test asks for, which skips it where it is missing."""
    has = {name: bool(features.probe(name)) for name in MODERN}
    for name, wanted in asked.items():
        if wanted and not has[name]:
            pytest.skip(f"this kernel lacks {name}")
    return {**has, **asked}


def execute(
    build: Callable[[Builder, Value], Any],
    arguments: Sequence[int] = (),
    stack_limit_object: int = 512,
    **options: Any,
) -> Outcome:
    """The outcome of the compiled program in the kernel."""
    kernel.needs_kernel()
    options["features"] = kernel_features(options.get("features", {}))
    maps = kernel_maps()
    program = kernel.load(
        compile_module(module_of(build, stack_limit_object), Options(**options)), maps
    )
    try:
        result = program.run(arguments)
    finally:
        program.close()
    return Outcome(
        result,
        maps["out"][bytes(4)] or b"",
        [maps["table"][n.to_bytes(4, "little")] or b"" for n in range(4)],
        dict(sorted(maps["hash"].items())),
    )


def agree(
    build: Callable[[Builder, Value], Any], arguments: Sequence[int] = (), **options: Any
) -> Outcome:
    """Interpreter and kernel must come to the same outcome, which is returned."""
    want = interpret(build, arguments)
    have = execute(build, arguments, **options)
    assert have == want, f"kernel {have}\nreference {want}"
    return have
