"""What a machine's table says: records, each about one thing that depends on the machine."""

from __future__ import annotations

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Registers(Data):
    """Registers of a probe's context: what they are called and where they lie.

    Offsets are those of ``struct pt_regs`` or, where the machine has one, ``user_pt_regs``, in
    bytes; both are fixed parts of the kernel's interface (arch/*/include/uapi/asm/ptrace.h).

    Attributes:
        size: of all of them.
        word: bytes of each that a program sees.
        offsets: name, as ``reg()`` takes it, to place.
        arguments: those that hold a function's first arguments when it is entered.
        results: those that hold its result when it returns.
        stack_pointer, instruction_pointer: their names.
        operands: names of whole registers in assembly, which the notes of USDT probes use.
        user_mode: a register, and a mask and the value behind it when user code is interrupted.
        convention: whose rules deal out registers and stack to arguments (``probes.calling`` has
            them).
        stack: bytes from the stack pointer to the first argument on the stack, at a function's
            first instruction.
        syscalls: what stands before a system call's name in that of the kernel's function, which
            gets a pointer to the process's registers (arch/*/include/asm/syscall_wrapper.h).
        syscall_arguments: those of them that hold the call's own arguments.
    """

    size: int
    offsets: Mapping[str, int]
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    stack_pointer: str
    instruction_pointer: str
    operands: Mapping[str, int]
    user_mode: tuple[str, int, int]
    convention: str
    stack: int
    syscalls: str
    syscall_arguments: tuple[str, ...]
    word: int = 8

    @property
    def return_value(self) -> str:
        """What holds a result of one word."""
        return self.results[0]

    def offset(self, name: str) -> int | None:
        """Where the register called ``name`` lies; None where there is no such register."""
        name = {"pc": self.instruction_pointer}.get(name, name)
        return self.offsets.get(name)


class SystemCalls(Data):
    """Numbers of system calls.

    Attributes:
        bpf, perf_event_open, futex: numbers of the calls that we make ourselves. (Calls since
            Linux 5.1 have one number everywhere.)
        names: which table of all numbers it has (``syscall_names``); empty for none here.
    """

    bpf: int
    perf_event_open: int
    futex: int
    names: str = ""


class Operands(Data):
    """How operands are written in assembly, which is how the notes of USDT probes have them.

    Attributes:
        forms: (what it is, pattern), tried in order on a text without blanks. What it is:
            "constant", "register", "memory", or "place" for memory that moves with the file. Groups
            of the patterns: ``value`` (a number, or a sum of such), ``register``, ``index``,
            ``scale`` (a factor), ``shift`` (its logarithm), ``symbol``. DIGITS, NUMBER and
            SUM in a pattern stand for those of numbers.
        names: register as written to the whole one's name.
        zeros: registers that always read as 0.
        high: those that are bits 8 to 15 of the whole one.
    """

    forms: tuple[tuple[str, str], ...]
    names: Mapping[str, str]
    zeros: tuple[str, ...] = ()
    high: tuple[str, ...] = ()


class Watching(Data):
    """What the registers that watch memory can do.

    Attributes:
        modes: what they tell apart, letters in order.
        block: bytes of the blocks, at multiples of that length, within one of which all lies that
            is watched at once; 0 for blocks of the length that is watched.
    """

    modes: tuple[str, ...]
    block: int


class Machine(Data):
    """One machine.

    Attributes:
        name: as uname(2) says it.
        word: bytes of a pointer.
        folder: its name in the kernel's source (``arch/x86``).
        calls: numbers of system calls.
        macros: what its compilers define, each as 1.
        big_endian: the most significant byte comes first.
        ordered: it keeps loads in order among themselves (total store order), so that reading a
            flag and then the data it guards needs no barrier.
        libraries: the name of its folders of libraries; empty for the usual form.
        instruction: bytes of each instruction, if they are all of one length.
        lengths: else the module whose ``begins_at()`` finds where they begin; empty for none.
        registers, operands, watching: None where they are not known here.
        within: for a machine of 32 bits the one whose kernels run its programs, too, and what these
            programs' registers are among those of that machine.
        narrow: for the other one: the machine of 32 bits, and what tells that the running task is
            in a system call of such a program: a member of the kernel's ``struct thread_info``, and
            a mask of it.
    """

    name: str
    word: int
    folder: str
    calls: SystemCalls
    macros: tuple[str, ...] = ()
    big_endian: bool = False
    ordered: bool = False
    libraries: str = ""
    instruction: int = 0
    lengths: str = ""
    registers: Registers | None = None
    operands: Operands | None = None
    watching: Watching | None = None
    within: tuple[str, Registers] | None = None
    narrow: tuple[str, str, int] | None = None

    @property
    def triplet(self) -> str:
        """The name of its folders of libraries and headers on Debian and its kin."""
        return self.libraries or f"{self.name}-linux-gnu"
