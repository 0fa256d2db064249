"""What the probes of features share: answers, tiny programs, the kernel's types."""

from __future__ import annotations

from errno import EACCES, EPERM
from struct import pack

from prybee.data import Data
from prybee.diagnostics import KernelError, PrybeeError, error_text
from prybee.linux.programs import LoadRefused, Program
from prybee.linux.switched_off import OFF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.btf import Btf

YES = "yes"
NO = "no"
UNKNOWN = "unknown"


class Answer(Data):
    """``state`` is :data:`YES`, :data:`NO` or :data:`UNKNOWN`; ``why`` the fact that was found."""

    state: str
    why: str = ""

    def __bool__(self) -> bool:
        return self.state == YES


_btf: Btf | None = None


def judge(error: PrybeeError) -> Answer:
    """A refusal as an answer: a lack of privilege says nothing about the kernel."""
    if isinstance(error, KernelError):
        if error.errno in (EPERM, EACCES) and not privileged():
            return Answer(UNKNOWN, error.hint or error_text(error.errno))
        if isinstance(error, LoadRefused) and error.log.strip():
            return Answer(NO, error.log.strip().splitlines()[-1])
        return Answer(NO, error_text(error.errno))
    return Answer(NO, str(error).splitlines()[0])


_may_load: bool | None = None


def privileged() -> bool:
    """Whether a program that every kernel takes can be loaded."""
    global _may_load
    if _may_load is None:
        try:
            with Program.load("raw_tracepoint", returning(0), "prybee_probe"):
                _may_load = True
        except PrybeeError:
            _may_load = False
    return _may_load


def forget() -> None:
    """Drops the kernel's types and what is known of our privileges."""
    global _btf, _may_load
    _btf = _may_load = None


def insn(opcode: int, registers: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return pack("<BBhi", opcode, registers, offset, immediate)


def returning(value: int) -> bytes:
    return insn(0xB7, 0, 0, value) + insn(0x95)


def accepts(code: bytes, type_: str = "socket_filter") -> Answer:
    with Program.load(type_, code, "prybee_probe"):
        return Answer(YES)


def kernel_btf() -> Btf | None:
    global _btf
    if "btf" in OFF:
        return None
    if _btf is None:
        from prybee.btf import Btf, BtfError

        try:
            _btf = Btf.vmlinux()
        except BtfError:
            return None
    return _btf


def types(name: str, kind: str) -> int:
    """The id of a type of the kernel, or 0."""
    btf = kernel_btf()
    return btf.find(name, kind) if btf is not None else 0


def function(name: str) -> int:
    return types(name, "func")
