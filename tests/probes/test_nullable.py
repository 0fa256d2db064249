"""Every raw tracepoint of the running kernel: plain loads through its arguments are allowed."""

from __future__ import annotations

import struct

import pytest

from prybee.btf import Btf
from prybee.linux.programs import LoadRefused, Program
from prybee.probes.nullable import may_lack_arguments

LDX8, LDX1, MOV, EXIT = 0x79, 0x71, 0xB7, 0x95
CTX, ARGUMENT, FIELD = 1, 2, 3


def insn(opcode: int, dst: int = 0, src: int = 0, offset: int = 0) -> bytes:
    return struct.pack("<BBhi", opcode, dst | src << 4, offset, 0)


@pytest.mark.live
def test_events_whose_arguments_may_be_missing() -> None:
    btf = Btf.vmlinux()
    wrong = []
    tried = 0
    for name in btf.names("typedef", "btf_trace_*"):
        event = name.removeprefix("btf_trace_")
        parameters = btf.tracepoint_parameters(event)
        if parameters is None or may_lack_arguments(event):
            continue
        offset = 0
        for parameter in parameters:
            plain = btf.strip(parameter.type)
            target = btf.strip(btf.target(plain)) if btf.kind(plain) == "ptr" else 0
            if target and btf.kind(target) in ("struct", "union") and btf.size(target):
                tried += 1
                refusal = _refusal(btf.tracepoint_type(event), offset)
                # Other refusals are about what is at the struct's start, not about the pointer.
                if "invalid mem access" in refusal:
                    wrong.append((event, parameter.name, refusal))
            offset += (btf.size(parameter.type) + 7) // 8 * 8
    assert tried > 100
    assert not wrong


def _refusal(type_id: int, offset: int) -> str:
    code = insn(LDX8, ARGUMENT, CTX, offset) + insn(LDX1, FIELD, ARGUMENT) + insn(MOV) + insn(EXIT)
    try:
        Program.load(
            "tracing", code, "probe", attach_type="trace_raw_tp", attach_btf_id=type_id
        ).close()
    except LoadRefused as error:
        return error.log
    return ""
