"""Shapes of one budget: templates, exact counts, cost, alternatives."""
