"""Probes at any address: whether an instruction begins there.

A breakpoint within an instruction makes the program do something else, or crash.
"""

from __future__ import annotations

from prybee.language.registry import AttachRefused, ExpandScope
from prybee.machines import machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.elf import ElfFile
    from prybee.elf.records import Symbol

_FORCE = (
    "Use --unsafe to force attachment. "
    "WARNING: This option could lead to data corruption in the target process."
)


def allowed(name: str, path: str, elf: ElfFile, address: int, scope: ExpandScope) -> bool:
    """Whether a probe may be put at a link-time address; False where it is to be left out.

    Args:
        name: of the probe.
        path: of the file, for messages.
        elf: the file.
        address: where.
        scope: whether the script may do unsafe things and miss probes; warnings go there.

    Raises:
        AttachRefused: it may not, and the script wants all of its probes.
    """
    inside = elf.function_at(address)
    if inside is None:
        problem = f"Could not resolve address: {path}:{address:#x}"
        forced = unchecked(name)
    else:
        symbol, offset = inside
        if _begins(elf, symbol.value, offset):
            return True
        place = f"{path}:{symbol.name}+{offset}"
        problem = f"Could not add uprobe into middle of instruction: {place}"
        forced = f"Unsafe uprobe in the middle of the instruction: {place}"
    if scope.unsafe:
        scope.warnings.append(forced)
        return True
    return _refused(name, problem, scope)


def unchecked(name: str) -> str:
    """The warning about a probe of which nobody knows whether an instruction begins there."""
    return (
        f"Could not determine instruction boundary for {name} (binary appears stripped). "
        "Misaligned probes can lead to tracee crashes!"
    )


def known_size(name: str, symbol: Symbol, scope: ExpandScope) -> bool:
    """Whether a symbol says how long it is, or that does not matter; False as in :func:`allowed`.

    Raises:
        AttachRefused: it does not, and the script wants all of its probes.
    """
    if symbol.size or scope.unsafe:
        return True
    problem = f"Could not determine boundary for {symbol.name} (symbol has size 0)."
    return _refused(name, problem, scope)


def _refused(name: str, problem: str, scope: ExpandScope) -> bool:
    if scope.config.missing_probes == "error":
        raise AttachRefused(name, f"{problem}\n{_FORCE}")
    return False


def _begins(elf: ElfFile, start: int, offset: int) -> bool:
    """Whether an instruction begins ``offset`` bytes into the function at ``start``."""
    known = machine(elf.machine)
    if known is not None and known.instruction:
        return offset % known.instruction == 0
    if known is None or not known.lengths or offset == 0:
        return True
    lengths = __import__(known.lengths, fromlist=("",))
    at = elf.file_offset(start)
    if at is None:
        return False
    try:
        begins: bool = lengths.begins_at(elf.read(at, offset, "code"), offset)
    except lengths.UnknownInstruction:
        return False
    return begins
