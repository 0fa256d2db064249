"""Instruction selection: SSA form to machine operations over virtual registers."""

from __future__ import annotations

from prybee.compiler.selection import arithmetic, flow, memory
from prybee.compiler.selection.selector import Selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from prybee.compiler.ir import Function


_TABLE = {
    **arithmetic.TABLE,
    **memory.TABLE,
    **flow.TABLE,
}


def select_function(function: Function, features: Mapping[str, bool]) -> Selector:
    """Machine code of a function, in ``.blocks`` of the selector returned."""
    selector = Selector(function, features, _TABLE)
    selector.run()
    return selector
