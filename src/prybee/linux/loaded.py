"""BPF programs that are loaded now, whoever did: their functions, and the types that tell of them.

Other programs can be attached to a function of one if the kernel has made machine code of it, and
if it came with types (kernel/bpf/verifier.c, bpf_check_attach_target).
"""

from __future__ import annotations

from struct import iter_unpack

from prybee.diagnostics import KernelError
from prybee.linux.attributes import (
    BTF_GET_FD_BY_ID,
    BTF_INFO,
    PROG_GET_NEXT_ID,
    PROG_INFO,
    Attributes,
    bpf,
    read_info,
)
from prybee.linux.programs import LoadedBtf, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.btf import Btf

# struct bpf_func_info: u32 first instruction, u32 type id.
_FUNC_INFO = 8
# Most types of a program fit; where they do not, the kernel says how much they take.
_GUESS = 1 << 18
# Programs at functions cannot be traced themselves ("Cannot recursively attach").
_UNTRACED = ("tracing", "ext")


def functions() -> list[tuple[int, str]]:
    """(program's id, name) of all functions that can be traced, by id; empty without the right."""
    found = []
    for program in _programs():
        with program:
            try:
                info = program.info()
                if program.type in _UNTRACED or not info["btf_id"] or not info["jited_prog_len"]:
                    continue
                known = _types(int(info["btf_id"]))
                found += [(int(info["id"]), known.name(each)) for each in _ids(program, info)]
            except KernelError:
                continue  # It went, or shows less to us than it has.
    return found


def types(number: int) -> Btf | None:
    """The types of the program with an id; None where there is none, or it has none."""
    try:
        with Program.from_id(number) as program:
            id_ = int(program.info()["btf_id"])
        return _types(id_) if id_ else None
    except KernelError:
        return None


def _programs() -> Iterator[Program]:
    number = 0
    while True:
        attributes = Attributes(PROG_GET_NEXT_ID, start_id=number)
        if attributes.call() < 0:
            return
        number = attributes["next_id"]
        try:
            yield Program.from_id(number)
        except KernelError:
            continue


def _ids(program: Program, info: dict[str, int | bytes]) -> list[int]:
    """The type of each of the program's functions."""
    count = int(info["nr_func_info"])
    if not count:
        return []
    records = bytearray(_FUNC_INFO * count)
    request = Attributes(
        PROG_INFO, nr_func_info=count, func_info=records, func_info_rec_size=_FUNC_INFO
    )
    read_info(program.fd, f"program {program.name}", request)
    return [type_ for _insn, type_ in iter_unpack("<II", records)]


def _types(number: int) -> Btf:
    from prybee.btf import Btf

    with LoadedBtf(bpf(BTF_GET_FD_BY_ID, f"types {number}", btf_id=number)) as loaded:
        size = _GUESS
        while True:
            data = bytearray(size)
            request = Attributes(BTF_INFO, btf=data, btf_size=size)
            read_info(loaded.fd, f"types {number}", request)
            if request["btf_size"] <= size:
                return Btf(bytes(data[: request["btf_size"]]))
            size = request["btf_size"]
