"""Gradient-space interaction: the only room that runs a model's backward pass."""
