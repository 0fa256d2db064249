"""eBPF programs: loading, running once, statistics; and the BTF that goes with them.

A program is loaded without a log first, since writing one slows the verifier down; only when it is
refused it is offered again with one (and if that log was too small, once more with exactly the size
that the kernel then says it needs).
"""

from __future__ import annotations

from errno import EAGAIN, ENOENT, ENOSPC, EPERM

from prybee.data import Data
from prybee.diagnostics import KernelError
from prybee.linux import uapi
from prybee.linux.attributes import (
    BTF_GET_FD_BY_ID,
    BTF_GET_NEXT_ID,
    BTF_INFO,
    BTF_LOAD,
    ENABLE_STATS,
    PROG_GET_FD_BY_ID,
    PROG_INFO,
    PROG_LOAD,
    PROG_TEST_RUN,
    Attributes,
    bpf,
    error,
    read_info,
)
from prybee.linux.objects import KernelObject, allow_locked_memory, object_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]

# A first guess that holds nearly all logs; calloc'd, so that only what is written takes memory.
_LOG_SIZE = 1 << 20
# The kernel takes sizes up to UINT_MAX >> 2 (bpf_verifier_log_attr_valid).
_LOG_LIMIT = (1 << 30) - 1
# The verifier gives up with EAGAIN when a signal came; libbpf tries that often as well.
_ATTEMPTS = 5

_FUNC_INFO_SIZE = 8
# Room for a module's name (MODULE_NAME_LEN in linux/module.h).
_MODULE_NAME = 64
_LINE_INFO_SIZE = 16


class LoadRefused(KernelError):
    """The kernel refused a program.

    Attributes:
        program: its name.
        log: the verifier's words; empty where it was refused without any.
    """

    def __init__(self, failure: KernelError, program: str, log: str) -> None:
        super().__init__(failure.call, failure.errno, failure.hint)
        self.program = program
        self.log = log


class BtfRefused(KernelError):
    """The kernel refused BTF; ``log`` says why, as far as the kernel does."""

    def __init__(self, failure: KernelError, log: str) -> None:
        super().__init__(failure.call, failure.errno, failure.hint)
        self.log = log


class LoadedBtf(KernelObject):
    """BTF in the kernel, for programs and maps to refer to."""

    __slots__ = ()

    @classmethod
    def load(cls, data: bytes) -> LoadedBtf:
        """Loads the BTF ``data``.

        Raises:
            BtfRefused: with the kernel's log.
        """
        attributes = Attributes(BTF_LOAD, btf=data, btf_size=len(data))
        fd = attributes.call()
        if fd >= 0:
            return cls(fd)
        log = bytearray(_LOG_SIZE)
        attributes["btf_log_buf"] = log
        attributes["btf_log_size"] = len(log)
        attributes["btf_log_level"] = 1
        again = attributes.call()
        if again >= 0:
            return cls(again)
        raise BtfRefused(error("btf_load", -again), _text(log))

    @classmethod
    def of_module(cls, name: str) -> LoadedBtf | None:
        """The types of a kernel module; None where there is no such module, or it has none.

        Raises:
            KernelError: types of the kernel may not be looked at (CAP_SYS_ADMIN).
        """
        number = 0
        while True:
            attributes = Attributes(BTF_GET_NEXT_ID, start_id=number)
            result = attributes.call()
            if result == -ENOENT:
                return None
            if result < 0:
                raise error("btf_get_next_id", -result, f"types of module {name}")
            number = attributes["next_id"]
            try:
                found = cls(bpf(BTF_GET_FD_BY_ID, f"types {number}", btf_id=number))
            except KernelError as gone:
                if gone.errno == ENOENT:
                    continue
                raise
            if found.name == name:
                return found
            found.close()

    @property
    def name(self) -> str:
        """The name of a module; ``vmlinux``; empty for what a program brought along."""
        text = bytearray(_MODULE_NAME)
        info = Attributes(BTF_INFO, name=text, name_len=len(text))
        read_info(self.fd, "types", info)
        return bytes(text).partition(b"\0")[0].decode("utf-8", "replace")


class TestRun(Data):
    """What a test run gave: the program's result, mean ns per run, context and data after it."""

    __test__ = False  # for pytest: not a class of tests

    retval: int
    duration: int
    context: bytes
    data: bytes


class Program(KernelObject):
    """A loaded program.

    Attributes:
        name: as given at loading, which may be longer than the kernel's own.
        type: the UAPI name in lower case.
        log: the verifier's log where one was asked for.
    """

    __slots__ = ("attach_type", "insn_count", "log", "name", "type")

    def __init__(self, fd: int, type_: str, name: str, insn_count: int = 0, log: str = "") -> None:
        super().__init__(fd)
        self.type = type_
        self.name = name
        self.insn_count = insn_count
        self.log = log
        self.attach_type = 0

    @classmethod
    def load(
        cls,
        type_: str | int,
        insns: bytes,
        name: str = "",
        license_: str = "GPL",
        *,
        attach_type: str | int = 0,
        attach_btf_id: int = 0,
        attach_btf_fd: int = 0,
        btf: LoadedBtf | None = None,
        functions: bytes = b"",
        lines: bytes = b"",
        flags: int = 0,
        fd_array: Buffer | None = None,
        log_level: int = 0,
    ) -> Program:
        """Loads a program.

        Args:
            type_: the UAPI name (``raw_tracepoint``), or a number this build has no name for.
            insns: the instructions, with descriptors filled in.
            attach_type: the expected attach type, by UAPI name or number.
            attach_btf_id: what a tracing program is for: a type of the kernel's BTF, or of the
                module or program behind ``attach_btf_fd``.
            functions, lines: ``bpf_func_info`` and ``bpf_line_info`` records about ``btf``.
            flags: ``uapi.F_SLEEPABLE`` and its kin.
            fd_array: descriptors of module BTF, for kfunc calls.
            log_level: bits of ``uapi.LOG_*``: keep the verifier's log in :attr:`log` also when
                the program is accepted. A refusal has a log anyway.

        Raises:
            PrybeeError: no such type.
            LoadRefused: the kernel refused it; the log is in the exception.
        """
        number = uapi.number("program type", uapi.PROGRAM_TYPES, type_)
        expected = uapi.number("attach type", uapi.ATTACH_TYPES, attach_type)
        attributes = Attributes(
            PROG_LOAD,
            prog_type=number,
            insn_cnt=len(insns) // 8,
            insns=insns,
            license=license_.encode() + b"\0",
            prog_flags=flags,
            prog_name=object_name(name),
            expected_attach_type=expected,
            attach_btf_id=attach_btf_id,
            attach_btf_obj_fd=attach_btf_fd,
            fd_array=fd_array,
        )
        if btf is not None:
            attributes["prog_btf_fd"] = btf.fd
            if functions:
                attributes["func_info"] = functions
                attributes["func_info_rec_size"] = _FUNC_INFO_SIZE
                attributes["func_info_cnt"] = len(functions) // _FUNC_INFO_SIZE
            if lines:
                attributes["line_info"] = lines
                attributes["line_info_rec_size"] = _LINE_INFO_SIZE
                attributes["line_info_cnt"] = len(lines) // _LINE_INFO_SIZE
        log = ""
        if not log_level:
            fd = _patient(attributes)
            if fd == -EPERM and allow_locked_memory():
                fd = _patient(attributes)
        if log_level or fd < 0:
            fd, log = _with_log(attributes, log_level or uapi.LOG_BRANCHES)
        label = uapi.label(uapi.PROGRAM_TYPE_NAMES, number)
        if fd < 0:
            about = f"program {name}" if name else f"a {label} program"
            raise LoadRefused(error("prog_load", -fd, about), name, log)
        program = cls(fd, label, name, len(insns) // 8, log)
        program.attach_type = expected
        return program

    @classmethod
    def from_id(cls, number: int) -> Program:
        """The loaded program with this id.

        Raises:
            KernelError: there is none, or it may not be had.
        """
        program = cls(bpf(PROG_GET_FD_BY_ID, f"program {number}", prog_id=number), "", "")
        info = program.info()
        program.type = uapi.label(uapi.PROGRAM_TYPE_NAMES, int(info["type"]))
        program.name = bytes(info["name"]).decode("ascii", "replace")
        return program

    def test_run(
        self,
        context: bytes = b"",
        data: bytes = b"",
        *,
        repeat: int = 0,
        cpu: int = -1,
    ) -> TestRun:
        """Runs the program on the calling thread (or on ``cpu``), so that it sees our pid and name.

        Args:
            context: the context record, for types that take one.
            data: packet data, for the networking types.
            repeat: how often; the duration is the mean.

        Raises:
            KernelError: ENOTSUPP: the type has no test run.
        """
        context_out = bytearray(context)
        # A program may grow its packet.
        data_out = bytearray(len(data) + 256) if data else bytearray()
        # Raw tracepoints write nothing back and refuse to be asked (bpf_prog_test_run_raw_tp).
        returns = self.type not in ("raw_tracepoint", "raw_tracepoint_writable")
        attributes = Attributes(
            PROG_TEST_RUN,
            prog_fd=self.fd,
            data_in=data,
            data_size_in=len(data),
            data_out=data_out if data and returns else None,
            data_size_out=len(data_out) if data and returns else 0,
            repeat=repeat if returns else 0,
        )
        if self.type == "syscall" and context:
            # The context is changed in place, and there is nothing else to give.
            attributes["ctx_in"] = context_out
            attributes["ctx_size_in"] = len(context_out)
        elif context:
            attributes["ctx_in"] = context
            attributes["ctx_size_in"] = len(context)
            if returns:
                attributes["ctx_out"] = context_out
                attributes["ctx_size_out"] = len(context_out)
        if cpu >= 0:
            attributes["flags"] = 1  # BPF_F_TEST_RUN_ON_CPU
            attributes["cpu"] = cpu
        result = attributes.call()
        if result < 0:
            raise error("prog_test_run", -result, f"program {self.name}")
        return TestRun(
            attributes["retval"],
            attributes["duration"],
            bytes(context_out),
            bytes(data_out[: attributes["data_size_out"]]),
        )

    def info(self) -> dict[str, int | bytes]:
        """What the kernel says about the program: ``struct bpf_prog_info`` by field.

        Raises:
            KernelError: the descriptor is no program's.
        """
        _ = PROG_INFO.fields
        buffer = bytearray(PROG_INFO.size)
        read_info(self.fd, f"program {self.name}", buffer)
        return PROG_INFO.decode(buffer)

    @property
    def id(self) -> int:
        """The kernel's number for the program."""
        return int(self.info()["id"])

    def statistics(self) -> tuple[int, int]:
        """How often the program ran and the ns it took, while a :class:`Statistics` was open."""
        info = self.info()
        return int(info["run_cnt"]), int(info["run_time_ns"])

    def translated(self) -> bytes:
        """The instructions as the verifier left them.

        Raises:
            KernelError: refused.
        """
        size = int(self.info()["xlated_prog_len"])
        if not size:
            return b""
        code = bytearray(size)
        request = Attributes(PROG_INFO, xlated_prog_len=size, xlated_prog_insns=code)
        read_info(self.fd, f"program {self.name}", request)
        return bytes(code)

    def _describe(self) -> str:
        return f"{self.name or 'unnamed'}: {self.type}, {self.insn_count} instructions"


class Statistics(KernelObject):
    """While one is open, the kernel counts runs and run time of all programs (Linux 5.8).

    It costs every run of every program some 20–30 ns.
    """

    __slots__ = ()

    @classmethod
    def enable(cls) -> Statistics:
        """Switches counting on.

        Raises:
            KernelError: refused.
        """
        return cls(bpf(ENABLE_STATS, "run statistics"))


def _patient(attributes: Attributes) -> int:
    """A load call, repeated when a signal cut the verifier short."""
    result = -EAGAIN
    for _ in range(_ATTEMPTS):
        result = attributes.call()
        if result != -EAGAIN:
            break
    return result


def _with_log(attributes: Attributes, level: int) -> tuple[int, str]:
    """A load call with a log: its result, and the log whole."""
    size = _LOG_SIZE
    attributes["log_level"] = level
    # Where results are written, the structure must be long enough; kernels before 6.4 do not
    # know the field and want it zero, which it is.
    attributes.size = max(attributes.size, PROG_LOAD.fields["log_true_size"][0] + 4)
    for _ in range(_ATTEMPTS):
        log = bytearray(size)
        attributes["log_buf"] = log
        attributes["log_size"] = size
        result = _patient(attributes)
        needed = attributes["log_true_size"]
        attributes["log_true_size"] = 0
        if result != -ENOSPC or size >= _LOG_LIMIT:
            break
        # Before 6.4 the kernel does not say how much it wanted.
        size = min(needed or size * 8, _LOG_LIMIT)
    return result, _text(log)


def _text(log: bytearray) -> str:
    return log[: log.find(b"\0")].decode("utf-8", "replace") if log else ""


__all__ = ["BtfRefused", "LoadRefused", "LoadedBtf", "Program", "Statistics", "TestRun"]
