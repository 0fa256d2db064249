"""The tracing language: from text over a typed tree to SSA, without the kernel."""
