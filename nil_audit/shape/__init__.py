"""What an architecture is, from its configuration alone: no weights."""
