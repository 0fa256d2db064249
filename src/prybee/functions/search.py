"""Searching and joining texts: ``strstr``, ``strcontains``, ``str_concat``."""

from __future__ import annotations

from prybee.compiler.ir import I8, I64
from prybee.functions.arguments import aliased, argument_type, expression
from prybee.functions.strings import want_text
from prybee.functions.text_memory import read_text, text_place
from prybee.language import tree
from prybee.language.lower.operands import Place, Scalar
from prybee.language.registry import Function
from prybee.language.types import BOOL, BPF, INT64, KERNEL, StringType, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

# What strstr() gives where there is no such text, as the kernel's bpf_strstr() does.
NOT_FOUND = -2
# The kernel's own search, since 6.17.
_KFUNC = "bpf_strstr"


class Find(Function):
    """``strstr()``: where a text is in another; ``strcontains()``: whether it is."""

    arguments = (2, 2)

    def __init__(self, name: str, summary: str, position: bool) -> None:
        self.name = name
        self.signature = f"{name}(haystack, needle)"
        self.summary = summary
        self.position = position

    def check(self, call: tree.Call, checker: Checker) -> Type:
        for index in (0, 1):
            want_text(call, index, checker)
        btf = checker.target.btf
        if _known(call, checker) is None and (btf is None or not btf.function(_KFUNC)):
            checker.error(
                call,
                f"{self.name}() needs a literal to search for on this kernel",
                f"kernels that have {_KFUNC}() (6.17) search for any text; others, for a literal "
                "or for getopt(…) written here",
            )
        return INT64 if self.position else BOOL

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        haystack, needle = expression(call, 0), expression(call, 1)
        known = _known(call, handler.script.checker)
        if known == b"":
            return self._result(handler, handler.const(0))
        if isinstance(haystack, tree.String) and known is not None:
            return self._result(handler, handler.const(_find(haystack.data, known)))
        limit = handler.script.config.max_strlen
        where = text_place(handler, haystack, limit)
        btf = handler.script.target.btf
        if btf is not None and btf.function(_KFUNC):
            what = text_place(handler, needle, limit)
            found = handler.b.kfunc(_KFUNC, [_pointer(handler, where), _pointer(handler, what)])
            # The kernel function returns an int.
            found = handler.extend(found, INT64.replace(width=4))
            return self._result(handler, found)
        assert known is not None
        return self._result(handler, _search(handler, where, known))

    def _result(self, h: Handler, position: Value) -> Operand:
        if self.position:
            return Scalar(position, INT64)
        return Scalar(h.b.icmp("sge", position, 0), BOOL)


def _known(call: tree.Call, checker: Checker) -> bytes | None:
    """What is searched for, where that is a literal or an option of the command line."""
    needle = expression(call, 1)
    if isinstance(needle, tree.String):
        return needle.data
    if isinstance(needle, tree.Call) and needle.name == "getopt":
        function = checker.registry.functions.get("getopt")
        value = function.constant(needle, checker) if function is not None else None
        return value.encode() if isinstance(value, str) else None
    return None


def _find(haystack: bytes, needle: bytes) -> int:
    found = haystack.find(needle)
    return found if found >= 0 else NOT_FOUND


def _pointer(h: Handler, place: Place) -> Value:
    return h.b.ptr_add(place.pointer, place.offset)


def _search(h: Handler, where: Place, needle: bytes) -> Value:
    """Position by position, in a loop that ends with the text."""
    if not needle:
        return h.const(0)
    positions = where.type.size - len(needle) + 1
    if positions <= 0:
        return h.const(NOT_FOUND)
    result = h.b.variable(I64, "found")
    index = h.b.variable(I64, "at")
    head, body, more, hit, after = (
        h.block(name) for name in ("search", "compare", "next", "hit", "searched")
    )
    h.b.write(result, NOT_FOUND)
    h.b.write(index, 0)
    h.b.jump(head)
    h.b.position_at(head)
    at = h.b.read(index)
    h.b.branch(h.b.icmp("ult", at, positions), body, after)
    h.start(body)
    pointer = h.b.ptr_add(where.pointer, at)
    following = h.block("byte")
    first = h.b.load(I8, pointer, where.offset)
    h.b.branch(h.b.icmp("ne", first, 0), following, after)
    h.start(following)
    for number, byte in enumerate(needle):
        value = h.b.load(I8, pointer, where.offset + number) if number else first
        matched = hit if number == len(needle) - 1 else h.block("byte")
        h.b.branch(h.b.icmp("eq", value, byte), matched, more)
        if matched is not hit:
            h.start(matched)
    h.start(more)
    h.b.write(index, h.b.add(at, 1))
    h.b.jump(head)
    h.b.seal(head)
    h.start(hit)
    h.b.write(result, at)
    h.b.jump(after)
    h.start(after)
    return h.b.read(result)


class Concatenate(Function):
    """``str_concat()``: one text behind the other."""

    name = "str_concat"
    signature = "str_concat(first, second)"
    summary = "two texts joined"
    arguments = (2, 2)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        for index in (0, 1):
            want_text(call, index, checker)
        first, second = self._capacities(call, checker.config.max_strlen)
        return StringType(min(first + second - 1, checker.config.max_strlen))

    @staticmethod
    def _capacities(call: tree.Call, limit: int) -> tuple[int, int]:
        """Bytes, with a NUL, that each part may have."""
        first, second = (
            type_.size + (0 if isinstance(expression(call, index), tree.String) else 1)
            if isinstance(type_ := argument_type(call, index), StringType)
            else limit
            for index in (0, 1)
        )
        return first, second

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        type_ = call.type
        assert isinstance(type_, StringType)
        b = handler.b
        limit = handler.script.config.max_strlen
        capacity, _second = self._capacities(call, limit)
        capacity = min(capacity, type_.capacity)
        first = text_place(handler, expression(call, 0), limit)
        second = text_place(handler, expression(call, 1), limit)
        # Behind the longest first part there is room for a whole second one, so that the verifier
        # sees that it fits; what goes beyond the result is not looked at.
        room = min(second.type.size + 1, type_.capacity)
        buffer = b.slot((capacity + room + 7) // 8 * 8, 8, "concat")
        b.zero(buffer, 0, (capacity + room + 7) // 8 * 8)
        length = read_text(handler, buffer, 0, capacity, handler.address(first), KERNEL)
        end = b.sub(length, 1)
        end = b.select(b.icmp("ult", end, capacity), end, handler.const(0))
        target = b.ptr_add(buffer, end)
        read_text(handler, target, 0, room, handler.address(second), KERNEL)
        b.store(buffer, type_.capacity - 1, handler.const(0), I8)
        return Place(buffer, 0, type_, BPF)


FUNCTIONS = aliased(
    Find("strstr", "where a text is in another; -2 where it is not", position=True),
    Find("strcontains", "whether a text is in another", position=False),
    Concatenate(),
)
