from __future__ import annotations

EVENTS: frozenset[str] = frozenset()
