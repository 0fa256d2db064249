"""What to say to those who may not trace: what is missing, and how to get it."""

from __future__ import annotations

from prybee.diagnostics import NotSupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.engines.live import LiveTarget

NO_TRACEPOINTS = (
    "the kernel's list of tracepoints (tracefs) cannot be read: "
    "run it as root (sudo); prybee doctor says more"
)

NO_TYPES = (
    "the kernel's types (BTF) cannot be had here: kernel structs are not known; "
    "--btf FILE names a file that has them"
)

# Words of complaints about what the kernel's types would tell.
_ABOUT_TYPES = ("struct ", "union ", "enum ", "field", "identifier", "unknown type", "'s types")


def check_rights() -> None:
    """Refuse early, in one message, what the kernel would refuse later in several ways.

    Root is not asked: what it lacks in a container or a user namespace, the kernel says.

    Raises:
        NotSupported: this process has not the capabilities that tracing needs.
    """
    from prybee.linux import privileges

    rights = privileges.read()
    if not rights.missing:
        return
    names = " and ".join(f"CAP_{name.upper()}" for name in rights.missing)
    raise NotSupported(
        f"tracing needs {names}, which this process does not have (it runs as uid {rights.uid})",
        instead="run it as root: sudo prybee …; prybee doctor says what works here",
    )


def hidden(target: LiveTarget, complaint: str) -> str:
    """What this machine does not show, which may be why a script is not understood; or nothing.

    Args:
        complaint: what was said about the script.
    """
    if not target.tracefs.events():
        return NO_TRACEPOINTS
    if target.btf is None and any(word in complaint for word in _ABOUT_TYPES):
        return NO_TYPES
    return ""
