"""``prybee lsp``: a language server on standard input and output (extra ``lsp``)."""

from __future__ import annotations

import sys

from prybee.cli.options import UsageError
from prybee.diagnostics import PrybeeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: prybee lsp [--target FILE]

Serves an editor over standard input and output: what is wrong as you type, what things are, what
may come next, how functions are called, where macros and variables are defined and used, and
formatting. Nothing of a script runs, and no rights are needed.

  --target FILE  for the kernel that `prybee target save FILE` has saved, not for this one;
                 an editor can say so, too: initializationOptions {"target": "FILE"}
  -h             this text

Needs the extra `lsp`: pip install 'prybee[lsp]'
"""


def main(words: Sequence[str]) -> int:
    """Serve until the editor says exit: 0, or 1 where it did not say shutdown before.

    Raises:
        UsageError: an unknown option.
        PrybeeError: the extra is not installed, or the file holds no target.
    """
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(USAGE)
        return 0
    if words and (len(words) != 2 or words[0] != "--target"):
        raise UsageError(f"prybee lsp: unknown option '{words[0]}'\n{USAGE.rstrip()}")
    try:
        from prybee.cli import language_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol", "cattrs", "attrs"):
            raise
        raise PrybeeError(
            "prybee lsp needs pygls, which is not installed: pip install 'prybee[lsp]'"
        ) from None
    return language_server.serve(words[1] if words else "")
