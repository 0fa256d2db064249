"""Features taken off: names, and that everybody who asks believes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prybee.engines.live import LiveTarget
from prybee.linux import features, modern, switches
from prybee.linux.features import NO
from prybee.linux.maps import Map
from prybee.linux.switched_off import OFF

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def all_on() -> Iterator[None]:
    switches.switch_on()
    yield
    switches.switch_on()


@pytest.mark.parametrize(
    ("words", "off"),
    [
        ("uprobe_multi", {"uprobe_multi"}),
        ("kprobe_multi,kprobe_session", {"kprobe_multi", "kprobe_session"}),
        ("kprobes", {"kprobe", "kprobe_multi", "kprobe_session"}),
        ("ringbuf", {"ringbuf", "map:ringbuf", "helper:ringbuf_output"}),
        ("bpf_loop", {"helper:loop"}),
        ("loop, helper:d_path,", {"helper:loop", "helper:d_path"}),
        ("cookies", {"helper:get_attach_cookie"}),
        ("probe_read_kernel", {"helper:probe_read_kernel"}),
        ("map:lru_hash v4", {"map:lru_hash", "v4"}),
        ("", set()),
    ],
)
def test_names(words: str, off: set[str]) -> None:
    switches.switch_off(words)
    assert off == OFF


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("uprobe_mutli", "--x: no feature 'uprobe_mutli'\nHINT: did you mean uprobe_multi"),
        ("v4,telepathy", "--x: no feature 'telepathy'\nHINT: prybee --info lists them"),
        ("tracepoint", "--x: nothing takes the place of the feature 'tracepoint'"),
        ("perf_event_output", "--x: nothing takes the place of the feature 'perf_event_output'"),
        ("map:hash", "--x: nothing takes the place of the feature 'map:hash'"),
    ],
)
def test_refused(words: str, message: str) -> None:
    with pytest.raises(switches.UnknownFeature) as caught:
        switches.switch_off(words, "--x")
    assert str(caught.value).startswith(message)


def test_all_names_are_taken() -> None:
    for name in switches.names():
        switches.switch_off(name)
        assert not features.probe(name), name
        assert features.probe(name).state == NO
    for name in switches.ALIASES:
        switches.switch_off(name)


@pytest.mark.live
def test_the_target_believes_it() -> None:
    with LiveTarget() as target:
        assert target.has("map_batch")
        switches.switch_off("map_batch,btf")
        assert not target.has("map_batch")
        assert not target.has("modern")
        assert target.has("jmp32")
        assert modern.modern() is False
        assert target.btf is None
        assert list(target.iterators()) == []


@pytest.mark.live
def test_maps_do_without_batches() -> None:
    with Map.create("hash", 4, 4, 100) as m:
        elements = [(bytes([i, 0, 0, 0]), bytes([0, i, 0, 0])) for i in range(50)]
        switches.switch_off("map_batch")
        m.update_many(elements)
        assert sorted(m.items()) == elements
        switches.switch_on()
        assert sorted(m.items()) == elements
        switches.switch_off("map_batch")
        m.clear()
        assert m.items() == []
