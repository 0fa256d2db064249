"""eBPF instructions (RFC 9669 and Linux 6.18): records, bytes and text, and back. Pure."""

from prybee.isa.instructions import Insn, IsaError, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.isa.assembler import assemble
    from prybee.isa.disassembler import disassemble

__all__ = ["Insn", "IsaError", "assemble", "decode", "disassemble", "encode"]


def __getattr__(name: str) -> object:
    # The text forms are for people: their patterns are compiled when the first one asks.
    if name == "assemble":
        from prybee.isa.assembler import assemble

        return assemble
    if name == "disassemble":
        from prybee.isa.disassembler import disassemble

        return disassemble
    raise AttributeError(f"module 'prybee.isa' has no attribute {name!r}")
