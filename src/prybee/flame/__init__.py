"""Flame graphs: from any tracer's stacks to a picture that answers the question."""
