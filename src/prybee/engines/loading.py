"""A plan's maps and programs in the kernel: names become descriptors, types become ids."""

from __future__ import annotations

from struct import Struct

from prybee.diagnostics import KernelError, NotSupported, PrybeeError
from prybee.linux import uapi
from prybee.linux.maps import Map
from prybee.linux.programs import LoadedBtf, LoadRefused, Program
from prybee.plan.plan import loaded_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prybee.btf import Btf
    from prybee.diagnostics import VerifierRejected
    from prybee.plan.plan import MapSpec, ProgramSpec

    Types = Callable[[str], Btf | None]

# What an LDDW's or CALL's source register says of its immediate (RFC 9669, and linux/bpf.h).
_MAP_FD = 1
_MAP_VALUE = 2
_KFUNC_CALL = 2

_put = Struct("<i").pack_into
_REGISTERS = 1
_IMMEDIATE = 4
_SECOND_IMMEDIATE = 12


def create_map(spec: MapSpec) -> Map:
    """A map as planned, with its initial content.

    Raises:
        KernelError: the kernel refused; the map is named as the script does.
    """
    inner = create_map(spec.inner) if spec.inner is not None else None
    try:
        made = Map.create(
            spec.type, spec.key_size, spec.value_size, spec.max_entries, spec.flags, spec.name,
            inner=inner,
        )  # fmt: skip
    except KernelError as error:
        if not spec.script_name:
            raise
        size = spec.max_entries * (spec.key_size + spec.value_size)
        raise KernelError(
            f"creating map {spec.script_name} ({spec.type}, {spec.max_entries} entries, "
            f"{size} bytes)",
            error.errno,
            error.hint,
        ) from None
    finally:
        if inner is not None:
            inner.close()
    if spec.initial:
        try:
            made.update(bytes(4), spec.initial.ljust(made.stride, b"\0") * made.cpus)
        except BaseException:
            made.close()
            raise
    return made


def relocate(spec: ProgramSpec, maps: Mapping[str, Map], types: Types) -> bytearray:
    """The program's instructions with descriptors and ids filled in.

    Raises:
        PrybeeError: a map is not in the plan.
        NotSupported: the kernel has no such function.
    """
    code = bytearray(spec.insns)
    for relocation in spec.relocations:
        at = relocation.insn * 8
        if relocation.kind == "kfunc":
            btf = types("")
            number = btf.function(relocation.symbol) if btf is not None else 0
            if not number:
                raise NotSupported(f"kernel function {relocation.symbol}", "this kernel has none")
            source = _KFUNC_CALL
        else:
            try:
                number = maps[relocation.symbol].fd
            except KeyError:
                raise PrybeeError(
                    f"program {spec.name} uses map {relocation.symbol}, which is not in the plan"
                ) from None
            source = _MAP_FD
            if relocation.kind == "map_value":
                source = _MAP_VALUE
                _put(code, at + _SECOND_IMMEDIATE, relocation.addend)
        code[at + _REGISTERS] = code[at + _REGISTERS] & 15 | source << 4
        _put(code, at + _IMMEDIATE, number)
    return code


def load_program(
    spec: ProgramSpec,
    license_: str,
    maps: Mapping[str, Map],
    program_btf: LoadedBtf | None,
    types: Types,
    log_level: int = 0,
) -> Program:
    """Loads a program of a plan.

    Args:
        types: gives the types of a module of that name, or without a name the kernel's; called
            when they are needed.

    Raises:
        VerifierRejected: the verifier refused it, explained.
        KernelError: the kernel refused it otherwise.
        NotSupported: the kernel has not what it attaches to or calls.
    """
    code = bytes(relocate(spec, maps, types))
    # What has the function that it is for, where that is not the kernel itself.
    module = _module(spec) if spec.attach_module else None
    try:
        return Program.load(
            spec.type,
            code,
            spec.name,
            license_,
            attach_type=spec.attach_type or 0,
            attach_btf_id=_attach_id(spec, types) if spec.attach_to else 0,
            attach_btf_fd=module.fd if module is not None else 0,
            btf=program_btf,
            functions=spec.functions,
            lines=spec.lines,
            flags=uapi.F_SLEEPABLE if spec.sleepable else 0,
            log_level=log_level,
        )
    except LoadRefused as refused:
        if not refused.log.strip():
            # Not the verifier's doing: privileges, a policy, or something this kernel lacks.
            raise KernelError(
                f"loading program {spec.name} ({spec.type})", refused.errno, refused.hint
            ) from None
        raise explained(spec, refused) from None
    finally:
        if module is not None:
            module.close()


def _module(spec: ProgramSpec) -> LoadedBtf | Program:
    """The kernel's types of the module that a program is for, or the program."""
    program = loaded_program(spec.attach_module)
    if program is not None:
        return Program.from_id(program)
    found = LoadedBtf.of_module(spec.attach_module)
    if found is None:
        raise NotSupported(
            f"program {spec.name}",
            f"the kernel shows no types of module {spec.attach_module}",
            "load the module, or use a probe that needs no types",
        )
    return found


def _attach_id(spec: ProgramSpec, types: Types) -> int:
    """The BTF id of what a tracing program is for."""
    btf = types(spec.attach_module)
    if btf is None:
        raise NotSupported(
            f"program {spec.name}",
            "it needs the kernel's types (BTF), which this kernel does not show",
            "a kernel built with CONFIG_DEBUG_INFO_BTF; types from a file will not do",
        )
    number = btf.find(spec.attach_to, "typedef" if spec.attach_type == "trace_raw_tp" else "func")
    if not number:
        raise NotSupported(f"program {spec.name}", f"this kernel has no {spec.attach_to}")
    return number


def explained(spec: ProgramSpec, refused: LoadRefused) -> VerifierRejected:
    """The verifier's refusal in the script's terms."""
    from prybee.compiler.explain import explain

    return explain(refused.log, spec.places, refused.errno).error(spec.name, refused.log)
