"""All types and constants a script can name.

Where several have a name, the first of these counts: the script itself (and what it imports), the
language, headers of the C library and the user's own that it includes, the kernel's types (BTF),
headers of the kernel.  Headers are read only when none of what comes before has the name.

The kernel's types come from BTF, one by one as they are asked for: a struct is a name and a size
until someone looks at its members.
"""

from __future__ import annotations

from prybee.diagnostics import did_you_mean
from prybee.language import tree
from prybee.language.c_names import BASE, TYPEDEFS
from prybee.language.types import (
    BOOL,
    INT8,
    KERNEL,
    NAMED,
    NONE,
    NOWHERE,
    UINT8,
    UINT64,
    USER,
    VOID,
    ArrayType,
    BufferType,
    EnumType,
    Member,
    PointerType,
    StringType,
    StructType,
    Type,
    VoidType,
    int_type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prybee.btf import Btf
    from prybee.btf import Member as BtfMember
    from prybee.diagnostics import Source
    from prybee.dwarf import DwarfTypes
    from prybee.language.c.part import CPart
    from prybee.language.checker import Checker
    from prybee.language.program_types import ProgramTypes

# Members that the verifier takes for pointers which may be NULL, so that it refuses to follow them
# without a test (kernel/bpf/verifier.c, BTF_TYPE_SAFE_*_OR_NULL); they are read by helpers.
_MAYBE_NULL = frozenset(
    (
        ("dentry", "d_inode"),
        ("mm_struct", "exe_file"),
        ("request_sock", "sk"),
        ("sk_buff", "sk"),
        ("socket", "sk"),
        ("vm_area_struct", "vm_file"),
        ("vm_area_struct", "vm_mm"),
    )
)
# So are those with such a mark, where the compiler of the kernel records marks.
_MARKS = {"rcu": KERNEL, "percpu": KERNEL, "user": USER}

_TAGS = ("struct ", "union ", "enum ")


class TypeTable:
    """Types, enumerators and constants by name.

    Args:
        btf: the kernel's types; None without them; or a function that gives them when wanted.
        source: the script, for messages about its C part.
        c_part: its C part.
        folders: where headers are looked for first (``-I``).
        environment: variables; some say where the kernel's headers are.

    Raises:
        ScriptError: the C part is wrong.
    """

    def __init__(
        self,
        btf: Btf | Callable[[], Btf | None] | None,
        source: Source | None = None,
        c_part: Sequence[tree.CDirective | tree.CDefinition] = (),
        folders: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._btf = btf
        self._by_id: dict[int, Type] = {}
        self._by_name: dict[tuple[str, str], Type | None] = {}
        # Names of structs that the script has written without `struct`, with that word.
        self._bare: dict[str, str] = {}
        # Tables of modules' types, and the table that this one, of a module, builds upon.
        self._split: dict[int, TypeTable] = {}
        self._below: TypeTable | None = None
        # Tables of programs' types, and the names in the script that stand for one.
        self._programs: dict[int, ProgramTypes] = {}
        self._of_programs: set[int] = set()
        self._c: CPart | None = None
        if c_part:
            assert source is not None
            from prybee.language.c.headers import Search
            from prybee.language.c.part import CPart

            search = Search(folders, environment)
            self._c = CPart(source, self.kernel_type, self._kernel_value, self.has_btf, search)
            self._c.run(c_part)

    @property
    def btf(self) -> Btf | None:
        """The kernel's types; read when first asked for."""
        if callable(self._btf):
            self._btf = self._btf()
        return self._btf

    def of(self, btf: Btf) -> TypeTable:
        """The table that converts types of ``btf``: this one for the kernel's own, another for
        those of a module, which build upon them."""
        if btf is self.btf:
            return self
        found = self._split.get(id(btf))
        if found is None:
            found = self._split[id(btf)] = TypeTable(btf)
            found._below = self
        return found

    def has_btf(self) -> bool:
        """Whether the kernel's types are known."""
        return self.btf is not None

    @property
    def has_c(self) -> bool:
        """Whether the script has a C part."""
        return self._c is not None

    # -- constants -----------------------------------------------------------------------------

    @property
    def constants(self) -> list[str]:
        """The names that the script itself defines with ``#define``."""
        return list(self._c.macros) if self._c is not None else []

    def constant(self, name: str) -> int | str | None:
        """What a macro of the script stands for.

        A number, a string, or a :class:`~prybee.language.c.part.CText`.
        """
        return self._c.own(name) if self._c is not None else None

    def header_constant(self, name: str, kernel: bool) -> int | str | None:
        """What a macro of headers stands for: of the kernel's, or of the others."""
        return self._c.of_headers(name, kernel) if self._c is not None else None

    def macro_call(self, name: str, arguments: Sequence[str]) -> str | None:
        """What a C macro with arguments becomes; None where there is no such macro.

        Raises:
            CError: the arguments do not fit.
        """
        return self._c.call(name, arguments) if self._c is not None else None

    def _kernel_value(self, name: str) -> int | None:
        found = self.btf.enumerator(name) if self.btf is not None else None
        return found[0] if found is not None else None

    def hints(self, name: str) -> tuple[str, ...]:
        """Why a name that a script's headers may have is not known."""
        return self._c.hints(name) if self._c is not None else ()

    def of_program(self, types: DwarfTypes) -> ProgramTypes:
        """The table that converts the types of a user program."""
        found = self._programs.get(id(types))
        if found is None:
            from prybee.language.program_types import ProgramTypes

            found = self._programs[id(types)] = ProgramTypes(types)
        return found

    # -- by name -------------------------------------------------------------------------------

    def known(self, name: str) -> bool:
        """Whether a bare name is that of a type."""
        return self.find("", name) is not None

    def tag_of(self, name: str) -> str:
        """The word that is missing in front of a name that is no type by itself.

        Releases before 0.9.3 knew structs by their bare names, and bpftrace still takes them.
        """
        if self.find("", name) is not None:
            return ""
        return next((tag for tag in ("struct", "union", "enum") if self.find(tag, name)), "")

    def named(self, text: str) -> Type | None:
        """The type that C text such as ``struct file *``, ``unsigned int`` or ``pid_t`` means."""
        text = text.strip()
        if text.endswith("*"):
            target = self.named(text[:-1])
            return PointerType(target) if target is not None else None
        if text.startswith(_TAGS):
            tag, _space, name = text.partition(" ")
            return self.find(tag, name.strip())
        if text.startswith("const "):
            return self.named(text[6:])
        return self.find("", text)

    def find(self, tag: str, name: str) -> Type | None:
        """The type ``name``, or with ``tag`` the struct, union or enum of that name."""
        if self._c is not None:
            found = self._c.types.types.get(f"{tag} {name}" if tag else name)
            if found is not None:
                return found
        if not tag:
            found = NAMED.get(name) or TYPEDEFS.get(name) or BASE.get(name)
            if found is None and " " in name:
                found = BASE.get(" ".join(sorted(name.split())))
            if found is not None:
                return found
        if self._c is None:
            return self.kernel_type(tag, name)
        return self._c.outside(tag, name)

    def kernel_type(self, tag: str, name: str) -> Type | None:
        """The kernel's type of that name, whatever the script defines."""
        btf = self.btf
        if btf is None:
            return None
        key = (tag, name)
        if key not in self._by_name:
            if tag == "enum":
                found = btf.find(name, "enum") or btf.find(name, "enum64")
            else:
                found = btf.find(name, tag or "typedef")
            self._by_name[key] = self.from_btf(found) if found else None
        return self._by_name[key]

    def btf_id(self, type_: Type) -> int:
        """The kernel's number of a struct, union or enum; 0 for what it does not have."""
        tag, _blank, name = str(type_).partition(" ")
        if self.btf is None or tag not in ("struct", "union", "enum"):
            return 0
        return self.btf.find(name, tag)

    def enumerator(self, name: str) -> tuple[int, Type] | None:
        """The value of an enumerator and the enum it belongs to."""
        part = self._c
        found: tuple[int, Type] | None = None
        if part is not None:
            found = part.types.enumerators.get(name) or part.enumerator(name, False)
        if found is not None:
            return found
        kernel = self.btf.enumerator(name) if self.btf is not None else None
        if kernel is not None:
            return kernel[0], self.from_btf(kernel[1])
        return part.enumerator(name, True) if part is not None else None

    # -- type expressions ------------------------------------------------------------------------

    def resolve(self, node: tree.TypeExpression, checker: Checker) -> Type:
        """The type a type expression means; :data:`NONE`, and an error, where there is none."""
        match node:
            case tree.TypeName():
                known: Type | None = node.type
                if known is None or known is NONE or id(node) in self._of_programs:
                    known = self._of_program(node, self.find(node.tag, node.name), checker)
                if known is None and not node.tag:
                    tag = self.tag_of(node.name)
                    if tag:
                        known = self.find(tag, node.name)
                        self._bare[node.name] = tag
                tag = self._bare.get(node.name, "") if not node.tag else ""
                if tag:
                    checker.warn(
                        node,
                        f"{node.name} is an old form of {tag} {node.name}",
                        "`prybee fmt --modernize` rewrites it",
                    )
                if known is None:
                    text = f"{node.tag} {node.name}".strip()
                    checker.error(
                        node,
                        f'Cannot resolve unknown type "{text}"',
                        *self._meant(node.tag, node.name),
                    )
                    return NONE
                node.type = known
                return known
            case tree.TypePointer():
                target = checker.type_expression(node.target)
                if target is NONE:
                    return NONE
                return PointerType(target, bytes=checker.context.pointer_size)
            case tree.TypeArray():
                return self._array(node, checker)
        return checker.type_expression(node)

    def exists(self, node: tree.TypeExpression, checker: Checker) -> bool:
        """Whether a type expression means a type: nothing is said where it does not."""
        while isinstance(node, tree.TypePointer):
            node = node.target
        if isinstance(node, tree.TypeArray):
            return self.exists(node.element, checker)
        if not isinstance(node, tree.TypeName):
            return True
        found = self._of_program(node, self.find(node.tag, node.name), checker)
        return found is not None or (not node.tag and bool(self.tag_of(node.name)))

    def _of_program(self, node: tree.TypeName, known: Type | None, checker: Checker) -> Type | None:
        """``known``, unless the traced program has a type of that name and the script has not.

        Another variant of the handler may be in another program, so this is asked each time.
        """
        if known is not None and known is not self.kernel_type(node.tag, node.name):
            return known
        own = checker.context.named_type(node, checker)
        if own is None:
            return known
        self._of_programs.add(id(node))
        return own

    def _array(self, node: tree.TypeArray, checker: Checker) -> Type:
        element = checker.type_expression(node.element)
        length = node.length or 0
        if element is NONE:
            return NONE
        if isinstance(element, StringType | BufferType) and isinstance(node.element, tree.TypeName):
            if length == 0:
                checker.error(node, f"a {node.element.name} takes at least one byte")
            return StringType(length) if isinstance(element, StringType) else BufferType(length)
        if element.size == 0:
            checker.error(node, f"'{element}' has no size: there are no arrays of it")
            return NONE
        return ArrayType(element, length)

    def _meant(self, tag: str, name: str) -> tuple[str, ...]:
        """Hints for a type that is not there."""
        hints = self.hints(name)
        if hints:
            return hints
        # Of a bare name a struct may be meant as well.
        near = {f"{tag} {word}".strip(): word for word in self._near(tag, name)}
        if not tag:
            near = {f"struct {word}": word for word in self._near("struct", name)} | near
        words = did_you_mean(name, near.values())
        written = [repr(full) for word in words for full in near if near[full] == word]
        if written:
            return (f"did you mean {' or '.join(written[:3])}?",)
        if self.btf is None:
            return ("this kernel offers no types (no BTF): define it at the top of the script",)
        return ()

    def _near(self, tag: str, name: str) -> list[str]:
        """Names that begin like ``name``: looking at all of the kernel's would take too long."""
        found: list[str] = []
        if self._c is not None:
            for full in self._c.types.types:
                word, _space, rest = full.partition(" ")
                if word == tag:
                    found.append(rest)
        if not tag:
            found += [*NAMED, *TYPEDEFS, *BASE]
        if self.btf is not None:
            names = self.btf.names(tag or "typedef", f"{name[:2]}*")
            found += [word for word in names if abs(len(word) - len(name)) <= 3]
        return found

    # -- the kernel's types ------------------------------------------------------------------------

    def from_btf(self, id: int) -> Type:  # noqa: A002 - what BTF calls it
        """The language's form of a kernel type."""
        found = self._by_id.get(id)
        if found is None:
            below = self._below
            if below is not None and below.btf is not None and id < len(below.btf):
                found = below.from_btf(id)
            else:
                found = self._convert(id)
            self._by_id[id] = found
        return found

    def _convert(self, id: int) -> Type:  # noqa: A002
        btf = self.btf
        if btf is None or id == 0:
            return VOID
        plain = btf.strip(id)
        if plain != id:
            return self.from_btf(plain)
        kind = btf.kind(id)
        match kind:
            case "int":
                info = btf.int_info(id)
                if info.is_bool:
                    return BOOL
                if info.size in (1, 2, 4, 8):
                    return int_type(info.size, info.signed or btf.name(id) == "char")
                return ArrayType(UINT64, info.size // 8)
            case "ptr":
                return PointerType(self.from_btf(btf.target(id)), bytes=self._pointer_size(id))
            case "array":
                return self._btf_array(btf, id)
            case "struct" | "union":
                name, size = btf.name(id), btf.size(id)
                return StructType.lazy(kind, name, size, lambda: self._members(btf, id))
            case "fwd":
                return self._forward(btf, id)
            case "enum" | "enum64":
                size, signed = btf.enum_info(id)
                values = tuple((value, word) for word, value in btf.enumerators(id))
                return EnumType(btf.name(id), size, signed, values)
            case "float":
                return ArrayType(UINT8, btf.size(id))
        return VOID

    def _pointer_size(self, id: int) -> int:  # noqa: A002
        """Bytes of the pointer type ``id``."""
        return 8

    def _btf_array(self, btf: Btf, id: int) -> Type:  # noqa: A002
        element, count = btf.array_info(id)
        type_ = self.from_btf(element)
        if type_ == INT8 and count:
            return StringType.array(count)
        if isinstance(type_, VoidType):
            return ArrayType(UINT8, 0)
        return ArrayType(type_, count)

    def _forward(self, btf: Btf, id: int) -> Type:  # noqa: A002
        """A declaration without members; the definition may be elsewhere."""
        name = btf.name(id)
        for kind in ("struct", "union"):
            full = btf.find(name, kind)
            if full and btf.kind(full) == kind:
                return self.from_btf(full)
        return StructType.lazy("struct", name, 0, tuple)

    def _members(self, btf: Btf, id: int) -> tuple[Member, ...]:  # noqa: A002
        found = []
        struct = btf.name(id)
        members = btf.flat_members(id)
        overlaid = _overlaid(btf, members)
        for index, member in enumerate(members):
            bits = member.bit_size
            type_ = self.from_btf(member.type)
            if isinstance(type_, PointerType) and type_.space == NOWHERE:
                space = _marked(btf, member.type)
                if space or (struct, member.name) in _MAYBE_NULL:
                    type_ = PointerType(type_.target, space or KERNEL)
            found.append(
                Member(
                    member.name,
                    member.bit_offset // 8,
                    type_,
                    member.bit_offset % 8 if bits else 0,
                    bits,
                    overlaid=index in overlaid,
                )
            )
        return tuple(found)


def _overlaid(btf: Btf, members: Sequence[BtfMember]) -> frozenset[int]:
    """Which members of a struct with unions lifted into it share bytes with one of another kind.

    The verifier takes a load for one of the first member that lies there; only within integers,
    and arrays of them, it does not mind (kernel/bpf/btf.c, btf_struct_walk).
    """
    ranges = []
    for index, member in enumerate(members):
        size = member.bit_size or btf.size(member.type) * 8
        if size:
            ranges.append((member.bit_offset, member.bit_offset + size, index))
    ranges.sort()
    found: set[int] = set()
    open_: list[tuple[int, int, int]] = []
    for start, end, index in ranges:
        open_ = [other for other in open_ if other[1] > start]
        for first, last, other in open_:
            if end > last or not _integers(btf, members[other].type):
                found.add(index)
            if start > first or last > end or not _integers(btf, members[index].type):
                found.add(other)
        open_.append((start, end, index))
    return frozenset(found)


def _integers(btf: Btf, id: int) -> bool:  # noqa: A002
    """Whether a type is an integer, an enum, or an array of such."""
    plain = btf.strip(id)
    while btf.kind(plain) == "array":
        plain = btf.strip(btf.array_info(plain)[0])
    return btf.kind(plain) in ("int", "enum", "enum64")


def _marked(btf: Btf, id: int) -> str:  # noqa: A002
    """The address space that a pointer member is marked with; empty for none."""
    pointer = btf.strip(id)
    target = btf.target(pointer) if btf.kind(pointer) == "ptr" else 0
    while target and btf.kind(target) in ("const", "volatile", "type_tag"):
        if btf.kind(target) == "type_tag" and btf.name(target) in _MARKS:
            return _MARKS[btf.name(target)]
        target = btf.target(target)
    return ""
