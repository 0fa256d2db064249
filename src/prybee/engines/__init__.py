"""Realising plans: the running kernel's answers for the compiler, and its objects for a plan."""
