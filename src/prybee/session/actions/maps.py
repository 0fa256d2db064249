"""Records about maps. Runs of equal ones are done as often as they were sent."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.plan.plan import RecordSpec
    from prybee.session.ports import Handler
    from prybee.session.session import Session


def stride(spec: RecordSpec) -> int:
    """Bytes from one record of a run to the next: the kernel keeps 8 between them."""
    return (spec.size + 7) // 8 * 8 + 8


def print_map(session: Session, spec: RecordSpec) -> Handler:
    """``print(@x, top, div)``: the map as it is now."""
    name, top, div = spec.detail
    assert isinstance(name, str)
    assert isinstance(top, int)
    assert isinstance(div, int)
    step = stride(spec)

    def handle(view: memoryview) -> None:
        for _ in range(len(view) // step):
            with session.maps.calm:
                session.output.map(*session.maps.items(name), top, div)

    return handle


def print_entry(session: Session, spec: RecordSpec) -> Handler:
    """``print(@stats[key])``."""
    name = str(spec.detail[0])
    offset, layout = spec.fields[0]
    step = stride(spec)

    def handle(view: memoryview) -> None:
        for at in range(offset, len(view), step):
            key = bytes(view[at : at + layout.size])
            session.output.entry(*session.maps.entry(name, key))

    return handle


def clear(session: Session, spec: RecordSpec) -> Handler:
    """``clear(@x)``."""
    name = str(spec.detail[0])
    return lambda _view: session.maps.clear(name)


def zero(session: Session, spec: RecordSpec) -> Handler:
    """``zero(@x)``."""
    name = str(spec.detail[0])
    return lambda _view: session.maps.zero(name)
