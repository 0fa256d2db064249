"""What handlers of ``uprobe`` and ``uretprobe`` find: registers, and with debug information of the
program arguments by name, its types, and typed results."""

from __future__ import annotations

from prybee.compiler.ir import I32, I64
from prybee.diagnostics import PrybeeError, did_you_mean
from prybee.language.lower.operands import Place, Scalar
from prybee.language.registry import ProbeSyntaxError
from prybee.language.types import (
    BPF,
    CONTEXT,
    INT64,
    NONE,
    UINT64,
    USER,
    Member,
    PointerType,
    StructType,
    Type,
    int_type,
    is_scalar,
)
from prybee.machines import program_registers
from prybee.probes import binaries, returning
from prybee.probes.program_function import ProgramFunction, Unknown
from prybee.probes.provider import meant
from prybee.probes.registered import EntryRegisters, RegisterContext, context_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.compiler.ir import Value
    from prybee.elf import ElfFile
    from prybee.language import tree
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.machines import Registers
    from prybee.probes.calling import Location

# The language has names for so many arguments (functions/context.py).
_MOST_ARGUMENTS = 64


class UprobeContext(RegisterContext):
    """The registers at a place of a program, and the program's types."""

    program_type = "kprobe"
    space = USER

    def __init__(
        self,
        name: str,
        provider: str,
        arch: str,
        multi: bool,
        elf: ElfFile | None,
        function: ProgramFunction | None = None,
    ) -> None:
        super().__init__(name, provider, arch)
        self.attach_type = binaries.MULTI_ATTACH_TYPE if multi else ""
        self.function = function
        # The machine of the program: a relative of 32 bits perhaps.
        self.program = elf.machine if elf is not None else arch
        self.pointer_size = elf.bits // 8 if elf is not None else 8

    @property
    def registers(self) -> Registers | None:
        return program_registers(self.arch, self.program)

    def known(self) -> Registers:
        """The program's registers.

        Raises:
            ProbeSyntaxError: they are not known.
        """
        found = self.registers
        if found is None:
            raise ProbeSyntaxError(
                f"where programs of {self.program} have their arguments and results on {self.arch} "
                "is not known here",
                "handlers that use none of them work",
            )
        return found

    def read(self, handler: Handler, register: str) -> Value:
        """The bits of a register that the program has."""
        known = self.registers
        assert known is not None
        if known.word == 8:
            return super().read(handler, register)
        offset = known.offset(register)
        assert offset is not None
        # 32-bit code leaves what it likes in the upper half.
        return handler.b.zext(handler.b.load(I32, context_pointer(handler), offset), I64)

    def named_type(self, node: tree.TypeName, checker: Checker) -> Type | None:
        if self.function is None:
            return None
        try:
            types = self.function.types(checker)
            if types is None:
                return None
            return types.named_near(node.tag, node.name, self.function.entry)
        except PrybeeError as error:
            checker.error(node, str(error))
            return NONE

    def read_located(self, type_: Type, where: Location, handler: Handler) -> Operand:
        """A value of the program, from where the calling convention puts it."""
        known = self.registers
        assert known is not None
        word = known.word
        if where.kind == "stack":
            pointer = self.read(handler, known.stack_pointer)
            place = Place(pointer, where.offset, type_, USER)
        elif where.kind == "address":
            if where.registers:
                pointer = self.read(handler, where.registers[0])
            else:
                stack = self.read(handler, known.stack_pointer)
                found = Place(stack, where.offset, int_type(word, False), USER)
                pointer = handler.number(handler.load(found))
            place = Place(pointer, 0, type_, USER)
        elif is_scalar(type_) and type_.size <= word:
            offset = self.register(where.registers[0])
            assert offset is not None
            place = Place(context_pointer(handler), offset, type_, CONTEXT)
        else:
            buffer = handler.b.slot(max(8, len(where.registers) * word), 8)
            width = I64 if word == 8 else I32
            for index, register in enumerate(where.registers):
                handler.b.store(buffer, index * word, self.read(handler, register), width)
            place = Place(buffer, 0, type_, BPF)
        return handler.load(place) if is_scalar(type_) else place


class EntryContext(EntryRegisters, UprobeContext):
    """``argN`` are the arguments that travel in registers; ``args`` those of the source."""

    _args: StructType | None = None
    _locations: Sequence[Location] = ()

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        if self.known().arguments:
            return super().argument_type(index, checker)
        return INT64 if index < _MOST_ARGUMENTS else None

    def lower_argument(self, index: int, handler: Handler) -> Operand:
        known = self.known()
        if known.arguments:
            return super().lower_argument(index, handler)
        stack = self.read(handler, known.stack_pointer)
        offset = known.stack + index * known.word
        word = handler.load(Place(stack, offset, int_type(known.word, False), USER))
        return Scalar(word.value, INT64)

    def args_type(self, checker: Checker) -> Type | None:
        function = self.function
        if function is None:
            return None
        known = self.known()
        if self._args is None:
            try:
                parameters = function.parameters()
                locations = function.locations(known)
                types = function.types(checker)
            except Unknown as failure:
                raise ProbeSyntaxError(str(failure), *failure.hints) from None
            except PrybeeError as error:
                raise ProbeSyntaxError(str(error)) from None
            assert types is not None
            members: list[Member] = []
            kept: list[Location] = []
            at = 0
            for index, (parameter, where) in enumerate(zip(parameters, locations, strict=True)):
                type_ = types.from_btf(parameter.type)
                if where.kind in ("unreadable", "nowhere") or not type_.size:
                    continue
                at = (at + type_.align - 1) // type_.align * type_.align
                members.append(Member(parameter.name or f"arg{index}", at, type_))
                kept.append(where)
                at += type_.size
            self._locations = kept
            size = (at + 7) // 8 * 8
            self._args = StructType.lazy(
                "struct", f"{self.name}_args", size, lambda: tuple(members)
            )
        return self._args

    def missing_member(self, name: str) -> tuple[str, ...]:
        function = self.function
        if function is None:
            return ()
        names = [each.name for each in function.parameters()]
        message = f"Can't find function parameter {name}"
        if name in names:
            why = (
                f"'{name}' is passed in a vector register (as floating-point numbers are), which "
                "programs in the kernel cannot read"
            )
            return (message, why)
        return (message, *meant(did_you_mean(name, names)))

    def lower_args_member(self, name: str, type_: Type, handler: Handler) -> Operand | None:
        record = self.args_type(handler.script.checker)
        assert isinstance(record, StructType)
        index = list(record.members).index(name)
        return self.read_located(type_, self._locations[index], handler)

    def lower_args(self, handler: Handler) -> Operand:
        record = self.args_type(handler.script.checker)
        assert isinstance(record, StructType)
        buffer = handler.slot(record)
        handler.b.zero(buffer, 0, record.size)
        for member, where in zip(record.members.values(), self._locations, strict=True):
            value = self.read_located(member.type, where, handler)
            handler.store(value, member.type, buffer, member.offset)
        return Place(buffer, 0, record, BPF)


class ReturnContext(UprobeContext):
    """``retval`` has the function's type where it is known, and else all bits of a register."""

    # Whether the function is named in the script, not found by a pattern.
    exact = False

    def _result(self, checker: Checker) -> tuple[Type, Location] | None:
        known = self.registers
        if known is None or not self.exact or self.function is None:
            return None
        try:
            return self.function.result(known, checker)
        except PrybeeError:
            return None

    def check_address(self, checker: Checker) -> None:
        # Links for many functions tell, as they came with what tells.
        if not self.attach_type:
            returning.check(checker.target)

    def function_address(self, handler: Handler) -> Value | None:
        return None if self.attach_type else returning.address(handler)

    def retval_type(self, checker: Checker) -> Type | None:
        self.known()
        found = self._result(checker)
        if found is None or found[1].kind in ("unreadable", "nowhere") or not found[0].size:
            return UINT64
        type_ = found[0]
        return type_.replace(space=USER) if isinstance(type_, PointerType) else type_

    def lower_retval(self, handler: Handler) -> Operand:
        known = self.registers
        assert known is not None
        type_ = self.retval_type(handler.script.checker)
        found = self._result(handler.script.checker)
        assert type_ is not None
        if found is None or (type_ is UINT64 and len(found[1].registers) < 2):
            return Scalar(self.read(handler, known.return_value), UINT64)
        return self.read_located(type_, found[1], handler)
