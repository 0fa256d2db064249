"""What is measured: one module each, with ``TITLE`` and ``measure(ours, peer, rounds) -> rows``."""

NAMES = (
    "start",
    "attach",
    "scripts",
    "large",
    "many",
    "hit",
    "events",
    "maps",
    "idle",
    "listing",
    "elf",
    "btf",
    "ring",
)
