"""Maps that are kept by digests of their keys: :mod:`prybee.plan.digests`."""

from __future__ import annotations

from prybee.plan.digests import digest, room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.engines.kernel import Items
    from prybee.linux.maps import Map
    from prybee.plan.plan import ScriptMap


def items(kernel_map: Map, spec: ScriptMap) -> Items:
    """All elements, by their keys."""
    behind = room(spec.key_behind)
    if not kernel_map.per_cpu:
        found = [
            (value[-behind:][: spec.key_behind], value[:-behind]) for _, value in kernel_map.items()
        ]
        return [(key, [value]) for key, value in found] if spec.per_cpu else found
    rows = []
    for _, values in kernel_map.cpu_items():
        # Only the CPU that made the element has written the key.
        keys = [value[-behind:][: spec.key_behind] for value in values]
        key = next(filter(any, keys), keys[0])
        rows.append((key, tuple(value[:-behind] for value in values)))
    return rows


def value_of(kernel_map: Map, spec: ScriptMap, key: bytes) -> bytes | Sequence[bytes] | None:
    """The value of a key, or each CPU's; None where it has none."""
    found = kernel_map.lookup(digest(key))
    if found is None:
        return None
    behind = room(spec.key_behind)
    parts = kernel_map.split(found) if kernel_map.per_cpu else [found]
    values = [part[:-behind] for part in parts]
    return values if spec.per_cpu else values[0]


def zero(kernel_map: Map, spec: ScriptMap) -> None:
    """Set all values to zero; keys stay where they are."""
    behind, stride = room(spec.key_behind), kernel_map.stride

    def zeroed(value: bytes) -> bytes:
        parts = (value[at : at + stride] for at in range(0, len(value), stride))
        return b"".join(bytes(stride - behind) + part[-behind:] for part in parts)

    kernel_map.update_many([(key, zeroed(value)) for key, value in kernel_map.items()])
