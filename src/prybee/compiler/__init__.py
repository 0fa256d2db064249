"""SSA values and blocks, passes, register allocation, and emission of eBPF with its BTF.

Knows nothing of the tracing language and never enters the kernel.
"""
