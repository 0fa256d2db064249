"""What is measured: one module each, with ``TITLE`` and ``measure(ours, peer, rounds) -> rows``."""

# Those that trace nothing: they need neither root nor bpftrace.
UNTRACED = ("flame_collapse", "flame_draw", "flame_whole")
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
    *UNTRACED,
)
