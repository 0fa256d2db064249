"""Functions of the kernel by links that serve many of them (kprobe_multi).

The kernel takes names, or addresses; a name must be that of one function.  One that it does not
take makes it refuse all: then the rest is found by halving.
"""

from __future__ import annotations

from errno import EINVAL, ESRCH

from prybee.diagnostics import KernelError
from prybee.engines.attaching import collected
from prybee.linux import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prybee.diagnostics import PrybeeError
    from prybee.engines.live import LiveTarget
    from prybee.linux.links import Link
    from prybee.linux.programs import Program
    from prybee.plan.plan import KprobeMultiAttach

    # What was left out, and why.
    Missed = list[tuple[str, PrybeeError]]
    # A function by its name or its address, its name for messages, and its cookie.
    Place = tuple[str | int, str, int]

# What the kernel says of functions that it does not find, or cannot trace so.
_NOT_THERE = (EINVAL, ESRCH)
_UNTRACED = "function tracing does not reach it: it was inlined, is marked notrace, or is gone"


def attach_many(
    way: KprobeMultiAttach, program: Program, live: LiveTarget, missed: Missed
) -> list[Link]:
    """Attaches to all functions that can be had; those that cannot are added to ``missed``.

    Raises:
        KernelError: refused for other reasons, or for all of them.
    """
    by_name: list[Place] = []
    by_address: list[Place] = []
    for index, function in enumerate(way.functions):
        cookie = way.cookies[index] if way.cookies else 0
        addresses = live.function_addresses(function)
        by_address += [(address, function, cookie) for address in addresses]
        if not addresses:
            by_name.append((function.rpartition(":")[2], function, cookie))
    made = collected(
        link
        for places in (by_name, by_address)
        if places
        for link in _links(way, program, places, missed)
    )
    if not made:
        raise missed[0][1]
    return made


def _links(
    way: KprobeMultiAttach, program: Program, places: Sequence[Place], missed: Missed
) -> Iterator[Link]:
    names = [place for place, _, _ in places if isinstance(place, str)]
    addresses = [place for place, _, _ in places if isinstance(place, int)]
    cookies = [cookie for _, _, cookie in places] if way.cookies else ()
    try:
        yield links.kprobe_multi(
            program, names, addresses=addresses, returns=way.returns, cookies=cookies
        )
    except KernelError as error:
        if error.errno not in _NOT_THERE:
            raise
        if len(places) == 1:
            name = places[0][1]
            what = f"bpf(BPF_LINK_CREATE) for {name}"
            missed.append((name, KernelError(what, error.errno, _UNTRACED)))
            return
        half = len(places) // 2
        yield from _links(way, program, places[:half], missed)
        yield from _links(way, program, places[half:], missed)
