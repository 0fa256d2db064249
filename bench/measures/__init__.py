"""What is measured: one module each, with ``TITLE`` and ``measure(ours, peer, rounds) -> rows``."""

NAMES = ("start", "attach", "scripts", "hit", "events", "maps", "idle", "elf")
