"""Flame graphs in a terminal: printed once, and one to walk around in."""
