"""What an object file says, as plain data."""

from __future__ import annotations

from prybee.data import Data


class Segment(Data):
    """One program header. ``type`` and ``flags`` are ELF's numbers; the rest is in bytes."""

    type: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int
    align: int


class Section(Data):
    """One section header, with its name. Offsets and sizes in bytes."""

    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int


class Symbol(Data):
    """A defined symbol.

    ``value`` is the link-time virtual address (for ``kind`` "tls" an offset), ``size`` bytes.
    ``kind`` is "func", "ifunc" (an indirect function: the value is its resolver), "object", "tls",
    "notype", or "other".  ``binding`` is "global", "weak", "local" or "unique".  ``version`` is
    without the ``@``: ``GLIBC_2.2.5``; ``default`` tells ``@@`` from ``@``.
    """

    name: str
    value: int
    size: int
    kind: str
    binding: str
    version: str = ""
    default: bool = True

    @property
    def is_function(self) -> bool:
        """Whether code starts at the value."""
        return self.kind == "func" or self.kind == "ifunc"


class UsdtArgument(Data):
    """Where one argument of a USDT probe is when the probe is hit.

    ``size`` is 1, 2, 4 or 8 bytes, ``signed`` says how to widen it.  By ``kind``:

    * "constant": the argument is ``value``.
    * "register": the argument is in ``register`` (a name of the registry: ``rax``, ``x0``, ``sp``;
      always the full-width register, of which the low ``size`` bytes count), or, with
      ``high_byte``, in its bits 8–15 (``%ah``).
    * "memory": ``size`` bytes at ``register + value + index * scale`` (``index`` "" for none;
      ``register`` "" for an absolute address, which ``relocated`` says moves with the file).
      With ``symbol``, the address of that symbol is to be added; the probes of a file have none.

    ``floating`` marks an argument of floating point (``8f@…``), whose bits are all one can read.
    """

    size: int
    signed: bool
    kind: str
    value: int = 0
    register: str = ""
    index: str = ""
    scale: int = 1
    floating: bool = False
    high_byte: bool = False
    relocated: bool = False
    symbol: str = ""


class UsdtProbe(Data):
    """One place of a USDT probe.

    ``offset`` and ``semaphore`` are file offsets, as perf_event_open and uprobe_multi take them;
    ``semaphore`` is 0 for a probe without one.  ``address`` is the link-time address of the place.
    ``specification`` is the argument text of the note; ``arguments`` is what it means, or None
    where it could not be understood (``problem`` then says why).
    """

    provider: str
    name: str
    offset: int
    semaphore: int
    arguments: tuple[UsdtArgument, ...] | None
    address: int = 0
    specification: str = ""
    problem: str = ""
