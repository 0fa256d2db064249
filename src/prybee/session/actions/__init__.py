"""What a session does with records: action (of a RecordSpec) → function that makes a handler."""

from __future__ import annotations

from prybee.session.actions import effects, maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.plan.plan import RecordSpec
    from prybee.session.ports import Handler
    from prybee.session.session import Session

    Maker = Callable[[Session, RecordSpec], Handler]

TABLE: dict[str, Maker] = {
    "printf": lambda session, spec: session.output.printf(spec),
    "errorf": lambda session, spec: session.output.report(spec, "ERROR"),
    "warnf": lambda session, spec: session.output.report(spec, "WARNING"),
    "print_value": lambda session, spec: session.output.value(spec),
    "print_map": maps.print_map,
    "print_entry": maps.print_entry,
    "clear": maps.clear,
    "zero": maps.zero,
    "time": effects.time,
    "cat": effects.cat,
    "join": effects.join,
    "system": effects.system,
    "exit": effects.leave,
    "unwatch": effects.unwatch,
    "unwind": effects.bring,
    "python": effects.bring,
}


def handler(session: Session, spec: RecordSpec) -> Handler:
    """The handler of a kind of record."""
    return TABLE[spec.action](session, spec)
