"""Other kernels for the tests: Debian's, in QEMU, on this machine's own files.

``python -m tests.vm run 6.12 -- COMMAND`` boots a kernel, runs a command as root inside, and has
its output and status.  Nothing is installed: kernels and QEMU itself are fetched from Debian's
archive and unpacked into a cache (``$PRYBEE_VM_CACHE``, else ``~/.cache/prybee/vm``).  Files are
those of the machine, behind an overlay: what the guest writes is gone with it.

``archive`` fetches packages, ``kernels`` and ``emulator`` unpack what is needed of them,
``initramfs`` makes what the kernel starts with, ``guest`` runs one, ``table`` runs the tests in
several.
"""
