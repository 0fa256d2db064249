"""Strings in JSON, as fast as bytes allow."""

from __future__ import annotations

import re

_SPECIAL = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')
_SHORT = {
    0x22: b'\\"', 0x5C: b"\\\\", 0x08: b"\\b", 0x0C: b"\\f",
    0x0A: b"\\n", 0x0D: b"\\r", 0x09: b"\\t",
}  # fmt: skip


def quote(text: bytes) -> bytes:
    """``text`` as a JSON string. UTF-8 stays as it is; other bytes are shown as ``\\u00XX``."""
    if _SPECIAL.search(text) is None:
        return b'"' + text + b'"'
    pieces = []
    for character in text.decode("utf-8", "surrogateescape"):
        code = ord(character)
        short = _SHORT.get(code)
        if short is not None:
            pieces.append(short)
        elif code < 0x20 or code == 0x7F:
            pieces.append(b"\\u%04x" % code)
        elif 0xDC80 <= code <= 0xDCFF:
            pieces.append(b"\\u%04x" % (code - 0xDC00))
        else:
            pieces.append(character.encode())
    return b'"' + b"".join(pieces) + b'"'
