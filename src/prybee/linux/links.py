"""Attachments of programs to events.

Closing a link detaches.  Each function makes one kind; what it returns always is a
:class:`Link`, whose ``target`` says where it is attached.  Links of the kernel (Linux 5.7 to 5.15,
by kind) are the way; where they are missing, the older calls do the same.
"""

from __future__ import annotations

import os
from errno import EAGAIN, EINTR, EINVAL
from struct import pack

from prybee.diagnostics import KernelError
from prybee.linux import syscalls, uapi
from prybee.linux.attributes import (
    ITER_CREATE,
    LINK_CREATE_ITER,
    LINK_CREATE_KPROBE_MULTI,
    LINK_CREATE_PERF_EVENT,
    LINK_CREATE_TRACING,
    LINK_CREATE_UPROBE_MULTI,
    LINK_DETACH,
    LINK_INFO,
    OBJ_PIN,
    RAW_TRACEPOINT_OPEN,
    Attributes,
    address,
    bpf,
    error,
    read_info,
)
from prybee.linux.objects import KernelObject
from prybee.linux.switched_off import OFF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prybee.linux.perf import PerfEvent
    from prybee.linux.programs import Program

_MULTI_RETURN = 1


class Link(KernelObject):
    """An attachment. ``kind`` is the link type's UAPI name, ``target`` what it is attached to."""

    __slots__ = ("kind", "target")

    def __init__(self, fd: int, kind: str, target: str) -> None:
        super().__init__(fd)
        self.kind = kind
        self.target = target

    def info(self) -> dict[str, int | bytes]:
        """``struct bpf_link_info``, its common part.

        Raises:
            KernelError: it is no link of the kernel (a perf event used the old way).
        """
        # The kernel checks the length against its own structure; 64 covers the union.
        buffer = bytearray(64)
        read_info(self.fd, self.target, buffer)
        return LINK_INFO.decode(buffer)

    def detach(self) -> None:
        """Detaches while the link stays open (kinds that can: iterators and others cannot).

        Raises:
            KernelError: this kind cannot.
        """
        bpf(LINK_DETACH, self.target, link_fd=self.fd)

    def pin(self, path: str) -> None:
        """Gives the link a name on a bpf file system, which keeps it attached.

        Raises:
            KernelError: the path exists, or is on another file system.
        """
        bpf(OBJ_PIN, path, pathname=os.fsencode(path) + b"\0", bpf_fd=self.fd)

    def _describe(self) -> str:
        return f"{self.kind} on {self.target}"


class PerfLink(Link):
    """An attachment to a perf event, which it owns: closing detaches, then closes the event.

    ``plain`` tells that there is no link of the kernel: the event itself runs the program.
    """

    __slots__ = ("event", "plain")

    def __init__(self, fd: int, event: PerfEvent | None, target: str, plain: bool = False) -> None:
        super().__init__(fd, "perf_event", target)
        self.event = event
        self.plain = plain

    def close(self) -> None:
        """Detaches, and closes the event."""
        super().close()
        event, self.event = self.event, None
        if event is not None:
            event.close()

    def release(self) -> int:
        """The descriptor of one that is ``plain``, which is the caller's from now on."""
        fd, self.fd = self.fd, -1
        return fd

    def release_event(self) -> int:
        """The event's descriptor, which is the caller's from now on; -1 where there is none."""
        event, self.event = self.event, None
        if event is None:
            return -1
        fd, event.fd = event.fd, -1
        return fd


def perf_event(
    program: Program, event: PerfEvent, cookie: int = 0, keep_event: bool = False
) -> PerfLink:
    """Attaches ``program`` to a perf event, which the link takes over.

    Args:
        cookie: what the program gets from ``get_attach_cookie``.
        keep_event: keep the event's descriptor open beside the link's (which holds the event as
            well), so that closing the link is quick (:mod:`prybee.linux.closing`).

    Raises:
        KernelError: refused; the event is still the caller's then.
    """
    attributes = Attributes(
        LINK_CREATE_PERF_EVENT,
        prog_fd=program.fd,
        target_fd=event.fd,
        attach_type=uapi.ATTACH_TYPES["perf_event"],
        bpf_cookie=cookie,
    )
    result = -EINVAL if "perf_link" in OFF else attributes.call()
    if result >= 0:
        target = event.what
        if keep_event:
            mine = type(event)(event.fd, target)
            event.fd = -1
            return PerfLink(result, mine, target)
        # The kernel's link holds the event, so one descriptor is enough for both.
        event.close()
        return PerfLink(result, None, target)
    if result != -EINVAL or cookie:
        raise error("link_create", -result, event.what)
    # Before Linux 5.15 there is no such link.
    event.set_program(program.fd)
    event.enable()
    link = PerfLink(event.fd, None, event.what, plain=True)
    event.fd = -1
    return link


def raw_tracepoint(program: Program, name: str, cookie: int = 0) -> Link:
    """Attaches a ``raw_tracepoint`` program by the tracepoint's name.

    Raises:
        KernelError: ENOENT: there is no such tracepoint.
    """
    fd = bpf(
        RAW_TRACEPOINT_OPEN,
        f"rawtracepoint {name}",
        name=name.encode() + b"\0",
        prog_fd=program.fd,
        cookie=cookie,
    )
    return Link(fd, "raw_tracepoint", name)


def tracing(program: Program, target: str = "", cookie: int = 0) -> Link:
    """Attaches a ``tracing`` program where its BTF id says: a tracepoint or a function.

    Args:
        target: for messages.

    Raises:
        KernelError: refused.
    """
    if cookie:
        fd = bpf(
            LINK_CREATE_TRACING,
            target,
            prog_fd=program.fd,
            attach_type=program.attach_type,
            cookie=cookie,
        )
    else:
        # The older call, which all kernels with such programs have (5.5).
        fd = bpf(RAW_TRACEPOINT_OPEN, target, prog_fd=program.fd)
    return Link(fd, "tracing", target)


def uprobe_multi(
    program: Program,
    path: str,
    offsets: Sequence[int],
    *,
    returns: bool = False,
    ref_ctr_offsets: Sequence[int] = (),
    cookies: Sequence[int] = (),
    pid: int = 0,
) -> Link:
    """Attaches ``program`` to many places of one file (Linux 6.6).

    Args:
        offsets: in the file.
        returns: fire when the functions return.
        ref_ctr_offsets, cookies: one for each offset, or none.
        pid: one process, or 0 for all.

    Raises:
        ValueError: the sequences differ in length.
        KernelError: refused.
    """
    for extra in (ref_ctr_offsets, cookies):
        if extra and len(extra) != len(offsets):
            raise ValueError(f"{len(offsets)} offsets, but {len(extra)} values beside them")
    target = f"{len(offsets)} places of {path}"
    fd = bpf(
        LINK_CREATE_UPROBE_MULTI,
        target,
        prog_fd=program.fd,
        attach_type=uapi.ATTACH_TYPES["trace_uprobe_multi"],
        path=os.fsencode(path) + b"\0",
        offsets=_words(offsets),
        ref_ctr_offsets=_words(ref_ctr_offsets) if any(ref_ctr_offsets) else None,
        cookies=_words(cookies),
        cnt=len(offsets),
        pid=pid,
        **{"uprobe_multi.flags": _MULTI_RETURN if returns else 0},
    )
    return Link(fd, "uprobe_multi", target)


def kprobe_multi(
    program: Program,
    functions: Sequence[str] = (),
    *,
    addresses: Sequence[int] = (),
    returns: bool = False,
    cookies: Sequence[int] = (),
) -> Link:
    """Attaches ``program`` to many functions of the kernel (Linux 5.18).

    A program of the attach type ``trace_kprobe_session`` (Linux 6.10) runs at their starts and
    ends both.

    Args:
        functions: names, each of one function only; those of modules as well.
        addresses: where functions begin, in the place of names.
        returns: fire when the functions return.
        cookies: what the program gets from ``get_attach_cookie``: one for each function, or none.

    Raises:
        KernelError: EOPNOTSUPP: the kernel is built without fprobes; ESRCH: one of the functions
            cannot be traced, or is named twice.
    """
    names = [name.encode() + b"\0" for name in functions]
    pool = b"".join(names)
    # Addresses of the strings, in one buffer that stays where it is during the call.
    at = address(pool)
    strings = []
    for name in names:
        strings.append(at)
        at += len(name)
    count = len(strings) or len(addresses)
    target = f"{count} functions"
    # Linux 6.18 shows the cookies of such a link in /proc/PID/fdinfo, also of one that has none:
    # whoever looks at our descriptors (lsof does) would bring that kernel to its knees.
    cookies = cookies or [0] * count
    fd = bpf(
        LINK_CREATE_KPROBE_MULTI,
        target,
        prog_fd=program.fd,
        attach_type=program.attach_type or uapi.ATTACH_TYPES["trace_kprobe_multi"],
        syms=_words(strings) if strings else None,
        addrs=_words(addresses) if addresses else None,
        cookies=_words(cookies),
        cnt=count,
        **{"kprobe_multi.flags": _MULTI_RETURN if returns else 0},
    )
    del pool
    return Link(fd, "kprobe_multi", target)


def iterator(program: Program, target: str, info: bytes = b"") -> Link:
    """Attaches an iterator program; :func:`iterator_pieces` then runs it.

    Args:
        info: ``union bpf_iter_link_info``, for iterators of one map, cgroup or task.

    Raises:
        KernelError: refused.
    """
    fd = bpf(
        LINK_CREATE_ITER,
        f"iter:{target}",
        prog_fd=program.fd,
        attach_type=uapi.ATTACH_TYPES["trace_iter"],
        iter_info=info,
        iter_info_len=len(info),
    )
    return Link(fd, "iter", target)


def iterator_pieces(link: Link, chunk: int = 1 << 16) -> Iterator[bytes]:
    """Walks the iterator's objects once, running the program on each: what it wrote, in pieces.

    Raises:
        KernelError: the walk failed.
    """
    fd = bpf(ITER_CREATE, f"iter:{link.target}", link_fd=link.fd)
    try:
        while True:
            try:
                part = os.read(fd, chunk)
            except OSError as failure:
                # EAGAIN: a million objects without output; the walk goes on (bpf_seq_read).
                if failure.errno in (EINTR, EAGAIN):
                    continue
                raise KernelError(f"read of iter:{link.target}", failure.errno or 0) from None
            if not part:
                return
            yield part
    finally:
        syscalls.kernel.close(fd)


def _words(values: Sequence[int]) -> bytes:
    return pack(f"{len(values)}Q", *values)
