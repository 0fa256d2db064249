"""The running kernel: the only room that makes system calls of its own.

``syscalls`` is the seam that tests replace; ``attributes`` the layouts of what passes through it.
``maps``, ``programs``, ``links``, ``perf``, ``ringbuf`` and ``perfbuf`` are kernel objects that
close themselves; ``tracefs``, ``cpus``, ``clocks``, ``privileges`` and ``processes`` read what the
kernel shows in files; ``features`` asks it what it can do.  Nothing here knows of scripts or plans.
"""
