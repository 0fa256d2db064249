"""The running kernel: the only room that makes system calls of its own.

``syscalls`` is the seam that tests replace; ``attributes`` the layouts of what passes through it,
``uapi`` its names and numbers.  ``maps``, ``programs``, ``links``, ``perf``, ``ringbuf`` and
``perfbuf`` are kernel objects that close themselves (``closing``: many of them, quickly).
``tracefs``, ``cpus``, ``clocks``, ``privileges`` and ``processes`` read what the kernel shows in
files; ``mounts`` reaches those that nobody has mounted; ``features`` asks the kernel what it can
do.  Nothing here knows of scripts or plans.
"""
