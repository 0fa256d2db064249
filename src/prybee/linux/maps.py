"""eBPF maps: create, read, write, walk, map into memory.

Keys and values are bytes.  A value of a per-CPU map is all CPUs' values in one piece, each padded
to a multiple of 8 (:attr:`Map.stride`), in the order of the *possible* CPUs; :meth:`Map.split`
takes it apart.

Each map keeps one set of argument buffers for single elements: building ``union bpf_attr`` anew
for each call costs more than the call (measured: 2.9 µs against 1.8 µs).
"""

from __future__ import annotations

from errno import EEXIST, EINVAL, ENOENT, ENOSPC, EOPNOTSUPP, EPERM
from itertools import chain
from struct import Struct

from prybee.diagnostics import ENOTSUPP, KernelError
from prybee.linux import cpus, syscalls, uapi
from prybee.linux.attributes import (
    MAP_BATCH,
    MAP_CREATE,
    MAP_ELEM,
    MAP_FREEZE,
    MAP_GET_FD_BY_ID,
    MAP_INFO,
    OBJ_GET,
    OBJ_PIN,
    Attributes,
    bpf,
    error,
    read_info,
)
from prybee.linux.objects import KernelObject, allow_locked_memory, object_name
from prybee.linux.switched_off import OFF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Buffer, Iterator  # type: ignore[attr-defined]
    from mmap import mmap

_LOOKUP = uapi.COMMANDS.index("map_lookup_elem")
_UPDATE = uapi.COMMANDS.index("map_update_elem")
_DELETE = uapi.COMMANDS.index("map_delete_elem")
_NEXT_KEY = uapi.COMMANDS.index("map_get_next_key")
_LOOKUP_AND_DELETE = uapi.COMMANDS.index("map_lookup_and_delete_elem")
_LOOKUP_BATCH = uapi.COMMANDS.index("map_lookup_batch")
_LOOKUP_AND_DELETE_BATCH = uapi.COMMANDS.index("map_lookup_and_delete_batch")
_DELETE_BATCH = uapi.COMMANDS.index("map_delete_batch")
_UPDATE_BATCH = uapi.COMMANDS.index("map_update_batch")

PER_CPU = frozenset(("percpu_hash", "percpu_array", "lru_percpu_hash", "percpu_cgroup_storage"))
ARRAYS = frozenset(("array", "percpu_array"))

# What a kernel says to a batch call that the map's type does not have.
_NO_BATCH = frozenset((EINVAL, EOPNOTSUPP, ENOTSUPP))
# Bytes of keys and values to read by one batch call, about.
_BATCH_BYTES = 1 << 20


class Map(KernelObject):
    """A map of the kernel.

    Attributes:
        type: the UAPI name in lower case.
        key_size, value_size: in bytes; ``stride`` is what one value takes in a buffer.
        max_entries: elements, or bytes for a ring buffer.
        flags: as given at creation.
        name: as given at creation, which may be longer than the kernel's own.
    """

    __slots__ = (
        "_address",
        "_attributes",
        "_key",
        "_value",
        "cpus",
        "flags",
        "key_size",
        "max_entries",
        "name",
        "per_cpu",
        "stride",
        "type",
        "value_size",
    )

    def __init__(
        self,
        fd: int,
        type_: str,
        key_size: int,
        value_size: int,
        max_entries: int,
        flags: int = 0,
        name: str = "",
    ) -> None:
        """Takes over ``fd``; the rest describes it. :meth:`create` and :meth:`open` call this."""
        super().__init__(fd)
        self.type = type_
        self.key_size = key_size
        self.value_size = value_size
        self.max_entries = max_entries
        self.flags = flags
        self.name = name
        self.per_cpu = type_ in PER_CPU
        if self.per_cpu:
            self.stride = (value_size + 7) & -8
            self.cpus = len(cpus.possible())
        else:
            self.stride = value_size
            self.cpus = 1
        self._attributes: Attributes | None = None
        self._address = 0
        self._key = bytearray()
        self._value = bytearray()

    # -- making and finding ----------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        type_: str | int,
        key_size: int = 0,
        value_size: int = 0,
        max_entries: int = 1,
        flags: int = 0,
        name: str = "",
        *,
        inner: Map | None = None,
        btf: int = 0,
        btf_key: int = 0,
        btf_value: int = 0,
        extra: int = 0,
    ) -> Map:
        """A new map.

        Args:
            type_: the UAPI name (``percpu_hash``), or a number this build has no name for.
            flags: ``uapi.F_*``.
            inner: for maps of maps, a map like those it will hold.
            btf, btf_key, btf_value: descriptor of loaded BTF, and the types of key and value.
            extra: ``map_extra``: a bloom filter's number of hashes, an arena's address.

        Raises:
            PrybeeError: no such type.
            KernelError: the kernel refused.
        """
        number = uapi.number("map type", uapi.MAP_TYPES, type_)
        attributes = Attributes(
            MAP_CREATE,
            map_type=number,
            key_size=key_size,
            value_size=value_size,
            max_entries=max_entries,
            map_flags=flags,
            inner_map_fd=inner.fd if inner is not None else 0,
            map_name=object_name(name),
            btf_fd=btf,
            btf_key_type_id=btf_key,
            btf_value_type_id=btf_value,
            map_extra=extra,
        )
        fd = attributes.call()
        if fd == -EPERM and allow_locked_memory():
            fd = attributes.call()
        if fd < 0:
            raise error("map_create", -fd, f"map {name}" if name else "")
        label = uapi.label(uapi.MAP_TYPE_NAMES, number)
        return cls(fd, label, key_size, value_size, max_entries, flags, name)

    @classmethod
    def adopt(cls, fd: int) -> Map:
        """The map that ``fd``, from wherever, refers to; takes the descriptor over.

        Raises:
            KernelError: it is no map's descriptor (which stays the caller's then).
        """
        info = map_info(fd)
        return cls(
            fd,
            uapi.label(uapi.MAP_TYPE_NAMES, int(info["type"])),
            int(info["key_size"]),
            int(info["value_size"]),
            int(info["max_entries"]),
            int(info["map_flags"]),
            bytes(info["name"]).decode("ascii", "replace"),
        )

    @classmethod
    def from_id(cls, number: int) -> Map:
        """The loaded map with this id.

        Raises:
            KernelError: there is none, or it may not be had.
        """
        return cls.adopt(bpf(MAP_GET_FD_BY_ID, f"map {number}", map_id=number))

    @classmethod
    def open(cls, path: str) -> Map:
        """The map pinned at ``path`` on a bpf file system.

        Raises:
            KernelError: there is none, or it may not be had.
        """
        return cls.adopt(bpf(OBJ_GET, path, pathname=path.encode() + b"\0"))

    def pin(self, path: str) -> None:
        """Gives the map a name on a bpf file system, which keeps it alive.

        Raises:
            KernelError: the path exists, or is on another file system.
        """
        bpf(OBJ_PIN, path, pathname=path.encode() + b"\0", bpf_fd=self.fd)

    def info(self) -> dict[str, int | bytes]:
        """What the kernel says about the map: ``struct bpf_map_info`` by field."""
        return map_info(self.fd)

    # -- single elements -------------------------------------------------------------------------

    def _prepare(self) -> int:
        """The address of the prepared ``bpf_attr``, made on first use."""
        if self._attributes is None:
            self._key = bytearray(self.key_size)
            self._value = bytearray(self.stride * self.cpus)
            self._attributes = Attributes(MAP_ELEM, map_fd=self.fd)
            if self.key_size:
                self._attributes["key"] = self._key
            if self._value:
                self._attributes["value"] = self._value
            self._address = self._attributes.address
        elif self.fd < 0:
            raise ValueError(f"{self!r} is closed")
        return self._address

    def lookup(self, key: bytes = b"") -> bytes | None:
        """The value of ``key``; None where there is none. A queue's or stack's next with no key.

        Raises:
            KernelError: anything but that the key is missing.
            ValueError: the key has not the map's key size.
        """
        address = self._address or self._prepare()
        self._set_key(key)
        result = syscalls.kernel.bpf(_LOOKUP, address, 32)
        if result < 0:
            if result == -ENOENT:
                return None
            raise self._error("map_lookup_elem", result)
        return bytes(self._value)

    def update(self, key: bytes, value: Buffer, flags: int = uapi.ANY) -> bool:
        """Sets the value of ``key``; an empty key pushes to a queue, stack or bloom filter.

        Args:
            value: one value, or for per-CPU maps all CPUs' (``stride`` apart).
            flags: ``uapi.NOEXIST`` and ``uapi.EXIST`` make it conditional.

        Returns:
            whether it was done: False where ``flags`` forbade it.

        Raises:
            KernelError: refused otherwise: E2BIG means that the map is full.
            ValueError: a size is wrong.
        """
        address = self._address or self._prepare()
        self._set_key(key)
        view = memoryview(value)
        if view.nbytes != len(self._value):
            raise ValueError(f"{self!r}: a value takes {len(self._value)} bytes, not {view.nbytes}")
        self._value[:] = view
        assert self._attributes is not None
        self._attributes["flags"] = flags
        result = syscalls.kernel.bpf(_UPDATE, address, 32)
        if flags:
            self._attributes["flags"] = 0
        if result < 0:
            if (result == -EEXIST and flags & uapi.NOEXIST) or (
                result == -ENOENT and flags & uapi.EXIST
            ):
                return False
            raise self._error("map_update_elem", result)
        return True

    def delete(self, key: bytes) -> bool:
        """Removes ``key``; False where it was not there.

        Raises:
            KernelError: refused (EINVAL: arrays delete nothing).
        """
        address = self._address or self._prepare()
        self._set_key(key)
        # Up to the key only: the kernel wants nothing set behind it.
        result = syscalls.kernel.bpf(_DELETE, address, 16)
        if result < 0:
            if result == -ENOENT:
                return False
            raise self._error("map_delete_elem", result)
        return True

    def pop(self, key: bytes = b"") -> bytes | None:
        """Removes an element and returns its value: of a hash by key, of a queue or stack the next.

        Raises:
            KernelError: refused otherwise than for the key's absence.
        """
        address = self._address or self._prepare()
        self._set_key(key)
        result = syscalls.kernel.bpf(_LOOKUP_AND_DELETE, address, 32)
        if result < 0:
            if result == -ENOENT:
                return None
            raise self._error("map_lookup_and_delete_elem", result)
        return bytes(self._value)

    def push(self, value: Buffer) -> None:
        """Puts a value on a queue or stack, or into a bloom filter.

        Raises:
            KernelError: E2BIG: it is full.
        """
        self.update(b"", value)

    def keys(self) -> Iterator[bytes]:
        """The keys, one call each. Elements deleted meanwhile may make the kernel start over.

        Ends after ``max_entries`` steps whatever happens.
        """
        attributes = Attributes(MAP_ELEM, map_fd=self.fd)
        key, following = bytearray(self.key_size), bytearray(self.key_size)
        attributes["next_key"] = following
        for _ in range(self.max_entries):
            result = syscalls.kernel.bpf(_NEXT_KEY, attributes.address, 32)
            if result == -ENOENT:
                return
            if result < 0:
                raise self._error("map_get_next_key", result)
            yield bytes(following)
            key[:] = following
            attributes["key"] = key

    # -- many elements ---------------------------------------------------------------------------

    def items(self) -> list[tuple[bytes, bytes]]:
        """All elements, as they are while the kernel walks them (not a snapshot of one moment).

        Raises:
            KernelError: refused.
        """
        keys, values = self.contents()
        size = self.stride * self.cpus
        return list(zip(_pieces(keys, self.key_size), _pieces(values, size), strict=True))

    def cpu_items(self) -> list[tuple[bytes, tuple[bytes, ...]]]:
        """All elements of a per-CPU map, each with the values of the possible CPUs in order.

        Raises:
            KernelError: refused.
        """
        keys, values = self.contents()
        padding = self.stride - self.value_size
        form = f"{self.value_size}s" + (f"{padding}x" if padding else "")
        rows = Struct("=" + form * self.cpus).iter_unpack(values)
        return list(zip(_pieces(keys, self.key_size), rows, strict=True))

    def contents(self) -> tuple[bytes, bytes]:
        """All keys, and all values, each in one piece: for those who take them apart wholesale.

        Raises:
            KernelError: refused.
        """
        return self._contents(_LOOKUP_BATCH, "map_lookup_batch")

    def take(self) -> list[tuple[bytes, bytes]]:
        """All elements of a hash, removed as they are read, so that no update is lost between.

        Raises:
            KernelError: refused.
        """
        keys, values = self._contents(_LOOKUP_AND_DELETE_BATCH, "map_lookup_and_delete_batch")
        size = self.stride * self.cpus
        return list(zip(_pieces(keys, self.key_size), _pieces(values, size), strict=True))

    def clear(self) -> None:
        """Removes all elements of a hash; zeroes those of an array.

        Raises:
            KernelError: refused.
        """
        if self.type in ARRAYS:
            zeros = bytes(self.stride * self.cpus)
            for index in range(self.max_entries):
                self.update(index.to_bytes(4, "little"), zeros)
            return
        keys, _ = self.contents()
        if not keys:
            return
        count = len(keys) // self.key_size
        attributes = Attributes(MAP_BATCH, keys=keys, count=count, map_fd=self.fd)
        result = _batch(_DELETE_BATCH, attributes)
        if result < 0:
            # No batches, or a program deleted one of them first.
            for key in _pieces(keys, self.key_size):
                self.delete(key)

    def update_many(self, elements: list[tuple[bytes, bytes]]) -> None:
        """Sets many elements, by one call where the kernel can.

        Raises:
            KernelError: refused; some may be set then.
        """
        if not elements:
            return
        attributes = Attributes(
            MAP_BATCH,
            keys=b"".join([key for key, _ in elements]),
            values=b"".join([value for _, value in elements]),
            count=len(elements),
            map_fd=self.fd,
        )
        result = _batch(_UPDATE_BATCH, attributes)
        if -result in _NO_BATCH:
            for key, value in elements:
                self.update(key, value)
        elif result < 0:
            raise self._error("map_update_batch", result)

    def _contents(self, command: int, name: str) -> tuple[bytes, bytes]:
        """All keys and values by batch calls, or where the map has none, one by one."""
        key_size, size = self.key_size, self.stride * self.cpus
        chunk = min(self.max_entries, max(64, _BATCH_BYTES // (key_size + size)))
        all_keys: list[bytes] = []
        all_values: list[bytes] = []
        token = bytearray(max(4, key_size))
        first = True
        keys, values = bytearray(chunk * key_size), bytearray(chunk * size)
        attributes = Attributes(MAP_BATCH, out_batch=token, keys=keys, values=values)
        attributes["map_fd"] = self.fd
        while True:
            attributes["count"] = chunk
            result = _batch(command, attributes)
            if result == -ENOSPC and chunk < self.max_entries:
                # One bucket has more elements than the buffer. Nothing was taken.
                chunk = min(self.max_entries, chunk * 2)
                keys, values = bytearray(chunk * key_size), bytearray(chunk * size)
                attributes["keys"], attributes["values"] = keys, values
                continue
            if result < 0 and result != -ENOENT:
                if -result in _NO_BATCH and first:
                    return self._one_by_one(command == _LOOKUP_AND_DELETE_BATCH)
                raise self._error(name, result)
            # At the end of the map the call fails with ENOENT, and the count is still right.
            count = attributes["count"]
            all_keys.append(bytes(memoryview(keys)[: count * key_size]))
            all_values.append(bytes(memoryview(values)[: count * size]))
            if result < 0:
                return b"".join(all_keys), b"".join(all_values)
            if first:
                attributes["in_batch"] = token
                first = False

    def _one_by_one(self, delete: bool) -> tuple[bytes, bytes]:
        keys, values = [], []
        for key in list(self.keys()):
            value = self.lookup(key)
            if value is not None:
                keys.append(key)
                values.append(value)
                if delete:
                    self.delete(key)
        return b"".join(keys), b"".join(values)

    # -- values of a per-CPU map -----------------------------------------------------------------

    def split(self, value: bytes) -> list[bytes]:
        """The values of the single CPUs, in the order of the possible ones."""
        size, stride = self.value_size, self.stride
        return [value[at : at + size] for at in range(0, stride * self.cpus, stride)]

    # -- memory ----------------------------------------------------------------------------------

    def freeze(self) -> None:
        """No more writes from user space.

        Raises:
            KernelError: refused (EBUSY: it is mapped writable).
        """
        bpf(MAP_FREEZE, f"map {self.name}", map_fd=self.fd)

    @property
    def element_stride(self) -> int:
        """Bytes from one element to the next of a mapped array."""
        return (self.value_size + 7) & -8

    def memory(self, writable: bool = True) -> mmap:
        """An array's values as shared memory, elements :attr:`element_stride` bytes apart.

        The map must have been created with ``uapi.F_MMAPABLE``.

        Raises:
            KernelError: refused (EPERM: it is frozen, so ask for ``writable=False``).
        """
        length = self.element_stride * self.max_entries
        try:
            return syscalls.kernel.map_memory(self.fd, length, 0, writable)
        except OSError as failure:
            raise KernelError(f"mmap of map {self.name}", failure.errno or 0) from None

    # -- details ---------------------------------------------------------------------------------

    def _set_key(self, key: bytes) -> None:
        if len(key) != self.key_size:
            raise ValueError(f"{self!r}: a key has {self.key_size} bytes, not {len(key)}")
        self._key[:] = key

    def _error(self, command: str, result: int) -> KernelError:
        return error(command, -result, f"map {self.name}" if self.name else f"a {self.type} map")

    def close(self) -> None:
        """Gives the map back; it lives on while programs, pins or mappings hold it."""
        # So that a use after closing is found by _prepare and does not reach another's descriptor.
        self._address = 0
        super().close()

    def _describe(self) -> str:
        return (
            f"{self.name or 'unnamed'}: {self.type}, {self.key_size} -> {self.value_size} bytes, "
            f"{self.max_entries} entries"
        )


def _batch(command: int, attributes: Attributes) -> int:
    """A call for many elements; its result is negative where it failed."""
    if "map_batch" in OFF:
        return -EOPNOTSUPP
    return syscalls.kernel.bpf(command, attributes.address, MAP_BATCH.least)


def _pieces(data: bytes, size: int) -> list[bytes]:
    """``data`` in pieces of ``size`` bytes."""
    # A comprehension of slices takes twice as long.
    return list(chain.from_iterable(Struct(f"{size}s").iter_unpack(data)))


def map_info(fd: int) -> dict[str, int | bytes]:
    """``struct bpf_map_info`` of a map's descriptor.

    Raises:
        KernelError: it is no map's.
    """
    _ = MAP_INFO.fields
    buffer = bytearray(MAP_INFO.size)
    read_info(fd, "a map", buffer)
    return MAP_INFO.decode(buffer)
