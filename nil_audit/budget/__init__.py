"""Shapes of one budget: templates, exact counts, cost, alternatives."""

DEFAULT_CONTEXT = 4096
"""Window length that floating-point operations are counted at, in tokens, unless the model's own is shorter."""
