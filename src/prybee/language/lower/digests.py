"""Maps with long keys, where the kernel has none: :mod:`prybee.plan.digests`."""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.language.lower.maps import Hash, key_size
from prybee.language.types import UINT64
from prybee.plan import digests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.builder import Variable
    from prybee.compiler.ir import Value
    from prybee.language.lower.handler import Handler


class Digested(Hash):
    """A hash map by digests; the key lies behind the value."""

    @property
    def key_size(self) -> int:
        """Bytes of the key, which has a digest."""
        return key_size(self.key_type or UINT64, self.buckets)

    @property
    def stored_size(self) -> int:
        return self.value_size + digests.room(self.key_size)

    def kernel_key(self, h: Handler, key: Value) -> Value:
        b, size = h.b, self.key_size
        sums = [b.variable(I64, "digest") for _ in digests.STARTS]
        for each, start in zip(sums, digests.STARTS, strict=True):
            b.write(each, h.const(start))
        h.count_up(
            "word",
            size // 8 * 8,
            lambda at: self._take(h, sums, b.load(I64, b.ptr_add(key, at), 0)),
            step=8,
        )
        if size % 8:
            last = b.slot(8, 8, "last")
            b.store(last, 0, h.const(0), I64)
            b.copy(last, 0, key, size // 8 * 8, size % 8)
            self._take(h, sums, b.load(I64, last, 0))
        made = b.slot(digests.SIZE, 8, "digest")
        for number, each in enumerate(sums):
            b.store(made, 8 * number, b.read(each), I64)
        return made

    def _take(self, h: Handler, sums: list[Variable], word: Value) -> None:
        b = h.b
        for each, factor, shift in zip(sums, digests.FACTORS, digests.SHIFTS, strict=True):
            value = b.mul(b.xor(b.read(each), word), h.const(factor))
            b.write(each, b.xor(value, b.lshr(value, shift)))

    def kernel_value(self, h: Handler, key: Value, value: Value) -> Value:
        buffer, size = h.b.slot(self.stored_size, 8, "entry"), self.key_size
        h.b.copy(buffer, 0, value, 0, self.value_size)
        if size % 8:
            h.b.store(buffer, self.value_size + size // 8 * 8, h.const(0), I64)
        h.b.copy(buffer, self.value_size, key, 0, size)
        return buffer
