"""Checkpoints: loaded, placed, fitted into memory. The only room that loads weights."""
