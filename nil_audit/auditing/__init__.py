"""One model, from its name to its record."""
