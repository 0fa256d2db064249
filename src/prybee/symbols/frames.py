"""One resolved address."""

from __future__ import annotations

from prybee.data import Data


class Frame(Data):
    """What is known of an address of a user program.

    ``symbol`` is the function's name ("" when only the file is known) and ``offset`` the distance
    into it in bytes.  ``module`` is the file's path as the process saw it, ``[vdso]``, or the
    path of a perf map.  ``file_offset`` is the address's place in that file, in bytes; with
    ``build_id`` (empty for none) it names the code independent of process and machine.

    With debug information ``source`` is ``folder/file:line``, and ``inlined`` has the functions
    whose code was copied there, innermost first, each with its own ``folder/file:line`` ("" where
    that is unknown).
    """

    symbol: str
    offset: int
    module: str
    address: int
    build_id: bytes = b""
    file_offset: int = 0
    source: str = ""
    inlined: tuple[tuple[str, str], ...] = ()
