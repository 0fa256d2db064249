"""Run-time statistics of BPF programs, whoever loaded them."""

from __future__ import annotations

import struct

from prybee.linux import attributes
from prybee.linux.attributes import PROG_INFO, Attributes, bpf


class ProgramTimes:
    """Run times of all programs loaded since this was made; keeps statistics switched on."""

    def __enter__(self) -> ProgramTimes:
        self._statistics = bpf(attributes.ENABLE_STATS)
        self._before = set(_ids())
        return self

    def __exit__(self, *_: object) -> None:
        import os

        os.close(self._statistics)

    def total(self) -> int:
        """Nanoseconds that all new programs have run, together."""
        return sum(_run_time(id_) for id_ in _ids() if id_ not in self._before)


def _ids() -> list[int]:
    found = []
    last = 0
    while True:
        request = Attributes(attributes.PROG_GET_NEXT_ID, start_id=last)
        if request.call() < 0:
            return found
        last = request["next_id"]
        found.append(last)


def _run_time(id_: int) -> int:
    import os

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
