"""Two handlers in one program: what runs where functions are entered, and where they return.

The kernel runs such a program at both ends of a function (kprobe_session, Linux 6.10), by one link,
and tells it which one it is.
"""

from __future__ import annotations

from struct import pack

from prybee.compiler.compile import Compiled, Relocation
from prybee.plan.plan import KprobeAttach, KprobeMultiAttach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.language.script import Variant
    from prybee.plan.plan import ProbeSpec
    from prybee.plan.target import Target

    Programs = list[tuple[Compiled, Variant]]

ATTACH_TYPE = "trace_kprobe_session"
_IS_RETURN = "bpf_session_is_return"
# r6 = r1; call; r1 = r6; w0 &= 0xff (the function's result is a bool); if r0 != 0 goto …
_CONTEXT, _KEPT, _RESULT = 1, 6, 0
_HEAD = 5
# How far a jump reaches, in instructions.
_REACH = (1 << 15) - 1


def join(probes: Sequence[ProbeSpec], programs: Programs, target: Target) -> list[ProbeSpec]:
    """Probes, with those joined that are the two ends of the same functions.

    Args:
        probes: of a plan.
        programs: all that are compiled, which those that were joined replace.
        target: whether it has sessions is asked where there is something to join.
    """
    contexts = {compiled.name: variant.context for compiled, variant in programs}
    ends: dict[frozenset[str], list[ProbeSpec]] = {}
    users: dict[str, int] = {}
    for probe in probes:
        for function in (places := _functions(probe)):
            users[function] = users.get(function, 0) + 1
        if places and contexts[probe.program].session:
            ends.setdefault(places, []).append(probe)
    served: dict[str, int] = {}
    for probe in probes:
        served[probe.program] = served.get(probe.program, 0) + 1
    gone: dict[str, ProbeSpec | None] = {}
    for functions, pair in ends.items():
        if len(pair) != 2 or any(users[function] != 2 for function in functions):
            continue
        if any(served[probe.program] > 1 for probe in pair):
            continue
        # The order of several handlers at one place is not ours to choose with such programs.
        pair.sort(key=_returns)
        entry, exit_ = pair
        if _returns(entry) or not _returns(exit_) or not _alike(entry, exit_):
            continue
        if not (target.has("kprobe_session") and target.has(f"kfunc:{_IS_RETURN}")):
            break
        if _join(entry.program, exit_.program, programs):
            # Cookies are those of the handler that wants them.
            told = exit_ if _cookies(exit_) and not _cookies(entry) else entry
            way = told.attach
            many = way.functions if isinstance(way, KprobeMultiAttach) else tuple(functions)
            cookies = tuple(_cookies(told).values())
            both = KprobeMultiAttach(many, session=True, cookies=cookies)
            gone[entry.name] = entry.replace(name=f"{entry.name}, {exit_.name}", attach=both)
            gone[exit_.name] = None
    joined = [gone.get(probe.name, probe) for probe in probes]
    return [probe for probe in joined if probe is not None]


def _functions(probe: ProbeSpec) -> frozenset[str]:
    """The functions that a kprobe of whatever kind is at."""
    way = probe.attach
    if isinstance(way, KprobeMultiAttach):
        return frozenset(way.functions)
    return frozenset((way.function,)) if isinstance(way, KprobeAttach) else frozenset()


def _returns(probe: ProbeSpec) -> bool:
    way = probe.attach
    return isinstance(way, KprobeAttach | KprobeMultiAttach) and way.returns


def _alike(entry: ProbeSpec, exit_: ProbeSpec) -> bool:
    """Whether one link can give both handlers the cookies that they want."""
    wanted = [cookies for cookies in (_cookies(entry), _cookies(exit_)) if cookies]
    return wanted[1:] in ([], wanted[:1])


def _cookies(probe: ProbeSpec) -> dict[str, int]:
    """The cookies of a link's functions; empty without any."""
    way = probe.attach
    if not isinstance(way, KprobeMultiAttach):
        return {}
    return dict(zip(way.functions, way.cookies, strict=False))


def _join(entry: str, exit_: str, programs: Programs) -> bool:
    """Makes one program of two, in the first one's place; whether that could be done."""
    at = [[compiled.name for compiled, _ in programs].index(name) for name in (entry, exit_)]
    (first, variant), (second, _) = programs[at[0]], programs[at[1]]
    # A program's other functions lie behind its first: two with such cannot be put together so.
    length = len(first.insns) // 8
    if len(first.functions) > 1 or len(second.functions) > 1 or length > _REACH:
        return False
    variant.context.attach_type = ATTACH_TYPE
    programs[at[0]] = (joined(first, second), variant)
    del programs[at[1]]
    return True


def joined(first: Compiled, second: Compiled) -> Compiled:
    """The program that runs ``second`` where functions return, and ``first`` otherwise."""
    length = len(first.insns) // 8
    head = b"".join(
        [
            _insn(0xBF, _KEPT, _CONTEXT),
            _insn(0x85, 0, 0),
            _insn(0xBF, _CONTEXT, _KEPT),
            _insn(0x54, _RESULT, 0, 0, 0xFF),
            _insn(0x55, _RESULT, 0, length),
        ]
    )
    behind = _HEAD + length
    return first.replace(
        insns=head + first.insns + second.insns,
        relocations=(
            Relocation(1, "kfunc", _IS_RETURN),
            *[each.replace(insn=each.insn + _HEAD) for each in first.relocations],
            *[each.replace(insn=each.insn + behind) for each in second.relocations],
        ),
        lines=(
            *[(insn + _HEAD if insn else 0, *rest) for insn, *rest in first.lines],
            *[(insn + behind, *rest) for insn, *rest in second.lines],
        ),
        # The head is the first handler's, for those who explain a refusal.
        spans=(
            *[(insn + _HEAD if insn else 0, span) for insn, span in first.spans],
            *[(insn + behind, span) for insn, span in second.spans],
        ),
        stack=max(first.stack, second.stack),
        scratch_size=max(first.scratch_size, second.scratch_size),
    )


def _insn(opcode: int, to: int, source: int, offset: int = 0, immediate: int = 0) -> bytes:
    return pack("<BBhi", opcode, source << 4 | to, offset, immediate)
