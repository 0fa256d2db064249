"""The passes over SSA form, one per module; ``compile.py`` says in which order they run."""
