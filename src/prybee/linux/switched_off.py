"""The kernel's features that this process does without, whatever the kernel can.

Names are those of :mod:`prybee.linux.features`.  All who choose a way by what the kernel can do
ask there, so that this is the one place where a feature is taken off; :mod:`prybee.linux.switches`
has the names that users know.
"""

from __future__ import annotations

OFF: set[str] = set()
