"""Generated decoders: one ``struct`` format and one ``%`` format for many equal pieces of memory.

Records of one kind, and the keys or values of one map, all have one layout.  A :class:`Coder`
collects the pieces of a layout as ``struct`` codes and the expressions that turn them into bytes,
then compiles a function that does a whole run at once with ``struct.iter_unpack``: no Python
code runs between two values but the expression itself (1–2 million values/s, CPython 3.11).
"""

from __future__ import annotations

import re
import struct

# Values that are unpacked and formatted in one go.
BLOCK = 256

_VARIABLE = re.compile(r"\bv\d+\b")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Buffer = bytes | bytearray | memoryview


class Piece:
    """A value as text: a ``%`` format (bytes) and the expressions of its arguments."""

    __slots__ = ("args", "spec")

    def __init__(self, spec: bytes, args: list[str]) -> None:
        self.spec = spec
        self.args = args


def literal(text: bytes) -> bytes:
    """``text`` as part of a ``%`` format."""
    return text.replace(b"%", b"%%")


class Coder:
    """Collects what is read from one stretch of memory, in order of offset."""

    def __init__(self) -> None:
        self._codes: list[str] = []
        self._names: list[str] = []
        self._at = 0
        self.namespace: dict[str, Any] = {}
        self._bound: dict[int, str] = {}

    def take(self, code: str, offset: int) -> str:
        """Read ``code`` at ``offset``; the name of the variable that holds it.

        Raises:
            ValueError: something behind ``offset`` was read before.
        """
        if offset < self._at:
            raise ValueError(f"offset {offset} lies before {self._at}")
        if offset > self._at:
            self._codes.append(f"{offset - self._at}x")
        self._codes.append(code)
        self._at = offset + struct.calcsize("<" + code)
        name = f"v{len(self._names)}"
        self._names.append(name)
        return name

    def bind(self, value: object, prefix: str = "f") -> str:
        """A name for a helper or table in the generated code."""
        known = self._bound.get(id(value))
        if known is None:
            known = self._bound[id(value)] = f"{prefix}_{len(self._bound)}"
            self.namespace[known] = value
        return known

    def _format(self, size: int) -> str:
        rest = size - self._at
        if rest < 0:
            raise ValueError(f"{self._at} bytes read of {size}")
        return "<" + "".join(self._codes) + (f"{rest}x" if rest else "")

    def run(self, piece: Piece, size: int) -> Callable[[Buffer], list[bytes]]:
        """A function that turns a stretch of values, ``size`` bytes apart, into their texts."""
        unpack = struct.Struct(self._format(size)).iter_unpack
        names = ", ".join(self._names) + "," if self._names else "_nothing"
        return self._compile(
            f"def run(view):\n return [{expression(piece)} for {names} in unpack(view)]", unpack
        )

    def beside(self, piece: Piece, size: int) -> Callable[[Buffer, list[Any]], list[bytes]]:
        """Like :meth:`blocks`, with a list beside the memory: ``value``, the piece's last argument,
        is the item of it that belongs to the piece of memory."""
        columns = self._columns(Piece(piece.spec, piece.args[:-1]))
        unpack = struct.Struct(self._format(size)).iter_unpack
        names = "(" + ", ".join(self._names) + ",)" if self._names else "_nothing"
        if columns is None or piece.args[-1] != "value":
            return self._compile(
                f"def run(view, others):\n return [{expression(piece)} for {names}, value in "
                "zip(unpack(view), others)]",
                unpack,
            )
        count = len(self._names)
        width = count + 1
        moved = [
            f"  block[{column}::{width}] = values[{column}::{count}]\n" for column in range(count)
        ]
        self._name_block(piece, size)
        return self._compile(
            "def run(view, others):\n at = done = 0\n texts = []\n count = len(view)\n"
            f" block = [0] * {width * BLOCK}\n"
            f" while count - at >= {size * BLOCK}:\n"
            "  values = list(unpack_block(view, at))\n"
            + "".join([f"{line}\n" for line in columns])
            + "".join(moved)
            + f"  block[{count}::{width}] = others[done : done + {BLOCK}]\n"
            "  texts.append(spec_block % tuple(block))\n"
            f"  at += {size * BLOCK}\n  done += {BLOCK}\n"
            " if at < count:\n"
            f"  texts += [{expression(piece)} for {names}, value in "
            "zip(unpack(view[at:]), others[done:])]\n"
            " return texts",
            unpack,
        )

    def blocks(self, piece: Piece, size: int) -> Callable[[Buffer], list[bytes]]:
        """Like :meth:`run`, but the texts may come joined: one ``unpack`` and one ``%`` for each
        256 values, with no Python code between two of them.

        Works where each argument is made of one variable, in order; else it is :meth:`run`.
        """
        columns = self._columns(piece)
        if columns is None:
            return self.run(piece, size)
        format_ = self._format(size)
        names = ", ".join(self._names) + ","
        taken = "unpack_block(view, at)"
        lines = [f"  values = {taken}"]
        if columns:
            lines = [f"  values = list({taken})", *columns, "  values = tuple(values)"]
        source = (
            "def run(view):\n at = 0\n texts = []\n count = len(view)\n"
            f" while count - at >= {size * BLOCK}:\n"
            + "\n".join(lines)
            + f"\n  texts.append(spec_block % values)\n  at += {size * BLOCK}\n"
            + " if at < count:\n"
            + f"  texts += [{expression(piece)} for {names} in unpack(view[at:])]\n"
            + " return texts"
        )
        self._name_block(piece, size)
        return self._compile(source, struct.Struct(format_).iter_unpack)

    def _name_block(self, piece: Piece, size: int) -> None:
        """Gives the generated code what it needs for a block."""
        # "<" once, then the codes over and over.
        codes = self._format(size)[1:] * BLOCK
        self.namespace["unpack_block"] = struct.Struct("<" + codes).unpack_from
        self.namespace["spec_block"] = piece.spec * BLOCK

    def _columns(self, piece: Piece) -> list[str] | None:
        """The statements that turn each variable's column of a block into its argument's."""
        count = len(self._names)
        if not count or len(piece.args) != count:
            return None
        lines = []
        for index, (name, argument) in enumerate(zip(self._names, piece.args, strict=True)):
            if argument == name:
                continue
            if set(_VARIABLE.findall(argument)) != {name}:
                return None
            column = f"values[{index}::{count}]"
            lines.append(f"  {column} = [{argument} for {name} in {column}]")
        return lines

    def single(self, piece: Piece, size: int) -> Callable[[Buffer], bytes]:
        """A function that turns one value of ``size`` bytes into its text."""
        unpack = struct.Struct(self._format(size)).unpack
        head = f" {', '.join(self._names)}, = unpack(view)\n" if self._names else ""
        return self._compile(f"def run(view):\n{head} return {expression(piece)}", unpack)

    def _compile(self, source: str, unpack: object) -> Callable[..., Any]:
        namespace = dict(self.namespace, unpack=unpack)
        # The source is made of layouts and escaped literals only, never of a script's text.
        exec(source, namespace)
        made: Callable[..., Any] = namespace["run"]
        return made


def expression(piece: Piece) -> str:
    """A piece as a Python expression of type bytes."""
    if not piece.args:
        return repr(piece.spec.replace(b"%%", b"%"))
    if piece.spec == b"%s":
        return piece.args[0]
    return f"{piece.spec!r} % ({', '.join(piece.args)},)"
