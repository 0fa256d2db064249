"""Maps of the running kernel."""

from __future__ import annotations

from struct import pack, unpack

import pytest

from prybee.diagnostics import KernelError, PrybeeError
from prybee.linux import syscalls, uapi
from prybee.linux.maps import PER_CPU, Map

pytestmark = pytest.mark.live

WITH_KEYS = ["hash", "lru_hash", "percpu_hash", "lru_percpu_hash"]


@pytest.mark.parametrize("type_", WITH_KEYS)
def test_elements(type_: str) -> None:
    with Map.create(type_, 8, 12, 100, name="elements") as m:
        assert m.per_cpu == (type_ in PER_CPU)
        assert m.stride == (16 if m.per_cpu else 12)
        key = pack("Q", 7)
        value = bytes(range(m.stride)) * m.cpus
        assert m.lookup(key) is None
        assert m.update(key, value)
        stored = m.lookup(key)
        assert stored is not None
        assert m.split(stored) == [bytes(range(12))] * m.cpus
        assert not m.update(key, value, uapi.NOEXIST)
        assert m.update(key, bytes(len(value)), uapi.EXIST)
        assert not m.update(pack("Q", 8), value, uapi.EXIST)
        assert m.lookup(key) == bytes(len(value))
        assert list(m.keys()) == [key]
        assert m.delete(key)
        assert not m.delete(key)


@pytest.mark.parametrize("type_", WITH_KEYS)
@pytest.mark.parametrize("count", [0, 1, 3000])
def test_items_of_all_sizes(type_: str, count: int) -> None:
    with Map.create(type_, 4, 8, 8192, name="items") as m:
        wanted = {pack("I", i): pack("Q", i * i) * m.cpus for i in range(count)}
        m.update_many(list(wanted.items()))
        assert dict(m.items()) == wanted
        if m.per_cpu:
            assert dict(m.cpu_items()) == {k: tuple(m.split(v)) for k, v in wanted.items()}
        assert dict(m.take()) == wanted
        assert m.items() == []


def test_cpu_items_leave_padding_out() -> None:
    with Map.create("percpu_hash", 4, 12, 4) as m:
        m.update(b"key1", (b"twelve bytes" + b"\xff" * 4) * m.cpus)
        assert m.cpu_items() == [(b"key1", (b"twelve bytes",) * m.cpus)]


def test_items_in_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prybee.linux.maps._BATCH_BYTES", 16 * 64)
    with Map.create("hash", 8, 8, 5000, name="batches") as m:
        wanted = {pack("Q", i): pack("Q", ~i & 0xFF) for i in range(1000)}
        m.update_many(list(wanted.items()))
        assert dict(m.items()) == wanted
        m.clear()
        assert m.items() == []


class NoBatches(syscalls.Kernel):
    """A kernel before 5.6."""

    def bpf(self, command: int, attributes: int, size: int) -> int:
        if uapi.COMMANDS[command].endswith("_batch"):
            return -22
        return super().bpf(command, attributes, size)


def test_without_batch_calls() -> None:
    with Map.create("hash", 4, 4, 100) as m, syscalls.replaced(NoBatches()):
        wanted = {pack("I", i): pack("I", i + 1) for i in range(50)}
        m.update_many(list(wanted.items()))
        assert dict(m.items()) == wanted
        assert dict(m.take()) == wanted
        m.update(pack("I", 1), pack("I", 1))
        m.clear()
        assert m.items() == []


class FullBucket(syscalls.Kernel):
    """Says ENOSPC once: a bucket did not fit the buffer."""

    said = 0

    def bpf(self, command: int, attributes: int, size: int) -> int:
        if uapi.COMMANDS[command] == "map_lookup_batch" and not self.said:
            self.said = 1
            return -28
        return super().bpf(command, attributes, size)


def test_grows_for_a_full_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prybee.linux.maps._BATCH_BYTES", 1)
    with Map.create("hash", 4, 4, 1000) as m, syscalls.replaced(FullBucket()):
        m.update_many([(pack("I", i), pack("I", i)) for i in range(300)])
        assert len(m.items()) == 300


def test_array() -> None:
    with Map.create("array", 4, 8, 4, name="array") as m:
        m.update(pack("I", 2), pack("Q", 5))
        assert [unpack("Q", v)[0] for _, v in m.items()] == [0, 0, 5, 0]
        with pytest.raises(KernelError, match="EINVAL"):
            m.delete(pack("I", 2))
        m.clear()
        assert [v for _, v in m.items()] == [bytes(8)] * 4


def test_percpu_array_clear() -> None:
    with Map.create("percpu_array", 4, 8, 2) as m:
        m.update(pack("I", 1), pack("Q", 3) * m.cpus)
        m.clear()
        assert m.lookup(pack("I", 1)) == bytes(8 * m.cpus)


def test_memory() -> None:
    with Map.create("array", 4, 12, 3, uapi.F_MMAPABLE, name="shared") as m:
        memory = m.memory()
        m.update(pack("I", 1), b"abcdefghijkl")
        assert memory[m.element_stride : m.element_stride + 12] == b"abcdefghijkl"
        memory[0:4] = b"wxyz"
        assert m.lookup(pack("I", 0))[:4] == b"wxyz"  # type: ignore[index]
        memory.close()


def test_frozen_memory_is_read_only() -> None:
    with Map.create("array", 4, 8, 1, uapi.F_MMAPABLE, name="frozen") as m:
        m.freeze()
        with pytest.raises(KernelError, match="mmap of map frozen: EPERM"):
            m.memory()
        memory = m.memory(writable=False)
        assert memory[:8] == bytes(8)
        memory.close()
        with pytest.raises(KernelError, match="EPERM"):
            m.update(pack("I", 0), bytes(8))


def test_queue_and_stack() -> None:
    for type_, order in (("queue", [1, 2]), ("stack", [2, 1])):
        with Map.create(type_, 0, 4, 2) as m:
            m.push(pack("I", 1))
            m.push(pack("I", 2))
            with pytest.raises(KernelError, match="E2BIG"):
                m.push(pack("I", 3))
            assert m.lookup() == pack("I", order[0])
            assert [m.pop(), m.pop(), m.pop()] == [*(pack("I", i) for i in order), None]


@pytest.mark.needs("map:bloom_filter")
def test_bloom_filter() -> None:
    with Map.create("bloom_filter", 0, 4, 100, extra=3) as m:
        m.push(pack("I", 5))


def test_lpm_trie() -> None:
    with Map.create("lpm_trie", 8, 4, 10, uapi.F_NO_PREALLOC) as m:
        m.update(pack("I4B", 8, 10, 0, 0, 0), pack("I", 1))
        m.update(pack("I4B", 16, 10, 1, 0, 0), pack("I", 2))
        assert m.lookup(pack("I4B", 32, 10, 1, 2, 3)) == pack("I", 2)
        assert m.lookup(pack("I4B", 32, 10, 9, 2, 3)) == pack("I", 1)
        assert m.lookup(pack("I4B", 32, 11, 9, 2, 3)) is None


def test_maps_of_maps() -> None:
    with (
        Map.create("array", 4, 4, 1, name="inner") as inner,
        Map.create("hash_of_maps", 4, 4, 4, inner=inner, name="outer") as outer,
    ):
        outer.update(pack("I", 1), pack("I", inner.fd))
        found = outer.lookup(pack("I", 1))
        assert found is not None
        with Map.from_id(unpack("I", found)[0]) as same:
            assert (same.type, same.name, same.value_size) == ("array", "inner", 4)


@pytest.mark.parametrize(
    ("type_", "key", "value", "entries"),
    [
        ("ringbuf", 0, 0, 4096),
        ("perf_event_array", 4, 4, 2),
        ("prog_array", 4, 4, 4),
        ("stack_trace", 4, 127 * 8, 16),
        ("cgroup_array", 4, 4, 1),
    ],
)
def test_other_types(type_: str, key: int, value: int, entries: int) -> None:
    with Map.create(type_, key, value, entries, name=f"a-{type_}") as m:
        info = m.info()
        assert info["type"] == uapi.MAP_TYPES[type_]
        assert info["name"] == f"a_{type_}"[:15].encode()
        assert type_ in repr(m)


def test_full_map_says_so() -> None:
    with Map.create("hash", 4, 4, 1, name="small") as m:
        m.update(pack("I", 1), pack("I", 1))
        with pytest.raises(KernelError, match=r"MAP_UPDATE_ELEM\) for map small: E2BIG"):
            m.update(pack("I", 2), pack("I", 1))


def test_misuse() -> None:
    with pytest.raises(PrybeeError, match=r"unknown map type 'hsah'; did you mean hash"):
        Map.create("hsah", 4, 4, 1)
    with pytest.raises(KernelError, match=r"MAP_CREATE\) for map bad: EINVAL"):
        Map.create("array", 8, 4, 1, name="bad")
    with Map.create("hash", 4, 4, 1, name="strict") as m:
        with pytest.raises(ValueError, match="a key has 4 bytes, not 3"):
            m.lookup(b"abc")
        with pytest.raises(ValueError, match="a value takes 4 bytes, not 8"):
            m.update(bytes(4), bytes(8))
        m.lookup(bytes(4))
    assert repr(m) == "Map(strict: hash, 4 -> 4 bytes, 1 entries, closed)"
    m.close()
    with pytest.raises(ValueError, match="closed"):
        m.lookup(bytes(4))


def test_dropped_map_warns_and_closes() -> None:
    m = Map.create("array", 4, 4, 1, name="dropped")
    with pytest.warns(ResourceWarning, match="unclosed Map\\(dropped"):
        del m
