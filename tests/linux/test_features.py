"""Feature probes: on the running kernel, and on kernels that refuse in all ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prybee.linux import features, syscalls, uapi
from prybee.linux.features import NO, UNKNOWN, YES

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    features.forget()
    yield
    features.forget()


class Answering(syscalls.Kernel):
    """Answers some commands with an errno."""

    def __init__(self, **answers: int) -> None:
        super().__init__()
        self.answers = answers
        self.calls = 0

    def bpf(self, command: int, attributes: int, size: int) -> int:
        self.calls += 1
        name = uapi.COMMANDS[command]
        if name in self.answers:
            return -self.answers[name]
        return super().bpf(command, attributes, size)


@pytest.mark.live
def test_every_feature_has_an_answer() -> None:
    assert len({f.name for f in features.TABLE}) == len(features.TABLE)
    for feature in features.TABLE:
        answer = features.probe(feature.name)
        assert answer.state in (YES, NO, UNKNOWN)
        assert (answer.state == YES) == bool(answer)
        assert answer.why or answer
        assert feature.group
        assert feature.summary


@pytest.mark.live
def test_what_every_kernel_of_today_has() -> None:
    for name in (
        "map:hash", "map:ringbuf", "helper:ringbuf_output", "probe_read_kernel",
        "jmp32", "map_batch", "program:tracepoint", "program:socket_filter", "statistics",
    ):  # fmt: skip
        assert features.probe(name), name


@pytest.mark.live
def test_names_that_mean_nothing() -> None:
    assert features.probe("telepathy") == features.Answer(NO, "no feature is named telepathy")
    assert features.probe("mind:read").state == NO
    assert features.probe("map:treasure").state == NO
    assert features.probe("program:music").state == NO
    assert features.probe("helper:elf").state == UNKNOWN
    assert features.probe("kfunc:no_such_function").state in (NO, UNKNOWN)


def test_without_privileges_nothing_is_known() -> None:
    kernel = Answering(prog_load=1, map_create=1, enable_stats=1)
    with syscalls.replaced(kernel):
        for name in ("v4", "map:hash", "helper:loop", "uprobe_multi", "statistics", "map_mmap"):
            assert features.probe(name).state == UNKNOWN, name
        # Not kept: privileges may come.
        before = kernel.calls
        features.probe("v4")
        assert kernel.calls > before


@pytest.mark.live
def test_conclusive_answers_are_kept() -> None:
    kernel = Answering(map_create=22)
    with syscalls.replaced(kernel):
        assert features.probe("map:bloom_filter") == features.Answer(NO, "EINVAL: Invalid argument")
        before = kernel.calls
        assert features.probe("map:bloom_filter").state == NO
        assert kernel.calls == before


@pytest.mark.live
@pytest.mark.parametrize(
    ("name", "answers", "state"),
    [
        ("map_batch", {"map_lookup_batch": 22}, NO),
        ("map_batch", {"map_lookup_batch": 524}, NO),
        ("map_batch", {"map_lookup_batch": 2}, YES),
        ("uprobe_multi", {"link_create": 9}, YES),
        ("uprobe_multi", {"link_create": 22}, NO),
        ("kprobe_multi", {"link_create": 3}, YES),
        ("kprobe_multi", {"link_create": 95}, NO),
        ("perf_link", {"link_create": 22}, NO),
    ],
)
def test_judgements(name: str, answers: dict[str, int], state: str) -> None:
    with syscalls.replaced(Answering(**answers)):
        assert features.probe(name).state == state


@pytest.mark.live
def test_policy_that_refuses_function_tracing() -> None:
    class Policy(syscalls.Kernel):
        """Refuses what is attached to functions, like the lockdown of some kernels."""

        def bpf(self, command: int, attributes: int, size: int) -> int:
            import ctypes

            if uapi.COMMANDS[command] == "prog_load":
                expected = ctypes.c_uint32.from_address(attributes + 68).value
                if expected == uapi.ATTACH_TYPES["trace_fentry"]:
                    return -1
            return super().bpf(command, attributes, size)

    with syscalls.replaced(Policy()):
        answer = features.probe("fentry")
        assert answer.state == NO
        assert "refused without a reason" in answer.why or "types" in answer.why
