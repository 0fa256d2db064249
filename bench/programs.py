"""Run-time statistics of a tracer's BPF programs."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from prybee.linux import attributes
from prybee.linux.attributes import PROG_INFO, Attributes, bpf


class Statistics:
    """The kernel counts the run time of programs while this is open."""

    def __enter__(self) -> Statistics:
        self._fd = bpf(attributes.ENABLE_STATS)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def run_time(pid: int) -> int:
    """Nanoseconds that all programs of process ``pid`` have run, together."""
    return sum(_run_time(id_) for id_ in _program_ids(pid))


def _program_ids(pid: int) -> set[int]:
    """The programs that a process holds descriptors of, itself or through links."""
    found = set()
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = entry.read_text().splitlines()
        except OSError:
            continue  # closed meanwhile
        found |= {int(line.split()[1]) for line in lines if line.startswith("prog_id:")}
    return found


def _run_time(id_: int) -> int:
    request = Attributes(attributes.PROG_GET_FD_BY_ID, prog_id=id_)
    fd = request.call()
    if fd < 0:
        return 0
    try:
        info = bytearray(PROG_INFO.size or 232)
        bpf(attributes.OBJ_GET_INFO_BY_FD, bpf_fd=fd, info_len=len(info), info=info)
        offset, _code = PROG_INFO.fields["run_time_ns"]
        value: int = struct.unpack_from("<Q", info, offset)[0]
        return value
    finally:
        os.close(fd)
