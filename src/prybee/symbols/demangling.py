"""Names of C++ and Rust functions as their source has them."""

from __future__ import annotations


def demangle(name: str) -> str:
    return name
